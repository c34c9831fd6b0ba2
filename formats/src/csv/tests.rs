//! What CSV records become, and what is refused.

use super::Csv;
use crate::conformance::{check_records, flat_types};
use crate::{Format, Framing, RecordDecoder};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use freshet_types::{Options, Result, SqlField, SqlType};
use std::sync::Arc;

fn schema(types: &[SqlType]) -> SchemaRef {
    let fields: Vec<_> =
        types.iter().enumerate().map(|(i, t)| SqlField::new(format!("c{i}"), t.clone()).to_arrow()).collect();
    Arc::new(Schema::new(fields))
}

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().copied().collect()
}

fn texts(batch: &RecordBatch) -> Vec<Vec<String>> {
    let texts = |row: usize| {
        let cell =
            |c: &Arc<dyn Array>| if c.is_null(row) { "-".into() } else { c.as_string::<i32>().value(row).into() };
        batch.columns().iter().map(cell).collect()
    };
    (0..batch.num_rows()).map(texts).collect()
}

/// The fields of one record of as many STRING columns as `expected` has, or the reason against it.
fn check(record: &str, pairs: &[(&str, &str)], expected: &[&str]) {
    let schema = schema(&vec![SqlType::STRING; expected.len()]);
    let mut decoder = Csv.decoder(&schema, &schema, &options(pairs)).unwrap();
    match decoder.push(record.as_bytes()) {
        Ok(()) => assert_eq!(texts(&decoder.finish().unwrap()), [expected], "{record:?}"),
        Err(e) => assert_eq!([e.reason.as_str()], expected, "{record:?}"),
    }
}

#[test]
fn fields_are_split_by_rfc_4180() {
    for (record, fields) in [
        ("a,b,c", &["a", "b", "c"][..]),
        ("\"a\",\"b\"", &["a", "b"]),
        ("\"a,b\",c", &["a,b", "c"]),
        ("\"a\nb\",\"c\r\nd\"", &["a\nb", "c\r\nd"]),
        ("\"a\"\"b\",\"\"\"\"", &["a\"b", "\""]),
        ("\"\",", &["", ""]),
        (",,", &["", "", ""]),
        (" a , b ", &[" a ", " b "]),
        ("a\\,b", &["a\\", "b"]),
        ("'a,b'", &["'a", "b'"]),
        ("a\"b,c", &["a\"b", "c"]),
        ("a, \"b", &["a", " \"b"]),
        ("\u{FEFF}\"a,x\",b", &["a,x", "b"]),
        ("a,b\r\n", &["a", "b"]),
        ("", &[""]),
        ("\"c,d", &["a quoted field does not end (field 1)"]),
        ("\"c\"x", &["a closing quote is followed by something else than a delimiter (field 1)"]),
        ("a,b", &["the record has 2 fields where the table has 1"]),
    ] {
        check(record, &[], fields);
    }
    check("1,2", &[], &["1", "2"]);
}

#[test]
fn options_change_the_splitting() {
    check("a;b,c", &[("field-delimiter", ";")], &["a", "b,c"]);
    check("a\tb", &[("field-delimiter", "\\t")], &["a", "b"]);
    check("a\u{1}b", &[("field-delimiter", "\\u0001")], &["a", "b"]);
    check("'a,''b',\"c\"", &[("quote-character", "'")], &["a,'b", "\"c\""]);
    check("\"a\",b", &[("disable-quote-character", "true")], &["\"a\"", "b"]);
    check("a\\,b,\"c\\\"d\",\\n", &[("escape-character", "\\")], &["a,b", "c\"d", "\n"]);
    check("n/a,\"n/a\",", &[("null-literal", "n/a")], &["-", "n/a", ""]);
    check(",\"\"", &[("null-literal", "")], &["-", ""]);
    for (pairs, code) in [
        (&[("field-delimiter", "ab")][..], "option.invalid"),
        (&[("field-delimiter", "é")], "option.invalid"),
        (&[("quote-character", ",")], "option.conflict"),
        (&[("disable-quote-character", "true"), ("quote-character", "'")], "option.conflict"),
        (&[("delimiter", ",")], "option.unknown"),
    ] {
        let schema = schema(&[SqlType::STRING]);
        assert_eq!(Csv.decoder(&schema, &schema, &options(pairs)).err().unwrap().code(), code, "{pairs:?}");
    }
    assert_eq!(Csv.framing(&options(&[])), Framing::QuotedLines(b'"'));
    assert_eq!(Csv.framing(&options(&[("disable-quote-character", "true")])), Framing::Lines);
}

