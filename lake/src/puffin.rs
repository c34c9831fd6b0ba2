//! Puffin files: the blobs inside, by their footer.
//!
//! Deletion vectors are read by the place that the manifest names; the footer is for checks, and for statistics of others.
//!
//! Source: Apache Iceberg, Puffin specification, version 1.

use freshet_types::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;

const MAGIC: &[u8; 4] = b"PFA1";
/// Size of the payload, flags, magic.
const TAIL: usize = 12;
/// What a blob may grow to when it is unpacked.
const BLOB_MAX: u64 = 1 << 30;

/// A blob as the footer describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Blob {
    /// Kind, such as `deletion-vector-v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Field ids that it is about.
    pub fields: Vec<i32>,
    /// Snapshot that it was computed from.
    pub snapshot_id: i64,
    /// Sequence number of that snapshot.
    pub sequence_number: i64,
    /// Where it begins.
    pub offset: u64,
    /// Bytes that it has in the file.
    pub length: u64,
    /// How it is packed.
    pub compression_codec: Option<String>,
    /// What else is said of it.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Footer {
    blobs: Vec<Blob>,
}

fn wrong(what: impl std::fmt::Display) -> Error {
    Error::data("lake.puffin", format!("the Puffin file {what}"))
}

/// The blobs of a file.
///
/// # Errors
/// `lake.puffin` for a file that is cut short or damaged, or whose footer is packed with LZ4.
pub fn blobs(file: &[u8]) -> Result<Vec<Blob>> {
    if file.len() < 2 * MAGIC.len() + TAIL || !file.starts_with(MAGIC) || !file.ends_with(MAGIC) {
        return Err(wrong("does not begin and end with its magic bytes"));
    }
    let tail = &file[file.len() - TAIL..];
    let size = i32::from_le_bytes(tail[..4].try_into().expect("four bytes"));
    let size = usize::try_from(size).map_err(|_| wrong("has a footer of negative size"))?;
    if tail[4] & 1 != 0 {
        return Err(Error::unsupported("lake.puffin", "the Puffin file has a footer that is packed with LZ4")
            .hint("write it anew with an unpacked footer"));
    }
    if tail[4] & !1 != 0 || tail[5..8] != [0; 3] {
        return Err(wrong("has flags that version 1 does not know"));
    }
    let end = file.len() - TAIL;
    let start = end.checked_sub(size).filter(|start| *start >= 2 * MAGIC.len());
    let start = start.ok_or_else(|| wrong("has a footer that is larger than itself"))?;
    if file[start - MAGIC.len()..start] != *MAGIC {
        return Err(wrong("has a footer that does not begin with its magic bytes"));
    }
    let footer: Footer =
        serde_json::from_slice(&file[start..end]).map_err(|e| wrong(format!("has a damaged footer: {e}")))?;
    for blob in &footer.blobs {
        let last = blob.offset.checked_add(blob.length);
        if blob.offset < MAGIC.len() as u64 || last.is_none_or(|last| last > (start - MAGIC.len()) as u64) {
            return Err(wrong(format!("has a blob of type \"{}\" outside of itself", blob.kind)));
        }
    }
    Ok(footer.blobs)
}

/// The bytes of a blob, unpacked.
pub fn read(file: &[u8], blob: &Blob) -> Result<Vec<u8>> {
    let inside = usize::try_from(blob.offset).ok().zip(usize::try_from(blob.length).ok());
    let bytes = inside
        .and_then(|(offset, length)| file.get(offset..offset.checked_add(length)?))
        .ok_or_else(|| wrong(format!("ends before its blob of type \"{}\" does", blob.kind)))?;
    match blob.compression_codec.as_deref() {
        None => Ok(bytes.to_vec()),
        Some("zstd") => {
            let mut out = Vec::new();
            zstd::stream::read::Decoder::new(bytes)
                .and_then(|decoder| decoder.take(BLOB_MAX + 1).read_to_end(&mut out))
                .map_err(|e| wrong(format!("has a damaged blob of type \"{}\": {e}", blob.kind)))?;
            if out.len() as u64 > BLOB_MAX {
                return Err(wrong(format!("has a blob of type \"{}\" that is larger than 1 GiB", blob.kind)));
            }
            Ok(out)
        }
        Some(codec) => Err(Error::unsupported("lake.puffin", format!("blobs packed with {codec} are not read"))
            .hint("write the file anew with zstd, or unpacked")),
    }
}

/// A file of blobs, each with the name of what it is packed with.
#[cfg(test)]
pub(crate) fn encode(blobs: &[(&[u8], Option<&str>)]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let mut described = Vec::new();
    for (blob, codec) in blobs {
        let mut json = serde_json::json!({
            "type": "deletion-vector-v1", "fields": [1], "snapshot-id": 2, "sequence-number": 1,
            "offset": bytes.len(), "length": blob.len()
        });
        if let Some(codec) = codec {
            json["compression-codec"] = (*codec).into();
        }
        described.push(json);
        bytes.extend_from_slice(blob);
    }
    let footer = serde_json::json!({ "blobs": described }).to_string();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(footer.as_bytes());
    bytes.extend_from_slice(&(footer.len() as i32).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(MAGIC);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_come_back_and_every_cut_is_seen() {
        let packed = zstd::stream::encode_all(&b"bbbb"[..], 0).unwrap();
        let whole = encode(&[(b"PFA1", None), (&packed, Some("zstd"))]);
        let found = blobs(&whole).unwrap();
        assert_eq!(read(&whole, &found[0]).unwrap(), b"PFA1");
        assert_eq!(read(&whole, &found[1]).unwrap(), b"bbbb");
        for cut in 0..whole.len() {
            assert_eq!(blobs(&whole[..cut]).unwrap_err().code(), "lake.puffin", "{cut}");
        }
        assert!(blobs(&encode(&[])).unwrap().is_empty());
        let lz4 = encode(&[(b"x", Some("lz4"))]);
        assert_eq!(read(&lz4, &blobs(&lz4).unwrap()[0]).unwrap_err().code(), "lake.puffin");
    }
}
