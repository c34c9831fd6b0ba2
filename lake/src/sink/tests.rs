//! The sink against the embedded catalog: each row once, whatever happens in between.

use crate::testing::{Job, Lake, commit_of, expected, live, long, query, rows, summary, term};
use crate::verify::verify;
use freshet_connector_api::Commit;
use freshet_sql::catalog::external::{ExternalTable, TableVersion};
use freshet_types::{ChangeBatch, ErrorKind, Options, SqlField, SqlType};
use proptest::prelude::*;
use std::sync::Arc;

fn sound(table: &crate::LakeTable) {
    assert_eq!(verify(&table.refresh().unwrap()).unwrap().problems, Vec::<String>::new());
}

#[test]
fn rows_come_back_with_their_types() {
    let lake = Lake::new();
    for terms in
        [vec![], vec![term("days", None, "t"), term("bucket", Some(4), "id")], vec![term("identity", None, "name")]]
    {
        let table = lake.table(terms, &[]);
        let mut job = Job::start(&table, &lake, 1, None);
        job.checkpoint(1, &[rows(0..100), rows(100..1_000)]);
        job.checkpoint(2, &[]);
        job.checkpoint(3, &[rows(1_000..2_000)]);
        assert_eq!(summary(&table), expected(0..2_000));
        assert_eq!(query(&table, "SELECT id, name, t FROM t WHERE id = 1501"), ["1501|n1|1970-01-01T00:25:01"]);
        assert_eq!(query(&table, "SELECT name FROM t WHERE id = 14"), ["NULL"]);
        assert_eq!(query(&table, "SELECT count(*) FROM t WHERE name IS NULL"), ["286"]);
        assert_eq!(query(&table, "SELECT count(*) FROM t WHERE t < TIMESTAMP '1970-01-01 00:00:10'"), ["10"]);
        assert_eq!(query(&table, "SELECT arrow_typeof(t) FROM t LIMIT 1"), ["Timestamp(ms)"]);
        sound(&table);
        assert_eq!(table.refresh().unwrap().metadata().snapshots().count(), 2, "an empty checkpoint makes no snapshot");
        lake.catalog_drop();
    }
}

#[test]
fn files_carry_counts_and_bounds() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    Job::start(&table, &lake, 1, None).checkpoint(1, &[rows(5..50)]);
    let file = live(&table).remove(0).file;
    assert_eq!((long(file.lower_bounds().get(&1)), long(file.upper_bounds().get(&1))), ("5".into(), "49".into()));
    assert_eq!(file.null_value_counts()[&2], 7);
    assert_eq!(file.value_counts()[&1], 45);
    assert!(long(file.lower_bounds().get(&3)).starts_with("1970-01-01 00:00:05"));
    assert_eq!(file.split_offsets().map(<[i64]>::len), Some(1));
}

#[test]
fn a_commit_that_is_repeated_changes_nothing() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    let first = job.checkpoint(1, &[rows(0..10)]);
    job.committer.commit(&first).unwrap();
    let second = job.checkpoint(2, &[rows(10..20)]);
    job.committer.commit(&second).unwrap();
    // Also by the next process, and when the property was taken away.
    Job::start(&table, &lake, 2, Some(&second));
    let strip = crate::commit::TableChange {
        remove_properties: vec!["freshet.checkpoint-id.job".into(), "freshet.checkpoint-files.job".into()],
        ..Default::default()
    };
    crate::testing::apply(&table, &strip);
    Job::start(&table, &lake, 3, Some(&second));
    assert_eq!(summary(&table), expected(0..20));
    sound(&table);
}

#[test]
fn a_crash_between_root_and_commit_is_finished_at_recovery() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    let promised = job.prepare(2, &[rows(10..20)]);
    // Prepared for a checkpoint that gets no root file: these rows come again.
    job.prepare(3, &[rows(20..30)]);
    drop(job);
    let mut job = Job::start(&table, &lake, 2, Some(&promised));
    assert_eq!(summary(&table), expected(0..20));
    job.checkpoint(3, &[rows(20..30)]);
    assert_eq!(summary(&table), expected(0..30));
    let table = table.refresh().unwrap();
    let files = table.loaded().io.list(&format!("{}/data", table.metadata().location())).unwrap();
    assert_eq!(files.len(), 3, "what was prepared in vain is gone: {files:?}");
    sound(&table);
}

