//! Writes a segment: blocks as they come, the index at the end, durable when finished.

use super::layout::{ALIGNMENT, BlockEntry, Index, MAGIC, TableEntry, header};
use super::{SegmentKind, SegmentRef};
use crate::disk;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions};
use freshet_types::{CheckpointId, Error, KeyGroup, Result, failpoint};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;

/// A segment that is being written. Dropped without [`SegmentWriter::finish`], its file is left to be collected.
pub struct SegmentWriter {
    path: PathBuf,
    file: BufWriter<File>,
    position: u64,
    schemas: Vec<SchemaRef>,
    index: Index,
    checkpoint: CheckpointId,
    groups: Range<usize>,
}

impl SegmentWriter {
    pub(crate) fn create(path: PathBuf, checkpoint: CheckpointId, groups: Range<usize>) -> Result<Self> {
        let file = File::create(&path).map_err(|e| disk::failed("creating", &path, e))?;
        let mut writer = Self {
            path,
            file: BufWriter::with_capacity(1 << 18, file),
            position: 0,
            schemas: Vec::new(),
            index: Index::default(),
            checkpoint,
            groups,
        };
        writer.put(&header())?;
        Ok(writer)
    }

    /// Appends rows of one key group to `table`. All rows of a table share a schema; order is kept.
    ///
    /// # Errors
    /// `state.group` when the key group is not among those of the segment: the rows would not be found again.
    pub fn write(&mut self, table: &str, group: KeyGroup, rows: &RecordBatch) -> Result<()> {
        if !self.groups.contains(&usize::from(group)) {
            return Err(Error::internal(
                "state.group",
                format!("table \"{table}\" has state of key group {group}, outside of {:?}", self.groups),
            ));
        }
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let table = self.table(table, rows)?;
        let (_, encoded) = IpcDataGenerator::default()
            .encode(rows, &mut DictionaryTracker::new(false), &IpcWriteOptions::default(), &mut Default::default())
            .map_err(|e| Error::internal("state.encode", "state cannot be encoded").because(e))?;
        let offset = self.position;
        let mut crc = crc32fast::Hasher::new();
        for part in [&encoded.ipc_message, &encoded.arrow_data] {
            let padding = vec![0u8; part.len().next_multiple_of(ALIGNMENT as usize) - part.len()];
            for bytes in [part, &padding] {
                crc.update(bytes);
                self.put(bytes)?;
            }
        }
        self.index.blocks.push(BlockEntry {
            table,
            group,
            offset,
            metadata_bytes: encoded.ipc_message.len() as u32,
            data_bytes: encoded.arrow_data.len() as u64,
            crc32: crc.finalize(),
        });
        Ok(())
    }

    /// Whether no rows were written.
    pub fn is_empty(&self) -> bool {
        self.index.blocks.is_empty()
    }

    /// Ends a segment that is not needed after all: its file goes.
    pub fn discard(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|e| disk::failed("deleting", &self.path, e))
    }

    /// Ends the segment and makes it durable.
    pub fn finish(mut self, kind: SegmentKind) -> Result<SegmentRef> {
        let index = self.index.encode();
        let index_crc32 = crc32fast::hash(&index);
        if failpoint::reached("segment.write.torn") {
            let _ = self.put(&index[..index.len() / 2]);
            let _ = self.file.flush();
            failpoint::abort("segment.write.torn");
        }
        self.put(&index)?;
        self.put(&(index.len() as u64).to_le_bytes())?;
        self.put(&index_crc32.to_le_bytes())?;
        self.put(MAGIC)?;
        self.file.flush().map_err(|e| disk::failed("writing", &self.path, e))?;
        failpoint::pass("segment.fsync");
        self.file.get_ref().sync_all().map_err(|e| disk::failed("syncing", &self.path, e))?;
        let file = self.path.file_name().expect("a segment has a name").to_string_lossy().into_owned();
        Ok(SegmentRef {
            file,
            kind,
            checkpoint: self.checkpoint,
            groups: self.groups,
            bytes: self.position,
            index_crc32,
        })
    }

    fn table(&mut self, name: &str, rows: &RecordBatch) -> Result<u16> {
        if let Some(i) = self.index.tables.iter().position(|t| t.name == name) {
            return if self.schemas[i] == rows.schema() {
                Ok(i as u16)
            } else {
                Err(Error::internal("state.schema", format!("state table \"{name}\" changes its schema")))
            };
        }
        if rows.schema().flattened_fields().iter().any(|f| matches!(f.data_type(), DataType::Dictionary(_, _))) {
            return Err(Error::internal("state.dictionary", format!("state table \"{name}\" has a dictionary column")));
        }
        let mut tracker = DictionaryTracker::new(false);
        let schema = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &rows.schema(),
            &mut tracker,
            &IpcWriteOptions::default(),
        );
        self.schemas.push(rows.schema());
        self.index.tables.push(TableEntry { name: name.to_owned(), schema: schema.ipc_message });
        u16::try_from(self.index.tables.len() - 1)
            .map_err(|_| Error::internal("state.tables", "an operator has more than 65536 state tables"))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| disk::failed("writing", &self.path, e))?;
        self.position += bytes.len() as u64;
        Ok(())
    }
}
