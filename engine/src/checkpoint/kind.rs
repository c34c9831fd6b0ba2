//! Whether an operator freezes all of its state next, or what has changed.

use crate::SegmentKind;
use freshet_state::{SegmentRef, next_kind};

/// What each operator freezes next.
pub(crate) fn kinds(segments: &[Vec<SegmentRef>]) -> Vec<SegmentKind> {
    let kind = |segments: &Vec<SegmentRef>| match next_kind(segments) {
        freshet_state::SegmentKind::Base => SegmentKind::Base,
        freshet_state::SegmentKind::Delta => SegmentKind::Delta,
    };
    segments.iter().map(kind).collect()
}
