//! State does not grow with what has passed: after ten times the rows over the same keys, or the same length of open time,
//! an operator holds about as much as before, with checkpoints or without.

use crate::bare::Bare;
use crate::operators::aggregate::tests::call;
use crate::operators::proving::{K, Row, T, V, batch, schema};
use crate::operators::{
    Aggregate, AggregateConfig, CollectWindows, CollectWindowsConfig, Deduplicate, DeduplicateConfig, ExpireBy, Join,
    JoinConfig, JoinKind, Keep, SortColumn, TopN, TopNConfig, UnmatchedRows, WindowAggregate, WindowAggregateConfig,
    WindowKind, WindowSpec,
};
use crate::{OperatorFactory, SegmentKind};
use freshet_types::Watermark;

const EPOCH_ROWS: i64 = 200;
const KEYS: i64 = 50;
/// Time that passes from row to row.
const STEP_MS: i64 = 10;

/// Rows of one epoch: keys in turn, times that grow.
fn rows(epoch: i64) -> Vec<(Row, i64)> {
    let row = |i: i64| {
        let n = epoch * EPOCH_ROWS + i;
        let text = Some(format!("text {}", n % 7));
        Row { k: Some(n % KEYS), s: text, v: Some(n * 31 % 97), d: None, f: None, flag: None, t: n * STEP_MS }
    };
    (0..EPOCH_ROWS).map(|i| (row(i), 1)).collect()
}

/// What is held after so many epochs: rows, bytes in memory, bytes of what the next base would write.
fn held(factory: &dyn OperatorFactory, inputs: usize, epochs: i64, checkpoints: bool) -> [u64; 3] {
    let mut bare = Bare::new(factory).unwrap();
    for epoch in 0..epochs {
        for input in 0..inputs {
            bare.push(input, batch(&rows(epoch))).unwrap();
        }
        bare.end_epoch(Watermark((epoch + 1) * EPOCH_ROWS * STEP_MS - 1_000)).unwrap();
        if checkpoints && epoch % 3 == 0 && factory.state_fingerprint().is_some() {
            bare.freeze(if epoch == 0 { SegmentKind::Base } else { SegmentKind::Delta }).unwrap();
        }
    }
    let counters = bare.operator().counters();
    let saved = match factory.state_fingerprint() {
        Some(_) => bare.freeze(SegmentKind::Base).unwrap().expect("a base says what is kept"),
        None => return [counters.state_rows, counters.state_bytes, 0],
    };
    let bytes = saved.tables.iter().map(|(_, _, rows)| rows.num_rows() * rows.num_columns().max(1)).sum::<usize>();
    [counters.state_rows, counters.state_bytes, bytes as u64]
}

#[track_caller]
fn check(factory: &dyn OperatorFactory, inputs: usize) {
    for checkpoints in [false, true] {
        let (before, after) = (held(factory, inputs, 60, checkpoints), held(factory, inputs, 600, checkpoints));
        for (before, after) in before.into_iter().zip(after) {
            assert!(
                after as f64 <= before as f64 * 1.2,
                "{} ({}), checkpoints {checkpoints}: {before} became {after}",
                factory.name(),
                factory.describe()
            );
        }
    }
}

#[test]
fn windows() {
    let grid = |windows| WindowKind::OnTime { time: T, windows };
    let kinds = [
        grid(WindowSpec::Tumble { size_ms: 1_000, offset_ms: 0 }),
        grid(WindowSpec::Hop { size_ms: 3_000, slide_ms: 1_000, offset_ms: 0 }),
        grid(WindowSpec::Cumulate { size_ms: 3_000, step_ms: 1_000, offset_ms: 0 }),
        WindowKind::Session { time: T, gap_ms: 100 },
    ];
    for window in kinds {
        let aggregates = ["count_star", "max_s", "distinct_v", "sum_v"].map(call).to_vec();
        let config = WindowAggregateConfig { input: schema(), keys: vec![K], window, aggregates };
        check(&WindowAggregate::new(config).unwrap(), 1);
    }
}

#[test]
fn rows_that_carry_their_window() {
    // The time itself stands for the end of a window here.
    check(&CollectWindows::new(CollectWindowsConfig { input: schema(), keys: vec![K], end: T }).unwrap(), 1);
}

fn top(keys: Vec<usize>, whole_keys: bool) -> TopN {
    TopN::new(TopNConfig {
        input: schema(),
        keys,
        order: vec![SortColumn { column: V, ascending: false, nulls_first: false }],
        from: 1,
        to: 3,
        rank: None,
        append_only: true,
        whole_keys,
        last_wins: false,
    })
    .unwrap()
}

#[test]
fn ranks() {
    check(&top(vec![K], false), 1);
    check(&top(vec![T], true), 1);
}

#[test]
fn duplicates() {
    for (time, keep) in [(None, Keep::First), (None, Keep::Last), (Some(T), Keep::First), (Some(T), Keep::Last)] {
        let config = DeduplicateConfig { input: schema(), keys: vec![K], time, keep, append_only: true };
        check(&Deduplicate::new(config).unwrap(), 1);
    }
}

#[test]
fn groups() {
    let aggregates = ["count_star", "max_s", "distinct_v", "sum_v", "min_v"].map(call).to_vec();
    let config = AggregateConfig { input: schema(), keys: vec![K], aggregates, append_only: true, global: false };
    check(&Aggregate::new(config).unwrap(), 1);
}

#[test]
fn joins_over_time() {
    for kind in [JoinKind::Inner, JoinKind::Left, JoinKind::Full, JoinKind::LeftSemi, JoinKind::LeftAnti] {
        let expire = Some(ExpireBy { column: T, delay_ms: 500 });
        let config = JoinConfig {
            left: schema(),
            right: schema(),
            kind,
            left_keys: vec![K],
            right_keys: vec![K],
            null_equals_null: false,
            residual: None,
            left_expire: expire,
            right_expire: expire,
            unmatched: UnmatchedRows::AtExpiry,
        };
        check(&Join::new(config).unwrap(), 2);
    }
}
