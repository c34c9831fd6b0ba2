//! What names mean: catalogs, databases, tables, views.
//!
//! A name is looked up among the temporary tables and views first, then in its catalog. Catalogs are in memory
//! (`default_catalog` and those of type `generic_in_memory`) or external. Where a lake is set, the databases of
//! `default_catalog` continue in the lake's databases of the same name: a table without `connector` is made there and
//! found there, also by the next run.

mod alter;
mod check;
mod create;
mod definition;
pub mod external;
mod like;
mod show;
#[cfg(test)]
mod tests;

pub use definition::*;

use external::{CatalogFactory, ExternalCatalog};
use freshet_connector_api::{ConnectorEnv, ConnectorRegistry};
use freshet_types::{Error, Options, Result, suggest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The catalog that is always there.
pub const DEFAULT_CATALOG: &str = "default_catalog";
/// The database that is always there.
pub const DEFAULT_DATABASE: &str = "default_database";

/// A table or a view in memory.
#[derive(Debug, Clone)]
enum Entry {
    Table(Arc<TableDefinition>),
    View(Arc<ViewDefinition>),
}

#[derive(Debug, Clone, Default)]
struct Database {
    comment: Option<String>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone)]
enum CatalogKind {
    Memory(BTreeMap<String, Database>),
    External(Arc<dyn ExternalCatalog>),
}

#[derive(Clone)]
struct CatalogEntry {
    kind: CatalogKind,
    comment: Option<String>,
    options: Options,
}

/// All names of a session.
#[derive(Clone)]
pub struct Catalog {
    connectors: ConnectorRegistry,
    env: ConnectorEnv,
    factories: Vec<&'static dyn CatalogFactory>,
    catalogs: BTreeMap<String, CatalogEntry>,
    temporary: BTreeMap<TablePath, Entry>,
    lake: Option<(String, Arc<dyn ExternalCatalog>)>,
    current: (String, String),
    /// Tables of external catalogs that this session has made.
    made: BTreeSet<TablePath>,
}

