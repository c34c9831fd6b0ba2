//! Naive twin: sorts all rows of a key anew.

use crate::operators::proving::{Answer, Reference, Row, add, text};

pub(crate) struct Naive {
    /// Whether rows are ranked per `k`.
    pub(crate) keyed: bool,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) rank: bool,
    /// What rows of a key are sorted by; rows of equal order stay in order of arrival.
    pub(crate) compare: fn(&Row, &Row) -> std::cmp::Ordering,
    /// Among equals, whether the last to arrive comes first.
    pub(crate) last_wins: bool,
    pub(crate) rows: Vec<Row>,
    /// Changes of this epoch: their sum counts, not their order.
    pub(crate) epoch: Vec<(Row, i64)>,
}

impl Reference for Naive {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, weight) in rows {
            match self.epoch.iter_mut().find(|(kept, _)| kept == row) {
                Some(kept) => kept.1 += weight,
                None => self.epoch.push((row.clone(), *weight)),
            }
        }
    }

    fn end(&mut self, _watermark: i64) {
        for (row, weight) in std::mem::take(&mut self.epoch) {
            for _ in weight..0 {
                let i = self.rows.iter().position(|kept| *kept == row).unwrap();
                self.rows.remove(i);
            }
            for _ in 0..weight {
                self.rows.push(row.clone());
            }
        }
    }

    fn answer(&self) -> Answer {
        let key = |row: &Row| if self.keyed { row.k } else { None };
        let mut keys: Vec<_> = self.rows.iter().map(key).collect();
        keys.sort();
        keys.dedup();
        let mut answer = Answer::new();
        for k in keys {
            let mut rows: Vec<&Row> = self.rows.iter().filter(|r| key(r) == k).collect();
            if self.last_wins {
                rows.reverse();
            }
            rows.sort_by(|a, b| (self.compare)(a, b));
            for (i, row) in rows.into_iter().enumerate().take(self.to).skip(self.from - 1) {
                let text = if self.rank { format!("{}|{}", text(row), i + 1) } else { text(row) };
                add(&mut answer, text, 1);
            }
        }
        answer
    }
}
