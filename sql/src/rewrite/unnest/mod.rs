//! Sub-queries that name columns of the query around them, as joins: those of which DataFusion makes no join, or a wrong one.
//!
//! After T. Neumann and A. Kemper, "Unnesting Arbitrary Queries" (BTW 2015): the sub-query is computed for all values of
//! the outer columns that it names at once. These values, each once, are the *domain*; joined with the innermost part of
//! the sub-query that names them, they travel up with its rows ([`domain`]), and there the outer rows find theirs:
//!
//! ```text
//! SELECT v FROM o WHERE NOT EXISTS (SELECT MAX(w) FROM t WHERE t.k < o.k HAVING COUNT(*) > 1)
//!
//! o anti join (domain left join (domain join t on t.k < d group by d) where count > 1) on o.k is not distinct from d
//! ```
//!
//! Columns of a query farther out stay as they are: the sub-query around this one has them then, and is joined in turn.
//!
//! What [`plain`] knows stays for DataFusion's rules, which need no domain: they take the sub-query's own column for the
//! outer one that it is equal to. [`pulled`] does so for LATERAL, of which DataFusion's rule takes one only.

mod domain;
mod plain;
mod pulled;

use super::RewriteContext;
use super::null_in::Asked;
use super::outer::{is_correlated, outer_columns};
use super::subquery_columns::counted;
use crate::functions::from_datafusion;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, JoinConstraint, JoinType, NullEquality, Result as PlanResult};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, Projection, Subquery, SubqueryAlias};
use domain::{Domain, not_there, unused_prefix};
use freshet_types::Result;
use plain::Asks;
use pulled::Pulled;
use std::sync::Arc;

pub(super) fn rewrite(plan: LogicalPlan, _: &RewriteContext) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Filter(filter) => in_filter(filter),
        LogicalPlan::Projection(projection) => in_projection(projection),
        LogicalPlan::Join(join) => in_join(join),
        other => Ok(other),
    }
    .map_err(from_datafusion)
}

/// Whether this rule joins the sub-query; `scope` has the columns of the query directly around it.
fn is_ours(asks: Asks, plan: &LogicalPlan, scope: &DFSchema) -> bool {
    let is_far = |column: &Column| !scope.has_column(column);
    let named = outer_columns(plan);
    !named.is_empty() && (named.iter().any(is_far) || !plain::joins(asks, plan))
}

fn in_filter(filter: Filter) -> PlanResult<LogicalPlan> {
    if !holds_ours(&filter.predicate, filter.input.schema()) {
        return Ok(LogicalPlan::Filter(filter));
    }
    let scope = Arc::clone(filter.input.schema());
    let mut outer = Outer::new(filter.input);
    let mut parts = Vec::new();
    for part in split_conjunction_owned(filter.predicate) {
        let part = match part {
            Expr::Not(inner) => match *inner {
                Expr::Exists(exists) => Expr::Exists(Exists { negated: !exists.negated, ..exists }),
                inner => Expr::Not(Box::new(inner)),
            },
            part => part,
        };
        match part {
            Expr::Exists(exists) if is_ours(Asks::Exists, &exists.subquery.subquery, &scope) => outer.exists(exists)?,
            Expr::InSubquery(part) if is_ours(Asks::In, &part.subquery.subquery, &scope) => {
                let exists = Asked::new(part, &scope)?.exists()?;
                outer.exists(exists)?;
            }
            part => parts.push(outer.values(part)?),
        }
    }
    let mut plan = outer.joined;
    if let Some(predicate) = conjunction(parts) {
        plan = LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(plan))?);
    }
    if plan.schema().fields().len() > outer.rows.schema().fields().len() {
        let columns = outer.rows.schema().columns().into_iter().map(Expr::Column).collect();
        plan = LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?);
    }
    Ok(plan)
}

fn in_projection(projection: Projection) -> PlanResult<LogicalPlan> {
    if !projection.expr.iter().any(|e| holds_ours(e, projection.input.schema())) {
        return Ok(LogicalPlan::Projection(projection));
    }
    let mut outer = Outer::new(projection.input);
    let names = NamePreserver::new_for_projection();
    let exprs = projection.expr.into_iter().map(|expr| {
        let name = names.save(&expr);
        Ok(name.restore(outer.values(expr)?))
    });
    let exprs = exprs.collect::<PlanResult<Vec<_>>>()?;
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(outer.joined))?))
}

/// A sub-query in the condition of an inner join is one in WHERE.
fn in_join(mut join: Join) -> PlanResult<LogicalPlan> {
    let parts = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
    let (asking, parts): (Vec<Expr>, Vec<Expr>) =
        parts.into_iter().partition(|part| holds(part, |_, rows| is_correlated(rows)));
    join.filter = conjunction(parts);
    match conjunction(asking) {
        None => lateral(join),
        Some(_) if join.join_type != JoinType::Inner => {
            Err(not_there("in ON of an outer join", "choose the rows of that side in a sub-query of FROM"))
        }
        Some(asking) => in_filter(Filter::try_new(asking, Arc::new(lateral(join)?))?),
    }
}

fn holds_ours(expr: &Expr, scope: &DFSchema) -> bool {
    holds(expr, |asks, rows| is_ours(asks, rows, scope))
}

/// Whether an expression holds a sub-query of which `is_one` is true.
fn holds(expr: &Expr, is_one: impl Fn(Asks, &LogicalPlan) -> bool) -> bool {
    let is = |e: &Expr| {
        Ok(match e {
            Expr::Exists(Exists { subquery, .. }) => is_one(Asks::Exists, &subquery.subquery),
            Expr::InSubquery(InSubquery { subquery, .. }) => is_one(Asks::In, &subquery.subquery),
            Expr::ScalarSubquery(subquery) => is_one(Asks::Value, &subquery.subquery),
            _ => false,
        })
    };
    expr.exists(is).unwrap_or(false)
}

