//! The main loop of a worker: takes rows from its readers, ends epochs with the others, steps the dataflow, hands over
//! its part of each checkpoint.

use super::flow::{self, Gate, Local};
use super::fragment::Fragment;
use super::parcel::Mark;
use super::plan::{FeedKind, StagePlan};
use super::source::{SourceFeed, SourceSeat};
use super::stage::{OperatorStage, SinkStage, Stage};
use crate::check::checked;
use crate::checkpoint::part::{PartBuilder, SourcePart, WorkerPart};
use crate::checkpoint::recover::restore_operator;
use crate::epochs::EpochInfo;
use crate::job::dead_letters;
use crate::job::lifeline::{guarded, lock};
use crate::job::run::Run;
use crate::job::status::{SourceCounters, WorkerCounters};
use crate::source_driver::progress::Standing;
use crate::{NodeKind, OperatorContext};
use crossbeam_channel::Sender;
use freshet_connector_api::WriterContext;
use freshet_types::{ChangeBatch, Epoch, Error, KEY_GROUP_COUNT, Result, Watermark};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use timely::dataflow::ProbeHandle;

/// Epochs that may be closed but not complete.
const IN_FLIGHT: u64 = 2;

/// How long a worker sleeps when nobody wakes it.
const NAP: Duration = Duration::from_millis(500);

/// An epoch ends at least this often, so that sinks and operators learn how late it is.
const TICK: Duration = Duration::from_secs(1);

/// What a worker is given.
pub(crate) struct WorkerSeat {
    /// By source.
    pub(crate) sources: Vec<SourceSeat>,
    pub(crate) parts: Sender<WorkerPart>,
}

/// A way into the dataflow with what comes through it.
struct Feed {
    kind: Content,
    clock: Option<usize>,
    gates: Vec<Gate>,
}

enum Content {
    Source(Box<SourceFeed>),
    Values,
    DeadLetters,
}

pub(crate) fn run(worker: &mut timely::worker::Worker, run: &Arc<Run>, seat: WorkerSeat) -> Result<()> {
    run.lifeline.register_worker(worker.index());
    let fragments = fragments(run, worker.index())?;
    let counters = WorkerCounters::new(run.plan.sources.len(), run.graph.nodes.len(), run.plan.sinks.len());
    let local = Rc::new(RefCell::new(Local { counters, part: PartBuilder::default() }));
    let probe = ProbeHandle::new();
    let gates = flow::build(worker, &run.plan, fragments, &probe, &run.lifeline, &local);
    let mut main = Main {
        run,
        index: worker.index(),
        feeds: Vec::new(),
        local,
        parts: seat.parts,
        epoch: run.first_epoch.0,
        complete: run.first_epoch.0,
        rows: 0,
        first_input: None,
        checkpoint: None,
        last_end: Instant::now(),
        over: false,
    };
    main.connect(gates, seat.sources)?;
    main.work(worker, &probe)
}

/// The fragments of one worker, with their state restored.
fn fragments(run: &Run, worker: usize) -> Result<Vec<Fragment>> {
    let mut fragments = Vec::new();
    for plan in &run.plan.fragments {
        let mut stages = Vec::new();
        let mut floor = Watermark::MIN;
        for stage in &plan.stages {
            match stage {
                StagePlan::Sink(sink) => stages.push(Stage::Sink(sink_stage(run, worker, *sink)?)),
                StagePlan::Node(id) => {
                    let node = run.graph.node(*id);
                    floor = floor.max(run.saved_watermark(id.0).unwrap_or(Watermark::MIN));
                    stages.push(match &node.kind {
                        NodeKind::Operator(_) => Stage::Operator(operator_stage(run, worker, id.0)?),
                        _ => Stage::Union,
                    });
                }
            }
        }
        let exchanged = plan.inputs.iter().map(|port| run.plan.ports[*port].exchanges()).collect();
        fragments.push(Fragment::new(exchanged, run.workers, stages, floor));
    }
    Ok(fragments)
}

