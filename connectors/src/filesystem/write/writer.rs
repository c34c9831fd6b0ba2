//! Writes the rows of one worker into staged files, one per open partition.

use super::Target;
use super::journal::Journal;
use super::token::{self, Token, TokenFile};
use crate::filesystem::partition::PartitionPath;
use crate::storage::{StagedFile, StagedUpload};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use freshet_connector_api::{ColumnOrigin, Prepared, SinkWriter, WriterContext};
use freshet_formats::{FileWriter, Format, Framing, RecordEncoder};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, Error, Options, Result, Watermark, take_rows};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Encoded bytes are handed on in pieces of this size.
const FLUSH_BYTES: usize = 1 << 20;
/// Files that are open at the same time; the one that was used least recently is ended first.
const OPEN_FILES_MAX: usize = 128;

pub(super) struct FileSinkWriter {
    target: Arc<Target>,
    context: WriterContext,
    format: &'static dyn Format,
    format_options: Options,
    /// Columns that stand in the files, and their schema.
    file_columns: Vec<usize>,
    file_schema: SchemaRef,
    /// Encodes records of all files; none when the format owns whole files.
    encoder: Option<Box<dyn RecordEncoder>>,
    partitions: Option<Partitions>,
    journal: Journal,
    /// `part-<job>-<worker>-<random>-`, so that no file of an earlier run is written over.
    name_prefix: String,
    name_suffix: String,
    file_count: u64,
    batch_count: u64,
    open: BTreeMap<String, OpenFile>,
    ended: Vec<EndedFile>,
}

/// Partition columns and how they become folders.
struct Partitions {
    columns: Vec<usize>,
    path: PartitionPath,
    rows: RowConverter,
}

struct OpenFile {
    upload: StagedUpload,
    note: Option<String>,
    body: Body,
    opened_ms: i64,
    used: u64,
}

enum Body {
    Records(Vec<u8>),
    File(Box<dyn FileWriter>),
}

/// A file that takes no more rows.
struct EndedFile {
    file: Ended,
    note: Option<String>,
    partition: String,
}

enum Ended {
    /// Not durable yet.
    Upload(Box<StagedUpload>, Vec<u8>),
    Staged(StagedFile),
}

impl FileSinkWriter {
    pub(super) fn new(target: &Arc<Target>, context: &WriterContext) -> Result<Self> {
        let table = &target.table;
        let (format, format_options) = target.format()?;
        let schema = table.schema();
        let is_file_column =
            |i: &usize| table.columns[*i].origin == ColumnOrigin::Physical && !table.partition_keys.contains(i);
        let file_columns: Vec<usize> = (0..table.columns.len()).filter(is_file_column).collect();
        if file_columns.is_empty() {
            return Err(Error::invalid(
                "filesystem.columns",
                "every column is a partition column: files would be empty",
            )
            .hint("leave at least one column out of PARTITIONED BY"));
        }
        let file_schema: SchemaRef = Arc::new(schema.project(&file_columns)?);
        let owns_files = format.framing(&format_options) == Framing::File;
        let encoder = if owns_files { None } else { Some(format.encoder(&file_schema, &format_options)?) };
        if owns_files {
            format.create(&file_schema, &format_options)?;
        }
        let partitions = if table.partition_keys.is_empty() {
            None
        } else {
            let fields: Vec<_> = table.partition_keys.iter().map(|i| Arc::new(schema.field(*i).clone())).collect();
            let sort = fields.iter().map(|f| SortField::new(f.data_type().clone())).collect();
            Some(Partitions {
                columns: table.partition_keys.clone(),
                path: PartitionPath::new(&fields, &target.options.default_name),
                rows: RowConverter::new(sort)?,
            })
        };
        let job: String =
            context.job_id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let extension = if format.name() == "raw" { "txt" } else { format.name() };
        Ok(Self {
            journal: Journal::open(&target.env.state_dir, &context.job_id, target.storage.url())?,
            target: Arc::clone(target),
            context: context.clone(),
            format,
            format_options,
            file_columns,
            file_schema,
            encoder,
            partitions,
            name_prefix: format!("part-{job}-{}-{}-", context.worker, &unique[..8]),
            name_suffix: format!(".{extension}"),
            file_count: 0,
            batch_count: 0,
            open: BTreeMap::new(),
            ended: Vec::new(),
        })
    }

    fn write_partition(&mut self, partition: &str, rows: &RecordBatch) -> Result<()> {
        if !self.open.contains_key(partition) {
            if self.open.len() >= OPEN_FILES_MAX {
                let oldest = self.open.iter().min_by_key(|(_, file)| file.used).map(|(p, _)| p.clone());
                if let Some(oldest) = oldest {
                    self.end(&oldest)?;
                    self.make_durable()?;
                }
            }
            let file = self.begin(partition)?;
            self.open.insert(partition.to_string(), file);
        }
        let file = self.open.get_mut(partition).expect("it was just opened");
        file.used = self.batch_count;
        let size = match &mut file.body {
            Body::Records(buffer) => {
                let encoder = self.encoder.as_mut().expect("a format of records has an encoder");
                for row in 0..rows.num_rows() {
                    encoder.append(rows, row, buffer)?;
                    buffer.push(b'\n');
                }
                if buffer.len() >= FLUSH_BYTES {
                    file.upload.write(buffer)?;
                    buffer.clear();
                }
                file.upload.size() + buffer.len() as u64
            }
            Body::File(writer) => {
                writer.write(rows)?;
                let ready = writer.take();
                if !ready.is_empty() {
                    file.upload.write(&ready)?;
                }
                writer.size()
            }
        };
        if size >= self.target.options.file_bytes_max { self.end(partition) } else { Ok(()) }
    }

