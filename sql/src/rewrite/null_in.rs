//! `x [NOT] IN (sub-query)` with its three answers, and sub-queries among the columns of a query.
//!
//! As a part of WHERE that must be true, DataFusion makes `IN` a semi join, and `NOT IN` an anti join that knows NULL
//! where the sub-query stands alone. One that names columns of the query around it, or a value without columns, becomes
//! `NOT EXISTS (rows that are equal to x, or might be)` here.
//!
//! Below OR, NOT or CASE DataFusion makes a mark of `IN`, which is false where no row is equal, also when SQL says NULL:
//! because `x` is NULL, or because a row of the sub-query is. Where that would show, the three answers are spelled out:
//!
//! ```text
//! CASE WHEN EXISTS (rows equal to x) THEN TRUE WHEN EXISTS (rows, where x or the row is NULL) THEN NULL ELSE FALSE END
//! ```
//!
//! Among the columns of a query DataFusion has no place for either; there each EXISTS counts the rows instead.

use super::RewriteContext;
use crate::functions::from_datafusion;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as PlanResult, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Case, Expr, ExprSchemable, Filter, LogicalPlan, Operator, Projection, Subquery,
};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn rewrite(plan: LogicalPlan, _: &RewriteContext) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Filter(filter) => in_filter(filter),
        LogicalPlan::Projection(projection) => in_projection(projection),
        other => Ok(other),
    }
    .map_err(from_datafusion)
}

fn in_filter(mut filter: Filter) -> PlanResult<LogicalPlan> {
    let schema = Arc::clone(filter.input.schema());
    let parts = split_conjunction_owned(filter.predicate).into_iter().map(|part| match part {
        Expr::InSubquery(part) => in_subquery(part, &schema),
        Expr::Not(inner) => match *inner {
            Expr::InSubquery(part) => in_subquery(InSubquery { negated: !part.negated, ..part }, &schema),
            inner => where_false_is_null(Expr::Not(Box::new(inner)), &schema),
        },
        other => where_false_is_null(other, &schema),
    });
    let parts = parts.collect::<PlanResult<Vec<_>>>()?;
    filter.predicate = conjunction(parts).expect("a predicate has a part");
    Ok(LogicalPlan::Filter(filter))
}

/// A part of WHERE that must be true.
fn in_subquery(part: InSubquery, schema: &DFSchema) -> PlanResult<Expr> {
    let stands_alone = part.subquery.outer_ref_columns.is_empty() && part.expr.any_column_refs();
    let asked = Asked::new(part, schema)?;
    if !asked.negated || stands_alone || asked.may_be_null == (false, false) {
        return Ok(Expr::InSubquery(asked.into_part()));
    }
    let (value, row) = (asked.outer_value.clone(), asked.row.clone());
    let equal = value.clone().eq(row.clone());
    let might = match asked.may_be_null {
        (true, true) => equal.or(value.is_null()).or(row.is_null()),
        (true, false) => equal.or(value.is_null()),
        _ => equal.or(row.is_null()),
    };
    Ok(Expr::Exists(Exists { subquery: asked.rows(might)?, negated: true }))
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
                Expr::InSubquery(part) => {
                    let asked = Asked::new(part, &schema)?;
                    let equal = asked.outer_value.clone().eq(asked.row.clone());
                    counted(Exists { subquery: asked.rows(equal)?, negated: asked.negated }).map(Transformed::yes)
                }
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
fn counted(exists: Exists) -> PlanResult<Expr> {
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
    let Expr::InSubquery(part) = expr else { return Ok(Transformed::no(expr)) };
    let asked = Asked::new(part, schema)?;
    if asked.may_be_null == (false, false) {
        return Ok(Transformed::no(Expr::InSubquery(asked.into_part())));
    }
    let exists = |subquery| Expr::Exists(Exists { subquery, negated: false });
    let equal = exists(asked.rows(asked.outer_value.clone().eq(asked.row.clone()))?);
    // The value's own NULL is asked of the value, so that the rows are compared with nothing.
    let value_is_unknown = (*asked.value).clone().is_null().and(exists(asked.subquery.clone()));
    let row_is_unknown = exists(asked.rows(asked.row.clone().is_null())?);
    let unknown = match asked.may_be_null {
        (true, true) => value_is_unknown.or(row_is_unknown),
        (true, false) => value_is_unknown,
        _ => row_is_unknown,
    };
    let literal = |value: Option<bool>| Box::new(Expr::Literal(ScalarValue::Boolean(value), None));
    let negated = asked.negated;
    let case = Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(equal), literal(Some(!negated))), (Box::new(unknown), literal(None))],
        else_expr: Some(literal(Some(negated))),
    });
    Ok(Transformed::yes(case))
}

/// `value [NOT] IN (sub-query)` with what is known of its NULLs.
struct Asked {
    value: Box<Expr>,
    subquery: Subquery,
    negated: bool,
    /// The value as the sub-query sees it.
    outer_value: Expr,
    /// The column of the sub-query.
    row: Expr,
    /// Value and row.
    may_be_null: (bool, bool),
    /// Columns of the outer query that the sub-query names once it is compared with the value.
    outer: Vec<Expr>,
}

impl Asked {
    fn new(part: InSubquery, schema: &DFSchema) -> PlanResult<Self> {
        let InSubquery { expr: value, subquery, negated } = part;
        let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
        let row = Expr::Column(Column::from((qualifier, field)));
        let may_be_null = (value.nullable(schema)?, field.is_nullable());
        let mut outer = subquery.outer_ref_columns.clone();
        let outer_value = (*value).clone().transform_up(|e| match e {
            Expr::Column(column) => {
                let field = Arc::clone(schema.field_from_column(&column)?);
                let column = Expr::OuterReferenceColumn(field, column);
                outer.push(column.clone());
                Ok(Transformed::yes(column))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(Self { value, subquery, negated, outer_value: outer_value.data, row, may_be_null, outer })
    }

    fn into_part(self) -> InSubquery {
        InSubquery { expr: self.value, subquery: self.subquery, negated: self.negated }
    }

    /// The rows of the sub-query for which `condition` holds.
    fn rows(&self, condition: Expr) -> PlanResult<Subquery> {
        let rows = LogicalPlan::Filter(Filter::try_new(condition, Arc::clone(&self.subquery.subquery))?);
        Ok(Subquery {
            subquery: Arc::new(rows),
            outer_ref_columns: self.outer.clone(),
            spans: self.subquery.spans.clone(),
        })
    }
}
