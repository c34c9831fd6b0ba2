//! Reads the rows of a range of key groups back, oldest segment first.

use super::layout::{ALIGNMENT, BlockEntry, Index, MAGIC, TRAILER_BYTES, corrupt, expect, header};
use super::{SegmentKind, SegmentRef, newest_bases};
use crate::disk;
use arrow::array::RecordBatch;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::SchemaRef;
use arrow::ipc::{convert, reader, root_as_message};
use freshet_types::{CheckpointId, KeyGroup, Result};
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of one key group of one table.
#[derive(Debug, Clone)]
pub struct SegmentBlock {
    /// Kind of the segment that they stand in.
    pub kind: SegmentKind,
    /// Name of the table.
    pub table: String,
    /// Their key group.
    pub group: KeyGroup,
    /// The rows.
    pub rows: RecordBatch,
}

/// Gives blocks, oldest segment first, each segment in the order in which it was written; rows that a newer base has
/// replaced are left out.
pub struct SegmentReader {
    folder: PathBuf,
    waiting: VecDeque<SegmentRef>,
    groups: Range<usize>,
    bases: Vec<Option<CheckpointId>>,
    open: Option<OpenSegment>,
}

impl SegmentReader {
    pub(crate) fn new(folder: &Path, segments: &[SegmentRef], groups: Range<usize>) -> Self {
        let bases = newest_bases(segments);
        let touches = |s: &&SegmentRef| s.groups.start < groups.end && groups.start < s.groups.end;
        let waiting = segments.iter().filter(touches).cloned().collect();
        Self { folder: folder.to_owned(), waiting, groups, bases, open: None }
    }

    /// The next block.
    ///
    /// # Errors
    /// `state.corrupt` when a checksum differs; `state.missing` when a file is gone.
    #[expect(clippy::should_implement_trait, reason = "an error ends the reading, unlike in an iterator")]
    pub fn next(&mut self) -> Result<Option<SegmentBlock>> {
        loop {
            if let Some(open) = &mut self.open {
                while let Some(block) = open.index.blocks.get(open.next).copied() {
                    open.next += 1;
                    let group = usize::from(block.group);
                    if self.groups.contains(&group) && open.segment.counts(group, self.bases[group]) {
                        return open.read(block).map(Some);
                    }
                }
                self.open = None;
            }
            match self.waiting.pop_front() {
                None => return Ok(None),
                Some(segment) => self.open = Some(OpenSegment::open(&self.folder, segment)?),
            }
        }
    }
}

struct OpenSegment {
    path: PathBuf,
    file: File,
    segment: SegmentRef,
    index: Index,
    schemas: Vec<SchemaRef>,
    next: usize,
}

impl OpenSegment {
    fn open(folder: &Path, segment: SegmentRef) -> Result<Self> {
        let path = folder.join(&segment.file);
        let mut file = File::open(&path).map_err(|e| disk::failed("opening", &path, e))?;
        let length = file.metadata().map_err(|e| disk::failed("reading", &path, e))?.len();
        if length != segment.bytes {
            return Err(corrupt(&path, &format!("it has {length} bytes, not {}", segment.bytes)));
        }
        let begin = read_at(&mut file, &path, 0, ALIGNMENT as usize)?;
        let trailer_at = expect(length.checked_sub(TRAILER_BYTES), &path, "it is too short")?;
        let trailer = read_at(&mut file, &path, trailer_at, TRAILER_BYTES as usize)?;
        if begin.as_slice() != header() || &trailer[12..] != MAGIC {
            return Err(corrupt(&path, "it does not begin and end as a segment does"));
        }
        let index_bytes = u64::from_le_bytes(trailer[..8].try_into().expect("eight bytes"));
        let index_at = expect(trailer_at.checked_sub(index_bytes), &path, "its index is longer than it")?;
        let index = read_at(&mut file, &path, index_at, index_bytes as usize)?;
        let crc = crc32fast::hash(&index);
        if crc != segment.index_crc32 || trailer[8..12] != crc.to_le_bytes() {
            return Err(corrupt(&path, "the checksum of its index differs"));
        }
        let index = expect(Index::decode(&index), &path, "its index cannot be read")?;
        let schema = |bytes: &[u8]| {
            // Flatbuffers want their bytes aligned, which those of a vector need not be.
            let bytes = Buffer::from_slice_ref(bytes);
            let message = root_as_message(&bytes).ok()?;
            message.header_as_schema().map(|schema| Arc::new(convert::fb_to_schema(schema)))
        };
        let schemas = index
            .tables
            .iter()
            .map(|table| expect(schema(&table.schema), &path, "a schema cannot be read"))
            .collect::<Result<_>>()?;
        Ok(Self { path, file, segment, index, schemas, next: 0 })
    }

    fn read(&mut self, block: BlockEntry) -> Result<SegmentBlock> {
        let metadata_bytes = u64::from(block.metadata_bytes).next_multiple_of(ALIGNMENT);
        let length = metadata_bytes + block.data_bytes.next_multiple_of(ALIGNMENT);
        let bytes = read_at(&mut self.file, &self.path, block.offset, length as usize)?;
        if crc32fast::hash(&bytes) != block.crc32 {
            return Err(corrupt(&self.path, &format!("the checksum of its block at {} differs", block.offset)));
        }
        let bytes = Buffer::from(bytes);
        let data = bytes.slice_with_length(metadata_bytes as usize, block.data_bytes as usize);
        let rows = root_as_message(&bytes[..block.metadata_bytes as usize]).ok().and_then(|message| {
            let header = message.header_as_record_batch()?;
            let schema = Arc::clone(self.schemas.get(usize::from(block.table))?);
            reader::read_record_batch(&data, header, schema, &HashMap::new(), None, &message.version()).ok()
        });
        Ok(SegmentBlock {
            kind: self.segment.kind,
            table: self.index.tables[usize::from(block.table)].name.clone(),
            group: block.group,
            rows: expect(rows, &self.path, "a block cannot be decoded")?,
        })
    }
}

fn read_at(file: &mut File, path: &Path, offset: u64, length: usize) -> Result<MutableBuffer> {
    let mut bytes = MutableBuffer::from_len_zeroed(length);
    file.seek(SeekFrom::Start(offset))
        .and_then(|_| file.read_exact(bytes.as_slice_mut()))
        .map_err(|e| corrupt(path, &format!("{length} bytes at {offset} cannot be read")).because(e))?;
    Ok(bytes)
}
