//! A fragment on one worker: takes changes and marks of an epoch, runs its stages, tells its own watermark. Knows no
//! dataflow system.
//!
//! # Invariants
//! - The watermark is the lowest of all inputs and of all workers that send to them, idle ones left out; when all are idle
//!   it stays; it never goes back (EP-2), also not across a restart.

use super::stage::{self, Stage};
use crate::checkpoint::part::{OperatorTime, PartBuilder};
use crate::epochs::EpochInfo;
use crate::host::parcel::Mark;
use crate::job::status::WorkerCounters;
use freshet_types::{ChangeBatch, Error, Result, Watermark};

/// What the workers that send to one input have told last.
struct Inlet {
    /// For each worker that sends: its watermark, and whether it is idle.
    senders: Vec<(Watermark, bool)>,
    exchanged: bool,
}

pub(crate) struct Fragment {
    inlets: Vec<Inlet>,
    stages: Vec<Stage>,
    watermark: Watermark,
    /// Last watermark from data: the end of an input is no reason to call rows of the next run late.
    real: Watermark,
    idle: bool,
}

impl Fragment {
    /// A fragment that reads inputs which are `exchanged` or not; `floor` is the watermark before the restart.
    pub(crate) fn new(exchanged: Vec<bool>, workers: usize, stages: Vec<Stage>, floor: Watermark) -> Self {
        let inlet = |exchanged| Inlet {
            senders: vec![(Watermark::MIN, false); if exchanged { workers } else { 1 }],
            exchanged,
        };
        Self { inlets: exchanged.into_iter().map(inlet).collect(), stages, watermark: floor, real: floor, idle: false }
    }

    /// Takes changes of input `input`.
    pub(crate) fn push(&mut self, input: usize, changes: ChangeBatch, out: &mut Vec<ChangeBatch>) -> Result<()> {
        stage::push(&mut self.stages, input, changes, out)
    }

    /// Ends an epoch. `marks` holds one mark of each sender of each input.
    pub(crate) fn end(
        &mut self,
        info: &EpochInfo,
        marks: &[(usize, Mark)],
        out: &mut Vec<ChangeBatch>,
        counters: &mut WorkerCounters,
        part: &mut PartBuilder,
    ) -> Result<()> {
        let expected: usize = self.inlets.iter().map(|inlet| inlet.senders.len()).sum();
        if marks.len() != expected {
            let text = format!("epoch {} ended with {} of {expected} watermarks", info.epoch, marks.len());
            return Err(Error::internal("host.marks", text));
        }
        for (input, mark) in marks {
            let inlet = &mut self.inlets[*input];
            let sender = if inlet.exchanged { mark.from } else { 0 };
            inlet.senders[sender] = (mark.watermark, mark.idle);
        }
        self.follow_watermark();
        stage::end(&mut self.stages, info, self.watermark, out, counters)?;
        let time = OperatorTime { watermark: self.real, ended: self.watermark == Watermark::MAX };
        stage::freeze(&mut self.stages, info, time, part)
    }

    /// What is told downstream: the watermark, and whether it holds nobody back.
    pub(crate) fn told(&self) -> (Watermark, bool) {
        (self.watermark, self.idle)
    }

    fn follow_watermark(&mut self) {
        let lowest = |senders: &[(Watermark, bool)]| senders.iter().filter(|s| !s.1).map(|s| s.0).min();
        let lowest = self.inlets.iter().filter_map(|inlet| lowest(&inlet.senders)).min();
        self.idle = lowest.is_none();
        if let Some(lowest) = lowest {
            self.watermark = self.watermark.max(lowest);
        }
        if self.watermark < Watermark::MAX {
            self.real = self.watermark;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use freshet_types::Epoch;
    use std::sync::Arc;

    fn step(fragment: &mut Fragment, told: &[(usize, usize, i64, bool)]) -> (i64, bool) {
        let end = Arc::new(EpochInfo {
            epoch: Epoch(1),
            now_ms: 0,
            checkpoint: None,
            ended: Arc::new(vec![]),
            last: false,
            stop: false,
        });
        let mark = |(input, from, ms, idle): &(usize, usize, i64, bool)| {
            (*input, Mark { from: *from, watermark: Watermark(*ms), idle: *idle, end: Arc::clone(&end) })
        };
        let marks: Vec<_> = told.iter().map(mark).collect();
        let mut counters = WorkerCounters::default();
        fragment.end(&end, &marks, &mut Vec::new(), &mut counters, &mut PartBuilder::default()).unwrap();
        let (watermark, idle) = fragment.told();
        (watermark.0, idle)
    }

    #[test]
    fn the_watermark_is_the_lowest_of_those_that_are_not_idle() {
        let mut f = Fragment::new(vec![true, false], 2, vec![], Watermark(5));
        assert_eq!(
            step(&mut f, &[(0, 0, 1, false), (0, 1, 9, false), (1, 0, 50, false)]),
            (5, false),
            "the floor holds"
        );
        assert_eq!(step(&mut f, &[(0, 0, 7, false), (0, 1, 9, false), (1, 1, 50, false)]), (7, false));
        assert_eq!(step(&mut f, &[(0, 0, 7, true), (0, 1, 9, false), (1, 0, 50, false)]), (9, false));
        assert_eq!(step(&mut f, &[(0, 0, 7, true), (0, 1, 9, true), (1, 0, 50, false)]), (50, false));
        assert_eq!(
            step(&mut f, &[(0, 0, 7, true), (0, 1, 9, true), (1, 0, 50, true)]),
            (50, true),
            "all idle: it stays"
        );
        assert_eq!(step(&mut f, &[(0, 0, 8, false), (0, 1, 9, true), (1, 0, 50, true)]), (50, false), "never back");
    }

    #[test]
    fn the_end_of_the_input_is_not_remembered() {
        let mut f = Fragment::new(vec![false], 1, vec![], Watermark::MIN);
        step(&mut f, &[(0, 0, 7, false)]);
        assert_eq!(step(&mut f, &[(0, 0, i64::MAX, false)]), (i64::MAX, false));
        assert_eq!(f.real, Watermark(7));
    }

    #[test]
    fn a_missing_watermark_is_an_error() {
        let mut f = Fragment::new(vec![true], 2, vec![], Watermark::MIN);
        let end = EpochInfo {
            epoch: Epoch(1),
            now_ms: 0,
            checkpoint: None,
            ended: Arc::new(vec![]),
            last: false,
            stop: false,
        };
        let mut counters = WorkerCounters::default();
        let error = f.end(&end, &[], &mut Vec::new(), &mut counters, &mut PartBuilder::default()).unwrap_err();
        assert_eq!(error.code(), "host.marks");
    }
}
