//! Calc: conditions, computed columns, identity.

use super::reference::Naive;
use super::*;
use crate::bare::Bare;
use crate::operators::proving::{K, V, plan, prove, row, schema};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{binary, col, lit};
use freshet_types::Watermark;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

fn doubled() -> Calc {
    let input = schema();
    let v = || col("v", &input).unwrap();
    let filter = binary(v(), Op::Gt, lit(0i64), &input).unwrap();
    let double = binary(v(), Op::Plus, v(), &input).unwrap();
    let projection = Some(vec![(col("k", &input).unwrap(), "k".to_string()), (double, "w".to_string())]);
    Calc::new(CalcConfig { input, filter: Some(filter), projection }).unwrap()
}

proptest! {
    #[test]
    fn equals_the_reference(plan in plan(1, true)) {
        prove(&doubled(), &[vec![]], Naive::default(), &plan, false)?;
    }
}

#[test]
fn columns_pass_through_without_a_copy() {
    let input = schema();
    let projection =
        Some(vec![(col("v", &input).unwrap(), "a".to_string()), (col("k", &input).unwrap(), "b".to_string())]);
    let calc = Calc::new(CalcConfig { input: Arc::clone(&input), filter: None, projection }).unwrap();
    assert_eq!(calc.describe(), "v@2 as a, k@0 as b");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let one = row().new_tree(&mut runner).unwrap().current();
    let changes = crate::operators::proving::batch(&[(one, 1)]);
    let mut bare = Bare::new(&calc).unwrap();
    bare.push(0, changes.clone()).unwrap();
    let out = bare.end_epoch(Watermark::MIN).unwrap();
    assert!(Arc::ptr_eq(out[0].column(0), changes.column(V)));
    assert!(Arc::ptr_eq(out[0].column(1), changes.column(K)));
}

#[test]
fn filtered_rows_are_counted() {
    let mut bare = Bare::new(&doubled()).unwrap();
    let row = |v| crate::operators::proving::Row { k: None, s: None, v, d: None, f: None, flag: None, t: 0 };
    let rows = [(row(Some(1)), 1), (row(None), 1), (row(Some(-1)), 1)];
    bare.push(0, crate::operators::proving::batch(&rows)).unwrap();
    assert_eq!(bare.operator().counters().filtered_rows, 2);
}

#[test]
fn a_condition_must_be_boolean() {
    let input = schema();
    let filter = Some(col("v", &input).unwrap());
    let error = Calc::new(CalcConfig { input, filter, projection: None }).unwrap_err();
    assert_eq!(error.code(), "filter.type");
}
