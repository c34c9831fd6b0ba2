//! CSV records to columns: wanted fields go straight into their columns, the others are only checked.

use super::CsvOptions;
use super::fields::Fields;
use crate::column::{Column, Kind, RowColumn};
use crate::parse::{self, ANY_TIME};
use crate::{RecordDecoder, RecordError};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use freshet_types::{Error, Result};

/// Bytes of records in one batch: Arrow's 32-bit offsets must be able to name each byte of a text column.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;

/// The decoder.
pub(super) struct Decoder {
    schema: SchemaRef,
    options: CsvOptions,
    /// For each field of a record, its column.
    places: Vec<usize>,
    root: RowColumn,
    rows: usize,
    bytes: usize,
    ignored: u64,
    scratch: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(schema: &SchemaRef, full: &SchemaRef, options: CsvOptions) -> Result<Self> {
        full.fields().iter().try_for_each(|f| check(f.name(), f.data_type()))?;
        for field in schema.fields() {
            if full.index_of(field.name()).is_err() {
                return Err(Error::internal(
                    "csv.column",
                    format!("column \"{}\" is not among the columns of the table", field.name()),
                ));
            }
        }
        let root = RowColumn::of_record(schema, full)?;
        let place = |name: &str| root.fields.iter().position(|c| c.name == name);
        Ok(Self {
            schema: SchemaRef::clone(schema),
            places: full.fields().iter().filter_map(|f| place(f.name())).collect(),
            root,
            options,
            rows: 0,
            bytes: 0,
            ignored: 0,
            scratch: Vec::new(),
        })
    }

    fn record(&mut self, record: &[u8]) -> Result<(), String> {
        if let [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] = record {
            return Err("the text is UTF-16 and not UTF-8".to_string());
        }
        simdutf8::basic::from_utf8(record).map_err(|_| "the record is not valid UTF-8".to_string())?;
        let row = self.rows;
        self.root.open(row);
        let mut fields = Fields::new(record);
        let mut count = 0;
        while let Some(field) =
            fields.next(&self.options, &mut self.scratch).map_err(|reason| format!("{reason} (field {})", count + 1))?
        {
            if let Some(place) = self.places.get(count) {
                let column = &mut self.root.fields[*place];
                let result = value(column, row, field.text, field.quoted, &self.options);
                if let Err(reason) = result {
                    if !self.options.ignore_parse_errors {
                        return Err(format!("{reason} in field \"{}\"", column.name));
                    }
                    column.truncate(row);
                }
            }
            count += 1;
        }
        let expected = self.places.len();
        if count > expected || (count < expected && (!self.options.ignore_parse_errors || record.is_empty())) {
            return Err(format!("the record has {count} fields where the table has {expected}"));
        }
        if let Some(column) = self.root.missing(row) {
            return Err(format!("field \"{}\" is NULL or missing, and its column is NOT NULL", column.name));
        }
        Ok(())
    }
}

/// Writes a field into row `row` of `column`.
#[inline]
fn value(column: &mut Column, row: usize, text: &[u8], quoted: bool, options: &CsvOptions) -> Result<(), String> {
    if !quoted && options.null_literal.as_deref() == Some(text) {
        return Ok(());
    }
    match &mut column.kind {
        // The whole record has been checked to be UTF-8, and fields end at ASCII characters.
        Kind::Text(v) => {
            v.push(row, text);
            return Ok(());
        }
        Kind::Unread(len) => {
            *len = row + 1;
            return Ok(());
        }
        _ => {}
    }
    if text.trim_ascii().is_empty() {
        // With a text for NULL, nothing is an array of no elements; without one, it is NULL.
        if let Kind::List(list) = &mut column.kind
            && options.null_literal.as_ref().is_some_and(|null| !null.is_empty())
        {
            let end = list.spans.open(row);
            list.spans.close(end);
        }
        return Ok(());
    }
    match &mut column.kind {
        Kind::List(list) => {
            let mut end = list.spans.open(row);
            for element in elements(text, &options.element_delimiter) {
                value(&mut list.item, end, element, false, options)?;
                end += 1;
                if !list.item.nullable && list.item.len() != end {
                    return Err("an element of an ARRAY of NOT NULL is NULL".to_string());
                }
            }
            list.spans.close(end);
            Ok(())
        }
        Kind::Row(inner) => {
            inner.open(row);
            let expected = inner.fields.len();
            let mut count = 0;
            for element in elements(text, &options.element_delimiter) {
                if let Some(field) = inner.fields.get_mut(count) {
                    value(field, row, element, false, options)?;
                }
                count += 1;
            }
            if count != expected {
                return Err(format!("a ROW has {count} fields where its type has {expected}"));
            }
            match inner.missing(row) {
                Some(field) => Err(format!("field \"{}\" of a ROW is NULL, and it is NOT NULL", field.name)),
                None => Ok(()),
            }
        }
        _ => parse::push_text(column, row, text, ANY_TIME).map_err(|misfit| parse::explain(column, text, misfit)),
    }
}

fn elements<'a>(text: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match memchr::memmem::find(text, delimiter) {
            Some(at) => {
                rest = Some(&text[at + delimiter.len()..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

/// Refuses types that a CSV field cannot hold, as Flink does.
pub(super) fn check(name: &str, data_type: &DataType) -> Result<()> {
    let refuse = |what: &str| {
        Err(Error::unsupported("format.type", format!("CSV cannot hold {what}"))
            .at("column", name)
            .hint("declare the column as STRING, or use format json"))
    };
    let flat = |inner: &DataType| !inner.is_nested();
    match data_type {
        DataType::Map(..) => refuse("a MAP"),
        DataType::List(item) if !flat(item.data_type()) => refuse("an ARRAY of nested values"),
        DataType::Struct(fields) if !fields.iter().all(|f| flat(f.data_type())) => refuse("a ROW of nested values"),
        _ => Ok(()),
    }
}

impl RecordDecoder for Decoder {
    fn push(&mut self, record: &[u8]) -> std::result::Result<(), RecordError> {
        let record = record.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(record);
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        let record = record.strip_suffix(b"\r").unwrap_or(record);
        if self.options.allow_comments && record.first() == Some(&b'#') {
            return Ok(());
        }
        if self.bytes + record.len() > BATCH_BYTES_MAX {
            return Err(RecordError { reason: "the record does not fit into one batch of 2 GiB".to_string() });
        }
        match self.record(record) {
            Ok(()) => {
                self.rows += 1;
                self.bytes += record.len();
                Ok(())
            }
            Err(reason) => {
                self.root.truncate(self.rows);
                if self.options.ignore_parse_errors {
                    self.ignored += 1;
                    return Ok(());
                }
                Err(RecordError { reason })
            }
        }
    }

    fn row_count(&self) -> usize {
        self.rows
    }

    fn ignored_count(&self) -> u64 {
        self.ignored
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let columns = self.root.take_fields(rows)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(SchemaRef::clone(&self.schema), columns, &options)?)
    }
}
