//! Columns of the outer query inside a sub-query carry their type with them: it must follow the outer query's.

use super::RewriteContext;
use crate::functions::from_datafusion;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn refresh(plan: LogicalPlan, _: &RewriteContext) -> Result<LogicalPlan> {
    let schema = merge_schema(&plan.inputs());
    let refreshed = plan.map_subqueries(|subquery| {
        let LogicalPlan::Subquery(mut subquery) = subquery else { return Ok(Transformed::no(subquery)) };
        let inner = Arc::unwrap_or_clone(subquery.subquery);
        let inner = inner.transform_up_with_subqueries(|node| {
            let node = node.map_expressions(|expr| expr.transform_up(|e| Ok(outer_column(e, &schema))))?;
            if node.transformed && !matches!(node.data, LogicalPlan::Union(_) | LogicalPlan::Values(_)) {
                return Ok(Transformed::yes(node.data.recompute_schema()?));
            }
            Ok(node)
        })?;
        subquery.subquery = Arc::new(inner.data);
        for column in &mut subquery.outer_ref_columns {
            *column = outer_column(column.clone(), &schema).data;
        }
        Ok(Transformed::new_transformed(LogicalPlan::Subquery(subquery), inner.transformed))
    });
    Ok(refreshed.map_err(from_datafusion)?.data)
}

fn outer_column(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Expr::OuterReferenceColumn(field, column) = &expr else { return Transformed::no(expr) };
    match schema.field_from_column(column) {
        Ok(now) if now.data_type() != field.data_type() || now.metadata() != field.metadata() => {
            Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(now), column.clone()))
        }
        _ => Transformed::no(expr),
    }
}
