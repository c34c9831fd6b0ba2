//! Rows in sessions against the naive twin, and what a row between two sessions does.

use super::reference::Naive;
use super::*;
use crate::bare::Bare;
use crate::operators::proving::{Answer, K, Plan, Row, T, batch, plan, prove, schema, texts};
use freshet_types::Watermark;
use proptest::prelude::*;

fn factory(keys: Vec<usize>) -> AssignSessions {
    AssignSessions::new(AssignSessionsConfig { input: schema(), keys, time: T, gap_ms: 5 }).unwrap()
}

proptest! {
    #[test]
    fn equals_the_reference(plan in plan(1, false)) {
        let twin = Naive { gap: 5, open: vec![], watermark: i64::MIN, answer: Answer::new() };
        let plan: Vec<Plan> = plan;
        prove(&factory(vec![K]), &[vec![K]], twin, &plan, true)?;
    }
}

#[test]
fn a_row_between_two_sessions_makes_them_one() {
    let row = |t: i64| (Row { k: Some(1), s: None, v: None, d: None, f: None, flag: None, t }, 1);
    let mut bare = Bare::new(&factory(vec![])).unwrap();
    bare.push(0, batch(&[row(10), row(20), row(40)])).unwrap();
    assert!(bare.end_epoch(Watermark(13)).unwrap().is_empty());
    // The first session reaches to 15; a row at 15 still belongs to it and to the second one.
    bare.push(0, batch(&[row(15)])).unwrap();
    let out = bare.end_epoch(Watermark(24)).unwrap();
    let ends: Vec<String> = out.iter().flat_map(texts).map(|(row, _)| row.split_once('|').unwrap().1.into()).collect();
    assert_eq!(ends, ["-|-|-|-|-|10|10|25|24", "-|-|-|-|-|20|10|25|24", "-|-|-|-|-|15|10|25|24"]);
    bare.push(0, batch(&[row(19)])).unwrap();
    assert_eq!(bare.end_epoch(Watermark::MAX).unwrap().iter().map(ChangeBatch::row_count).sum::<usize>(), 1);
    assert_eq!(bare.operator().counters().late_rows, 1);
}
