//! UNION ALL: the changes of all inputs, in one schema.

use super::Lowerer;
use super::flow::{Flow, Role};
use arrow::datatypes::{FieldRef, Schema};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::expressions::CastExpr;
use freshet_engine::{Input, NodeKind, Routing};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    let LogicalPlan::Union(union) = plan else { return Ok(None) };
    let flows = union.inputs.iter().map(|input| lowerer.lower(input)).collect::<Result<Vec<_>>>()?;
    let fields: Vec<FieldRef> = union.schema.fields().iter().map(Arc::clone).collect();
    Ok(Some(unite(lowerer, flows, fields)?))
}

/// Puts flows side by side under one schema.
pub(super) fn unite(lowerer: &mut Lowerer, flows: Vec<Flow>, fields: Vec<FieldRef>) -> Result<Flow> {
    let schema = Arc::new(Schema::new(fields.iter().map(super::flow::loosened).collect::<Vec<_>>()));
    let append_only = flows.iter().all(|f| f.append_only);
    let bounded = flows.iter().all(|f| f.bounded);
    let mut roles: Option<Vec<Role>> = None;
    let mut inputs = Vec::with_capacity(flows.len());
    for flow in flows {
        let mut flow = super::window::assign(&mut lowerer.builder, flow)?;
        // A column means something in time only if it means the same on every side.
        roles = Some(match roles {
            None => flow.roles(),
            Some(old) => old.iter().zip(flow.roles()).map(|(a, b)| if *a == b { *a } else { Role::Plain }).collect(),
        });
        for (column, field) in flow.columns.iter_mut().zip(schema.fields()) {
            let own = column.expr.data_type(&flow.base).map_err(crate::plan::outward)?;
            if own != *field.data_type() {
                column.expr = Arc::new(CastExpr::new(Arc::clone(&column.expr), field.data_type().clone(), None));
            }
            column.field = Arc::clone(field);
        }
        // The node passes batches on as they are, so even names must agree.
        let settled = if flow.is_identity() && flow.base == schema { flow } else { lowerer.builder.calc(flow)? };
        inputs.push(Input { from: settled.node, routing: Routing::Forward });
    }
    let node = lowerer.builder.other(
        NodeKind::Union,
        "union",
        Some("union".to_string()),
        inputs,
        Arc::clone(&schema),
        append_only,
    );
    Ok(Flow::of_node(node, schema, &roles.unwrap_or_default(), append_only, bounded))
}
