//! Builds the dataflow of a job on one worker: gates through which rows enter, one timely operator per fragment.
//!
//! Each fragment keeps what arrives by epoch, runs the changes of the oldest epoch at once, and ends it when the frontier
//! has passed: then every change and every watermark of it has arrived from every worker. It holds the epoch's
//! capabilities until then, so that whoever sees the probe pass an epoch knows that every fragment has ended it.

use super::fragment::Fragment;
use super::parcel::{Body, Deliver, Envelope, Mark, Parcel};
use super::plan::{FragmentPlan, Plan};
use super::route::Router;
use crate::checkpoint::part::PartBuilder;
use crate::job::lifeline::Lifeline;
use crate::job::status::WorkerCounters;
use freshet_types::{ChangeBatch, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use timely::container::NoopBuilder;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, Input, InputCapability, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, Scope, Stream};
use timely::worker::Worker;

type Flow<'scope> = Stream<'scope, u64, Parcel>;
type Pull = Box<dyn FnMut(&mut dyn FnMut(InputCapability<u64>, &mut Parcel))>;

/// What the fragments of a worker share with its main loop.
pub(crate) struct Local {
    pub(crate) counters: WorkerCounters,
    pub(crate) part: PartBuilder,
}

/// One way into the dataflow: a port of a feed.
pub(crate) struct Gate {
    router: Router,
    handle: InputHandle<u64, NoopBuilder<Parcel>>,
    workers: usize,
}

impl Gate {
    pub(crate) fn send(&mut self, changes: ChangeBatch) -> Result<()> {
        let mut envelopes = Vec::new();
        self.router.route(changes, |to, part| envelopes.push(Envelope { to, body: Body::Changes(part) }))?;
        self.handle.send_batch(&mut Parcel(envelopes));
        Ok(())
    }

    pub(crate) fn mark(&mut self, mark: &Mark) {
        self.handle.send_batch(&mut Parcel(addressed(mark, self.router.exchanges(), self.workers)));
    }

    /// Ends every epoch before `epoch`.
    pub(crate) fn advance_to(&mut self, epoch: u64) {
        self.handle.advance_to(epoch);
    }
}

fn addressed(mark: &Mark, exchanges: bool, workers: usize) -> Vec<Envelope> {
    let targets = if exchanges { 0..workers } else { mark.from..mark.from + 1 };
    targets.map(|to| Envelope { to, body: Body::Mark(mark.clone()) }).collect()
}

/// Builds the dataflow. Gives for each feed its gates; `probe` passes an epoch when it is complete on every worker.
pub(crate) fn build(
    worker: &mut Worker,
    plan: &Plan,
    fragments: Vec<Fragment>,
    probe: &ProbeHandle<u64>,
    lifeline: &Arc<Lifeline>,
    local: &Rc<RefCell<Local>>,
) -> Vec<Vec<Gate>> {
    let (index, workers) = (worker.index(), worker.peers());
    worker.dataflow::<u64, _, _>(|scope| {
        let mut streams: Vec<Option<Flow<'_>>> = plan.ports.iter().map(|_| None).collect();
        let mut gates = Vec::new();
        for feed in &plan.feeds {
            let mut own = Vec::new();
            for port in &feed.ports {
                let (handle, stream) = scope.new_input_with_builder::<NoopBuilder<Parcel>>();
                streams[*port] = Some(stream);
                own.push(Gate {
                    router: Router::new(plan.ports[*port].routing.clone(), index, workers),
                    handle,
                    workers,
                });
            }
            gates.push(own);
        }
        for (fragment_plan, fragment) in plan.fragments.iter().zip(fragments) {
            let runner = Runner {
                fragment,
                stash: BTreeMap::new(),
                outputs: Vec::new(),
                worker: index,
                workers,
                lifeline: Arc::clone(lifeline),
                local: Rc::clone(local),
            };
            install(scope, plan, fragment_plan, runner, &mut streams, probe);
        }
        gates
    })
}