fn operator_stage(run: &Run, worker: usize, id: usize) -> Result<OperatorStage> {
    let node = &run.graph.nodes[id];
    let NodeKind::Operator(factory) = &node.kind else { unreachable!("the caller has looked") };
    let mut context = OperatorContext::new(worker, run.workers);
    context.key_groups = run.key_groups(id, worker);
    context.watermark = run.saved_watermark(id).unwrap_or(Watermark::MIN);
    let keeps_state = factory.state_fingerprint().is_some();
    let mut operator = guarded("operator", &node.state_id, || factory.create(&context))?;
    if cfg!(debug_assertions) {
        let inputs: Vec<_> = node.inputs.iter().map(|input| run.graph.node(input.from)).collect();
        operator = checked(operator, node, &inputs);
    }
    if keeps_state {
        restore_operator(run, id, worker, &mut *operator)?;
    }
    Ok(OperatorStage {
        node: id,
        state_id: node.state_id.clone(),
        operator,
        append_only: node.append_only,
        keeps_state: keeps_state && run.folder.is_some(),
    })
}

fn sink_stage(run: &Run, worker: usize, sink: usize) -> Result<SinkStage> {
    let plan = &run.plan.sinks[sink];
    let context = WriterContext { worker, ..run.writer_context() };
    let writer = guarded("sink", &plan.table, || plan.sink.writer(&context))?;
    Ok(SinkStage {
        sink,
        table: plan.table.clone(),
        writer,
        append_only: plan.append_only,
        lag_ms: plan.lag_ms,
        rows_out: 0,
        waiting: Vec::new(),
    })
}

struct Main<'a> {
    run: &'a Run,
    index: usize,
    feeds: Vec<Feed>,
    local: Rc<RefCell<Local>>,
    parts: Sender<WorkerPart>,
    /// The epoch that is open on this worker.
    epoch: u64,
    /// Every epoch before this one is complete on every worker.
    complete: u64,
    /// Rows taken into the open epoch.
    rows: usize,
    /// When the open epoch got something to tell.
    first_input: Option<Instant>,
    /// The checkpoint that is not complete yet.
    checkpoint: Option<SourcesAt>,
    /// When this worker ended its last epoch.
    last_end: Instant,
    over: bool,
}

/// Where the sources of a worker stood at the end of a checkpoint's epoch.
struct SourcesAt {
    info: Arc<EpochInfo>,
    parts: Vec<SourcePart>,
    counters: Vec<SourceCounters>,
}

