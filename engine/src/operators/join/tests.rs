//! Joins of changing inputs against their naive twin: all kinds, conditions, NULL keys, expiry.

use super::reference::{Expiring, Naive};
use super::*;
use crate::operators::proving::{Answer, K, T, plan, prove, schema, texts};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{Column, binary};
use proptest::prelude::*;

fn config(kind: JoinKind) -> JoinConfig {
    JoinConfig {
        left: schema(),
        right: schema(),
        kind,
        left_keys: vec![K],
        right_keys: vec![K],
        null_equals_null: false,
        residual: None,
        left_expire: None,
        right_expire: None,
        unmatched: UnmatchedRows::AtOnce,
    }
}

fn less() -> Arc<dyn PhysicalExpr> {
    let all = both(&schema(), &schema());
    let column = |i| Arc::new(Column::new("v", i)) as Arc<dyn PhysicalExpr>;
    binary(column(2), Op::Lt, column(9), &all).unwrap()
}

fn kinds() -> impl Strategy<Value = JoinKind> {
    use JoinKind::*;
    prop_oneof![
        Just(Inner),
        Just(Left),
        Just(Right),
        Just(Full),
        Just(LeftSemi),
        Just(LeftAnti),
        Just(RightSemi),
        Just(RightAnti),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 3 / 2))]
    #[test]
    fn equals_the_reference(
        plan in plan(2, true), kind in kinds(), residual in any::<bool>(), keyed in any::<bool>(), nulls in any::<bool>()
    ) {
        let keys = if keyed { vec![K] } else { vec![] };
        let factory = Join::new(JoinConfig {
            left_keys: keys.clone(),
            right_keys: keys.clone(),
            residual: residual.then(less),
            null_equals_null: nulls,
            ..config(kind)
        })
        .unwrap();
        let twin = Naive { kind, keyed, null_equals_null: nulls, residual, sides: [vec![], vec![]] };
        prove(&factory, &[keys.clone(), keys], twin, &plan, false)?;
    }

    #[test]
    fn expiry_equals_the_reference(plan in plan(2, false), left in any::<bool>(), at_expiry in any::<bool>(), delay in 0i64..20) {
        let kind = if left { JoinKind::Left } else { JoinKind::Inner };
        let unmatched = if at_expiry { UnmatchedRows::AtExpiry } else { UnmatchedRows::AtOnce };
        let expire = Some(ExpireBy { column: T, delay_ms: delay });
        let factory = Join::new(JoinConfig { left_expire: expire, right_expire: expire, unmatched, ..config(kind) }).unwrap();
        let twin = Expiring { delay, unmatched, kind, sides: [vec![], vec![]], answer: Answer::new() };
        prove(&factory, &[vec![K], vec![K]], twin, &plan, at_expiry || !left)?;
    }
}

#[test]
fn a_row_without_a_time_leaves_with_its_epoch() {
    let side = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("t", DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None), true),
    ]));
    let expire = Some(ExpireBy { column: 1, delay_ms: 10 });
    let factory = Join::new(JoinConfig {
        left: Arc::clone(&side),
        right: Arc::clone(&side),
        left_keys: vec![0],
        right_keys: vec![0],
        left_expire: expire,
        right_expire: expire,
        unmatched: UnmatchedRows::AtExpiry,
        ..config(JoinKind::Left)
    })
    .unwrap();
    let mut bare = crate::bare::Bare::new(&factory).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(arrow::array::TimestampMillisecondArray::from(vec![None::<i64>])),
    ];
    bare.push(0, ChangeBatch::inserts(RecordBatch::try_new(side, columns).unwrap())).unwrap();
    let out = bare.end_epoch(freshet_types::Watermark::MIN).unwrap();
    assert_eq!(out.iter().flat_map(texts).collect::<Vec<_>>(), [("1|-|-|-".to_string(), 1)]);
    assert_eq!(bare.operator().counters().state_rows, 0);
}

#[test]
fn keys_of_different_types_are_refused() {
    let error = Join::new(JoinConfig { right_keys: vec![1], ..config(JoinKind::Inner) }).unwrap_err();
    assert_eq!(error.code(), "join.keys");
}
