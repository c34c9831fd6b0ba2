//! What one worker hands over for a checkpoint.

use crate::epochs::EpochInfo;
use crate::{Counters, Frozen, SegmentKind};
use freshet_connector_api::Prepared;
use freshet_state::{JobCounters, SplitRoot};
use freshet_types::Watermark;
use std::sync::Arc;

/// Filled by the fragments of a worker at the end of a checkpoint's epoch.
#[derive(Default)]
pub(crate) struct PartBuilder {
    /// State by node.
    pub(crate) frozen: Vec<(usize, SegmentKind, Box<dyn Frozen>)>,
    /// Output by sink.
    pub(crate) prepared: Vec<(usize, Prepared)>,
    /// How far time had come, by node.
    pub(crate) times: Vec<(usize, OperatorTime)>,
    /// Counters by node, as they were at the end of the epoch.
    pub(crate) operators: Vec<(usize, Counters)>,
    /// Changes taken, by sink.
    pub(crate) rows_out: Vec<(usize, u64)>,
}

/// How far time had come for an operator on one worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperatorTime {
    /// Last watermark from data.
    pub(crate) watermark: Watermark,
    /// Whether it has seen the end of its input.
    pub(crate) ended: bool,
}

/// Where one source stood on one worker.
pub(crate) struct SourcePart {
    pub(crate) splits: Vec<SplitRoot>,
    /// Its watermark from data, the lowest of all while a split has yet to begin; none when the worker holds nobody back
    /// and never did.
    pub(crate) watermark: Option<Watermark>,
}

/// The whole part.
pub(crate) struct WorkerPart {
    pub(crate) worker: usize,
    pub(crate) info: Arc<EpochInfo>,
    pub(crate) built: PartBuilder,
    /// By source.
    pub(crate) sources: Vec<SourcePart>,
    /// Counters of this run.
    pub(crate) counters: JobCounters,
}
