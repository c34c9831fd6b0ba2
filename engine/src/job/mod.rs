//! A job: what should run, how it is started, watched, stopped.

pub(crate) mod dead_letters;
pub(crate) mod lifeline;
pub(crate) mod run;
pub(crate) mod status;
mod supervise;

pub use dead_letters::dead_letter_fields;
pub use status::{CheckpointStatus, JobReport, JobStatus, OperatorStatus, Phase, SinkStatus, SourceStatus};

use crate::checkpoint::recover::{adopt, check_fits};
use crate::host::plan::Plan;
use crate::{Counters, Graph, Node, NodeKind};
use freshet_connector_api::{Boundedness, Sink};
use freshet_state::{JobCounters, JobFolder};
use freshet_types::{CheckpointId, Clock, Error, KEY_GROUP_COUNT, Result, SystemClock, failpoint};
use lifeline::{Lifeline, lock};
use run::{Run, RunParts};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use supervise::supervise;

/// When an epoch ends: whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochSpec {
    /// Rows that one worker takes into an epoch; a batch may overshoot it.
    pub max_rows: usize,
    /// Time since the first row.
    pub max_delay: Duration,
}

impl Default for EpochSpec {
    fn default() -> Self {
        Self { max_rows: 16_384, max_delay: Duration::from_millis(10) }
    }
}

/// What should run.
#[derive(Clone)]
pub struct JobSpec {
    /// Name: a job of the same name goes on where this one ends.
    pub name: String,
    /// The dataflow.
    pub graph: Graph,
    /// Number of worker threads.
    pub workers: usize,
    /// Folder that holds the folders of jobs; without one nothing survives the process.
    pub state_dir: Option<PathBuf>,
    /// Whether to forget what an earlier run has left.
    pub from_scratch: bool,
    /// Time between checkpoints; without one the only checkpoint is at the end.
    pub checkpoint_interval: Option<Duration>,
    /// When epochs end.
    pub epoch: EpochSpec,
    /// Takes records that cannot be decoded, as rows of [`dead_letter_fields`]; without one they are only counted.
    pub dead_letters: Option<Arc<dyn Sink>>,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Bytes of operator state at which the job fails rather than take the machine down; close to it, less is queued.
    pub memory_limit: Option<u64>,
}

impl JobSpec {
    /// A job on one worker that keeps nothing.
    pub fn new(name: impl Into<String>, graph: Graph) -> Self {
        Self {
            name: name.into(),
            graph,
            workers: 1,
            state_dir: None,
            from_scratch: false,
            checkpoint_interval: None,
            epoch: EpochSpec::default(),
            dead_letters: None,
            clock: Arc::new(SystemClock),
            memory_limit: None,
        }
    }
}

