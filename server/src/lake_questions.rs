//! What `freshet lake` asks: snapshots, files, and the proof that a table is whole.

use arrow::array::RecordBatch;

/// A question about a lake table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LakeQuestion {
    /// Is every file there once, and are checkpoints consecutive?
    Verify,
    /// Which snapshots are there?
    Snapshots,
    /// Which data files has the current snapshot?
    Files,
}

/// Rows for a person, and how many of them name a problem.
#[derive(Debug, Clone)]
pub struct LakeAnswer {
    /// The rows.
    pub rows: RecordBatch,
    /// Number of problems found.
    pub problems: usize,
}
