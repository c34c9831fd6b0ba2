//! Which columns come from the records, and which are the same for a whole file.

use crate::filesystem::{options, partition};
use crate::storage::{Entry, Storage};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use freshet_connector_api::{ColumnOrigin, TableSpec};
use freshet_types::{Error, Result};
use std::sync::Arc;

enum Column {
    /// Column of the decoder.
    Decoded(usize),
    /// Value of the file.
    OfFile(usize),
}

enum FileValue {
    Partition,
    Metadata(String),
}

/// How rows are put together.
pub(super) struct Layout {
    /// Columns that were asked for.
    pub(super) schema: SchemaRef,
    /// Those of them that are in the records.
    pub(super) decoded: SchemaRef,
    /// Everything that is in the records.
    pub(super) full: SchemaRef,
    columns: Vec<Column>,
    file_values: Vec<(FieldRef, FileValue)>,
    /// Every partition column: a file whose folder does not fit gives no rows, whichever columns are asked for.
    partitions: Vec<FieldRef>,
    default_name: String,
}

impl Layout {
    pub(super) fn new(table: &TableSpec, projection: &[usize]) -> Result<Self> {
        let whole = table.schema();
        let is_record =
            |i: &usize| table.columns[*i].origin == ColumnOrigin::Physical && !table.partition_keys.contains(i);
        let full: Vec<usize> = (0..table.columns.len()).filter(is_record).collect();
        let (mut decoded, mut columns, mut file_values) = (Vec::new(), Vec::new(), Vec::new());
        for i in projection {
            if is_record(i) {
                columns.push(Column::Decoded(decoded.len()));
                decoded.push(*i);
                continue;
            }
            let value = match &table.columns[*i].origin {
                ColumnOrigin::Physical => FileValue::Partition,
                ColumnOrigin::Metadata { key, .. } => FileValue::Metadata(key.clone()),
            };
            columns.push(Column::OfFile(file_values.len()));
            file_values.push((Arc::new(whole.field(*i).clone()), value));
        }
        let read = table.read_schema();
        Ok(Self {
            schema: Arc::new(read.project(projection)?),
            decoded: Arc::new(read.project(&decoded)?),
            full: Arc::new(whole.project(&full)?),
            columns,
            file_values,
            partitions: table.partition_keys.iter().map(|i| Arc::new(whole.field(*i).clone())).collect(),
            default_name: options::default_name(&table.options),
        })
    }

    /// The values of one file, each an array of one.
    pub(super) fn file_values(&self, storage: &Storage, entry: &Entry) -> Result<Vec<ArrayRef>> {
        for field in &self.partitions {
            partition::value_of(&entry.path, field, &self.default_name)?;
        }
        let value = |(field, value): &(FieldRef, FileValue)| match value {
            FileValue::Partition => partition::value_of(&entry.path, field, &self.default_name),
            FileValue::Metadata(key) => metadata(key, field, storage, entry),
        };
        self.file_values.iter().map(value).collect()
    }

    /// Rows of the table from rows of the decoder.
    pub(super) fn rows(
        &self,
        decoded: Option<&RecordBatch>,
        row_count: usize,
        file_values: &[ArrayRef],
    ) -> Result<RecordBatch> {
        if row_count == 0 {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        }
        let first = UInt32Array::from_value(0, if self.file_values.is_empty() { 0 } else { row_count });
        let columns = self.columns.iter().map(|column| match column {
            Column::Decoded(i) => decoded
                .map(|rows| Arc::clone(rows.column(*i)))
                .ok_or_else(|| Error::internal("filesystem.rows", "a column without its rows")),
            Column::OfFile(i) => Ok(compute::take(&file_values[*i], &first, None)?),
        });
        crate::rows::batch(&self.schema, columns.collect::<Result<_>>()?, row_count)
    }
}

fn metadata(key: &str, field: &Field, storage: &Storage, entry: &Entry) -> Result<ArrayRef> {
    let value: ArrayRef = match key {
        "file.path" => Arc::new(StringArray::from(vec![storage.url_of(&entry.path)])),
        "file.name" => Arc::new(StringArray::from(vec![entry.path.rsplit('/').next().unwrap_or(&entry.path)])),
        "file.size" => Arc::new(Int64Array::from(vec![entry.size as i64])),
        "file.modification-time" => {
            Arc::new(TimestampMillisecondArray::from(vec![entry.modified_ms]).with_timezone("UTC"))
        }
        other => {
            return Err(Error::invalid(
                "connector.metadata",
                format!("connector \"filesystem\" has no metadata \"{other}\""),
            )
            .hint("use file.path, file.name, file.size or file.modification-time"));
        }
    };
    Ok(compute::cast(&value, field.data_type())?)
}

/// The schema of nothing.
pub(super) fn is_empty(schema: &Schema) -> bool {
    schema.fields().is_empty()
}
