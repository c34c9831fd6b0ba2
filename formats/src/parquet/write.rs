//! Writes Parquet files into memory.

use crate::FileWriter;
use crate::adapt::{file_schema, to_file};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use freshet_types::{Error, Options, Result};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use std::collections::HashSet;
use std::sync::Arc;

/// Rows of a row group: enough for good compression, few enough to skip by.
const GROUP_ROWS_MAX: usize = 512 << 10;
const GROUP_BYTES_MAX: usize = 128 << 20;
/// Rows of the sample that are looked at, and how many it takes to say anything.
const SAMPLE_ROWS_MAX: usize = 4_096;
const SAMPLE_ROWS_MIN: usize = 256;

/// Properties for files of `schema` whose first rows are `sample`.
///
/// Columns of which more than half the sampled values are different get no dictionary: it would be given up anyway once
/// it is full, and building it costs a third of the time.
pub fn writer_properties(schema: &SchemaRef, sample: &RecordBatch, compression: Compression) -> WriterProperties {
    builder(schema, sample, compression).build()
}

fn builder(schema: &SchemaRef, sample: &RecordBatch, compression: Compression) -> WriterPropertiesBuilder {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("freshet ", env!("CARGO_PKG_VERSION")).to_string())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
        .set_max_row_group_bytes(Some(GROUP_BYTES_MAX));
    let rows = sample.num_rows().min(SAMPLE_ROWS_MAX);
    for (field, column) in schema.fields().iter().zip(sample.columns()) {
        builder = without_dictionaries(builder, vec![field.name().clone()], &column.slice(0, rows));
    }
    builder
}

fn without_dictionaries(
    mut builder: WriterPropertiesBuilder,
    path: Vec<String>,
    column: &ArrayRef,
) -> WriterPropertiesBuilder {
    if let DataType::Struct(fields) = column.data_type() {
        for (field, inner) in fields.iter().zip(column.as_struct().columns()) {
            let mut path = path.clone();
            path.push(field.name().clone());
            builder = without_dictionaries(builder, path, inner);
        }
        return builder;
    }
    if is_mostly_distinct(column) {
        builder = builder.set_column_dictionary_enabled(ColumnPath::new(path), false);
    }
    builder
}

fn is_mostly_distinct(column: &ArrayRef) -> bool {
    let values = column.len() - column.null_count();
    // What has one byte has at most 256 values, and nested values have leaves of their own.
    if values < SAMPLE_ROWS_MIN
        || column.data_type().is_nested()
        || matches!(column.data_type(), DataType::Null | DataType::Boolean | DataType::Int8 | DataType::UInt8)
    {
        return false;
    }
    let Ok(converter) = RowConverter::new(vec![SortField::new(column.data_type().clone())]) else { return false };
    let Ok(rows) = converter.convert_columns(&[Arc::clone(column)]) else { return false };
    let distinct: HashSet<&[u8]> = (0..rows.num_rows()).map(|i| rows.row(i).data()).collect();
    distinct.len() * 2 > values
}

/// The writer. The file begins with the first rows, because they decide about dictionaries.
pub(super) struct Writer {
    schema: SchemaRef,
    options: Settings,
    inner: Option<ArrowWriter<Vec<u8>>>,
}

struct Settings {
    compression: Compression,
    group_bytes: Option<u64>,
    page_bytes: Option<u64>,
    dictionary: Option<bool>,
}

fn failed(e: ParquetError) -> Error {
    Error::internal("parquet.write", "rows could not be written as Parquet").because(e)
}

impl Writer {
    pub(super) fn new(schema: &SchemaRef, options: &Options) -> Result<Self> {
        let writer = Self {
            schema: file_schema(schema),
            options: Settings {
                compression: super::compression(options.get("compression").unwrap_or("zstd"))?,
                group_bytes: options.size("block.size")?,
                page_bytes: options.size("page.size")?,
                dictionary: options.bool("enable.dictionary")?,
            },
            inner: None,
        };
        // Types that Parquet does not know are refused now and not with the first row.
        writer.start(&RecordBatch::new_empty(SchemaRef::clone(&writer.schema))).map_err(|e| {
            Error::unsupported("format.type", "a column has a type that Parquet cannot hold")
                .because(e)
                .hint("CAST the column AS STRING")
        })?;
        Ok(writer)
    }

    fn start(&self, sample: &RecordBatch) -> Result<ArrowWriter<Vec<u8>>> {
        let empty = RecordBatch::new_empty(SchemaRef::clone(&self.schema));
        let sample = if self.options.dictionary.is_some() { &empty } else { sample };
        let mut builder = builder(&self.schema, sample, self.options.compression);
        if let Some(bytes) = self.options.group_bytes {
            builder = builder.set_max_row_group_bytes(Some(usize::try_from(bytes).unwrap_or(usize::MAX).max(1)));
        }
        if let Some(bytes) = self.options.page_bytes {
            builder = builder.set_data_page_size_limit(usize::try_from(bytes).unwrap_or(usize::MAX).max(1));
        }
        if let Some(wanted) = self.options.dictionary {
            builder = builder.set_dictionary_enabled(wanted);
        }
        ArrowWriter::try_new(Vec::new(), SchemaRef::clone(&self.schema), Some(builder.build())).map_err(failed)
    }
}

impl FileWriter for Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let rows = to_file(rows, &self.schema)?;
        if self.inner.is_none() {
            self.inner = Some(self.start(&rows)?);
        }
        let inner = self.inner.as_mut().expect("it has just been made");
        inner.write(&rows).map_err(failed)
    }

    fn take(&mut self) -> Vec<u8> {
        self.inner.as_mut().map(|w| std::mem::take(w.inner_mut())).unwrap_or_default()
    }

    fn size(&self) -> u64 {
        self.inner.as_ref().map_or(0, |w| (w.bytes_written() + w.in_progress_size()) as u64)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>> {
        let inner = match self.inner.take() {
            Some(inner) => inner,
            None => self.start(&RecordBatch::new_empty(SchemaRef::clone(&self.schema)))?,
        };
        inner.into_inner().map_err(failed)
    }
}
