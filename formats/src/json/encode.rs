//! Columns to JSON records, in Flink's spelling.

use super::compact::append_string;
use super::{JsonOptions, NullKeys};
use crate::RecordEncoder;
use crate::print::{Prepared, View, number, time};
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use base64::Engine;
use freshet_types::{Error, Result};

/// The encoder.
pub(super) struct Encoder {
    /// `"name":` of each column.
    keys: Vec<Vec<u8>>,
    prepared: Prepared,
    writer: Writer,
}

struct Writer {
    plain_decimals: bool,
    ignore_nulls: bool,
    between: u8,
    null_keys: NullKeys,
    null_key_literal: String,
    scratch: String,
}

impl Encoder {
    pub(super) fn new(schema: &SchemaRef, options: &JsonOptions) -> Result<Self> {
        schema.fields().iter().try_for_each(|f| View::check(f))?;
        Ok(Self {
            keys: schema.fields().iter().map(|f| key(f.name())).collect(),
            prepared: Prepared::default(),
            writer: Writer {
                plain_decimals: options.plain_decimals,
                ignore_nulls: options.ignore_null_fields,
                between: if options.style.letter { b'T' } else { b' ' },
                null_keys: options.null_keys,
                null_key_literal: options.null_key_literal.clone(),
                scratch: String::new(),
            },
        })
    }
}

fn key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 3);
    append_string(name.as_bytes(), &mut key);
    key.push(b':');
    key
}

impl RecordEncoder for Encoder {
    fn append(&mut self, rows: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let views = self.prepared.views(rows)?;
        out.push(b'{');
        let start = out.len();
        for (key, view) in self.keys.iter().zip(views) {
            self.writer.field(key, view, row, start, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

impl Writer {
    #[inline]
    fn field(&mut self, key: &[u8], view: &View, row: usize, start: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.ignore_nulls && view.is_null(row) {
            return Ok(());
        }
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(key);
        self.value(view, row, out)
    }

    fn value(&mut self, view: &View, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if view.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match view {
            View::Null => out.extend_from_slice(b"null"),
            View::Boolean(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            View::TinyInt(a) => number::int(i64::from(a.value(row)), out),
            View::SmallInt(a) => number::int(i64::from(a.value(row)), out),
            View::Int(a) => number::int(i64::from(a.value(row)), out),
            View::BigInt(a) => number::int(a.value(row), out),
            View::Float(a) => {
                let value = a.value(row);
                let quote = !value.is_finite();
                out.extend(quote.then_some(b'"'));
                number::float(value, &mut self.scratch, out);
                out.extend(quote.then_some(b'"'));
            }
            View::Double(a) => {
                let value = a.value(row);
                let quote = !value.is_finite();
                out.extend(quote.then_some(b'"'));
                number::double(value, &mut self.scratch, out);
                out.extend(quote.then_some(b'"'));
            }
            View::Decimal(a, scale) if self.plain_decimals => number::plain_decimal(a.value(row), *scale, out),
            View::Decimal(a, scale) => number::java_decimal(a.value(row), *scale, true, out),
            View::Text(a) => append_string(a.value(row).as_bytes(), out),
            View::Binary(a) => {
                self.scratch.clear();
                base64::engine::general_purpose::STANDARD.encode_string(a.value(row), &mut self.scratch);
                append_string(self.scratch.as_bytes(), out);
            }
            View::Date(a) => {
                out.push(b'"');
                time::date(i64::from(a.value(row)), out);
                out.push(b'"');
            }
            View::Time(a, unit) => {
                let (seconds, nanos) = time::split(a.value(row), *unit);
                out.push(b'"');
                time::time_of_day(seconds, nanos, out);
                out.push(b'"');
            }
            View::Timestamp(a, unit, instant) => {
                let (seconds, nanos) = time::split(a.value(row), *unit);
                out.push(b'"');
                time::timestamp(seconds, nanos, self.between, out);
                out.extend_from_slice(if *instant { b"Z\"" } else { b"\"" });
            }
            View::List(list, items) => {
                let offsets = list.value_offsets();
                out.push(b'[');
                for i in offsets[row]..offsets[row + 1] {
                    if i > offsets[row] {
                        out.push(b',');
                    }
                    self.value(items, i as usize, out)?;
                }
                out.push(b']');
            }
            View::Map(map, keys, values) => {
                let offsets = map.value_offsets();
                out.push(b'{');
                let start = out.len();
                for i in offsets[row] as usize..offsets[row + 1] as usize {
                    let name = if keys.is_null(i) {
                        match self.null_keys {
                            NullKeys::Fail => return Err(null_key()),
                            NullKeys::Drop => continue,
                            NullKeys::Literal => self.null_key_literal.as_bytes(),
                        }
                    } else {
                        keys.value(i).as_bytes()
                    };
                    if self.ignore_nulls && values.is_null(i) {
                        continue;
                    }
                    if out.len() > start {
                        out.push(b',');
                    }
                    append_string(name, out);
                    out.push(b':');
                    self.value(values, i, out)?;
                }
                out.push(b'}');
            }
            View::Row(_, fields) => {
                out.push(b'{');
                let start = out.len();
                for (name, view) in fields {
                    if self.ignore_nulls && view.is_null(row) {
                        continue;
                    }
                    if out.len() > start {
                        out.push(b',');
                    }
                    append_string(name.as_bytes(), out);
                    out.push(b':');
                    self.value(view, row, out)?;
                }
                out.push(b'}');
            }
        }
        Ok(())
    }
}

#[cold]
fn null_key() -> Error {
    Error::invalid("json.null_key", "a MAP has a NULL key, which JSON cannot hold")
        .hint("set 'json.map-null-key.mode' to DROP or LITERAL")
}
