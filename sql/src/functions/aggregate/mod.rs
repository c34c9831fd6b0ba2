//! Aggregate functions with Flink's result types.
//!
//! These are what a batch query runs. The streaming engine has accumulators of its own, which can take rows back; it
//! takes a function's name, and its result type from `return_field`, from here, so that both agree.
//!
//! SUM keeps the type of its argument (a sum of INT is INT, and wraps); DECIMAL(p, s) becomes DECIMAL(38, s). AVG and the
//! variances keep it too, cut to whole numbers; DECIMAL(p, s) becomes DECIMAL(38, max(6, s)).
//!
//! Source: Flink, `LogicalTypeMerging.findSumAggType`, `findAvgAggType`.

mod average;
mod distinct;
mod edge;
mod listagg;
mod moments;
mod refused;
mod sum;

use super::Listed;
use super::function::Family;
use arrow::datatypes::DataType;
use datafusion::functions_aggregate as theirs;
use datafusion::logical_expr::AggregateUDF;
use freshet_types::{Error, Result, SqlType};
use std::sync::Arc;

const fn listed(name: &'static str, signature: &'static str, doc: &'static str) -> Listed {
    Listed { name, family: Family::Aggregate, signature, doc }
}

/// Every aggregate function.
pub static AGGREGATES: &[Listed] = &[
    listed("count", "COUNT({* | [DISTINCT] x, ...})", "Number of rows, or of those where nothing is NULL."),
    listed("sum", "SUM([DISTINCT] x)", "Sum, in the type of x."),
    listed("avg", "AVG([DISTINCT] x)", "Mean, in the type of x: a whole number for whole numbers."),
    listed("min", "MIN(x)", "Least value."),
    listed("max", "MAX(x)", "Greatest value."),
    listed("first_value", "FIRST_VALUE(x)", "First value that is not NULL."),
    listed("last_value", "LAST_VALUE(x)", "Last value that is not NULL."),
    listed("listagg", "LISTAGG([DISTINCT] x[, separator])", "All texts, with a separator (,) between them."),
    listed("array_agg", "ARRAY_AGG([DISTINCT] x)", "All values, as an array."),
    listed("stddev_pop", "STDDEV_POP(x)", "Standard deviation of a population."),
    listed("stddev_samp", "STDDEV_SAMP(x)", "Standard deviation of a sample."),
    listed("stddev", "STDDEV(x)", "Standard deviation of a sample."),
    listed("var_pop", "VAR_POP(x)", "Variance of a population."),
    listed("var_samp", "VAR_SAMP(x)", "Variance of a sample."),
    listed("variance", "VARIANCE(x)", "Variance of a sample."),
];

/// All of them, and `grouping`, which the plan of GROUPING SETS asks for.
pub(super) fn all() -> Vec<Arc<AggregateUDF>> {
    use moments::{Kind, Moment};
    let mut all: Vec<Arc<AggregateUDF>> = vec![
        theirs::count::count_udaf(),
        theirs::min_max::min_udaf(),
        theirs::min_max::max_udaf(),
        theirs::array_agg::array_agg_udaf(),
        theirs::grouping::grouping_udaf(),
        Arc::new(AggregateUDF::new_from_impl(sum::Sum::new())),
        Arc::new(AggregateUDF::new_from_impl(average::Average::new())),
        Arc::new(AggregateUDF::new_from_impl(edge::Edge::new("first_value", true))),
        Arc::new(AggregateUDF::new_from_impl(edge::Edge::new("last_value", false))),
        Arc::new(AggregateUDF::new_from_impl(listagg::ListAgg::new())),
    ];
    for (name, advice) in [
        ("collect", "use ARRAY_AGG instead of COLLECT"),
        ("approx_count_distinct", "COUNT(DISTINCT x) is exact"),
        ("percentile", "compute it in a reader of the lake table, such as DuckDB"),
    ] {
        all.push(Arc::new(AggregateUDF::new_from_impl(refused::Refused::new(name, advice))));
    }
    for (name, kind) in [
        ("stddev_pop", Kind::StddevPop),
        ("stddev_samp", Kind::StddevSamp),
        ("stddev", Kind::StddevSamp),
        ("var_pop", Kind::VarPop),
        ("var_samp", Kind::VarSamp),
        ("variance", Kind::VarSamp),
    ] {
        all.push(Arc::new(AggregateUDF::new_from_impl(Moment::new(name, kind))));
    }
    all
}

/// The types that the arguments of an aggregate or window function are cast to.
///
/// # Errors
/// `function.arguments` for sums of what cannot be added.
pub fn coerce(name: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let number =
        matches!(name, "sum" | "avg" | "stddev_pop" | "stddev_samp" | "stddev" | "var_pop" | "var_samp" | "variance");
    types
        .iter()
        .enumerate()
        .map(|(i, given)| match (name, i) {
            _ if number => numeric(name, given),
            ("listagg", _) => Ok(DataType::Utf8),
            ("lag" | "lead", 1) | ("ntile", 0) => Ok(DataType::Int64),
            ("lag" | "lead", 2) => Ok(types[0].clone()),
            // LAG(NULL) and the like have no type of their own.
            ("lag" | "lead" | "first_value" | "last_value" | "min" | "max", 0) if given.is_null() => {
                Ok(DataType::Int32)
            }
            _ => Ok(given.clone()),
        })
        .collect()
}

fn numeric(name: &str, given: &DataType) -> Result<DataType> {
    Ok(match given {
        DataType::Null => DataType::Int32,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        number if number.is_numeric() => number.clone(),
        other => {
            let other = SqlType::from_data_type(other).map_or_else(|| other.to_string(), |t| t.to_string());
            return Err(Error::invalid(
                "function.arguments",
                format!("function \"{}\" does not take {other}", name.to_uppercase()),
            )
            .hint("cast the argument to a number"));
        }
    })
}

/// The type of the one argument of a function of numbers.
fn one_number(name: &str, types: &[DataType]) -> Result<DataType> {
    match types {
        [one] => numeric(name, one),
        _ => Err(Error::invalid(
            "function.arguments",
            format!("function \"{}\" does not take {} arguments", name.to_uppercase(), types.len()),
        )
        .hint("give it one number")),
    }
}

/// The type of AVG and the variances.
fn average_type(argument: &DataType) -> DataType {
    match argument {
        DataType::Decimal128(_, s) => DataType::Decimal128(38, (*s).max(6)),
        other => other.clone(),
    }
}
