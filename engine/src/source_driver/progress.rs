//! How far one worker has come in one source: offsets and watermarks of its splits.
//!
//! # Invariants
//! - The watermark is the lowest of the splits that have not ended and are not idle; it never goes back (EP-2).
//! - A split holds the watermark back from the moment it is assigned, so that a window is not closed before all files of
//!   a bounded source have been read.
//! - A worker without splits to read waits: it leaves the source to the workers that have some, and where none has, the
//!   source stays where it was, until files or partitions are found that go on from there.
//! - A worker whose splits are all silent, or read to their ends, for longer than the table allows is idle: it holds nobody
//!   back.

use super::assign::Assigned;
use freshet_connector_api::{Boundedness, Offset, SplitId};
use freshet_state::SplitRoot;
use freshet_types::{Error, Result, Watermark};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
struct SplitProgress {
    id: SplitId,
    offset: Offset,
    watermark: Watermark,
    begun: bool,
    finished: bool,
    idle: bool,
    heard_ms: i64,
}

/// What a watermark is worth to those that combine it with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts.
    Active,
    /// Nothing is there to read: it counts when no worker of the same source is active.
    Waiting,
    /// Silent for longer than the table allows: it does not count.
    Idle,
}

/// What a worker tells downstream at the end of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) watermark: Watermark,
    pub(crate) standing: Standing,
}

#[derive(Debug)]
pub(crate) struct SourceProgress {
    table: String,
    boundedness: Boundedness,
    /// Whether the table declares a watermark.
    event_time: bool,
    idle_timeout: Option<Duration>,
    splits: Vec<SplitProgress>,
    by_id: HashMap<SplitId, usize>,
    watermark: Watermark,
    was_active: bool,
    /// Whether all splits ended longer ago than a silence may last.
    is_starved: bool,
}

impl SourceProgress {
    /// Nothing read yet; `floor` is what the source had told before the job was started again.
    pub(crate) fn new(
        table: String,
        boundedness: Boundedness,
        event_time: bool,
        idle_timeout: Option<Duration>,
        floor: Option<Watermark>,
    ) -> Self {
        Self {
            table,
            boundedness,
            event_time,
            idle_timeout,
            splits: Vec::new(),
            by_id: HashMap::new(),
            watermark: floor.unwrap_or(Watermark::MIN),
            was_active: false,
            is_starved: false,
        }
    }

    pub(crate) fn assign(&mut self, assigned: &Assigned, now_ms: i64) {
        self.by_id.insert(Arc::clone(&assigned.split.id), self.splits.len());
        self.splits.push(SplitProgress {
            id: Arc::clone(&assigned.split.id),
            offset: assigned.split.from.clone(),
            watermark: assigned.watermark.unwrap_or(Watermark::MIN),
            begun: assigned.watermark.is_some(),
            finished: false,
            idle: false,
            heard_ms: now_ms,
        });
        self.was_active = true;
        self.is_starved = false;
    }

    fn split(&mut self, id: &SplitId) -> Result<&mut SplitProgress> {
        match self.by_id.get(id) {
            Some(i) => Ok(&mut self.splits[*i]),
            None => {
                Err(Error::internal("source.split", format!("rows came from split \"{id}\", which was not assigned"))
                    .at("table", &self.table))
            }
        }
    }

    /// Rows of a split have come, with the highest watermark among them; or only its position has moved.
    pub(crate) fn advance(
        &mut self,
        id: &SplitId,
        next: Offset,
        highest_ms: Option<i64>,
        rows: bool,
        now_ms: i64,
    ) -> Result<()> {
        let split = self.split(id)?;
        split.offset = next;
        if let Some(ms) = highest_ms {
            split.watermark = split.watermark.max(Watermark(ms));
        }
        if rows {
            split.begun = true;
            split.idle = false;
            split.heard_ms = now_ms;
        }
        Ok(())
    }

    /// A split has ended. Whether that is news.
    pub(crate) fn finish(&mut self, id: &SplitId) -> Result<bool> {
        let split = self.split(id)?;
        let news = !split.finished;
        split.finished = true;
        let watermark = split.watermark;
        if self.splits.iter().all(|s| s.finished) {
            // The last one to end: nothing earlier follows on this worker until there is another split.
            self.watermark = self.watermark.max(watermark);
        }
        Ok(news)
    }

    /// Every split that was assigned has ended. How many of them had not said so themselves.
    pub(crate) fn finish_all(&mut self) -> usize {
        let ids: Vec<SplitId> = self.splits.iter().filter(|s| !s.finished).map(|s| Arc::clone(&s.id)).collect();
        for id in &ids {
            self.finish(id).expect("the split was found a moment ago");
        }
        ids.len()
    }