#[test]
fn without_a_checkpoint_everything_prepared_goes_and_the_job_begins_anew() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.prepare(1, &[rows(0..10)]);
    drop(job);
    let mut job = Job::start(&table, &lake, 2, None);
    job.checkpoint(1, &[rows(0..10)]);
    drop(job);
    // From scratch: what is in the table stays, the same rows come once more.
    let mut job = Job::start(&table, &lake, 3, None);
    assert_eq!(summary(&table), expected(0..10));
    job.checkpoint(1, &[rows(0..10)]);
    assert_eq!(summary(&table), expected((0..10).chain(0..10)));
    sound(&table);
}

#[test]
fn a_job_behind_its_table_is_refused() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    let first = job.checkpoint(1, &[rows(0..10)]);
    job.checkpoint(2, &[rows(10..20)]);
    let sink = table.sink(&Options::default(), &lake.env()).unwrap();
    let mut late = sink.committer(&crate::testing::context(2)).unwrap();
    assert_eq!(late.recover(Some(&first)).unwrap_err().code(), "lake.ahead");
    let mut zombie = job.prepare(2, &[rows(10..20)]);
    assert_eq!(job.committer.commit(&zombie).unwrap_err().code(), "lake.other_files");
    zombie.tokens = vec![b"{".to_vec()];
    assert_eq!(job.committer.commit(&zombie).unwrap_err().code(), "lake.token");
    assert_eq!(summary(&table), expected(0..20));
}

#[test]
fn a_table_that_was_made_anew_is_another() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    lake.catalog_drop();
    let commit = job.prepare(2, &[rows(10..20)]);
    assert_eq!(job.committer.commit(&commit).unwrap_err().kind(), ErrorKind::NotFound);
    lake.table(vec![], &[]);
    assert_eq!(job.committer.commit(&commit).unwrap_err().code(), "lake.replaced");
}

#[test]
fn small_files_become_larger_ones() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[("freshet.small-files-max", "4")]);
    let mut job = Job::start(&table, &lake, 1, None);
    let mut last = None;
    for checkpoint in 1..=40_u64 {
        let from = checkpoint as i64 * 10;
        last = Some(job.checkpoint(checkpoint, &[rows(from..from + 10)]));
    }
    let mut last: Commit = last.unwrap();
    last.last = true;
    job.committer.commit(&last).unwrap();
    drop(job);
    assert_eq!(summary(&table), expected(10..410));
    assert!(live(&table).len() < 12, "{}", live(&table).len());
    sound(&table);
    // The checkpoints still can be read one by one.
    let first = crate::listing::snapshots(&table.refresh().unwrap()).remove(0);
    let session = crate::testing::session(&table, Some(TableVersion::Snapshot(first.snapshot_id)));
    assert_eq!(crate::testing::query_in(session, "SELECT count(*) FROM t"), ["10"]);
}

#[test]
fn full_files_are_closed_on_the_way() {
    let lake = Lake::new();
    let pairs = [("write.target-file-size-bytes", "20000"), ("freshet.small-files-max", "0")];
    let table = lake.table(vec![term("bucket", Some(2), "id")], &pairs);
    let mut job = Job::start(&table, &lake, 1, None);
    let batches: Vec<_> = (0..40).map(|i| rows(i * 1_000..(i + 1) * 1_000)).collect();
    job.checkpoint(1, &batches);
    assert!(live(&table).len() > 4, "{}", live(&table).len());
    assert_eq!(summary(&table), expected(0..40_000));
    sound(&table);
}

#[test]
fn weights_repeat_rows_and_negative_ones_are_refused() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    let twice = ChangeBatch::new(rows(0..2), Some(vec![2, 1].into()));
    job.writer.write(&twice).unwrap();
    let token = job.writer.prepare(freshet_types::CheckpointId(1)).unwrap()().unwrap();
    job.committer.commit(&commit_of(1, token)).unwrap();
    assert_eq!(query(&table, "SELECT id FROM t ORDER BY id"), ["0", "0", "1"]);
    let taken_back = ChangeBatch::new(rows(0..1), Some(vec![-1].into()));
    assert_eq!(job.writer.write(&taken_back).unwrap_err().code(), "lake.retraction");
}

