//! Top-N against its naive twin, over input that takes rows back and input that does not.

use super::reference::Naive;
use super::*;
use crate::operators::proving::{K, Plan, Row as Tested, T, V, batch, plan, prove, row, schema, texts};
use arrow::datatypes::Field;
use proptest::prelude::*;
use std::cmp::Ordering;

/// By `v` descending with NULLs last, then by everything, so that taken-back rows are told apart by their values only.
fn compare(a: &Tested, b: &Tested) -> Ordering {
    let v = |r: &Tested| (r.v.is_none(), r.v.map(|v| -v));
    v(a).cmp(&v(b)).then_with(|| a.t.cmp(&b.t))
}

fn order() -> Vec<SortColumn> {
    vec![
        SortColumn { column: V, ascending: false, nulls_first: false },
        SortColumn { column: T, ascending: true, nulls_first: false },
    ]
}

fn check(
    append_only: bool,
    keyed: bool,
    (from, to): (u64, u64),
    rank: bool,
    plan: &[Plan],
) -> Result<(), TestCaseError> {
    let keys = if keyed { vec![K] } else { vec![] };
    let factory = TopN::new(TopNConfig {
        input: schema(),
        keys: keys.clone(),
        order: order(),
        from,
        to,
        rank: rank.then(|| Arc::new(Field::new("rank", DataType::Int64, false))),
        append_only,
        whole_keys: false,
        last_wins: false,
    })
    .unwrap();
    let twin = Naive {
        keyed,
        from: from as usize,
        to: to as usize,
        rank,
        compare,
        last_wins: false,
        rows: vec![],
        epoch: vec![],
    };
    prove(&factory, &[keys], twin, plan, false)
}

/// Ties are broken by arrival; rows that tie and differ elsewhere arrive in one order on every worker only when their
/// key is on one worker and no consolidation moves them: the test gives each row a time of its own.
fn untie(plan: Vec<Plan>) -> Vec<Plan> {
    let mut next = 0;
    plan.into_iter()
        .map(|step| match step {
            Plan::Rows { input, mut rows, taken_back, backwards } => {
                for row in &mut rows {
                    row.t = next;
                    next += 1;
                }
                Plan::Rows { input, rows, taken_back, backwards }
            }
            other => other,
        })
        .collect()
}

proptest! {
    #[test]
    fn changing_input_equals_the_reference(
        plan in plan(1, true), keyed in any::<bool>(), from in 1u64..3, more in 0u64..4, rank in any::<bool>()
    ) {
        check(false, keyed, (from, from + more), rank, &untie(plan))?;
    }

    #[test]
    fn append_only_input_equals_the_reference(
        plan in plan(1, false), keyed in any::<bool>(), from in 1u64..3, more in 0u64..4, rank in any::<bool>()
    ) {
        check(true, keyed, (from, from + more), rank, &plan)?;
    }
}

proptest! {
    /// What comes in an epoch is a key of its own when the time tells the epoch: nothing is kept behind it.
    #[test]
    fn whole_keys_leave_nothing_behind(epochs in proptest::collection::vec(proptest::collection::vec(row(), 0..12), 1..12)) {
        let config = |whole_keys| TopNConfig {
            input: schema(),
            keys: vec![T],
            order: order(),
            from: 1,
            to: 2,
            rank: Some(Arc::new(Field::new("rank", DataType::Int64, false))),
            append_only: true,
            whole_keys,
            last_wins: false,
        };
        let (kept, whole) = (TopN::new(config(false)).unwrap(), TopN::new(config(true)).unwrap());
        prop_assert!(whole.state_fingerprint().is_none());
        let (mut kept, mut whole) =
            (crate::bare::Bare::new(&kept).unwrap(), crate::bare::Bare::new(&whole).unwrap());
        for (epoch, mut rows) in epochs.into_iter().enumerate() {
            rows.iter_mut().for_each(|r| r.t = epoch as i64);
            let changes = batch(&rows.into_iter().map(|r| (r, 1)).collect::<Vec<_>>());
            let mut answers = Vec::new();
            for operator in [&mut kept, &mut whole] {
                operator.push(0, changes.clone()).unwrap();
                let out = operator.end_epoch(freshet_types::Watermark::MIN).unwrap();
                prop_assert!(out.iter().all(ChangeBatch::is_append_only));
                answers.push(out.iter().flat_map(texts).collect::<Vec<_>>());
            }
            prop_assert_eq!(&answers[0], &answers[1]);
            prop_assert_eq!(whole.operator().counters().state_rows, 0);
        }
    }
}

#[test]
fn a_row_taken_back_before_it_comes_is_remembered() {
    let factory = TopN::new(TopNConfig {
        input: schema(),
        keys: vec![],
        order: order(),
        from: 1,
        to: 1,
        rank: None,
        append_only: false,
        whole_keys: false,
        last_wins: false,
    })
    .unwrap();
    let row = Tested { k: None, s: None, v: Some(1), d: None, f: None, flag: None, t: 0 };
    let mut bare = crate::bare::Bare::new(&factory).unwrap();
    bare.push(0, batch(&[(row.clone(), -1)])).unwrap();
    assert!(bare.end_epoch(freshet_types::Watermark::MIN).unwrap().is_empty());
    let saved = bare.freeze(SegmentKind::Base).unwrap().unwrap();
    let mut bare = crate::bare::Bare::new(&factory).unwrap();
    bare.restore(&[saved], 0..256).unwrap();
    bare.push(0, batch(&[(row.clone(), 1)])).unwrap();
    assert!(bare.end_epoch(freshet_types::Watermark::MIN).unwrap().is_empty());
    bare.push(0, batch(&[(row, 1)])).unwrap();
    assert_eq!(bare.end_epoch(freshet_types::Watermark::MIN).unwrap().len(), 1);
}