/// Starts a job. It goes on from its last checkpoint when there is one.
///
/// Returns once it is known that the saved state fits; recovery, and everything that needs an outside system, goes on
/// behind the handle.
///
/// # Errors
/// `graph.invalid`, `job.workers`, `state.locked`, `state.corrupt`, `job.changed`.
pub fn start(spec: JobSpec) -> Result<JobHandle> {
    failpoint::check()?;
    spec.graph.check()?;
    if spec.workers == 0 || spec.workers > KEY_GROUP_COUNT {
        return Err(Error::invalid("job.workers", format!("a job cannot have {} workers", spec.workers))
            .hint(format!("ask for 1 to {KEY_GROUP_COUNT} workers")));
    }
    // Random, so that no two jobs on different machines that write the same table are taken for one.
    let fresh_id = format!("{}-{:016x}", spec.name, RandomState::new().hash_one(spec.clock.now_ms()));
    let plan = Plan::new(&spec.graph, spec.workers, spec.dead_letters.clone());
    let (mut folder, mut restored) = (None, None);
    if let Some(parent) = &spec.state_dir {
        let mut opened = JobFolder::open(parent, &spec.name, &fresh_id)?;
        if spec.from_scratch {
            opened.start_over(&fresh_id)?;
        }
        restored = opened.latest()?;
        if let Some(root) = &mut restored {
            adopt(root, &spec.graph);
            check_fits(root, &spec.graph, &plan.sinks)?;
        }
        opened.collect()?;
        folder = Some(opened);
    }
    let job_id = folder.as_ref().map_or(fresh_id, |folder| folder.job_id().to_owned());
    // Without a folder nobody counts attempts; the time tells them apart.
    let attempt = folder.as_ref().map_or_else(|| spec.clock.now_ms().unsigned_abs(), JobFolder::attempt);
    let lifeline = Arc::new(Lifeline::default());
    let counters = status::WorkerCounters::new(plan.sources.len(), spec.graph.nodes.len(), plan.sinks.len());
    let last_checkpoint = restored.as_ref().map(|root| CheckpointStatus {
        id: root.checkpoint,
        epoch: root.epoch,
        at_ms: root.created_ms,
        state_bytes: root.segments().map(|s| s.bytes).sum(),
    });
    let board = Arc::new(status::Board::new(spec.workers, &counters, last_checkpoint));
    let watch = Watch {
        name: spec.name.clone(),
        job_id: job_id.clone(),
        parts: spec.graph.nodes.iter().map(WatchedPart::of).collect(),
        before: restored.as_ref().map(|root| root.counters).unwrap_or_default(),
        resumed_from: restored.as_ref().map(|root| root.checkpoint),
        lifeline: Arc::clone(&lifeline),
        board: Arc::clone(&board),
        ended: Mutex::new(false),
        ending: Condvar::new(),
    };
    let watch = Arc::new(watch);
    let run = Run::new(RunParts {
        graph: spec.graph,
        plan,
        workers: spec.workers,
        job_id,
        attempt,
        folder,
        restored,
        checkpoint_interval: spec.checkpoint_interval,
        epoch: spec.epoch,
        clock: spec.clock,
        memory_limit: spec.memory_limit,
        lifeline,
        board,
    });
    let supervised = Arc::clone(&watch);
    let thread = std::thread::Builder::new().name("job".to_owned()).spawn(move || {
        let run = Arc::new(run);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| supervise(&run)));
        if let Err(panic) = outcome {
            let text = format!("the job's own thread panicked: {}", lifeline::panic_text(&*panic));
            supervised.lifeline.fail(Error::internal("job.panic", text));
        }
        let finished = run.epochs.finished();
        // Gives the folder back before anybody learns that the job has ended.
        drop(run);
        supervised.end(finished);
    });
    thread.map_err(|e| Error::exhausted("job.threads", "a thread cannot be started").because(e))?;
    Ok(JobHandle { watch })
}

/// A running job. Dropping the handle does not end the job.
#[derive(Clone)]
pub struct JobHandle {
    watch: Arc<Watch>,
}

/// What a status names of a node.
enum WatchedPart {
    Source(String, bool),
    Sink(String),
    Operator(String, &'static str),
    Other,
}

impl WatchedPart {
    fn of(node: &Node) -> Self {
        match &node.kind {
            NodeKind::Source(source) => {
                WatchedPart::Source(source.table.clone(), source.source.boundedness() == Boundedness::Bounded)
            }
            NodeKind::Sink { table, .. } => WatchedPart::Sink(table.clone()),
            NodeKind::Operator(factory) => WatchedPart::Operator(node.state_id.clone(), factory.name()),
            NodeKind::Values(_) | NodeKind::Union => WatchedPart::Other,
        }
    }
}

/// What a handle needs of a job. It outlives the run, so it holds none of its sources and sinks.
struct Watch {
    name: String,
    job_id: String,
    /// By node.
    parts: Vec<WatchedPart>,
    before: JobCounters,
    resumed_from: Option<CheckpointId>,
    lifeline: Arc<Lifeline>,
    board: Arc<status::Board>,
    ended: Mutex<bool>,
    ending: Condvar,
}

impl JobHandle {
    /// What the job says about itself now.
    pub fn status(&self) -> JobStatus {
        self.watch.status()
    }

    /// Asks the job to take a last checkpoint and to end. Returns at once; [`JobHandle::wait`] waits for it.
    pub fn stop(&self) {
        let mut phase = lock(&self.watch.board.phase);
        if *phase == Phase::Running || *phase == Phase::Starting {
            *phase = Phase::Stopping;
        }
        drop(phase);
        self.watch.lifeline.ask_to_stop();
    }

