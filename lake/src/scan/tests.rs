//! Scans of tables that other writers changed: evolution, deletes, time travel, pruning.

use crate::LakeTable;
use crate::commit::TableChange;
use crate::testing::{
    Job, Lake, added, apply, deletes, deletion_vector, equality_deletes, expected, foreign_data, live,
    position_deletes, query, query_in, rows, session, summary, term,
};
use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use datafusion::prelude::{SessionContext, col, lit};
use freshet_sql::catalog::external::TableVersion;
use iceberg::TableUpdate;
use iceberg::spec::{Literal, NestedField, PrimitiveType, Schema, Type};
use std::sync::Arc;

fn evolve(lake: &Lake, table: &LakeTable, fields: Vec<NestedField>) -> LakeTable {
    let schema = Schema::builder().with_fields(fields.into_iter().map(Arc::new)).build().unwrap();
    let table = table.refresh().unwrap();
    let updates = vec![TableUpdate::AddSchema { schema }, TableUpdate::SetCurrentSchema { schema_id: -1 }];
    table.catalog().swap(table.name(), table.loaded(), updates, vec![]).unwrap();
    lake.catalog.lake_table("default", "t").unwrap().unwrap()
}

fn primitive(id: i32, name: &str, primitive: PrimitiveType) -> NestedField {
    NestedField::optional(id, name, Type::Primitive(primitive))
}

#[test]
fn columns_are_found_by_id_whatever_they_are_called() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    Job::start(&table, &lake, 1, None).checkpoint(1, &[rows(1..3)]);
    // `name` becomes `title`, a new `name` takes its place, `t` is dropped, order changes.
    let table = evolve(
        &lake,
        &table,
        vec![
            primitive(2, "title", PrimitiveType::String),
            primitive(1, "id", PrimitiveType::Long),
            primitive(4, "name", PrimitiveType::String),
            primitive(5, "count", PrimitiveType::Int).with_initial_default(Literal::int(42)),
        ],
    );
    assert_eq!(query(&table, "SELECT * FROM t ORDER BY id"), ["n1|1|NULL|42", "n2|2|NULL|42"]);
    assert_eq!(query(&table, "SELECT id FROM t WHERE count = 42 AND title = 'n2'"), ["2"]);
    assert_eq!(query(&table, "SELECT count(*) FROM t WHERE name IS NULL"), ["2"]);
    // A snapshot of the past has the columns that it had then.
    let first = table.metadata().current_snapshot_id().unwrap();
    let past = session(&table, Some(TableVersion::Snapshot(first)));
    assert_eq!(query_in(past, "SELECT name FROM t WHERE id = 1"), ["n1"]);
}

#[test]
fn narrower_types_of_old_files_are_widened() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let file = foreign_data(&table, "narrow.parquet", vec![("id", 1, ids)]);
    let table = apply(&table, &TableChange { added: vec![added(file)], ..TableChange::default() });
    assert_eq!(query(&table, "SELECT sum(id), count(name) FROM t WHERE id > 1"), ["2|0"]);
}

#[test]
fn files_without_ids_are_read_by_name() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    let file = crate::testing::data_without_ids(&table, "plain.parquet", vec![("name", names), ("id", ids)]);
    let table = apply(&table, &TableChange { added: vec![added(file)], ..TableChange::default() });
    assert_eq!(query(&table, "SELECT id, name FROM t"), ["7|a"]);
}

#[test]
fn deleted_positions_are_left_out() {
    for version in ["2", "3"] {
        let lake = Lake::new();
        let table = lake.table(vec![], &[("format-version", version), ("write.parquet.row-group-limit", "30")]);
        let mut job = Job::start(&table, &lake, 1, None);
        job.checkpoint(1, &[rows(0..100)]);
        job.checkpoint(2, &[rows(100..200)]);
        let files: Vec<String> = live(&table).iter().map(|f| f.file.file_path().to_string()).collect();
        let delete = if version == "2" {
            let of: Vec<(&str, i64)> = (30..60).chain([0, 99]).map(|p| (files[0].as_str(), p)).collect();
            position_deletes(&table, "deletes.parquet", &of)
        } else {
            let positions: Vec<u64> = (30..60).chain([0, 99]).collect();
            deletion_vector(&table, "deletes.puffin", &files[0], &positions)
        };
        let table = apply(&table, &deletes(vec![delete]));
        let left = || (1..30).chain(60..99).chain(100..200);
        assert_eq!(summary(&table), expected(left()));
        assert_eq!(query(&table, "SELECT count(*) FROM t WHERE id >= 58 AND id < 62"), ["2"]);
        assert_eq!(query(&table, "SELECT id FROM t WHERE id < 3 ORDER BY id"), ["1", "2"]);
        // Rows that came after the delete are not touched by it.
        job.checkpoint(3, &[rows(0..1)]);
        assert_eq!(summary(&table), expected(left().chain([0])));
        assert_eq!(crate::verify::verify(&table.refresh().unwrap()).unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn deleted_keys_take_earlier_rows_only() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..100)]);
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(10..20));
    let table = apply(&table, &deletes(vec![equality_deletes(&table, "a.parquet", ("id", 1, keys))]));
    job.checkpoint(2, &[rows(15..17)]);
    assert_eq!(summary(&table), expected((0..10).chain(20..100).chain(15..17)));
    // A column that the query does not ask for, and NULL equals NULL.
    let names: ArrayRef = Arc::new(StringArray::from(vec![None, Some("n1")]));
    let table = apply(&table, &deletes(vec![equality_deletes(&table, "b.parquet", ("name", 2, names))]));
    let left: Vec<i64> = (0..10).chain(20..100).chain(15..17).filter(|i| i % 7 != 0 && i % 10 != 1).collect();
    assert_eq!(summary(&table), expected(left));
    assert_eq!(query(&table, "SELECT count(*) FROM t WHERE id < 5"), ["3"]);
}