#[test]
fn text_that_begins_like_the_mark_of_a_file_is_quoted() {
    let schema = schema(&[SqlType::STRING]);
    let mut decoder = Csv.decoder(&schema, &schema, &options(&[])).unwrap();
    decoder.push("\"\u{FEFF}a\"".as_bytes()).unwrap();
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.column(0).as_string::<i32>().value(0), "\u{FEFF}a");
    let mut out = Vec::new();
    Csv.encoder(&schema, &options(&[])).unwrap().append(&batch, 0, &mut out).unwrap();
    assert_eq!(out, "\"\u{FEFF}a\"".as_bytes());
}

#[test]
fn values_are_parsed_by_type() {
    for (sql_type, text, expected) in [
        (SqlType::Int, " 7 ", Ok("7")),
        (SqlType::Int, "", Ok("")),
        (SqlType::Int, "\"\"", Ok("")),
        (SqlType::Int, "2147483648", Err("\"2147483648\" is out of range for INT in field \"c0\"")),
        (SqlType::BigInt, "9223372036854775808", Err("out of range for BIGINT")),
        (SqlType::Int, "x", Err("\"x\" is not a value of type INT")),
        (SqlType::Boolean, "TRUE", Ok("true")),
        (SqlType::Boolean, "maybe", Err("not a value of type BOOLEAN")),
        (SqlType::Date, "2023-02-29", Err("out of range for DATE")),
        (SqlType::Decimal(4, 2), "1.235", Ok("1.24")),
        (SqlType::Decimal(4, 2), "123", Err("out of range for DECIMAL(4, 2)")),
        (SqlType::Decimal(10, 9), "0.000000001", Ok("1E-9")),
        (SqlType::Double, "1e3", Ok("1000.0")),
        (SqlType::Timestamp(3), "2024-02-28 23:59:55.10", Ok("2024-02-28 23:59:55.1")),
        (SqlType::Timestamp(3), "2024-02-28T23:59:55", Ok("2024-02-28 23:59:55")),
        (SqlType::TimestampLtz(3), "2024-02-28 23:59:55Z", Ok("2024-02-28 23:59:55Z")),
        (SqlType::BYTES, "AQID", Ok("AQID")),
        (SqlType::Array(Box::new(SqlField::new("", SqlType::Int))), "1;;3", Ok("1;;3")),
        (SqlType::Array(Box::new(SqlField::new("", SqlType::Int))), "1;x", Err("\"x\" is not a value of type INT")),
        (
            SqlType::Row(vec![SqlField::new("a", SqlType::Int), SqlField::new("b", SqlType::STRING)]),
            "1;two",
            Ok("1;two"),
        ),
        (SqlType::Row(vec![SqlField::new("a", SqlType::Int)]), "1;two", Err("a ROW has 2 fields")),
    ] {
        let schema = schema(std::slice::from_ref(&sql_type));
        let mut decoder = Csv.decoder(&schema, &schema, &options(&[])).unwrap();
        match (decoder.push(text.as_bytes()), expected) {
            (Ok(()), Ok(expected)) => {
                let mut out = Vec::new();
                let mut encoder = Csv.encoder(&schema, &options(&[])).unwrap();
                encoder.append(&decoder.finish().unwrap(), 0, &mut out).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{sql_type} from {text}");
            }
            (Err(e), Err(part)) => assert!(e.reason.contains(part), "{sql_type} from {text}: {}", e.reason),
            (result, _) => panic!("{sql_type} from {text}: {result:?}"),
        }
    }
}

