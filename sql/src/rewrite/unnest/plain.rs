//! The sub-queries that DataFusion's own rules join right.

use crate::rewrite::outer::is_correlated;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Distinct, Expr, FetchType, LogicalPlan, Operator, SkipType};

/// What is asked of a sub-query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Whether it has a row.
    Exists,
    /// Whether a row is equal to a value.
    In,
    /// The value of its one row.
    Value,
}

/// Whether DataFusion joins the sub-query right.
///
/// It takes conditions out of filters that stand in a line below the sub-query's columns, and puts the columns that they
/// compare into its projections and its GROUP BY. It is wrong where a missing group would have been a row (an aggregate
/// without GROUP BY in EXISTS, in IN, or below HAVING), and loses its columns below names.
pub(super) fn joins(asks: Asks, plan: &LogicalPlan) -> bool {
    let (mut node, mut is_grouped) = (plan, false);
    let (mut is_filtered, mut is_chosen) = (false, false);
    loop {
        match node {
            LogicalPlan::Projection(projection) if !node.contains_outer_reference() => node = &projection.input,
            LogicalPlan::Filter(filter) => {
                let outer = split_conjunction(&filter.predicate).into_iter().filter(|part| part.contains_outer());
                let outer: Vec<&Expr> = outer.collect();
                if outer.iter().any(|part| is_left_out(part) || (is_grouped && !is_equality(part))) {
                    return false;
                }
                is_filtered = true;
                is_chosen = is_chosen || !outer.is_empty();
                node = &filter.input;
            }
            LogicalPlan::Distinct(Distinct::All(input)) if asks == Asks::Exists || asks == Asks::In => node = input,
            LogicalPlan::Limit(limit) if asks == Asks::Exists => {
                match (limit.get_skip_type(), limit.get_fetch_type()) {
                    (Ok(SkipType::Literal(0)), Ok(FetchType::Literal(Some(1..)))) => node = &limit.input,
                    _ => return false,
                }
            }
            LogicalPlan::Aggregate(aggregate) if !is_grouped => {
                let gives_one_row = aggregate.group_expr.is_empty();
                let fits = match asks {
                    Asks::Exists | Asks::In => !gives_one_row,
                    Asks::Value => gives_one_row && !is_filtered,
                };
                if !fits
                    || is_chosen
                    || aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_)))
                    || node.contains_outer_reference()
                {
                    return false;
                }
                is_grouped = true;
                node = &aggregate.input;
            }
            other => return !is_correlated(other),
        }
    }
}

/// Whether a condition sets a column of the sub-query equal to something of the query around it.
fn is_equality(part: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else { return false };
    let (own, outer) = if left.contains_outer() { (right, left) } else { (left, right) };
    let is_column = match own.as_ref() {
        Expr::Cast(cast) => matches!(cast.expr.as_ref(), Expr::Column(_)),
        own => matches!(own, Expr::Column(_)),
    };
    is_column && !outer.any_column_refs()
}

/// `x = x`, which DataFusion leaves out also where x is NULL.
fn is_left_out(part: &Expr) -> bool {
    matches!(part, Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) if left == right)
}
