//! Files of operator state: blocks of rows per table and key group, with an index at the end.

mod layout;
mod read;
mod write;

pub use read::{SegmentBlock, SegmentReader};
pub use write::SegmentWriter;

use freshet_types::{CheckpointId, KEY_GROUP_COUNT};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Whether a segment replaces what was saved before, or adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentKind {
    /// The whole state of its key groups.
    Base,
    /// What changed since the checkpoint before.
    Delta,
}

/// A segment as a root file names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// Name of the file, within the job's folder.
    pub file: String,
    /// Whether it stands alone.
    pub kind: SegmentKind,
    /// Checkpoint that it was written for.
    pub checkpoint: CheckpointId,
    /// Key groups that its writer owned.
    pub groups: Range<usize>,
    /// Length of the file.
    pub bytes: u64,
    /// Checksum of its index, which holds the checksums of its blocks.
    pub index_crc32: u32,
}

impl SegmentRef {
    /// Whether the rows of `group` in this segment count, when `base` is the newest base of that group.
    fn counts(&self, group: usize, base: Option<CheckpointId>) -> bool {
        self.groups.contains(&group)
            && base.is_none_or(|base| {
                self.checkpoint > base || (self.checkpoint == base && self.kind == SegmentKind::Base)
            })
    }
}

/// For each key group the checkpoint of its newest base.
fn newest_bases(segments: &[SegmentRef]) -> Vec<Option<CheckpointId>> {
    let mut bases = vec![None; KEY_GROUP_COUNT];
    for segment in segments.iter().filter(|s| s.kind == SegmentKind::Base) {
        for base in &mut bases[segment.groups.clone()] {
            *base = (*base).max(Some(segment.checkpoint));
        }
    }
    bases
}

/// The segments that are still needed, oldest first: those that hold rows of a key group no newer base has replaced.
pub fn live_segments(segments: Vec<SegmentRef>) -> Vec<SegmentRef> {
    let bases = newest_bases(&segments);
    let needed = |s: &SegmentRef| s.groups.clone().any(|group| s.counts(group, bases[group]));
    let mut live: Vec<SegmentRef> = segments.into_iter().filter(needed).collect();
    live.sort_by_key(|s| (s.checkpoint, s.groups.start));
    live
}

/// What an operator should write next: a base when there is none yet, or when its deltas exceed half of the bases.
pub fn next_kind(segments: &[SegmentRef]) -> SegmentKind {
    let bytes = |kind| segments.iter().filter(|s| s.kind == kind).map(|s| s.bytes).sum::<u64>();
    let (base, deltas) = (bytes(SegmentKind::Base), bytes(SegmentKind::Delta));
    if base == 0 || deltas > base / 2 { SegmentKind::Base } else { SegmentKind::Delta }
}

#[cfg(test)]
mod tests;
