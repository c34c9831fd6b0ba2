//! What an operator is: synchronous, vectorised, one instance per worker; no threads, no async, no clock, no I/O.
//!
//! # Contract
//! - Changes of an epoch arrive before its `on_epoch`, in any order between inputs and workers; epochs come in growing order (EP-1).
//! - What an operator emits during `on_changes` or `on_epoch` of epoch `e` belongs to `e`.
//! - After `on_epoch(e)` the sum of all that was emitted is exactly the operator's answer over all input up to `e`
//!   (for operators that wait for a watermark: over all windows that it has closed).
//! - `freeze` is called right after `on_epoch` of a checkpoint's epoch, before any later change.

use arrow::array::RecordBatch;
use freshet_types::{ChangeBatch, Epoch, KeyGroup, Result, Watermark};
use std::fmt::Debug;
use std::ops::Range;

/// Where an operator puts its changes.
pub trait Output {
    /// Passes changes on. Batches without rows are dropped by the receiver.
    fn emit(&mut self, changes: ChangeBatch);
}

impl Output for Vec<ChangeBatch> {
    fn emit(&mut self, changes: ChangeBatch) {
        if !changes.is_empty() {
            self.push(changes);
        }
    }
}

/// The end of an epoch: every change of it has been delivered, from every worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// Which epoch.
    pub epoch: Epoch,
    /// Lowest watermark of all inputs and workers at its end; never goes back (EP-2).
    pub watermark: Watermark,
    /// Processing time at which the epoch was closed, in milliseconds; the same on every worker.
    pub now_ms: i64,
}

/// Counters that a user can read; each grows only, but `state_rows` and `state_bytes`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rows dropped because their window was closed already.
    pub late_rows: u64,
    /// Rows that a predicate took out.
    pub filtered_rows: u64,
    /// Rows held in state now.
    pub state_rows: u64,
    /// Bytes held in state now, an estimate.
    pub state_bytes: u64,
}

/// Whether a segment replaces what was saved before, or adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// The whole state; earlier segments are forgotten.
    Base,
    /// What changed since the last freeze.
    Delta,
}

/// A copy of the dirty state, made quickly, written on another thread.
pub trait Frozen: Send {
    /// Writes segments: per key group and table, in an order that `restore` understands.
    fn write(self: Box<Self>, writer: &mut dyn StateWriter) -> Result<()>;
}

/// Takes state.
pub trait StateWriter {
    /// Appends rows of one key group to the operator's table named `table`. Batches of one table share a schema.
    fn write(&mut self, table: &str, group: KeyGroup, rows: &RecordBatch) -> Result<()>;
}

/// Gives state back, oldest segment first; within a segment in the order it was written; own key groups only.
pub trait StateReader {
    /// The next rows: kind of their segment, table, key group. A [`SegmentKind::Base`] is only ever the first segment.
    fn next(&mut self) -> Result<Option<(SegmentKind, String, KeyGroup, RecordBatch)>>;
}

/// Operator without threads, async, clock or I/O; one instance per worker.
pub trait Operator: Send {
    /// Takes changes of input `input` and emits what can be said at once.
    fn on_changes(&mut self, input: usize, changes: ChangeBatch, out: &mut dyn Output) -> Result<()>;

    /// The epoch has ended: emits what had to wait for it.
    fn on_epoch(&mut self, _end: &EpochEnd, _out: &mut dyn Output) -> Result<()> {
        Ok(())
    }

    /// Copies the state that changed since the last freeze (or all of it, for [`SegmentKind::Base`]). None when stateless,
    /// or when nothing changed since the last freeze.
    fn freeze(&mut self, _kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        Ok(None)
    }

    /// Takes state back, before the first change; `reader` holds this worker's key groups only.
    fn restore(&mut self, _reader: &mut dyn StateReader) -> Result<()> {
        Ok(())
    }

    /// Counters so far.
    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// Who an operator instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorContext {
    /// Which worker it runs on.
    pub worker: usize,
    /// Number of workers.
    pub workers: usize,
    /// Key groups that this worker owns.
    pub key_groups: Range<usize>,
    /// Last watermark from data that the operator had seen when the state was saved that it will be given; none at a
    /// first start. What was closed before a restart stays closed.
    pub watermark: Watermark,
}

impl OperatorContext {
    /// The context of `worker` among `workers`, at a first start.
    pub fn new(worker: usize, workers: usize) -> Self {
        let key_groups = freshet_types::key::key_groups_of(worker, workers);
        Self { worker, workers, key_groups, watermark: Watermark::MIN }
    }
}

/// Makes one instance of an operator per worker; part of the graph.
pub trait OperatorFactory: Debug + Send + Sync {
    /// Name for EXPLAIN and metrics, such as `window_aggregate`.
    fn name(&self) -> &'static str;

    /// One line for EXPLAIN: keys, aggregates, conditions.
    fn describe(&self) -> String;

    /// What decides whether saved state still fits: types of keys and of what is kept, not names or literals that do not
    /// change the meaning of the state. None when stateless.
    fn state_fingerprint(&self) -> Option<String> {
        None
    }

    /// Whether the end of the input leaves nothing in its state. What was saved before is then forgotten, although the
    /// operator's watermark goes on from the last one that came from data.
    fn is_emptied_by_the_end(&self) -> bool {
        false
    }

    /// An instance for one worker.
    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>>;
}
