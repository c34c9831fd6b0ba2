//! What JSON records become, and what is refused.

use super::{Json, validate};
use crate::conformance::{check_records, flat_types, nested_types};
use crate::{Format, RecordDecoder};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use freshet_types::{Options, SqlField, SqlType};
use proptest::prelude::*;
use std::sync::Arc;

fn schema(columns: &[(&str, SqlType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(n, t)| SqlField::new(*n, t.clone()).to_arrow()).collect::<Vec<_>>()))
}

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().copied().collect()
}

fn decoder(schema: &SchemaRef, pairs: &[(&str, &str)]) -> Box<dyn RecordDecoder> {
    Json.decoder(schema, schema, &options(pairs)).unwrap()
}

/// Every row as the encoder writes it.
fn rows(batch: &RecordBatch) -> Vec<String> {
    let plain = options(&[("encode.decimal-as-plain-number", "true")]);
    let mut encoder = Json.encoder(&batch.schema(), &plain).unwrap();
    (0..batch.num_rows())
        .map(|row| {
            let mut out = Vec::new();
            encoder.append(batch, row, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        })
        .collect()
}

/// What one column of `sql_type` makes of `value`: its JSON text, or the reason against it.
fn one(sql_type: &SqlType, value: &str, pairs: &[(&str, &str)]) -> String {
    let schema = schema(&[("v", sql_type.clone())]);
    let mut decoder = decoder(&schema, pairs);
    decoder.push(br#"{"v":null}"#).unwrap();
    let result = decoder.push(format!("{{\"v\":{value}}}").as_bytes());
    decoder.push(br#"{"v":null}"#).unwrap();
    let rows = rows(&decoder.finish().unwrap());
    assert_eq!([&rows[0], &rows[rows.len() - 1]], [r#"{"v":null}"#; 2], "a neighbour has changed");
    match result {
        Ok(()) => rows[1][5..rows[1].len() - 1].to_string(),
        Err(e) => {
            assert_eq!(rows.len(), 2);
            format!("! {}", e.reason)
        }
    }
}

fn check(sql_type: &SqlType, cases: &[(&str, &str)]) {
    for (value, expected) in cases {
        let got = one(sql_type, value, &[]);
        match expected.strip_prefix("! ") {
            None => assert_eq!(got, *expected, "{sql_type} from {value}"),
            Some(part) => assert!(got.starts_with("! ") && got.contains(part), "{sql_type} from {value}: {got}"),
        }
    }
}

#[test]
fn values_of_each_type() {
    check(
        &SqlType::Boolean,
        &[
            ("true", "true"),
            ("false", "false"),
            ("\" TRUE \"", "true"),
            ("1", "! \"1\" is not a value of type BOOLEAN in field \"v\" at byte 5"),
            ("\"maybe\"", "! not a value of type BOOLEAN"),
            ("{}", "! an object is not a value of type BOOLEAN"),
        ],
    );
    check(&SqlType::TinyInt, &[("127", "127"), ("-128", "-128"), ("128", "! out of range"), ("1.5", "! not a value")]);
    check(&SqlType::SmallInt, &[("32767", "32767"), ("32768", "! out of range"), ("\"-5\"", "-5")]);
    check(
        &SqlType::Int,
        &[
            ("2147483647", "2147483647"),
            ("-2147483648", "-2147483648"),
            ("2147483648", "! \"2147483648\" is out of range for INT"),
            ("1.9", "1"),
            ("1e3", "1000"),
            ("\" 7 \"", "7"),
            ("\"\"", "! not a value of type INT"),
            ("\"x\"", "! \"x\" is not a value of type INT"),
            ("-0", "0"),
            ("true", "! not a value of type INT"),
            ("[1]", "! an array is not a value of type INT"),
            ("01", "! not valid JSON"),
            ("+1", "! not valid JSON"),
            ("1.", "! not valid JSON"),
            (".5", "! not valid JSON"),
            ("1e", "! not valid JSON"),
            ("NaN", "! not valid JSON"),
        ],
    );
    check(
        &SqlType::BigInt,
        &[
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775808", "! out of range for BIGINT"),
            ("123456789012345678901234567890", "! out of range for BIGINT"),
            ("-9.9", "-9"),
        ],
    );
    check(&SqlType::Float, &[("1.5", "1.5"), ("\"NaN\"", "\"NaN\""), ("1e39", "\"Infinity\"")]);
    check(
        &SqlType::Double,
        &[
            ("0.1", "0.1"),
            ("-0.0", "-0.0"),
            ("1e308", "1.0E308"),
            ("123456789012345678", "1.2345678901234568E17"),
            ("\"1.25\"", "1.25"),
            ("\"-Infinity\"", "\"-Infinity\""),
            ("\"one\"", "! not a value of type DOUBLE"),
        ],
    );
    check(
        &SqlType::Decimal(10, 2),
        &[
            ("1.235", "1.24"),
            ("12345678.91", "12345678.91"),
            ("123456789.01", "! out of range for DECIMAL(10, 2)"),
            ("\"-0.5\"", "-0.50"),
            ("1e2", "100.00"),
        ],
    );
    check(
        &SqlType::STRING,
        &[
            ("\"a\"", "\"a\""),
            ("\"\"", "\"\""),
            ("12.50", "\"12.50\""),
            ("true", "\"true\""),
            (r#""\u00e9\ud83d\ude00\n\"\\\/""#, "\"é😀\\n\\\"\\\\/\""),
            (r#"{"a" : [1, 2.50 , "x\u0041"] }"#, r#""{\"a\":[1,2.50,\"xA\"]}""#),
            ("[ ]", "\"[]\""),
            (r#""\ud83d""#, "! half of a surrogate pair"),
            (r#""\ude00""#, "! half of a surrogate pair"),
            (r#""\ud83d\u0041""#, "! half of a surrogate pair"),
            (r#""\x""#, "! an escape that JSON does not know"),
            (r#""\u12g4""#, "! hexadecimal"),
            ("\"a\tb\"", "! control character"),
            ("\"abc", "! not valid JSON"),
        ],
    );
    check(
        &SqlType::BYTES,
        &[("\"AQID\"", "\"AQID\""), ("\"\"", "\"\""), ("\"?\"", "! not Base64"), ("1", "! not Base64")],
    );
    check(
        &SqlType::Date,
        &[
            ("\"2024-02-29\"", "\"2024-02-29\""),
            ("\"2023-02-29\"", "! out of range for DATE"),
            ("19782", "! not a value of type DATE"),
        ],
    );
    check(&SqlType::Time(0), &[("\"23:59:58.9\"", "\"23:59:58\""), ("\"24:00:00\"", "! out of range")]);
    check(&SqlType::Time(3), &[("\"01:02:03.45\"", "\"01:02:03.45\"")]);
    check(&SqlType::Time(6), &[("\"01:02:03.456789\"", "\"01:02:03.456789\"")]);
    check(
        &SqlType::Timestamp(3),
        &[
            ("\"2024-02-28 23:59:55.123\"", "\"2024-02-28 23:59:55.123\""),
            ("\"2024-02-28 23:59:55\"", "\"2024-02-28 23:59:55\""),
            ("\"2024-02-28T23:59:55\"", "! in the chosen timestamp format"),
            ("\"2024-02-28 23:59:55Z\"", "! in the chosen timestamp format"),
            ("1709164795", "! not a value of type TIMESTAMP(3)"),
        ],
    );
    check(
        &SqlType::TimestampLtz(3),
        &[
            ("\"2024-02-28 23:59:55.1Z\"", "\"2024-02-28 23:59:55.1Z\""),
            ("\"2024-02-28 23:59:55\"", "! must end in \"Z\""),
        ],
    );
    let array = SqlType::Array(Box::new(SqlField::new("", SqlType::Int)));
    check(
        &array,
        &[
            ("[1, null ,3]", "[1,null,3]"),
            ("[]", "[]"),
            ("[1,]", "! not valid JSON"),
            ("[\"x\"]", "! \"x\" is not a value of type INT"),
            ("{}", "! an object is not a value of type ARRAY<INT>"),
        ],
    );
    let map = SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", SqlType::Int)));
    check(
        &map,
        &[
            (r#"{ "a" : 1 , "b\n":null}"#, r#"{"a":1,"b\n":null}"#),
            ("{}", "{}"),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"b":2,"a":3}"#),
            ("[]", "! an array is not a value of type MAP"),
        ],
    );
    let row = SqlType::Row(vec![SqlField::new("x", SqlType::Int), SqlField::new("y", array)]);
    check(
        &row,
        &[
            (r#"{"y":[1],"x":2}"#, r#"{"x":2,"y":[1]}"#),
            ("{}", r#"{"x":null,"y":null}"#),
            (r#"{"x":1,"y":[2],"x":null}"#, r#"{"x":null,"y":[2]}"#),
            (r#"{"y":["a"]}"#, "! in field \"v.y\" at byte"),
            ("7", "! \"7\" is not a value of type ROW"),
        ],
    );
}

#[test]
fn iso_timestamps() {
    let iso = [("timestamp-format.standard", "ISO-8601")];
    let schema = schema(&[("t", SqlType::Timestamp(3)), ("i", SqlType::TimestampLtz(3))]);
    let mut decoder = decoder(&schema, &iso);
    decoder.push(br#"{"t":"2024-02-28T23:59","i":"2024-02-29T07:59:00+08:00"}"#).unwrap();
    assert!(decoder.push(br#"{"t":"2024-02-28 23:59:00"}"#).is_err());
    let batch = decoder.finish().unwrap();
    let mut encoder = Json.encoder(&schema, &options(&iso)).unwrap();
    let mut out = Vec::new();
    encoder.append(&batch, 0, &mut out).unwrap();
    assert_eq!(out, br#"{"t":"2024-02-28T23:59:00","i":"2024-02-28T23:59:00Z"}"#);
}

#[test]
fn records_are_objects_arrays_of_objects_or_null() {
    let schema = schema(&[("a", SqlType::Int)]);
    let mut decoder = decoder(&schema, &[]);
    for (record, count) in [
        ("{\"a\":1}", 1),
        (" \t{ \"a\" : 2 } \r", 2),
        ("[{\"a\":3} , {} , null]", 4),
        ("[]", 4),
        ("null", 4),
        ("\u{FEFF}{\"a\":5}", 5),
    ] {
        decoder.push(record.as_bytes()).unwrap();
        assert_eq!(decoder.row_count(), count, "{record}");
    }
    for record in [
        "",
        " ",
        "{",
        "}",
        "[",
        "[{\"a\":1}",
        "[{\"a\":1},]",
        "{\"a\":1}x",
        "{\"a\":1}{}",
        "7",
        "\"a\"",
        "[1]",
        "{a:1}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "{\"x\":tru}",
        "nul",
    ] {
        assert!(decoder.push(record.as_bytes()).is_err(), "{record}");
        assert_eq!(decoder.row_count(), 5);
    }
    assert_eq!(rows(&decoder.finish().unwrap()), ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "{\"a\":null}", "{\"a\":5}"]);
}

#[test]
fn unwanted_fields_are_checked_all_the_same() {
    let schema = schema(&[("a", SqlType::Int)]);
    let mut decoder = decoder(&schema, &[]);
    decoder.push(br#"{"x":{"y":[1,{"z":"\u0041\n"}],"w":{}},"a":1,"q":[[],[-0.5e-7,true,false,null]]}"#).unwrap();
    for bad in
        [r#""\ud800""#, "[1 2]", "{\"a\" 1}", "{\"a\":1,}", "[,]", "1.e1", "tru", "\"\u{1}\"", "{1:2}", "]", "[}", "{]"]
    {
        assert!(decoder.push(format!("{{\"a\":2,\"x\":{bad}}}").as_bytes()).is_err(), "{bad}");
    }
    assert!(decoder.push(b"{\"a\":2,\"x\":\"\xFF\"}").is_err());
    assert!(decoder.push(b"{\"a\":2,\"\xC0\xAF\":1}").is_err());
    let deep = |n: usize| format!("{{\"a\":3,\"x\":{}{}}}", "[".repeat(n), "]".repeat(n));
    decoder.push(deep(1_000).as_bytes()).unwrap();
    assert!(decoder.push(deep(1_001).as_bytes()).unwrap_err().reason.contains("levels of nesting"));
    assert!(decoder.push("[".repeat(100_000).as_bytes()).is_err());
    assert_eq!(rows(&decoder.finish().unwrap()), ["{\"a\":1}", "{\"a\":3}"]);
}

#[test]
fn keys_in_any_order_twice_and_escaped() {
    let schema = schema(&[("a", SqlType::BigInt), ("key2", SqlType::STRING), ("", SqlType::Int)]);
    let mut decoder = decoder(&schema, &[]);
    for record in [
        r#"{"a":1,"key2":"x","":0}"#,
        r#"{"key2":"y","a":2}"#,
        r#"{"a":3,"a":4,"key2":null,"key2":"z","":7,"":null}"#,
        r#"{"\u0061":5,"k\u0065y2":"w"}"#,
        r#"{"\u0061":6 ,"k\u0065y2":  "v"}"#,
        r#"{"A":7,"key":"v","key22":"q"}"#,
        r#"{  "a"   :  8  ,  "key2"  :  "u"  }"#,
    ] {
        decoder.push(record.as_bytes()).unwrap();
    }
    let batch = decoder.finish().unwrap();
    let a: Vec<_> = batch.column(0).as_primitive::<Int64Type>().iter().collect();
    assert_eq!(a, [Some(1), Some(2), Some(4), Some(5), Some(6), None, Some(8)]);
    let keys: Vec<_> = batch.column(1).as_string::<i32>().iter().collect();
    assert_eq!(keys, [Some("x"), Some("y"), Some("z"), Some("w"), Some("v"), None, Some("u")]);
    assert_eq!(batch.column(2).null_count(), 6);
}

#[test]
fn missing_fields_and_null() {
    let strict = decoder(&schema(&[("a", SqlType::Int)]), &[("fail-on-missing-field", "true")]).push(b"{}");
    assert_eq!(strict.unwrap_err().reason, "field \"a\" is missing at byte 0");
    let not_null: SchemaRef = Arc::new(Schema::new(vec![
        SqlField::new("a", SqlType::Int).not_null().to_arrow(),
        SqlField::new("b", SqlType::Array(Box::new(SqlField::new("", SqlType::Int).not_null()))).to_arrow(),
    ]));
    let mut decoder = Json.decoder(&not_null, &not_null, &Options::default()).unwrap();
    for record in ["{}", r#"{"a":null}"#, r#"{"a":1,"a":null}"#, r#"{"a":1,"b":[null]}"#, r#"{"a":1,"b":[1,null]}"#] {
        assert!(decoder.push(record.as_bytes()).unwrap_err().reason.contains("NOT NULL"), "{record}");
    }
    decoder.push(br#"{"a":1,"b":[2]}"#).unwrap();
    assert_eq!(rows(&decoder.finish().unwrap()), [r#"{"a":1,"b":[2]}"#]);
    let conflict = options(&[("fail-on-missing-field", "true"), ("ignore-parse-errors", "true")]);
    assert_eq!(Json.decoder(&not_null, &not_null, &conflict).err().unwrap().code(), "option.conflict");
}

#[test]
fn ignored_errors_are_counted_or_become_null() {
    let schema = schema(&[
        ("a", SqlType::Int),
        ("b", SqlType::Array(Box::new(SqlField::new("", SqlType::Int)))),
        ("c", SqlType::STRING),
    ]);
    let mut decoder = decoder(&schema, &[("ignore-parse-errors", "true")]);
    for record in [r#"{"a":"x","b":[1,"y",3],"c":"d"}"#, r#"{"a":1,"c":"\q"}"#, r#"{"a":1,"b":{},"c":[1]}"#, "7", ""] {
        decoder.push(record.as_bytes()).unwrap();
    }
    assert_eq!(decoder.ignored_count(), 3);
    let rows = rows(&decoder.finish().unwrap());
    assert_eq!(rows, [r#"{"a":null,"b":[1,null,3],"c":"d"}"#, r#"{"a":1,"b":null,"c":"[1]"}"#]);
}

#[test]
fn nested_fields_that_are_mostly_null() {
    let person = SqlType::Row(vec![SqlField::new("id", SqlType::BigInt), SqlField::new("name", SqlType::STRING)]);
    let bid = SqlType::Row(vec![SqlField::new("price", SqlType::BigInt), SqlField::new("at", SqlType::Timestamp(3))]);
    let schema = schema(&[("kind", SqlType::Int), ("person", person), ("bid", bid)]);
    let mut decoder = decoder(&schema, &[]);
    let records = [
        r#"{"kind":2,"person":null,"bid":{"price":1,"at":"2024-01-01 00:00:00"}}"#,
        r#"{"kind":0,"person":{"id":1,"name":"é"},"bid":null}"#,
        r#"{"kind":2,"person":null,"bid":{"price":2,"at":null}}"#,
        r#"{"kind":null,"person":null,"bid":null}"#,
    ];
    for _ in 0..2 {
        records.iter().for_each(|r| decoder.push(r.as_bytes()).unwrap());
        assert_eq!(rows(&decoder.finish().unwrap()), records);
    }
    assert_eq!(decoder.finish().unwrap().num_rows(), 0);
}

#[test]
fn no_column_is_wanted() {
    let schema: SchemaRef = Arc::new(Schema::empty());
    let mut decoder = decoder(&schema, &[]);
    decoder.push(br#"{"a":1}"#).unwrap();
    assert!(decoder.push(br#"{"a":1"#).is_err());
    assert_eq!(decoder.finish().unwrap().num_rows(), 1);
}

#[test]
fn what_the_encoder_is_told() {
    let schema = schema(&[("d", SqlType::Decimal(10, 2)), ("n", SqlType::Int)]);
    let mut decoder = decoder(&schema, &[]);
    decoder.push(br#"{"d":100}"#).unwrap();
    let batch = decoder.finish().unwrap();
    let text = |pairs: &[(&str, &str)]| {
        let mut out = Vec::new();
        Json.encoder(&schema, &options(pairs)).unwrap().append(&batch, 0, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(text(&[]), r#"{"d":1E+2,"n":null}"#);
    assert_eq!(text(&[("encode.decimal-as-plain-number", "true")]), r#"{"d":100.00,"n":null}"#);
    assert_eq!(text(&[("encode.ignore-null-fields", "true")]), r#"{"d":1E+2}"#);
}

#[test]
fn types_and_options_that_are_refused() {
    let map = SqlType::Map(Box::new(SqlType::Int), Box::new(SqlField::new("", SqlType::Int)));
    let schema = schema(&[("m", map)]);
    let code = |r: Result<_, freshet_types::Error>| r.map(|_: Box<dyn RecordDecoder>| ()).unwrap_err().code();
    assert_eq!(code(Json.decoder(&schema, &schema, &Options::default())), "format.map_key");
    let empty: SchemaRef = Arc::new(Schema::empty());
    assert_eq!(code(Json.decoder(&empty, &empty, &options(&[("ignore-errors", "true")]))), "option.unknown");
    let odd: SchemaRef = Arc::new(Schema::new(vec![arrow::datatypes::Field::new("u", DataType::UInt64, true)]));
    assert_eq!(code(Json.decoder(&odd, &odd, &Options::default())), "format.type");
}

#[test]
fn conforms() {
    let all: Vec<SqlField> = flat_types().into_iter().chain(nested_types()).collect();
    let bad: &[&[u8]] =
        &[b"", b"{", b"{}x", br#"{"c3":"x","must":"m"}"#, br#"{"c0":true}"#, br#"{"list":[1,2,"#, b"\xFF"];
    check_records(&Json, &[], &all, bad);
    check_records(
        &Json,
        &[("timestamp-format.standard", "ISO-8601"), ("encode.ignore-null-fields", "true")],
        &flat_types(),
        bad,
    );
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn valid_is_what_serde_takes_for_valid(value in json_value(), at in any::<prop::sample::Index>(), byte: u8, pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert!(validate(&text).is_ok());
        let mut broken = text.clone();
        broken[at.index(text.len())] = byte;
        // serde_json refuses numbers beyond a double, which are valid JSON.
        let theirs = serde_json::from_slice::<&serde_json::value::RawValue>(&broken).is_ok();
        let ours = validate(&broken).is_ok();
        prop_assert!(ours == theirs || !ours && broken.contains(&b'\\'), "{}", String::from_utf8_lossy(&broken));
    }

    #[test]
    fn any_object_as_text_and_typed(value in json_value(), other in json_value(), number: i64, text: String) {
        let schema = schema(&[("n", SqlType::BigInt), ("t", SqlType::STRING), ("any", SqlType::STRING)]);
        let mut decoder = decoder(&schema, &[]);
        let record = serde_json::json!({ "n": number, "x": other, "t": text, "any": value });
        decoder.push(&serde_json::to_vec(&record).unwrap()).unwrap();
        decoder.push(&serde_json::to_vec_pretty(&record).unwrap()).unwrap();
        let batch = decoder.finish().unwrap();
        for row in 0..2 {
            prop_assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(row), number);
            prop_assert_eq!(batch.column(1).as_string::<i32>().value(row), &text);
            let kept = batch.column(2).as_string::<i32>();
            match &value {
                serde_json::Value::Null => prop_assert!(kept.is_null(row)),
                serde_json::Value::String(s) => prop_assert_eq!(kept.value(row), s),
                other => {
                    // By way of text on both sides, because serde_json does not read every double exactly.
                    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                    prop_assert_eq!(read(kept.value(row)), read(&other.to_string()));
                }
            }
        }
    }

    #[test]
    fn bytes_of_any_kind_never_panic_and_leave_no_trace(junk in proptest::collection::vec(any::<u8>(), 0..80), cut in 0_usize..90) {
        let row = SqlType::Row(vec![SqlField::new("s", SqlType::STRING)]);
        let schema = schema(&[
            ("a", SqlType::Int),
            ("b", SqlType::STRING),
            ("c", SqlType::Array(Box::new(SqlField::new("", row)))),
            ("d", SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", SqlType::Double)))),
        ]);
        let good = r#"{"a":1,"b":"two","c":[{"s":"x"},null,{"s":null}],"d":{"k":0.5,"l":null}}"#;
        let mut decoder = decoder(&schema, &[]);
        decoder.push(good.as_bytes()).unwrap();
        let _ = decoder.push(&junk);
        let mut mixed = good.as_bytes()[..cut.min(good.len())].to_vec();
        let cut_failed = if cut < good.len() { decoder.push(&mixed).is_err() } else { true };
        mixed.extend_from_slice(&junk);
        let more = decoder.push(&mixed).is_ok();
        decoder.push(good.as_bytes()).unwrap();
        prop_assert!(cut_failed);
        let rows = rows(&decoder.finish().unwrap());
        prop_assert_eq!(&rows[0], good);
        prop_assert_eq!(&rows[rows.len() - 1], good);
        prop_assert!(more || rows.len() <= 3);
    }
}
