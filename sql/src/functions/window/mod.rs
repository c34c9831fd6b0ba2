//! Functions of OVER that are not aggregates: numbering, ranking, neighbours.

mod retyped;

use super::Listed;
use super::function::Family;
use arrow::datatypes::DataType;
use datafusion::functions_window as theirs;
use datafusion::logical_expr::WindowUDF;
use retyped::Retyped;
use std::sync::Arc;

const fn listed(name: &'static str, signature: &'static str, doc: &'static str) -> Listed {
    Listed { name, family: Family::Window, signature, doc }
}

/// Every window function that is not an aggregate.
pub static WINDOW_FUNCTIONS: &[Listed] = &[
    listed("row_number", "ROW_NUMBER() OVER (...)", "Place of the row in its partition, from 1."),
    listed("rank", "RANK() OVER (...)", "Place of the row, the same for equals, with gaps behind them."),
    listed("dense_rank", "DENSE_RANK() OVER (...)", "Place of the row, the same for equals, without gaps."),
    listed("percent_rank", "PERCENT_RANK() OVER (...)", "Place of the row from 0 to 1."),
    listed("cume_dist", "CUME_DIST() OVER (...)", "Part of the partition up to the row and its equals."),
    listed("ntile", "NTILE(n) OVER (...)", "Number of the row's bucket, when the partition is cut into n."),
    listed("lag", "LAG(x[, offset[, default]]) OVER (...)", "Value some rows before."),
    listed("lead", "LEAD(x[, offset[, default]]) OVER (...)", "Value some rows behind."),
];

fn long(inner: Arc<WindowUDF>) -> Arc<WindowUDF> {
    Arc::new(WindowUDF::new_from_impl(Retyped::new(inner, DataType::Int64)))
}

/// ROW_NUMBER, for rewrites that count rows.
pub(crate) fn row_number() -> Arc<WindowUDF> {
    long(theirs::row_number::row_number_udwf())
}

/// All of them, with Flink's result types.
pub(super) fn all() -> Vec<Arc<WindowUDF>> {
    vec![
        row_number(),
        long(theirs::rank::rank_udwf()),
        long(theirs::rank::dense_rank_udwf()),
        theirs::rank::percent_rank_udwf(),
        theirs::cume_dist::cume_dist_udwf(),
        Arc::new(WindowUDF::new_from_impl(Retyped::new(theirs::ntile::ntile_udwf(), DataType::Int32))),
        theirs::lead_lag::lag_udwf(),
        theirs::lead_lag::lead_udwf(),
    ]
}
