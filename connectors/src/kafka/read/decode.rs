//! Turns records of one partition into rows: key and value through their formats, metadata from the record itself.

use crate::kafka::io::Record;
use crate::kafka::options::Layout;
use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Array, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder,
    TimestampMillisecondArray, UInt32Array, new_null_array,
};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use freshet_connector_api::{ColumnOrigin, TableSpec};
use freshet_formats::RecordDecoder;
use freshet_types::{ChangeBatch, Error, Result};
use std::sync::Arc;

/// Where a column that is asked for comes from.
enum Origin {
    Value(usize),
    Key(usize),
    Metadata(Metadata),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Metadata {
    Topic,
    Partition,
    Offset,
    Timestamp,
    TimestampType,
    Headers,
    LeaderEpoch,
}

/// Collects the rows of one partition.
pub(super) struct Decoder {
    schema: SchemaRef,
    columns: Vec<Origin>,
    value: Box<dyn RecordDecoder>,
    /// Decodes keys, whether a column is read from there or not: a record with a key that cannot be understood is bad in
    /// any query. And which decoded key each row has.
    key: Option<Box<dyn RecordDecoder>>,
    key_of_row: Vec<Option<u32>>,
    /// A column that comes from the key and is NOT NULL: a record without a key has no value for it.
    key_required: Option<String>,
    /// The same of the timestamp.
    timestamp_required: Option<String>,
    /// Records without a value that gave no row.
    tombstones: u64,
    /// Records that gave no row, as far as they were told.
    ignored_told: u64,
    topic: String,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
    timestamps: Vec<Option<i64>>,
    timestamp_types: Vec<&'static str>,
    headers: Option<MapBuilder<StringBuilder, BinaryBuilder>>,
    row_count: usize,
}

impl Decoder {
    /// A decoder into the table's columns at `projection`.
    pub(super) fn new(table: &TableSpec, layout: &Layout, projection: &[usize]) -> Result<Self> {
        let (all, read) = (table.schema(), table.read_schema());
        let schema: SchemaRef = Arc::new(read.project(projection)?);
        let (mut columns, mut value_fields, mut key_fields) = (Vec::new(), Vec::new(), Vec::new());
        for i in projection {
            let field = read.field(*i);
            columns.push(match &table.columns[*i].origin {
                ColumnOrigin::Metadata { key, .. } => Origin::Metadata(metadata(key)?),
                ColumnOrigin::Physical if layout.value_columns.contains(i) => {
                    value_fields.push(field.clone());
                    Origin::Value(value_fields.len() - 1)
                }
                ColumnOrigin::Physical => {
                    key_fields.push(key_field(layout, field));
                    Origin::Key(key_fields.len() - 1)
                }
            });
        }
        let full = |columns: &[usize], named: &dyn Fn(&Field) -> Field| -> SchemaRef {
            Arc::new(Schema::new(columns.iter().map(|i| named(all.field(*i))).collect::<Vec<_>>()))
        };
        let options = freshet_formats::split_options(&table.options, layout.value_prefix, &layout.value_format);
        let value = record_format(&layout.value_format)?.decoder(
            &Arc::new(Schema::new(value_fields)),
            &full(&layout.value_columns, &Field::clone),
            &options,
        )?;
        let key = match &layout.key_format {
            Some(format) => {
                let options = freshet_formats::split_options(&table.options, "key.", format);
                let full = full(&layout.key_columns, &|field| key_field(layout, field));
                Some(record_format(format)?.decoder(&Arc::new(Schema::new(key_fields)), &full, &options)?)
            }
            None => None,
        };
        let required = |wanted: &dyn Fn(usize) -> bool| {
            let found = (0..table.columns.len()).find(|i| wanted(*i) && !all.field(*i).is_nullable());
            found.map(|i| all.field(i).name().clone())
        };
        let from_key = |i: usize| layout.key_columns.contains(&i) && !layout.value_columns.contains(&i);
        let is_timestamp =
            |i: usize| matches!(&table.columns[i].origin, ColumnOrigin::Metadata { key, .. } if key == "timestamp");
        let mut decoder = Self {
            schema,
            columns,
            value,
            key,
            key_of_row: Vec::new(),
            key_required: required(&from_key),
            timestamp_required: required(&is_timestamp),
            tombstones: 0,
            ignored_told: 0,
            topic: String::new(),
            partitions: Vec::new(),
            offsets: Vec::new(),
            timestamps: Vec::new(),
            timestamp_types: Vec::new(),
            headers: None,
            row_count: 0,
        };
        if decoder.wants(Metadata::Headers) {
            decoder.headers = Some(headers_builder());
        }
        Ok(decoder)
    }

