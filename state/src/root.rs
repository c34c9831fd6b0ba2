//! The one file whose appearance makes a checkpoint real.
//!
//! JSON, so that a person can read it; a checksum over the text of its body, so that a flipped bit is found.

use crate::SegmentRef;
use freshet_types::{CheckpointId, Epoch, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the layout of root files and segments; see `FORMAT.md`.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that a job needs to go on from a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Version of the layout.
    pub format: u32,
    /// Id of the job.
    pub job_id: String,
    /// Number of the checkpoint.
    pub checkpoint: CheckpointId,
    /// Its epoch: the last one that is part of it.
    pub epoch: Epoch,
    /// When it was made, in milliseconds since 1970-01-01 00:00 UTC.
    pub created_ms: i64,
    /// Number of workers that wrote it.
    pub workers: usize,
    /// Whether every input had ended.
    pub finished: bool,
    /// Sources, by table.
    pub sources: BTreeMap<String, SourceRoot>,
    /// Operators, by the name under which their state is kept.
    pub operators: BTreeMap<String, OperatorRoot>,
    /// Sinks, by table.
    pub sinks: BTreeMap<String, SinkRoot>,
    /// Counters of the job since its first start.
    pub counters: JobCounters,
}

/// Where a source stood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRoot {
    /// Whether its table declares a watermark.
    pub event_time: bool,
    /// Lowest watermark that its splits had reached, before the end of the input raised it; none when there was none yet.
    pub watermark_ms: Option<i64>,
    /// Its splits, in the order in which they were assigned.
    pub splits: Vec<SplitRoot>,
}

/// Where a split stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRoot {
    /// Name of the split.
    pub id: String,
    /// Position behind the last row that is part of the checkpoint.
    pub offset: String,
    /// Its watermark; none when there was none yet.
    pub watermark_ms: Option<i64>,
    /// Whether it had ended.
    pub finished: bool,
}

/// What is kept of an operator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRoot {
    /// Kind of operator, for messages.
    pub name: String,
    /// What decides whether the state fits; none for an operator without state.
    pub fingerprint: Option<String>,
    /// Last watermark that it had seen, before the end of the input raised it; none when there was none yet.
    pub watermark_ms: Option<i64>,
    /// Files with its state, oldest first.
    pub segments: Vec<SegmentRef>,
}

/// What a sink has prepared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkRoot {
    /// Tokens of its writers, in the order of the workers, as hexadecimal text.
    #[serde(with = "hexadecimal")]
    pub tokens: Vec<Vec<u8>>,
}

/// Counters of a job since its first start; each only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounters {
    /// Records that sources have read: rows and dead letters.
    pub rows_in: u64,
    /// Bytes that sources have read.
    pub bytes_in: u64,
    /// Changes that sinks have taken.
    pub rows_out: u64,
    /// Rows that predicates took out.
    pub filtered_rows: u64,
    /// Rows whose window was closed already.
    pub late_rows: u64,
    /// Records that could not be decoded.
    pub dead_rows: u64,
}

impl JobCounters {
    /// The sum of two, field by field.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            rows_in: self.rows_in + other.rows_in,
            bytes_in: self.bytes_in + other.bytes_in,
            rows_out: self.rows_out + other.rows_out,
            filtered_rows: self.filtered_rows + other.filtered_rows,
            late_rows: self.late_rows + other.late_rows,
            dead_rows: self.dead_rows + other.dead_rows,
        }
    }
}

impl Root {
    /// Offsets of all sources as JSON text: `{"table":{"split":"offset"}}`.
    pub fn offsets_json(&self) -> String {
        let tables: BTreeMap<&str, BTreeMap<&str, &str>> = self
            .sources
            .iter()
            .map(|(table, source)| {
                (table.as_str(), source.splits.iter().map(|s| (s.id.as_str(), s.offset.as_str())).collect())
            })
            .collect();
        serde_json::to_string(&tables).expect("maps of text are JSON")
    }