#[test]
fn what_a_table_cannot_take_is_refused_by_name() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let sink =
        |pairs: &[(&str, &str)]| table.sink(&crate::testing::options(pairs), &lake.env()).map(drop).unwrap_err().code();
    assert_eq!(sink(&[("write.upsert.enabled", "true")]), "lake.upsert");
    assert_eq!(sink(&[("write.format.default", "orc")]), "lake.format");
    assert_eq!(sink(&[("write.parquet.compression-codec", "zip")]), "option.invalid");
    assert_eq!(sink(&[("wirte.target", "1")]), "option.unknown");
    let null = arrow::array::RecordBatch::try_from_iter_with_nullable(vec![
        ("id", Arc::new(arrow::array::Int64Array::from(vec![None])) as arrow::array::ArrayRef, true),
        ("name", std::sync::Arc::clone(rows(0..1).column(1)), true),
        ("t", std::sync::Arc::clone(rows(0..1).column(2)), true),
    ]);
    let mut job = Job::start(&table, &lake, 1, None);
    let e = job.writer.write(&ChangeBatch::inserts(null.unwrap())).unwrap_err();
    assert_eq!(e.code(), "lake.null");
}

#[test]
fn every_type_comes_back() {
    let lake = Lake::new();
    let row = SqlType::Row(vec![
        SqlField::new("x", SqlType::TinyInt),
        SqlField::new("y", SqlType::Array(Box::new(SqlField::new("", SqlType::Timestamp(0))))),
    ]);
    let columns = vec![
        SqlField::new("id", SqlType::BigInt).not_null(),
        SqlField::new("small", SqlType::SmallInt),
        SqlField::new("price", SqlType::Decimal(10, 2)),
        SqlField::new("at", SqlType::TimestampLtz(3)),
        SqlField::new("time", SqlType::Time(0)),
        SqlField::new("bytes", SqlType::Binary(3)),
        SqlField::new("row", row),
        SqlField::new("map", SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", SqlType::Float)))),
    ];
    let table = lake.table_of(columns.clone(), vec![], &[]);
    assert_eq!(table.definition().columns, columns);
    let schema = Arc::new(arrow::datatypes::Schema::new(columns.iter().map(SqlField::to_arrow).collect::<Vec<_>>()));
    let json = r#"{"id":1,"small":-7,"price":"12.50","at":"2026-01-02T03:04:05.678Z","time":3600,"bytes":"616263",
                   "row":{"x":5,"y":["2026-01-02T03:04:05"]},"map":{"k":1.5}}
                  {"id":2}"#;
    let mut reader = arrow::json::ReaderBuilder::new(Arc::clone(&schema)).build(json.as_bytes()).unwrap();
    let batch = reader.next().unwrap().unwrap();
    Job::start(&table, &lake, 1, None).checkpoint(1, std::slice::from_ref(&batch));
    let provider = table.refresh().unwrap().scan().unwrap();
    assert_eq!(provider.schema(), schema);
    let session = datafusion::prelude::SessionContext::new();
    session.register_table("t", provider).unwrap();
    let read = freshet_connectors::storage::runtime()
        .block_on(async { session.sql("SELECT * FROM t ORDER BY id").await.unwrap().collect().await.unwrap() });
    assert_eq!(arrow::compute::concat_batches(&schema, &read).unwrap(), batch);
}

