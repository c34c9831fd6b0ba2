//! The order in which a run's threads begin and end.

use super::run::Run;
use crate::checkpoint::coordinator::Coordinator;
use crate::checkpoint::recover::recover_sinks;
use crate::host;
use crate::host::source::SourceSeat;
use crate::host::worker::WorkerSeat;
use crate::job::lifeline::{guarded, lock, panic_text};
use crate::source_driver::assign::{Assignment, assign};
use crate::source_driver::discover::{DiscoverySeat, discover};
use crate::source_driver::progress::SourceProgress;
use crate::source_driver::reader::{BATCHES_WAITING, ReaderSeat, ToReader, join_patiently};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use freshet_connector_api::{Boundedness, SplitId};
use freshet_types::{Error, Result, Watermark};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a reader that does not end is waited for.
const READER_PATIENCE: Duration = Duration::from_secs(5);

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