/// `outer JOIN LATERAL (sub-query)`: a condition of ON is one more condition of the sub-query.
fn lateral(join: Join) -> PlanResult<LogicalPlan> {
    let (alias, subquery) = match join.right.as_ref() {
        LogicalPlan::Subquery(subquery) => (None, subquery),
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => match input.as_ref() {
            LogicalPlan::Subquery(subquery) => (Some(alias), subquery),
            _ => return Ok(LogicalPlan::Join(join)),
        },
        _ => return Ok(LogicalPlan::Join(join)),
    };
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) || !is_correlated(&subquery.subquery) {
        return Ok(LogicalPlan::Join(join));
    }
    let mut rows = subquery.subquery.as_ref().clone();
    if let Some(alias) = alias {
        rows = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(rows), alias.clone())?);
    }
    let left = &Arc::clone(join.left.schema());
    let on = join.on.into_iter().map(|(l, r)| l.eq(r)).chain(join.filter);
    let on = on.map(|e| {
        let outer = e.transform_up(|e| match &e {
            Expr::Column(column) if left.has_column(column) => {
                let field = Arc::clone(left.field_from_column(column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column.clone())))
            }
            _ => Ok(Transformed::no(e)),
        });
        Ok(outer?.data)
    });
    if let Some(on) = conjunction(on.collect::<PlanResult<Vec<_>>>()?) {
        rows = LogicalPlan::Filter(Filter::try_new(on, Arc::new(rows))?);
    }
    let columns: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    let joined = match Pulled::out_of(&rows, &unused_prefix("__pulled", [&join.left, &rows]))? {
        Some(pulled) => {
            let condition = conjunction(pulled.conditions).map(|e| inside(e, left)).transpose()?;
            let (kind, by) = (join.join_type, JoinConstraint::On);
            let nulls = NullEquality::NullEqualsNothing;
            let rows = Arc::new(pulled.rows);
            LogicalPlan::Join(Join::try_new(join.left, rows, Vec::new(), condition, kind, by, nulls, false)?)
        }
        None => {
            let mut outer = Outer::new(join.left);
            outer.join(&rows, join.join_type)?;
            outer.joined
        }
    };
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(joined))?))
}

/// A condition of a sub-query as one of the join with `outer`: what was an outer column is one of its own.
fn inside(condition: Expr, outer: &DFSchema) -> PlanResult<Expr> {
    let inside = condition.transform_up(|e| match e {
        Expr::OuterReferenceColumn(_, column) if outer.has_column(&column) => {
            Ok(Transformed::yes(Expr::Column(column)))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(inside?.data)
}

/// The query around, and what has been joined with it.
struct Outer {
    rows: Arc<LogicalPlan>,
    joined: LogicalPlan,
}

impl Outer {
    fn new(rows: Arc<LogicalPlan>) -> Self {
        Self { joined: rows.as_ref().clone(), rows }
    }

    /// Keeps the outer rows for which the sub-query has rows, or has none.
    fn exists(&mut self, exists: Exists) -> PlanResult<()> {
        let kind = if exists.negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
        self.join(&exists.subquery.subquery, kind)
    }

    /// An expression in which columns stand for the sub-queries that this rule joins.
    fn values(&mut self, expr: Expr) -> PlanResult<Expr> {
        let scope = Arc::clone(self.rows.schema());
        let counts = expr.transform_up(|e| match e {
            Expr::Exists(exists) if is_ours(Asks::Exists, &exists.subquery.subquery, &scope) => {
                counted(exists).map(Transformed::yes)
            }
            Expr::InSubquery(part) if is_ours(Asks::In, &part.subquery.subquery, &scope) => {
                counted(Asked::new(part, &scope)?.exists()?).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        })?;
        let values = counts.data.transform_up(|e| match e {
            Expr::ScalarSubquery(subquery) if is_ours(Asks::Value, &subquery.subquery, &scope) => {
                self.value(&subquery).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        });
        Ok(values?.data)
    }

    /// The column that holds the value of a sub-query.
    fn value(&mut self, subquery: &Subquery) -> PlanResult<Expr> {
        let rows = &subquery.subquery;
        if rows.max_rows().is_none_or(|most| most > 1) {
            let hint = "aggregate its column, such as MAX(x), or keep one row: ORDER BY x LIMIT 1";
            return Err(not_there("as a value that may give many rows", hint));
        }
        let name = format!("__value_{}", self.joined.schema().fields().len());
        let column = Expr::Column(Column::from(rows.schema().qualified_field(0))).alias(&name);
        let named = LogicalPlan::Projection(Projection::try_new(vec![column], Arc::clone(rows))?);
        self.join(&named, JoinType::Left)?;
        Ok(Expr::Column(Column::new_unqualified(name)))
    }

    /// Joins the rows that a sub-query has for each outer row.
    fn join(&mut self, subquery: &LogicalPlan, kind: JoinType) -> PlanResult<()> {
        let domain = Domain::new(&self.rows, &self.joined, subquery)?;
        let mut rows = domain.through(subquery)?;
        if matches!(kind, JoinType::LeftSemi | JoinType::LeftAnti) {
            rows = LogicalPlan::Projection(Projection::try_new(domain.columns(), Arc::new(rows))?);
        }
        self.joined = LogicalPlan::Join(Join::try_new(
            Arc::new(self.joined.clone()),
            Arc::new(rows),
            domain.keys(),
            None,
            kind,
            JoinConstraint::On,
            NullEquality::NullEqualsNull,
            false,
        )?);
        Ok(())
    }
}
