//! Turns rows into records: key and value through their formats, timestamp and headers from their columns.

use crate::kafka::io::OutRecord;
use crate::kafka::options::Layout;
use crate::kafka::read::record_format;
use arrow::array::{Array, AsArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};
use freshet_connector_api::{ColumnOrigin, TableSpec};
use freshet_formats::RecordEncoder;
use freshet_types::{ChangeBatch, Error, Result};
use std::sync::Arc;

pub(super) struct RowEncoder {
    value: Part,
    key: Option<Part>,
    /// Columns with the record's timestamp and headers.
    timestamp: Option<usize>,
    headers: Option<usize>,
}

struct Part {
    columns: Vec<usize>,
    schema: SchemaRef,
    encoder: Box<dyn RecordEncoder>,
}

impl Part {
    fn rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(|i| Arc::clone(rows.column(*i))).collect();
        crate::rows::batch(&self.schema, columns, rows.num_rows())
    }

    /// The bytes of row `row`; none where the format writes NULL as a record without a value.
    fn encode(&mut self, rows: &RecordBatch, row: usize, out: &mut Option<Vec<u8>>) -> Result<()> {
        if self.encoder.is_null(rows, row) {
            *out = None;
            return Ok(());
        }
        let bytes = out.get_or_insert_default();
        bytes.clear();
        self.encoder.append(rows, row, bytes)
    }
}

impl RowEncoder {
    pub(super) fn new(table: &TableSpec, layout: &Layout) -> Result<Self> {
        let all = table.schema();
        let part = |columns: &[usize], prefix: &str, format: &str, named: &dyn Fn(&Field) -> Field| -> Result<Part> {
            let schema: SchemaRef =
                Arc::new(Schema::new(columns.iter().map(|i| named(all.field(*i))).collect::<Vec<_>>()));
            let options = freshet_formats::split_options(&table.options, prefix, format);
            let encoder = record_format(format)?.encoder(&schema, &options)?;
            Ok(Part { columns: columns.to_vec(), schema, encoder })
        };
        let value = part(&layout.value_columns, layout.value_prefix, &layout.value_format, &Field::clone)?;
        let key = match &layout.key_format {
            Some(format) => Some(part(&layout.key_columns, "key.", format, &|field| {
                field.clone().with_name(layout.key_name(field.name()))
            })?),
            None => None,
        };
        let metadata = |wanted: &str| {
            table
                .columns
                .iter()
                .position(|c| matches!(&c.origin, ColumnOrigin::Metadata { key, read_only: false } if key == wanted))
        };
        let headers = metadata("headers");
        if let Some(i) = headers
            && !matches!(all.field(i).data_type(), DataType::Map(..))
        {
            return Err(
                Error::invalid("kafka.metadata", "headers are a MAP<STRING, BYTES>").at("column", all.field(i).name())
            );
        }
        Ok(Self { value, key, timestamp: metadata("timestamp"), headers })
    }

    /// Shows the record of each row to `take`; a row of weight two gives two records.
    pub(super) fn encode(
        &mut self,
        changes: &ChangeBatch,
        take: &mut dyn FnMut(&mut OutRecord) -> Result<()>,
    ) -> Result<()> {
        let rows = changes.rows();
        let values = self.value.rows(rows)?;
        let keys = self.key.as_ref().map(|part| part.rows(rows)).transpose()?;
        let timestamps = self.timestamp.map(|i| timestamps(rows, i)).transpose()?;
        let mut record = OutRecord::default();
        for row in 0..rows.num_rows() {
            let weight = changes.weight(row);
            if weight < 0 {
                return Err(Error::internal("kafka.retraction", "a row was taken back from a sink that only appends"));
            }
            self.value.encode(&values, row, &mut record.value)?;
            if let (Some(part), Some(keys)) = (&mut self.key, &keys) {
                part.encode(keys, row, &mut record.key)?;
            }
            record.timestamp_ms = timestamps.as_ref().and_then(|t| t.is_valid(row).then(|| t.value(row)));
            if let Some(i) = self.headers {
                record.headers = headers(rows, i, row)?;
            }
            for _ in 0..weight {
                take(&mut record)?;
            }
        }
        Ok(())
    }
}

fn timestamps(rows: &RecordBatch, column: usize) -> Result<TimestampMillisecondArray> {
    let column = rows.column(column);
    // Local time is taken as UTC, instants as they are.
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let ms = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, zone))?;
    Ok(ms.as_primitive::<TimestampMillisecondType>().clone())
}

fn headers(rows: &RecordBatch, column: usize, row: usize) -> Result<Vec<(String, Option<Vec<u8>>)>> {
    let maps = rows.column(column).as_map();
    if maps.is_null(row) {
        return Ok(Vec::new());
    }
    let entries = maps.value(row);
    let keys = cast(entries.column(0), &DataType::Utf8)?;
    let values = cast(entries.column(1), &DataType::Binary)?;
    let (keys, values) = (keys.as_string::<i32>(), values.as_binary::<i32>());
    let value = |i: usize| values.is_valid(i).then(|| values.value(i).to_vec());
    Ok((0..keys.len()).map(|i| (keys.value(i).to_string(), value(i))).collect())
}