#[test]
fn encodings_other_than_utf8_are_refused() {
    let schema = schema(&[SqlType::STRING, SqlType::STRING]);
    let mut decoder = Csv.decoder(&schema, &schema, &options(&[])).unwrap();
    for (record, part) in [
        (&b"a,\xFF\xFE"[..], "not valid UTF-8"),
        (b"caf\xE9,b", "not valid UTF-8"),
        (b"\xFF\xFEa\0,\0b\0", "UTF-16"),
        (b"a,\xC0\xAF", "not valid UTF-8"),
        (b"a,\xED\xA0\x80", "not valid UTF-8"),
    ] {
        assert!(decoder.push(record).unwrap_err().reason.contains(part));
    }
    decoder.push("é,\u{2028}\0".as_bytes()).unwrap();
    assert_eq!(texts(&decoder.finish().unwrap()), [["é", "\u{2028}\0"]]);
}

#[test]
fn ignored_errors_and_comments() {
    let schema = schema(&[SqlType::Int, SqlType::STRING]);
    let pairs = [("ignore-parse-errors", "true"), ("allow-comments", "true")];
    let mut decoder = Csv.decoder(&schema, &schema, &options(&pairs)).unwrap();
    for record in ["#1,a", "1,a", "x,b", "3", "4,d,e", "5,\"f", "", "#"] {
        decoder.push(record.as_bytes()).unwrap();
    }
    assert_eq!(decoder.ignored_count(), 3);
    let batch = decoder.finish().unwrap();
    let numbers: Vec<_> = batch.column(0).as_primitive::<arrow::datatypes::Int32Type>().iter().collect();
    assert_eq!(numbers, [Some(1), None, Some(3)]);
    let texts: Vec<_> = batch.column(1).as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("a"), Some("b"), None]);
}

#[test]
fn what_cannot_be_held_is_refused() {
    let map = SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", SqlType::Int)));
    let lists = SqlType::Array(Box::new(SqlField::new("", SqlType::Array(Box::new(SqlField::new("", SqlType::Int))))));
    for sql_type in [map, lists] {
        let schema = schema(&[sql_type]);
        let code = |r: Result<Box<dyn RecordDecoder>>| r.map(|_| ()).unwrap_err().code();
        assert_eq!(code(Csv.decoder(&schema, &schema, &options(&[]))), "format.type");
        assert_eq!(Csv.encoder(&schema, &options(&[])).map(|_| ()).unwrap_err().code(), "format.type");
    }
    let schema = schema(&[SqlType::STRING]);
    let mut decoder = Csv.decoder(&schema, &schema, &options(&[])).unwrap();
    decoder.push(b"\"a,b\"").unwrap();
    let batch = decoder.finish().unwrap();
    let off = options(&[("disable-quote-character", "true")]);
    let mut out = Vec::new();
    let error = Csv.encoder(&schema, &off).unwrap().append(&batch, 0, &mut out).unwrap_err();
    assert_eq!(error.code(), "csv.needs_quotes");
}

#[test]
fn conforms() {
    let bad: &[&[u8]] = &[b"", b"\"", b"\"a\"b,", b"a,b", b"\xFF", &[b','; 300]];
    check_records(&Csv, &[("null-literal", "\\N")], &flat_types(), bad);
    let odd =
        [("null-literal", "NULL"), ("field-delimiter", "|"), ("quote-character", "'"), ("escape-character", "\\")];
    check_records(&Csv, &odd, &flat_types(), bad);
    let unnamed = |t: SqlType| Box::new(SqlField::new("", t));
    let nested = [
        SqlField::new("a", SqlType::Int).not_null(),
        SqlField::new("b", SqlType::Array(unnamed(SqlType::Timestamp(3)))),
        SqlField::new(
            "c",
            SqlType::Row(vec![SqlField::new("x", SqlType::Int).not_null(), SqlField::new("y", SqlType::Date)]),
        ),
    ];
    check_records(&Csv, &[("null-literal", "\\N")], &nested, bad);
}
