//! Looks for splits: once at the start, then at the source's interval.

use super::assign::Assigned;
use crate::job::lifeline::{Backoff, Lifeline, guarded};
use crate::job::status::Board;
use crossbeam_channel::Sender;
use freshet_connector_api::{AssignedSplit, Source, Split, SplitId};
use freshet_types::{ErrorKind, Result};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The splits of a source, tried until its system answers; none when the job ended before it did.
pub(crate) fn discover(
    source: &dyn Source,
    table: &str,
    lifeline: &Lifeline,
    board: &Board,
) -> Result<Option<Vec<Split>>> {
    let mut backoff = Backoff::new();
    loop {
        if lifeline.halted() || lifeline.stop_asked() {
            return Ok(None);
        }
        match guarded("source", table, || source.discover()) {
            Ok(splits) => return Ok(Some(splits)),
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                let wait = backoff.next();
                board.notice(format!("table \"{table}\" cannot be reached: {error}; trying again in {wait:?}"));
                lifeline.sleep(wait);
            }
            Err(error) => return Err(error.at("table", table)),
        }
    }
}

/// Everything that a thread which looks for new splits needs.
pub(crate) struct DiscoverySeat {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) table: String,
    pub(crate) interval: Duration,
    pub(crate) known: HashSet<SplitId>,
    /// For each worker where to put its new splits.
    pub(crate) workers: Vec<Sender<Assigned>>,
    /// For each worker how many splits it reads.
    pub(crate) loads: Arc<Vec<AtomicUsize>>,
    pub(crate) lifeline: Arc<Lifeline>,
    pub(crate) board: Arc<Board>,
}

impl DiscoverySeat {
    /// Looks until the job ends.
    pub(crate) fn run(mut self) {
        while self.lifeline.sleep(self.interval) {
            match discover(&*self.source, &self.table, &self.lifeline, &self.board) {
                Ok(None) => return,
                Ok(Some(splits)) => {
                    if !self.hand_out(splits) {
                        return;
                    }
                }
                Err(error) => return self.lifeline.fail(error),
            }
        }
    }

    /// Gives new splits to the workers that read the fewest. Whether anybody is left to read them.
    fn hand_out(&mut self, splits: Vec<Split>) -> bool {
        for split in splits {
            if !self.known.insert(Arc::clone(&split.id)) {
                continue;
            }
            let load = |worker: &usize| self.loads[*worker].load(Ordering::Relaxed);
            let worker = (0..self.workers.len()).min_by_key(load).expect("a job has a worker");
            self.loads[worker].fetch_add(1, Ordering::Relaxed);
            tracing::info!(table = %self.table, split = %split.id, worker, "a new split is read");
            let split = AssignedSplit { id: split.id, from: split.start };
            if self.workers[worker].send(Assigned { split, watermark: None }).is_err() {
                return false;
            }
            self.lifeline.wake(worker);
        }
        true
    }
}