    /// Every segment that it names.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentRef> {
        self.operators.values().flat_map(|operator| &operator.segments)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_string_pretty(self).expect("a root file is JSON");
        let body = RawValue::from_string(body).expect("what serde wrote is JSON");
        seal(&body).into_bytes()
    }

    /// Reads a root file back.
    ///
    /// # Errors
    /// `state.corrupt` when any bit differs from what was written, `state.format` when a newer version wrote it.
    pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let corrupt =
            |why: &str| Error::data("state.corrupt", format!("root file \"{}\" is damaged: {why}", path.display()));
        let text = std::str::from_utf8(bytes).map_err(|_| corrupt("it is not text"))?;
        let sealed: Sealed<'_> = serde_json::from_str(text).map_err(|_| corrupt("it is not complete"))?;
        // Sealing again compares the checksum and everything around the body in one step.
        if seal(sealed.root) != text {
            return Err(corrupt("its checksum differs"));
        }
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_str(sealed.root.get()).map_err(|e| corrupt(&e.to_string()))?;
        if version.format != FORMAT_VERSION {
            return Err(Error::unsupported(
                "state.format",
                format!(
                    "root file \"{}\" has format {}, this version reads {FORMAT_VERSION}",
                    path.display(),
                    version.format
                ),
            )
            .hint("use the version of Freshet that wrote it, or start over with --from-scratch"));
        }
        serde_json::from_str(sealed.root.get()).map_err(|e| corrupt(&e.to_string()))
    }
}

#[derive(Deserialize)]
struct Sealed<'a> {
    #[serde(rename = "crc32")]
    _crc32: &'a str,
    #[serde(borrow)]
    root: &'a RawValue,
}

fn seal(body: &RawValue) -> String {
    format!("{{\"crc32\":\"{:08x}\",\"root\":{}}}\n", crc32fast::hash(body.get().as_bytes()), body.get())
}

mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(tokens: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(tokens.iter().map(|t| t.iter().map(|b| format!("{b:02x}")).collect::<String>()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        };
        texts
            .iter()
            .map(|text| {
                let pairs = text.as_bytes().chunks(2).map(|pair| if pair.len() == 2 { byte(pair) } else { None });
                pairs.collect::<Option<Vec<u8>>>().ok_or_else(|| D::Error::custom("a token is not hexadecimal"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    pub(crate) fn sample() -> Root {
        let split = SplitRoot { id: "0".into(), offset: "17".into(), watermark_ms: Some(-5), finished: false };
        Root {
            format: FORMAT_VERSION,
            job_id: "job-1".into(),
            checkpoint: CheckpointId(3),
            epoch: Epoch(40),
            created_ms: 1_700_000_000_000,
            workers: 2,
            finished: false,
            sources: [("bids".to_owned(), SourceRoot { event_time: true, watermark_ms: None, splits: vec![split] })]
                .into(),
            operators: [("agg".to_owned(), OperatorRoot { fingerprint: Some("i64".into()), ..Default::default() })]
                .into(),
            sinks: [("out".to_owned(), SinkRoot { tokens: vec![vec![], vec![0, 255, 16]] })].into(),
            counters: JobCounters { rows_in: 9, ..Default::default() },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let root = sample();
        assert_eq!(Root::decode(&root.encode(), &PathBuf::from("r")).unwrap(), root);
        assert_eq!(root.offsets_json(), r#"{"bids":{"0":"17"}}"#);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let good = sample().encode();
        for byte in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[byte] ^= 1 << bit;
                let error = Root::decode(&bad, &PathBuf::from("root-3.json")).expect_err("a flipped bit is found");
                assert_eq!(error.code(), "state.corrupt", "byte {byte} bit {bit}");
            }
        }
    }

    #[test]
    fn every_torn_file_is_found() {
        let good = sample().encode();
        for length in 0..good.len() {
            assert!(Root::decode(&good[..length], &PathBuf::from("r")).is_err(), "{length} bytes");
        }
    }
}
