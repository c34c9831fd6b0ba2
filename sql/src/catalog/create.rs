//! CREATE and DROP of tables and views.

use super::external::{ExternalTable, ExternalTableDefinition};
use super::{
    Catalog, CatalogKind, DEFAULT_CATALOG, Entry, Place, ResolvedTable, TableDefinition, TablePath, ViewDefinition,
    check, exists,
};
use crate::parse::{ColumnDefinition, ColumnKind, CreateTable, CreateView, Drop};
use freshet_types::{Error, Options, Result, SqlField, SqlType, suggest};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Catalog {
    /// `CREATE TABLE`, without `AS`. Gives notices for the user.
    ///
    /// # Errors
    /// `table.exists`, and whatever is wrong with the definition.
    pub fn create_table(&mut self, create: &CreateTable) -> Result<Vec<String>> {
        if create.as_select.is_some() {
            return Err(Error::internal("table.create", "CREATE TABLE AS needs the columns of its query"));
        }
        self.create(create, Vec::new())
    }

    /// `CREATE TABLE ... AS`: `query` are the columns that the query gives. Gives notices for the user. What fills the
    /// table is an INSERT of the same query.
    ///
    /// # Errors
    /// Those of [`Catalog::create_table`].
    pub fn create_table_as(&mut self, create: &CreateTable, query: &[SqlField]) -> Result<Vec<String>> {
        if let Some(field) = query.iter().find(|field| field.sql_type == SqlType::Null) {
            return Err(Error::invalid("column.type", "a column of NULLs has no type")
                .at("column", &field.name)
                .hint("write CAST(NULL AS type)"));
        }
        let columns = query.iter().map(physical).collect();
        self.create(create, columns)
    }

    /// What `CREATE TABLE` would make, for a look ahead (`EXPLAIN CREATE TABLE AS`): nothing is kept.
    ///
    /// # Errors
    /// Those of [`Catalog::create_table`].
    pub fn preview_table(&self, create: &CreateTable, query: &[SqlField]) -> Result<Arc<TableDefinition>> {
        let path = self.path(&create.name)?;
        self.place(&path)?;
        self.define(create, query.iter().map(physical).collect(), path, &mut Vec::new()).map(Arc::new)
    }

    /// The table of an external catalog that is there already, just as `create` would make it, and that this session has
    /// not made: when a script runs again, it finds what its earlier run has left.
    ///
    /// # Errors
    /// Those of [`Catalog::create_table`].
    pub fn standing(&self, create: &CreateTable, query: &[SqlField]) -> Result<Option<Arc<dyn ExternalTable>>> {
        let path = self.path(&create.name)?;
        if create.temporary || create.or_replace || self.made.contains(&path) {
            return Ok(None);
        }
        let Some(ResolvedTable::External { table, .. }) = self.find(&path)? else { return Ok(None) };
        let wanted = self.define(create, query.iter().map(physical).collect(), path, &mut Vec::new())?;
        if wanted.options.get("connector").is_some() {
            return Ok(None);
        }
        let (wanted, there) = (external_definition(&wanted)?, table.definition());
        let columns = |definition: &ExternalTableDefinition| -> Vec<(String, SqlType)> {
            definition.columns.iter().map(|c| (c.name.clone(), c.sql_type.clone())).collect()
        };
        let key = |definition: &ExternalTableDefinition| -> BTreeSet<String> {
            definition.primary_key.iter().cloned().collect()
        };
        let is_same = columns(&wanted) == columns(&there)
            && wanted.partition_by == there.partition_by
            && key(&wanted) == key(&there)
            && wanted.options.iter().all(|(name, value)| there.options.get(name) == Some(value));
        Ok(is_same.then_some(table))
    }

    fn define(
        &self,
        create: &CreateTable,
        query: Vec<ColumnDefinition>,
        path: TablePath,
        notices: &mut Vec<String>,
    ) -> Result<TableDefinition> {
        let mut table = TableDefinition {
            path,
            columns: query.into_iter().chain(create.columns.iter().cloned()).collect(),
            watermark: create.watermark.clone(),
            primary_key: create.primary_key.clone(),
            partition_by: create.partition_by.clone(),
            comment: create.comment.clone(),
            options: create.options.clone(),
            temporary: create.temporary,
        };
        if let Some(like) = &create.like {
            self.apply_like(&mut table, like)?;
        }
        notices.extend(legacy_connector(&mut table.options));
        let at = |e: Error| e.at("table", table.path.name.clone());
        check::columns(&table).map_err(at)?;
        for column in &mut table.columns {
            if table.primary_key.contains(&column.name) {
                column.nullable = false;
            }
        }
        Ok(table)
    }

    fn create(&mut self, create: &CreateTable, query: Vec<ColumnDefinition>) -> Result<Vec<String>> {
        let path = self.path(&create.name)?;
        // Looks the catalog and the database up, so that a wrong one is the first thing said.
        self.place(&path)?;
        let is_there = if create.temporary { self.temporary.contains_key(&path) } else { self.find(&path)?.is_some() };
        if is_there && !create.or_replace {
            exists("table", &path.name, create.if_not_exists)?;
            return Ok(vec![format!("table {} is there already: nothing was changed", path.name)]);
        }
        let mut notices = Vec::new();
        let mut table = self.define(create, query, path.clone(), &mut notices)?;
        if table.options.get("connector").is_none() {
            self.create_external(&table, is_there && create.or_replace)?;
            return Ok(notices);
        }
        if !create.temporary
            && let Place::External(_) = self.place(&path)?
        {
            return Err(Error::invalid("table.place", "an external catalog keeps no tables of connectors")
                .at("table", path.to_string())
                .hint(format!(
                    "write CREATE TEMPORARY TABLE, or create it in {DEFAULT_CATALOG}.{}",
                    super::DEFAULT_DATABASE
                )));
        }
        self.check_connector(&mut table, &mut notices)?;
        let entry = Entry::Table(Arc::new(table));
        if create.temporary {
            self.temporary.insert(path, entry);
        } else {
            if is_there {
                self.drop_table(&Drop { name: parts(&path), if_exists: true, temporary: false })?;
            }
            self.database_mut(&path)?.entries.insert(path.name.clone(), entry);
        }
        Ok(notices)
    }

    /// Mends and checks the options of a table with a connector.
    pub(super) fn check_connector(&self, table: &mut TableDefinition, notices: &mut Vec<String>) -> Result<()> {
        let name = table.options.get("connector").unwrap_or_default().to_string();
        let connector = self.connectors.find(&name).map_err(|e| {
            let e = e.at("table", table.path.name.clone());
            match (name.as_str(), &self.lake) {
                ("iceberg", Some(_)) => Error::invalid(e.code(), e.text())
                    .at("table", table.path.name.clone())
                    .hint("leave 'connector' out to get a lake table, or CREATE CATALOG ... WITH ('type' = 'iceberg')"),
                _ => e,
            }
        })?;
        notices.extend(connector.upgrade_options(&mut table.options));
        check::metadata(table, connector).map_err(|e| e.at("table", table.path.name.clone()))?;
        let spec = table.to_spec()?;
        freshet_connector_api::connector::check_options(connector, &spec)?;
        notices.extend(freshet_connector_api::connector::option_notices(connector, &spec)?);
        Ok(())
    }

    /// Makes a table without a connector in its external catalog, or in the lake.
    fn create_external(&mut self, table: &TableDefinition, replace: bool) -> Result<()> {
        let path = &table.path;
        let at = |e: Error| e.at("table", path.name.clone());
        if table.temporary {
            return Err(at(Error::invalid("table.temporary", "a lake table outlives the session"))
                .hint("leave TEMPORARY out, or name a 'connector' in WITH (...)"));
        }
        let catalog = match (&self.entry(&path.catalog)?.kind, &self.lake) {
            (CatalogKind::External(external), _) => Arc::clone(external),
            (CatalogKind::Memory(_), Some((_, lake))) if path.catalog == DEFAULT_CATALOG => {
                if !lake.databases().map_err(at)?.contains(&path.database) {
                    lake.create_database(&path.database, &Options::default()).map_err(at)?;
                }
                Arc::clone(lake)
            }
            _ => {
                let known = self.connectors.all().iter().map(|c| c.name()).collect::<Vec<_>>().join(", ");
                return Err(at(Error::invalid("option.missing", "option \"connector\" is missing"))
                    .hint(format!("add WITH ('connector' = '...'): one of {known}")));
            }
        };
        let definition = external_definition(table).map_err(at)?;
        if replace {
            if let Some(Entry::View(_)) = self.memory_entry(path) {
                return Err(
                    at(Error::invalid("table.exists", format!("\"{}\" is a view", path.name))).hint("DROP VIEW first")
                );
            }
            match self.memory_entry(path) {
                Some(_) => {
                    self.database_mut(path)?.entries.remove(&path.name);
                }
                None => catalog.drop_table(&path.database, &path.name).map_err(at)?,
            }
        }
        catalog.create_table(&path.database, &path.name, &definition).map_err(at)?;
        self.made.insert(path.clone());
        Ok(())
    }

    fn memory_entry(&self, path: &TablePath) -> Option<&Entry> {
        match self.place(path) {
            Ok(Place::Memory(database)) => database.entries.get(&path.name),
            _ => None,
        }
    }

    /// `DROP TABLE`.
    ///
    /// # Errors
    /// `table.unknown`, `table.is_view`, and what an external catalog may bring.
    pub fn drop_table(&mut self, drop: &Drop) -> Result<()> {
        self.drop(drop, false)
    }

    /// `DROP VIEW`.
    ///
    /// # Errors
    /// `table.unknown`, `view.is_table`
    pub fn drop_view(&mut self, drop: &Drop) -> Result<()> {
        self.drop(drop, true)
    }

    fn drop(&mut self, drop: &Drop, is_view: bool) -> Result<()> {
        let path = self.path(&drop.name)?;
        let found = match self.temporary.get(&path) {
            Some(entry) => Some(super::resolved(entry)),
            None if drop.temporary => None,
            None => match self.find(&path) {
                Err(e) if drop.if_exists && matches!(e.code(), "catalog.unknown" | "database.unknown") => None,
                found => found?,
            },
        };
        let Some(found) = found else {
            return if drop.if_exists { Ok(()) } else { Err(self.unknown_table(&path)) };
        };
        match (&found, is_view) {
            (ResolvedTable::View(_), false) => {
                return Err(Error::invalid("table.is_view", format!("\"{}\" is a view", path.name))
                    .hint(format!("write DROP VIEW {}", path.name)));
            }
            (ResolvedTable::Connector(_) | ResolvedTable::External { .. }, true) => {
                return Err(Error::invalid("view.is_table", format!("\"{}\" is a table", path.name))
                    .hint(format!("write DROP TABLE {}", path.name)));
            }
            _ => {}
        }
        if self.temporary.remove(&path).is_some() {
            return Ok(());
        }
        match found {
            ResolvedTable::External { path, .. } => match &self.entry(&path.catalog)?.kind {
                CatalogKind::External(external) => {
                    external.drop_table(&path.database, &path.name).map_err(|e| e.at("table", path.to_string()))
                }
                CatalogKind::Memory(_) => Err(Error::internal("catalog.place", "the lake is no external catalog")),
            },
            _ => {
                self.database_mut(&path)?.entries.remove(&path.name);
                Ok(())
            }
        }
    }

    /// `CREATE VIEW`; whether its query can be planned is the planner's to say, before.
    ///
    /// # Errors
    /// `view.exists`, `column.duplicate`, `view.place`
    pub fn create_view(&mut self, create: &CreateView) -> Result<Vec<String>> {
        let path = self.path(&create.name)?;
        let is_external = matches!(self.place(&path)?, Place::External(_));
        let found = if create.temporary { self.temporary.get(&path).map(super::resolved) } else { self.find(&path)? };
        if let Some(found) = &found {
            if !create.or_replace {
                exists("view", &path.name, create.if_not_exists)?;
                return Ok(vec![format!("view {} is there already: nothing was changed", path.name)]);
            }
            if !matches!(found, ResolvedTable::View(_)) {
                return Err(Error::already_exists("view.exists", format!("\"{}\" is a table", path.name))
                    .hint("choose another name, or DROP TABLE first"));
            }
        }
        if is_external && !create.temporary {
            return Err(Error::unsupported("view.place", format!("catalog \"{}\" keeps no views", path.catalog))
                .at("view", path.name)
                .hint("write CREATE TEMPORARY VIEW"));
        }
        if let Some((i, name)) = create.columns.iter().enumerate().find(|(i, name)| create.columns[..*i].contains(name))
        {
            return Err(Error::invalid("column.duplicate", format!("column \"{name}\" stands twice"))
                .at("view", &path.name)
                .hint(format!("rename the column at position {}", i + 1)));
        }
        let view = Entry::View(Arc::new(ViewDefinition {
            path: path.clone(),
            columns: create.columns.clone(),
            comment: create.comment.clone(),
            query: create.query.clone(),
            query_text: create.query_text.clone(),
            home: self.current.clone(),
            temporary: create.temporary,
        }));
        if create.temporary {
            self.temporary.insert(path, view);
        } else {
            self.database_mut(&path)?.entries.insert(path.name.clone(), view);
        }
        Ok(Vec::new())
    }

    /// `ALTER VIEW v RENAME TO w`.
    ///
    /// # Errors
    /// `table.unknown`, `view.is_table`, `view.exists`
    pub fn rename_view(&mut self, from: &[String], to: &[String]) -> Result<()> {
        let path = self.path(from)?;
        let ResolvedTable::View(view) = self.resolve(from)? else {
            return Err(Error::invalid("view.is_table", format!("\"{}\" is a table", path.name))
                .hint("write ALTER TABLE ... RENAME TO"));
        };
        let target = match to {
            [name] => TablePath { name: name.clone(), ..path.clone() },
            _ => self.path(to)?,
        };
        if self.find(&target)?.is_some() {
            exists("view", &target.name, false)?;
        }
        let renamed = Entry::View(Arc::new(ViewDefinition { path: target.clone(), ..(*view).clone() }));
        if self.temporary.remove(&path).is_some() {
            self.temporary.insert(target, renamed);
        } else {
            self.database_mut(&target)?.entries.insert(target.name.clone(), renamed);
            self.database_mut(&path)?.entries.remove(&path.name);
        }
        Ok(())
    }
}

