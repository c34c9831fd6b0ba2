//! Writes the rows of one worker into data files.

use super::convert::{refuse_nulls, to_file};
use super::parquet::ParquetFile;
use super::properties::WriteProperties;
use super::split::{Part, PartitionKey, Splitter};
use super::token::Token;
use crate::io::{LakeIo, folder_name};
use crate::schema;
use crate::table::LakeTable;
use crate::transform;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use freshet_connector_api::{Prepared, SinkWriter, WriterContext};
use freshet_types::{ChangeBatch, CheckpointId, Error, Result, take_rows};
use iceberg::spec::{DataFile, SchemaRef as IcebergSchemaRef, Struct, TableMetadataRef};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Partitions that one worker writes at the same time; beyond it the one that was not written to for longest is closed.
const OPEN_MAX: usize = 128;
/// Full files that are being closed while rows go on.
const CLOSING_MAX: usize = 2;

/// Folder of the files that one attempt of a job writes.
pub(super) fn attempt_folder(properties: &WriteProperties, job: &str, attempt: u64) -> String {
    format!("{}/{}-{attempt:04}", properties.data_folder, folder_name(job))
}

/// Makes data files of one shape, and gives each a name of its own.
pub(crate) struct FileMaker {
    io: LakeIo,
    metadata: TableMetadataRef,
    schema: IcebergSchemaRef,
    pub(crate) file_schema: SchemaRef,
    properties: WriteProperties,
    folder: String,
    /// Who writes, such as `w003` for worker 3.
    who: String,
    count: u64,
}

/// A file that is being written, with its partition.
pub(crate) struct OpenFile {
    file: ParquetFile,
    partition: Struct,
    schema: IcebergSchemaRef,
    spec_id: i32,
    last_write: u64,
}

impl OpenFile {
    pub(crate) fn finish(self) -> Result<DataFile> {
        self.file.finish(&self.schema, self.partition, self.spec_id)
    }

    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.file.write(rows)
    }

    pub(crate) fn size(&self) -> u64 {
        self.file.size()
    }
}

impl FileMaker {
    pub(crate) fn new(table: &LakeTable, properties: &WriteProperties, folder: String, who: String) -> Self {
        let schema = Arc::clone(table.metadata().current_schema());
        Self {
            io: table.loaded().io.clone(),
            metadata: Arc::clone(&table.loaded().metadata),
            file_schema: Arc::new(schema::file_schema(&schema)),
            schema,
            properties: properties.clone(),
            folder,
            who,
            count: 0,
        }
    }

    pub(crate) fn open(&mut self, partition: Struct, first: &RecordBatch) -> Result<OpenFile> {
        let spec = self.metadata.default_partition_spec();
        let place = if spec.is_unpartitioned() {
            self.folder.clone()
        } else {
            format!("{}/{}", self.folder, transform::folder(spec, &self.schema, &partition))
        };
        self.count += 1;
        let location = format!("{place}/{}-{:05}-{}.parquet", self.who, self.count, uuid::Uuid::new_v4());
        let file = ParquetFile::create(&self.io, &location, &self.file_schema, &self.properties, first)?;
        let spec_id = spec.spec_id();
        Ok(OpenFile { file, partition, schema: Arc::clone(&self.schema), spec_id, last_write: 0 })
    }
}

/// The writer of one worker.
pub(super) struct LakeWriter {
    maker: FileMaker,
    splitter: Splitter,
    target_size: u64,
    attempt: u64,
    metadata: TableMetadataRef,
    table: String,
    open: HashMap<PartitionKey, OpenFile>,
    closing: VecDeque<JoinHandle<Result<DataFile>>>,
    closed: Vec<DataFile>,
    writes: u64,
}

impl LakeWriter {
    pub(super) fn new(table: &LakeTable, properties: &WriteProperties, context: &WriterContext) -> Result<Self> {
        let folder = attempt_folder(properties, &context.job_id, context.attempt);
        let metadata = Arc::clone(&table.loaded().metadata);
        Ok(Self {
            maker: FileMaker::new(table, properties, folder, format!("w{:03}", context.worker)),
            splitter: Splitter::new(metadata.current_schema(), metadata.default_partition_spec())?,
            target_size: properties.target_size,
            attempt: context.attempt,
            metadata,
            table: table.full_name().to_string(),
            open: HashMap::new(),
            closing: VecDeque::new(),
            closed: Vec::new(),
            writes: 0,
        })
    }

