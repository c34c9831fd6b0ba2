//! `filesystem` against the conformance suites, and what it does with bad files.

use super::Filesystem;
use crate::storage::Storage;
use crate::testing::{env, table, texts};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use freshet_connector_api::conformance::{SinkCase, SourceCase, check_sink, check_source};
use freshet_connector_api::{
    AssignedSplit, Boundedness, ColumnSpec, Commit, Connector, ConnectorEnv, DeadLetter, Poll, PollLimit, Source,
    TableSpec, WriterContext,
};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, Options, SqlField, SqlType, Watermark};
use std::sync::Arc;
use std::time::Duration;

struct Place {
    folder: tempfile::TempDir,
    env: ConnectorEnv,
    clock: Arc<freshet_types::VirtualClock>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (env, _, clock) = env(&folder.path().join("state"));
        Self { folder, env, clock }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_string()
    }

    fn storage(&self, name: &str) -> Storage {
        Storage::open(&self.path(name), &Options::default()).unwrap()
    }

    fn source(&self, table: &TableSpec) -> Arc<dyn Source> {
        freshet_connector_api::connector::check_options(&Filesystem, table).unwrap();
        Filesystem.source(table, &self.env).unwrap()
    }

    /// Rows of all files, after the suite has been through them.
    fn read(&self, table: &TableSpec) -> Vec<String> {
        let make = || self.source(table);
        let projection = (0..table.columns.len()).collect();
        let case = SourceCase { make: &make, schema: table.schema(), projection, rows_max: usize::MAX };
        check_source(&case).iter().flat_map(texts).collect()
    }
}

fn drain(source: &dyn Source, projection: &[usize]) -> (Vec<String>, Vec<DeadLetter>) {
    let mut reader = source.reader(projection).unwrap();
    let splits = source.discover().unwrap();
    reader.assign(splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect()).unwrap();
    let (mut rows, mut dead) = (Vec::new(), Vec::new());
    loop {
        match reader.poll(PollLimit { rows: 100, wait: Duration::ZERO }).unwrap() {
            Poll::Batch(batch) => {
                rows.extend(texts(batch.changes.rows()));
                dead.extend(batch.dead);
            }
            Poll::Pending => {}
            Poll::Finished => return (rows, dead),
        }
    }
}

const AB: [(&str, SqlType); 2] = [("a", SqlType::BigInt), ("b", SqlType::STRING)];

fn files(path: &str, format: &str, extra: &[(&str, &str)]) -> TableSpec {
    let mut table = table(&AB, extra);
    for (name, value) in [("connector", "filesystem"), ("path", path), ("format", format)] {
        table.options.set(name, value);
    }
    table
}

fn metadata(name: &str, key: &str, sql_type: SqlType) -> ColumnSpec {
    ColumnSpec::metadata(SqlField::new(name, sql_type), key, true)
}

