//! `x IN (sub-query)` below OR, NOT or CASE tells NULL from FALSE.
//!
//! As a part of WHERE that must be true, DataFusion makes `[NOT] IN` a semi join or an anti join that knows NULL. Anywhere
//! else it makes a mark of it, which is false where no row is equal, also when SQL says NULL: because `x` is NULL, or
//! because a row of the sub-query is. Where that would show, the three answers are spelled out:
//!
//! ```text
//! CASE WHEN EXISTS (rows equal to x) THEN TRUE WHEN EXISTS (rows, where x or the row is NULL) THEN NULL ELSE FALSE END
//! ```

use super::RewriteContext;
use crate::functions::from_datafusion;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{BinaryExpr, Case, Expr, ExprSchemable, Filter, LogicalPlan, Operator, Subquery};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn rewrite(plan: LogicalPlan, _: &RewriteContext) -> Result<LogicalPlan> {
    let LogicalPlan::Filter(mut filter) = plan else { return Ok(plan) };
    let schema = Arc::clone(filter.input.schema());
    let parts = split_conjunction_owned(filter.predicate).into_iter().map(|part| match part {
        Expr::InSubquery(_) => Ok(part),
        Expr::Not(inner) if matches!(inner.as_ref(), Expr::InSubquery(_)) => Ok(Expr::Not(inner)),
        other => where_false_is_null(other, &schema),
    });
    let parts = parts.collect::<PlanResult<Vec<_>>>().map_err(from_datafusion)?;
    filter.predicate = conjunction(parts).expect("a predicate has a part");
    Ok(LogicalPlan::Filter(filter))
}

/// Rewrites an expression of which only TRUE is asked for.
fn where_false_is_null(expr: Expr, schema: &DFSchema) -> PlanResult<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let left = where_false_is_null(*left, schema)?;
            let right = where_false_is_null(*right, schema)?;
            Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
        }
        Expr::InSubquery(InSubquery { negated: false, .. }) => Ok(expr),
        other => Ok(other.transform_up(|e| spelled_out(e, schema))?.data),
    }
}

fn spelled_out(expr: Expr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let Expr::InSubquery(InSubquery { expr: value, subquery, negated }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    let row = Expr::Column(Column::from((qualifier, field)));
    let may_be_null = (value.nullable(schema)?, field.is_nullable());
    if may_be_null == (false, false) {
        return Ok(Transformed::no(Expr::InSubquery(InSubquery { expr: value, subquery, negated })));
    }
    let mut outer = subquery.outer_ref_columns.clone();
    let value = value.transform_up(|e| match e {
        Expr::Column(column) => {
            let field = Arc::clone(schema.field_from_column(&column)?);
            let column = Expr::OuterReferenceColumn(field, column);
            outer.push(column.clone());
            Ok(Transformed::yes(column))
        }
        other => Ok(Transformed::no(other)),
    })?;
    let value = value.data;
    let exists = |condition: Expr| -> PlanResult<Expr> {
        let rows = LogicalPlan::Filter(Filter::try_new(condition, Arc::clone(&subquery.subquery))?);
        let subquery =
            Subquery { subquery: Arc::new(rows), outer_ref_columns: outer.clone(), spans: subquery.spans.clone() };
        Ok(Expr::Exists(Exists { subquery, negated: false }))
    };
    let equal = exists(value.clone().eq(row.clone()))?;
    let unknown = match may_be_null {
        (true, true) => exists(value.is_null().or(row.is_null()))?,
        (true, false) => exists(value.is_null())?,
        _ => exists(row.is_null())?,
    };
    let literal = |value: Option<bool>| Box::new(Expr::Literal(ScalarValue::Boolean(value), None));
    let case = Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(equal), literal(Some(!negated))), (Box::new(unknown), literal(None))],
        else_expr: Some(literal(Some(negated))),
    });
    Ok(Transformed::yes(case))
}
