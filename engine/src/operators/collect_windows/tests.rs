//! Rows held by window against a naive twin.

use super::*;
use crate::bare::Bare;
use crate::operators::proving::{Answer, K, Plan, Reference, Row, T, add, batch, plan, prove, schema, text, texts};
use freshet_types::Watermark;
use proptest::prelude::*;

/// Keeps every row beside the end of its window, here its time.
struct Naive {
    open: Vec<Row>,
    watermark: i64,
    answer: Answer,
}

fn closed(end: i64, watermark: i64) -> bool {
    watermark >= end - 1
}

impl Reference for Naive {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, weight) in rows {
            if !closed(row.t, self.watermark) {
                self.open.extend(std::iter::repeat_n(row.clone(), *weight as usize));
            }
        }
    }

    fn end(&mut self, watermark: i64) {
        self.watermark = watermark;
        for row in self.open.iter().filter(|r| closed(r.t, watermark)) {
            add(&mut self.answer, text(row), 1);
        }
        self.open.retain(|r| !closed(r.t, watermark));
    }

    fn answer(&self) -> Answer {
        self.answer.clone()
    }
}

fn factory() -> CollectWindows {
    CollectWindows::new(CollectWindowsConfig { input: schema(), keys: vec![K], end: T }).unwrap()
}

proptest! {
    #[test]
    fn equals_the_reference(plan in plan(1, false)) {
        let twin = Naive { open: vec![], watermark: i64::MIN, answer: Answer::new() };
        let plan: Vec<Plan> = plan;
        prove(&factory(), &[vec![K]], twin, &plan, true)?;
    }
}

#[test]
fn a_window_leaves_whole_in_the_order_of_arrival_and_late_rows_are_counted() {
    let row = |v: i64, t: i64| Row { k: Some(1), s: None, v: Some(v), d: None, f: None, flag: None, t };
    let mut bare = Bare::new(&factory()).unwrap();
    let values = |out: Vec<ChangeBatch>| -> Vec<String> { out.iter().flat_map(texts).map(|(row, _)| row).collect() };
    bare.push(0, batch(&[(row(3, 10), 1), (row(1, 20), 1)])).unwrap();
    assert!(bare.end_epoch(Watermark(8)).unwrap().is_empty());
    bare.push(0, batch(&[(row(2, 10), 2)])).unwrap();
    let out = values(bare.end_epoch(Watermark(9)).unwrap());
    assert_eq!(out, [text(&row(3, 10)), text(&row(2, 10)), text(&row(2, 10))]);
    bare.push(0, batch(&[(row(9, 10), 1)])).unwrap();
    assert_eq!(values(bare.end_epoch(Watermark::MAX).unwrap()), [text(&row(1, 20))]);
    assert_eq!(bare.operator().counters().late_rows, 1);
}
