//! Tables in a batch plan: lake tables through their own scan, tables of connectors through their source.

use super::read::SourceRows;
use crate::plan::{Origin, Table};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result as DfResult;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{
    Expr, LogicalPlan, TableProviderFilterPushDown, TableScan, TableSource, UserDefinedLogicalNode,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use freshet_connector_api::ConnectorEnv;
use freshet_types::Result;
use std::fmt;
use std::sync::Arc;

/// A table in a batch plan.
pub(super) struct BatchTable {
    table: Arc<Table>,
    /// The scan of a lake table.
    provider: Option<Arc<dyn TableProvider>>,
}

impl BatchTable {
    pub(super) fn new(table: Arc<Table>) -> Result<Self> {
        let provider = match &table.origin {
            Origin::External(lake) => Some(lake.scan().map_err(|e| e.at("table", table.id.clone()))?),
            Origin::Connector(_) => None,
        };
        Ok(Self { table, provider })
    }
}

impl fmt::Debug for BatchTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchTable({})", self.table.id)
    }
}

impl TableSource for BatchTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DfResult<Vec<TableProviderFilterPushDown>> {
        let Some(provider) = &self.provider else {
            return Ok(vec![TableProviderFilterPushDown::Unsupported; filters.len()]);
        };
        let own = provider.schema();
        // A filter in other types than the scan's would compare apples with pears; the plan keeps filtering anyway.
        let same = |e: &&Expr| {
            e.column_refs().iter().all(|c| {
                match (own.field_with_name(&c.name), self.table.schema.field_with_name(&c.name)) {
                    (Ok(a), Ok(b)) => a.data_type() == b.data_type(),
                    _ => false,
                }
            })
        };
        let supported = provider.supports_filters_pushdown(filters)?;
        Ok(filters
            .iter()
            .zip(supported)
            .map(|(f, s)| match s {
                TableProviderFilterPushDown::Unsupported => TableProviderFilterPushDown::Unsupported,
                _ if same(f) => TableProviderFilterPushDown::Inexact,
                _ => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }
}

/// Plans scans.
pub(super) struct Scans {
    pub(super) env: ConnectorEnv,
}

#[async_trait]
impl ExtensionPlanner for Scans {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        _: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        _: &[Arc<dyn ExecutionPlan>],
        _: &SessionState,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        Ok(None)
    }

    async fn plan_table_scan(
        &self,
        _: &dyn PhysicalPlanner,
        scan: &TableScan,
        state: &SessionState,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(table) = scan.source.downcast_ref::<BatchTable>() else { return Ok(None) };
        let wanted: Vec<usize> = match &scan.projection {
            Some(projection) => projection.clone(),
            None => (0..table.table.columns.len()).collect(),
        };
        match &table.provider {
            Some(provider) => lake(table, provider, &wanted, scan, state).await.map(Some),
            None => {
                let rows = SourceRows::new(&table.table, &wanted, &self.env).map_err(crate::plan::inward)?;
                let schema = Arc::clone(rows.output());
                let exec = StreamingTableExec::try_new(
                    schema,
                    vec![Arc::new(rows)],
                    None,
                    std::iter::empty(),
                    false,
                    scan.fetch,
                )?;
                Ok(Some(Arc::new(exec)))
            }
        }
    }
}

async fn lake(
    table: &BatchTable,
    provider: &Arc<dyn TableProvider>,
    wanted: &[usize],
    scan: &TableScan,
    state: &SessionState,
) -> DfResult<Arc<dyn ExecutionPlan>> {
    let own = provider.schema();
    let names: Vec<&str> = wanted.iter().map(|i| table.table.columns[*i].field.name.as_str()).collect();
    let places = names.iter().map(|n| own.index_of(n)).collect::<Result<Vec<usize>, _>>()?;
    let filters: Vec<Expr> = scan.filters.iter().map(|f| unqualified(f.clone())).collect::<DfResult<_>>()?;
    let exec = provider.scan(state, Some(&places), &filters, scan.fetch).await?;
    let declared = Schema::new(wanted.iter().map(|i| table.table.schema.field(*i).clone()).collect::<Vec<_>>());
    let given = exec.schema();
    if given.fields().iter().zip(declared.fields()).all(|(a, b)| a.data_type() == b.data_type()) {
        return Ok(exec);
    }
    let exprs: Vec<(Arc<dyn PhysicalExpr>, String)> = given
        .fields()
        .iter()
        .zip(declared.fields())
        .enumerate()
        .map(|(i, (a, b))| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(a.name(), i));
            let expr = if a.data_type() == b.data_type() {
                column
            } else {
                Arc::new(CastExpr::new(column, b.data_type().clone(), None))
            };
            (expr, b.name().clone())
        })
        .collect();
    Ok(Arc::new(ProjectionExec::try_new(exprs, exec)?))
}

/// Columns without the name of their table, as a table provider expects them.
fn unqualified(expr: Expr) -> DfResult<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    Ok(expr
        .transform(|e| match e {
            Expr::Column(c) if c.relation.is_some() => {
                Ok(Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(c.name))))
            }
            other => Ok(Transformed::no(other)),
        })?
        .data)
}
