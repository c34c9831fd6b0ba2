//! How the threads of a job learn that it is over: one error slot, one halt flag, and a way to wake them.

use freshet_types::{Error, Result};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Duration;

/// Locks, also after a panic elsewhere: what it guards is always whole between two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls foreign code; a panic becomes an error with the name of the culprit.
pub(crate) fn guarded<T>(what: &'static str, name: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|e| e.at(what, name)),
        Err(panic) => Err(Error::internal("job.panic", format!("{what} \"{name}\" panicked: {}", panic_text(&*panic)))
            .hint("report this with the statement and the log; the job goes on from its last checkpoint when started again")),
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

/// A second error that says the same; causes become part of the text.
pub(crate) fn copy_of(error: &Error) -> Error {
    let mut text = error.text().to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    let mut copy = Error::new(error.kind(), error.code(), text);
    for (what, name) in error.places() {
        copy = copy.at(what, name.clone());
    }
    if let Some(span) = error.span_of() {
        copy = copy.span(span.start, span.end);
    }
    match error.hint_text() {
        Some(hint) => copy.hint(hint),
        None => copy,
    }
}

/// Shared by all threads of a job.
#[derive(Default)]
pub(crate) struct Lifeline {
    halted: AtomicBool,
    stop_asked: AtomicBool,
    failure: Mutex<Option<Error>>,
    workers: Mutex<Vec<Option<Thread>>>,
    sleepers: Condvar,
    sleep: Mutex<()>,
}

impl Lifeline {
    /// Whether every thread should end at once, without another checkpoint.
    pub(crate) fn halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// Whether the job should end with a checkpoint.
    pub(crate) fn stop_asked(&self) -> bool {
        self.stop_asked.load(Ordering::Acquire)
    }

    /// The first error of the job; those that follow from it are dropped.
    pub(crate) fn fail(&self, error: Error) {
        tracing::debug!(%error, "a part of the job failed");
        lock(&self.failure).get_or_insert(error);
        self.halt();
    }

    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
        self.wake_all();
    }

    pub(crate) fn ask_to_stop(&self) {
        self.stop_asked.store(true, Ordering::Release);
        self.wake_all();
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        lock(&self.failure).as_ref().map(copy_of)
    }

    /// Takes the error with its cause; what stays behind says the same.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        let mut slot = lock(&self.failure);
        let copy = slot.as_ref().map(copy_of);
        std::mem::replace(&mut *slot, copy)
    }

    /// The calling thread is worker `worker`. Called before the worker first looks at anything shared.
    pub(crate) fn register_worker(&self, worker: usize) {
        let mut workers = lock(&self.workers);
        if workers.len() <= worker {
            workers.resize(worker + 1, None);
        }
        workers[worker] = Some(std::thread::current());
    }

    /// Wakes one worker; does nothing before it is there, for it looks before it first sleeps.
    pub(crate) fn wake(&self, worker: usize) {
        if let Some(Some(thread)) = lock(&self.workers).get(worker) {
            thread.unpark();
        }
    }

    pub(crate) fn wake_all(&self) {
        for thread in lock(&self.workers).iter().flatten() {
            thread.unpark();
        }
        let _held = lock(&self.sleep);
        self.sleepers.notify_all();
    }

    /// Sleeps, but no longer than until the job ends or is asked to. Whether it is worth going on.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        let over = || self.halted() || self.stop_asked();
        self.sleep_while(time, || !over());
        !over()
    }

    /// Sleeps, but no longer than until the job ends at once.
    pub(crate) fn sleep_unless_halted(&self, time: Duration) {
        self.sleep_while(time, || !self.halted());
    }

    fn sleep_while(&self, time: Duration, goes_on: impl Fn() -> bool) {
        let held = lock(&self.sleep);
        let _ = self.sleepers.wait_timeout_while(held, time, |()| goes_on());
    }
}

/// Waiting times between attempts: doubling from a tenth of a second to ten seconds.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(Duration::from_millis(100))
    }

    pub(crate) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(Duration::from_secs(10));
        now
    }
}
