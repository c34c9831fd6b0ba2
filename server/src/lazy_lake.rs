//! The embedded lake below the data folder, opened when first needed: a session that keeps nothing makes no folder.

use freshet_connector_api::ConnectorEnv;
use freshet_sql::catalog::external::{CatalogFactory, ExternalCatalog, ExternalTable, ExternalTableDefinition};
use freshet_types::{Options, Result};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Name of the embedded lake's catalog; `lake` is left to those that users create.
pub(crate) const CATALOG: &str = "embedded";
/// Its folder below the data folder.
pub(crate) const FOLDER: &str = "lake";
/// The database in which tables of `default_catalog.default_database` are kept.
const DATABASE: &str = "default_database";

/// A lake that is opened when something in it is asked for, and made when something is put into it.
pub(crate) struct LazyLake {
    folder: PathBuf,
    factory: &'static dyn CatalogFactory,
    env: ConnectorEnv,
    opened: Mutex<Option<Arc<dyn ExternalCatalog>>>,
}

impl LazyLake {
    pub(crate) fn new(folder: PathBuf, factory: &'static dyn CatalogFactory, env: ConnectorEnv) -> Self {
        Self { folder, factory, env, opened: Mutex::new(None) }
    }

    /// The lake, if there is one.
    fn existing(&self) -> Result<Option<Arc<dyn ExternalCatalog>>> {
        if self.folder.is_dir() { self.open().map(Some) } else { Ok(None) }
    }

    /// The lake, made when there is none.
    fn open(&self) -> Result<Arc<dyn ExternalCatalog>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lake) = opened.as_ref() {
            return Ok(Arc::clone(lake));
        }
        std::fs::create_dir_all(&self.folder).map_err(|e| {
            freshet_types::Error::unavailable("data.unwritable", "the data folder cannot be made")
                .because(e)
                .at("folder", self.folder.display().to_string())
                .hint("choose another folder with --data")
        })?;
        let folder = std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone());
        let options: Options = [("warehouse", format!("file://{}", folder.display()))].into_iter().collect();
        let lake = self.factory.open(CATALOG, &options, &self.env)?;
        if !lake.databases()?.iter().any(|d| d == DATABASE) {
            lake.create_database(DATABASE, &Options::default())?;
        }
        *opened = Some(Arc::clone(&lake));
        Ok(lake)
    }
}

impl ExternalCatalog for LazyLake {
    fn databases(&self) -> Result<Vec<String>> {
        match self.existing()? {
            Some(lake) => lake.databases(),
            None => Ok(vec![DATABASE.to_string()]),
        }
    }

    fn create_database(&self, name: &str, options: &Options) -> Result<()> {
        self.open()?.create_database(name, options)
    }

    fn drop_database(&self, name: &str, cascade: bool) -> Result<()> {
        self.open()?.drop_database(name, cascade)
    }

    fn tables(&self, database: &str) -> Result<Vec<String>> {
        self.existing()?.map_or_else(|| Ok(Vec::new()), |lake| lake.tables(database))
    }

    fn table(&self, database: &str, name: &str) -> Result<Option<Arc<dyn ExternalTable>>> {
        self.existing()?.map_or(Ok(None), |lake| lake.table(database, name))
    }

    fn create_table(&self, database: &str, name: &str, definition: &ExternalTableDefinition) -> Result<()> {
        self.open()?.create_table(database, name, definition)
    }

    fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        self.open()?.drop_table(database, name)
    }
}
