//! What raw records become.

use super::Raw;
use crate::Format;
use crate::conformance::check_records;
use arrow::array::AsArray;
use arrow::datatypes::{Schema, SchemaRef};
use freshet_types::{Options, SqlField, SqlType};
use std::sync::Arc;

#[test]
fn conforms() {
    for sql_type in [
        SqlType::Boolean,
        SqlType::TinyInt,
        SqlType::SmallInt,
        SqlType::Int,
        SqlType::BigInt,
        SqlType::Float,
        SqlType::Double,
    ] {
        for endianness in ["big-endian", "little-endian"] {
            let field = SqlField::new("v", sql_type.clone()).not_null();
            check_records(&Raw, &[("endianness", endianness)], &[field], &[b"", b"123456789"]);
        }
    }
    let bytes = SqlField::new("v", SqlType::BYTES).not_null();
    // Raw records may hold line breaks; Kafka does not mind.
    let schema: SchemaRef = Arc::new(Schema::new(vec![bytes.to_arrow()]));
    let mut decoder = Raw.decoder(&schema, &schema, &Options::default()).unwrap();
    decoder.push(b"\n\0").unwrap();
    assert_eq!(decoder.finish().unwrap().column(0).as_binary::<i32>().value(0), b"\n\0");
    for charset in ["UTF-8", "UTF-16", "UTF-16BE"] {
        let text = SqlField::new("v", SqlType::STRING).not_null();
        let bad: &[&[u8]] = if charset == "UTF-8" { &[b"\xFF", b"\xC0\xAF"] } else { &[b"a", b"\xD8\x00"] };
        check_records(&Raw, &[("charset", charset)], &[text], bad);
    }
}

#[test]
fn charsets() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![SqlField::new("v", SqlType::STRING).to_arrow()]));
    for (charset, record, text) in [
        ("ISO-8859-1", &b"caf\xE9"[..], "café"),
        ("US-ASCII", b"cafe", "cafe"),
        ("UTF-16", b"\xFF\xFEa\0", "a"),
        ("UTF-16LE", b"\x3D\xD8\x00\xDE", "😀"),
    ] {
        let options: Options = [("charset", charset)].into_iter().collect();
        let mut decoder = Raw.decoder(&schema, &schema, &options).unwrap();
        decoder.push(record).unwrap();
        let batch = decoder.finish().unwrap();
        assert_eq!(batch.column(0).as_string::<i32>().value(0), text);
        if charset != "UTF-16" {
            let mut out = Vec::new();
            Raw.encoder(&schema, &options).unwrap().append(&batch, 0, &mut out).unwrap();
            assert_eq!(out, record);
        }
    }
}

#[test]
fn one_column_of_a_simple_type() {
    let two: SchemaRef = Arc::new(Schema::new(vec![
        SqlField::new("a", SqlType::STRING).to_arrow(),
        SqlField::new("b", SqlType::STRING).to_arrow(),
    ]));
    assert_eq!(Raw.encoder(&two, &Options::default()).err().unwrap().code(), "raw.columns");
    let date: SchemaRef = Arc::new(Schema::new(vec![SqlField::new("a", SqlType::Date).to_arrow()]));
    assert_eq!(Raw.decoder(&date, &date, &Options::default()).err().unwrap().code(), "format.type");
}
