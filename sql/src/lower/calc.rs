//! Projections, filters and names: they pile up on a flow and become one calc node.

use super::Lowerer;
use super::flow::{Flow, renamed};
use datafusion::logical_expr::LogicalPlan;
use freshet_types::Result;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    Ok(Some(match plan {
        LogicalPlan::Projection(projection) => {
            let input = lowerer.lower(&projection.input)?;
            input.project(&mut lowerer.builder, &projection.expr, projection.input.schema(), &projection.schema)?
        }
        LogicalPlan::Filter(filter) => {
            let input = lowerer.lower(&filter.input)?;
            input.keep(&mut lowerer.builder, &filter.predicate, filter.input.schema())?
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let mut flow = lowerer.lower(&alias.input)?;
            for (column, field) in flow.columns.iter_mut().zip(alias.schema.fields()) {
                column.field = renamed(field, &column.field);
            }
            flow
        }
        // Rows are spread by the engine; how a batch plan would have spread them says nothing.
        LogicalPlan::Repartition(repartition) => lowerer.lower(&repartition.input)?,
        _ => return Ok(None),
    }))
}