#[test]
fn lines_are_read_from_every_offset() {
    let place = Place::new();
    let line = |i: u32| format!("{{\"a\":{i},\"b\":\"row {i}\"}}{}", if i.is_multiple_of(3) { "\r\n" } else { "\n" });
    let text: String = (0..300).map(line).collect();
    place.storage("in").put_durable("1.json", text.clone()).unwrap();
    place.storage("in").put_durable("2.json.zst", zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
    place.storage("in").put_durable("3.json", "").unwrap();
    place.storage("in").put_durable("4.json", "\u{feff}{\"a\":1}\n\n{\"a\":2}").unwrap();
    let rows = place.read(&files(&place.path("in"), "json", &[]));
    assert_eq!(rows.len(), 602);
    assert_eq!((rows[299].as_str(), rows[599].as_str()), ("299|row 299", "299|row 299"));
    assert_eq!(rows[600..], ["1|NULL", "2|NULL"]);
}

#[test]
fn quoted_line_breaks_stay_in_their_row() {
    let place = Place::new();
    place.storage("in").put_durable("x.csv", "1,\"two\nlines\"\n2,\"say \"\"hi\"\"\"\n3,5\" disk\n").unwrap();
    let rows = place.read(&files(&place.path("in"), "csv", &[]));
    assert_eq!(rows, ["1|two\nlines", "2|say \"hi\"", "3|5\" disk"]);
}

#[test]
fn bad_records_become_dead_letters_and_leave_their_neighbours_alone() {
    let place = Place::new();
    let text = "{\"a\":1,\"b\":\"x\"}\nnonsense\n{\"a\":\"no\"}\n{\"a\":2,\"b\":\"y\"}\n";
    place.storage("in").put_durable("x.json", text).unwrap();
    place.storage("in").put_durable("y.json.gz", "not gzip").unwrap();
    place.storage("in").put_durable("z.json.xz", "whatever").unwrap();
    let table = files(&place.path("in"), "json", &[]);
    assert_eq!(place.read(&table), ["1|x", "2|y"]);
    let (_, dead) = drain(&*place.source(&table), &[0]);
    let letters: Vec<_> =
        dead.iter().map(|d| (&*d.split, d.offset.0.as_str(), String::from_utf8_lossy(&d.raw).into_owned())).collect();
    assert_eq!(letters[0], ("x.json", "16", "nonsense".to_string()));
    assert_eq!(letters[1], ("x.json", "25", "{\"a\":\"no\"}".to_string()));
    assert_eq!((letters[2].0, letters[3].0), ("y.json.gz", "z.json.xz"));
    assert!(dead[2].reason.contains("is broken") && dead[3].reason.contains("compressed with xz"));
}

#[test]
fn old_spellings_are_mended_with_a_notice() {
    let old =
        [("connector.path", "x"), ("format.type", "csv"), ("format.field-delimiter", ";"), ("update-mode", "append")];
    let mut options: Options = old.into_iter().collect();
    assert_eq!(Filesystem.upgrade_options(&mut options).len(), 4);
    assert_eq!(options, [("path", "x"), ("format", "csv"), ("csv.field-delimiter", ";")].into_iter().collect());
}

#[test]
fn a_stray_quote_costs_its_line_only() {
    let place = Place::new();
    let text = "1,one\n2,\"two\n3,three\n4,\"fo\nur\"\n5,\"five\"x\n6,\"si\nx\n7,seven\n";
    place.storage("in").put_durable("x.csv", text).unwrap();
    let table = files(&place.path("in"), "csv", &[]);
    assert_eq!(place.read(&table), ["1|one", "3|three", "4|fo\nur", "7|seven"]);
    for projection in [&[0, 1][..], &[0], &[]] {
        let (rows, dead) = drain(&*place.source(&table), projection);
        assert_eq!(rows.len(), 4);
        let raw: Vec<_> = dead.iter().map(|d| String::from_utf8_lossy(&d.raw).into_owned()).collect();
        assert_eq!(raw, ["2,\"two", "5,\"five\"x", "6,\"si", "x"]);
    }
}

#[test]
fn damage_to_a_line_leaves_the_others_as_they_were() {
    // xorshift64*, so that a failure comes again.
    let mut state = 0x5EED_u64;
    let mut roll = move |below: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    };
    const TEXTS: [&str; 6] = ["plain", "two\nlines", "say \"hi\" to", "a,b", "\u{e9}\u{4e2d}", "5\" disk"];
    const WOUNDS: [u8; 8] = [b'"', b',', b'\\', b'{', 0, 0xFF, b'9', b'}'];
    for round in 0..120 {
        let format = ["json", "csv"][round % 2];
        let lines: Vec<String> = (0..8)
            .map(|i| {
                let text = TEXTS[roll(TEXTS.len())];
                match format {
                    "json" => serde_json::json!({ "a": i, "b": text }).to_string(),
                    _ => format!("{i},\"{}\"", text.replace('"', "\"\"")),
                }
            })
            .collect();
        let place = Place::new();
        let table = files(&place.path("in"), format, &[]);
        let read = |text: Vec<u8>, projection: &[usize]| {
            place.storage("in").put_durable("x", text).unwrap();
            let (rows, dead) = drain(&*place.source(&table), projection);
            (rows, dead.len())
        };
        let (whole, _) = read(lines.join("\n").into_bytes(), &[0, 1]);
        assert_eq!(whole.len(), 8);
        let victim = roll(8);
        let mut bytes = lines[victim].clone().into_bytes();
        let at = roll(bytes.len());
        match roll(4) {
            0 => bytes[at] = WOUNDS[roll(WOUNDS.len())],
            1 => bytes.insert(at, WOUNDS[roll(WOUNDS.len())]),
            2 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
        let before = lines[..victim].iter().map(|l| l.as_bytes());
        let behind = lines[victim + 1..].iter().map(|l| l.as_bytes());
        let text: Vec<&[u8]> = before.chain([&bytes[..]]).chain(behind).collect();
        let text = text.join(&b'\n');
        let shown = String::from_utf8_lossy(&text).into_owned();
        let (rows, dead) = read(text.clone(), &[0, 1]);
        let others = whole[..victim].iter().chain(&whole[victim + 1..]);
        let mut found = rows.iter();
        for other in others {
            assert!(found.any(|row| row == other), "round {round}: {other:?} is gone from {shown}");
        }
        assert!(rows.len() + dead >= 7, "round {round}: {shown}");
        for projection in [&[0][..], &[1], &[]] {
            let (some, refused) = read(text.clone(), projection);
            assert_eq!((some.len(), refused), (rows.len(), dead), "round {round}: {projection:?} decides over {shown}");
        }
    }
}

#[test]
fn rows_of_a_file_that_do_not_fit_are_dead_letters_one_by_one() {
    for format in ["parquet", "avro"] {
        let place = Place::new();
        let numbers: Vec<i64> = (0..3_000).map(|n| if n % 1_000 == 7 { i64::from(i32::MAX) + n } else { n }).collect();
        write_once(&place, &files(&place.path("in"), format, &[]), &numbers);
        let mut narrow = files(&place.path("in"), format, &[]);
        narrow.columns[0].field.sql_type = SqlType::Int;
        assert_eq!(place.read(&narrow).len(), 2_997, "{format}");
        let (_, dead) = drain(&*place.source(&narrow), &[1, 0]);
        let offsets: Vec<&str> = dead.iter().map(|d| d.offset.0.as_str()).collect();
        assert_eq!(offsets, ["7", "1007", "2007"], "{format}");
        assert!(dead[0].reason.contains("does not fit"), "{}", dead[0].reason);
        let raw: serde_json::Value = serde_json::from_slice(&dead[0].raw).unwrap();
        assert_eq!(raw, serde_json::json!({ "a": "2147483654", "b": "r2" }));
    }
}

#[test]
fn records_that_a_table_lets_go_are_counted() {
    let place = Place::new();
    place.storage("in").put_durable("x.json", "{\"a\":1}\nnonsense\n{\"a\":2}\n[1]\n").unwrap();
    let table = files(&place.path("in"), "json", &[("json.ignore-parse-errors", "true")]);
    let source = place.source(&table);
    let mut reader = source.reader(&[0]).unwrap();
    let split = source.discover().unwrap().remove(0);
    reader.assign(vec![AssignedSplit { id: split.id, from: split.start }]).unwrap();
    let (mut rows, mut ignored) = (0, 0);
    while let Poll::Batch(batch) = reader.poll(PollLimit { rows: 1, wait: Duration::ZERO }).unwrap() {
        rows += batch.changes.row_count();
        ignored += batch.ignored;
        assert!(batch.dead.is_empty());
    }
    assert_eq!((rows, ignored), (2, 2));
}

#[test]
fn partitions_and_metadata_are_columns() {
    let place = Place::new();
    place.storage("in").put_durable("day=2024-02-01/n=1/x.csv", "1,a\n").unwrap();
    place.storage("in").put_durable("day=2024-02-02/n=__DEFAULT_PARTITION__/y.csv", "2,b\n3,c\n").unwrap();
    place.storage("in").put_durable("day=oops/n=1/z.csv", "4,d\n").unwrap();
    let mut table = files(&place.path("in"), "csv", &[]);
    let physical = |name: &str, t| ColumnSpec::physical(SqlField::new(name, t));
    table.columns.insert(0, physical("day", SqlType::Date));
    table.columns.push(physical("n", SqlType::Int));
    table.columns.push(metadata("file", "file.name", SqlType::STRING));
    table.columns.push(metadata("size", "file.size", SqlType::Int));
    table.columns.push(metadata("path", "file.path", SqlType::STRING));
    table.columns.push(metadata("changed", "file.modification-time", SqlType::TimestampLtz(3)));
    table.partition_keys = vec![0, 3];
    let (rows, dead) = drain(&*place.source(&table), &[0, 1, 2, 3, 4, 5]);
    assert_eq!(rows, ["2024-02-01|1|a|1|x.csv|4", "2024-02-02|2|b|NULL|y.csv|8", "2024-02-02|3|c|NULL|y.csv|8"]);
    assert!(dead[0].reason.contains("partition \"day=oops\" is no DATE"), "{}", dead[0].reason);
    let (rows, _) = drain(&*place.source(&table), &[6, 0]);
    assert_eq!(rows[0], format!("file://{}/day=2024-02-01/n=1/x.csv|2024-02-01", place.path("in")));
    let make = || place.source(&table);
    for projection in [vec![], vec![3], vec![7, 2]] {
        let case = SourceCase { make: &make, schema: table.schema(), projection, rows_max: usize::MAX };
        assert_eq!(check_source(&case).iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    }
}

#[test]
fn a_watched_folder_gives_new_files() {
    let place = Place::new();
    let table = files(&place.path("in"), "csv", &[("source.monitor-interval", "1 s")]);
    let source = place.source(&table);
    assert_eq!(
        (source.boundedness(), source.discovery_interval()),
        (Boundedness::Unbounded, Some(Duration::from_secs(1)))
    );
    assert!(source.discover().unwrap().is_empty());
    place.storage("in").put_durable("b.csv", "1,x\n").unwrap();
    assert_eq!(source.discover().unwrap().len(), 1);
    place.storage("in").put_durable("a.csv", "2,y\n").unwrap();
    assert_eq!(drain(&*source, &[0, 1]).0, ["2|y", "1|x"]);
}

#[test]
fn parquet_files_are_read_by_row_number_and_broken_ones_are_dead_letters() {
    let place = Place::new();
    write_once(&place, &files(&place.path("in"), "parquet", &[]), &(0..1_000).collect::<Vec<_>>());
    let name = place.storage("in").list("").unwrap()[0].path.clone();
    let whole = place.storage("in").read_all(&name).unwrap();
    let table = files(&place.path("in"), "parquet", &[]);
    assert_eq!(place.read(&table).len(), 1_000);
    place.storage("in").put_durable("z.parquet", whole.slice(0..whole.len() / 2)).unwrap();
    let (rows, dead) = drain(&*place.source(&table), &[1]);
    assert_eq!((rows.len(), dead.len()), (1_000, 1));
}

#[test]
fn a_file_that_was_exchanged_is_noticed() {
    for format in ["parquet", "avro", "csv"] {
        let place = Place::new();
        let table = files(&place.path("in"), format, &[]);
        write_once(&place, &table, &(0..100).collect::<Vec<_>>());
        let name = place.storage("in").list("").unwrap()[0].path.clone();
        let source = place.source(&table);
        let mut reader = source.reader(&[0]).unwrap();
        let split = source.discover().unwrap().remove(0);
        reader.assign(vec![AssignedSplit { id: Arc::clone(&split.id), from: split.start }]).unwrap();
        let mut offset = None;
        while let Poll::Batch(batch) = reader.poll(PollLimit { rows: 1_000, wait: Duration::ZERO }).unwrap() {
            offset = Some(batch.next);
        }
        let other = Place::new();
        write_once(&other, &files(&other.path("in"), format, &[]), &[7]);
        let other_name = other.storage("in").list("").unwrap()[0].path.clone();
        place.storage("in").put_durable(&name, other.storage("in").read_all(&other_name).unwrap()).unwrap();
        reader.assign(vec![AssignedSplit { id: split.id, from: offset.unwrap() }]).unwrap();
        let error = reader.poll(PollLimit { rows: 1_000, wait: Duration::ZERO }).unwrap_err();
        assert_eq!(error.code(), "filesystem.changed", "{format}");
    }
}

fn batch(numbers: &[i64]) -> RecordBatch {
    let texts: StringArray = numbers.iter().map(|n| Some(format!("r{}", n % 3))).collect();
    RecordBatch::try_new(table(&AB, &[]).schema(), vec![Arc::new(Int64Array::from(numbers.to_vec())), Arc::new(texts)])
        .unwrap()
}

fn context() -> WriterContext {
    WriterContext { job_id: "job".into(), worker: 0, workers: 1, attempt: 1 }
}

fn commit(checkpoint: u64, tokens: Vec<Vec<u8>>, watermark: i64, last: bool) -> Commit {
    Commit {
        job_id: "job".into(),
        checkpoint: CheckpointId(checkpoint),
        epoch: Epoch(1),
        offsets: "{}".into(),
        watermark: Watermark(watermark),
        tokens,
        last,
    }
}

fn write_once(place: &Place, table: &TableSpec, numbers: &[i64]) {
    freshet_connector_api::connector::check_options(&Filesystem, table).unwrap();
    let sink = Filesystem.sink(table, &place.env).unwrap();
    let mut committer = sink.committer(&context()).unwrap();
    committer.recover(None).unwrap();
    let mut writer = sink.writer(&context()).unwrap();
    for part in numbers.chunks(100) {
        writer.write(&ChangeBatch::inserts(batch(part))).unwrap();
    }
    let token = writer.prepare(CheckpointId(1)).unwrap()().unwrap();
    committer.commit(&commit(1, vec![token], 0, true)).unwrap();
}

#[test]
fn files_appear_at_the_commit_and_once() {
    for format in ["json", "csv", "parquet", "avro"] {
        for partitioned in [false, true] {
            let place = Place::new();
            let mut table = files(&place.path("out"), format, &[]);
            if partitioned {
                table.partition_keys = vec![1];
            }
            let visible = || {
                if place.storage("out").list("").unwrap().iter().all(|e| e.path.split('/').any(|p| p.starts_with('.')))
                {
                    return Vec::new();
                }
                drain(&*place.source(&table), &[0, 1]).0
            };
            check_sink(&SinkCase {
                make: &|| Filesystem.sink(&table, &place.env).unwrap(),
                visible: &visible,
                text: &texts,
                batches: (0..4).map(|i| batch(&(i * 10..i * 10 + 10).collect::<Vec<_>>())).collect(),
            });
            let left = place.storage("out").list("").unwrap();
            assert!(left.iter().all(|e| !e.path.contains(".staged")), "nothing hidden stays: {left:?}");
        }
    }
}

#[test]
fn files_roll_by_size_and_are_named_after_job_and_worker() {
    let place = Place::new();
    let table = files(&place.path("out"), "csv", &[("sink.rolling-policy.file-size", "1 kb")]);
    write_once(&place, &table, &(0..1_000).collect::<Vec<_>>());
    let names: Vec<String> = place.storage("out").list("").unwrap().into_iter().map(|e| e.path).collect();
    assert!(names.len() >= 4, "{names:?}");
    assert!(names.iter().all(|n| n.starts_with("part-job-0-") && n.ends_with(".csv")), "{names:?}");
    assert_eq!(drain(&*place.source(&table), &[0]).0.len(), 1_000);
}

#[test]
fn complete_partitions_are_marked() {
    let place = Place::new();
    let options = [
        ("sink.partition-commit.policy.kind", "success-file"),
        ("sink.partition-commit.trigger", "partition-time"),
        ("sink.partition-commit.delay", "1 h"),
    ];
    let mut table = files(&place.path("out"), "json", &options);
    table.partition_keys = vec![1];
    let sink = Filesystem.sink(&table, &place.env).unwrap();
    let rows = |days: [&str; 2]| {
        let columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(days.to_vec()))];
        ChangeBatch::inserts(RecordBatch::try_new(table.schema(), columns).unwrap())
    };
    let (mut committer, mut writer) = (sink.committer(&context()).unwrap(), sink.writer(&context()).unwrap());
    let marks = || -> Vec<String> {
        let all = place.storage("out").list("").unwrap();
        all.into_iter().map(|e| e.path).filter(|p| p.ends_with("_SUCCESS")).collect()
    };
    writer.write(&rows(["1970-01-01", "1970-01-02"])).unwrap();
    let token = writer.prepare(CheckpointId(1)).unwrap()().unwrap();
    committer.commit(&commit(1, vec![token], 3_600_000, false)).unwrap();
    assert!(marks().is_empty(), "the watermark has not passed the delay");
    let empty = writer.prepare(CheckpointId(2)).unwrap()().unwrap();
    committer.commit(&commit(2, vec![empty.clone()], 3_600_001, false)).unwrap();
    assert_eq!(marks(), ["b=1970-01-01/_SUCCESS"]);
    committer.commit(&commit(3, vec![empty], 3_600_001, true)).unwrap();
    assert_eq!(marks(), ["b=1970-01-01/_SUCCESS", "b=1970-01-02/_SUCCESS"]);
    assert_eq!(drain(&*place.source(&table), &[0]).0.len(), 2, "markers are not read");
}