    fn write_changes(&mut self, changes: &ChangeBatch) -> Result<()> {
        let rows = self.to_file(&inserted(changes)?)?;
        for part in self.splitter.split(&rows)? {
            self.write_part(part)?;
        }
        Ok(())
    }

    fn to_file(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let schema = &self.maker.file_schema;
        if rows.num_columns() != schema.fields().len() {
            return Err(Error::internal(
                "lake.columns",
                format!("got {} columns for a table of {}", rows.num_columns(), schema.fields().len()),
            ));
        }
        let mut columns = Vec::with_capacity(rows.num_columns());
        for (column, field) in rows.columns().iter().zip(schema.fields()) {
            let column = to_file(column, field.data_type()).map_err(|e| e.at("column", field.name()))?;
            refuse_nulls(&column, field, None)?;
            columns.push(column);
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }

    fn write_part(&mut self, part: Part) -> Result<()> {
        self.writes += 1;
        if !self.open.contains_key(&part.key) {
            if self.open.len() >= OPEN_MAX {
                self.close_oldest()?;
            }
            let file = self.maker.open(part.values, &part.rows)?;
            self.open.insert(part.key.clone(), file);
        }
        let file = self.open.get_mut(&part.key).expect("it was just put there");
        file.last_write = self.writes;
        file.write(&part.rows)?;
        if file.size() >= self.target_size
            && let Some(full) = self.open.remove(&part.key)
        {
            self.close(full)?;
        }
        Ok(())
    }

    fn close_oldest(&mut self) -> Result<()> {
        let oldest = self.open.iter().min_by_key(|(_, file)| file.last_write).map(|(key, _)| key.clone());
        match oldest.and_then(|key| self.open.remove(&key)) {
            Some(file) => self.close(file),
            None => Ok(()),
        }
    }

    /// Closes a file beside the worker: its last pages and the sync take a while.
    fn close(&mut self, file: OpenFile) -> Result<()> {
        while self.closing.len() >= CLOSING_MAX {
            if let Some(first) = self.closing.pop_front() {
                self.closed.push(join(first)?);
            }
        }
        let thread = std::thread::Builder::new().name("freshet-lake-close".into()).spawn(move || file.finish());
        self.closing.push_back(
            thread.map_err(|e| Error::exhausted("lake.threads", format!("no thread to close a file: {e}")))?,
        );
        Ok(())
    }
}

fn join(thread: JoinHandle<Result<DataFile>>) -> Result<DataFile> {
    thread.join().map_err(|_| Error::internal("lake.panicked", "closing a data file panicked"))?
}

/// The rows of changes that only insert, each as often as its weight says.
fn inserted(changes: &ChangeBatch) -> Result<RecordBatch> {
    let Some(weights) = changes.weights() else { return Ok(changes.rows().clone()) };
    if weights.values().iter().all(|w| *w == 1) {
        return Ok(changes.rows().clone());
    }
    let mut indices = Vec::with_capacity(weights.len());
    for (row, weight) in weights.values().iter().enumerate() {
        if *weight < 0 {
            return Err(Error::internal("lake.retraction", "a table that only appends got a row to take back"));
        }
        indices.extend(std::iter::repeat_n(row as u32, *weight as usize));
    }
    take_rows(changes.rows(), &UInt32Array::from(indices))
}

impl SinkWriter for LakeWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.write_changes(changes).map_err(|e| e.at("table", &self.table))
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        // Files end in the order in which they were begun to be written, so that tokens do not depend on a hash.
        let mut open: Vec<OpenFile> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|file| file.last_write);
        let (closing, mut files) = (std::mem::take(&mut self.closing), std::mem::take(&mut self.closed));
        let (attempt, metadata, table) = (self.attempt, Arc::clone(&self.metadata), self.table.clone());
        Ok(Box::new(move || {
            let finish = || {
                for thread in closing {
                    files.push(join(thread)?);
                }
                for file in open {
                    files.push(file.finish()?);
                }
                Ok(Token::new(attempt, &metadata, files)?.encode())
            };
            finish().map_err(|e: Error| e.at("table", table))
        }))
    }
}
