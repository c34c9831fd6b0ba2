//! Updating aggregates against their naive twin, and the corners of each function.

use super::reference::{COMPUTE, Naive};
use super::*;
use crate::bare::Bare;
use crate::operators::aggregate_call::AggregateFunction;
use crate::operators::proving::{D, F, FLAG, K, Plan, S, V, plan, prove, schema, texts};
use arrow::array::{Float64Array, Int32Array};
use arrow::datatypes::Field;
use freshet_types::Watermark;
use proptest::prelude::*;

/// The aggregate call that the twin knows under `name`.
pub(crate) fn call(name: &str) -> AggregateCall {
    use AggregateFunction::*;
    let (function, arguments, result) = match name {
        "count_star" | "count_filtered" => (CountStar, vec![], DataType::Int64),
        "count_v" | "distinct_v" => (Count, vec![V], DataType::Int64),
        "sum_v" | "sum_distinct_v" => (Sum, vec![V], DataType::Int64),
        "avg_v" => (Avg, vec![V], DataType::Int64),
        "sum_d" => (Sum, vec![D], DataType::Decimal128(38, 2)),
        "avg_d" => (Avg, vec![D], DataType::Decimal128(38, 6)),
        "sum_f" => (Sum, vec![F], DataType::Float64),
        "avg_f" => (Avg, vec![F], DataType::Float64),
        "min_v" => (Min, vec![V], DataType::Int64),
        "max_filtered" => (Max, vec![V], DataType::Int64),
        "max_s" => (Max, vec![S], DataType::Utf8),
        "max_d" => (Max, vec![D], DataType::Decimal128(10, 2)),
        "min_flag" => (Min, vec![FLAG], DataType::Boolean),
        "any_flag" => {
            (Other(datafusion::functions_aggregate::bool_and_or::bool_or_udaf()), vec![FLAG], DataType::Boolean)
        }
        other => panic!("no aggregate {other}"),
    };
    AggregateCall {
        function,
        arguments,
        filter: name.ends_with("filtered").then_some(FLAG),
        distinct: name.contains("distinct"),
        name: name.to_string(),
        result: Arc::new(Field::new("r", result, true)),
    }
}

fn check(names: Vec<&'static str>, keyed: bool, append_only: bool, plan: &[Plan]) -> Result<(), TestCaseError> {
    let keys = if keyed { vec![K, S] } else { vec![] };
    let factory = Aggregate::new(AggregateConfig {
        input: schema(),
        keys: keys.clone(),
        aggregates: names.iter().map(|n| call(n)).collect(),
        append_only,
        global: !keyed,
    })
    .unwrap();
    prove(&factory, &[keys], Naive { names, keyed, rows: vec![], epochs: 0 }, plan, false)
}

fn all() -> Vec<&'static str> {
    COMPUTE.iter().map(|c| c.0).collect()
}

proptest! {
    #[test]
    fn keyed_equals_the_reference(plan in plan(1, true)) {
        check(all(), true, false, &plan)?;
    }

    #[test]
    fn keyed_append_only_equals_the_reference(plan in plan(1, false)) {
        check(all(), true, true, &plan)?;
    }

    #[test]
    fn global_equals_the_reference(plan in plan(1, true)) {
        check(all(), false, false, &plan)?;
    }

    #[test]
    fn distinct_equals_the_reference(plan in plan(1, true)) {
        check(vec![], true, false, &plan)?;
    }
}

fn one_column(column: ArrayRef, function: AggregateFunction, result: DataType, weights: &[i64]) -> Vec<(String, i64)> {
    let input = Arc::new(Schema::new(vec![Field::new("x", column.data_type().clone(), true)]));
    let call = AggregateCall {
        function,
        arguments: vec![0],
        filter: None,
        distinct: false,
        name: "r".to_string(),
        result: Arc::new(Field::new("r", result, true)),
    };
    let append_only = weights.iter().all(|w| *w > 0);
    let config =
        AggregateConfig { input: Arc::clone(&input), keys: vec![], aggregates: vec![call], append_only, global: true };
    let mut bare = Bare::new(&Aggregate::new(config).unwrap()).unwrap();
    let rows = RecordBatch::try_new(input, vec![column]).unwrap();
    bare.push(0, ChangeBatch::new(rows, Some(weights.to_vec().into()))).unwrap();
    bare.end_epoch(Watermark::MIN).unwrap().iter().flat_map(texts).collect()
}

