//! The one place that decides when an epoch ends, and what its end means, for all workers of a job alike.
//!
//! # Invariants
//! - Epochs are closed one after the other; what the end of an epoch means never changes once it is closed.
//! - At most one checkpoint is under way: the next begins when the last is committed.
//! - The input of the last epoch of a bounded job is empty: the last watermark from data is seen before the end is.

use crate::SegmentKind;
use crate::job::lifeline::lock;
use freshet_types::{CheckpointId, Epoch};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Closed epochs that are remembered. Workers are never further apart than the epochs in flight, which are two.
const REMEMBERED: usize = 16;

/// What every operator and sink does at the end of a checkpoint's epoch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CheckpointPlan {
    pub(crate) id: CheckpointId,
    /// For each node what to freeze.
    pub(crate) kinds: Arc<Vec<SegmentKind>>,
}

/// What the end of an epoch means.
#[derive(Debug)]
pub(crate) struct EpochInfo {
    pub(crate) epoch: Epoch,
    /// Processing time at its end; never goes back.
    pub(crate) now_ms: i64,
    pub(crate) checkpoint: Option<CheckpointPlan>,
    /// For each source whether it had ended everywhere before this epoch began.
    pub(crate) ended: Arc<Vec<bool>>,
    /// Whether all of them had: nothing follows.
    pub(crate) last: bool,
    /// Whether the job was asked to stop: nothing follows, for now.
    pub(crate) stop: bool,
}

impl EpochInfo {
    pub(crate) fn over(&self) -> bool {
        self.last || self.stop
    }
}

/// When checkpoints begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckpointRhythm {
    /// Time between two; none when only the end of the job is one.
    pub(crate) interval: Option<Duration>,
    /// The first one.
    pub(crate) next: CheckpointId,
}

pub(crate) struct EpochClock {
    open: AtomicU64,
    /// Every source has ended, so that there is no reason to wait for more rows.
    hurry: AtomicBool,
    state: Mutex<State>,
}

struct State {
    open: u64,
    infos: VecDeque<Arc<EpochInfo>>,
    now_ms: i64,
    ended_on: Vec<usize>,
    ended_before: Arc<Vec<bool>>,
    workers: usize,
    over: bool,
    rhythm: CheckpointRhythm,
    due: Option<Instant>,
    under_way: bool,
    /// Something has happened that the last checkpoint does not hold.
    dirty: bool,
    kinds: Arc<Vec<SegmentKind>>,
}

impl EpochClock {
    /// A clock whose first open epoch is `first`, for `sources` sources on `workers` workers.
    pub(crate) fn new(
        first: Epoch,
        workers: usize,
        sources: usize,
        rhythm: CheckpointRhythm,
        kinds: Vec<SegmentKind>,
    ) -> Self {
        let state = State {
            open: first.0,
            infos: VecDeque::with_capacity(REMEMBERED),
            now_ms: i64::MIN,
            ended_on: vec![0; sources],
            ended_before: Arc::new(vec![false; sources]),
            workers,
            over: false,
            rhythm,
            due: rhythm.interval.map(|interval| Instant::now() + interval),
            under_way: false,
            dirty: false,
            kinds: Arc::new(kinds),
        };
        Self { open: AtomicU64::new(first.0), hurry: AtomicBool::new(sources == 0), state: Mutex::new(state) }
    }

    /// The epoch that is open now.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }

    /// Whether an epoch should be closed although nothing was read: every source has ended.
    pub(crate) fn hurry(&self) -> bool {
        self.hurry.load(Ordering::Acquire)
    }

    /// Source `source` has ended on one more worker, in the epoch that is open or an earlier one.
    pub(crate) fn source_ended(&self, source: usize) {
        let mut state = lock(&self.state);
        state.ended_on[source] += 1;
        debug_assert!(state.ended_on[source] <= state.workers, "a source ends once on each worker");
        if state.ended_on.iter().all(|n| *n == state.workers) {
            self.hurry.store(true, Ordering::Release);
        }
    }

    /// The next checkpoint should hold what has just happened.
    pub(crate) fn touch(&self) {
        let mut state = lock(&self.state);
        state.dirty = true;
    }

