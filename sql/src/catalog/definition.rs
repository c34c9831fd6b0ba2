//! What the catalog keeps of a table or a view.

use crate::catalog::external::{ExternalTable, ExternalTableDefinition, PartitionTerm};
use crate::parse::{ColumnDefinition, ColumnKind, WatermarkDefinition};
use datafusion::sql::sqlparser::ast::Query;
use freshet_connector_api::{ColumnOrigin, ColumnSpec, TableSpec};
use freshet_types::{Error, Options, Result, SqlField};
use std::fmt;
use std::sync::Arc;

/// Full name of a table or view.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TablePath {
    /// Catalog.
    pub catalog: String,
    /// Database.
    pub database: String,
    /// Table or view.
    pub name: String,
}

impl TablePath {
    /// A full name.
    pub fn new(catalog: impl Into<String>, database: impl Into<String>, name: impl Into<String>) -> Self {
        Self { catalog: catalog.into(), database: database.into(), name: name.into() }
    }
}

impl fmt::Display for TablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.database, self.name)
    }
}

/// A table that a connector reads or writes.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    /// Full name.
    pub path: TablePath,
    /// Columns in order.
    pub columns: Vec<ColumnDefinition>,
    /// WATERMARK FOR.
    pub watermark: Option<WatermarkDefinition>,
    /// PRIMARY KEY, by name.
    pub primary_key: Vec<String>,
    /// PARTITIONED BY.
    pub partition_by: Vec<PartitionTerm>,
    /// COMMENT.
    pub comment: Option<String>,
    /// WITH.
    pub options: Options,
    /// Whether it ends with the session.
    pub temporary: bool,
}

impl TableDefinition {
    /// The table as its connector sees it: physical and metadata columns, no computed ones.
    ///
    /// # Errors
    /// `table.partition` for a partition that is not a plain column; those belong to lake tables.
    pub fn to_spec(&self) -> Result<TableSpec> {
        let columns: Vec<ColumnSpec> = self
            .columns
            .iter()
            .filter_map(|column| {
                let origin = match &column.kind {
                    ColumnKind::Physical => ColumnOrigin::Physical,
                    ColumnKind::Metadata { key, read_only } => {
                        ColumnOrigin::Metadata { key: key.clone(), read_only: *read_only }
                    }
                    ColumnKind::Computed { .. } => return None,
                };
                Some(ColumnSpec { field: column.field()?, origin, wanted: None })
            })
            .collect();
        let index = |name: &str| columns.iter().position(|c| c.field.name == name);
        let primary_key = self.primary_key.iter().filter_map(|name| index(name)).collect();
        let partition_keys = self
            .partition_by
            .iter()
            .map(|term| match index(&term.column) {
                Some(i) if term.transform == "identity" => Ok(i),
                _ => Err(Error::unsupported(
                    "table.partition",
                    format!("PARTITIONED BY takes plain columns here, not \"{term}\""),
                )
                .at("table", self.path.to_string())
                .hint("name a physical column, or leave 'connector' out to get a lake table")),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(TableSpec {
            name: self.path.to_string(),
            columns,
            options: self.options.clone(),
            primary_key,
            partition_keys,
        })
    }

    /// Name of the connector.
    pub fn connector(&self) -> Option<&str> {
        self.options.get("connector")
    }

    /// The column named `name`.
    pub fn column(&self, name: &str) -> Option<&ColumnDefinition> {
        self.columns.iter().find(|c| c.name == name)
    }
}

impl ColumnDefinition {
    /// Name, type and nullability; none for a computed column.
    pub fn field(&self) -> Option<SqlField> {
        Some(SqlField { name: self.name.clone(), sql_type: self.sql_type.clone()?, nullable: self.nullable })
    }

    /// Whether an INSERT gives values for it.
    pub fn is_written(&self) -> bool {
        match self.kind {
            ColumnKind::Physical => true,
            ColumnKind::Metadata { read_only, .. } => !read_only,
            ColumnKind::Computed { .. } => false,
        }
    }
}

impl fmt::Display for PartitionTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.transform.as_str(), self.argument) {
            ("identity", _) => f.write_str(&self.column),
            (transform, Some(argument)) => write!(f, "{transform}({argument}, {})", self.column),
            (transform, None) => write!(f, "{transform}({})", self.column),
        }
    }
}

/// A view: a query under a name.
#[derive(Debug, Clone)]
pub struct ViewDefinition {
    /// Full name.
    pub path: TablePath,
    /// Names of its columns, where they were given.
    pub columns: Vec<String>,
    /// COMMENT.
    pub comment: Option<String>,
    /// The query.
    pub query: Box<Query>,
    /// The query as it was written.
    pub query_text: String,
    /// Catalog and database that were current when it was made: names in its query are looked up there.
    pub home: (String, String),
    /// Whether it ends with the session.
    pub temporary: bool,
}

/// What a name in a query stands for.
#[derive(Clone)]
pub enum ResolvedTable {
    /// A table of a connector.
    Connector(Arc<TableDefinition>),
    /// A table of an external catalog, such as a lake.
    External {
        /// Its full name in that catalog.
        path: TablePath,
        /// The table as it stands now.
        table: Arc<dyn ExternalTable>,
    },
    /// A view.
    View(Arc<ViewDefinition>),
    /// A file or folder, named in quotes where a table is expected.
    File(String),
}

impl fmt::Debug for ResolvedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolvedTable::Connector(table) => write!(f, "Connector({})", table.path),
            ResolvedTable::External { path, .. } => write!(f, "External({path})"),
            ResolvedTable::View(view) => write!(f, "View({})", view.path),
            ResolvedTable::File(path) => write!(f, "File({path})"),
        }
    }
}

/// One column of a table as DESCRIBE and SHOW COLUMNS list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnListing {
    /// Name.
    pub name: String,
    /// Type as Flink spells it; a computed column whose type is not known yet: its expression.
    pub type_text: String,
    /// Whether NULL may stand there.
    pub nullable: bool,
    /// `PRI(a, b)` for a column of the primary key.
    pub key: Option<String>,
    /// `AS ...`, `METADATA ...`.
    pub extras: Option<String>,
    /// Watermark expression of the time column.
    pub watermark: Option<String>,
    /// COMMENT.
    pub comment: Option<String>,
}

/// The columns of an external table, as definitions.
pub fn external_columns(definition: &ExternalTableDefinition) -> Vec<ColumnDefinition> {
    definition
        .columns
        .iter()
        .map(|field| ColumnDefinition {
            name: field.name.clone(),
            kind: ColumnKind::Physical,
            sql_type: Some(field.sql_type.clone()),
            nullable: field.nullable,
            comment: definition.column_comments.iter().find(|(name, _)| *name == field.name).map(|(_, c)| c.clone()),
        })
        .collect()
}
