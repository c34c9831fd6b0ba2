//! The catalog as the SQL front end sees it.

use super::options::{CatalogOptions, OPTIONS};
use super::rest::RestCatalog;
use super::sqlite::SqliteCatalog;
use super::{Loaded, NO_DATABASE, TableCatalog, TableName, no_table};
use crate::definition::creation_of;
use crate::io::LakeIo;
use crate::table::LakeTable;
use freshet_connector_api::ConnectorEnv;
use freshet_connectors::storage::Storage;
use freshet_sql::catalog::external::{CatalogFactory, ExternalCatalog, ExternalTable, ExternalTableDefinition};
use freshet_types::{Clock, ErrorKind, OptionSpec, Options, Result};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens catalogs of type `iceberg`.
pub struct IcebergCatalogFactory;

impl CatalogFactory for IcebergCatalogFactory {
    fn kind(&self) -> &'static str {
        "iceberg"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &OPTIONS
    }

    fn exists(&self, name: &str, options: &Options, env: &ConnectorEnv) -> Result<bool> {
        let options = CatalogOptions::parse(options).map_err(|e| e.at("catalog", name))?;
        if options.rest {
            return Ok(true);
        }
        let storage = storage_of(&options, env).map_err(|e| e.at("catalog", name))?;
        Ok(file_of(name, &options, &storage, env).is_file())
    }

    fn table_in(&self, folder: &str, env: &ConnectorEnv) -> Result<Option<Arc<dyn ExternalTable>>> {
        let table = super::folder::open(folder, &env.clock)?;
        Ok(table.map(|table| Arc::new(table) as Arc<dyn ExternalTable>))
    }

    fn open(&self, name: &str, options: &Options, env: &ConnectorEnv) -> Result<Arc<dyn ExternalCatalog>> {
        Ok(Arc::new(IcebergCatalog::open(name, options, env)?))
    }
}

/// A catalog of lake tables.
pub struct IcebergCatalog {
    name: String,
    /// The database that is there from the start; on a server it is made when the first table is put into it.
    default_database: String,
    catalog: Arc<dyn TableCatalog>,
    clock: Arc<dyn Clock>,
}

impl IcebergCatalog {
    /// Opens a catalog; an embedded one is created when it is not there.
    pub fn open(name: &str, options: &Options, env: &ConnectorEnv) -> Result<Self> {
        let options = CatalogOptions::parse(options).map_err(|e| e.at("catalog", name))?;
        let default_database = options.default_database.clone();
        let catalog: Arc<dyn TableCatalog> = if options.rest {
            Arc::new(
                RestCatalog::open(&options.written, options.allowed_locations.clone())
                    .map_err(|e| e.at("catalog", name))?,
            )
        } else {
            Arc::new(embedded(name, &options, env).map_err(|e| e.at("catalog", name))?)
        };
        Ok(Self { name: name.to_string(), default_database, catalog, clock: Arc::clone(&env.clock) })
    }

    /// A table with everything that maintenance, listings and checks need, if it exists.
    pub fn lake_table(&self, database: &str, name: &str) -> Result<Option<LakeTable>> {
        let table = TableName { database: database.to_string(), name: name.to_string() };
        let loaded = self.catalog.load(&table).map_err(|e| self.at(e, &table))?;
        Ok(loaded.map(|loaded| {
            LakeTable::new(Arc::clone(&self.catalog), &self.name, table, loaded, Arc::clone(&self.clock))
        }))
    }

    fn at(&self, e: freshet_types::Error, table: &TableName) -> freshet_types::Error {
        e.at("table", format!("{}.{table}", self.name))
    }
}

fn storage_of(options: &CatalogOptions, env: &ConnectorEnv) -> Result<Storage> {
    let warehouse = match &options.warehouse {
        Some(warehouse) => warehouse.clone(),
        None => env.state_dir.join("lake").display().to_string(),
    };
    Storage::open(&warehouse, &options.written)
}

/// The SQLite file of an embedded catalog.
fn file_of(name: &str, options: &CatalogOptions, storage: &Storage, env: &ConnectorEnv) -> PathBuf {
    match (&options.catalog_file, storage.local_path("")) {
        (Some(file), _) => PathBuf::from(file.strip_prefix("file://").unwrap_or(file)),
        (None, Some(folder)) => folder.join("catalog.db"),
        // SQLite needs a local file: it stands beside the job's state, one for each warehouse.
        (None, None) => {
            let of_warehouse = format!("{name}-{:08x}.db", crc32fast::hash(storage.url().as_bytes()));
            env.state_dir.join("lake").join(of_warehouse)
        }
    }
}

fn embedded(name: &str, options: &CatalogOptions, env: &ConnectorEnv) -> Result<SqliteCatalog> {
    let storage = storage_of(options, env)?;
    let file = file_of(name, options, &storage, env);
    let roots: Vec<&str> =
        std::iter::once(storage.url()).chain(options.allowed_locations.iter().map(String::as_str)).collect();
    let io = LakeIo::open(&roots, &options.written)?;
    let catalog = SqliteCatalog::open(&file, &options.catalog_name, storage.url(), io)?;
    catalog.ensure_database(&options.default_database)?;
    Ok(catalog)
}

