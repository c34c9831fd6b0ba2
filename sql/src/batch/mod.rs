//! Queries that are answered once: the same logical plan, run by DataFusion over inputs that end.
//!
//! This is how lake tables are queried, and the oracle that streams are compared with: bounded tables of connectors are
//! read through their sources, window functions are expanded row by row.

mod answer;
mod read;
mod scan;
mod source;
mod windows;

pub use answer::{Answer, Next};
pub(crate) use source::BatchSource;

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
use freshet_connector_api::ConnectorEnv;
use freshet_types::{Error, Result, SqlField};
use std::sync::Arc;

/// Runs a query to its end. Blocks; may be called from within another runtime.
///
/// # Errors
/// Those of planning; `query.unbounded` when a table never ends; what fails while rows are computed.
pub fn run(planner: &Planner<'_>, query: &Query) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let functions = planner.batch_functions();
    let query = BatchQuery::new(planner, planner.typed_tree(query, &functions)?)?;
    Ok((query.schema(), query.collect()?))
}

/// Begins to answer a query; its rows come as they are computed.
///
/// # Errors
/// Those of planning.
pub fn start(planner: &Planner<'_>, query: &Query) -> Result<Answer> {
    let functions = planner.batch_functions();
    Answer::begin(BatchQuery::new(planner, planner.typed_tree(query, &functions)?)?)
}

/// The plans of a batch query, as EXPLAIN shows them.
///
/// # Errors
/// Those of planning.
pub fn explain(planner: &Planner<'_>, query: &Query) -> Result<String> {
    let functions = planner.batch_functions();
    let query = BatchQuery::new(planner, planner.typed_tree(query, &functions)?)?;
    let physical = in_runtime(query.physical())??;
    let physical = datafusion::physical_plan::displayable(physical.as_ref()).indent(false).to_string();
    Ok(format!("== Logical Plan ==\n{}\n\n== Physical Plan ==\n{physical}", query.plan.display_indent()))
}

/// A plan that runs once, with all that it takes to run it.
pub(crate) struct BatchQuery {
    plan: LogicalPlan,
    schema: SchemaRef,
    state: SessionState,
    env: ConnectorEnv,
    zone: chrono_tz::Tz,
}

impl BatchQuery {
    /// Optimises a plan that has Flink's types.
    pub(crate) fn new(planner: &Planner<'_>, plan: LogicalPlan) -> Result<Self> {
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
        let plan = optimize_batch(plan, planner.options())?;
        let fields = fields_of(&plan)?;
        let fields: Vec<_> = fields.iter().map(|f| SqlField::to_arrow(f).with_nullable(true)).collect();
        let config = SessionConfig::from(planner.options().clone());
        Ok(Self {
            plan,
            schema: Arc::new(Schema::new(fields)),
            state: SessionStateBuilder::new().with_config(config).build(),
            env: planner.env().clone(),
            zone: planner.time_zone(),
        })
    }

    /// Columns of the result.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// All rows of the result.
    pub(crate) fn collect(&self) -> Result<Vec<RecordBatch>> {
        let batches = in_runtime(async {
            let physical = self.physical().await?;
            collect(physical, self.state.task_ctx()).await.map_err(outward)
        })??;
        batches.iter().filter(|b| b.num_rows() > 0).map(|b| as_declared(b, &self.schema)).collect()
    }

    async fn physical(&self) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![
            Arc::new(windows::Windows { zone: self.zone }),
            Arc::new(scan::Scans { env: self.env.clone() }),
        ]);
        planner.create_physical_plan(&self.plan, &self.state).await.map_err(outward)
    }
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
