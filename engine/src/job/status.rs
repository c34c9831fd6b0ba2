//! What a running job tells about itself.

use crate::Counters;
use crate::job::lifeline::lock;
use freshet_connector_api::Extent;
use freshet_state::JobCounters;
use freshet_types::{CheckpointId, Epoch, Watermark};
use std::collections::VecDeque;
use std::sync::Mutex;

/// Notices that are kept.
const NOTICES_KEPT: usize = 32;

/// Where in its life a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Sinks finish what the last checkpoint promised, sources look for their splits.
    Starting,
    /// Rows flow.
    Running,
    /// The last checkpoint is being made.
    Stopping,
    /// Every input has ended and everything is committed.
    Finished,
    /// It was stopped; what it read is committed, and it can go on from there.
    Stopped,
    /// It was aborted; it can go on from its last checkpoint.
    Aborted,
    /// It failed; what was committed is intact.
    Failed,
}

/// A checkpoint that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointStatus {
    /// Its number.
    pub id: CheckpointId,
    /// Its epoch.
    pub epoch: Epoch,
    /// When it was committed, in milliseconds since 1970-01-01 00:00 UTC.
    pub at_ms: i64,
    /// Bytes of all state files that it names.
    pub state_bytes: u64,
}

/// One source of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Name of its table.
    pub table: String,
    /// Whether it ends by itself.
    pub bounded: bool,
    /// How much there is to read, where that is known.
    pub extent: Option<Extent>,
    /// Records read in this run: rows, dead letters, and records that the table lets go.
    pub rows_in: u64,
    /// Bytes read in this run.
    pub bytes_in: u64,
    /// Records of this run that could not be decoded.
    pub dead_rows: u64,
    /// Its watermark; none when every split is idle or none is known.
    pub watermark: Option<Watermark>,
    /// Splits that are being read.
    pub splits_active: usize,
    /// Splits that have ended.
    pub splits_finished: usize,
}

/// One sink of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkStatus {
    /// Name of its table.
    pub table: String,
    /// Changes that it took in this run.
    pub rows_out: u64,
}

/// One operator of a job, over all workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorStatus {
    /// Name under which its state is kept.
    pub state_id: String,
    /// Kind of operator.
    pub name: &'static str,
    /// Its counters in this run.
    pub counters: Counters,
}

/// What a job says about itself at one moment.
#[derive(Debug, Clone)]
pub struct JobStatus {
    /// Name of the job.
    pub name: String,
    /// Its id: stable across restarts.
    pub job_id: String,
    /// Where in its life it is.
    pub phase: Phase,
    /// Number of workers.
    pub workers: usize,
    /// Counters of this run.
    pub run: JobCounters,
    /// Counters since the job's first start.
    pub total: JobCounters,
    /// Its sources, in the order of the graph.
    pub sources: Vec<SourceStatus>,
    /// Its sinks, in the order of the graph.
    pub sinks: Vec<SinkStatus>,
    /// Its operators, in the order of the graph.
    pub operators: Vec<OperatorStatus>,
    /// Lowest watermark of the sources that have one and are not idle; none when there is none.
    pub watermark: Option<Watermark>,
    /// Last epoch that is complete everywhere; none before the first.
    pub epoch: Option<Epoch>,
    /// Last checkpoint that is committed, in this run or before it.
    pub last_checkpoint: Option<CheckpointStatus>,
    /// Checkpoint that this run went on from.
    pub resumed_from: Option<CheckpointId>,
    /// Rows in operator state.
    pub state_rows: u64,
    /// Bytes in operator state, an estimate.
    pub state_bytes: u64,
    /// What was tried again, newest last.
    pub notices: Vec<String>,
    /// Whether every input has ended and everything is committed.
    pub finished: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

/// What a job says about itself at its end.
pub type JobReport = JobStatus;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SourceCounters {
    pub(crate) rows_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) dead_rows: u64,
    /// Records that gave no row because the table asks for that; they count as filtered.
    pub(crate) ignored_rows: u64,
    pub(crate) watermark: Option<Watermark>,
    pub(crate) splits_active: usize,
    pub(crate) splits_finished: usize,
}

/// What one worker has counted in this run.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorkerCounters {
    pub(crate) sources: Vec<SourceCounters>,
    /// By node; those that are no operators stay zero.
    pub(crate) operators: Vec<Counters>,
    pub(crate) sinks: Vec<u64>,
    pub(crate) epoch: Option<Epoch>,
}

impl WorkerCounters {
    pub(crate) fn new(sources: usize, nodes: usize, sinks: usize) -> Self {
        Self {
            sources: vec![SourceCounters::default(); sources],
            operators: vec![Counters::default(); nodes],
            sinks: vec![0; sinks],
            epoch: None,
        }
    }

    /// The sums that a checkpoint keeps. `sinks` tells which sinks count: the dead-letter table does not, its rows are
    /// counted as dead.
    pub(crate) fn sums(&self, sink_count: usize) -> JobCounters {
        JobCounters {
            rows_in: self.sources.iter().map(|s| s.rows_in).sum(),
            bytes_in: self.sources.iter().map(|s| s.bytes_in).sum(),
            dead_rows: self.sources.iter().map(|s| s.dead_rows).sum(),
            rows_out: self.sinks.iter().take(sink_count).sum(),
            filtered_rows: self.operators.iter().map(|o| o.filtered_rows).sum::<u64>()
                + self.sources.iter().map(|s| s.ignored_rows).sum::<u64>(),
            late_rows: self.operators.iter().map(|o| o.late_rows).sum(),
        }
    }
}

/// Where the threads of a job write down what a status is made of.
pub(crate) struct Board {
    pub(crate) workers: Vec<Mutex<WorkerCounters>>,
    pub(crate) phase: Mutex<Phase>,
    pub(crate) last_checkpoint: Mutex<Option<CheckpointStatus>>,
    notices: Mutex<VecDeque<String>>,
    /// By source, as soon as its splits are found.
    pub(crate) extents: Mutex<Vec<Option<Extent>>>,
}

impl Board {
    pub(crate) fn new(workers: usize, counters: &WorkerCounters, last_checkpoint: Option<CheckpointStatus>) -> Self {
        Self {
            workers: (0..workers).map(|_| Mutex::new(counters.clone())).collect(),
            phase: Mutex::new(Phase::Starting),
            last_checkpoint: Mutex::new(last_checkpoint),
            notices: Mutex::default(),
            extents: Mutex::default(),
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
    }

    /// Rows flow from now on, unless the job was asked to stop meanwhile.
    pub(crate) fn set_running(&self) {
        let mut phase = lock(&self.phase);
        if *phase == Phase::Starting {
            *phase = Phase::Running;
        }
    }

    /// Notes what a user may want to know: something is tried again.
    pub(crate) fn notice(&self, text: String) {
        tracing::warn!(notice = %text, "trying again");
        let mut notices = lock(&self.notices);
        if notices.back() != Some(&text) {
            notices.push_back(text);
        }
        if notices.len() > NOTICES_KEPT {
            notices.pop_front();
        }
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        lock(&self.notices).iter().cloned().collect()
    }
}
