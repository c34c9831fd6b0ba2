//! JSON: one object per record.
//!
//! Stricter than Flink where Flink would change data in silence: a text other than true and false is no BOOLEAN, a
//! decimal with too many digits is an error and not NULL, and control characters inside strings must be escaped. A record
//! is good or bad by all columns that the table declares, whichever of them a query reads; what is not declared must be
//! JSON, too.
//!
//! Source: Flink documentation, "JSON Format"; RFC 8259.

mod compact;
mod cursor;
mod decode;
mod encode;
#[cfg(test)]
mod tests;

use crate::parse::{ISO_TIME, SQL_TIME, TimeStyle};
use crate::{Format, Framing, RecordDecoder, RecordEncoder, RecordError};
use arrow::datatypes::SchemaRef;
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

/// The format.
pub struct Json;

const MODES: &[&str] = &["FAIL", "DROP", "LITERAL"];
const STANDARDS: &[&str] = &["SQL", "ISO-8601"];

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default(
        "fail-on-missing-field",
        OptionKind::Bool,
        "false",
        "whether a record that lacks a field is an error; else the field is NULL",
    ),
    OptionSpec::with_default(
        "ignore-parse-errors",
        OptionKind::Bool,
        "false",
        "whether fields that cannot be parsed become NULL and records that are not JSON are left out",
    ),
    OptionSpec::with_default(
        "timestamp-format.standard",
        OptionKind::OneOf(STANDARDS),
        "SQL",
        "how timestamps look: 2024-02-28 23:59:55.123 (SQL) or 2024-02-28T23:59:55.123 (ISO-8601)",
    ),
    OptionSpec::with_default(
        "map-null-key.mode",
        OptionKind::OneOf(MODES),
        "FAIL",
        "what becomes of a NULL key of a MAP when writing",
    ),
    OptionSpec::with_default(
        "map-null-key.literal",
        OptionKind::Text,
        "null",
        "what is written for a NULL key in mode LITERAL",
    ),
    OptionSpec::with_default(
        "encode.decimal-as-plain-number",
        OptionKind::Bool,
        "false",
        "whether decimals are written with all their digits and never with an exponent",
    ),
    OptionSpec::with_default(
        "encode.ignore-null-fields",
        OptionKind::Bool,
        "false",
        "whether fields that are NULL are left out when writing",
    ),
    OptionSpec::accepted(
        "decode.json-parser.enabled",
        OptionKind::Bool,
        "there is one decoder, and it skips what is not read",
    ),
];

/// What the options mean.
#[derive(Debug)]
struct JsonOptions {
    fail_on_missing_field: bool,
    ignore_parse_errors: bool,
    style: TimeStyle,
    null_keys: NullKeys,
    null_key_literal: String,
    plain_decimals: bool,
    ignore_null_fields: bool,
}

/// What becomes of a NULL key of a MAP.
#[derive(Debug, Clone, Copy)]
enum NullKeys {
    Fail,
    Drop,
    Literal,
}

impl JsonOptions {
    fn new(options: &Options) -> Result<Self> {
        options.check(OPTIONS)?;
        let flag = |name| Ok::<_, Error>(options.bool(name)?.unwrap_or(false));
        let is = |name, word: &str| options.get(name).is_some_and(|t| t.eq_ignore_ascii_case(word));
        let parsed = Self {
            fail_on_missing_field: flag("fail-on-missing-field")?,
            ignore_parse_errors: flag("ignore-parse-errors")?,
            style: if is("timestamp-format.standard", "ISO-8601") { ISO_TIME } else { SQL_TIME },
            null_keys: if is("map-null-key.mode", "DROP") {
                NullKeys::Drop
            } else if is("map-null-key.mode", "LITERAL") {
                NullKeys::Literal
            } else {
                NullKeys::Fail
            },
            null_key_literal: options.get("map-null-key.literal").unwrap_or("null").to_string(),
            plain_decimals: flag("encode.decimal-as-plain-number")?,
            ignore_null_fields: flag("encode.ignore-null-fields")?,
        };
        if parsed.fail_on_missing_field && parsed.ignore_parse_errors {
            return Err(Error::invalid(
                "option.conflict",
                "options \"fail-on-missing-field\" and \"ignore-parse-errors\" are both true",
            )
            .hint("leave one of them out"));
        }
        Ok(parsed)
    }
}

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn doc(&self) -> &'static str {
        "JSON, one object per record; in files, one per line"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json", "ndjson", "jsonl"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn finds_fields_by_name(&self) -> bool {
        true
    }

    fn framing(&self, _options: &Options) -> Framing {
        Framing::Lines
    }

    fn decoder(&self, schema: &SchemaRef, full: &SchemaRef, options: &Options) -> Result<Box<dyn RecordDecoder>> {
        Ok(Box::new(decode::Decoder::new(schema, full, &JsonOptions::new(options)?)?))
    }

    fn encoder(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn RecordEncoder>> {
        Ok(Box::new(encode::Encoder::new(schema, &JsonOptions::new(options)?)?))
    }
}

/// Checks that `text` is one JSON value by RFC 8259, nested at most 1000 levels deep.
///
/// ```
/// assert!(freshet_formats::json::validate(b" [1, {\"a\": null}] ").is_ok());
/// assert!(freshet_formats::json::validate(b"[1,]").is_err());
/// ```
///
/// # Errors
/// What is wrong, and at which byte.
pub fn validate(text: &[u8]) -> std::result::Result<(), RecordError> {
    let mut cursor = cursor::Cursor::new(text);
    let mut check = || {
        cursor.skip()?;
        cursor.next_token();
        if cursor.at == text.len() { Ok(()) } else { cursor.expected("the end of the text") }
    };
    check().map_err(|fault| RecordError { reason: format!("not valid JSON: {} at byte {}", fault.text, fault.at) })
}
