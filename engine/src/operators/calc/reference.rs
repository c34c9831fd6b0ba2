//! Naive twin of the calc `v > 0` keeping `k` and `v + v`.

use crate::operators::proving::{Answer, Reference, Row, add};

#[derive(Default)]
pub(super) struct Naive(Answer);

impl Reference for Naive {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, weight) in rows {
            if let Some(v) = row.v
                && v > 0
            {
                let k = row.k.map_or("-".to_string(), |k| k.to_string());
                add(&mut self.0, format!("{k}|{}", v + v), *weight);
            }
        }
    }

    fn answer(&self) -> Answer {
        self.0.clone()
    }
}