#[test]
fn integer_sums_wrap_as_in_flink() {
    let column: ArrayRef = Arc::new(Int32Array::from(vec![i32::MAX, 1]));
    let sum = one_column(column, AggregateFunction::Sum, DataType::Int32, &[1, 1]);
    assert_eq!(sum, [(i32::MIN.to_string(), 1)]);
}

#[test]
fn decimals_that_leave_their_type_are_null_and_come_back() {
    let column = || -> ArrayRef {
        Arc::new(arrow::array::Decimal128Array::from(vec![9, 9, 9]).with_precision_and_scale(1, 0).unwrap())
    };
    let sum = |weights: &[i64]| one_column(column(), AggregateFunction::Sum, DataType::Decimal128(1, 0), weights);
    assert_eq!(sum(&[1, 1, 1]), [("-".to_string(), 1)]);
    assert_eq!(sum(&[1, 1, -1]), [("9".to_string(), 1)]);
}

#[test]
fn infinities_can_be_taken_back() {
    let column: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::INFINITY, f64::NAN, f64::INFINITY, f64::NAN]));
    let sum = one_column(column, AggregateFunction::Sum, DataType::Float64, &[1, 1, 1, -1, -1]);
    assert_eq!(sum, [("1.5".to_string(), 1)]);
}

#[test]
fn first_and_last_follow_arrival() {
    let column = || -> ArrayRef { Arc::new(Int32Array::from(vec![None, Some(2), Some(1), None])) };
    let first = one_column(column(), AggregateFunction::FirstValue, DataType::Int32, &[1; 4]);
    assert_eq!(first, [("2".to_string(), 1)]);
    let last = one_column(column(), AggregateFunction::LastValue, DataType::Int32, &[1; 4]);
    assert_eq!(last, [("1".to_string(), 1)]);
}

#[test]
fn a_group_whose_rows_are_owed_to_each_other_is_remembered() {
    let names = ["count_star", "sum_v", "min_v", "max_s", "distinct_v", "any_flag"];
    let config = AggregateConfig {
        input: schema(),
        keys: vec![K],
        aggregates: names.map(call).to_vec(),
        append_only: false,
        global: false,
    };
    let factory = Aggregate::new(config).unwrap();
    let row = |v: i64, s: &str, flag| crate::operators::proving::Row {
        k: Some(1),
        s: Some(s.to_string()),
        v: Some(v),
        d: None,
        f: None,
        flag: Some(flag),
        t: 0,
    };
    let batch = crate::operators::proving::batch;
    let mut bare = Bare::new(&factory).unwrap();
    bare.push(0, batch(&[(row(1, "a", false), -1), (row(2, "b", true), 1)])).unwrap();
    assert!(bare.end_epoch(Watermark::MIN).unwrap().is_empty(), "the weights add up to zero");
    let saved = bare.freeze(SegmentKind::Base).unwrap().unwrap();
    let mut bare = Bare::new(&factory).unwrap();
    bare.restore(&[saved], 0..256).unwrap();
    bare.push(0, batch(&[(row(1, "a", false), 1)])).unwrap();
    let out: Vec<_> = bare.end_epoch(Watermark::MIN).unwrap().iter().flat_map(texts).collect();
    assert_eq!(out, [("1|1|2|2|b|1|true".to_string(), 1)]);
    bare.push(0, batch(&[(row(2, "b", true), -1)])).unwrap();
    bare.end_epoch(Watermark::MIN).unwrap();
    assert_eq!(bare.operator().counters().state_rows, 0);
}

#[test]
fn unchanged_groups_are_silent() {
    let config = AggregateConfig {
        input: schema(),
        keys: vec![K],
        aggregates: vec![call("max_filtered")],
        append_only: true,
        global: false,
    };
    let mut bare = Bare::new(&Aggregate::new(config).unwrap()).unwrap();
    let row =
        crate::operators::proving::Row { k: Some(1), s: None, v: Some(1), d: None, f: None, flag: Some(true), t: 0 };
    bare.push(0, crate::operators::proving::batch(&[(row.clone(), 1)])).unwrap();
    assert_eq!(bare.end_epoch(Watermark::MIN).unwrap().len(), 1);
    bare.push(0, crate::operators::proving::batch(&[(row, 1)])).unwrap();
    assert!(bare.end_epoch(Watermark::MIN).unwrap().is_empty());
}
