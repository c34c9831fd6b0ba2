//! Raw: the record is the value of the only column.
//!
//! Source: Flink documentation, "Raw Format".

#[cfg(test)]
mod tests;

use crate::column::{Column, Kind};
use crate::print::{Prepared, View};
use crate::{Format, Framing, RecordDecoder, RecordEncoder, RecordError};
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

/// The format.
pub struct Raw;

const CHARSETS: &[&str] = &["UTF-8", "US-ASCII", "ISO-8859-1", "UTF-16", "UTF-16BE", "UTF-16LE"];

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default("charset", OptionKind::OneOf(CHARSETS), "UTF-8", "how text is encoded"),
    OptionSpec::with_default(
        "endianness",
        OptionKind::OneOf(&["big-endian", "little-endian"]),
        "big-endian",
        "order of the bytes of numbers",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    /// Big-endian unless a byte order mark says otherwise; the mark is written.
    Utf16,
    Utf16Be,
    Utf16Le,
}

/// What the options mean.
#[derive(Debug, Clone, Copy)]
struct RawOptions {
    charset: Charset,
    little: bool,
}

impl RawOptions {
    fn new(options: &Options) -> Result<Self> {
        options.check(OPTIONS)?;
        let charset = options.get("charset").unwrap_or("UTF-8").to_ascii_uppercase();
        Ok(Self {
            charset: match charset.as_str() {
                "US-ASCII" => Charset::Ascii,
                "ISO-8859-1" => Charset::Latin1,
                "UTF-16" => Charset::Utf16,
                "UTF-16BE" => Charset::Utf16Be,
                "UTF-16LE" => Charset::Utf16Le,
                _ => Charset::Utf8,
            },
            little: options.get("endianness").is_some_and(|e| e.eq_ignore_ascii_case("little-endian")),
        })
    }
}

fn check(schema: &SchemaRef) -> Result<()> {
    let [field] = &schema.fields()[..] else {
        return Err(Error::invalid(
            "raw.columns",
            format!("format \"raw\" needs exactly one column, the table has {}", schema.fields().len()),
        )
        .hint("declare one column, or use another format"));
    };
    match field.data_type() {
        DataType::Utf8
        | DataType::Binary
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64 => Ok(()),
        other => Err(Error::unsupported("format.type", format!("format \"raw\" cannot hold type {other}"))
            .at("column", field.name())
            .hint("declare the column as STRING or BYTES")),
    }
}

impl Format for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn doc(&self) -> &'static str {
        "the record itself as the value of the only column"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn framing(&self, _options: &Options) -> Framing {
        Framing::Lines
    }

    fn decoder(&self, schema: &SchemaRef, full: &SchemaRef, options: &Options) -> Result<Box<dyn RecordDecoder>> {
        check(full)?;
        Ok(Box::new(Decoder {
            schema: SchemaRef::clone(schema),
            column: Column::new(full.field(0))?,
            rows: 0,
            bytes: 0,
            options: RawOptions::new(options)?,
        }))
    }

    fn encoder(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn RecordEncoder>> {
        check(schema)?;
        Ok(Box::new(Encoder { prepared: Prepared::default(), options: RawOptions::new(options)? }))
    }
}

struct Decoder {
    schema: SchemaRef,
    /// Decoded even when the query does not read it: a record that does not fit is none in any query.
    column: Column,
    rows: usize,
    bytes: usize,
    options: RawOptions,
}

impl RecordDecoder for Decoder {
    fn push(&mut self, record: &[u8]) -> std::result::Result<(), RecordError> {
        // Text grows to at most the double when it becomes UTF-8.
        if self.bytes + 2 * record.len() > i32::MAX as usize {
            return Err(RecordError { reason: "the record does not fit into one batch of 2 GiB".to_string() });
        }
        if let Err(reason) = value(&mut self.column, self.rows, record, self.options) {
            self.column.truncate(self.rows);
            return Err(RecordError { reason });
        }
        self.bytes += 2 * record.len();
        self.rows += 1;
        Ok(())
    }

    /// A row of NULL, as in Flink.
    fn push_null(&mut self) -> std::result::Result<(), RecordError> {
        if !self.column.nullable {
            let reason = format!("the record is NULL, and column \"{}\" is NOT NULL", self.column.name);
            return Err(RecordError { reason });
        }
        self.rows += 1;
        Ok(())
    }

    fn row_count(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let mut columns = vec![self.column.take(rows)?];
        columns.truncate(self.schema.fields().len());
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)?)
    }
}