#[test]
fn snapshots_stay_few_and_their_files_go() {
    let lake = Lake::new();
    let pairs = [
        ("freshet.snapshots-max", "12"),
        ("history.expire.max-snapshot-age-ms", "1"),
        ("freshet.small-files-max", "4"),
        ("commit.manifest.min-count-to-merge", "3"),
        ("write.metadata.previous-versions-max", "2"),
    ];
    let table = lake.table(vec![], &pairs);
    let mut job = Job::start(&table, &lake, 1, None);
    for checkpoint in 1..=60_u64 {
        lake.clock.advance_ms(10);
        let from = checkpoint as i64 * 10;
        job.checkpoint(checkpoint, &[rows(from..from + 10)]);
    }
    drop(job);
    assert_eq!(summary(&table), expected(10..610));
    sound(&table);
    let table = table.refresh().unwrap();
    assert!(table.metadata().snapshots().len() <= 16, "{}", table.metadata().snapshots().len());
    // Nothing is left that nobody names, but for a rewrite that lost its race.
    let io = &table.loaded().io;
    let named = crate::maintain::reachable(&table).unwrap();
    let data = io.list(&format!("{}/data", table.metadata().location())).unwrap();
    let stray = data.iter().filter(|f| !named.contains_key(&f.path)).count();
    assert_eq!(stray, 0, "{stray} of {}", data.len());
    let metadata = io.list(&format!("{}/metadata", table.metadata().location())).unwrap();
    let stray: Vec<_> = metadata.iter().filter(|f| f.path.ends_with(".avro") && !named.contains_key(&f.path)).collect();
    assert!(stray.is_empty(), "{stray:?}");
}

#[test]
fn a_job_reads_what_another_wrote_and_goes_on_where_it_stopped() {
    use freshet_connector_api::{AssignedSplit, Poll, PollLimit};
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..100)]);
    job.checkpoint(2, &[rows(100..150)]);
    let source = table.source(&lake.env()).unwrap();
    let split = source.discover().unwrap().remove(0);
    // What comes later is not part of the snapshot.
    job.checkpoint(3, &[rows(150..200)]);
    let (mut from, mut ids) = (split.start.clone(), Vec::new());
    'restarts: loop {
        let mut reader = source.reader(&[0]).unwrap();
        reader.assign(vec![AssignedSplit { id: std::sync::Arc::clone(&split.id), from: from.clone() }]).unwrap();
        for _ in 0..3 {
            let limit = PollLimit { rows: 17, wait: std::time::Duration::ZERO };
            let Poll::Batch(batch) = reader.poll(limit).unwrap() else { break 'restarts };
            let column = batch.changes.column(0);
            let column = column.as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
            ids.extend(column.values().iter().copied());
            from = batch.next;
            if batch.split_finished {
                break 'restarts;
            }
        }
    }
    assert_eq!(ids, (0..150).collect::<Vec<_>>());
}

/// Ids that a job gets which starts from `from`, and where it ends.
fn read_ids(source: &dyn freshet_connector_api::Source, from: Option<&str>) -> (Vec<i64>, String) {
    use freshet_connector_api::{AssignedSplit, Offset, Poll, PollLimit};
    let split = source.discover().unwrap().remove(0);
    let from = from.map_or(split.start, |from| Offset(from.into()));
    let mut reader = source.reader(&[0]).unwrap();
    reader.assign(vec![AssignedSplit { id: split.id, from }]).unwrap();
    let mut ids = Vec::new();
    loop {
        let Poll::Batch(batch) = reader.poll(PollLimit { rows: 7, wait: std::time::Duration::ZERO }).unwrap() else {
            panic!("a split ends with a batch that says so")
        };
        let column = batch.changes.column(0);
        ids.extend(column.as_any().downcast_ref::<arrow::array::Int64Array>().unwrap().values().iter().copied());
        if batch.split_finished {
            return (ids, batch.next.0);
        }
    }
}

#[test]
fn a_job_that_is_started_again_reads_only_what_was_appended() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[("freshet.small-files-max", "2"), ("commit.manifest.min-count-to-merge", "2")]);
    let source = table.source(&lake.env()).unwrap();
    let (ids, end) = read_ids(&*source, None);
    assert_eq!((ids.len(), end.as_str()), (0, "empty"));
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    job.checkpoint(2, &[rows(10..20)]);
    let (ids, end) = read_ids(&*source, Some(&end));
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
    assert_eq!(read_ids(&*source, Some(&end)), (vec![], end.clone()), "nothing new has come");
    // Merged files hold no new rows.
    for checkpoint in 3..9 {
        let from = (checkpoint as i64 - 1) * 10;
        job.checkpoint(checkpoint, &[rows(from..from + 10)]);
    }
    crate::maintain::find("compact").unwrap().run(&table, &Options::default()).unwrap();
    let (ids, next) = read_ids(&*source, Some(&end));
    assert_eq!(ids, (20..80).collect::<Vec<_>>());
    // Stopped midway, and the table has gone on.
    let (after, until) = (end.trim_end_matches("/done"), next.trim_end_matches("/done"));
    job.checkpoint(9, &[rows(80..90)]);
    let (ids, midway) = read_ids(&*source, Some(&format!("{after}..{until}/1/3")));
    assert_eq!((ids, &midway), ((33..80).collect(), &next));
    assert_eq!(read_ids(&*source, Some(&midway)).0, (80..90).collect::<Vec<_>>());
    // A version of the table stays what it is.
    let version = TableVersion::Snapshot(after.parse().unwrap());
    let past = table.refresh().unwrap().at(&version).unwrap();
    assert_eq!(read_ids(&*past.source(&lake.env()).unwrap(), None), ((0..20).collect(), end.clone()));
    assert_eq!(past.sink(&Options::default(), &lake.env()).map(drop).unwrap_err().code(), "lake.past");
}

