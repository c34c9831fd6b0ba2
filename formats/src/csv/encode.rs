//! Columns to CSV records; quotes stand only where they are needed.

use super::CsvOptions;
use crate::RecordEncoder;
use crate::print::{Prepared, View, number, time};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base64::Engine;
use freshet_types::{Error, Result};

/// The encoder.
pub(super) struct Encoder {
    names: Vec<String>,
    options: CsvOptions,
    prepared: Prepared,
    field: Vec<u8>,
    scratch: String,
}

impl Encoder {
    pub(super) fn new(schema: &SchemaRef, options: CsvOptions) -> Result<Self> {
        for field in schema.fields() {
            super::decode::check(field.name(), field.data_type())?;
            View::check(field)?;
        }
        Ok(Self {
            names: schema.fields().iter().map(|f| f.name().clone()).collect(),
            options,
            prepared: Prepared::default(),
            field: Vec::new(),
            scratch: String::new(),
        })
    }
}

impl RecordEncoder for Encoder {
    fn append(&mut self, rows: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let views = self.prepared.views(rows)?;
        for (i, view) in views.iter().enumerate() {
            if i > 0 {
                out.push(self.options.delimiter);
            }
            if view.is_null(row) {
                out.extend_from_slice(self.options.null_literal.as_deref().unwrap_or_default());
                continue;
            }
            let text = if let View::Text(texts) = view {
                texts.value(row).as_bytes()
            } else {
                self.field.clear();
                append_value(view, row, &self.options, &mut self.scratch, &mut self.field);
                &self.field
            };
            append_field(text, &self.options, i == 0, out).map_err(|e| e.at("column", &self.names[i]))?;
        }
        Ok(())
    }
}

/// Appends the text of a value, not yet quoted.
fn append_value(view: &View, row: usize, options: &CsvOptions, scratch: &mut String, out: &mut Vec<u8>) {
    if view.is_null(row) {
        out.extend_from_slice(options.null_literal.as_deref().unwrap_or_default());
        return;
    }
    match view {
        View::Null => {}
        View::Boolean(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
        View::TinyInt(a) => number::int(i64::from(a.value(row)), out),
        View::SmallInt(a) => number::int(i64::from(a.value(row)), out),
        View::Int(a) => number::int(i64::from(a.value(row)), out),
        View::BigInt(a) => number::int(a.value(row), out),
        View::Float(a) => number::float(a.value(row), scratch, out),
        View::Double(a) => number::double(a.value(row), scratch, out),
        View::Decimal(a, scale) if options.plain_decimals => number::plain_decimal(a.value(row), *scale, out),
        View::Decimal(a, scale) => number::java_decimal(a.value(row), *scale, false, out),
        View::Text(a) => out.extend_from_slice(a.value(row).as_bytes()),
        View::Binary(a) => {
            scratch.clear();
            base64::engine::general_purpose::STANDARD.encode_string(a.value(row), scratch);
            out.extend_from_slice(scratch.as_bytes());
        }
        View::Date(a) => time::date(i64::from(a.value(row)), out),
        View::Time(a, unit) => {
            let (seconds, nanos) = time::split(a.value(row), *unit);
            time::time_of_day(seconds, nanos, out);
        }
        View::Timestamp(a, unit, instant) => {
            let (seconds, nanos) = time::split(a.value(row), *unit);
            time::timestamp(seconds, nanos, b' ', out);
            if *instant {
                out.push(b'Z');
            }
        }
        View::List(list, items) => {
            let offsets = list.value_offsets();
            for i in offsets[row]..offsets[row + 1] {
                if i > offsets[row] {
                    out.extend_from_slice(&options.element_delimiter);
                }
                append_value(items, i as usize, options, scratch, out);
            }
        }
        View::Row(_, fields) => {
            for (i, (_, field)) in fields.iter().enumerate() {
                if i > 0 {
                    out.extend_from_slice(&options.element_delimiter);
                }
                append_value(field, row, options, scratch, out);
            }
        }
        View::Map(..) => unreachable!("CSV refuses a MAP when the encoder is made"),
    }
}

/// Appends `text` as a field, quoted or escaped where a reader would otherwise see something else.
fn append_field(text: &[u8], options: &CsvOptions, first: bool, out: &mut Vec<u8>) -> Result<()> {
    let special = |b: u8| {
        b == options.delimiter || b == b'\n' || b == b'\r' || Some(b) == options.quote || Some(b) == options.escape
    };
    // What a reader would take for a comment, or for the mark of a file that begins with it.
    let comment = first && (options.allow_comments && text.first() == Some(&b'#') || text.starts_with(b"\xEF\xBB\xBF"));
    let null = options.null_literal.as_deref() == Some(text);
    if !comment && !null && !text.iter().any(|b| special(*b)) {
        out.extend_from_slice(text);
        return Ok(());
    }
    if let Some(quote) = options.quote {
        out.push(quote);
        for byte in text {
            if *byte == quote {
                out.push(quote);
            } else if Some(*byte) == options.escape {
                out.push(*byte);
            }
            out.push(*byte);
        }
        out.push(quote);
        return Ok(());
    }
    let line_break = text.iter().any(|b| matches!(b, b'\n' | b'\r'));
    match options.escape {
        Some(escape) if !line_break && !null => {
            for (i, byte) in text.iter().enumerate() {
                if special(*byte) || (comment && i == 0) {
                    out.push(escape);
                }
                out.push(*byte);
            }
            Ok(())
        }
        _ => Err(Error::data(
            "csv.needs_quotes",
            format!("\"{}\" cannot be written without quotes", crate::parse::shorten(text)),
        )
        .hint("leave out 'csv.disable-quote-character', or take another 'csv.field-delimiter'")),
    }
}