    fn begin(&mut self, partition: &str) -> Result<OpenFile> {
        let name = format!("{}{}{}", self.name_prefix, self.file_count, self.name_suffix);
        self.file_count += 1;
        let path = if partition.is_empty() { name } else { format!("{partition}/{name}") };
        let tag = token::open_tag(&self.context.job_id, self.context.attempt);
        let upload = self.target.storage.stage(&path, &tag)?;
        let note = match upload.upload_id() {
            Some(id) => Some(self.journal.upload_begun(self.context.attempt, &path, id)?),
            None => None,
        };
        let body = match &self.encoder {
            Some(encoder) => Body::Records(encoder.preamble()),
            None => Body::File(self.format.create(&self.file_schema, &self.format_options)?),
        };
        Ok(OpenFile { upload, note, body, opened_ms: self.target.env.clock.now_ms(), used: self.batch_count })
    }

    /// Ends the open file of a partition; its last bytes are written when it is made durable.
    fn end(&mut self, partition: &str) -> Result<()> {
        let Some(file) = self.open.remove(partition) else { return Ok(()) };
        let rest = match file.body {
            Body::Records(buffer) => buffer,
            Body::File(writer) => writer.finish()?,
        };
        self.ended.push(EndedFile {
            file: Ended::Upload(Box::new(file.upload), rest),
            note: file.note,
            partition: partition.to_string(),
        });
        Ok(())
    }

    /// Frees what ended files hold: file handles and memory.
    fn make_durable(&mut self) -> Result<()> {
        for ended in std::mem::take(&mut self.ended) {
            let EndedFile { file, note, partition } = ended;
            let file = match file {
                Ended::Upload(mut upload, rest) => {
                    upload.write(&rest)?;
                    Ended::Staged(upload.finish()?)
                }
                staged => staged,
            };
            self.ended.push(EndedFile { file, note, partition });
        }
        Ok(())
    }
}

impl SinkWriter for FileSinkWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        self.batch_count += 1;
        let rows = repeated(changes)?;
        let files = rows.project(&self.file_columns)?;
        let Some(partitions) = &self.partitions else { return self.write_partition("", &files) };
        // Rows of one partition are gathered by their values; a folder's name is made once for each.
        let columns: Vec<_> = partitions.columns.iter().map(|i| Arc::clone(rows.column(*i))).collect();
        let keys = partitions.rows.convert_columns(&columns)?;
        let mut groups: HashMap<_, usize> = HashMap::new();
        let mut members: Vec<Vec<u32>> = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let group = *groups.entry(key).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            members[group].push(row as u32);
        }
        let names =
            members.iter().map(|rows| partitions.path.of(&columns, rows[0] as usize)).collect::<Result<Vec<_>>>()?;
        for (name, members) in names.iter().zip(members) {
            if members.len() == files.num_rows() {
                self.write_partition(name, &files)?;
            } else {
                let part = take_rows(&files, &UInt32Array::from(members))?;
                self.write_partition(name, &part)?;
            }
        }
        Ok(())
    }

    fn flush_epoch(&mut self, _epoch: Epoch, _watermark: Watermark) -> Result<()> {
        let rollover_ms = i64::try_from(self.target.options.rollover.as_millis()).unwrap_or(i64::MAX);
        if self.open.is_empty() {
            return Ok(());
        }
        let now = self.target.env.clock.now_ms();
        let old = self.open.iter().filter(|(_, f)| now.saturating_sub(f.opened_ms) >= rollover_ms);
        for partition in old.map(|(p, _)| p.clone()).collect::<Vec<_>>() {
            self.end(&partition)?;
        }
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared> {
        for partition in self.open.keys().cloned().collect::<Vec<_>>() {
            self.end(&partition)?;
        }
        let ended = std::mem::take(&mut self.ended);
        let (storage, journal, attempt) = (self.target.storage.clone(), self.journal.clone(), self.context.attempt);
        let tag = token::prepared_tag(&self.context.job_id, attempt, checkpoint.0);
        Ok(Box::new(move || {
            let mut token = Token::default();
            for EndedFile { file, note, partition } in ended {
                let staged = match file {
                    Ended::Upload(mut upload, rest) => {
                        upload.write(&rest)?;
                        upload.finish_as(&tag)?
                    }
                    Ended::Staged(staged) => storage.retag(staged, &tag)?,
                };
                if let Some(note) = note {
                    journal.upload_prepared(&note, attempt, checkpoint.0)?;
                }
                token.files.push(TokenFile { staged, partition });
            }
            token.encode()
        }))
    }
}

/// The rows, each as often as its weight says.
fn repeated(changes: &ChangeBatch) -> Result<RecordBatch> {
    let Some(weights) = changes.weights().filter(|w| w.values().iter().any(|w| *w != 1)) else {
        return Ok(changes.rows().clone());
    };
    if !changes.is_append_only() {
        return Err(Error::internal("filesystem.retraction", "a sink of files was given a row to take back"));
    }
    let indices = (0..weights.len() as u32).flat_map(|i| std::iter::repeat_n(i, weights.value(i as usize) as usize));
    take_rows(changes.rows(), &UInt32Array::from_iter_values(indices))
}
