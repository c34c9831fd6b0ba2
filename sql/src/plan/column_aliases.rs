//! Names of columns behind a table's alias, as in `AS t (a, b)`, given by place.
//!
//! DataFusion looks the old names up as if they stood in a text: `EXPR$0` would be `expr$0`, which is no column.

use super::context::with_column_names;
use super::error::inward;
use datafusion::common::Result as DfResult;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{TableAlias, TableFactor};

/// Plans relations whose alias names columns.
#[derive(Debug)]
pub(crate) struct ColumnAliases;

impl RelationPlanner for ColumnAliases {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let taken = match alias_of(&mut relation) {
            Some(alias) if alias.as_ref().is_some_and(|a| !a.columns.is_empty()) => alias.take(),
            _ => None,
        };
        let Some(mut alias) = taken else { return Ok(RelationPlanning::Original(Box::new(relation))) };
        let names: Vec<String> =
            std::mem::take(&mut alias.columns).into_iter().map(|c| context.normalize_ident(c.name)).collect();
        let plan = context.plan(relation)?;
        let plan = with_column_names(plan, &names).map_err(|e| inward(e.at("table", alias.name.value.clone())))?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

fn alias_of(relation: &mut TableFactor) -> Option<&mut Option<TableAlias>> {
    match relation {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => Some(alias),
        _ => None,
    }
}