    fn wants(&self, wanted: Metadata) -> bool {
        self.columns.iter().any(|c| matches!(c, Origin::Metadata(m) if *m == wanted))
    }

    /// Whether headers are read.
    pub(super) fn wants_headers(&self) -> bool {
        self.headers.is_some()
    }

    /// Rows that wait.
    pub(super) fn row_count(&self) -> usize {
        self.row_count
    }

    /// Appends the rows of a record; the error says why it gives none.
    pub(super) fn push(&mut self, record: &Record<'_>) -> std::result::Result<(), String> {
        let mut key_index = None;
        if let (Some(decoder), Some(key)) = (&mut self.key, record.key) {
            let before = decoder.row_count();
            decoder.push(key).map_err(|e| format!("in the key: {}", e.reason))?;
            key_index = (decoder.row_count() > before).then_some(before as u32);
        }
        if let (Some(column), None) = (&self.key_required, key_index) {
            return Err(format!("the record has no key, and column \"{column}\" is NOT NULL"));
        }
        if let (Some(column), None) = (&self.timestamp_required, record.timestamp_ms) {
            return Err(format!("the record has no timestamp, and column \"{column}\" is NOT NULL"));
        }
        if record.headers.is_none() {
            return Err("the name of a header is not valid UTF-8".to_string());
        }
        match record.value {
            Some(value) => self.value.push(value).map_err(|e| e.reason)?,
            None => self.value.push_null().map_err(|e| e.reason)?,
        }
        let row_count = self.value.row_count();
        if record.value.is_none() && row_count == self.row_count {
            self.tombstones += 1;
        }
        for _ in self.row_count..row_count {
            self.append_metadata(record, key_index);
        }
        self.row_count = row_count;
        Ok(())
    }

    /// Records since the last call that gave neither a row nor an error: tombstones, and what `ignore-parse-errors` lets go.
    pub(super) fn take_ignored(&mut self) -> u64 {
        let total = self.tombstones + self.value.ignored_count();
        total - std::mem::replace(&mut self.ignored_told, total)
    }

    fn append_metadata(&mut self, record: &Record<'_>, key_index: Option<u32>) {
        if self.key.is_some() {
            self.key_of_row.push(key_index);
        }
        if self.topic != record.topic {
            self.topic = record.topic.to_string();
        }
        self.partitions.push(record.partition);
        self.offsets.push(record.offset);
        self.timestamps.push(record.timestamp_ms);
        self.timestamp_types.push(record.timestamp_type);
        if let Some(builder) = &mut self.headers {
            append_headers(builder, record.headers.as_deref().unwrap_or_default());
        }
    }