impl Main<'_> {
    fn connect(&mut self, gates: Vec<Vec<Gate>>, seats: Vec<SourceSeat>) -> Result<()> {
        let mut seats: Vec<Option<SourceSeat>> = seats.into_iter().map(Some).collect();
        let now_ms = self.run.clock.now_ms();
        for (plan, mut gates) in self.run.plan.feeds.iter().zip(gates) {
            for gate in &mut gates {
                gate.advance_to(self.epoch);
            }
            let kind = match plan.kind {
                FeedKind::DeadLetters => Content::DeadLetters,
                FeedKind::Source(source) => {
                    let node = self.run.graph.node(self.run.plan.sources[source]);
                    let NodeKind::Source(spec) = &node.kind else { unreachable!("the plan lists sources") };
                    let seat = seats[source].take().expect("each source has one seat");
                    let mut feed = SourceFeed::new(spec.clone(), Arc::clone(&node.schema), self.index, seat);
                    feed.take_assignments(now_ms);
                    Content::Source(Box::new(feed))
                }
                FeedKind::Values(id) => {
                    let node = self.run.graph.node(id);
                    let NodeKind::Values(batches) = &node.kind else { unreachable!("the plan lists values") };
                    // They belong to the first epoch of the first run that knows them.
                    let were_given =
                        self.run.restored.as_ref().is_some_and(|root| root.operators.contains_key(&node.state_id));
                    if self.index == 0 && !were_given {
                        for batch in batches {
                            send(&mut gates, ChangeBatch::inserts(batch.clone()))?;
                            self.rows += batch.num_rows();
                        }
                    }
                    let clock = plan.clock.expect("values have a clock");
                    self.run.epochs.source_ended(clock);
                    Content::Values
                }
            };
            self.feeds.push(Feed { kind, clock: plan.clock, gates });
        }
        if self.rows > 0 {
            self.touch();
        }
        Ok(())
    }

    fn work(&mut self, worker: &mut timely::worker::Worker, probe: &ProbeHandle<u64>) -> Result<()> {
        let run = self.run;
        while !run.lifeline.halted() {
            self.follow_clock();
            self.complete = probe.with_frontier(|f| f.first().copied()).unwrap_or(u64::MAX).max(self.complete);
            self.hand_over()?;
            if self.over {
                if probe.done() {
                    return Ok(());
                }
                worker.step_or_park(Some(NAP));
                continue;
            }
            let busy = self.take_input()?;
            let nap = if self.wants_end() && self.in_flight() < self.in_flight_max() {
                // Closed now, or (at the end of the job) as soon as the checkpoint under way is committed.
                let closed = run.epochs.close(self.epoch, run.clock.now_ms(), run.lifeline.stop_asked());
                if closed { Duration::ZERO } else { NAP }
            } else {
                self.until_something()
            };
            if busy || nap.is_zero() {
                self.follow_clock();
                worker.step();
            } else {
                worker.step_or_park(Some(nap));
            }
        }
        Ok(())
    }

    fn in_flight(&self) -> u64 {
        self.epoch.saturating_sub(self.complete)
    }

    /// Fewer when memory is short: nothing is queued then that could wait outside.
    fn in_flight_max(&self) -> u64 {
        match self.run.memory_limit {
            Some(limit) if self.run.state_bytes() > limit / 5 * 4 => 1,
            _ => IN_FLIGHT,
        }
    }

    /// Ends, on this worker, the epochs that are closed.
    fn follow_clock(&mut self) {
        while !self.over && self.epoch < self.run.epochs.open() {
            let info = self.run.epochs.info(self.epoch);
            for feed in &mut self.feeds {
                let ended = feed.clock.map(|clock| info.ended[clock]);
                let (watermark, standing) = match (&mut feed.kind, ended) {
                    (Content::Source(source), Some(ended)) => {
                        let told = source.tell(ended);
                        (told.watermark, told.standing)
                    }
                    (_, Some(true)) => (Watermark::MAX, Standing::Active),
                    (_, None) if info.last => (Watermark::MAX, Standing::Active),
                    _ => (Watermark::MIN, Standing::Active),
                };
                let mark = Mark { from: self.index, watermark, standing, end: Arc::clone(&info) };
                for gate in &mut feed.gates {
                    gate.mark(&mark);
                    gate.advance_to(self.epoch + 1);
                }
            }
            if info.checkpoint.is_some() {
                let source = |feed: &Feed| match &feed.kind {
                    Content::Source(source) => Some((
                        SourcePart { splits: source.positions(), watermark: source.saved_watermark() },
                        source.counters(),
                    )),
                    _ => None,
                };
                let (parts, counters) = self.feeds.iter().filter_map(source).unzip();
                self.checkpoint = Some(SourcesAt { info: Arc::clone(&info), parts, counters });
            }
            self.publish_source_counters();
            self.epoch += 1;
            self.rows = 0;
            self.first_input = None;
            self.last_end = Instant::now();
            if info.over() {
                self.over = true;
                self.feeds.clear();
            }
        }
    }

    fn publish_source_counters(&self) {
        let mut local = self.local.borrow_mut();
        let sources = self.feeds.iter().filter_map(|feed| match &feed.kind {
            Content::Source(source) => Some(source.counters()),
            _ => None,
        });
        for (slot, counters) in local.counters.sources.iter_mut().zip(sources) {
            *slot = counters;
        }
    }

    /// After an epoch has become complete: tells the board, checks memory, hands over the part of a checkpoint.
    fn hand_over(&mut self) -> Result<()> {
        let epoch = Epoch(self.complete.min(self.epoch).wrapping_sub(1));
        let mut local = self.local.borrow_mut();
        if self.complete.min(self.epoch) == self.run.first_epoch.0 || local.counters.epoch == Some(epoch) {
            return Ok(());
        }
        local.counters.epoch = Some(epoch);
        lock(&self.run.board.workers[self.index]).clone_from(&local.counters);
        let bytes = local.counters.operators.iter().map(|o| o.state_bytes).sum();
        self.run.worker_state_bytes[self.index].store(bytes, Ordering::Relaxed);
        if let Some(limit) = self.run.memory_limit {
            let bytes = self.run.state_bytes();
            if bytes > limit {
                return Err(Error::exhausted(
                    "job.memory",
                    format!("operator state takes {bytes} bytes, the limit is {limit}"),
                )
                .hint("raise --memory, or keep less: a shorter window, a state retention, fewer keys (state does not spill to disk yet)"));
            }
        }
        if self.checkpoint.as_ref().is_some_and(|at| at.info.epoch <= epoch) {
            let SourcesAt { info, parts, counters: sources } = self.checkpoint.take().expect("it was looked at");
            let built = std::mem::take(&mut local.part);
            let mut counters = WorkerCounters { sources, ..local.counters.clone() };
            for (node, operator) in &built.operators {
                counters.operators[*node] = *operator;
            }
            for (sink, rows) in &built.rows_out {
                counters.sinks[*sink] = *rows;
            }
            let counters = counters.sums(self.run.table_sinks());
            let part = WorkerPart { worker: self.index, info, built, sources: parts, counters };
            // When the coordinator is gone it has failed the job.
            let _ = self.parts.send(part);
        }
        Ok(())
    }

    /// Takes a batch of each source. Whether there was any.
    fn take_input(&mut self) -> Result<bool> {
        let now_ms = self.run.clock.now_ms();
        let mut busy = false;
        let mut dead = Vec::new();
        for i in 0..self.feeds.len() {
            let feed = &mut self.feeds[i];
            let Content::Source(source) = &mut feed.kind else { continue };
            source.take_assignments(now_ms);
            if self.rows < self.run.epoch.max_rows {
                let finished = source.finished();
                if let Some(arrival) = source.next(now_ms)? {
                    busy = true;
                    self.rows += arrival.changes.row_count() + arrival.dead.len();
                    if !arrival.dead.is_empty() {
                        dead.push((source.table().to_owned(), arrival.dead));
                    }
                    send(&mut feed.gates, arrival.changes)?;
                }
                // The watermark may move although no row came.
                if source.check_idle(now_ms) || source.finished() > finished {
                    self.touch();
                }
            }
            let feed = &mut self.feeds[i];
            let Content::Source(source) = &mut feed.kind else { continue };
            if source.ends_now() {
                self.run.epochs.source_ended(feed.clock.expect("a source has a clock"));
                self.run.lifeline.wake_all();
            }
        }
        for (table, letters) in dead {
            let rows = dead_letters::rows(&table, &letters, now_ms)?;
            for feed in self.feeds.iter_mut().filter(|feed| matches!(feed.kind, Content::DeadLetters)) {
                send(&mut feed.gates, rows.clone())?;
            }
        }
        if busy {
            self.touch();
        }
        Ok(busy)
    }

    /// The open epoch has something to tell.
    fn touch(&mut self) {
        if self.first_input.is_none() {
            self.first_input = Some(Instant::now());
            self.run.epochs.touch();
        }
    }

    /// Whether this worker wants the open epoch to end.
    fn wants_end(&self) -> bool {
        self.rows >= self.run.epoch.max_rows
            || self.first_input.is_some_and(|first| first.elapsed() >= self.run.epoch.max_delay)
            || self.run.epochs.hurry()
            || self.run.lifeline.stop_asked()
            || (self.index == 0 && self.last_end.elapsed() >= TICK)
            || self.run.epochs.until_checkpoint().is_some_and(|left| left.is_zero())
    }

    /// Time until this worker has a reason to look again, when nobody wakes it.
    fn until_something(&self) -> Duration {
        let mut nap = NAP;
        if self.in_flight() < self.in_flight_max() {
            if let Some(first) = self.first_input {
                nap = nap.min(self.run.epoch.max_delay.saturating_sub(first.elapsed()));
            }
            if let Some(left) = self.run.epochs.until_checkpoint() {
                nap = nap.min(left);
            }
        }
        let now_ms = self.run.clock.now_ms();
        for feed in &self.feeds {
            if let Content::Source(source) = &feed.kind
                && let Some(left) = source.until_idle(now_ms)
            {
                nap = nap.min(left.max(Duration::from_millis(1)));
            }
        }
        nap
    }
}

fn send(gates: &mut [Gate], changes: ChangeBatch) -> Result<()> {
    if let Some((last, others)) = gates.split_last_mut() {
        for gate in others {
            gate.send(changes.clone())?;
        }
        last.send(changes)?;
    }
    Ok(())
}

impl Run {
    /// Watermark that node `id` had seen at the checkpoint that the run goes on from.
    fn saved_watermark(&self, id: usize) -> Option<Watermark> {
        let saved = self.restored.as_ref()?.operators.get(&self.graph.nodes[id].state_id)?;
        saved.watermark_ms.map(Watermark)
    }

    /// Key groups whose state `worker` keeps for node `id`: all of them on worker 0 when its rows are all there.
    pub(crate) fn key_groups(&self, id: usize, worker: usize) -> std::ops::Range<usize> {
        match (self.single[id], worker) {
            (true, 0) => 0..KEY_GROUP_COUNT,
            (true, _) => 0..0,
            (false, _) => freshet_types::key::key_groups_of(worker, self.workers),
        }
    }
}
