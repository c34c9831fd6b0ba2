//! One Parquet data file: encoded as rows come, streamed to storage, described when it ends.

use super::properties::WriteProperties;
use super::statistics;
use crate::error::Explain;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, SchemaRef};
use freshet_connectors::storage::{StagedUpload, Storage};
use freshet_types::{Error, Result};
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, NestedFieldRef, Schema, Struct};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Encoding;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Rows that are looked at to decide whether a column is worth a dictionary.
const SAMPLE_ROWS: usize = 4_096;
/// Share of different values above which a dictionary costs more than it saves.
const DISTINCT_MAX: f64 = 0.5;
/// Steps of numbers that never fall, from which on they are taken to go on so.
const RISES_MIN: usize = 16;
/// Encoded bytes that are handed to storage at once.
const CHUNK: usize = 1 << 20;

/// A file that is being written.
pub(crate) struct ParquetFile {
    writer: ArrowWriter<Vec<u8>>,
    upload: StagedUpload,
    storage: Storage,
    location: String,
    rows: u64,
    /// NaNs of each column at the top level; Parquet's bounds leave them out.
    nans: Vec<u64>,
}

impl ParquetFile {
    /// Begins a file at `location`; `first` are its first rows, from which its encodings are chosen.
    pub(crate) fn create(
        io: &crate::io::LakeIo,
        location: &str,
        schema: &SchemaRef,
        properties: &WriteProperties,
        first: &RecordBatch,
    ) -> Result<Self> {
        let (storage, path) = io.place(location)?;
        let upload = storage.stage(&path, "lake")?;
        let mut chosen = WriterProperties::builder()
            .set_compression(properties.compression)
            .set_max_row_group_row_count(Some(properties.row_group_rows))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_created_by(format!("freshet version {}", env!("CARGO_PKG_VERSION")));
        for (field, column) in schema.fields().iter().zip(first.columns()) {
            chosen = choose_encoding(chosen, vec![field.name().clone()], column);
        }
        // Without the Arrow schema inside, every reader takes the types from Parquet itself.
        let options = ArrowWriterOptions::new().with_properties(chosen.build()).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options).explain("data file")?;
        let nans = vec![0; schema.fields().len()];
        Ok(Self { writer, upload, storage: storage.clone(), location: location.to_string(), rows: 0, nans })
    }

    /// Appends rows in the schema of the file.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(rows).explain("data file")?;
        self.rows += rows.num_rows() as u64;
        for (count, column) in self.nans.iter_mut().zip(rows.columns()) {
            *count += nan_count(column);
        }
        if self.writer.inner().len() >= CHUNK {
            let mut bytes = std::mem::take(self.writer.inner_mut());
            self.upload.write(&bytes)?;
            // The buffer is used again: fresh pages cost more than the copy into them.
            bytes.clear();
            *self.writer.inner_mut() = bytes;
        }
        Ok(())
    }

    /// Bytes so far, those included that are not encoded to their end yet.
    pub(crate) fn size(&self) -> u64 {
        self.upload.size() + self.writer.inner().len() as u64 + self.writer.in_progress_size() as u64
    }

    /// Ends the file; it is durable when the call returns.
    pub(crate) fn finish(mut self, schema: &Schema, partition: Struct, spec_id: i32) -> Result<DataFile> {
        let footer = self.writer.finish().explain("data file")?;
        let bytes = std::mem::take(self.writer.inner_mut());
        self.upload.write(&bytes)?;
        let staged = self.upload.finish()?;
        self.storage.publish(&staged)?;
        let mut builder = DataFileBuilder::default();
        builder
            .content(DataContentType::Data)
            .file_path(self.location.clone())
            .file_format(DataFileFormat::Parquet)
            .partition(partition)
            .partition_spec_id(spec_id)
            .record_count(self.rows)
            .file_size_in_bytes(staged.size)
            .split_offsets(Some(split_offsets(&footer)));
        statistics::describe(&mut builder, &footer, schema)?;
        builder.nan_value_counts(nan_counts(schema, &self.nans));
        builder.build().map_err(|e| Error::internal("lake.data_file", format!("file \"{}\": {e}", self.location)))
    }
}

fn nan_count(column: &ArrayRef) -> u64 {
    // Slots below a NULL are counted too: a count that is too high only keeps a file from being left out.
    match column.data_type() {
        DataType::Float32 => column.as_primitive::<Float32Type>().values().iter().map(|v| u64::from(v.is_nan())).sum(),
        DataType::Float64 => column.as_primitive::<Float64Type>().values().iter().map(|v| u64::from(v.is_nan())).sum(),
        _ => 0,
    }
}

fn nan_counts(schema: &Schema, nans: &[u64]) -> HashMap<i32, u64> {
    let floating = |field: &NestedFieldRef| field.field_type.is_floating_type();
    schema.as_struct().fields().iter().zip(nans).filter(|(f, _)| floating(f)).map(|(f, n)| (f.id, *n)).collect()
}

