//! Reads Avro files.

use super::container::{Ahead, Container};
use crate::adapt::{match_columns, select, sql_schema};
use crate::file::{SharedFile, guard};
use crate::{FileReader, RandomRead};
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
    rest: Option<RecordBatch>,
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
        Ok(Self { schema: SchemaRef::clone(schema), reader, rest: None, ahead, skip: 0, started: false })
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
            let batch = match self.rest.take() {
                Some(batch) => batch,
                None => match self.read()? {
                    Some(batch) => batch,
                    None => return Ok(None),
                },
            };
            let count = batch.num_rows();
            if self.skip >= count as u64 {
                self.skip -= count as u64;
                continue;
            }
            let from = std::mem::take(&mut self.skip) as usize;
            let taken = (count - from).min(rows.max(1));
            if from + taken < count {
                self.rest = Some(batch.slice(from + taken, count - from - taken));
            }
            return select(&batch.slice(from, taken), &self.schema).map(Some);
        }
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
