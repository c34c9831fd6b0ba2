//! Queries that are answered once: the same logical plan, run by DataFusion over inputs that end.
//!
//! This is how lake tables are queried, and the oracle that streams are compared with: bounded tables of connectors are
//! read through their sources, window functions are expanded row by row.

mod read;
mod scan;
mod windows;

use crate::plan::{Planner, fields_of, optimize_batch, outward, table_of};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::Transformed;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::ast::Query;
use freshet_types::{Error, Result, SqlField};
use std::sync::Arc;

/// Runs a query to its end. Blocks; may be called from within another runtime.
///
/// # Errors
/// Those of planning; `query.unbounded` when a table never ends; what fails while rows are computed.
pub fn run(planner: &Planner<'_>, query: &Query) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let plan = plan(planner, query)?;
    run_plan(planner, plan)
}

/// The optimised plan of a batch query.
fn plan(planner: &Planner<'_>, query: &Query) -> Result<LogicalPlan> {
    let functions = planner.batch_functions();
    let plan = planner.typed_tree(query, &functions)?;
    let plan = plan
        .transform_up_with_subqueries(|node| match node {
            LogicalPlan::TableScan(mut scan) => {
                let Some(table) = table_of(&scan.source) else {
                    return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
                };
                let table = planner.opened(&table.id).expect("every table of a plan was opened by its planner");
                scan.source = Arc::new(scan::BatchTable::new(table).map_err(crate::plan::inward)?);
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            other => Ok(Transformed::no(other)),
        })
        .map_err(outward)?
        .data;
    optimize_batch(plan, planner.options())
}

/// The physical plan of a batch query, as EXPLAIN shows it.
pub fn explain(planner: &Planner<'_>, query: &Query) -> Result<String> {
    let plan = plan(planner, query)?;
    let state = session(planner);
    let logical = plan.display_indent().to_string();
    let physical = in_runtime(physical_plan(planner, &plan, &state))??;
    let physical = datafusion::physical_plan::displayable(physical.as_ref()).indent(false).to_string();
    Ok(format!("== Logical Plan ==\n{logical}\n\n== Physical Plan ==\n{physical}"))
}

fn run_plan(planner: &Planner<'_>, plan: LogicalPlan) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let fields = fields_of(&plan)?;
    let schema: SchemaRef =
        Arc::new(Schema::new(fields.iter().map(|f| SqlField::to_arrow(f).with_nullable(true)).collect::<Vec<_>>()));
    let state = session(planner);
    let batches = in_runtime(async {
        let physical = physical_plan(planner, &plan, &state).await?;
        collect(physical, state.task_ctx()).await.map_err(outward)
    })??;
    let batches = batches
        .into_iter()
        .filter(|b| b.num_rows() > 0)
        .map(|b| as_declared(&b, &schema))
        .collect::<Result<Vec<_>>>()?;
    Ok((schema, batches))
}

async fn physical_plan(
    planner: &Planner<'_>,
    plan: &LogicalPlan,
    state: &SessionState,
) -> Result<Arc<dyn ExecutionPlan>> {
    let scans = scan::Scans { env: planner.env().clone() };
    let physical = DefaultPhysicalPlanner::with_extension_planners(vec![
        Arc::new(windows::Windows { zone: planner.time_zone() }),
        Arc::new(scans),
    ]);
    physical.create_physical_plan(plan, state).await.map_err(outward)
}

fn session(planner: &Planner<'_>) -> SessionState {
    let config = SessionConfig::from(planner.options().clone());
    SessionStateBuilder::new().with_config(config).build()
}

/// Runs a future on a runtime of its own, on a thread of its own: the caller may be part of another runtime.
fn in_runtime<T: Send>(future: impl Future<Output = T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("freshet-batch").build().map_err(
                    |e| Error::exhausted("batch.threads", "no threads can be started for the query").because(e),
                )?;
            Ok(runtime.block_on(future))
        });
        match worker.join() {
            Ok(result) => result,
            Err(_) => Err(Error::internal("batch.panic", "the query's thread panicked")),
        }
    })
}

/// A batch with the names and types that the plan declares: DataFusion may carry text as views.
fn as_declared(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Ok(Arc::clone(column))
            } else {
                Ok(arrow::compute::cast(column, field.data_type())?)
            }
        })
        .collect::<Result<Vec<_>>>()?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
