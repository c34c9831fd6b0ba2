//! ORDER BY and LIMIT in a sub-query that names columns of the query around it: the first rows for each outer row.
//!
//! ```text
//! SELECT v FROM t WHERE k = outer.k ORDER BY v DESC LIMIT 3
//! SELECT v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t) WHERE k = outer.k AND rn <= 3
//! ```
//!
//! The second form is a join with a Top-N, which DataFusion makes of it. It would refuse the first in LATERAL, and drop
//! LIMIT and OFFSET in EXISTS, also where OFFSET decides. ORDER BY without LIMIT says nothing in a sub-query.

use super::outer::is_correlated;
use super::{RewriteContext, ranks};
use crate::functions::from_datafusion;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::min_max::max_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, FetchType, Filter, Limit, LogicalPlan, Operator, SkipType, SortExpr, Subquery, lit,
};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn rewrite(plan: LogicalPlan, _: &RewriteContext) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Limit(limit) => ranked(&limit).map(|r| r.unwrap_or(LogicalPlan::Limit(limit))),
        LogicalPlan::Subquery(mut subquery) => unordered(&subquery.subquery).map(|rows| {
            if let Some(rows) = rows {
                subquery.subquery = Arc::new(rows);
            }
            LogicalPlan::Subquery(subquery)
        }),
        other => with_values(other),
    }
    .map_err(from_datafusion)
}

/// Makes aggregates of the scalar sub-queries that give the first row: DataFusion joins only those.
fn with_values(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let is_first = |e: &Expr| Ok(matches!(e, Expr::ScalarSubquery(rows) if has_one_rank(&rows.subquery)));
    let mut any = false;
    plan.apply_expressions(|e| {
        any = any || e.exists(is_first)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !any {
        return Ok(plan);
    }
    let names = NamePreserver::new(&plan);
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let valued = expr.transform_up(|e| match e {
            Expr::ScalarSubquery(rows) if has_one_rank(&rows.subquery) => value(rows).map(Transformed::yes),
            other => Ok(Transformed::no(other)),
        })?;
        Ok(Transformed::yes(name.restore(valued.data)))
    });
    Ok(plan?.data)
}

/// Whether a plan keeps one rank for each outer row, as [`ranked`] makes it of LIMIT 1.
fn has_one_rank(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => has_one_rank(plan.inputs()[0]),
        LogicalPlan::Filter(filter) => match filter.input.as_ref() {
            LogicalPlan::Filter(ranks) => has_one_rank(&filter.input) || is_one_rank(ranks),
            _ => false,
        },
        _ => false,
    }
}

fn is_one_rank(ranks: &Filter) -> bool {
    let LogicalPlan::Window(window) = ranks.input.as_ref() else { return false };
    let rank = window.schema.iter().last().map(|field| Expr::Column(Column::from(field)));
    let (mut from, mut to) = (0, i64::MAX);
    for part in split_conjunction(&ranks.predicate) {
        if *part == lit(false) {
            return true;
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return false };
        match (op, right.as_ref()) {
            _ if rank.as_ref() != Some(left.as_ref()) => return false,
            (Operator::LtEq, Expr::Literal(ScalarValue::Int64(Some(n)), _)) => to = *n,
            (Operator::Gt, Expr::Literal(ScalarValue::Int64(Some(n)), _)) => from = *n,
            _ => return false,
        }
    }
    to.saturating_sub(from) == 1
}

/// The largest of at most one value is that value, or NULL.
fn value(rows: Subquery) -> PlanResult<Expr> {
    let column = Expr::Column(Column::from(rows.subquery.schema().qualified_field(0)));
    let largest =
        Expr::AggregateFunction(AggregateFunction::new_udf(max_udaf(), vec![column], false, None, vec![], None));
    let plan = LogicalPlan::Aggregate(Aggregate::try_new(rows.subquery, vec![], vec![largest])?);
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), ..rows }))
}

