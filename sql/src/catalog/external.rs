//! Catalogs that live outside the session, such as a lake: the seam between the front end and the floor above it.

use datafusion::catalog::TableProvider;
use freshet_connector_api::{ConnectorEnv, Sink, Source};
use freshet_types::{OptionSpec, Options, Result, SqlField};
use std::sync::Arc;

/// Opens catalogs of one `'type'`.
pub trait CatalogFactory: Send + Sync {
    /// The word in `CREATE CATALOG c WITH ('type' = '...')`.
    fn kind(&self) -> &'static str;

    /// Options besides `type`.
    fn options(&self) -> &'static [OptionSpec];

    /// Whether the catalog is there already, so that opening it makes nothing.
    ///
    /// # Errors
    /// Those of wrong options.
    fn exists(&self, _name: &str, _options: &Options, _env: &ConnectorEnv) -> Result<bool> {
        Ok(true)
    }

    /// The table whose files lie in this folder, if there is one: it is read without a catalog.
    ///
    /// # Errors
    /// Those of a table that is there and cannot be read.
    fn table_in(&self, _folder: &str, _env: &ConnectorEnv) -> Result<Option<Arc<dyn ExternalTable>>> {
        Ok(None)
    }

    /// Opens the catalog, creating what an embedded one needs.
    fn open(&self, name: &str, options: &Options, env: &ConnectorEnv) -> Result<Arc<dyn ExternalCatalog>>;
}

/// One entry of PARTITIONED BY: a column, or a transform of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTerm {
    /// `identity`, `bucket`, `truncate`, `years`, `months`, `days` or `hours`.
    pub transform: String,
    /// Number of buckets, or width.
    pub argument: Option<u32>,
    /// The column.
    pub column: String,
}

/// What a new table shall be.
#[derive(Debug, Clone)]
pub struct ExternalTableDefinition {
    /// Columns.
    pub columns: Vec<SqlField>,
    /// Comments of columns, by name.
    pub column_comments: Vec<(String, String)>,
    /// PARTITIONED BY.
    pub partition_by: Vec<PartitionTerm>,
    /// PRIMARY KEY NOT ENFORCED, by name.
    pub primary_key: Vec<String>,
    /// Comment of the table.
    pub comment: Option<String>,
    /// `WITH (...)`, without `connector`.
    pub options: Options,
}

/// Which state of a table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableVersion {
    /// Snapshot id (`FOR SYSTEM_VERSION AS OF`, hint `snapshot-id`).
    Snapshot(i64),
    /// The last snapshot at this instant (`FOR SYSTEM_TIME AS OF`, hint `as-of-timestamp`), in milliseconds.
    Timestamp(i64),
    /// Where a branch of this name stands (hint `branch`).
    Branch(String),
    /// What a tag of this name marks (hint `tag`).
    Tag(String),
}

/// A catalog outside the session. Calls block; errors carry the table's name.
pub trait ExternalCatalog: Send + Sync {
    /// Names of all databases.
    fn databases(&self) -> Result<Vec<String>>;

    /// Creates a database; `already_exists` when it is there.
    fn create_database(&self, name: &str, options: &Options) -> Result<()>;

    /// Drops a database; refused when it has tables, unless `cascade`.
    fn drop_database(&self, name: &str, cascade: bool) -> Result<()>;

    /// Names of all tables of a database.
    fn tables(&self, database: &str) -> Result<Vec<String>>;

    /// A table, if it exists, as it stands now.
    fn table(&self, database: &str, name: &str) -> Result<Option<Arc<dyn ExternalTable>>>;

    /// Creates a table; `already_exists` when it is there.
    fn create_table(&self, database: &str, name: &str, definition: &ExternalTableDefinition) -> Result<()>;

    /// Drops a table and its files.
    fn drop_table(&self, database: &str, name: &str) -> Result<()>;
}

/// A table of an external catalog.
pub trait ExternalTable: Send + Sync {
    /// The table itself, for the floor that knows its kind and asks more of it than this seam offers.
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }

    /// What it is: columns, partitioning, key, comment, options.
    fn definition(&self) -> ExternalTableDefinition;

    /// The same table as it was: its definition, scan and source are those of that version, and it takes no rows.
    fn at(&self, version: &TableVersion) -> Result<Arc<dyn ExternalTable>>;

    /// A batch scan of one snapshot, with projection, filter and partition pruning.
    fn scan(&self) -> Result<Arc<dyn TableProvider>>;

    /// A bounded source over the current snapshot, for jobs that read the table beside streams.
    fn source(&self, env: &ConnectorEnv) -> Result<Arc<dyn Source>>;

    /// A sink; `options` are the table's own with those of an OPTIONS hint over them.
    fn sink(&self, options: &Options, env: &ConnectorEnv) -> Result<Arc<dyn Sink>>;
}
