//! `x [NOT] IN (sub-query)` in a condition, with its three answers.
//!
//! As a part of WHERE that must be true, DataFusion makes `IN` a semi join, and `NOT IN` an anti join that knows NULL
//! where the sub-query stands alone. One that names columns of the query around it, or a value without columns, becomes
//! `NOT EXISTS (rows that are equal to x, or might be)` here.
//!
//! Below OR, NOT or CASE DataFusion makes a mark of `IN`, which is false where no row is equal, also when SQL says NULL:
//! because `x` is NULL, or because a row of the sub-query is. Where that would show, the three answers are spelled out:
//!
//! ```text
//! CASE WHEN EXISTS (rows equal to x) THEN TRUE
//!      WHEN x IS NULL AND EXISTS (rows) OR EXISTS (rows that are NULL) THEN NULL ELSE FALSE END
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
    match plan {
        LogicalPlan::Filter(filter) => in_filter(filter).map_err(from_datafusion),
        other => Ok(other),
    }
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

/// The three answers of `IN`, where NULL is not FALSE.
pub(super) fn spelled_out(expr: Expr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
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
pub(super) struct Asked {
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
    pub(super) fn new(part: InSubquery, schema: &DFSchema) -> PlanResult<Self> {
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

    /// Whether a row is equal to the value, or none is.
    pub(super) fn exists(self) -> PlanResult<Exists> {
        let equal = self.outer_value.clone().eq(self.row.clone());
        Ok(Exists { subquery: self.rows(equal)?, negated: self.negated })
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
