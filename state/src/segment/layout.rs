//! The bytes of a segment's index: little-endian numbers, texts with their length in front. See `FORMAT.md`.

use freshet_types::{Error, KeyGroup, Result};
use std::path::Path;

/// First and last eight bytes of a segment.
pub(super) const MAGIC: &[u8; 8] = b"FRSHSEG1";

/// Bytes behind the index: its length, its checksum, the magic.
pub(super) const TRAILER_BYTES: u64 = 8 + 4 + 8;

/// Blocks begin at multiples of this, so that their columns need no copy to be aligned.
pub(super) const ALIGNMENT: u64 = 64;

/// What stands before the first block: the magic, then zeros.
pub(super) fn header() -> [u8; ALIGNMENT as usize] {
    let mut header = [0; ALIGNMENT as usize];
    header[..MAGIC.len()].copy_from_slice(MAGIC);
    header
}

/// A table of a segment: its name and its schema as an Arrow IPC message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableEntry {
    pub(super) name: String,
    pub(super) schema: Vec<u8>,
}

/// Where the rows of one key group of one table stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub(super) table: u16,
    pub(super) group: KeyGroup,
    pub(super) offset: u64,
    pub(super) metadata_bytes: u32,
    pub(super) data_bytes: u64,
    pub(super) crc32: u32,
}

/// What stands at the end of a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) tables: Vec<TableEntry>,
    pub(super) blocks: Vec<BlockEntry>,
}

impl Index {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((self.tables.len() as u16).to_le_bytes());
        for table in &self.tables {
            for text in [table.name.as_bytes(), &table.schema] {
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text);
            }
        }
        bytes.extend((self.blocks.len() as u64).to_le_bytes());
        for block in &self.blocks {
            bytes.extend(block.table.to_le_bytes());
            bytes.push(block.group);
            bytes.extend(block.offset.to_le_bytes());
            bytes.extend(block.metadata_bytes.to_le_bytes());
            bytes.extend(block.data_bytes.to_le_bytes());
            bytes.extend(block.crc32.to_le_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut index = Index::default();
        for _ in 0..u16::from_le_bytes(take(&mut rest)?) {
            let name = String::from_utf8(text(&mut rest)?.to_vec()).ok()?;
            index.tables.push(TableEntry { name, schema: text(&mut rest)?.to_vec() });
        }
        for _ in 0..u64::from_le_bytes(take(&mut rest)?) {
            index.blocks.push(BlockEntry {
                table: u16::from_le_bytes(take(&mut rest)?),
                group: u8::from_le_bytes(take(&mut rest)?),
                offset: u64::from_le_bytes(take(&mut rest)?),
                metadata_bytes: u32::from_le_bytes(take(&mut rest)?),
                data_bytes: u64::from_le_bytes(take(&mut rest)?),
                crc32: u32::from_le_bytes(take(&mut rest)?),
            });
        }
        rest.is_empty().then_some(index)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

/// The error for a segment that is not as it was written.
pub(super) fn corrupt(path: &Path, why: &str) -> Error {
    Error::data("state.corrupt", format!("segment \"{}\" is damaged: {why}", path.display()))
}

/// `value`, or the error for a damaged segment.
pub(super) fn expect<T>(value: Option<T>, path: &Path, why: &str) -> Result<T> {
    value.ok_or_else(|| corrupt(path, why))
}