fn split_offsets(footer: &parquet::file::metadata::ParquetMetaData) -> Vec<i64> {
    let start = |group: &parquet::file::metadata::RowGroupMetaData| {
        let column = group.columns().first()?;
        Some(column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset()))
    };
    footer.row_groups().iter().filter_map(start).collect()
}

/// Chooses how the values of a column are laid out: without a dictionary where the first of them hardly repeat (encoding them
/// costs twice as much with one) or only rise, as times and numbers of records do; and then, or when the dictionary grows too
/// large, whole numbers by their differences and texts with their lengths apart. That leaves less for the compressor, which
/// is where most of the time goes.
fn choose_encoding(
    mut builder: WriterPropertiesBuilder,
    path: Vec<String>,
    column: &ArrayRef,
) -> WriterPropertiesBuilder {
    match column.data_type() {
        DataType::Struct(fields) => {
            for (field, child) in fields.iter().zip(column.as_struct().columns()) {
                let mut path = path.clone();
                path.push(field.name().clone());
                builder = choose_encoding(builder, path, child);
            }
            builder
        }
        DataType::List(_) | DataType::Map(..) => builder,
        data_type => {
            let path = ColumnPath::new(path);
            if let Some(encoding) = plain_encoding(data_type) {
                builder = builder.set_column_encoding(path.clone(), encoding);
            }
            if rises(column) || repeats(column) == Some(false) {
                return builder.set_column_dictionary_enabled(path, false);
            }
            builder
        }
    }
}

/// The encoding of values that are in no dictionary; none leaves them as they are.
fn plain_encoding(data_type: &DataType) -> Option<Encoding> {
    match data_type {
        DataType::Int32 | DataType::Int64 | DataType::Date32 | DataType::Time64(_) | DataType::Timestamp(..) => {
            Some(Encoding::DELTA_BINARY_PACKED)
        }
        DataType::Utf8 | DataType::Binary => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}

/// Whether whole numbers never fall, and are more than a few: a dictionary would grow with every step.
fn rises(column: &ArrayRef) -> bool {
    if !matches!(plain_encoding(column.data_type()), Some(Encoding::DELTA_BINARY_PACKED)) || column.null_count() > 0 {
        return false;
    }
    let sample = column.slice(0, column.len().min(SAMPLE_ROWS));
    let Ok(numbers) = arrow::compute::cast(&sample, &DataType::Int64) else { return false };
    let numbers = numbers.as_primitive::<Int64Type>().values();
    let steps = numbers.windows(2).filter(|pair| pair[0] != pair[1]).count();
    steps >= RISES_MIN && numbers.is_sorted()
}

/// Whether values repeat; none when there are too few to tell.
fn repeats(column: &ArrayRef) -> Option<bool> {
    let count = column.len().min(SAMPLE_ROWS);
    if count < 64 {
        return None;
    }
    let sample = column.slice(0, count);
    let seen = match sample.data_type() {
        DataType::Boolean => return None,
        DataType::Utf8 => sample.as_string::<i32>().iter().flatten().collect::<HashSet<_>>().len(),
        DataType::Binary => sample.as_binary::<i32>().iter().flatten().collect::<HashSet<_>>().len(),
        other => {
            let width = other.primitive_width()?;
            let data = sample.to_data();
            let bytes = &data.buffers()[0].as_slice()[data.offset() * width..(data.offset() + count) * width];
            bytes.chunks_exact(width).collect::<HashSet<_>>().len()
        }
    };
    let values = count - sample.null_count();
    Some(values == 0 || (seen as f64) < DISTINCT_MAX * values as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};

    #[test]
    fn dictionaries_are_for_values_that_repeat() {
        let cases: [(ArrayRef, Option<bool>); 5] = [
            (Arc::new(Int64Array::from_iter_values(0..1_000)), Some(false)),
            (Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| i % 10))), Some(true)),
            (Arc::new(StringArray::from_iter_values((0..1_000).map(|i| i.to_string()))), Some(false)),
            (Arc::new(StringArray::from_iter_values((0..1_000).map(|i| (i % 7).to_string()))), Some(true)),
            (Arc::new(Int64Array::from_iter_values(0..10)), None),
        ];
        for (column, repeated) in cases {
            assert_eq!(repeats(&column), repeated, "{:?}", column.data_type());
            assert_eq!(repeats(&column.slice(0, column.len())), repeated);
        }
    }

    #[test]
    fn what_only_rises_needs_no_dictionary() {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values((0..1_000).map(|i| i / 7 * 1_000)));
        assert!(rises(&times) && repeats(&times) == Some(true));
        let falls: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| i % 500)));
        let few: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1_000).map(|i| i / 100)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..1_000).map(|i| format!("{i:04}"))));
        let gap: ArrayRef = Arc::new(Int64Array::from_iter((0..1_000).map(|i| (i != 9).then_some(i))));
        assert!(![falls, few, texts, gap].iter().any(rises));
    }
}