    /// Number of splits that were ever assigned.
    pub(crate) fn assigned(&self) -> usize {
        self.splits.len()
    }

    pub(crate) fn finished(&self) -> usize {
        self.splits.iter().filter(|s| s.finished).count()
    }

    /// Time until a split may become idle; none when none can.
    pub(crate) fn until_idle(&self, now_ms: i64) -> Option<Duration> {
        let timeout = self.idle_timeout?;
        if let Some(ended) = self.ended_ms().filter(|_| !self.is_starved) {
            return Some(timeout.saturating_sub(Duration::from_millis(u64::try_from(now_ms - ended).unwrap_or(0))));
        }
        let can_idle = |s: &&SplitProgress| self.can_idle(s);
        self.splits
            .iter()
            .filter(can_idle)
            .map(|s| s.heard_ms)
            .min()
            .map(|heard| timeout.saturating_sub(Duration::from_millis(u64::try_from(now_ms - heard).unwrap_or(0))))
    }

    /// When the last rows came, of splits that have all ended; none while there is something to read, or never was.
    fn ended_ms(&self) -> Option<i64> {
        self.splits.iter().all(|s| s.finished).then(|| self.splits.iter().map(|s| s.heard_ms).max()).flatten()
    }

    fn can_idle(&self, split: &SplitProgress) -> bool {
        // A split of a bounded source that has not begun waits for its turn: its rows are known to come.
        !split.finished && !split.idle && (split.begun || self.boundedness == Boundedness::Unbounded)
    }

    /// Marks splits idle that have been silent for too long. Whether any was.
    pub(crate) fn check_idle(&mut self, now_ms: i64) -> bool {
        let Some(timeout) = self.idle_timeout else { return false };
        let timeout_ms = timeout.as_millis() as i64;
        let silent: Vec<usize> = (0..self.splits.len())
            .filter(|i| self.can_idle(&self.splits[*i]) && now_ms - self.splits[*i].heard_ms >= timeout_ms)
            .collect();
        for i in &silent {
            self.splits[*i].idle = true;
        }
        let is_starved = self.ended_ms().is_some_and(|ended| now_ms - ended >= timeout_ms);
        let starves = is_starved && !std::mem::replace(&mut self.is_starved, is_starved);
        starves || !silent.is_empty()
    }

    /// The watermark that this worker tells at the end of an epoch, when `ended` says that no split is left anywhere.
    pub(crate) fn tell(&mut self, ended: bool) -> Told {
        if ended {
            return Told { watermark: Watermark::MAX, standing: Standing::Active };
        }
        if !self.event_time {
            return Told { watermark: Watermark::MIN, standing: Standing::Active };
        }
        let lowest = self.splits.iter().filter(|s| !s.finished && !s.idle).map(|s| s.watermark).min();
        let was_active = std::mem::replace(&mut self.was_active, lowest.is_some());
        let standing = match lowest {
            Some(lowest) => {
                self.watermark = self.watermark.max(lowest);
                Standing::Active
            }
            None if self.splits.iter().any(|s| !s.finished) => Standing::Idle,
            // Splits that have ended since the last epoch still count once, so that their last watermark is seen.
            None if was_active => Standing::Active,
            None if self.is_starved => Standing::Idle,
            None => Standing::Waiting,
        };
        Told { watermark: self.watermark, standing }
    }

    /// The watermark from data, as far as it is known.
    pub(crate) fn known_watermark(&self) -> Option<Watermark> {
        (self.event_time && self.watermark > Watermark::MIN).then_some(self.watermark)
    }

    /// The watermark from data that a checkpoint keeps. A split that has yet to begin holds the source back on every
    /// worker, so its worker has the lowest of all watermarks and not none.
    pub(crate) fn saved_watermark(&self) -> Option<Watermark> {
        let holds_back = self.splits.iter().any(|s| !s.finished && !s.idle);
        (self.event_time && (holds_back || self.watermark > Watermark::MIN)).then_some(self.watermark)
    }

