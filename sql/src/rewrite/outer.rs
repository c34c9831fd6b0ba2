//! Columns of the outer query inside a sub-query: which there are, and that the type that they carry with them follows the
//! outer query's.

use super::RewriteContext;
use crate::functions::from_datafusion;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result as PlanResult};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn refresh(plan: LogicalPlan, _: &RewriteContext) -> Result<LogicalPlan> {
    let scopes = [merge_schema(&plan.inputs())];
    Ok(in_subqueries(plan, &scopes).map_err(from_datafusion)?.data)
}

/// Refreshes the outer columns in the sub-queries of one node. The last scope is the node's own, the first is the one
/// whose columns are refreshed: those between hide its columns of the same name.
fn in_subqueries(node: LogicalPlan, scopes: &[DFSchema]) -> PlanResult<Transformed<LogicalPlan>> {
    node.map_subqueries(|subquery| {
        let LogicalPlan::Subquery(mut subquery) = subquery else { return Ok(Transformed::no(subquery)) };
        let inner = Arc::unwrap_or_clone(subquery.subquery).transform_up(|node| {
            let mut around = scopes.to_vec();
            around.push(merge_schema(&node.inputs()));
            let node = in_subqueries(node, &around)?;
            let nested = node.transformed;
            let node = node.data.map_expressions(|expr| expr.transform_up(|e| outer_column(e, scopes)))?;
            if !nested && !node.transformed {
                return Ok(node);
            }
            // A VALUES knows its types only after its rows agree, a UNION after its inputs do.
            Ok(Transformed::yes(match node.data {
                LogicalPlan::Union(_) | LogicalPlan::Values(_) => node.data,
                other => other.recompute_schema()?,
            }))
        })?;
        subquery.subquery = Arc::new(inner.data);
        for column in &mut subquery.outer_ref_columns {
            *column = outer_column(std::mem::take(column), scopes)?.data;
        }
        Ok(Transformed::new_transformed(LogicalPlan::Subquery(subquery), inner.transformed))
    })
}

fn outer_column(expr: Expr, scopes: &[DFSchema]) -> PlanResult<Transformed<Expr>> {
    let Expr::OuterReferenceColumn(field, column) = &expr else { return Ok(Transformed::no(expr)) };
    let Some((schema, between)) = scopes.split_first() else { return Ok(Transformed::no(expr)) };
    if between.iter().any(|scope| scope.has_column(column)) {
        return Ok(Transformed::no(expr));
    }
    let Ok(now) = schema.field_from_column(column) else { return Ok(Transformed::no(expr)) };
    if now.data_type() == field.data_type() && now.metadata() == field.metadata() {
        return Ok(Transformed::no(expr));
    }
    Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(now), column.clone())))
}

/// Whether a plan names columns of the query around it.
pub(super) fn is_correlated(plan: &LogicalPlan) -> bool {
    let mut found = false;
    // It fails only where the closure does.
    let _ = plan.apply(|node| {
        found = found || node.contains_outer_reference();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found
}

/// The columns of queries around it that a plan names, each once.
pub(super) fn outer_columns(plan: &LogicalPlan) -> Vec<Column> {
    let mut named: Vec<Column> = Vec::new();
    // It fails only where the closure does.
    let _ = plan.apply(|node| {
        for column in node.all_out_ref_exprs() {
            if let Expr::OuterReferenceColumn(_, column) = column
                && !named.contains(&column)
            {
                named.push(column);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    named
}
