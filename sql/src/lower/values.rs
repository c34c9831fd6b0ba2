//! VALUES and SELECT without FROM: rows that are there from the start.

use super::Lowerer;
use super::flow::{Flow, physical};
use crate::plan::outward;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::LogicalPlan;
use freshet_engine::NodeKind;
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    let rows = match plan {
        LogicalPlan::EmptyRelation(empty) => {
            let schema: SchemaRef = Arc::new(empty.schema.as_arrow().clone());
            match empty.produce_one_row {
                true => one_row()?,
                false => RecordBatch::new_empty(schema),
            }
        }
        LogicalPlan::Values(values) => {
            let schema: SchemaRef =
                Arc::new(Schema::new(values.schema.fields().iter().map(super::flow::loosened).collect::<Vec<_>>()));
            let nothing = DFSchema::empty();
            let row = one_row()?;
            let mut columns = vec![Vec::with_capacity(values.values.len()); schema.fields().len()];
            for exprs in &values.values {
                for (column, expr) in columns.iter_mut().zip(exprs) {
                    let value = physical(expr, &nothing)?.evaluate(&row).map_err(outward)?;
                    column.push(value.into_array(1).map_err(outward)?);
                }
            }
            let columns = columns
                .iter()
                .zip(schema.fields())
                .map(|(parts, field)| {
                    let parts = parts
                        .iter()
                        .map(|p| Ok(arrow::compute::cast(p, field.data_type())?))
                        .collect::<Result<Vec<_>>>()?;
                    let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(|p| p.as_ref()).collect();
                    Ok(concat(&parts)?)
                })
                .collect::<Result<Vec<_>>>()?;
            RecordBatch::try_new(schema, columns)?
        }
        _ => return Ok(None),
    };
    let schema = rows.schema();
    let node =
        lowerer.builder.other(NodeKind::Values(vec![rows]), "values", None, Vec::new(), Arc::clone(&schema), true);
    Ok(Some(Flow::of_node(node, schema, &[], true, true)))
}

/// One row without columns, for expressions that need none.
fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?)
}