#[test]
fn keys_of_a_dropped_column_still_delete() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    Job::start(&table, &lake, 1, None).checkpoint(1, &[rows(1..5)]);
    let names: ArrayRef = Arc::new(StringArray::from(vec!["n3"]));
    let table = apply(&table, &deletes(vec![equality_deletes(&table, "a.parquet", ("name", 2, names))]));
    let table = evolve(&lake, &table, vec![primitive(1, "id", PrimitiveType::Long)]);
    assert_eq!(query(&table, "SELECT id FROM t ORDER BY id"), ["1", "2", "4"]);
}

#[test]
fn the_past_can_be_read() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    let mut times = Vec::new();
    for checkpoint in 1..=3_i64 {
        lake.clock.advance_ms(1_000);
        job.checkpoint(checkpoint as u64, &[rows(checkpoint * 10..checkpoint * 10 + 10)]);
        times.push(freshet_types::Clock::now_ms(&*lake.clock));
    }
    let at = |ms: i64| query_in(session(&table, Some(TableVersion::Timestamp(ms))), "SELECT max(id) FROM t").remove(0);
    assert_eq!([at(times[0]), at(times[1] + 999), at(times[2])], ["19", "29", "39"]);
    let table = table.refresh().unwrap();
    assert_eq!(table.lake_scan(Some(&TableVersion::Timestamp(times[0] - 1))).unwrap_err().code(), "lake.no_snapshot");
    assert_eq!(table.lake_scan(Some(&TableVersion::Snapshot(1))).unwrap_err().code(), "lake.no_snapshot");
}

#[test]
fn files_that_cannot_hold_the_answer_are_not_read() {
    let lake = Lake::new();
    let day = 86_400_i64;
    for (terms, filter, most) in [
        (vec![], col("id").gt(lit(2_500_i64)), 1),
        (vec![], col("name").eq(lit("x")), 0),
        (vec![term("bucket", Some(8), "id")], col("id").eq(lit(77_i64)), 3),
        (vec![term("truncate", Some(1_000), "id")], col("id").eq(lit(1_500_i64)), 1),
        (vec![term("identity", None, "name")], col("name").eq(lit("n3")), 3),
        (
            vec![term("days", None, "t")],
            col("t").gt_eq(lit(datafusion::common::ScalarValue::TimestampMillisecond(Some(2 * day * 1_000), None))),
            1,
        ),
        (vec![term("identity", None, "name")], col("name").is_null(), 3),
    ] {
        let table = lake.table(terms.clone(), &[]);
        let mut job = Job::start(&table, &lake, 1, None);
        for checkpoint in 0..3_i64 {
            let batch = if terms.iter().any(|t| t.transform == "days") {
                rows(checkpoint * day..checkpoint * day + 10)
            } else {
                rows(checkpoint * 1_000..(checkpoint + 1) * 1_000)
            };
            job.checkpoint(checkpoint as u64 + 1, &[batch]);
        }
        let table = table.refresh().unwrap();
        let state = SessionContext::new().state();
        let (read, all) = table.lake_scan(None).unwrap().file_counts(&state, std::slice::from_ref(&filter)).unwrap();
        assert!(read <= most && read < all, "{terms:?} {filter}: {read} of {all} files");
        let frame = session(&table, None);
        let matching = freshet_connectors::storage::runtime().block_on(async {
            let pruned = frame.table("t").await.unwrap().filter(filter.clone()).unwrap().count().await.unwrap();
            let rows = frame.table("t").await.unwrap().collect().await.unwrap();
            let whole = SessionContext::new();
            let memory = datafusion::datasource::MemTable::try_new(rows[0].schema(), vec![rows]).unwrap();
            whole.register_table("t", Arc::new(memory)).unwrap();
            (pruned, whole.table("t").await.unwrap().filter(filter).unwrap().count().await.unwrap())
        });
        assert_eq!(matching.0, matching.1);
        lake.catalog_drop();
    }
}

#[test]
fn a_limit_without_a_filter_stops_early_and_count_needs_no_file() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    assert_eq!(summary(&table), "0|NULL");
    Job::start(&table, &lake, 1, None).checkpoint(1, &[rows(0..1_000)]);
    assert_eq!(query(&table, "SELECT id FROM t LIMIT 5").len(), 5);
    assert_eq!(query(&table, "SELECT count(*) FROM t"), ["1000"]);
    let plan = query(&table, "EXPLAIN SELECT count(*) FROM t").join("\n");
    assert!(plan.contains("1000") && !plan.contains("DataSourceExec"), "{plan}");
}

#[test]
fn damaged_manifests_are_refused() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    Job::start(&table, &lake, 1, None).checkpoint(1, &[rows(0..10)]);
    let table = table.refresh().unwrap();
    let snapshot = std::sync::Arc::clone(table.metadata().current_snapshot().unwrap());
    let io = &table.loaded().io;
    let manifest = crate::files::manifests(io, table.metadata(), &snapshot).unwrap().remove(0).manifest_path;
    for file in [manifest.as_str(), snapshot.manifest_list()] {
        let whole = io.read(file).unwrap();
        for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
            io.write(file, whole.slice(..cut)).unwrap();
            assert!(super::tasks_of(&table, Some(&snapshot), &table.lake_scan(None).unwrap().shape(), None).is_err());
        }
        io.write(file, whole).unwrap();
    }
    assert_eq!(summary(&table), expected(0..10));
}
