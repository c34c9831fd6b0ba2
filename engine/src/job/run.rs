//! One run of a job: what its threads share, and the order in which they begin and end.

use crate::checkpoint::coordinator::{Coordinator, kinds, recover_sinks};
use crate::epochs::{CheckpointRhythm, EpochClock};
use crate::host;
use crate::host::plan::Plan;
use crate::host::source::SourceSeat;
use crate::host::worker::WorkerSeat;
use crate::job::EpochSpec;
use crate::job::lifeline::{Lifeline, guarded, lock, panic_text};
use crate::job::status::Board;
use crate::source_driver::assign::{Assignment, assign};
use crate::source_driver::discover::{DiscoverySeat, discover};
use crate::source_driver::progress::SourceProgress;
use crate::source_driver::reader::{BATCHES_WAITING, ReaderSeat, ToReader, join_patiently};
use crate::{Graph, NodeKind, SourceNode};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use freshet_connector_api::{Boundedness, SplitId, WriterContext};
use freshet_state::{JobFolder, Root, SegmentRef};
use freshet_types::{CheckpointId, Clock, Epoch, Error, Result, Watermark};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a reader that does not end is waited for.
const READER_PATIENCE: Duration = Duration::from_secs(5);

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

    fn source(&self, i: usize) -> &SourceNode {
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

/// Runs a job from recovery to its end; errors are left with its lifeline.
pub(crate) fn supervise(run: &Arc<Run>) {
    if let Err(error) = supervised(run) {
        run.lifeline.fail(error);
    }
}

fn supervised(run: &Arc<Run>) -> Result<()> {
    let Some(committers) = recover_sinks(run)? else { return Ok(()) };
    let Some(assignments) = find_splits(run)? else { return Ok(()) };
    let mut threads = Threads::default();
    let (part_sender, parts) = unbounded();
    let mut seats: Vec<WorkerSeat> =
        (0..run.workers).map(|_| WorkerSeat { sources: Vec::new(), parts: part_sender.clone() }).collect();
    drop(part_sender);
    let (mut orders, mut retired) = (Vec::new(), Vec::new());
    for (i, assignment) in assignments.into_iter().enumerate() {
        retired.push(assignment.retired.clone());
        orders.push(seat_source(run, i, assignment, &mut seats, &mut threads)?);
    }
    let coordinator = Coordinator::new(Arc::clone(run), parts, committers, orders, retired);
    let watched = Arc::clone(run);
    let coordinator = spawn("checkpoints", move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| coordinator.run()));
        if let Err(panic) = outcome {
            // Workers that wait for the checkpoint must hear of it.
            let text = format!("the checkpoint thread panicked: {}", panic_text(&*panic));
            watched.lifeline.fail(Error::internal("job.panic", text));
        }
    })?;
    run.board.set_running();
    let outcome = host::run(run, seats);
    if let Err(error) = outcome {
        run.lifeline.fail(error);
    }
    // The workers have dropped their ends of the channel: the coordinator completes what it has and ends. It holds the
    // last orders for the readers, which then end too.
    let _ = coordinator.join();
    // Whatever still waits for its turn, such as the next look for splits, is no longer needed.
    if !run.lifeline.halted() {
        run.lifeline.ask_to_stop();
    }
    threads.join();
    Ok(())
}

/// Splits of every source, given to workers; none when the job ended before all were found.
fn find_splits(run: &Run) -> Result<Option<Vec<Assignment>>> {
    let mut assignments = Vec::new();
    for i in 0..run.plan.sources.len() {
        let source = run.source(i);
        let restored = run.restored.as_ref().and_then(|root| root.sources.get(&source.table));
        if let Some(restored) = restored {
            let splits: Vec<SplitId> = restored.splits.iter().map(|split| split.id.as_str().into()).collect();
            guarded("source", &source.table, || {
                source.source.resume(&splits);
                Ok(())
            })?;
        }
        let Some(found) = discover(&*source.source, &source.table, &run.lifeline, &run.board)? else {
            return Ok(None);
        };
        let extent = guarded("source", &source.table, || Ok(source.source.extent()))?;
        lock(&run.board.extents).push(extent);
        let had_finished = run.restored.as_ref().is_some_and(|root| root.finished);
        assignments.push(assign(found, restored, source.source.boundedness(), had_finished, run.workers));
    }
    Ok(Some(assignments))
}