/// Where a table of a path is kept.
enum Place<'a> {
    /// In this database in memory.
    Memory(&'a Database),
    /// In this database of an external catalog.
    External(&'a Arc<dyn ExternalCatalog>),
}

impl Catalog {
    /// A session with nothing in it but `default_catalog.default_database`.
    pub fn new(connectors: ConnectorRegistry, env: ConnectorEnv) -> Self {
        let databases = BTreeMap::from([(DEFAULT_DATABASE.to_string(), Database::default())]);
        let first = CatalogEntry { kind: CatalogKind::Memory(databases), comment: None, options: Options::default() };
        Self {
            connectors,
            env,
            factories: Vec::new(),
            catalogs: BTreeMap::from([(DEFAULT_CATALOG.to_string(), first)]),
            temporary: BTreeMap::new(),
            lake: None,
            current: (DEFAULT_CATALOG.to_string(), DEFAULT_DATABASE.to_string()),
            made: BTreeSet::new(),
        }
    }

    /// Adds a kind of catalog for `CREATE CATALOG`.
    pub fn add_factory(&mut self, factory: &'static dyn CatalogFactory) {
        self.factories.push(factory);
    }

    /// Makes `catalog` known as `name`, and the place of tables without `connector`.
    pub fn set_lake(&mut self, name: &str, catalog: Arc<dyn ExternalCatalog>) {
        let entry = CatalogEntry {
            kind: CatalogKind::External(Arc::clone(&catalog)),
            comment: None,
            options: Options::default(),
        };
        self.catalogs.insert(name.to_string(), entry);
        self.lake = Some((name.to_string(), catalog));
    }

    /// Changes the zone that connectors are told, after `table.local-time-zone` was set.
    pub fn set_time_zone(&mut self, zone: &str) {
        self.env.time_zone = zone.to_string();
    }

    /// Name of the current catalog.
    pub fn current_catalog(&self) -> &str {
        &self.current.0
    }

    /// Name of the current database.
    pub fn current_database(&self) -> &str {
        &self.current.1
    }

    /// Current catalog and database.
    pub fn home(&self) -> &(String, String) {
        &self.current
    }

    /// `USE CATALOG name`; its current database is `default_database`, else `default`, else its first.
    ///
    /// # Errors
    /// `catalog.unknown`
    pub fn use_catalog(&mut self, name: &str) -> Result<()> {
        self.entry(name)?;
        let databases = self.databases(Some(name))?;
        let first = [DEFAULT_DATABASE, "default"].into_iter().find(|d| databases.iter().any(|n| n == d));
        let database = match (first, databases.first()) {
            (Some(database), _) => database.to_string(),
            (None, Some(database)) => database.clone(),
            (None, None) => "default".to_string(),
        };
        self.current = (name.to_string(), database);
        Ok(())
    }

    /// `USE database` or `USE catalog.database`; a single name that is no database but a catalog is taken as that.
    ///
    /// # Errors
    /// `catalog.unknown`, `database.unknown`
    pub fn use_database(&mut self, parts: &[String]) -> Result<()> {
        let (catalog, database) = self.database_path(parts)?;
        match self.require_database(&catalog, &database) {
            Ok(()) => {
                self.current = (catalog, database);
                Ok(())
            }
            Err(e) if parts.len() == 1 && self.catalogs.contains_key(&parts[0]) => {
                Err(e.hint(format!("write USE CATALOG {}", parts[0])))
            }
            Err(e) => Err(e),
        }
    }

    /// `CREATE CATALOG`.
    ///
    /// # Errors
    /// `catalog.exists`, `catalog.kind`, those of options, and what opening it may bring.
    pub fn create_catalog(
        &mut self,
        name: &str,
        if_not_exists: bool,
        comment: Option<String>,
        options: &Options,
    ) -> Result<()> {
        if self.catalogs.contains_key(name) {
            return exists("catalog", name, if_not_exists);
        }
        let Some(kind) = options.get("type") else {
            return Err(Error::invalid("option.missing", "option \"type\" is missing")
                .at("catalog", name)
                .hint(format!("add 'type' = '...': one of {}", self.catalog_kinds().join(", "))));
        };
        let mut rest = options.clone();
        rest.remove("type");
        let kind = if kind == "generic_in_memory" {
            let first = rest.remove("default-database").unwrap_or_else(|| "default".to_string());
            if let Some((option, _)) = rest.iter().next() {
                return Err(Error::invalid("option.unknown", format!("unknown option \"{option}\""))
                    .at("catalog", name)
                    .hint("a catalog in memory has the options type and default-database"));
            }
            CatalogKind::Memory(BTreeMap::from([(first, Database::default())]))
        } else {
            let Some(factory) = self.factories.iter().find(|f| f.kind() == kind) else {
                let kinds = self.catalog_kinds();
                return Err(Error::invalid("catalog.kind", format!("no kind of catalog named \"{kind}\""))
                    .at("catalog", name)
                    .hint(suggest::hint(kind, "kinds of catalogs", kinds.iter().copied())));
            };
            rest.check(factory.options()).map_err(|e| e.at("catalog", name))?;
            CatalogKind::External(factory.open(name, &rest, &self.env).map_err(|e| e.at("catalog", name))?)
        };
        self.catalogs.insert(name.to_string(), CatalogEntry { kind, comment, options: options.clone() });
        Ok(())
    }

    fn catalog_kinds(&self) -> Vec<&'static str> {
        self.factories.iter().map(|f| f.kind()).chain(["generic_in_memory"]).collect()
    }

    /// `DROP CATALOG`: forgets it; what is in an external one stays there.
    ///
    /// # Errors
    /// `catalog.unknown`, `catalog.in_use`
    pub fn drop_catalog(&mut self, name: &str, if_exists: bool) -> Result<()> {
        if !self.catalogs.contains_key(name) && if_exists {
            return Ok(());
        }
        self.entry(name)?;
        let is_lake = self.lake.as_ref().is_some_and(|(lake, _)| lake == name);
        if name == self.current.0 || name == DEFAULT_CATALOG || is_lake {
            return Err(Error::invalid("catalog.in_use", format!("catalog \"{name}\" is in use"))
                .hint(if name == self.current.0 { "USE another catalog first" } else { "it is always there" }));
        }
        self.catalogs.remove(name);
        self.temporary.retain(|path, _| path.catalog != name);
        Ok(())
    }

    /// `CREATE DATABASE`.
    ///
    /// # Errors
    /// `catalog.unknown`, `database.exists`, and what the external catalog may bring.
    pub fn create_database(
        &mut self,
        parts: &[String],
        if_not_exists: bool,
        comment: Option<String>,
        options: &Options,
    ) -> Result<()> {
        let (catalog, name) = self.database_path(parts)?;
        if self.databases(Some(&catalog))?.contains(&name) {
            return exists("database", &name, if_not_exists);
        }
        match &mut self.entry_mut(&catalog)?.kind {
            CatalogKind::Memory(databases) => {
                databases.insert(name, Database { comment, entries: BTreeMap::new() });
                Ok(())
            }
            CatalogKind::External(external) => {
                let mut options = options.clone();
                if let Some(comment) = comment {
                    options.set("comment", comment);
                }
                external.create_database(&name, &options).map_err(|e| e.at("catalog", catalog))
            }
        }
    }

    /// `DROP DATABASE`.
    ///
    /// # Errors
    /// `database.unknown`, `database.in_use`, `database.not_empty`, and what the external catalog may bring.
    pub fn drop_database(&mut self, parts: &[String], if_exists: bool, cascade: bool) -> Result<()> {
        let (catalog, name) = self.database_path(parts)?;
        if if_exists && !self.databases(Some(&catalog))?.contains(&name) {
            return Ok(());
        }
        self.require_database(&catalog, &name)?;
        if (&catalog, &name) == (&self.current.0, &self.current.1) {
            return Err(Error::invalid("database.in_use", format!("database \"{name}\" is the current one"))
                .hint("USE another database first"));
        }
        match &mut self.entry_mut(&catalog)?.kind {
            CatalogKind::Memory(databases) => {
                if databases.get(&name).is_some_and(|d| !d.entries.is_empty()) && !cascade {
                    return Err(Error::invalid("database.not_empty", format!("database \"{name}\" is not empty"))
                        .hint("write CASCADE behind it to drop its tables too"));
                }
                databases.remove(&name);
            }
            CatalogKind::External(external) => {
                external.drop_database(&name, cascade).map_err(|e| e.at("catalog", &catalog))?;
            }
        }
        self.temporary.retain(|path, _| (&path.catalog, &path.database) != (&catalog, &name));
        Ok(())
    }

    /// What a name stands for, seen from the current catalog and database.
    ///
    /// # Errors
    /// `catalog.unknown`, `database.unknown`, `table.unknown`, each with the nearest name.
    pub fn resolve(&self, parts: &[String]) -> Result<ResolvedTable> {
        self.resolve_from(parts, &self.current)
    }

    /// What a name stands for, seen from another catalog and database, such as those of a view.
    ///
    /// # Errors
    /// Those of [`Catalog::resolve`].
    pub fn resolve_from(&self, parts: &[String], home: &(String, String)) -> Result<ResolvedTable> {
        let path = path_from(parts, home)?;
        match self.find(&path)? {
            Some(found) => Ok(found),
            None => Err(self.unknown_table(&path)),
        }
    }

    /// The table of an external kind whose files lie in a folder, if there is one.
    ///
    /// # Errors
    /// Those of a table that is there and cannot be read.
    pub(crate) fn table_in(&self, folder: &str) -> Result<Option<Arc<dyn external::ExternalTable>>> {
        for factory in &self.factories {
            if let Some(table) = factory.table_in(folder, &self.env)? {
                return Ok(Some(table));
            }
        }
        Ok(None)
    }

    /// Full name of what `parts` stand for in the current catalog and database.
    ///
    /// # Errors
    /// `name.parts`
    pub fn path(&self, parts: &[String]) -> Result<TablePath> {
        path_from(parts, &self.current)
    }

    /// Whether something has this name.
    ///
    /// # Errors
    /// Those of [`Catalog::resolve`], but for `table.unknown`.
    pub fn contains(&self, parts: &[String]) -> Result<bool> {
        Ok(self.find(&self.path(parts)?)?.is_some())
    }

    fn find(&self, path: &TablePath) -> Result<Option<ResolvedTable>> {
        if let Some(entry) = self.temporary.get(path) {
            return Ok(Some(resolved(entry)));
        }
        let external = |name: &str, catalog: &Arc<dyn ExternalCatalog>| {
            let found = catalog.table(&path.database, &path.name).map_err(|e| e.at("table", path.to_string()))?;
            let path = TablePath { catalog: name.to_string(), ..path.clone() };
            Ok(found.map(|table| ResolvedTable::External { path, table }))
        };
        match self.place(path)? {
            Place::External(catalog) => external(&path.catalog, catalog),
            Place::Memory(database) => match (database.entries.get(&path.name), &self.lake) {
                (Some(entry), _) => Ok(Some(resolved(entry))),
                (None, Some((name, lake))) if path.catalog == DEFAULT_CATALOG => external(name, lake),
                (None, _) => Ok(None),
            },
        }
    }

    fn place(&self, path: &TablePath) -> Result<Place<'_>> {
        match &self.entry(&path.catalog)?.kind {
            CatalogKind::External(external) => {
                self.require_database(&path.catalog, &path.database)?;
                Ok(Place::External(external))
            }
            CatalogKind::Memory(databases) => match databases.get(&path.database) {
                Some(database) => Ok(Place::Memory(database)),
                None => Err(self.unknown_database(&path.catalog, &path.database)),
            },
        }
    }

    fn database_mut(&mut self, path: &TablePath) -> Result<&mut Database> {
        let unknown = self.unknown_database(&path.catalog, &path.database);
        match &mut self.entry_mut(&path.catalog)?.kind {
            CatalogKind::Memory(databases) => databases.get_mut(&path.database).ok_or(unknown),
            CatalogKind::External(_) => Err(Error::internal("catalog.place", "an external catalog has no memory")),
        }
    }

    fn entry(&self, name: &str) -> Result<&CatalogEntry> {
        self.catalogs.get(name).ok_or_else(|| self.unknown_catalog(name))
    }

    fn entry_mut(&mut self, name: &str) -> Result<&mut CatalogEntry> {
        let unknown = self.unknown_catalog(name);
        self.catalogs.get_mut(name).ok_or(unknown)
    }

    fn unknown_catalog(&self, name: &str) -> Error {
        Error::not_found("catalog.unknown", format!("no catalog named \"{name}\"")).hint(suggest::hint(
            name,
            "catalogs",
            self.catalogs.keys().map(String::as_str),
        ))
    }

    fn unknown_database(&self, catalog: &str, name: &str) -> Error {
        let known = self.databases(Some(catalog)).unwrap_or_default();
        Error::not_found("database.unknown", format!("no database named \"{name}\""))
            .at("catalog", catalog)
            .hint(suggest::hint(name, "databases", known.iter().map(String::as_str)))
    }

    fn unknown_table(&self, path: &TablePath) -> Error {
        let known = self.names_in(&path.catalog, &path.database).unwrap_or_default();
        Error::not_found("table.unknown", format!("no table named \"{}\"", path.name))
            .at("database", format!("{}.{}", path.catalog, path.database))
            .hint(suggest::hint(&path.name, "tables", known.iter().map(String::as_str)))
    }

    fn require_database(&self, catalog: &str, name: &str) -> Result<()> {
        if self.databases(Some(catalog))?.iter().any(|d| d == name) {
            Ok(())
        } else {
            Err(self.unknown_database(catalog, name))
        }
    }

    fn database_path(&self, parts: &[String]) -> Result<(String, String)> {
        match parts {
            [database] => Ok((self.current.0.clone(), database.clone())),
            [catalog, database] => Ok((catalog.clone(), database.clone())),
            _ => Err(Error::invalid("name.parts", "the name of a database has at most two parts: catalog, database")),
        }
    }

    /// Names of all catalogs.
    pub fn catalogs(&self) -> Vec<String> {
        self.catalogs.keys().cloned().collect()
    }

    /// Names of the databases of a catalog, of the current one when none is named.
    ///
    /// # Errors
    /// `catalog.unknown`, and what the external catalog may bring.
    pub fn databases(&self, catalog: Option<&str>) -> Result<Vec<String>> {
        let name = catalog.unwrap_or(&self.current.0);
        let mut databases = match &self.entry(name)?.kind {
            CatalogKind::Memory(databases) => databases.keys().cloned().collect(),
            CatalogKind::External(external) => external.databases().map_err(|e| e.at("catalog", name))?,
        };
        databases.sort();
        Ok(databases)
    }

    /// COMMENT of a database in memory.
    ///
    /// # Errors
    /// `catalog.unknown`, `database.unknown`
    pub fn database_comment(&self, parts: &[String]) -> Result<Option<String>> {
        let (catalog, name) = self.database_path(parts)?;
        self.require_database(&catalog, &name)?;
        Ok(match &self.entry(&catalog)?.kind {
            CatalogKind::Memory(databases) => databases.get(&name).and_then(|d| d.comment.clone()),
            CatalogKind::External(_) => None,
        })
    }

    /// Names of all tables and views of a database (of the current one when none is named): the answer to SHOW TABLES.
    ///
    /// # Errors
    /// `catalog.unknown`, `database.unknown`, and what an external catalog may bring.
    pub fn tables(&self, database: Option<&[String]>) -> Result<Vec<String>> {
        let (catalog, database) = match database {
            Some(parts) => self.database_path(parts)?,
            None => self.current.clone(),
        };
        self.require_database(&catalog, &database)?;
        self.names_in(&catalog, &database)
    }

    /// Names of all tables and views of the current database.
    ///
    /// # Errors
    /// Those of [`Catalog::tables`].
    pub fn table_names(&self) -> Result<Vec<String>> {
        self.tables(None)
    }

    /// Names of all views of a database: the answer to SHOW VIEWS.
    ///
    /// # Errors
    /// `catalog.unknown`, `database.unknown`
    pub fn views(&self, database: Option<&[String]>) -> Result<Vec<String>> {
        let (catalog, database) = match database {
            Some(parts) => self.database_path(parts)?,
            None => self.current.clone(),
        };
        self.require_database(&catalog, &database)?;
        let is_view = |entry: &Entry| matches!(entry, Entry::View(_));
        let mut names: BTreeSet<String> = self
            .temporary
            .iter()
            .filter(|(path, entry)| path.catalog == catalog && path.database == database && is_view(entry))
            .map(|(path, _)| path.name.clone())
            .collect();
        if let CatalogKind::Memory(databases) = &self.entry(&catalog)?.kind
            && let Some(database) = databases.get(&database)
        {
            names.extend(database.entries.iter().filter(|(_, e)| is_view(e)).map(|(name, _)| name.clone()));
        }
        Ok(names.into_iter().collect())
    }

    fn names_in(&self, catalog: &str, database: &str) -> Result<Vec<String>> {
        let mut names: BTreeSet<String> = self
            .temporary
            .keys()
            .filter(|path| path.catalog == catalog && path.database == database)
            .map(|path| path.name.clone())
            .collect();
        match &self.entry(catalog)?.kind {
            CatalogKind::External(external) => {
                names.extend(external.tables(database).map_err(|e| e.at("catalog", catalog))?);
            }
            CatalogKind::Memory(databases) => {
                names.extend(databases.get(database).into_iter().flat_map(|d| d.entries.keys().cloned()));
                if let Some((lake, external)) = self.lake.as_ref().filter(|_| catalog == DEFAULT_CATALOG) {
                    let in_lake = |e: Error| e.at("catalog", lake);
                    if external.databases().map_err(in_lake)?.iter().any(|d| d == database) {
                        names.extend(external.tables(database).map_err(in_lake)?);
                    }
                }
            }
        }
        Ok(names.into_iter().collect())
    }
}

fn resolved(entry: &Entry) -> ResolvedTable {
    match entry {
        Entry::Table(table) => ResolvedTable::Connector(Arc::clone(table)),
        Entry::View(view) => ResolvedTable::View(Arc::clone(view)),
    }
}

fn path_from(parts: &[String], home: &(String, String)) -> Result<TablePath> {
    match parts {
        [name] => Ok(TablePath::new(&home.0, &home.1, name)),
        [database, name] => Ok(TablePath::new(&home.0, database, name)),
        [catalog, database, name] => Ok(TablePath::new(catalog, database, name)),
        _ => Err(Error::invalid("name.parts", "a name has one to three parts: catalog, database, table")),
    }
}

fn exists(what: &'static str, name: &str, is_fine: bool) -> Result<()> {
    if is_fine {
        return Ok(());
    }
    let code = match what {
        "catalog" => "catalog.exists",
        "database" => "database.exists",
        "view" => "view.exists",
        _ => "table.exists",
    };
    Err(Error::already_exists(code, format!("{what} \"{name}\" is there already"))
        .hint(format!("choose another name, or write CREATE {} IF NOT EXISTS", what.to_uppercase())))
}