fn install<'scope>(
    scope: Scope<'scope, u64>,
    plan: &Plan,
    fragment: &FragmentPlan,
    mut runner: Runner,
    streams: &mut [Option<Flow<'scope>>],
    probe: &ProbeHandle<u64>,
) {
    let mut builder = OperatorBuilder::new(format!("fragment {:?}", fragment.stages), scope);
    let mut pulls: Vec<Pull> = Vec::new();
    for port in &fragment.inputs {
        let stream = streams[*port].clone().expect("a port is built before those that read it");
        if plan.ports[*port].exchanges() {
            let mut input = builder.new_input(stream, DistributorPact(|_workers| Deliver));
            pulls.push(Box::new(move |take| input.for_each(|capability, parcel| take(capability, parcel))));
        } else {
            let mut input = builder.new_input(stream, Pipeline);
            pulls.push(Box::new(move |take| input.for_each(|capability, parcel| take(capability, parcel))));
        }
    }
    for port in &fragment.ports {
        let (output, stream) = builder.new_output();
        streams[*port] = Some(stream);
        let router = Router::new(plan.ports[*port].routing.clone(), runner.worker, runner.workers);
        runner.outputs.push((OutputBuilder::from(output), router));
    }
    let mut capabilities_per_epoch = fragment.ports.len();
    if fragment.ports.is_empty() {
        // Nothing is ever sent here: the output is there to be probed.
        let (_silent, stream) = builder.new_output::<Parcel>();
        let _ = stream.probe_with(probe);
        capabilities_per_epoch = 1;
    }
    builder.build(move |initial| {
        drop(initial);
        move |frontiers| {
            for (input, pull) in pulls.iter_mut().enumerate() {
                pull(&mut |capability, parcel| runner.take(input, &capability, parcel, capabilities_per_epoch));
            }
            let before = |epoch: u64| frontiers.iter().any(|frontier| frontier.less_than(&epoch));
            let open = |epoch: u64| frontiers.iter().any(|frontier| frontier.less_equal(&epoch));
            runner.run(before, open);
        }
    });
}

/// What has arrived of one epoch.
struct Stash {
    /// One for each output.
    capabilities: Vec<Capability<u64>>,
    changes: Vec<(usize, ChangeBatch)>,
    marks: Vec<(usize, Mark)>,
}

/// A fragment with what has arrived for it.
struct Runner {
    fragment: Fragment,
    stash: BTreeMap<u64, Stash>,
    outputs: Vec<(OutputBuilder<u64, NoopBuilder<Parcel>>, Router)>,
    worker: usize,
    workers: usize,
    lifeline: Arc<Lifeline>,
    local: Rc<RefCell<Local>>,
}

impl Runner {
    fn take(&mut self, input: usize, capability: &InputCapability<u64>, parcel: &mut Parcel, outputs: usize) {
        let stash = self.stash.entry(*capability.time()).or_insert_with(|| Stash {
            capabilities: (0..outputs).map(|output| capability.retain(output)).collect(),
            changes: Vec::new(),
            marks: Vec::new(),
        });
        for envelope in parcel.0.drain(..) {
            match envelope.body {
                Body::Changes(changes) => stash.changes.push((input, changes)),
                Body::Mark(mark) => stash.marks.push((input, mark)),
            }
        }
    }

    /// Runs the oldest epochs, as far as nothing `before` them can come; ends those that are no longer `open`.
    fn run(&mut self, before: impl Fn(u64) -> bool, open: impl Fn(u64) -> bool) {
        while let Some((epoch, mut stash)) = self.stash.pop_first() {
            if self.lifeline.halted() {
                // The job is over: whatever is left must not reach a sink.
                self.stash.clear();
                return;
            }
            if before(epoch) {
                self.stash.insert(epoch, stash);
                return;
            }
            let closed = !open(epoch);
            if let Err(error) = self.run_epoch(&mut stash, closed) {
                self.lifeline.fail(error);
                self.stash.clear();
                return;
            }
            if !closed {
                self.stash.insert(epoch, stash);
                return;
            }
        }
    }

    fn run_epoch(&mut self, stash: &mut Stash, closed: bool) -> Result<()> {
        let mut out = Vec::new();
        for (input, changes) in stash.changes.drain(..) {
            self.fragment.push(input, changes, &mut out)?;
        }
        let mut mark = None;
        if closed && let Some((_, first)) = stash.marks.first() {
            let end = Arc::clone(&first.end);
            let mut local = self.local.borrow_mut();
            let local = &mut *local;
            self.fragment.end(&end, &stash.marks, &mut out, &mut local.counters, &mut local.part)?;
            let (watermark, standing) = self.fragment.told();
            mark = Some(Mark { from: self.worker, watermark, standing, end });
        }
        if out.is_empty() && mark.is_none() {
            return Ok(());
        }
        let last = self.outputs.len().saturating_sub(1);
        for (i, ((output, router), capability)) in self.outputs.iter_mut().zip(&stash.capabilities).enumerate() {
            let mut envelopes = Vec::new();
            let batches = if i == last { std::mem::take(&mut out) } else { out.clone() };
            for changes in batches {
                router.route(changes, |to, part| envelopes.push(Envelope { to, body: Body::Changes(part) }))?;
            }
            if let Some(mark) = &mark {
                envelopes.extend(addressed(mark, router.exchanges(), self.workers));
            }
            if !envelopes.is_empty() {
                output.activate().session_with_builder(capability).give_container(&mut Parcel(envelopes));
            }
        }
        Ok(())
    }
}
