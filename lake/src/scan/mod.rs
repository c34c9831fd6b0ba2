//! Reads one snapshot of a table as a DataFusion table.
//!
//! ```text
//!  manifest list -> manifests that may hold rows -> files that may hold rows -> deletes that touch them -> groups
//!  group: Parquet files (deleted positions as row selections), then an anti-join against its equality deletes
//! ```
//!
//! # Invariants
//! - A file is left out only when its partition or its bounds prove that no row of it passes the filter.
//! - Columns are found by field id, never by name, unless the file has no ids.

mod adapt;
mod avro;
mod deletes;
mod equality;
mod literal;
mod plan;
mod prune;
pub(crate) mod rows;
mod shape;

#[cfg(test)]
pub(crate) use deletes::encode_vector;
pub(crate) use literal::primitive_scalar;
pub(crate) use plan::{ReadTask, plain_task, tasks_of};
pub(crate) use shape::Shape;

use crate::schema;
use crate::table::LakeTable;
use crate::version::Version;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use freshet_types::Result;
use iceberg::spec::SnapshotRef;
use std::fmt;
use std::sync::Arc;

/// One snapshot of a table.
#[derive(Clone)]
pub struct LakeScan {
    table: LakeTable,
    snapshot: Option<SnapshotRef>,
    schema: SchemaRef,
    shape: Arc<Shape>,
}

impl fmt::Debug for LakeScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot.as_ref().map(|s| s.snapshot_id());
        f.debug_struct("LakeScan").field("table", &self.table.full_name()).field("snapshot", &snapshot).finish()
    }
}

impl LakeScan {
    /// The table as it stands.
    pub fn new(table: &LakeTable) -> Result<Self> {
        let metadata = table.metadata();
        Self::of(table, metadata.current_snapshot().cloned(), metadata.current_schema())
    }

    /// The table as it was.
    pub(crate) fn of_version(table: &LakeTable, version: &Version) -> Result<Self> {
        Self::of(table, Some(Arc::clone(&version.snapshot)), &version.columns)
    }

    fn of(table: &LakeTable, snapshot: Option<SnapshotRef>, columns: &iceberg::spec::Schema) -> Result<Self> {
        let schema = Arc::new(schema::table_schema(columns, &table.column_types()));
        let shape = Arc::new(Shape::new(columns, &schema, table.metadata())?);
        Ok(Self { table: table.clone(), snapshot, schema, shape })
    }

    /// Id of the snapshot that is read; none for a table without one.
    pub fn snapshot_id(&self) -> Option<i64> {
        self.snapshot.as_ref().map(|s| s.snapshot_id())
    }

    pub(crate) fn shape(&self) -> Arc<Shape> {
        Arc::clone(&self.shape)
    }

    /// How many data files a scan with `filters` reads, and how many the snapshot has.
    pub fn file_counts(&self, state: &dyn Session, filters: &[Expr]) -> Result<(usize, usize)> {
        let predicate = self
            .predicate(state, filters)
            .map_err(|e| freshet_types::Error::internal("lake.predicate", e.to_string()))?;
        let read = tasks_of(&self.table, self.snapshot.as_deref(), &self.shape, predicate.as_ref())?.len();
        Ok((read, tasks_of(&self.table, self.snapshot.as_deref(), &self.shape, None)?.len()))
    }

    fn predicate(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> datafusion::error::Result<Option<Arc<dyn datafusion::physical_plan::PhysicalExpr>>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        // Filters carry the name of the table in the query; a scan knows only its columns.
        let filter = unqualified(filter)?;
        state.create_physical_expr(filter, &schema).map(Some)
    }
}

fn unqualified(expr: Expr) -> datafusion::error::Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    expr.transform(|e| {
        Ok(match e {
            Expr::Column(column) if column.relation.is_some() => {
                Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    })
    .data()
}

pub(crate) fn external(e: freshet_types::Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}

/// The positions that a serialized deletion vector holds: with its frame, or the bare bitmap inside.
///
/// # Errors
/// `lake.deletion_vector` for bytes that are cut short or damaged.
pub fn decode_positions(bytes: &[u8]) -> Result<Vec<u64>> {
    let framed = bytes.len() >= 8 && bytes[4..8] == deletes::MAGIC;
    let positions = if framed { deletes::decode_vector(bytes) } else { deletes::decode_bitmap(bytes) }?;
    Ok(positions.iter().collect())
}

/// A request for rows in order, in one partition.
pub(crate) fn request(table: &LakeTable, shape: Arc<Shape>, projection: Option<Vec<usize>>) -> plan::Request {
    plan::Request { projection, ..plan::Request::whole(&table.loaded().io, shape) }
}

/// Runs blocking work without holding up the thread of a runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> datafusion::error::Result<T> {
    let done = match tokio::runtime::Handle::try_current() {
        Ok(handle) => {
            handle.spawn_blocking(work).await.map_err(|e| DataFusionError::Execution(format!("lake scan: {e}")))?
        }
        Err(_) => work(),
    };
    done.map_err(external)
}

#[async_trait]
impl TableProvider for LakeScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        // Whole files and pages are left out; single rows are for the filter above.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let predicate = self.predicate(state, filters)?;
        let (scan, for_tasks) = (self.clone(), predicate.clone());
        let tasks = blocking(move || {
            tasks_of(&scan.table, scan.snapshot.as_deref(), &scan.shape, for_tasks.as_ref())
                .map_err(|e| e.at("table", scan.table.full_name()))
        })
        .await?;
        let request = plan::Request {
            io: self.table.loaded().io.clone(),
            shape: Arc::clone(&self.shape),
            projection: projection.cloned(),
            predicate,
            limit: limit.filter(|_| filters.is_empty()),
            partitions: state.config().target_partitions().max(1),
        };
        let planned = blocking(move || plan::plan(&request, tasks)).await?;
        for (url, store) in &planned.stores {
            state.runtime_env().register_object_store(url.as_ref(), Arc::clone(store));
        }
        Ok(planned.plan)
    }
}

#[cfg(test)]
mod tests;