fn parts(path: &TablePath) -> Vec<String> {
    vec![path.catalog.clone(), path.database.clone(), path.name.clone()]
}

fn physical(field: &SqlField) -> ColumnDefinition {
    ColumnDefinition {
        name: field.name.clone(),
        kind: ColumnKind::Physical,
        sql_type: Some(field.sql_type.clone()),
        nullable: field.nullable,
        comment: None,
    }
}

/// Turns `connector.type`, the spelling before Flink 1.11, into `connector`; the connector mends the rest.
fn legacy_connector(options: &mut Options) -> Option<String> {
    if options.get("connector").is_some() {
        return None;
    }
    let name = options.remove("connector.type")?;
    let notice = format!("option 'connector.type' is an old spelling: 'connector' = '{name}' was assumed");
    options.set("connector", name);
    Some(notice)
}

/// The definition as an external catalog keeps it.
fn external_definition(table: &TableDefinition) -> Result<ExternalTableDefinition> {
    let refused = |what: &str, hint: &str| {
        Err(Error::unsupported("table.lake", format!("a lake table keeps no {what}")).hint(hint.to_string()))
    };
    if let Some(watermark) = &table.watermark {
        return refused("watermark", "leave WATERMARK FOR out")
            .map_err(|e: Error| e.at("column", watermark.column.clone()));
    }
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        match (&column.kind, column.field()) {
            (ColumnKind::Physical, Some(field)) => columns.push(field),
            (ColumnKind::Computed { .. }, _) => {
                return refused("computed columns", "compute it in a view over the table")
                    .map_err(|e: Error| e.at("column", column.name.clone()));
            }
            _ => {
                return refused("metadata columns", "leave METADATA out")
                    .map_err(|e: Error| e.at("column", column.name.clone()));
            }
        }
    }
    for term in &table.partition_by {
        if !columns.iter().any(|c| c.name == term.column) {
            return Err(Error::invalid("column.unknown", format!("no column named \"{}\"", term.column))
                .at("clause", "PARTITIONED BY")
                .hint(suggest::hint(&term.column, "columns", columns.iter().map(|c| c.name.as_str()))));
        }
    }
    Ok(ExternalTableDefinition {
        columns,
        column_comments: table.columns.iter().filter_map(|c| Some((c.name.clone(), c.comment.clone()?))).collect(),
        partition_by: table.partition_by.clone(),
        primary_key: table.primary_key.clone(),
        comment: table.comment.clone(),
        options: table.options.clone(),
    })
}
