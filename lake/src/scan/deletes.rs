//! Rows that delete files take away: deleted positions of data files, from delete files and deletion vectors.
//!
//! Source: Apache Iceberg specification, "Scan Planning", "Deletion Vectors"; Puffin specification, `deletion-vector-v1`.

use super::plan::Request;
use super::rows;
use super::shape::Shape;
use crate::files::{FileEntry, widened};
use crate::io::LakeIo;
use crate::schema;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use freshet_types::{Error, Result};
use iceberg::metadata_columns::{RESERVED_FIELD_ID_DELETE_FILE_PATH, RESERVED_FIELD_ID_DELETE_FILE_POS};
use iceberg::spec::{DataFileFormat, NestedField, PrimitiveLiteral, PrimitiveType, Schema, TableMetadata, Type};
use roaring::RoaringTreemap;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const MAGIC: [u8; 4] = [0xD1, 0xD3, 0x39, 0x64];

/// Position deletes of a snapshot.
pub(super) struct Positions<'a> {
    io: &'a LakeIo,
    metadata: &'a TableMetadata,
    /// Deletion vectors by the data file that they belong to.
    vectors: HashMap<String, FileEntry>,
    files: Vec<FileEntry>,
    /// What delete files held, by their path.
    read: HashMap<String, Arc<HashMap<String, RoaringTreemap>>>,
}

impl<'a> Positions<'a> {
    pub(super) fn new(io: &'a LakeIo, metadata: &'a TableMetadata, deletes: Vec<FileEntry>) -> Result<Self> {
        let (mut vectors, mut files) = (HashMap::new(), Vec::new());
        for entry in deletes {
            match entry.file.file_format() {
                DataFileFormat::Puffin => {
                    let of = entry.file.referenced_data_file().ok_or_else(|| {
                        Error::data(
                            "lake.deletion_vector",
                            format!("field \"referenced_data_file\" of \"{}\" is missing", entry.file.file_path()),
                        )
                    })?;
                    vectors.insert(of, entry);
                }
                DataFileFormat::Parquet | DataFileFormat::Avro => files.push(entry),
                other => return Err(super::plan::no_format(other, entry.file.file_path())),
            }
        }
        Ok(Self { io, metadata, vectors, files, read: HashMap::new() })
    }

    /// The deleted positions of a data file; none when there are none.
    pub(super) fn of(&mut self, data: &FileEntry) -> Result<Option<RoaringTreemap>> {
        let path = data.file.file_path();
        // A deletion vector holds everything that delete files before it said.
        if let Some(vector) = self.vectors.get(path).filter(|v| v.sequence >= data.sequence) {
            return read_vector(self.io, vector).map(Some);
        }
        let mut deleted = RoaringTreemap::new();
        let applying: Vec<FileEntry> = self.files.iter().filter(|d| applies(d, data)).cloned().collect();
        for delete in applying {
            let held = match self.read.get(delete.file.file_path()) {
                Some(held) => Arc::clone(held),
                None => {
                    let held = Arc::new(read_positions(self.io, self.metadata, &delete)?);
                    self.read.insert(delete.file.file_path().to_string(), Arc::clone(&held));
                    held
                }
            };
            if let Some(positions) = held.get(path) {
                deleted |= positions;
            }
        }
        Ok((!deleted.is_empty()).then_some(deleted))
    }
}

/// Whether a delete file may name rows of a data file.
fn applies(delete: &FileEntry, data: &FileEntry) -> bool {
    if delete.sequence < data.sequence {
        return false;
    }
    let path = data.file.file_path();
    if let Some(of) = delete.file.referenced_data_file() {
        return of == path;
    }
    let (of_delete, of_data) = (delete.file.partition(), data.file.partition());
    if delete.spec_id != data.spec_id || (of_delete != of_data && widened(of_delete) != widened(of_data)) {
        return false;
    }
    let bound = |bounds: &HashMap<i32, iceberg::spec::Datum>| match bounds
        .get(&RESERVED_FIELD_ID_DELETE_FILE_PATH)
        .map(|d| d.literal().clone())
    {
        Some(PrimitiveLiteral::String(text)) => Some(text),
        _ => None,
    };
    let below = bound(delete.file.lower_bounds()).is_some_and(|low| path < low.as_str());
    // An upper bound may be cut short: what begins with it may still be in the file.
    let above =
        bound(delete.file.upper_bounds()).is_some_and(|high| path > high.as_str() && !path.starts_with(high.as_str()));
    !below && !above
}