fn value(column: &mut Column, row: usize, record: &[u8], options: RawOptions) -> std::result::Result<(), String> {
    fn bytes<const N: usize>(record: &[u8], options: RawOptions) -> std::result::Result<[u8; N], String> {
        let mut bytes: [u8; N] =
            record.try_into().map_err(|_| format!("the record has {} bytes, its type {N}", record.len()))?;
        if options.little {
            bytes.reverse();
        }
        Ok(bytes)
    }
    match &mut column.kind {
        Kind::Binary(v) => v.push(row, record),
        Kind::Text(v) => {
            v.open(row);
            decode_text(record, options.charset, &mut v.data)?;
            v.close();
        }
        Kind::Boolean(v) => v.push(row, bytes::<1>(record, options)? != [0]),
        Kind::TinyInt(v) => v.push(row, i8::from_be_bytes(bytes(record, options)?)),
        Kind::SmallInt(v) => v.push(row, i16::from_be_bytes(bytes(record, options)?)),
        Kind::Int(v) => v.push(row, i32::from_be_bytes(bytes(record, options)?)),
        Kind::BigInt(v) => v.push(row, i64::from_be_bytes(bytes(record, options)?)),
        Kind::Float(v) => v.push(row, f32::from_be_bytes(bytes(record, options)?)),
        Kind::Double(v) => v.push(row, f64::from_be_bytes(bytes(record, options)?)),
        _ => unreachable!("other types are refused when the decoder is made"),
    }
    Ok(())
}

fn decode_text(record: &[u8], charset: Charset, out: &mut Vec<u8>) -> std::result::Result<(), String> {
    match charset {
        Charset::Utf8 => {
            simdutf8::basic::from_utf8(record).map_err(|_| "the record is not valid UTF-8".to_string())?;
            out.extend_from_slice(record);
        }
        Charset::Ascii => {
            if !record.is_ascii() {
                return Err("the record is not ASCII".to_string());
            }
            out.extend_from_slice(record);
        }
        Charset::Latin1 => {
            for byte in record {
                out.extend_from_slice(char::from(*byte).encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Charset::Utf16 | Charset::Utf16Be | Charset::Utf16Le => {
            let (record, little) = match (charset, record) {
                (Charset::Utf16, [0xFF, 0xFE, rest @ ..]) => (rest, true),
                (Charset::Utf16, [0xFE, 0xFF, rest @ ..]) => (rest, false),
                _ => (record, charset == Charset::Utf16Le),
            };
            let (pairs, []) = record.as_chunks::<2>() else {
                return Err("the record is not UTF-16: it has an odd number of bytes".to_string());
            };
            let units = pairs.iter().map(|p| if little { u16::from_le_bytes(*p) } else { u16::from_be_bytes(*p) });
            for character in char::decode_utf16(units) {
                let character = character
                    .map_err(|_| "the record is not UTF-16: half of a surrogate pair stands alone".to_string())?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    Ok(())
}

struct Encoder {
    prepared: Prepared,
    options: RawOptions,
}

impl RecordEncoder for Encoder {
    fn is_null(&self, rows: &RecordBatch, row: usize) -> bool {
        rows.column(0).is_null(row)
    }

    /// NULL becomes an empty record where a record must have a value.
    fn append(&mut self, rows: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let options = self.options;
        let [view] = self.prepared.views(rows)? else { return Ok(()) };
        if view.is_null(row) {
            return Ok(());
        }
        let start = out.len();
        match view {
            View::Binary(a) => {
                out.extend_from_slice(a.value(row));
                return Ok(());
            }
            View::Text(a) => return encode_text(a.value(row), options.charset, out),
            View::Boolean(a) => out.push(u8::from(a.value(row))),
            View::TinyInt(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            View::SmallInt(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            View::Int(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            View::BigInt(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            View::Float(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            View::Double(a) => out.extend_from_slice(&a.value(row).to_be_bytes()),
            _ => unreachable!("other types are refused when the encoder is made"),
        }
        if options.little {
            out[start..].reverse();
        }
        Ok(())
    }
}

fn encode_text(text: &str, charset: Charset, out: &mut Vec<u8>) -> Result<()> {
    let cannot = |c: char| {
        Error::data("raw.charset", format!("character {c:?} cannot be written in the chosen charset"))
            .hint("set 'raw.charset' to UTF-8")
    };
    match charset {
        Charset::Utf8 => out.extend_from_slice(text.as_bytes()),
        Charset::Ascii | Charset::Latin1 => {
            let last = if charset == Charset::Ascii { 0x7F } else { 0xFF };
            for c in text.chars() {
                match u8::try_from(u32::from(c)) {
                    Ok(byte) if byte <= last => out.push(byte),
                    _ => return Err(cannot(c)),
                }
            }
        }
        Charset::Utf16 | Charset::Utf16Be => {
            if charset == Charset::Utf16 {
                out.extend_from_slice(&[0xFE, 0xFF]);
            }
            text.encode_utf16().for_each(|unit| out.extend_from_slice(&unit.to_be_bytes()));
        }
        Charset::Utf16Le => text.encode_utf16().for_each(|unit| out.extend_from_slice(&unit.to_le_bytes())),
    }
    Ok(())
}
