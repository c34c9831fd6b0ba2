//! Tables that are opened from their files, without a catalog: they can be read, not changed.

use crate::catalog::{Creation, Loaded, TableCatalog, TableName, read_metadata};
use crate::io::LakeIo;
use crate::table::LakeTable;
use freshet_types::{Clock, Error, Result};
use iceberg::{TableRequirement, TableUpdate};
use std::collections::HashMap;
use std::sync::Arc;

impl LakeTable {
    /// A table without a catalog, from one of its metadata files: it can be read, not changed.
    pub fn from_files(io: LakeIo, metadata_file: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let metadata = read_metadata(&io, metadata_file)?;
        let name = TableName { database: "files".to_string(), name: metadata.location().to_string() };
        let loaded = Loaded { metadata, location: metadata_file.to_string(), io };
        Ok(Self::new(Arc::new(NoCatalog(loaded.clone())), "files", name, loaded, clock))
    }

    /// The table in a local folder, or of one of its metadata files, if it is one; it can be read, not changed.
    pub fn in_folder(folder: &str, clock: &Arc<dyn Clock>) -> Result<Option<Self>> {
        crate::catalog::open_folder(folder, clock)
    }
}

/// Stands in for the catalog of a table that is read from its files alone.
struct NoCatalog(Loaded);

impl NoCatalog {
    fn refuse<T>() -> Result<T> {
        Err(Error::unsupported("lake.no_catalog", "a table that was opened from its files can only be read")
            .hint("open it through its catalog"))
    }
}

impl TableCatalog for NoCatalog {
    fn databases(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn create_database(&self, _name: &str, _properties: &HashMap<String, String>) -> Result<()> {
        Self::refuse()
    }

    fn drop_database(&self, _name: &str) -> Result<()> {
        Self::refuse()
    }

    fn tables(&self, _database: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn load(&self, _table: &TableName) -> Result<Option<Loaded>> {
        Ok(Some(self.0.clone()))
    }

    fn create(&self, _table: &TableName, _creation: Creation) -> Result<()> {
        Self::refuse()
    }

    fn swap(
        &self,
        _table: &TableName,
        _base: &Loaded,
        _updates: Vec<TableUpdate>,
        _requirements: Vec<TableRequirement>,
    ) -> Result<Loaded> {
        Self::refuse()
    }

    fn drop_table(&self, _table: &TableName) -> Result<bool> {
        Self::refuse()
    }
}
