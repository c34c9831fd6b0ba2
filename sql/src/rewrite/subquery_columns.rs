//! Sub-queries among the columns of a query and below its aggregates.
//!
//! DataFusion has a place for EXISTS and IN in conditions only: as a column, or a part of one, they count the rows. And it
//! has a place for no sub-query below an aggregate: what holds one becomes a column before.

use super::RewriteContext;
use super::null_in::{Asked, spelled_out};
use crate::functions::from_datafusion;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Exists};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection, Subquery};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn rewrite(plan: LogicalPlan, _: &RewriteContext) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Projection(projection) => in_projection(projection),
        LogicalPlan::Aggregate(aggregate) => in_aggregate(aggregate),
        other => Ok(other),
    }
    .map_err(from_datafusion)
}

fn has_subquery(expr: &Expr) -> bool {
    let is_one = |e: &Expr| Ok(matches!(e, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_)));
    expr.exists(is_one).unwrap_or(false)
}

/// Makes columns of the arguments and filters that hold sub-queries.
fn in_aggregate(aggregate: Aggregate) -> PlanResult<LogicalPlan> {
    if !aggregate.aggr_expr.iter().any(has_subquery) {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let mut columns: Vec<Expr> = aggregate.input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut as_column = |expr: Expr| {
        if !has_subquery(&expr) {
            return expr;
        }
        let name = format!("__subquery_{}", columns.len());
        columns.push(expr.alias(&name));
        Expr::Column(Column::new_unqualified(name))
    };
    let names = NamePreserver::new_for_projection();
    let mut aggregates = Vec::with_capacity(aggregate.aggr_expr.len());
    for expr in aggregate.aggr_expr {
        let name = names.save(&expr);
        let expr = expr.transform_up(|e| match e {
            Expr::AggregateFunction(mut call) => {
                call.params.args = std::mem::take(&mut call.params.args).into_iter().map(&mut as_column).collect();
                call.params.filter = call.params.filter.take().map(|filter| Box::new(as_column(*filter)));
                Ok(Transformed::yes(Expr::AggregateFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        aggregates.push(name.restore(expr.data));
    }
    let input = in_projection(Projection::try_new(columns, aggregate.input)?)?;
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), aggregate.group_expr, aggregates)?))
}

/// Counts rows where EXISTS is a column or a part of one.
fn in_projection(projection: Projection) -> PlanResult<LogicalPlan> {
    let schema = Arc::clone(projection.input.schema());
    let asks = |e: &Expr| Ok(matches!(e, Expr::Exists(_) | Expr::InSubquery(_)));
    if !projection.expr.iter().any(|e| e.exists(asks).unwrap_or(false)) {
        return Ok(LogicalPlan::Projection(projection));
    }
    let columns = projection.expr.into_iter().zip(projection.schema.iter()).map(|(expr, (qualifier, field))| {
        let counted = expr
            .transform_up(|e| spelled_out(e, &schema))?
            .data
            .transform_up(|e| match e {
                Expr::Exists(exists) => counted(exists).map(Transformed::yes),
                Expr::InSubquery(part) => counted(Asked::new(part, &schema)?.exists()?).map(Transformed::yes),
                other => Ok(Transformed::no(other)),
            })?
            .data;
        Ok(match &counted {
            Expr::Alias(_) | Expr::Column(_) => counted,
            _ => counted.alias_qualified(qualifier.cloned(), field.name()),
        })
    });
    let columns = columns.collect::<PlanResult<Vec<_>>>()?;
    Ok(LogicalPlan::Projection(Projection::try_new(columns, projection.input)?))
}

/// `EXISTS (rows)` as `(SELECT COUNT(*) FROM rows) > 0`.
pub(super) fn counted(exists: Exists) -> PlanResult<Expr> {
    let Exists { subquery, negated } = exists;
    let count = Expr::AggregateFunction(AggregateFunction::new_udf(
        count_udaf(),
        vec![Expr::Literal(ScalarValue::Int64(Some(1)), None)],
        false,
        None,
        vec![],
        None,
    ));
    let rows = Aggregate::try_new(subquery.subquery, vec![], vec![count])?;
    let subquery = Subquery { subquery: Arc::new(LogicalPlan::Aggregate(rows)), ..subquery };
    let zero = Expr::Literal(ScalarValue::Int64(Some(0)), None);
    let count = Expr::ScalarSubquery(subquery);
    Ok(if negated { count.eq(zero) } else { count.gt(zero) })
}
