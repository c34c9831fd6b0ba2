//! A table as queries see it: what the connector reads, the columns computed behind it, and how event time is told.

use crate::catalog::external::ExternalTable;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::{Expr, TableSource};
use freshet_connector_api::{Connector, ConnectorEnv, Source, TableSpec};
use freshet_types::{Result, SqlField};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Qualifier of a table's own columns in the expressions of its computed columns and its watermark.
pub(crate) const OWN: &str = "__own";

/// Where a column comes from.
#[derive(Debug, Clone)]
pub(crate) enum ColumnFrom {
    /// From the connector: a column of the spec.
    Spec(usize),
    /// Computed over the columns of the spec, qualified by [`OWN`].
    Computed(Box<Expr>),
}

/// One column.
#[derive(Debug, Clone)]
pub(crate) struct TableColumn {
    /// Name and type.
    pub(crate) field: SqlField,
    /// Where it comes from.
    pub(crate) from: ColumnFrom,
    /// Whether it is PROCTIME().
    pub(crate) is_proctime: bool,
}

/// How event time is told.
#[derive(Debug, Clone)]
pub(crate) struct Rowtime {
    /// The time column.
    pub(crate) column: usize,
    /// The watermark, over all columns, qualified by [`OWN`].
    pub(crate) watermark: Expr,
    /// When a silent split stops holding the watermark back.
    pub(crate) idle_timeout: Option<Duration>,
}

/// What stands behind a table.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A connector.
    Connector(&'static dyn Connector),
    /// A table of an external catalog, as of some version where that is asked for.
    External(Arc<dyn ExternalTable>),
}

/// A table as queries see it.
pub(crate) struct Table {
    /// Name that is unique in a job: the path, and a number when hints make it another table.
    pub(crate) id: String,
    /// What the connector reads.
    pub(crate) spec: TableSpec,
    /// All columns in order.
    pub(crate) columns: Vec<TableColumn>,
    /// How event time is told.
    pub(crate) rowtime: Option<Rowtime>,
    /// What stands behind it.
    pub(crate) origin: Origin,
    /// Whether a record that cannot be decoded stops the job.
    pub(crate) fail_on_dead_letter: bool,
    pub(crate) schema: SchemaRef,
    pub(crate) source: OnceLock<Arc<dyn Source>>,
}

impl Table {
    /// The source that reads the table.
    pub(crate) fn source(&self, env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        if let Some(source) = self.source.get() {
            return Ok(Arc::clone(source));
        }
        let source = self.source_of(&self.spec, env)?;
        Ok(Arc::clone(self.source.get_or_init(|| source)))
    }

    /// The source that reads the table as `spec` describes it: its own spec, or one with less in its ROWs.
    pub(crate) fn source_of(&self, spec: &TableSpec, env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        match &self.origin {
            Origin::Connector(connector) => connector.source(spec, env),
            Origin::External(table) => table.source(env).map_err(|e| e.at("table", &self.id)),
        }
    }

    /// Schema of the columns that the connector reads, qualified by [`OWN`].
    pub(crate) fn spec_schema(&self) -> Result<DFSchema> {
        own_schema(&self.spec.schema())
    }
}

/// `schema` qualified by [`OWN`].
pub(crate) fn own_schema(schema: &Schema) -> Result<DFSchema> {
    DFSchema::try_from_qualified_schema(TableReference::bare(OWN), schema).map_err(super::outward)
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.id)
    }
}

impl TableSource for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The table behind a scan; none when something else is scanned.
pub(crate) fn table_of(source: &Arc<dyn TableSource>) -> Option<&Table> {
    source.downcast_ref::<Table>()
}
