//! Reads Avro files.

use super::container::{Ahead, Container};
use crate::adapt::{match_columns, sql_schema};
use crate::file::{SharedFile, guard};
use crate::refused::Converted;
use crate::{FileReader, RandomRead, RefusedRow};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_avro::reader::{Reader as AvroReader, ReaderBuilder};
use freshet_types::{Error, Result};
use std::sync::Arc;

const CORRUPT: &str = "avro.corrupt";
/// Rows that are decoded at once; callers get slices of them.
const ROWS: usize = 8_192;

fn corrupt(e: ArrowError) -> Error {
    Error::data(CORRUPT, "the Avro file cannot be read").because(e).hint("write the file anew")
}

fn start(file: &SharedFile, columns: Option<Vec<usize>>) -> Result<(AvroReader<Container>, Arc<Ahead>)> {
    guard(CORRUPT, || {
        let container = Container::open(file.clone()).map_err(|e| corrupt(e.into()))?;
        let ahead = Arc::clone(&container.ahead);
        let mut builder = ReaderBuilder::new().with_batch_size(ROWS);
        if let Some(columns) = columns {
            builder = builder.with_projection(columns);
        }
        Ok((builder.build(container).map_err(corrupt)?, ahead))
    })
}

/// The columns of an Avro file.
pub(super) fn infer(file: Box<dyn RandomRead>) -> Result<SchemaRef> {
    sql_schema(&start(&SharedFile::new(file)?, None)?.0.schema())
}

/// The reader.
pub(super) struct Reader {
    schema: SchemaRef,
    reader: AvroReader<Container>,
    /// Rows that were read and not handed out yet.
    converted: Converted,
    /// Rows to be passed over before the first one is read: whole blocks of them are not even unpacked.
    ahead: Arc<Ahead>,
    /// Rows still to be passed over.
    skip: u64,
    started: bool,
}

impl Reader {
    pub(super) fn open(file: Box<dyn RandomRead>, schema: &SchemaRef) -> Result<Self> {
        let file = SharedFile::new(file)?;
        let (whole, _) = start(&file, None)?;
        let mut columns: Vec<usize> = match_columns(schema, &whole.schema())?.into_iter().flatten().collect();
        columns.sort_unstable();
        // One column at least, so that rows are counted.
        if columns.is_empty() && !whole.schema().fields().is_empty() {
            columns.push(0);
        }
        let (reader, ahead) = start(&file, Some(columns))?;
        Ok(Self {
            schema: SchemaRef::clone(schema),
            reader,
            converted: Converted::default(),
            ahead,
            skip: 0,
            started: false,
        })
    }

    fn read(&mut self) -> Result<Option<RecordBatch>> {
        self.started = true;
        self.ahead.start();
        let batch = guard(CORRUPT, || self.reader.next().transpose().map_err(corrupt))?;
        self.skip += self.ahead.take_rest();
        Ok(batch)
    }
}

impl FileReader for Reader {
    fn next(&mut self, rows: usize) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.converted.next(rows.max(1), &self.schema)? {
                if self.skip == 0 {
                    return Ok(Some(batch));
                }
                // Rows that were read before it was said that nobody wants them.
                let passed = self.skip.min(batch.num_rows() as u64);
                self.skip -= passed;
                if self.skip > 0 {
                    self.skip -= u64::from(self.converted.take_refused().is_some());
                } else if passed < batch.num_rows() as u64 {
                    return Ok(Some(batch.slice(passed as usize, batch.num_rows() - passed as usize)));
                }
                continue;
            }
            let Some(batch) = self.read()? else { return Ok(None) };
            let passed = self.skip.min(batch.num_rows() as u64);
            self.skip -= passed;
            let wanted = batch.slice(passed as usize, batch.num_rows() - passed as usize);
            guard(CORRUPT, || self.converted.add(&wanted, &self.schema))?;
        }
    }

    fn take_refused(&mut self) -> Option<RefusedRow> {
        self.converted.take_refused()
    }

    fn skip(&mut self, rows: u64) -> Result<()> {
        if self.started {
            self.skip += rows;
        } else {
            self.ahead.add(rows);
        }
        Ok(())
    }
}
