//! The naive twin: a list of sessions, looked through for each row.

use crate::operators::proving::{Answer, Reference, Row, add, text};

pub(super) struct Naive {
    pub(super) gap: i64,
    pub(super) open: Vec<Vec<Row>>,
    pub(super) watermark: i64,
    pub(super) answer: Answer,
}

fn span(rows: &[Row]) -> (i64, i64) {
    (rows.iter().map(|r| r.t).min().unwrap(), rows.iter().map(|r| r.t).max().unwrap())
}

impl Naive {
    fn is_over(&self, last: i64) -> bool {
        self.watermark >= last + self.gap - 1
    }
}

impl Reference for Naive {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, weight) in rows {
            let near = |rows: &Vec<Row>| {
                let (first, last) = span(rows);
                rows[0].k == row.k && row.t <= last + self.gap && row.t >= first - self.gap
            };
            let (joined, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open).into_iter().partition(near);
            self.open = rest;
            if joined.is_empty() && self.is_over(row.t) {
                continue;
            }
            let mut rows: Vec<Row> = joined.into_iter().flatten().collect();
            rows.extend(std::iter::repeat_n(row.clone(), *weight as usize));
            self.open.push(rows);
        }
    }

    fn end(&mut self, watermark: i64) {
        self.watermark = watermark;
        let (over, open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.open).into_iter().partition(|rows| self.is_over(span(rows).1));
        self.open = open;
        for rows in over {
            let (first, last) = span(&rows);
            for row in &rows {
                let end = last + self.gap;
                add(&mut self.answer, format!("{}|{first}|{end}|{}", text(row), end - 1), 1);
            }
        }
    }

    fn answer(&self) -> Answer {
        self.answer.clone()
    }
}