    /// Ends the job at once: it can go on from its last checkpoint. Returns at once.
    pub fn abort(&self) {
        self.watch.lifeline.halt();
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// What made the job fail. A job that was stopped or aborted has not failed: its report says which.
    pub fn wait(&self) -> Result<JobReport> {
        let mut ended = lock(&self.watch.ended);
        while !*ended {
            ended = self.watch.ending.wait(ended).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        drop(ended);
        self.watch.lifeline.take_failure().map_or_else(|| Ok(self.status()), Err)
    }

    /// Waits for the end, at most so long. None when the job still runs.
    pub fn wait_timeout(&self, time: Duration) -> Option<Result<JobReport>> {
        let ended = lock(&self.watch.ended);
        let waited = self.watch.ending.wait_timeout_while(ended, time, |ended| !*ended);
        let (ended, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_over = *ended;
        drop(ended);
        is_over.then(|| self.wait())
    }
}

impl Watch {
    fn end(&self, finished: bool) {
        let failed = self.lifeline.failure().is_some();
        self.board.set_phase(match (failed, self.lifeline.halted(), finished) {
            (true, _, _) => Phase::Failed,
            (false, true, _) => Phase::Aborted,
            (false, false, true) => Phase::Finished,
            (false, false, false) => Phase::Stopped,
        });
        *lock(&self.ended) = true;
        self.ending.notify_all();
    }

    fn status(&self) -> JobStatus {
        let workers: Vec<_> = self.board.workers.iter().map(|worker| lock(worker).clone()).collect();
        let table_sinks = self.parts.iter().filter(|part| matches!(part, WatchedPart::Sink(_))).count();
        let run = workers.iter().fold(JobCounters::default(), |sum, w| sum.plus(w.sums(table_sinks)));
        let extents = lock(&self.board.extents).clone();
        let (mut sources, mut sinks, mut operators) = (Vec::new(), Vec::new(), Vec::new());
        for (i, part) in self.parts.iter().enumerate() {
            match part {
                WatchedPart::Source(table, bounded) => {
                    let all = || workers.iter().map(|w| w.sources[sources.len()]);
                    let status = SourceStatus {
                        table: table.clone(),
                        bounded: *bounded,
                        extent: extents.get(sources.len()).copied().flatten(),
                        rows_in: all().map(|s| s.rows_in).sum(),
                        bytes_in: all().map(|s| s.bytes_in).sum(),
                        dead_rows: all().map(|s| s.dead_rows).sum(),
                        watermark: all().filter_map(|s| s.watermark).min(),
                        splits_active: all().map(|s| s.splits_active).sum(),
                        splits_finished: all().map(|s| s.splits_finished).sum(),
                    };
                    sources.push(status);
                }
                WatchedPart::Sink(table) => {
                    let rows_out = workers.iter().map(|w| w.sinks[sinks.len()]).sum();
                    sinks.push(SinkStatus { table: table.clone(), rows_out });
                }
                WatchedPart::Operator(state_id, name) => {
                    let counters = workers.iter().fold(Counters::default(), |sum, w| {
                        let own = w.operators[i];
                        Counters {
                            late_rows: sum.late_rows + own.late_rows,
                            filtered_rows: sum.filtered_rows + own.filtered_rows,
                            state_rows: sum.state_rows + own.state_rows,
                            state_bytes: sum.state_bytes + own.state_bytes,
                        }
                    });
                    operators.push(OperatorStatus { state_id: state_id.clone(), name, counters });
                }
                WatchedPart::Other => {}
            }
        }
        let phase = *lock(&self.board.phase);
        JobStatus {
            name: self.name.clone(),
            job_id: self.job_id.clone(),
            phase,
            workers: workers.len(),
            run,
            total: self.before.plus(run),
            watermark: sources.iter().filter_map(|s| s.watermark).min(),
            epoch: workers.iter().map(|w| w.epoch).min().flatten(),
            last_checkpoint: *lock(&self.board.last_checkpoint),
            resumed_from: self.resumed_from,
            state_rows: operators.iter().map(|o| o.counters.state_rows).sum(),
            state_bytes: operators.iter().map(|o| o.counters.state_bytes).sum(),
            sources,
            sinks,
            operators,
            notices: self.board.notices(),
            finished: phase == Phase::Finished,
            failure: self.lifeline.failure().map(|e| e.to_string()),
        }
    }
}