fn read_positions(
    io: &LakeIo,
    metadata: &TableMetadata,
    delete: &FileEntry,
) -> Result<HashMap<String, RoaringTreemap>> {
    let text = Type::Primitive(PrimitiveType::String);
    let long = Type::Primitive(PrimitiveType::Long);
    let columns = Schema::builder()
        .with_fields([
            Arc::new(NestedField::required(RESERVED_FIELD_ID_DELETE_FILE_PATH, "file_path", text)),
            Arc::new(NestedField::required(RESERVED_FIELD_ID_DELETE_FILE_POS, "pos", long)),
        ])
        .build()
        .expect("two plain columns make a schema");
    let shape = Arc::new(Shape::new(&columns, &schema::file_schema(&columns), metadata)?);
    let mut positions: HashMap<String, RoaringTreemap> = HashMap::new();
    let request = Request::whole(io, shape);
    for batch in rows::read_file(&request, delete)? {
        let batch = batch?;
        let (paths, rows) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
        let mut current: Option<(&str, &mut RoaringTreemap)> = None;
        for (path, row) in paths.iter().zip(rows.iter()) {
            let (Some(path), Some(row)) = (path, row) else { continue };
            let row = u64::try_from(row).map_err(|_| {
                Error::data("lake.position_delete", format!("position {row} in \"{}\"", delete.file.file_path()))
            })?;
            // Delete files are sorted by path: one look-up serves a run.
            let known = current.as_ref().is_some_and(|(p, _)| *p == path);
            if !known {
                current = Some((path, positions.entry(path.to_string()).or_default()));
            }
            if let Some((_, set)) = &mut current {
                set.insert(row);
            }
        }
    }
    Ok(positions)
}

fn read_vector(io: &LakeIo, vector: &FileEntry) -> Result<RoaringTreemap> {
    let file = &vector.file;
    let wrong = |what: &str| Error::data("lake.deletion_vector", format!("\"{}\" {what}", file.file_path()));
    let (Some(offset), Some(size)) = (file.content_offset(), file.content_size_in_bytes()) else {
        return Err(wrong("has no field \"content_offset\" or \"content_size_in_bytes\""));
    };
    let (Ok(offset), Ok(size)) = (u64::try_from(offset), u64::try_from(size)) else {
        return Err(wrong("has a negative field \"content_offset\" or \"content_size_in_bytes\""));
    };
    let end = io.stat(file.file_path())?.ok_or_else(|| wrong("does not exist"))?.size;
    if offset.checked_add(size).is_none_or(|last| last > end) {
        return Err(wrong("ends before its content does"));
    }
    let blob = io.read_range(file.file_path(), offset, size)?;
    let positions = decode_vector(&blob).map_err(|e| e.at("file", file.file_path()))?;
    if positions.len() != file.record_count() {
        return Err(wrong(&format!("holds {} positions, not {}", positions.len(), file.record_count())));
    }
    Ok(positions)
}

/// Decodes a deletion vector: length, magic, 64-bit roaring bitmap, checksum.
pub(crate) fn decode_vector(blob: &[u8]) -> Result<RoaringTreemap> {
    let wrong = |what: &str| Error::data("lake.deletion_vector", format!("the deletion vector {what}"));
    if blob.len() < 12 {
        return Err(wrong("is too short"));
    }
    let number = |at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().expect("four bytes"));
    let body = &blob[4..blob.len() - 4];
    if number(0) as usize != body.len() {
        return Err(wrong("has another length than it says"));
    }
    if body[..4] != MAGIC {
        return Err(wrong("does not begin with its magic bytes"));
    }
    if crc32fast::hash(body) != number(blob.len() - 4) {
        return Err(wrong("has a wrong checksum"));
    }
    decode_bitmap(&body[4..])
}

/// Decodes the portable form of a 64-bit roaring bitmap; nothing may follow it.
pub(crate) fn decode_bitmap(mut bytes: &[u8]) -> Result<RoaringTreemap> {
    let wrong = |what: String| Error::data("lake.deletion_vector", format!("the bitmap of deleted positions {what}"));
    let told = bytes.first_chunk::<8>().map(|count| u64::from_le_bytes(*count));
    let bitmap = RoaringTreemap::deserialize_from(&mut bytes).map_err(|e| wrong(format!("is damaged: {e}")))?;
    if !bytes.is_empty() {
        return Err(wrong(format!("is followed by {} bytes", bytes.len())));
    }
    // Of two parts for the same range only one is left.
    if told != Some(bitmap.bitmaps().count() as u64) {
        return Err(wrong("holds two parts for one range of positions".into()));
    }
    if bitmap.max().is_some_and(|last| i64::try_from(last).is_err()) {
        return Err(wrong("holds positions that no file can have".into()));
    }
    Ok(bitmap)
}

/// The blob of a deletion vector.
#[cfg(test)]
pub(crate) fn encode_vector(positions: &RoaringTreemap) -> Vec<u8> {
    let mut body = MAGIC.to_vec();
    positions.serialize_into(&mut body).unwrap();
    let mut blob = (body.len() as u32).to_be_bytes().to_vec();
    blob.extend_from_slice(&body);
    blob.extend_from_slice(&crc32fast::hash(&body).to_be_bytes());
    blob
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn vectors_come_back_and_every_damage_is_seen(
            positions in prop::collection::btree_set(0..(1u64 << 40), 0..200), cut in 0usize..64, flip in any::<usize>()
        ) {
            let positions: RoaringTreemap = positions.into_iter().collect();
            let blob = encode_vector(&positions);
            prop_assert_eq!(&decode_vector(&blob).unwrap(), &positions);
            prop_assert!(decode_vector(&blob[..blob.len() - 1 - cut.min(blob.len() - 1)]).is_err());
            let mut flipped = blob.clone();
            let at = flip % flipped.len();
            flipped[at] ^= 1;
            prop_assert!(decode_vector(&flipped).is_err());
        }
    }
}
