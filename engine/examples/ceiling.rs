//! Rows per CPU-second of the operators under the bare driver: the ceiling that the host is measured against.
//!
//! `cargo xtask bench ceiling`

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::expressions::{binary, col, lit};
use freshet_engine::OperatorFactory;
use freshet_engine::bare::Bare;
use freshet_engine::operators::*;
use freshet_types::{ChangeBatch, Watermark};
use std::sync::Arc;

const EPOCH_ROWS: usize = 10_000;
const AUCTIONS: u64 = 100_000;

fn bids() -> SchemaRef {
    let int = |name: &str| Field::new(name, DataType::Int64, true);
    let time = Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), false);
    Arc::new(Schema::new(vec![int("auction"), int("bidder"), int("price"), time]))
}

/// Numbers that look random and are the same in each run.
fn scramble(i: u64) -> u64 {
    let z = (i ^ (i >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn epoch(first: usize) -> ChangeBatch {
    let rows = first..first + EPOCH_ROWS;
    let column =
        |f: &dyn Fn(u64) -> i64| -> ArrayRef { Arc::new(rows.clone().map(|i| f(i as u64)).collect::<Int64Array>()) };
    let columns = vec![
        // Squaring a uniform number makes some auctions much hotter than others.
        column(&|i| {
            let u = scramble(i) % 1_000_000;
            (u * u / 1_000_000 * AUCTIONS / 1_000_000) as i64
        }),
        column(&|i| (scramble(i + 1) % 1_000_000) as i64),
        column(&|i| (scramble(i + 2) % 10_000) as i64),
        Arc::new(TimestampMillisecondArray::from_iter_values(rows.clone().map(|i| i as i64 / 10))) as ArrayRef,
    ];
    ChangeBatch::inserts(RecordBatch::try_new(bids(), columns).expect("columns fit the schema"))
}

fn auctions() -> ChangeBatch {
    let int = |name: &str| Field::new(name, DataType::Int64, true);
    let schema = Arc::new(Schema::new(vec![int("id"), int("seller"), int("category")]));
    let column = |f: fn(i64) -> i64| -> ArrayRef { Arc::new((0..AUCTIONS as i64).map(f).collect::<Int64Array>()) };
    let columns = vec![column(|i| i), column(|i| i % 1_000), column(|i| i % 10)];
    ChangeBatch::inserts(RecordBatch::try_new(schema, columns).expect("columns fit the schema"))
}

/// CPU time of this process, in seconds.
fn cpu_seconds() -> f64 {
    // Fields 14 and 15 of the stat file are user and system time in ticks of 10 ms, behind the name in parentheses.
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return f64::NAN };
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

fn call(function: AggregateFunction, arguments: Vec<usize>, name: &str) -> AggregateCall {
    let result = Arc::new(Field::new(name, DataType::Int64, true));
    AggregateCall { function, arguments, filter: None, distinct: false, name: name.to_string(), result }
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn measure(name: &str, factory: &dyn OperatorFactory, before: Option<(usize, ChangeBatch)>, rows: usize) {
    let mut bare = Bare::new(factory).expect("the operator starts");
    if let Some((input, changes)) = before {
        bare.push(input, changes).expect("rows fit");
    }
    let epochs: Vec<ChangeBatch> = (0..rows / EPOCH_ROWS).map(|e| epoch(e * EPOCH_ROWS)).collect();
    let start = cpu_seconds();
    let mut out = 0;
    for (e, changes) in epochs.into_iter().enumerate() {
        bare.push(0, changes).expect("rows fit");
        let watermark = Watermark((e * EPOCH_ROWS / 10) as i64);
        out += bare.end_epoch(watermark).expect("the epoch ends").iter().map(ChangeBatch::row_count).sum::<usize>();
    }
    let seconds = cpu_seconds() - start;
    println!("{name:<18} {:>7.1} M rows per CPU-second, {out} rows out", rows as f64 / seconds / 1e6);
}

fn main() -> Result<(), freshet_types::Error> {
    let rows = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(5_000_000);
    let input = bids();
    let column = |name: &str| col(name, &input).expect("a column of the input");
    let and = |a, b| binary(a, Op::And, b, &input).expect("two conditions");
    let expensive = binary(column("price"), Op::Gt, lit(5_000i64), &input).expect("a comparison");
    let even = binary(column("auction"), Op::Modulo, lit(2i64), &input).expect("a number");
    let even = binary(even, Op::Eq, lit(0i64), &input).expect("a comparison");
    let cents = binary(column("price"), Op::Multiply, lit(89i64), &input).expect("a product");
    let calc = Calc::new(CalcConfig {
        input: bids(),
        filter: Some(and(expensive, even)),
        projection: Some(vec![
            (column("auction"), "auction".into()),
            (cents, "cents".into()),
            (column("t"), "t".into()),
        ]),
    })?;
    measure("calc", &calc, None, rows);
    let calls =
        || vec![call(AggregateFunction::CountStar, vec![], "n"), call(AggregateFunction::Sum, vec![2], "total")];
    for (name, windows) in [
        ("tumble 10 s", WindowSpec::Tumble { size_ms: 10_000, offset_ms: 0 }),
        ("hop 10 s, 2 s", WindowSpec::Hop { size_ms: 10_000, slide_ms: 2_000, offset_ms: 0 }),
    ] {
        let window = WindowKind::OnTime { time: 3, windows };
        let factory =
            WindowAggregate::new(WindowAggregateConfig { input: bids(), keys: vec![0], window, aggregates: calls() })?;
        measure(name, &factory, None, rows);
    }
    let updating =
        AggregateConfig { input: bids(), keys: vec![0], aggregates: calls(), append_only: true, global: false };
    measure("aggregate", &Aggregate::new(updating)?, None, rows);
    let auctions = auctions();
    let join = Join::new(JoinConfig {
        left: bids(),
        right: auctions.schema(),
        kind: JoinKind::Inner,
        left_keys: vec![0],
        right_keys: vec![0],
        null_equals_null: false,
        residual: None,
        left_expire: None,
        right_expire: None,
        unmatched: UnmatchedRows::AtOnce,
    })?;
    measure("join", &join, Some((1, auctions)), rows);
    Ok(())
}
