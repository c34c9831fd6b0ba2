//! `datagen` against the conformance suite, and its options.

use super::Datagen;
use crate::testing::{env, table, texts};
use freshet_connector_api::conformance::{SourceCase, check_source};
use freshet_connector_api::{Boundedness, Connector, TableSpec};
use freshet_types::{SqlField, SqlType};

fn read(table: &TableSpec, rows_max: usize) -> arrow::array::RecordBatch {
    let folder = tempfile::tempdir().unwrap();
    let make = || Datagen.source(table, &env(folder.path()).0).unwrap();
    let case =
        SourceCase { make: &make, schema: table.schema(), projection: (0..table.columns.len()).collect(), rows_max };
    check_source(&case).remove(0)
}

#[test]
fn every_type_is_made_and_replayed() {
    let nested = SqlType::Row(vec![
        SqlField::new("x", SqlType::Int),
        SqlField::new("l", SqlType::Array(Box::new(SqlField::new("", SqlType::STRING)))),
    ]);
    let columns = [
        ("b", SqlType::Boolean),
        ("i8", SqlType::TinyInt),
        ("i16", SqlType::SmallInt),
        ("i32", SqlType::Int),
        ("i64", SqlType::BigInt),
        ("f", SqlType::Float),
        ("d", SqlType::Double),
        ("n", SqlType::Decimal(10, 2)),
        ("c", SqlType::Char(3)),
        ("s", SqlType::STRING),
        ("y", SqlType::BYTES),
        ("day", SqlType::Date),
        ("clock", SqlType::Time(0)),
        ("ts", SqlType::Timestamp(3)),
        ("ltz", SqlType::TimestampLtz(6)),
        ("m", SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", SqlType::Int)))),
        ("r", nested),
    ];
    let options = [
        ("connector", "datagen"),
        ("number-of-rows", "500"),
        ("rows-per-second", "1000000"),
        ("fields.i32.min", "5"),
        ("fields.i32.max", "9"),
        ("fields.s.length", "7"),
        ("fields.s.null-rate", "0.5"),
        ("fields.ts.max-past", "10 s"),
        ("fields.r.x.max", "3"),
        ("fields.r.x.min", "3"),
    ];
    let table = table(&columns, &options);
    freshet_connector_api::connector::check_options(&Datagen, &table).unwrap();
    let rows = read(&table, usize::MAX);
    assert_eq!(rows.num_rows(), 500);
    let i32s = rows.column(3).as_any().downcast_ref::<arrow::array::Int32Array>().unwrap();
    assert!(i32s.values().iter().all(|v| (5..=9).contains(v)));
    assert!((5..=9).all(|v| i32s.values().contains(&v)));
    let nulls = rows.column(9).null_count();
    assert!((150..350).contains(&nulls), "{nulls}");
}

#[test]
fn a_sequence_ends_the_source() {
    let table = table(
        &[("id", SqlType::BigInt), ("name", SqlType::STRING)],
        &[
            ("fields.id.kind", "sequence"),
            ("fields.id.start", "-1"),
            ("fields.id.end", "1"),
            ("fields.name.kind", "sequence"),
            ("fields.name.start", "7"),
            ("fields.name.end", "100"),
        ],
    );
    assert_eq!(texts(&read(&table, usize::MAX)), ["-1|7", "0|8", "1|9"]);
}

#[test]
fn a_start_time_makes_times_repeatable() {
    let columns = [("ts", SqlType::Timestamp(3))];
    let table =
        table(&columns, &[("start-time", "2024-01-01 00:00:00"), ("rows-per-second", "2"), ("number-of-rows", "1")]);
    assert_eq!(texts(&read(&table, usize::MAX)), ["2024-01-01 00:00:00.000"]);
}

#[test]
fn without_an_end_rows_go_on_at_their_rate() {
    let table = table(&[("id", SqlType::Int)], &[("rows-per-second", "100000000")]);
    let folder = tempfile::tempdir().unwrap();
    let source = Datagen.source(&table, &env(folder.path()).0).unwrap();
    assert_eq!(source.boundedness(), Boundedness::Unbounded);
    assert!(read(&table, 3_000).num_rows() >= 3_000);
}

#[test]
fn contradictions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (options, code) in [
        (vec![("fields.id.kind", "sequence")], "option.missing"),
        (vec![("fields.id.start", "1")], "option.invalid"),
        (vec![("fields.idd.min", "1")], "datagen.field"),
        (vec![("fields.id.min", "5"), ("fields.id.max", "1")], "option.invalid"),
        (vec![("fields.id.null-rate", "2")], "option.invalid"),
        (vec![("number-of-rows", "-1")], "option.invalid"),
        (vec![("start-time", "soon")], "option.invalid"),
    ] {
        let table = table(&[("id", SqlType::Int)], &options);
        let e = Datagen.source(&table, &env(folder.path()).0).err().unwrap();
        assert_eq!(e.code(), code, "{options:?}");
    }
}