#[test]
fn a_job_that_cannot_tell_what_is_new_says_so() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    let source = table.source(&lake.env()).unwrap();
    let (_, end) = read_ids(&*source, None);
    let refused = |from: &str| {
        let from = freshet_connector_api::Offset(from.into());
        let id = source.discover().unwrap().remove(0).id;
        let split = freshet_connector_api::AssignedSplit { id, from };
        source.reader(&[0]).unwrap().assign(vec![split]).unwrap_err().code()
    };
    lake.clock.advance_ms(10_000);
    let file = live(&table)[0].file.file_path().to_string();
    let delete = crate::testing::position_deletes(&table, "d.parquet", &[(&file, 1)]);
    crate::testing::apply(&table, &crate::testing::deletes(vec![delete]));
    assert_eq!(refused(&end), "lake.not_append");
    job.checkpoint(2, &[rows(10..20)]);
    lake.clock.advance_ms(10_000);
    let options = crate::testing::options(&[("older-than", "1 s")]);
    crate::maintain::find("expire").unwrap().run(&table, &options).unwrap();
    assert_eq!(refused(&end), "lake.expired");
}

#[test]
fn what_was_promised_to_a_table_is_not_put_into_another_of_its_name() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let promised = Job::start(&table, &lake, 1, None).checkpoint(1, &[rows(0..10)]);
    lake.catalog_drop();
    let table = lake.table(vec![], &[]);
    let sink = table.sink(&Options::default(), &lake.env()).unwrap();
    let mut committer = sink.committer(&crate::testing::context(2)).unwrap();
    assert_eq!(committer.recover(Some(&promised)).unwrap_err().code(), "lake.replaced");
    assert_eq!(summary(&table), expected([]));
}

#[test]
fn branches_and_tags_are_read_by_name() {
    use iceberg::TableUpdate;
    use iceberg::spec::{SnapshotReference, SnapshotRetention};
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    let first = table.refresh().unwrap();
    let id = first.metadata().current_snapshot_id().unwrap();
    let update = |name: &str, retention| TableUpdate::SetSnapshotRef {
        ref_name: name.into(),
        reference: SnapshotReference::new(id, retention),
    };
    let updates = vec![
        update("audit", SnapshotRetention::branch(None, None, None)),
        update("v1", SnapshotRetention::Tag { max_ref_age_ms: None }),
    ];
    first.catalog().swap(first.name(), first.loaded(), updates, vec![]).unwrap();
    job.checkpoint(2, &[rows(10..20)]);
    let table = table.refresh().unwrap();
    let count = |version: &TableVersion| {
        let session = datafusion::prelude::SessionContext::new();
        session.register_table("t", table.at(version)?.scan()?).unwrap();
        Ok::<_, freshet_types::Error>(crate::testing::query_in(session, "SELECT count(*) FROM t").remove(0))
    };
    for version in [TableVersion::Branch("audit".into()), TableVersion::Tag("v1".into()), TableVersion::Snapshot(id)] {
        assert_eq!(count(&version).unwrap(), "10", "{version:?}");
    }
    assert_eq!(count(&TableVersion::Branch("main".into())).unwrap(), "20");
    let e = count(&TableVersion::Tag("v2".into())).unwrap_err();
    assert_eq!((e.code(), e.hint_text().is_some_and(|h| h.contains("v1"))), ("lake.no_reference", true));
    assert_eq!(count(&TableVersion::Branch("v1".into())).unwrap_err().code(), "lake.no_reference");
}