    /// Hands out the rows and starts anew.
    pub(super) fn finish(&mut self) -> Result<ChangeBatch> {
        let count = std::mem::take(&mut self.row_count);
        let values = self.value.finish()?;
        let keys = match &mut self.key {
            Some(decoder) => Some((decoder.finish()?, UInt32Array::from(std::mem::take(&mut self.key_of_row)))),
            None => None,
        };
        let partitions = std::mem::take(&mut self.partitions);
        let offsets = std::mem::take(&mut self.offsets);
        let timestamps = std::mem::take(&mut self.timestamps);
        let timestamp_types = std::mem::take(&mut self.timestamp_types);
        let headers: Option<ArrayRef> = self.headers.as_mut().map(|b| Arc::new(b.finish()) as ArrayRef);
        let mut columns = Vec::with_capacity(self.columns.len());
        for (from, field) in self.columns.iter().zip(self.schema.fields()) {
            let column: ArrayRef = match from {
                Origin::Value(i) => Arc::clone(values.column(*i)),
                Origin::Key(i) => {
                    let (keys, of_row) = keys.as_ref().expect("a column from the key has a decoder");
                    take(keys.column(*i), of_row, None)?
                }
                Origin::Metadata(Metadata::Topic) => {
                    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(self.topic.as_str(), count)))
                }
                Origin::Metadata(Metadata::Partition) => Arc::new(Int32Array::from(partitions.clone())),
                Origin::Metadata(Metadata::Offset) => Arc::new(Int64Array::from(offsets.clone())),
                Origin::Metadata(Metadata::Timestamp) => {
                    Arc::new(TimestampMillisecondArray::from(timestamps.clone()).with_timezone("UTC"))
                }
                Origin::Metadata(Metadata::TimestampType) => {
                    Arc::new(StringArray::from_iter_values(timestamp_types.iter().copied()))
                }
                Origin::Metadata(Metadata::Headers) => {
                    Arc::clone(headers.as_ref().expect("a column of headers has a builder"))
                }
                Origin::Metadata(Metadata::LeaderEpoch) => new_null_array(field.data_type(), count),
            };
            columns.push(fit(column, field)?);
        }
        Ok(ChangeBatch::inserts(crate::rows::batch(&self.schema, columns, count)?))
    }
}

/// Metadata may be declared with another type, to which it is cast as Flink does.
fn fit(column: ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column);
    }
    // An instant that is declared as local time is the time in UTC.
    if let (DataType::Timestamp(_, Some(_)), DataType::Timestamp(_, None)) = (column.data_type(), field.data_type()) {
        let local = cast(&column, &DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None))?;
        return Ok(cast(&local, field.data_type())?);
    }
    cast(&column, field.data_type()).map_err(|e| {
        Error::invalid("kafka.metadata", format!("metadata cannot be read as the declared type: {e}"))
            .at("column", field.name())
            .hint("declare the column with the type that the manual names")
    })
}

/// A field of the key, without the prefix.
fn key_field(layout: &Layout, field: &Field) -> Field {
    field.clone().with_name(layout.key_name(field.name()))
}

/// A format of single records.
pub(in crate::kafka) fn record_format(name: &str) -> Result<&'static dyn freshet_formats::Format> {
    let format = freshet_formats::find(name)?;
    if format.framing(&freshet_types::Options::default()) == freshet_formats::Framing::File {
        return Err(Error::unsupported("kafka.format", format!("format \"{name}\" has no single records"))
            .hint("use json, csv or raw"));
    }
    Ok(format)
}

fn metadata(key: &str) -> Result<Metadata> {
    Ok(match key {
        "topic" => Metadata::Topic,
        "partition" => Metadata::Partition,
        "offset" => Metadata::Offset,
        "timestamp" => Metadata::Timestamp,
        "timestamp-type" => Metadata::TimestampType,
        "headers" => Metadata::Headers,
        "leader-epoch" => Metadata::LeaderEpoch,
        other => return Err(Error::invalid("kafka.metadata", format!("no metadata named \"{other}\""))),
    })
}

fn headers_builder() -> MapBuilder<StringBuilder, BinaryBuilder> {
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new())
}

/// One entry per key: a map cannot hold a key twice, and the last one counts.
fn append_headers(builder: &mut MapBuilder<StringBuilder, BinaryBuilder>, headers: &[(&str, Option<&[u8]>)]) {
    for (i, (key, value)) in headers.iter().enumerate() {
        if headers[i + 1..].iter().any(|(later, _)| later == key) {
            continue;
        }
        builder.keys().append_value(key);
        builder.values().append_option(*value);
    }
    builder.append(true).expect("as many values as keys");
}
