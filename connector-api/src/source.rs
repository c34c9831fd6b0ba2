//! The reading end: splits, offsets, batches, dead letters.
//!
//! # Invariants
//! - A reader that is given an [`Offset`] goes on exactly behind the last row that was handed out with it: nothing is
//!   repeated, nothing is left out.
//! - Rows of one split come in the order of that split; nothing is promised between splits.

use freshet_types::{ChangeBatch, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Name of a split, unique and stable within its source: a topic's partition, a file's path.
pub type SplitId = Arc<str>;

/// A position in a split; only its connector understands it. Kept as text so that people can read a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offset(pub String);

/// Whether a source ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundedness {
    /// It ends, and its last watermark closes every window.
    Bounded,
    /// It goes on until the job is stopped.
    Unbounded,
}

/// How much a source has to give, for a person who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So many records.
    Rows(u64),
    /// So many bytes, counted as [`SourceBatch::bytes`] counts them.
    Bytes(u64),
}

/// Part of a source with its own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Its name.
    pub id: SplitId,
    /// Where a job that has never read it begins.
    pub start: Offset,
}

/// A split that a reader is told to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedSplit {
    /// Its name.
    pub id: SplitId,
    /// Where to begin: behind the last row of the checkpoint, or the split's start.
    pub from: Offset,
}

/// A record that could not be understood; it goes to the dead-letter table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The record as it came.
    pub raw: Vec<u8>,
    /// Split that it came from.
    pub split: SplitId,
    /// Its position.
    pub offset: Offset,
    /// What is wrong with it.
    pub reason: String,
}

/// Rows of one split, with the position behind the last of them.
#[derive(Debug)]
pub struct SourceBatch {
    /// Where they come from.
    pub split: SplitId,
    /// The rows, in the order of the split, in the schema that the reader was asked for.
    pub changes: ChangeBatch,
    /// Position behind the last row (and the last dead letter).
    pub next: Offset,
    /// Records among them that could not be understood.
    pub dead: Vec<DeadLetter>,
    /// Records among them that gave no row because the table asks for that (`ignore-parse-errors`) or because they have
    /// no value (tombstones).
    pub ignored: u64,
    /// Whether the split has ended: nothing more will come from it.
    pub split_finished: bool,
    /// Bytes that were read for this batch, as they came from outside.
    pub bytes: u64,
}

/// How much a poll may give, and how long it may wait for it.
#[derive(Debug, Clone, Copy)]
pub struct PollLimit {
    /// At most so many rows (a reader may overshoot by less than one record group).
    pub rows: usize,
    /// At most so long; zero does not wait.
    pub wait: Duration,
}

/// What a poll found.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every poll gives a batch")]
pub enum Poll {
    /// Rows, dead letters, or just a moved position.
    Batch(SourceBatch),
    /// Nothing at the moment.
    Pending,
    /// Every split that was assigned has ended; more may be assigned later.
    Finished,
}

/// One configured source of a job.
pub trait Source: Send + Sync {
    /// Whether it ends by itself.
    fn boundedness(&self) -> Boundedness;

    /// What happens to rows after a restart: `true` when every offset can be gone back to, so that nothing is lost.
    fn is_replayable(&self) -> bool;

    /// Whether it only ever inserts; a changelog (Debezium, upsert) says false, and the planner expects retractions.
    fn is_append_only(&self) -> bool {
        true
    }

    /// A checkpoint knows these splits: what [`Source::discover`] finds beside them has come into being since. Called at
    /// most once, before it, when a job goes on.
    fn resume(&self, _splits: &[SplitId]) {}

    /// The splits that exist now, in the order in which one reader should take them. Called once at the start and, when
    /// there is a [`Source::discovery_interval`], again and again; a split that is already known is left alone.
    ///
    /// # Errors
    /// `Unavailable` when the system does not answer: the engine tries again.
    fn discover(&self) -> Result<Vec<Split>>;

    /// How often to look for new splits; none when there will be none.
    fn discovery_interval(&self) -> Option<Duration> {
        None
    }

    /// How much there is to read in all, as far as the last [`Source::discover`] could tell; none when it cannot be known.
    fn extent(&self) -> Option<Extent> {
        None
    }

    /// A reader of the columns at `projection`. It may read its splits at the same time, or one after the other as a reader of
    /// files does: those that wait for their turn hold the watermark back, so that a window is not closed before all files
    /// have been read.
    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>>;
}

/// Reads splits, on a thread of its own. Rows come in the table's [`TableSpec::read_schema`](crate::TableSpec::read_schema)
/// at `projection`.
pub trait SourceReader: Send {
    /// Takes more splits.
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()>;

    /// Gives the next rows.
    ///
    /// # Errors
    /// `Unavailable` may be tried again; anything else ends the job. A record that cannot be understood is no error but a
    /// [`DeadLetter`].
    fn poll(&mut self, limit: PollLimit) -> Result<Poll>;

    /// A checkpoint with these offsets is durable; tells the outside system where that is of use.
    fn committed(&mut self, _offsets: &[(SplitId, Offset)]) -> Result<()> {
        Ok(())
    }
}