/// Deletes the files of a table that its catalog has forgotten.
fn delete_files(loaded: &Loaded) -> Result<()> {
    for entry in loaded.io.list(loaded.metadata.location())? {
        loaded.io.delete(&entry.path)?;
    }
    let (storage, path) = loaded.io.place(loaded.metadata.location())?;
    if let Some(folder) = storage.local_path(&path).filter(|_| !path.is_empty()) {
        // Only empty folders are left in it.
        let _ = std::fs::remove_dir_all(folder);
    }
    Ok(())
}

impl ExternalCatalog for IcebergCatalog {
    fn databases(&self) -> Result<Vec<String>> {
        let mut names = self.catalog.databases().map_err(|e| e.at("catalog", &self.name))?;
        if !names.contains(&self.default_database) {
            names.push(self.default_database.clone());
            names.sort();
        }
        Ok(names)
    }

    fn create_database(&self, name: &str, options: &Options) -> Result<()> {
        let properties = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        self.catalog.create_database(name, &properties).map_err(|e| e.at("catalog", &self.name))
    }

    fn drop_database(&self, name: &str, cascade: bool) -> Result<()> {
        if cascade {
            for table in self.tables(name)? {
                match self.drop_table(name, &table) {
                    Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                    _ => {}
                }
            }
        }
        self.catalog.drop_database(name).map_err(|e| e.at("catalog", &self.name))
    }

    fn tables(&self, database: &str) -> Result<Vec<String>> {
        match self.catalog.tables(database) {
            Err(e) if e.code() == NO_DATABASE && database == self.default_database => Ok(Vec::new()),
            tables => tables.map_err(|e| e.at("catalog", &self.name)),
        }
    }

    fn table(&self, database: &str, name: &str) -> Result<Option<Arc<dyn ExternalTable>>> {
        Ok(self.lake_table(database, name)?.map(|table| Arc::new(table) as Arc<dyn ExternalTable>))
    }

    fn create_table(&self, database: &str, name: &str, definition: &ExternalTableDefinition) -> Result<()> {
        let table = TableName { database: database.to_string(), name: name.to_string() };
        let create = || -> Result<()> {
            let creation = creation_of(definition)?;
            match self.catalog.create(&table, creation.clone()) {
                Err(e) if e.code() == NO_DATABASE && database == self.default_database => {
                    match self.catalog.create_database(database, &HashMap::new()) {
                        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
                        _ => self.catalog.create(&table, creation),
                    }
                }
                created => created,
            }
        };
        create().map_err(|e| self.at(e, &table))
    }

    fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        let table = TableName { database: database.to_string(), name: name.to_string() };
        let dropped = || -> Result<()> {
            let Some(loaded) = self.catalog.load(&table)? else { return Err(no_table(&table)) };
            // A folder that holds another table, or the whole warehouse, is left alone.
            let own = own_folder(&*self.catalog, &table, &loaded)?;
            let files_are_gone = self.catalog.drop_table(&table)?;
            if !files_are_gone && own { delete_files(&loaded) } else { Ok(()) }
        };
        dropped().map_err(|e| self.at(e, &table))
    }
}

/// Whether no other table lies in the table's folder.
fn own_folder(catalog: &dyn TableCatalog, table: &TableName, loaded: &Loaded) -> Result<bool> {
    let (_, path) = loaded.io.place(loaded.metadata.location())?;
    if path.is_empty() {
        return Ok(false);
    }
    let folder = format!("{}/", loaded.io.normal(loaded.metadata.location()));
    for database in catalog.databases()? {
        for name in catalog.tables(&database)? {
            let other = TableName { database: database.clone(), name };
            if other == *table {
                continue;
            }
            let Ok(Some(other)) = catalog.load(&other) else { continue };
            let location = format!("{}/", other.io.normal(other.metadata.location()));
            if location.starts_with(&folder) || folder.starts_with(&location) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{env, options};
    use freshet_types::{SystemClock, VirtualClock};

    #[test]
    fn an_embedded_catalog_exists_once_it_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let env = env(folder.path(), &Arc::new(VirtualClock::at(SystemClock.now_ms())));
        let local = folder.path().join("local").display().to_string();
        for warehouse in [local.as_str(), "hdfs://127.0.0.1:9/warehouse", "s3://bucket/warehouse"] {
            let options = options(&[("warehouse", warehouse)]);
            let factory = IcebergCatalogFactory;
            assert!(!factory.exists("lake", &options, &env).unwrap(), "{warehouse}");
            factory.open("lake", &options, &env).unwrap();
            assert!(factory.exists("lake", &options, &env).unwrap(), "{warehouse}");
        }
    }
}
