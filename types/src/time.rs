//! The logical clock (epochs), the event-time clock (watermarks) and the names of checkpoints.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One tick of the engine's logical clock, the unit of consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The tick after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Epoch(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a checkpoint of one job: 1, 2, 3 ... without gaps, also across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct CheckpointId(pub u64);

impl CheckpointId {
    /// The checkpoint after this one.
    #[must_use]
    pub fn next(self) -> Self {
        CheckpointId(self.0 + 1)
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The promise that no earlier event time follows, in milliseconds since 1970-01-01 00:00 (of the column's own clock:
/// UTC for TIMESTAMP_LTZ, wall time for TIMESTAMP).
///
/// As in Flink, a watermark `w` says that rows with time `<= w` have all been seen: a window `[start, end)` is complete
/// once `w >= end - 1`.
///
/// Source: Flink documentation, "Generating Watermarks".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watermark(pub i64);

impl Watermark {
    /// Nothing is known yet.
    pub const MIN: Watermark = Watermark(i64::MIN);
    /// The input has ended: every window is complete.
    pub const MAX: Watermark = Watermark(i64::MAX);

    /// Whether a window that ends (exclusively) at `end_ms` is complete.
    ///
    /// ```
    /// use freshet_types::Watermark;
    /// assert!(Watermark(9_999).closes(10_000));
    /// assert!(!Watermark(9_998).closes(10_000));
    /// ```
    pub fn closes(self, end_ms: i64) -> bool {
        self.0 >= end_ms.saturating_sub(1)
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Watermark::MIN => f.write_str("-"),
            Watermark::MAX => f.write_str("end"),
            Watermark(ms) => match chrono::DateTime::from_timestamp_millis(ms) {
                Some(t) => write!(f, "{}", t.format("%Y-%m-%d %H:%M:%S%.3f")),
                None => write!(f, "{ms} ms"),
            },
        }
    }
}
