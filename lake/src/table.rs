//! A lake table: its name, its metadata, and the catalog that holds it.

use crate::catalog::{Loaded, TableCatalog, TableName, no_table};
use crate::schema::{COLUMN_TYPES, ColumnTypes};
use freshet_types::{Clock, Result};
use iceberg::spec::TableMetadata;
use std::fmt;
use std::sync::Arc;

/// A table of a catalog, as it stood when it was loaded.
#[derive(Clone)]
pub struct LakeTable {
    catalog: Arc<dyn TableCatalog>,
    name: TableName,
    /// `catalog.database.table`, for messages.
    full_name: String,
    loaded: Loaded,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for LakeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LakeTable").field("name", &self.full_name).field("metadata", &self.loaded.location).finish()
    }
}

impl LakeTable {
    pub(crate) fn new(
        catalog: Arc<dyn TableCatalog>,
        catalog_name: &str,
        name: TableName,
        loaded: Loaded,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { full_name: format!("{catalog_name}.{name}"), catalog, name, loaded, clock }
    }

    /// `catalog.database.table`.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// Name within the catalog.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// The catalog that holds it.
    pub fn catalog(&self) -> &Arc<dyn TableCatalog> {
        &self.catalog
    }

    /// Metadata, its file, and access to the files.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Its metadata.
    pub fn metadata(&self) -> &TableMetadata {
        &self.loaded.metadata
    }

    /// Processing time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Flink's types of its columns.
    pub fn column_types(&self) -> ColumnTypes {
        ColumnTypes::parse(self.metadata().properties().get(COLUMN_TYPES).map(String::as_str))
    }

    /// The table as it stands now.
    pub fn refresh(&self) -> Result<Self> {
        let loaded = self
            .catalog
            .reload(&self.name, &self.loaded)
            .and_then(|found| found.ok_or_else(|| no_table(&self.name)))
            .map_err(|e| e.at("table", &self.full_name))?;
        Ok(Self { loaded, ..self.clone() })
    }

    /// The same table in a state that is known.
    pub(crate) fn with_loaded(&self, loaded: Loaded) -> Self {
        Self { loaded, ..self.clone() }
    }
}