/// Values of a type, as text, and the transforms that it can be partitioned by.
fn partitionable() -> Vec<(SqlType, &'static str, Vec<&'static str>)> {
    let long = "日".repeat(300);
    let texts: Vec<&'static str> = vec!["", "a", "ab", "日本語", "a b/ü=%", "../x", "zz\u{10ffff}", long.leak()];
    let times = vec![
        "1969-12-30 23:59:59.500",
        "1969-12-31 23:59:59.999",
        "1970-01-01 00:00:00",
        "2024-02-29 23:00:00.001",
        "1900-03-01 00:00:00",
    ];
    let (numbers, time, day) =
        ("identity bucket truncate", "identity bucket years months days hours", "identity bucket years months days");
    vec![
        (SqlType::TinyInt, numbers, vec!["-128", "-1", "0", "9", "10", "127"]),
        (SqlType::Int, numbers, vec!["-2147483648", "-11", "-1", "0", "9", "10", "2147483647"]),
        (SqlType::BigInt, numbers, vec!["-9223372036854775808", "-11", "-1", "0", "9", "10", "9223372036854775807"]),
        (SqlType::Decimal(10, 2), numbers, vec!["-10.65", "-0.01", "0.00", "10.65", "99999999.99"]),
        (SqlType::Decimal(38, 10), numbers, vec!["-1234567890123456789012345678.0123456789", "0.0000000001"]),
        (SqlType::Date, day, vec!["0001-01-01", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31"]),
        (SqlType::Timestamp(3), time, times.clone()),
        (SqlType::Timestamp(9), "bucket years months days hours", times.clone()),
        (SqlType::TimestampLtz(6), time, times),
        (SqlType::Time(0), "identity bucket", vec!["00:00:00", "12:34:56"]),
        (SqlType::STRING, numbers, texts),
        (SqlType::BYTES, numbers, vec!["", "a", "abc", "abd"]),
        (SqlType::Double, "identity", vec!["-0.0", "0.0", "NaN", "inf", "-inf", "1.5"]),
        (SqlType::Float, "identity", vec!["-0.0", "0.0", "NaN", "0.1"]),
        (SqlType::Boolean, "identity", vec!["true", "false"]),
    ]
}

#[test]
fn every_transform_of_every_type_is_written_and_pruned_right() {
    use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
    use datafusion::common::ScalarValue;
    use datafusion::prelude::{SessionContext, col, lit};
    let lake = Lake::new();
    for (sql_type, transforms, texts) in partitionable() {
        let columns = vec![SqlField::new("id", SqlType::BigInt).not_null(), SqlField::new("v ö", sql_type.clone())];
        let schema =
            Arc::new(arrow::datatypes::Schema::new(columns.iter().map(SqlField::to_arrow).collect::<Vec<_>>()));
        let mut values: Vec<Option<&str>> = texts.iter().map(|t| Some(*t)).collect();
        values.push(None);
        let text: ArrayRef = Arc::new(StringArray::from(values));
        let value = arrow::compute::cast(&text, schema.field(1).data_type()).unwrap();
        assert_eq!(value.null_count(), 1, "{sql_type}");
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..value.len() as i64));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ids, Arc::clone(&value)]).unwrap();
        for transform in transforms.split(' ') {
            let argument = match transform {
                "bucket" => Some(4),
                "truncate" => Some(2),
                _ => None,
            };
            let terms = vec![term(transform, argument, "v ö")];
            let table = lake.table_of(columns.clone(), terms, &[("format-version", "3")]);
            Job::start(&table, &lake, 1, None).checkpoint(1, std::slice::from_ref(&batch));
            sound(&table);
            let name = format!("{transform} of {sql_type}");
            let table = table.refresh().unwrap();
            let spec = Arc::clone(table.metadata().default_partition_spec());
            for entry in live(&table) {
                // The rows of a file are those of its partition, as it came back from the manifest.
                let shape = Arc::new(
                    crate::scan::Shape::new(
                        table.metadata().current_schema(),
                        &crate::schema::file_schema(table.metadata().current_schema()),
                        table.metadata(),
                    )
                    .unwrap(),
                );
                let request = crate::scan::request(&table, shape, None);
                for rows in crate::scan::rows::read_file(&request, &entry).unwrap() {
                    let rows = rows.unwrap();
                    let applied = crate::transform::apply(spec.fields()[0].transform, rows.column(1)).unwrap();
                    let result = spec.partition_type(table.metadata().current_schema()).unwrap();
                    let kind = &result.fields()[0].field_type;
                    for literal in iceberg::arrow::arrow_primitive_to_literal(&applied, kind).unwrap() {
                        assert_eq!(entry.file.partition()[0], literal, "{name}");
                    }
                }
            }
            let session = crate::testing::session(&table, None);
            let memory = SessionContext::new();
            let rows =
                datafusion::datasource::MemTable::try_new(Arc::clone(&schema), vec![vec![batch.clone()]]).unwrap();
            memory.register_table("t", Arc::new(rows)).unwrap();
            let column = || col(datafusion::common::Column::new_unqualified("v ö"));
            let mut filters = vec![column().is_null(), column().is_not_null()];
            for row in 0..value.len() - 1 {
                let literal = lit(ScalarValue::try_from_array(&value, row).unwrap());
                filters.push(column().eq(literal.clone()));
                filters.push(if row % 2 == 0 { column().lt(literal) } else { column().gt_eq(literal) });
            }
            for filter in filters {
                let (found, wanted) = freshet_connectors::storage::runtime().block_on(async {
                    let count = async |session: &SessionContext| {
                        session.table("t").await.unwrap().filter(filter.clone()).unwrap().count().await.unwrap()
                    };
                    (count(&session).await, count(&memory).await)
                });
                assert_eq!(found, wanted, "{name}: {filter}");
            }
            lake.catalog_drop();
        }
    }
}

