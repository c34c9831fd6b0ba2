//! LIMIT, OFFSET and ORDER BY with a limit: the first rows of all, kept up to date.

use super::flow::{Flow, not_there, physical};
use super::top_n::{Ranks, keep_ranks};
use super::{Lowerer, below_names};
use crate::plan::outward;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Projection, Sort};
use freshet_types::{Error, Result};
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    match plan {
        LogicalPlan::Limit(limit) => {
            let skip = count(limit.skip.as_deref())?.unwrap_or(0);
            let fetch = count(limit.fetch.as_deref())?;
            match below_names(&limit.input) {
                LogicalPlan::Sort(sort) => {
                    let fetch = match (fetch, sort.fetch) {
                        (Some(a), Some(b)) => Some(a.min(b.saturating_sub(skip))),
                        (a, b) => a.or(b.map(|b| b.saturating_sub(skip))),
                    };
                    first_rows(lowerer, &sort.input, Some(sort), skip, fetch).map(Some)
                }
                // Columns that only the order needs are taken away between the two: the limit belongs to the order.
                LogicalPlan::Projection(projection) => {
                    let below = Limit { input: Arc::clone(&projection.input), ..limit.clone() };
                    let moved = Projection::try_new_with_schema(
                        projection.expr.clone(),
                        Arc::new(LogicalPlan::Limit(below)),
                        Arc::clone(&projection.schema),
                    );
                    lowerer.lower(&LogicalPlan::Projection(moved.map_err(outward)?)).map(Some)
                }
                _ => first_rows(lowerer, &limit.input, None, skip, fetch).map(Some),
            }
        }
        LogicalPlan::Sort(sort) => match sort.fetch {
            Some(fetch) => first_rows(lowerer, &sort.input, Some(sort), 0, Some(fetch)).map(Some),
            // The order of a sub-query says nothing about the rows of the whole.
            None => lowerer.lower(&sort.input).map(Some),
        },
        _ => Ok(None),
    }
}

/// The number of rows that a LIMIT at the top of `plan` lets through; none without one, or where it takes them in an order.
pub(crate) fn limit_of(plan: &LogicalPlan) -> Result<Option<usize>> {
    match below_names(plan) {
        LogicalPlan::Projection(projection) => limit_of(&projection.input),
        LogicalPlan::Limit(limit) if !matches!(below_names(&limit.input), LogicalPlan::Sort(_)) => {
            count(limit.fetch.as_deref())
        }
        _ => Ok(None),
    }
}

fn first_rows(
    lowerer: &mut Lowerer,
    input: &LogicalPlan,
    sort: Option<&Sort>,
    skip: usize,
    fetch: Option<usize>,
) -> Result<Flow> {
    let Some(fetch) = fetch else {
        return Err(not_there("OFFSET without LIMIT").hint("add LIMIT n"));
    };
    let flow = lowerer.lower(input)?;
    let order = match sort {
        Some(sort) => sort
            .expr
            .iter()
            .map(|s| Ok((physical(&s.expr, input.schema())?, s.asc, s.nulls_first)))
            .collect::<Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    let ranks = Ranks { from: skip + 1, to: skip.saturating_add(fetch), rank: None };
    keep_ranks(lowerer, flow, Vec::new(), order, ranks)
}

/// A number of rows; none when there is no bound.
fn count(expr: Option<&Expr>) -> Result<Option<usize>> {
    let Some(expr) = expr else { return Ok(None) };
    let invalid = || {
        Error::invalid("limit.number", format!("\"{expr}\" is no number of rows"))
            .hint("write a whole number, zero or more")
    };
    let Expr::Literal(value, _) = expr else { return Err(invalid()) };
    match value.cast_to(&arrow::datatypes::DataType::Int64).map_err(|_| invalid())? {
        ScalarValue::Int64(None) => Ok(None),
        ScalarValue::Int64(Some(n)) => usize::try_from(n).map(Some).map_err(|_| invalid()),
        _ => Err(invalid()),
    }
}
