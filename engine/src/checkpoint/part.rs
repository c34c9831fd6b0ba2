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
    /// Last watermark from data, by node.
    pub(crate) watermarks: Vec<(usize, Watermark)>,
    /// Counters by node, as they were at the end of the epoch.
    pub(crate) operators: Vec<(usize, Counters)>,
    /// Changes taken, by sink.
    pub(crate) rows_out: Vec<(usize, u64)>,
}

/// Where one source stood on one worker.
pub(crate) struct SourcePart {
    pub(crate) splits: Vec<SplitRoot>,
    /// Its watermark from data; none when there is none yet, or it is idle.
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
