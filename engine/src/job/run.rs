//! One run of a job: what its threads share.

use crate::checkpoint::kind::kinds;
use crate::epochs::{CheckpointRhythm, EpochClock};
use crate::host::plan::Plan;
use crate::job::EpochSpec;
use crate::job::lifeline::Lifeline;
use crate::job::status::Board;
use crate::{Graph, NodeKind, SourceNode};
use freshet_connector_api::WriterContext;
use freshet_state::{JobFolder, Root, SegmentRef};
use freshet_types::{CheckpointId, Clock, Epoch};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the threads of a run share.
pub(crate) struct Run {
    pub(crate) graph: Graph,
    pub(crate) plan: Plan,
    pub(crate) workers: usize,
    pub(crate) job_id: String,
    pub(crate) attempt: u64,
    pub(crate) folder: Option<JobFolder>,
    pub(crate) restored: Option<Root>,
    pub(crate) first_epoch: Epoch,
    pub(crate) epoch: EpochSpec,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) lifeline: Arc<Lifeline>,
    pub(crate) board: Arc<Board>,
    pub(crate) epochs: EpochClock,
    /// For each node whether all its rows are on worker 0.
    pub(crate) single: Vec<bool>,
    pub(crate) worker_state_bytes: Vec<AtomicU64>,
}

/// What a run is made of.
pub(crate) struct RunParts {
    pub(crate) graph: Graph,
    pub(crate) plan: Plan,
    pub(crate) workers: usize,
    pub(crate) job_id: String,
    pub(crate) attempt: u64,
    pub(crate) folder: Option<JobFolder>,
    pub(crate) restored: Option<Root>,
    pub(crate) checkpoint_interval: Option<Duration>,
    pub(crate) epoch: EpochSpec,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) lifeline: Arc<Lifeline>,
    pub(crate) board: Arc<Board>,
}

impl Run {
    pub(crate) fn new(parts: RunParts) -> Self {
        let first_epoch = parts.restored.as_ref().map_or(Epoch(1), |root| root.epoch.next());
        let next = parts.restored.as_ref().map_or(CheckpointId(1), |root| root.checkpoint.next());
        let rhythm = CheckpointRhythm { interval: parts.checkpoint_interval, next };
        let kinds = kinds(&saved_segments(&parts.graph, parts.restored.as_ref()));
        let epochs = EpochClock::new(first_epoch, parts.workers, parts.plan.clocks, rhythm, kinds);
        Self {
            single: parts.graph.single_nodes(),
            worker_state_bytes: (0..parts.workers).map(|_| AtomicU64::new(0)).collect(),
            graph: parts.graph,
            plan: parts.plan,
            workers: parts.workers,
            job_id: parts.job_id,
            attempt: parts.attempt,
            folder: parts.folder,
            restored: parts.restored,
            first_epoch,
            epoch: parts.epoch,
            clock: parts.clock,
            memory_limit: parts.memory_limit,
            lifeline: parts.lifeline,
            board: parts.board,
            epochs,
        }
    }

    /// The context of worker 0; that of others differs in the worker only.
    pub(crate) fn writer_context(&self) -> WriterContext {
        WriterContext { job_id: self.job_id.clone(), worker: 0, workers: self.workers, attempt: self.attempt }
    }

    /// Sinks that are tables: all but the dead letters, which come last.
    pub(crate) fn table_sinks(&self) -> usize {
        self.graph.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink { .. })).count()
    }

    /// State of each operator in the checkpoint that the run goes on from, by node.
    pub(crate) fn saved_segments(&self) -> Vec<Vec<SegmentRef>> {
        saved_segments(&self.graph, self.restored.as_ref())
    }

    /// Bytes of operator state on all workers.
    pub(crate) fn state_bytes(&self) -> u64 {
        self.worker_state_bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed)).sum()
    }

    /// A source by its number in the plan.
    pub(crate) fn source(&self, i: usize) -> &SourceNode {
        match &self.graph.node(self.plan.sources[i]).kind {
            NodeKind::Source(source) => source,
            _ => unreachable!("the plan lists sources"),
        }
    }
}

fn saved_segments(graph: &Graph, restored: Option<&Root>) -> Vec<Vec<SegmentRef>> {
    let saved = |state_id: &String| Some(restored?.operators.get(state_id)?.segments.clone());
    graph.nodes.iter().map(|node| saved(&node.state_id).unwrap_or_default()).collect()
}
