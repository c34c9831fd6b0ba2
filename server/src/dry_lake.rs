//! Lakes for `check` and `explain`: what exists is read, what a script creates is kept in memory, nothing is written.

use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use freshet_connector_api::{
    AcceptedChanges, AssignedSplit, Boundedness, ConnectorEnv, Guarantee, Poll, PollLimit, Sink, SinkCommitter,
    SinkWriter, Source, SourceReader, Split, WriterContext,
};
use freshet_sql::catalog::external::{
    CatalogFactory, ExternalCatalog, ExternalTable, ExternalTableDefinition, TableVersion,
};
use freshet_types::{Error, OptionSpec, Options, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Opens dry catalogs: over the real one where it exists, over nothing where it does not.
pub(crate) struct DryFactory(pub(crate) &'static dyn CatalogFactory);

impl CatalogFactory for DryFactory {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn options(&self) -> &'static [OptionSpec] {
        self.0.options()
    }

    fn table_in(&self, folder: &str, env: &ConnectorEnv) -> Result<Option<Arc<dyn ExternalTable>>> {
        self.0.table_in(folder, env)
    }

    fn open(&self, name: &str, options: &Options, env: &ConnectorEnv) -> Result<Arc<dyn ExternalCatalog>> {
        let below = if self.0.exists(name, options, env)? { Some(self.0.open(name, options, env)?) } else { None };
        Ok(Arc::new(DryCatalog { below, made: Mutex::default() }))
    }
}

/// A dry catalog over `below`.
pub(crate) fn over(below: Arc<dyn ExternalCatalog>) -> Arc<dyn ExternalCatalog> {
    Arc::new(DryCatalog { below: Some(below), made: Mutex::default() })
}

#[derive(Default)]
struct Made {
    databases: BTreeSet<String>,
    tables: BTreeMap<(String, String), Option<ExternalTableDefinition>>,
    dropped_databases: BTreeSet<String>,
}

struct DryCatalog {
    below: Option<Arc<dyn ExternalCatalog>>,
    made: Mutex<Made>,
}

impl DryCatalog {
    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExternalCatalog for DryCatalog {
    fn databases(&self) -> Result<Vec<String>> {
        let mut names: BTreeSet<String> = match &self.below {
            Some(below) => below.databases()?.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let made = self.made();
        names.extend(made.databases.iter().cloned());
        Ok(names.into_iter().filter(|n| !made.dropped_databases.contains(n)).collect())
    }

    fn create_database(&self, name: &str, _options: &Options) -> Result<()> {
        if self.databases()?.iter().any(|d| d == name) {
            return Err(Error::already_exists("database.exists", format!("database \"{name}\" exists"))
                .hint("add IF NOT EXISTS"));
        }
        let mut made = self.made();
        made.dropped_databases.remove(name);
        made.databases.insert(name.to_string());
        Ok(())
    }

    fn drop_database(&self, name: &str, cascade: bool) -> Result<()> {
        if !cascade && !self.tables(name)?.is_empty() {
            return Err(
                Error::invalid("database.not_empty", format!("database \"{name}\" has tables")).hint("add CASCADE")
            );
        }
        let mut made = self.made();
        made.databases.remove(name);
        made.dropped_databases.insert(name.to_string());
        Ok(())
    }

    fn tables(&self, database: &str) -> Result<Vec<String>> {
        let mut names: BTreeSet<String> = match &self.below {
            Some(below) if below.databases()?.iter().any(|d| d == database) => {
                below.tables(database)?.into_iter().collect()
            }
            _ => BTreeSet::new(),
        };
        for ((of, name), definition) in &self.made().tables {
            if of == database {
                match definition {
                    Some(_) => names.insert(name.clone()),
                    None => names.remove(name),
                };
            }
        }
        Ok(names.into_iter().collect())
    }

    fn table(&self, database: &str, name: &str) -> Result<Option<Arc<dyn ExternalTable>>> {
        match self.made().tables.get(&(database.to_string(), name.to_string())) {
            Some(Some(definition)) => return Ok(Some(Arc::new(DryTable(definition.clone())))),
            Some(None) => return Ok(None),
            None => {}
        }
        match &self.below {
            Some(below) if below.databases()?.iter().any(|d| d == database) => below.table(database, name),
            _ => Ok(None),
        }
    }

    fn create_table(&self, database: &str, name: &str, definition: &ExternalTableDefinition) -> Result<()> {
        if self.table(database, name)?.is_some() {
            return Err(Error::already_exists("table.exists", format!("table \"{name}\" exists"))
                .hint("add IF NOT EXISTS, or choose another name"));
        }
        self.made().tables.insert((database.to_string(), name.to_string()), Some(definition.clone()));
        Ok(())
    }

    fn drop_table(&self, database: &str, name: &str) -> Result<()> {
        self.made().tables.insert((database.to_string(), name.to_string()), None);
        Ok(())
    }
}

/// A table that a script would create.
struct DryTable(ExternalTableDefinition);

impl DryTable {
    fn schema(&self) -> arrow::datatypes::SchemaRef {
        Arc::new(arrow::datatypes::Schema::new(self.0.columns.iter().map(|c| c.to_arrow()).collect::<Vec<_>>()))
    }
}

impl ExternalTable for DryTable {
    fn definition(&self) -> ExternalTableDefinition {
        self.0.clone()
    }

    fn at(&self, _version: &TableVersion) -> Result<Arc<dyn ExternalTable>> {
        Ok(Arc::new(DryTable(self.0.clone())))
    }

    fn scan(&self) -> Result<Arc<dyn TableProvider>> {
        let table = MemTable::try_new(self.schema(), vec![Vec::new()]);
        Ok(Arc::new(table.map_err(|e| Error::internal("lake.dry", e.to_string()))?))
    }

    fn source(&self, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(Nothing))
    }

    fn sink(&self, _options: &Options, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(NoAppends))
    }
}

/// A source without rows and a sink that is never opened.
pub(crate) struct Nothing;

impl Source for Nothing {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(Vec::new())
    }

    fn reader(&self, _projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Nothing))
    }
}

impl SourceReader for Nothing {
    fn assign(&mut self, _splits: Vec<AssignedSplit>) -> Result<()> {
        Ok(())
    }

    fn poll(&mut self, _limit: PollLimit) -> Result<Poll> {
        Ok(Poll::Finished)
    }
}

impl Sink for Nothing {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtMostOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Err(not_run())
    }

    fn writer(&self, _context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Err(not_run())
    }
}

/// The sink of a lake table that a script would create: it takes what a lake table takes.
struct NoAppends;

impl Sink for NoAppends {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::AppendOnly
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Err(not_run())
    }

    fn writer(&self, _context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Err(not_run())
    }
}

fn not_run() -> Error {
    Error::internal("lake.dry", "a table that was only planned is not written")
}
