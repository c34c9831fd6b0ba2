//! ORDER BY at the top of a query: what the shell sorts by when it shows the result.

use super::column_at;
use super::error::outward;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use freshet_types::Result;
use std::sync::Arc;

/// One column that a result is shown in the order of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderBy {
    /// Column of the collector's schema; it may stand behind the visible ones.
    pub column: usize,
    /// Whether small values come first.
    pub ascending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
}

/// Takes the order off the top of a plan. What it sorts by stays as columns behind the `usize` visible ones.
pub(crate) fn take_order(plan: LogicalPlan) -> Result<(LogicalPlan, Vec<OrderBy>, usize)> {
    let visible = plan.schema().fields().len();
    let (limit, below) = match &plan {
        LogicalPlan::Limit(limit) => (Some(limit), limit.input.as_ref()),
        other => (None, other),
    };
    let (projection, sorted) = match below {
        LogicalPlan::Projection(projection) => (Some(projection), projection.input.as_ref()),
        other => (None, other),
    };
    let LogicalPlan::Sort(sort) = sorted else { return Ok((plan, Vec::new(), visible)) };
    let mut exprs: Vec<Expr> = match projection {
        Some(projection) => projection.expr.clone(),
        None => (0..visible).map(|i| column_at(&sort.input, i)).collect(),
    };
    let mut order = Vec::with_capacity(sort.expr.len());
    for key in &sort.expr {
        let column = match exprs.iter().position(|e| e.clone().unalias() == key.expr) {
            Some(column) => column,
            None => {
                exprs.push(key.expr.clone().alias(format!("__order_{}", exprs.len())));
                exprs.len() - 1
            }
        };
        order.push(OrderBy { column, ascending: key.asc, nulls_first: key.nulls_first });
    }
    let input = match (limit, sort.fetch) {
        (Some(limit), _) => LogicalPlan::Limit(datafusion::logical_expr::Limit {
            skip: limit.skip.clone(),
            fetch: limit.fetch.clone(),
            input: Arc::new(LogicalPlan::Sort(sort.clone())),
        }),
        (None, Some(_)) => LogicalPlan::Sort(sort.clone()),
        (None, None) => sort.input.as_ref().clone(),
    };
    let plan = LogicalPlanBuilder::from(input).project(exprs).and_then(LogicalPlanBuilder::build).map_err(outward)?;
    Ok((plan, order, visible))
}