#[test]
fn two_sinks_of_one_job_do_not_remove_each_others_files() {
    let place = Place::new();
    let table = files(&place.path("out"), "json", &[]);
    let sink = Filesystem.sink(&table, &place.env).unwrap();
    let prepare = |numbers: &[i64]| {
        let mut writer = sink.writer(&context()).unwrap();
        writer.write(&ChangeBatch::inserts(batch(numbers))).unwrap();
        commit(1, vec![writer.prepare(CheckpointId(1)).unwrap()().unwrap()], 0, false)
    };
    let (first, second) = (prepare(&[1]), prepare(&[2]));
    let restarted = WriterContext { attempt: 2, ..context() };
    sink.committer(&restarted).unwrap().recover(Some(&first)).unwrap();
    sink.committer(&restarted).unwrap().recover(Some(&second)).unwrap();
    assert_eq!(drain(&*place.source(&table), &[0]).0.len(), 2);
    // A reader took the files away; the job is started again and has nothing to lose.
    place.storage("out").list("").unwrap().iter().for_each(|e| place.storage("out").delete(&e.path).unwrap());
    sink.committer(&WriterContext { attempt: 3, ..context() }).unwrap().recover(Some(&second)).unwrap();
}

#[test]
fn old_files_roll_with_the_clock() {
    let place = Place::new();
    let sink = Filesystem
        .sink(&files(&place.path("out"), "json", &[("sink.rolling-policy.rollover-interval", "1 min")]), &place.env)
        .unwrap();
    let mut writer = sink.writer(&context()).unwrap();
    for _ in 0..4 {
        writer.write(&ChangeBatch::inserts(batch(&[1]))).unwrap();
        writer.flush_epoch(Epoch(1), Watermark::MIN).unwrap();
        place.clock.advance_ms(30_000);
    }
    writer.prepare(CheckpointId(1)).unwrap()().unwrap();
    assert_eq!(place.storage("out").list("").unwrap().len(), 2);
}

#[test]
fn what_cannot_be_done_is_said_at_once() {
    let place = Place::new();
    std::fs::write(place.path("file"), "x").unwrap();
    let sink =
        |path: &str, extra: &[(&str, &str)]| Filesystem.sink(&files(path, "json", extra), &place.env).err().unwrap();
    let out = place.path("out");
    assert_eq!(sink(&place.path("*.json"), &[]).code(), "filesystem.glob");
    assert_eq!(sink(&place.path("file"), &[]).code(), "filesystem.not_a_folder");
    assert_eq!(sink(&out, &[("auto-compaction", "true")]).code(), "filesystem.compaction");
    assert_eq!(sink(&out, &[("sink.partition-commit.policy.kind", "metastore")]).code(), "filesystem.policy");
    let mut table = files(&out, "json", &[]);
    table.partition_keys = vec![0, 1];
    assert_eq!(Filesystem.sink(&table, &place.env).err().unwrap().code(), "filesystem.columns");
    let missing = place.source(&files(&place.path("no"), "json", &[])).discover().unwrap_err();
    assert_eq!(missing.code(), "filesystem.not_found");
    table.options.remove("format");
    assert_eq!(Filesystem.source(&table, &place.env).err().unwrap().code(), "option.missing");
}
