//! Naive twin: keeps every row with its windows, and computes a window when it closes.

use crate::operators::aggregate::reference::compute;
use crate::operators::assign_windows::reference::windows_by_trying;
use crate::operators::proving::{Answer, Reference, Row, add};
use crate::operators::windows::WindowSpec;
use std::collections::BTreeMap;

type Key = Option<i64>;

fn line(key: Key, names: &[&str], rows: &[&Row], (start, end): (i64, i64)) -> String {
    let mut columns = vec![key.map_or("-".to_string(), |k| k.to_string())];
    columns.extend(compute(names, rows));
    columns.extend([start.to_string(), end.to_string(), (end - 1).to_string()]);
    columns.join("|")
}

fn closed(end: i64, watermark: i64) -> bool {
    watermark >= end - 1
}

pub(super) struct Grid {
    pub(super) spec: WindowSpec,
    pub(super) names: Vec<&'static str>,
    pub(super) open: BTreeMap<(i64, i64, Key), Vec<Row>>,
    pub(super) watermark: i64,
    pub(super) answer: Answer,
}

impl Reference for Grid {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, _) in rows {
            for (start, end) in windows_by_trying(self.spec, row.t) {
                if !closed(end, self.watermark) {
                    self.open.entry((start, end, row.k)).or_default().push(row.clone());
                }
            }
        }
    }

    fn end(&mut self, watermark: i64) {
        self.watermark = watermark;
        for ((start, end, key), rows) in &self.open {
            if closed(*end, watermark) {
                let rows: Vec<&Row> = rows.iter().collect();
                add(&mut self.answer, line(*key, &self.names, &rows, (*start, *end)), 1);
            }
        }
        self.open.retain(|(_, end, _), _| !closed(*end, watermark));
    }

    fn answer(&self) -> Answer {
        self.answer.clone()
    }
}

pub(super) struct Sessions {
    pub(super) gap: i64,
    pub(super) names: Vec<&'static str>,
    /// Rows of each open session, per key.
    pub(super) open: Vec<(Key, Vec<Row>)>,
    pub(super) watermark: i64,
    pub(super) answer: Answer,
}

fn span(rows: &[Row]) -> (i64, i64) {
    (rows.iter().map(|r| r.t).min().unwrap(), rows.iter().map(|r| r.t).max().unwrap())
}

impl Reference for Sessions {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, _) in rows {
            let near = |(key, rows): &(Key, Vec<Row>)| {
                let (first, last) = span(rows);
                *key == row.k && row.t <= last + self.gap && row.t >= first - self.gap
            };
            let (joined, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open).into_iter().partition(near);
            self.open = rest;
            if joined.is_empty() && closed(row.t + self.gap, self.watermark) {
                continue;
            }
            let mut rows: Vec<Row> = joined.into_iter().flat_map(|(_, rows)| rows).collect();
            rows.push(row.clone());
            self.open.push((row.k, rows));
        }
    }

    fn end(&mut self, watermark: i64) {
        self.watermark = watermark;
        let gap = self.gap;
        let is_closed = |rows: &[Row]| closed(span(rows).1 + gap, watermark);
        for (key, rows) in self.open.iter().filter(|(_, rows)| is_closed(rows)) {
            let (first, last) = span(rows);
            let rows: Vec<&Row> = rows.iter().collect();
            add(&mut self.answer, line(*key, &self.names, &rows, (first, last + gap)), 1);
        }
        self.open.retain(|(_, rows)| !is_closed(rows));
    }

    fn answer(&self) -> Answer {
        self.answer.clone()
    }
}
