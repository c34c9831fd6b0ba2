//! Reads Parquet files: only the wanted columns, and after a skip only the pages from there on.

use crate::adapt::{match_columns, sql_schema};
use crate::file::{Reader as Bytes, SharedFile, guard};
use crate::refused::Converted;
use crate::{FileReader, RandomRead, RefusedRow};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use freshet_types::{Error, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::file::reader::{ChunkReader, Length};
use std::io::BufReader;
use std::sync::Arc;

const CORRUPT: &str = "parquet.corrupt";
/// Rows of one read where the caller asks for more.
const ROWS_MAX: usize = 64 << 10;

impl Length for SharedFile {
    fn len(&self) -> u64 {
        SharedFile::len(self)
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(self.reader(start))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        Ok(self.read_exact_at(start, length)?.into())
    }
}

fn corrupt(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    let text = e.to_string();
    if text.contains("index overflow") {
        return Error::unsupported("parquet.too_large", "one read of a column gives more than 2 GiB")
            .because(e)
            .hint("write the file anew with shorter values");
    }
    if text.to_ascii_lowercase().contains("encrypt") {
        return Error::unsupported("parquet.encrypted", "the Parquet file is encrypted")
            .because(e)
            .hint("decrypt it with the tool that wrote it");
    }
    Error::data(CORRUPT, "the Parquet file is broken or encrypted").because(e).hint("write the file anew")
}

fn load(file: &SharedFile) -> Result<ArrowReaderMetadata> {
    guard(CORRUPT, || {
        let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::new()).map_err(corrupt)?;
        with_micros(with_true_count(metadata)?)
    })
}

/// The number of rows that the row groups tell.
fn row_count(metadata: &ParquetMetaData) -> Result<u64> {
    metadata
        .row_groups()
        .iter()
        .try_fold(0_u64, |sum, group| sum.checked_add(u64::try_from(group.num_rows()).ok()?))
        .ok_or_else(|| Error::data(CORRUPT, "a row group of the Parquet file has a number of rows that cannot be"))
}

/// Some writers leave the number of rows of the whole file at zero, and the library would read none: takes the sum of the
/// row groups.
fn with_true_count(metadata: ArrowReaderMetadata) -> Result<ArrowReaderMetadata> {
    let told = metadata.metadata().file_metadata();
    let count = i64::try_from(row_count(metadata.metadata())?).unwrap_or(i64::MAX);
    if told.num_rows() == count {
        return Ok(metadata);
    }
    let mended = FileMetaData::new(
        told.version(),
        count,
        told.created_by().map(str::to_string),
        told.key_value_metadata().cloned(),
        told.schema_descr_ptr(),
        told.column_orders().cloned(),
    );
    let mended = ParquetMetaData::new(mended, metadata.metadata().row_groups().to_vec());
    ArrowReaderMetadata::try_new(Arc::new(mended), ArrowReaderOptions::new()).map_err(corrupt)
}

/// 96-bit timestamps reach further than 64 bits of nanoseconds: reads those at the top level with microseconds.
fn with_micros(metadata: ArrowReaderMetadata) -> Result<ArrowReaderMetadata> {
    let columns = metadata.parquet_schema();
    let is_int96 = |root: usize| {
        columns.columns().iter().enumerate().any(|(leaf, column)| {
            columns.get_column_root_idx(leaf) == root
                && column.path().parts().len() == 1
                && column.physical_type() == PhysicalType::INT96
        })
    };
    let mut found = false;
    let fields: Vec<Field> = metadata
        .schema()
        .fields()
        .iter()
        .enumerate()
        .map(|(root, field)| match field.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, zone) if is_int96(root) => {
                found = true;
                field.as_ref().clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
            }
            _ => field.as_ref().clone(),
        })
        .collect();
    if !found {
        return Ok(metadata);
    }
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata.schema().metadata().clone()));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), ArrowReaderOptions::new().with_schema(schema))
        .map_err(corrupt)
}

/// The columns of a Parquet file.
pub(super) fn infer(file: Box<dyn RandomRead>) -> Result<SchemaRef> {
    sql_schema(load(&SharedFile::new(file)?)?.schema())
}

/// The reader.
pub(super) struct Reader {
    file: SharedFile,
    metadata: ArrowReaderMetadata,
    schema: SchemaRef,
    /// Columns of the file that are read.
    roots: Vec<usize>,
    /// Rows of the file.
    row_count: u64,
    /// Rows behind which the next ones begin.
    position: u64,
    reader: Option<ParquetRecordBatchReader>,
    /// Rows that were read and not handed out yet.
    converted: Converted,
}

impl Reader {
    pub(super) fn open(file: Box<dyn RandomRead>, schema: &SchemaRef) -> Result<Self> {
        let file = SharedFile::new(file)?;
        let metadata = load(&file)?;
        let mut roots: Vec<usize> = match_columns(schema, metadata.schema())?.into_iter().flatten().collect();
        roots.sort_unstable();
        Ok(Self {
            row_count: row_count(metadata.metadata())?,
            file,
            metadata,
            schema: SchemaRef::clone(schema),
            roots,
            position: 0,
            reader: None,
            converted: Converted::default(),
        })
    }

    /// A reader that begins at the position, with the row groups before it left out.
    fn start(&self, rows: usize) -> Result<ParquetRecordBatchReader> {
        let mut before = self.position;
        let mut groups = Vec::new();
        for (i, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let count = group.num_rows().unsigned_abs();
            if groups.is_empty() && before >= count {
                before -= count;
            } else {
                groups.push(i);
            }
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), self.roots.iter().copied());
        let offset = usize::try_from(before).unwrap_or(usize::MAX);
        builder
            .with_projection(mask)
            .with_row_groups(groups)
            .with_batch_size(rows.clamp(1, ROWS_MAX))
            .with_offset(offset)
            .build()
            .map_err(corrupt)
    }

    fn read(&mut self, rows: usize) -> Result<Option<RecordBatch>> {
        if self.reader.is_none() {
            self.reader = Some(self.start(rows)?);
        }
        let Some(batch) = self.reader.as_mut().and_then(Iterator::next) else { return Ok(None) };
        batch.map_err(corrupt).map(Some)
    }
}

impl FileReader for Reader {
    fn next(&mut self, rows: usize) -> Result<Option<RecordBatch>> {
        let rows = rows.max(1);
        loop {
            if let Some(batch) = self.converted.next(rows, &self.schema)? {
                self.position += batch.num_rows() as u64;
                return Ok(Some(batch));
            }
            match guard(CORRUPT, || self.read(rows))? {
                Some(batch) => guard(CORRUPT, || self.converted.add(&batch, &self.schema))?,
                None if self.position < self.row_count => {
                    return Err(Error::data(
                        CORRUPT,
                        format!("the Parquet file ends after {} of {} rows", self.position, self.row_count),
                    )
                    .hint("write the file anew"));
                }
                None => return Ok(None),
            }
        }
    }

    fn take_refused(&mut self) -> Option<RefusedRow> {
        let refused = self.converted.take_refused()?;
        self.position += 1;
        Some(refused)
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        self.position += rows;
        self.reader = None;
        self.converted.clear();
        Ok(())
    }
}
