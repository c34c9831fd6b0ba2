//! The writing end: one writer per worker, one committer per sink.
//!
//! # Protocol
//! 1. `SinkCommitter::recover` once, before any writer is made: finishes what the last checkpoint promised, removes what
//!    was prepared after it.
//! 2. `SinkWriter::write` any number of times, `SinkWriter::flush_epoch` at the end of each epoch.
//! 3. `SinkWriter::prepare` at a checkpoint, on every worker; the returned work runs on another thread and ends with
//!    output that is durable, invisible, and described by the token.
//! 4. The root file with all tokens is published.
//! 5. `SinkCommitter::commit` makes it visible. It is idempotent: after a crash it is called again with the same tokens.

use freshet_types::{ChangeBatch, CheckpointId, Epoch, Result, Watermark};
use std::fmt;

/// What a pair of source and sink promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// Rows may be lost at a crash.
    AtMostOnce,
    /// Rows may be repeated after a crash.
    AtLeastOnce,
    /// Each row is visible once, whatever happens.
    ExactlyOnce,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guarantee::AtMostOnce => "at-most-once",
            Guarantee::AtLeastOnce => "at-least-once",
            Guarantee::ExactlyOnce => "exactly-once",
        })
    }
}

/// Which changes a sink can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptedChanges {
    /// Inserts only; the planner refuses an updating query, with advice.
    AppendOnly,
    /// Any change, told apart by the columns of this key (indices into the table's columns).
    Upsert(Vec<usize>),
    /// Any change.
    All,
}

/// Who a writer is.
#[derive(Debug, Clone)]
pub struct WriterContext {
    /// Id of the job: stable across restarts, different for each job.
    pub job_id: String,
    /// Which worker this writer serves.
    pub worker: usize,
    /// Number of workers.
    pub workers: usize,
    /// Number of this attempt; names of staged files carry it, so that attempts never collide.
    pub attempt: u64,
}

/// Work that ends with durable, invisible output; its result is the token that describes it.
pub type Prepared = Box<dyn FnOnce() -> Result<Vec<u8>> + Send>;

/// A checkpoint that is to be made visible.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Id of the job.
    pub job_id: String,
    /// Number of the checkpoint.
    pub checkpoint: CheckpointId,
    /// Epoch of the checkpoint.
    pub epoch: Epoch,
    /// Offsets of all sources at that checkpoint, as JSON text, to be kept beside the output.
    pub offsets: String,
    /// Lowest watermark of the job's sources at that checkpoint.
    pub watermark: Watermark,
    /// Tokens of all writers, in the order of the workers.
    pub tokens: Vec<Vec<u8>>,
    /// Whether this is the last checkpoint of a job whose inputs have ended (what waits for more rows is written now).
    pub last: bool,
}

/// One configured sink of a job.
pub trait Sink: Send + Sync {
    /// What it promises when its source is replayable.
    fn guarantee(&self) -> Guarantee;

    /// One sentence that EXPLAIN adds: a known limit of the guarantee.
    fn guarantee_note(&self) -> Option<String> {
        None
    }

    /// Which changes it can take.
    fn accepts(&self) -> AcceptedChanges;

    /// The part that makes output visible; made once, before the writers.
    fn committer(&self, context: &WriterContext) -> Result<Box<dyn SinkCommitter>>;

    /// A writer for one worker.
    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>>;
}

/// Writes the rows of one worker.
pub trait SinkWriter: Send {
    /// Takes changes, consolidated within their epoch as far as the planner finds useful.
    fn write(&mut self, changes: &ChangeBatch) -> Result<()>;

    /// An epoch has ended; a sink without exactly-once output makes its rows visible here.
    fn flush_epoch(&mut self, _epoch: Epoch, _watermark: Watermark) -> Result<()> {
        Ok(())
    }

    /// Everything written so far belongs to `checkpoint`. Quick; the work that it returns runs on another thread.
    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared>;
}

/// Makes prepared output visible.
pub trait SinkCommitter: Send {
    /// Finishes `last` (the newest checkpoint that has a root file) if that has not happened yet, and removes what was
    /// prepared after it. Without a checkpoint everything that is prepared under this job is removed.
    fn recover(&mut self, last: Option<&Commit>) -> Result<()>;

    /// Makes the output of a checkpoint visible; idempotent.
    ///
    /// # Errors
    /// `Unavailable` and `Conflict` are tried again by the engine; anything else stops the job with what was committed intact.
    fn commit(&mut self, commit: &Commit) -> Result<()>;
}

/// A committer for sinks that have nothing to make visible.
pub struct NothingToCommit;

impl SinkCommitter for NothingToCommit {
    fn recover(&mut self, _last: Option<&Commit>) -> Result<()> {
        Ok(())
    }

    fn commit(&mut self, _commit: &Commit) -> Result<()> {
        Ok(())
    }
}