    /// Where each split stands.
    pub(crate) fn positions(&self) -> Vec<SplitRoot> {
        let position = |s: &SplitProgress| SplitRoot {
            id: s.id.to_string(),
            offset: s.offset.0.clone(),
            watermark_ms: (s.watermark > Watermark::MIN).then_some(s.watermark.0),
            finished: s.finished,
        };
        self.splits.iter().map(position).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use freshet_connector_api::AssignedSplit;

    fn progress(boundedness: Boundedness, idle_ms: Option<u64>, splits: &[&str]) -> SourceProgress {
        let mut p = SourceProgress::new("t".into(), boundedness, true, idle_ms.map(Duration::from_millis), None);
        for id in splits {
            let split = AssignedSplit { id: (*id).into(), from: Offset("0".into()) };
            p.assign(&Assigned { split, watermark: None }, 0);
        }
        p
    }

    fn rows(p: &mut SourceProgress, id: &str, ms: i64, now_ms: i64) {
        p.advance(&id.into(), Offset("1".into()), Some(ms), true, now_ms).unwrap();
    }

    fn told(watermark: i64, standing: Standing) -> Told {
        Told { watermark: Watermark(watermark), standing }
    }

    #[test]
    fn the_lowest_split_counts_and_nothing_goes_back() {
        let mut p = progress(Boundedness::Unbounded, None, &["a", "b"]);
        rows(&mut p, "a", 50, 0);
        assert_eq!(p.tell(false).watermark, Watermark::MIN);
        rows(&mut p, "b", 20, 0);
        assert_eq!(p.tell(false), told(20, Standing::Active));
        rows(&mut p, "b", 10, 0);
        assert_eq!(p.tell(false), told(20, Standing::Active));
        p.assign(&Assigned { split: AssignedSplit { id: "c".into(), from: Offset("0".into()) }, watermark: None }, 0);
        rows(&mut p, "b", 60, 0);
        assert_eq!(p.tell(false), told(20, Standing::Active), "the new split holds it back");
        assert_eq!(p.tell(true).watermark, Watermark::MAX);
    }

    #[test]
    fn a_waiting_file_holds_the_watermark_back_and_an_ended_one_does_not() {
        let mut p = progress(Boundedness::Bounded, Some(10), &["a", "b"]);
        rows(&mut p, "a", 50, 0);
        p.finish(&"a".into()).unwrap();
        assert!(!p.check_idle(1000), "a file that waits for its turn is not idle");
        assert_eq!(p.tell(false).watermark, Watermark::MIN);
        rows(&mut p, "b", 30, 1000);
        assert_eq!(p.tell(false), told(30, Standing::Active));
        rows(&mut p, "b", 40, 1000);
        p.finish(&"b".into()).unwrap();
        assert_eq!(p.tell(false), told(40, Standing::Active), "the last watermark from data is seen");
        assert_eq!(p.tell(false), told(40, Standing::Waiting));
        assert_eq!(p.until_idle(1004), Some(Duration::from_millis(6)));
        assert!(!p.check_idle(1009) && p.check_idle(1010) && !p.check_idle(1011), "said once");
        assert_eq!((p.tell(false), p.until_idle(1011)), (told(40, Standing::Idle), None));
    }

    #[test]
    fn silent_splits_become_idle_and_come_back() {
        let mut p = progress(Boundedness::Unbounded, Some(100), &["a", "b"]);
        rows(&mut p, "a", 50, 90);
        assert_eq!(p.until_idle(90), Some(Duration::from_millis(10)));
        assert!(p.check_idle(100));
        assert_eq!(p.tell(false), told(50, Standing::Active));
        assert!(p.check_idle(190));
        assert_eq!(p.tell(false), told(50, Standing::Idle));
        rows(&mut p, "b", 10, 200);
        assert_eq!(p.tell(false), told(50, Standing::Active), "back, but the watermark never goes back");
    }

    #[test]
    fn a_split_that_has_not_begun_is_part_of_what_is_saved() {
        let mut p = progress(Boundedness::Unbounded, Some(100), &[]);
        assert_eq!((p.saved_watermark(), p.known_watermark()), (None, None), "nothing to wait for");
        p.assign(&Assigned { split: AssignedSplit { id: "a".into(), from: Offset("0".into()) }, watermark: None }, 0);
        p.tell(false);
        assert_eq!((p.saved_watermark(), p.known_watermark()), (Some(Watermark::MIN), None), "it holds back");
        rows(&mut p, "a", 7, 50);
        p.tell(false);
        assert_eq!(p.saved_watermark(), Some(Watermark(7)));
    }

    #[test]
    fn a_source_without_event_time_says_so_until_it_ends() {
        let mut p = SourceProgress::new("t".into(), Boundedness::Bounded, false, None, None);
        assert_eq!(p.tell(false), told(i64::MIN, Standing::Active));
        assert_eq!(p.tell(true), told(i64::MAX, Standing::Active));
    }
}