/// Starts the reader threads of a source and the thread that looks for its splits. Gives the readers' orders.
fn seat_source(
    run: &Arc<Run>,
    i: usize,
    assignment: Assignment,
    seats: &mut [WorkerSeat],
    threads: &mut Threads,
) -> Result<Vec<Sender<ToReader>>> {
    let node = run.source(i);
    let boundedness = guarded("source", &node.table, || Ok(node.source.boundedness()))?;
    let interval = match boundedness {
        Boundedness::Bounded => None,
        Boundedness::Unbounded => node.source.discovery_interval(),
    };
    let loads: Arc<Vec<AtomicUsize>> =
        Arc::new(assignment.workers.iter().map(|splits| AtomicUsize::new(splits.len())).collect());
    let floor = run.restored.as_ref().and_then(|root| root.sources.get(&node.table)?.watermark_ms).map(Watermark);
    let known = assignment
        .workers
        .iter()
        .flatten()
        .map(|split| Arc::clone(&split.split.id))
        .chain(assignment.retired.iter().map(|split| split.id.as_str().into()))
        .collect();
    let (mut all_orders, mut assigned_senders) = (Vec::new(), Vec::new());
    for (worker, splits) in assignment.workers.into_iter().enumerate() {
        let (order_sender, orders) = unbounded();
        let (batch_sender, batches) = bounded(BATCHES_WAITING);
        let (assigned_sender, assigned) = unbounded();
        for split in splits {
            assigned_sender.send(split).expect("the receiver is in scope");
        }
        let reader = ReaderSeat {
            source: Arc::clone(&node.source),
            table: node.table.clone(),
            projection: node.projection.clone(),
            worker,
            rows_max: run.epoch.max_rows,
            orders,
            batches: batch_sender,
            lifeline: Arc::clone(&run.lifeline),
            board: Arc::clone(&run.board),
        };
        threads.spawn(&format!("read {}", node.table), move || reader.run())?;
        seats[worker].sources.push(SourceSeat {
            progress: SourceProgress::new(
                node.table.clone(),
                boundedness,
                node.watermark.is_some(),
                node.watermark.as_ref().and_then(|spec| spec.idle_timeout),
                floor,
            ),
            batches,
            assigned,
            orders: order_sender.clone(),
            loads: Arc::clone(&loads),
            more_may_come: interval.is_some(),
        });
        all_orders.push(order_sender);
        assigned_senders.push(assigned_sender);
    }
    if let Some(interval) = interval {
        let discovery = DiscoverySeat {
            source: Arc::clone(&node.source),
            table: node.table.clone(),
            interval,
            known,
            workers: assigned_senders,
            loads,
            lifeline: Arc::clone(&run.lifeline),
            board: Arc::clone(&run.board),
        };
        threads.spawn(&format!("find {}", node.table), move || discovery.run())?;
    }
    Ok(all_orders)
}

/// Threads that call sources. They are waited for, but not for ever: a source may hang in an outside system.
#[derive(Default)]
struct Threads(Vec<(JoinHandle<()>, Receiver<()>)>);

impl Threads {
    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let (ending, ended) = bounded::<()>(0);
        let thread = spawn(name, move || {
            let _ending = ending;
            work();
        })?;
        self.0.push((thread, ended));
        Ok(())
    }

    fn join(self) {
        for (thread, ended) in self.0 {
            join_patiently(thread, &ended, READER_PATIENCE);
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    // Linux shows fifteen bytes of a thread's name.
    std::thread::Builder::new().name(name.chars().take(15).collect()).spawn(work).map_err(|e| {
        Error::exhausted("job.threads", "a thread cannot be started")
            .because(e)
            .hint("raise the limit of threads (ulimit -u)")
    })
}
