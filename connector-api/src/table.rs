//! A table as a connector sees it: its columns with their origin, its options, its keys.

use arrow::datatypes::{Schema, SchemaRef};
use freshet_types::{Options, SqlField, SqlType};
use std::sync::Arc;

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnOrigin {
    /// From the record itself, through the format.
    Physical,
    /// From the connector, under `key`; a `read_only` (VIRTUAL) column is left out when the table is written.
    Metadata {
        /// Name of the metadata, such as `offset`.
        key: String,
        /// Whether the column is left out when the table is written.
        read_only: bool,
    },
}

/// One column that a connector reads or writes. Computed columns are not among them: the planner adds those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Name, type, whether NULL may stand there.
    pub field: SqlField,
    /// Where its values come from.
    pub origin: ColumnOrigin,
    /// What a reader gives of a ROW of which not all fields are wanted; none: all of it. Records are judged by the whole.
    pub wanted: Option<SqlType>,
}

impl ColumnSpec {
    /// A column that comes from the record.
    pub fn physical(field: SqlField) -> Self {
        Self { field, origin: ColumnOrigin::Physical, wanted: None }
    }

    /// A column that the connector fills, under `key`.
    pub fn metadata(field: SqlField, key: impl Into<String>, read_only: bool) -> Self {
        Self { field, origin: ColumnOrigin::Metadata { key: key.into(), read_only }, wanted: None }
    }

    /// The column as readers give it.
    fn read(&self) -> SqlField {
        let sql_type = self.wanted.as_ref().unwrap_or(&self.field.sql_type).clone();
        SqlField { sql_type, ..self.field.clone() }
    }
}

/// A table as a connector sees it.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Full name, `catalog.database.table`, for messages.
    pub name: String,
    /// Columns in the order of the declaration.
    pub columns: Vec<ColumnSpec>,
    /// Options, checked by [`Options::check`] against what the connector and its formats know.
    pub options: Options,
    /// Columns of the primary key, as indices into `columns`.
    pub primary_key: Vec<usize>,
    /// Columns of PARTITIONED BY, as indices into `columns`.
    pub partition_keys: Vec<usize>,
}

impl TableSpec {
    /// Arrow schema of all columns as they are declared: by it records are judged, and a writer gets it.
    pub fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(|c| c.field.to_arrow()).collect::<Vec<_>>()))
    }

    /// Arrow schema of all columns as readers give them: that of the declaration, but for ROWs with fields that nobody wants.
    pub fn read_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(|c| c.read().to_arrow()).collect::<Vec<_>>()))
    }

    /// Columns that come from the record, as indices into `columns`.
    pub fn physical(&self) -> Vec<usize> {
        (0..self.columns.len()).filter(|i| self.columns[*i].origin == ColumnOrigin::Physical).collect()
    }
}