    /// Time until a checkpoint wants to begin; none when none does.
    pub(crate) fn until_checkpoint(&self) -> Option<Duration> {
        let state = lock(&self.state);
        if state.under_way || !state.dirty {
            return None;
        }
        state.due.map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Closes `epoch`, when it is still open and may be closed now. Whether it is closed, by this call or another.
    pub(crate) fn close(&self, epoch: u64, now_ms: i64, stop_asked: bool) -> bool {
        let mut state = lock(&self.state);
        if state.open != epoch {
            return true;
        }
        if state.over {
            return false;
        }
        let last = state.ended_before.iter().all(|ended| *ended) && !state.infos.is_empty();
        let stop = stop_asked && !last;
        let due = state.dirty && state.due.is_some_and(|due| due <= Instant::now());
        if (last || stop) && state.under_way {
            // The job's end is a checkpoint of its own, behind the one that is under way.
            return false;
        }
        let checkpoint = (last || stop || (due && !state.under_way)).then(|| {
            let plan = CheckpointPlan { id: state.rhythm.next, kinds: Arc::clone(&state.kinds) };
            state.rhythm.next = state.rhythm.next.next();
            state.under_way = true;
            state.dirty = false;
            plan
        });
        state.now_ms = state.now_ms.max(now_ms);
        let info = EpochInfo {
            epoch: Epoch(epoch),
            now_ms: state.now_ms,
            checkpoint,
            ended: Arc::clone(&state.ended_before),
            last,
            stop,
        };
        state.over = info.over();
        state.infos.push_back(Arc::new(info));
        if state.infos.len() > REMEMBERED {
            state.infos.pop_front();
        }
        let ended: Vec<bool> = state.ended_on.iter().map(|n| *n == state.workers).collect();
        if ended != *state.ended_before {
            // The next epoch closes windows, which the next checkpoint should hold.
            state.ended_before = Arc::new(ended);
            state.dirty = true;
        }
        state.open += 1;
        self.open.store(state.open, Ordering::Release);
        true
    }

    /// Whether the last epoch of a bounded job has been closed.
    pub(crate) fn finished(&self) -> bool {
        lock(&self.state).infos.back().is_some_and(|info| info.last)
    }

    /// What the end of `epoch` means. Shape: it is closed, and no more than a few epochs old.
    pub(crate) fn info(&self, epoch: u64) -> Arc<EpochInfo> {
        let state = lock(&self.state);
        let age = (state.open - epoch) as usize;
        assert!(age >= 1 && age <= state.infos.len(), "an epoch is looked up after its end and before it is forgotten");
        Arc::clone(&state.infos[state.infos.len() - age])
    }

    /// The checkpoint that was under way is committed; `kinds` is what the next one freezes.
    pub(crate) fn checkpoint_done(&self, kinds: Vec<SegmentKind>) {
        let mut state = lock(&self.state);
        state.under_way = false;
        state.kinds = Arc::new(kinds);
        state.due = state.rhythm.interval.map(|interval| Instant::now() + interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(sources: usize, workers: usize, interval: Option<Duration>) -> EpochClock {
        let rhythm = CheckpointRhythm { interval, next: CheckpointId(1) };
        EpochClock::new(Epoch(5), workers, sources, rhythm, vec![])
    }

    #[test]
    fn the_end_of_all_inputs_takes_one_more_epoch() {
        let clock = clock(1, 2, None);
        clock.source_ended(0);
        assert!(!clock.hurry());
        clock.source_ended(0);
        assert!(clock.hurry());
        assert!(clock.close(5, 0, false));
        assert!(!clock.info(5).ended[0] && !clock.info(5).last);
        assert!(clock.close(6, 0, false));
        let info = clock.info(6);
        assert!(info.ended[0] && info.last);
        assert_eq!(info.checkpoint.as_ref().unwrap().id, CheckpointId(1));
        assert!(!clock.close(7, 0, false), "nothing follows the end");
    }

    #[test]
    fn checkpoints_do_not_overlap() {
        let clock = clock(1, 1, Some(Duration::ZERO));
        assert!(clock.close(5, 0, false));
        assert!(clock.info(5).checkpoint.is_none(), "nothing has happened yet");
        clock.touch();
        assert!(clock.close(6, 0, false));
        assert!(clock.info(6).checkpoint.is_some());
        clock.touch();
        assert!(clock.close(7, 0, false));
        assert!(clock.info(7).checkpoint.is_none());
        assert!(!clock.close(8, 0, true), "the end waits for the checkpoint that is under way");
        clock.checkpoint_done(vec![]);
        assert!(clock.close(8, 0, true));
        assert!(clock.info(8).stop && clock.info(8).checkpoint.as_ref().unwrap().id == CheckpointId(2));
    }

    #[test]
    fn what_the_end_of_an_input_closes_is_held_by_a_checkpoint() {
        let clock = clock(2, 1, Some(Duration::ZERO));
        clock.touch();
        clock.source_ended(0);
        assert!(clock.close(5, 0, false));
        assert!(clock.info(5).checkpoint.is_some() && !clock.info(5).ended[0]);
        clock.checkpoint_done(vec![]);
        assert!(clock.close(6, 0, false));
        assert!(clock.info(6).ended[0] && clock.info(6).checkpoint.is_some());
        clock.checkpoint_done(vec![]);
        assert!(clock.close(7, 0, false));
        assert!(clock.info(7).checkpoint.is_none(), "nothing has happened since");
    }

    #[test]
    fn processing_time_never_goes_back() {
        let clock = clock(1, 1, None);
        clock.close(5, 100, false);
        clock.close(6, 90, false);
        assert_eq!(clock.info(6).now_ms, 100);
    }
}