/// What may happen to a job between two checkpoints.
#[derive(Debug, Clone, Copy)]
enum Event {
    Commit,
    CommitTwice,
    CrashBeforeRoot,
    CrashAfterRoot,
    CrashAfterCommit,
    Empty,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    use Event::*;
    let event = prop_oneof![
        3 => Just(Commit), 1 => Just(CommitTwice), 1 => Just(CrashBeforeRoot), 1 => Just(CrashAfterRoot),
        1 => Just(CrashAfterCommit), 1 => Just(Empty)
    ];
    prop::collection::vec(event, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 20, ..ProptestConfig::default() })]

    #[test]
    fn each_row_is_there_once_whatever_happens(events in events(), partitioned: bool) {
        let lake = Lake::new();
        let terms = if partitioned { vec![term("bucket", Some(2), "id")] } else { vec![] };
        let table = lake.table(terms, &[("freshet.small-files-max", "3")]);
        let mut attempt = 1;
        let mut root: Option<Commit> = None;
        let mut job = Job::start(&table, &lake, attempt, None);
        // `next` is the source's offset at the last root: rows before it are promised.
        let (mut next, mut checkpoint) = (0_i64, 0_u64);
        for event in events {
            let batch = rows(next..next + 5);
            let given = if matches!(event, Event::Empty) { vec![] } else { vec![batch] };
            let prepared = job.prepare(checkpoint + 1, &given);
            let restart;
            match event {
                Event::CrashBeforeRoot => restart = true,
                Event::CrashAfterRoot => { root = Some(prepared); restart = true; }
                _ => {
                    job.committer.commit(&prepared).unwrap();
                    if matches!(event, Event::CommitTwice) { job.committer.commit(&prepared).unwrap(); }
                    restart = matches!(event, Event::CrashAfterCommit);
                    root = Some(prepared);
                }
            }
            if !matches!(event, Event::CrashBeforeRoot) {
                checkpoint += 1;
                next += if matches!(event, Event::Empty) { 0 } else { 5 };
            }
            if restart {
                attempt += 1;
                drop(job);
                job = Job::start(&table, &lake, attempt, root.as_ref());
            }
            prop_assert_eq!(summary(&table), expected(0..next));
        }
        drop(job);
        prop_assert_eq!(verify(&table.refresh().unwrap()).unwrap().problems, Vec::<String>::new());
    }
}
