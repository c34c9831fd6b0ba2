//! The thread that reads one source for one worker.

use crate::job::lifeline::{Backoff, Lifeline, guarded};
use crate::job::status::Board;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use freshet_connector_api::{AssignedSplit, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader, SplitId};
use freshet_types::{Error, ErrorKind, Result, failpoint};
use std::sync::Arc;
use std::time::Duration;

/// Batches that may wait between a reader and its worker: enough to keep both busy, few enough to bound memory.
pub(crate) const BATCHES_WAITING: usize = 4;

/// Rows that a reader hands over at once, at most.
const ROWS_AT_ONCE: usize = 8_192;

/// How long a reader waits for rows before it looks for orders.
const POLL_WAIT: Duration = Duration::from_millis(50);

/// What a reader is told.
pub(crate) enum ToReader {
    /// Take more splits.
    Assign(Vec<AssignedSplit>),
    /// A checkpoint with these offsets is durable.
    Committed(Vec<(SplitId, Offset)>),
}

/// What a reader says.
pub(crate) enum FromReader {
    Batch(Box<SourceBatch>),
    /// Every split has ended of the `assigned` that it had been given until then.
    Finished {
        assigned: usize,
    },
}

/// Everything that a reader thread needs.
pub(crate) struct ReaderSeat {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) table: String,
    pub(crate) projection: Vec<usize>,
    pub(crate) worker: usize,
    pub(crate) rows_max: usize,
    pub(crate) orders: Receiver<ToReader>,
    pub(crate) batches: Sender<FromReader>,
    pub(crate) lifeline: Arc<Lifeline>,
    pub(crate) board: Arc<Board>,
}

/// What a reader thread does next.
enum Next {
    Poll,
    /// Nothing to read until there is another order.
    Wait,
}

impl ReaderSeat {
    /// Reads until the last order-giver is gone or the job fails.
    pub(crate) fn run(self) {
        if let Err(error) = self.read() {
            self.lifeline.fail(error.at("table", &self.table));
        }
    }

    fn read(&self) -> Result<()> {
        let mut reader: Option<Box<dyn SourceReader>> = None;
        let mut assigned = 0;
        let mut next = Next::Wait;
        let mut backoff = Backoff::new();
        while !self.lifeline.halted() {
            let order = match next {
                Next::Wait => match self.orders.recv() {
                    Ok(order) => Some(order),
                    Err(_) => return Ok(()),
                },
                Next::Poll => match self.orders.try_recv() {
                    Ok(order) => Some(order),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                },
            };
            if let Some(order) = order {
                match (order, &mut reader) {
                    (ToReader::Assign(splits), reader) => {
                        if reader.is_none() {
                            *reader = self.insist(|| self.source.reader(&self.projection))?;
                        }
                        let Some(reader) = reader else { continue };
                        assigned += splits.len();
                        if self.insist(|| reader.assign(splits.clone()))?.is_some() {
                            next = Next::Poll;
                        }
                    }
                    (ToReader::Committed(offsets), Some(reader)) => self.committed(reader.as_mut(), &offsets)?,
                    // Nothing was read here, so there is nobody to tell.
                    (ToReader::Committed(_), None) => {}
                }
                continue;
            }
            let reader = reader.as_mut().expect("a reader is polled only after an assignment");
            let limit = PollLimit { rows: self.rows_max.clamp(1, ROWS_AT_ONCE), wait: POLL_WAIT };
            let said = match self.call(|| reader.poll(limit)) {
                Ok(Poll::Pending) => continue,
                Ok(Poll::Batch(batch)) => {
                    failpoint::pass("source.after_poll");
                    FromReader::Batch(Box::new(batch))
                }
                Ok(Poll::Finished) => {
                    next = Next::Wait;
                    FromReader::Finished { assigned }
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    if !self.try_again(&error, backoff.next()) {
                        next = Next::Wait;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            backoff = Backoff::new();
            if self.batches.send(said).is_err() {
                // The worker has ended; the last checkpoint's offsets may still come.
                next = Next::Wait;
            }
            self.lifeline.wake(self.worker);
        }
        Ok(())
    }

    /// Calls until the outside system answers; none when the job ended before it did.
    fn insist<T>(&self, mut call: impl FnMut() -> Result<T>) -> Result<Option<T>> {
        let mut backoff = Backoff::new();
        loop {
            match self.call(&mut call) {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    if !self.try_again(&error, backoff.next()) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn call<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        guarded("source", &self.table, call)
    }

    /// Waits before another attempt. Whether there should be one.
    fn try_again(&self, error: &Error, wait: Duration) -> bool {
        self.board.notice(format!("table \"{}\" cannot be read: {error}; trying again in {wait:?}", self.table));
        self.lifeline.sleep(wait)
    }

    /// Tells the outside system; that it does not listen is no reason to stop, for the checkpoint holds the offsets.
    fn committed(&self, reader: &mut dyn SourceReader, offsets: &[(SplitId, Offset)]) -> Result<()> {
        match self.call(|| reader.committed(offsets)) {
            Err(error) if error.is_retryable() => {
                self.board
                    .notice(format!("table \"{}\" did not take the offsets of a checkpoint: {error}", self.table));
                Ok(())
            }
            result => result,
        }
    }
}

/// The next thing a reader has said, without waiting.
pub(crate) fn heard(batches: &Receiver<FromReader>) -> Option<FromReader> {
    // A reader whose thread has ended has failed the job, so that a closed channel needs no care of its own.
    batches.try_recv().ok()
}

/// Waits until `thread` has ended, for at most `patience`; a reader that hangs in its outside system is left behind.
pub(crate) fn join_patiently(thread: std::thread::JoinHandle<()>, ended: &Receiver<()>, patience: Duration) {
    match ended.recv_timeout(patience) {
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {
            let _ = thread.join();
        }
        Err(RecvTimeoutError::Timeout) => tracing::warn!("a source did not end in time and is left behind"),
    }
}
