//! A fragment on one worker: takes changes and marks of an epoch, runs its stages, tells its own watermark. Knows no
//! dataflow system.
//!
//! # Invariants
//! - The watermark is the lowest of all inputs; it never goes back (EP-2), also not across a restart.
//! - That of an input is the lowest of the workers that are active. Where none is, it is the last that one of them told, for
//!   they wait for more to read; unless they are idle, then the input is left out. When all inputs are idle the watermark
//!   stays.

use super::stage::{self, Stage};
use crate::checkpoint::part::{OperatorTime, PartBuilder};
use crate::epochs::EpochInfo;
use crate::host::parcel::Mark;
use crate::job::status::WorkerCounters;
use crate::source_driver::progress::Standing;
use freshet_types::{ChangeBatch, Error, Result, Watermark};

/// What the workers that send to one input have told last.
struct Inlet {
    /// For each worker that sends: its watermark, and what that is worth.
    senders: Vec<(Watermark, Standing)>,
    exchanged: bool,
}

pub(crate) struct Fragment {
    inlets: Vec<Inlet>,
    stages: Vec<Stage>,
    watermark: Watermark,
    /// Last watermark from data: the end of an input is no reason to call rows of the next run late.
    real: Watermark,
    standing: Standing,
}

impl Inlet {
    fn told(&self) -> (Watermark, Standing) {
        let of = |standing| self.senders.iter().filter(move |s| s.1 == standing).map(|s| s.0);
        match (of(Standing::Active).min(), of(Standing::Idle).max(), of(Standing::Waiting).max()) {
            (Some(lowest), _, _) => (lowest, Standing::Active),
            (None, None, Some(last)) => (last, Standing::Waiting),
            (None, idle, _) => (idle.unwrap_or(Watermark::MIN), Standing::Idle),
        }
    }
}

impl Fragment {
    /// A fragment that reads inputs which are `exchanged` or not; `floor` is the watermark before the restart.
    pub(crate) fn new(exchanged: Vec<bool>, workers: usize, stages: Vec<Stage>, floor: Watermark) -> Self {
        let inlet = |exchanged| Inlet {
            senders: vec![(Watermark::MIN, Standing::Active); if exchanged { workers } else { 1 }],
            exchanged,
        };
        let inlets = exchanged.into_iter().map(inlet).collect();
        Self { inlets, stages, watermark: floor, real: floor, standing: Standing::Active }
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
            inlet.senders[sender] = (mark.watermark, mark.standing);
        }
        self.follow_watermark();
        stage::end(&mut self.stages, info, self.watermark, out, counters)?;
        let time = OperatorTime { watermark: self.real, ended: self.watermark == Watermark::MAX };
        stage::freeze(&mut self.stages, info, time, part)
    }

    /// What is told downstream: the watermark, and what it is worth.
    pub(crate) fn told(&self) -> (Watermark, Standing) {
        (self.watermark, self.standing)
    }

    fn follow_watermark(&mut self) {
        let told: Vec<(Watermark, Standing)> = self.inlets.iter().map(Inlet::told).collect();
        let has = |standing| told.iter().any(|t| t.1 == standing);
        self.standing = [Standing::Active, Standing::Waiting].into_iter().find(|s| has(*s)).unwrap_or(Standing::Idle);
        let lowest = told.iter().filter(|t| t.1 != Standing::Idle).map(|t| t.0).min();
        self.watermark = self.watermark.max(lowest.unwrap_or(Watermark::MIN));
        if self.watermark < Watermark::MAX {
            self.real = self.watermark;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Active, Idle, Waiting};
    use freshet_types::Epoch;
    use std::sync::Arc;

    fn step(fragment: &mut Fragment, told: &[(usize, usize, i64, Standing)]) -> (i64, Standing) {
        let end = Arc::new(EpochInfo {
            epoch: Epoch(1),
            now_ms: 0,
            checkpoint: None,
            ended: Arc::new(vec![]),
            last: false,
            stop: false,
        });
        let mark = |(input, from, ms, standing): &(usize, usize, i64, Standing)| {
            (*input, Mark { from: *from, watermark: Watermark(*ms), standing: *standing, end: Arc::clone(&end) })
        };
        let marks: Vec<_> = told.iter().map(mark).collect();
        let mut counters = WorkerCounters::default();
        fragment.end(&end, &marks, &mut Vec::new(), &mut counters, &mut PartBuilder::default()).unwrap();
        let (watermark, standing) = fragment.told();
        (watermark.0, standing)
    }

    #[test]
    fn the_watermark_is_the_lowest_of_those_that_are_not_idle() {
        let mut f = Fragment::new(vec![true, false], 2, vec![], Watermark(5));
        assert_eq!(
            step(&mut f, &[(0, 0, 1, Active), (0, 1, 9, Active), (1, 0, 50, Active)]),
            (5, Active),
            "the floor holds"
        );
        assert_eq!(step(&mut f, &[(0, 0, 7, Active), (0, 1, 9, Active), (1, 1, 50, Active)]), (7, Active));
        assert_eq!(step(&mut f, &[(0, 0, 7, Idle), (0, 1, 9, Active), (1, 0, 50, Active)]), (9, Active));
        assert_eq!(step(&mut f, &[(0, 0, 7, Idle), (0, 1, 9, Idle), (1, 0, 50, Active)]), (50, Active));
        assert_eq!(
            step(&mut f, &[(0, 0, 7, Idle), (0, 1, 9, Idle), (1, 0, 50, Idle)]),
            (50, Idle),
            "all idle: it stays"
        );
        assert_eq!(step(&mut f, &[(0, 0, 8, Active), (0, 1, 9, Idle), (1, 0, 50, Idle)]), (50, Active), "never back");
    }

    #[test]
    fn an_input_that_waits_for_more_to_read_holds_back_and_an_idle_one_does_not() {
        let mut f = Fragment::new(vec![true, false], 2, vec![], Watermark::MIN);
        let other = (1, 0, 50, Active);
        assert_eq!(step(&mut f, &[(0, 0, 7, Waiting), (0, 1, 5, Active), other]), (5, Active), "its neighbour reads");
        assert_eq!(step(&mut f, &[(0, 0, 7, Waiting), (0, 1, 6, Waiting), other]), (7, Active), "all has been read");
        assert_eq!(step(&mut f, &[(0, 0, 7, Waiting), (0, 1, 6, Waiting), (1, 0, 60, Active)]), (7, Active));
        assert_eq!(step(&mut f, &[(0, 0, 7, Waiting), (0, 1, 6, Waiting), (1, 0, 60, Waiting)]), (7, Waiting));
        assert_eq!(step(&mut f, &[(0, 0, 7, Waiting), (0, 1, 6, Idle), (1, 0, 60, Active)]), (60, Active));
        assert_eq!(step(&mut f, &[(0, 0, 7, Idle), (0, 1, 6, Idle), (1, 0, 60, Waiting)]), (60, Waiting));
    }

    #[test]
    fn the_end_of_the_input_is_not_remembered() {
        let mut f = Fragment::new(vec![false], 1, vec![], Watermark::MIN);
        step(&mut f, &[(0, 0, 7, Active)]);
        assert_eq!(step(&mut f, &[(0, 0, i64::MAX, Active)]), (i64::MAX, Active));
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
