//! Naive twin: keeps every row of both sides and pairs each with each.

use super::{JoinKind, UnmatchedRows};
use crate::operators::proving::{Answer, Reference, Row, add, text};

pub(super) struct Naive {
    pub(super) kind: JoinKind,
    pub(super) keyed: bool,
    pub(super) null_equals_null: bool,
    pub(super) residual: bool,
    /// Rows of both sides.
    pub(super) sides: [Vec<(Row, i64)>; 2],
}

impl Naive {
    fn matches(&self, left: &Row, right: &Row) -> bool {
        let keys = !self.keyed || (left.k == right.k && (left.k.is_some() || self.null_equals_null));
        let residual = !self.residual || matches!((left.v, right.v), (Some(l), Some(r)) if l < r);
        keys && residual
    }
}

impl Reference for Naive {
    fn changes(&mut self, input: usize, rows: &[(Row, i64)]) {
        for (row, weight) in rows {
            let side = &mut self.sides[input];
            match side.iter_mut().find(|(kept, _)| kept == row) {
                Some(kept) => kept.1 += weight,
                None => side.push((row.clone(), *weight)),
            }
        }
    }

    fn answer(&self) -> Answer {
        use JoinKind::*;
        let mut answer = Answer::new();
        let [left, right] = &self.sides;
        let nulls = ["-"; 7].join("|");
        if self.kind.pairs() {
            for (l, lw) in left {
                for (r, rw) in right.iter().filter(|(r, _)| self.matches(l, r)) {
                    add(&mut answer, format!("{}|{}", text(l), text(r)), lw * rw);
                }
            }
        }
        for (l, w) in left {
            let paired = right.iter().any(|(r, w)| *w > 0 && self.matches(l, r));
            match (self.kind, paired) {
                (Left | Full, false) => add(&mut answer, format!("{}|{nulls}", text(l)), *w),
                (LeftSemi, true) | (LeftAnti, false) => add(&mut answer, text(l), *w),
                _ => {}
            }
        }
        for (r, w) in right {
            let paired = left.iter().any(|(l, w)| *w > 0 && self.matches(l, r));
            match (self.kind, paired) {
                (Right | Full, false) => add(&mut answer, format!("{nulls}|{}", text(r)), *w),
                (RightSemi, true) | (RightAnti, false) => add(&mut answer, text(r), *w),
                _ => {}
            }
        }
        answer
    }
}

/// Twin of an interval join over append-only inputs: rows leave after `delay`, unmatched ones are emitted then.
pub(super) struct Expiring {
    pub(super) delay: i64,
    pub(super) unmatched: UnmatchedRows,
    pub(super) kind: JoinKind,
    /// Rows, whether they had a pair, and whether they are still there.
    pub(super) sides: [Vec<(Row, bool, bool)>; 2],
    pub(super) answer: Answer,
}

impl Reference for Expiring {
    fn changes(&mut self, input: usize, rows: &[(Row, i64)]) {
        for (row, _) in rows {
            let mut paired = false;
            for (other, had, live) in &mut self.sides[1 - input] {
                if *live && other.k == row.k && row.k.is_some() {
                    paired = true;
                    *had = true;
                    let (l, r) = if input == 0 { (row, &*other) } else { (&*other, row) };
                    add(&mut self.answer, format!("{}|{}", text(l), text(r)), 1);
                }
            }
            self.sides[input].push((row.clone(), paired, true));
        }
    }

    fn end(&mut self, watermark: i64) {
        for side in &mut self.sides {
            side.iter_mut().for_each(|(row, _, live)| *live &= row.t.saturating_add(self.delay) > watermark);
        }
    }

    fn answer(&self) -> Answer {
        let mut answer = self.answer.clone();
        if self.kind == JoinKind::Left {
            for (row, paired, live) in &self.sides[0] {
                let waits = self.unmatched == UnmatchedRows::AtExpiry && *live && row.k.is_some();
                if !*paired && !waits {
                    add(&mut answer, format!("{}|{}", text(row), ["-"; 7].join("|")), 1);
                }
            }
        }
        answer
    }
}