/// The plan without its ORDER BY, if it has one that no LIMIT reads.
fn unordered(plan: &LogicalPlan) -> PlanResult<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => Ok(Some(sort.input.as_ref().clone())),
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            unordered(plan.inputs()[0])?.map(|input| over(plan, input)).transpose()
        }
        _ => Ok(None),
    }
}

/// `node` over another input with the same columns.
fn over(node: &LogicalPlan, input: LogicalPlan) -> PlanResult<LogicalPlan> {
    node.with_new_exprs(node.expressions(), vec![input])
}

/// The limit as a bound on ranks, where rows below it are chosen by equality with columns of the query around.
fn ranked(limit: &Limit) -> PlanResult<Option<LogicalPlan>> {
    let (FetchType::Literal(fetch), SkipType::Literal(skip)) = (limit.get_fetch_type()?, limit.get_skip_type()?) else {
        return Ok(None);
    };
    let rows = limit.input.max_rows();
    if skip == 0 && rows.is_some() && fetch >= rows {
        return Ok(Some(limit.input.as_ref().clone()));
    }
    let Some(Chosen { above, order, filter }) = chosen(&limit.input)? else { return Ok(None) };
    let (outer, own): (Vec<&Expr>, Vec<&Expr>) =
        split_conjunction(&filter.predicate).into_iter().partition(|part| part.contains_outer());
    let keys: Option<Vec<Expr>> = outer.iter().map(|part| own_side(part)).collect();
    let (Some(keys), false) = (keys, outer.is_empty() || is_correlated(&filter.input)) else { return Ok(None) };
    let mut plan = filter.input.as_ref().clone();
    if let Some(own) = conjunction(own.into_iter().cloned()) {
        plan = LogicalPlan::Filter(Filter::try_new(own, Arc::new(plan))?);
    }
    let mut plan = ranks::keep(plan, keys, order, skip, fetch)?;
    if let Some(outer) = conjunction(outer.into_iter().cloned()) {
        plan = LogicalPlan::Filter(Filter::try_new(outer, Arc::new(plan))?);
    }
    above.into_iter().rev().try_fold(plan, |plan, node| over(node, plan)).map(Some)
}

/// What stands between a LIMIT and the condition that chooses its rows.
struct Chosen<'a> {
    /// Projections and names, from the top.
    above: Vec<&'a LogicalPlan>,
    /// ORDER BY, over the rows that the condition keeps.
    order: Vec<SortExpr>,
    filter: &'a Filter,
}

fn chosen(limited: &LogicalPlan) -> PlanResult<Option<Chosen<'_>>> {
    let (mut above, mut order, mut node) = (Vec::new(), Vec::new(), limited);
    loop {
        match node {
            LogicalPlan::Filter(filter) => return Ok(Some(Chosen { above, order, filter })),
            LogicalPlan::Sort(sort) if order.is_empty() && sort.fetch.is_none() => {
                order = sort.expr.clone();
                node = &sort.input;
            }
            LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
                if node.expressions().iter().any(Expr::is_volatile) {
                    return Ok(None);
                }
                for by in &mut order {
                    by.expr = below(std::mem::take(&mut by.expr), node)?;
                }
                above.push(node);
                node = node.inputs()[0];
            }
            _ => return Ok(None),
        }
    }
}

/// An expression over the columns of a projection or a name, over the columns of its input.
fn below(expr: Expr, node: &LogicalPlan) -> PlanResult<Expr> {
    let replaced = expr.transform_up(|e| {
        let Expr::Column(column) = &e else { return Ok(Transformed::no(e)) };
        let at = node.schema().index_of_column(column)?;
        Ok(Transformed::yes(match node {
            LogicalPlan::Projection(projection) => projection.expr[at].clone().unalias(),
            _ => Expr::Column(Column::from(node.inputs()[0].schema().qualified_field(at))),
        }))
    });
    Ok(replaced?.data)
}

/// The side of `own = outer` that names no outer column.
fn own_side(part: &Expr) -> Option<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else { return None };
    let (own, outer) = if left.contains_outer() { (right, left) } else { (left, right) };
    (!own.contains_outer() && !outer.any_column_refs()).then(|| own.as_ref().clone())
}
