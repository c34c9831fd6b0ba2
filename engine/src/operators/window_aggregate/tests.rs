//! Window aggregates against their naive twin, with late rows.

use super::reference::{Grid, Sessions};
use super::*;
use crate::bare::Bare;
use crate::operators::aggregate::reference::COMPUTE;
use crate::operators::aggregate::tests::call;
use crate::operators::assign_windows::tests::specs;
use crate::operators::assign_windows::{AssignWindows, AssignWindowsConfig};
use crate::operators::proving::{Answer, K, Row, T, batch, plan, prove, schema, texts};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn factory(input: SchemaRef, window: WindowKind, names: &[&str]) -> WindowAggregate {
    let aggregates = names.iter().map(|n| call(n)).collect();
    WindowAggregate::new(WindowAggregateConfig { input, keys: vec![K], window, aggregates }).unwrap()
}

fn names() -> Vec<&'static str> {
    COMPUTE.iter().map(|c| c.0).collect()
}

proptest! {
    #[test]
    fn windows_equal_the_reference(plan in plan(1, false), spec in specs()) {
        let factory = factory(schema(), WindowKind::OnTime { time: T, windows: spec }, &names());
        let twin = Grid { spec, names: names(), open: BTreeMap::new(), watermark: i64::MIN, answer: Answer::new() };
        prove(&factory, &[vec![K]], twin, &plan, true)?;
    }

    #[test]
    fn sessions_equal_the_reference(plan in plan(1, false), gap_ms in 1i64..9) {
        let factory = factory(schema(), WindowKind::Session { time: T, gap_ms }, &names());
        let twin = Sessions { gap: gap_ms, names: names(), open: vec![], watermark: i64::MIN, answer: Answer::new() };
        prove(&factory, &[vec![K]], twin, &plan, true)?;
    }
}

fn row(k: i64, v: i64, t: i64) -> Row {
    Row { k: Some(k), s: None, v: Some(v), d: None, f: None, flag: None, t }
}

fn rows_out(out: Vec<ChangeBatch>) -> Vec<String> {
    out.iter().flat_map(texts).map(|(row, _)| row).collect()
}

#[test]
fn rows_that_carry_their_window() {
    let windows = WindowSpec::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 };
    let assign = AssignWindows::new(AssignWindowsConfig { input: schema(), time: T, windows }).unwrap();
    let width = schema().fields().len();
    let attached = WindowKind::Attached { start: width, end: width + 1 };
    let sum = factory(assign.schema(), attached, &["sum_v"]);
    let (mut assign, mut sum) = (Bare::new(&assign).unwrap(), Bare::new(&sum).unwrap());
    assign.push(0, batch(&[(row(1, 10, 3), 1), (row(1, 20, 7), 1)])).unwrap();
    for changes in assign.end_epoch(Watermark::MIN).unwrap() {
        sum.push(0, changes).unwrap();
    }
    assert_eq!(rows_out(sum.end_epoch(Watermark(4)).unwrap()), ["1|10|-5|5|4"]);
    assert_eq!(rows_out(sum.end_epoch(Watermark::MAX).unwrap()), ["1|30|0|10|9", "1|20|5|15|14"]);
}

#[test]
fn late_rows_are_counted_and_dropped_only_when_every_window_is_closed() {
    let hop = WindowKind::OnTime { time: T, windows: WindowSpec::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 } };
    let mut bare = Bare::new(&factory(schema(), hop, &["sum_v"])).unwrap();
    bare.push(0, batch(&[(row(1, 1, 7), 1)])).unwrap();
    assert_eq!(rows_out(bare.end_epoch(Watermark(9)).unwrap()), ["1|1|0|10|9"]);
    bare.push(0, batch(&[(row(1, 2, 7), 1), (row(1, 4, 3), 1)])).unwrap();
    assert_eq!(rows_out(bare.end_epoch(Watermark(14)).unwrap()), ["1|3|5|15|14"]);
    assert_eq!(bare.operator().counters().late_rows, 1);
}

#[test]
fn a_row_exactly_one_gap_later_joins_the_session() {
    let mut bare = Bare::new(&factory(schema(), WindowKind::Session { time: T, gap_ms: 10 }, &["count_star"])).unwrap();
    bare.push(0, batch(&[(row(1, 1, 0), 1), (row(1, 1, 10), 1), (row(1, 1, 21), 1)])).unwrap();
    assert_eq!(rows_out(bare.end_epoch(Watermark::MAX).unwrap()), ["1|2|0|20|19", "1|1|21|31|30"]);
}

#[test]
fn input_that_takes_rows_back_is_refused() {
    let window = WindowKind::OnTime { time: T, windows: WindowSpec::Tumble { size_ms: 10, offset_ms: 0 } };
    let mut bare = Bare::new(&factory(schema(), window, &["sum_v"])).unwrap();
    let error = bare.push(0, batch(&[(row(1, 1, 0), -1)])).unwrap_err();
    assert_eq!(error.code(), "window_aggregate.retraction");
}

#[test]
fn rows_of_many_windows_in_one_batch_are_gathered() {
    let window = WindowKind::OnTime { time: T, windows: WindowSpec::Tumble { size_ms: 10, offset_ms: 0 } };
    let mut bare = Bare::new(&factory(schema(), window, &["count_star"])).unwrap();
    let rows: Vec<(Row, i64)> = (0..100).map(|i| (row(1, 1, i * 37 % 100), 1)).collect();
    bare.push(0, batch(&rows)).unwrap();
    let out = rows_out(bare.end_epoch(Watermark::MAX).unwrap());
    assert_eq!(out.len(), 10);
    assert!(out.iter().all(|row| row.starts_with("1|10|")));
}
