//! What Parquet files hold.

use super::{Parquet, compression, writer_properties};
use crate::Format;
use crate::conformance::{check_files, flat_types, nested_types, sample};
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use freshet_types::{Options, SqlField, SqlType};
use parquet::schema::types::ColumnPath;
use std::io::Cursor;
use std::sync::Arc;

#[test]
fn conforms() {
    let all: Vec<SqlField> = flat_types().into_iter().chain(nested_types()).collect();
    check_files(&Parquet, &[], &all);
    for compression in ["snappy", "gzip", "lz4", "brotli", "uncompressed"] {
        check_files(&Parquet, &[("compression", compression), ("block.size", "16 kb")], &all[..6]);
    }
}

fn file(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Vec<u8> {
    let mut writer = Parquet.create(schema, &Options::default()).unwrap();
    writer.write(&RecordBatch::try_new(SchemaRef::clone(schema), columns).unwrap()).unwrap();
    writer.finish().unwrap()
}

#[test]
fn columns_are_cast_where_nothing_is_lost() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("t", DataType::LargeUtf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
    ]));
    let text = arrow::compute::cast(&StringArray::from(vec!["a", "b"]), &DataType::LargeUtf8).unwrap();
    let times = arrow::array::TimestampMicrosecondArray::from(vec![1_999, -1]).with_timezone("UTC");
    let bytes = file(&schema, vec![Arc::new(Int32Array::from(vec![Some(1), None])), text, Arc::new(times)]);
    let asked: SchemaRef = Arc::new(Schema::new(vec![
        SqlField::new("t", SqlType::STRING).to_arrow(),
        SqlField::new("n", SqlType::BigInt).to_arrow(),
        SqlField::new("at", SqlType::Timestamp(3)).to_arrow(),
        SqlField::new("gone", SqlType::Date).to_arrow(),
    ]));
    let open = |schema: &SchemaRef| Parquet.open(Box::new(Cursor::new(bytes.clone())), schema, &Options::default());
    let batch = open(&asked).unwrap().next(10).unwrap().unwrap();
    assert_eq!(batch.schema(), asked);
    assert_eq!(
        batch.column(1).as_primitive::<arrow::datatypes::Int64Type>().iter().collect::<Vec<_>>(),
        [Some(1), None]
    );
    let at = batch.column(2).as_primitive::<arrow::datatypes::TimestampMillisecondType>();
    assert_eq!(at.values(), &[1, -1]);
    assert_eq!(batch.column(3).null_count(), 2);

    let wrong: SchemaRef = Arc::new(Schema::new(vec![SqlField::new("t", SqlType::Int).to_arrow()]));
    let error = open(&wrong).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the file holds STRING where the table says INT (column t); declare the column as STRING"
    );
    let strict: SchemaRef = Arc::new(Schema::new(vec![SqlField::new("n", SqlType::Int).not_null().to_arrow()]));
    let mut reader = open(&strict).unwrap();
    assert_eq!(reader.next(10).unwrap().unwrap().num_rows(), 1);
    let refused = reader.take_refused().unwrap();
    assert_eq!(refused.raw, b"{\"n\":null}");
    assert!(refused.reason.starts_with("the file holds NULL in a column that is NOT NULL"), "{}", refused.reason);
    assert!(reader.next(10).unwrap().is_none() && reader.take_refused().is_none());
    // A row that is refused and that nobody takes is an error.
    let mut reader = open(&strict).unwrap();
    assert_eq!([reader.next(10), reader.next(10)].map(|rows| rows.unwrap().unwrap().num_rows()), [1, 0]);
    assert_eq!(reader.next(10).unwrap_err().code(), "value.null");
    let absent: SchemaRef = Arc::new(Schema::new(vec![SqlField::new("x", SqlType::Int).not_null().to_arrow()]));
    assert_eq!(open(&absent).err().unwrap().code(), "file.column_missing");
}

#[test]
fn seconds_and_intervals_have_types_that_others_know() {
    let fields = [
        SqlField::new("s", SqlType::Timestamp(0)),
        SqlField::new("t", SqlType::Time(0)),
        SqlField::new("m", SqlType::IntervalYearMonth),
        SqlField::new("d", SqlType::IntervalDayTime),
    ];
    let batch = sample(&fields, 10);
    let bytes = file(&batch.schema(), batch.columns().to_vec());
    let told = Parquet.infer(Box::new(Cursor::new(bytes)), &Options::default()).unwrap();
    let types: Vec<String> =
        told.fields().iter().map(|f| SqlField::from_arrow(f).unwrap().sql_type.to_string()).collect();
    assert_eq!(types, ["TIMESTAMP(3)", "TIME(3)", "INT", "BIGINT"]);
}

#[test]
fn columns_of_many_values_get_no_dictionary() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("many", DataType::Int64, false),
        Field::new("few", DataType::Int64, false),
    ]));
    let column = |n: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..5_000).map(|i| i % n))) };
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column(i64::MAX), column(9)]).unwrap();
    let properties = writer_properties(&schema, &batch, compression("zstd").unwrap());
    assert!(!properties.dictionary_enabled(&ColumnPath::from("many")));
    assert!(properties.dictionary_enabled(&ColumnPath::from("few")));
    let little = writer_properties(&schema, &batch.slice(0, 100), compression("zstd").unwrap());
    assert!(little.dictionary_enabled(&ColumnPath::from("many")));
}

#[test]
fn what_is_no_parquet_file_is_refused() {
    let schema: SchemaRef = Arc::new(Schema::empty());
    for bytes in [&b""[..], b"PAR1", b"{\"a\":1}\n", b"PAR1aaaaaaaa\xFF\xFF\xFF\x7FPAR1"] {
        let error = Parquet.open(Box::new(Cursor::new(bytes)), &schema, &Options::default()).err().unwrap();
        assert_eq!(error.code(), "parquet.corrupt");
    }
    assert_eq!(Parquet.decoder(&schema, &schema, &Options::default()).err().unwrap().code(), "format.whole_files");
}
