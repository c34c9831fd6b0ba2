//! Runs a graph on timely dataflow: the only place that knows it.
//!
//! ```text
//!  readers ─> gates ─> fragments ═exchange═> fragments ─> ... ─> sinks ─> probe
//!             (main loop of each worker; epoch = timely's timestamp; at most two epochs in flight)
//! ```
//!
//! # Invariants
//! - Epochs are closed by the one clock of the job and ended everywhere in the same order (EP-1).
//! - Watermarks are data: each worker sends its own once per epoch on every edge.
//! - Foreign code (operators, sinks, sources) is called guarded: an error or a panic ends the job, never the process, and
//!   never leaves a worker waiting for one that is gone.
//! - No more than two epochs are closed but not complete; that bounds what is queued.

mod flow;
mod fragment;
mod parcel;
pub(crate) mod plan;
mod route;
pub(crate) mod source;
mod stage;
pub(crate) mod worker;

#[cfg(test)]
mod tests;

use crate::job::lifeline::panic_text;
use crate::job::run::Run;
use freshet_types::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use worker::WorkerSeat;

/// Runs the workers of a job, one thread each, until the job is over. Errors are left with the job's lifeline.
pub(crate) fn run(run: &Arc<Run>, seats: Vec<WorkerSeat>) -> Result<()> {
    let config = timely::Config::process(run.workers);
    let seats: Mutex<Vec<Option<WorkerSeat>>> = Mutex::new(seats.into_iter().map(Some).collect());
    let shared = Arc::clone(run);
    let guards = timely::execute(config, move |worker| {
        let seat =
            crate::job::lifeline::lock(&seats)[worker.index()].take().expect("each worker takes its own seat once");
        // A panic here is a defect of the host itself; the others must hear of it, or they wait for ever.
        let outcome = catch_unwind(AssertUnwindSafe(|| worker::run(worker, &shared, seat)));
        let error = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(panic) => Some(Error::internal("host.panic", format!("a worker panicked: {}", panic_text(&*panic)))),
        };
        if let Some(error) = error {
            shared.lifeline.fail(error);
        }
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    });
    let guards = guards.map_err(|e| Error::internal("host.start", format!("workers cannot be started: {e}")))?;
    for outcome in guards.join() {
        outcome.map_err(|e| Error::internal("host.panic", format!("a worker ended badly: {e}")))?;
    }
    Ok(())
}
