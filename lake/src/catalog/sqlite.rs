//! The embedded catalog: a SQLite file in the tables of Iceberg's JDBC catalog, so that PyIceberg and Spark open it too.
//!
//! # Invariants
//! - A metadata file is durable before the row that names it changes.
//! - The row changes only from the exact location that the change was made on (compare and swap).
//! - Our metadata files are written under the lock of the file: one of a later version than the row's is a leftover.

use super::{Creation, Loaded, TableCatalog, TableName, lost_race, no_database, no_table, read_metadata, table_exists};
use crate::error::Explain;
use crate::io::{LakeIo, folder_name};
use crate::metadata;
use freshet_types::{Error, Result};
use iceberg::spec::{SortOrder, TableMetadataBuilder};
use iceberg::{TableRequirement, TableUpdate};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// How long another process may hold the file before we give up for now.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "CREATE TABLE IF NOT EXISTS iceberg_tables (
    catalog_name VARCHAR(255) NOT NULL,
    table_namespace VARCHAR(255) NOT NULL,
    table_name VARCHAR(255) NOT NULL,
    metadata_location VARCHAR(1000),
    previous_metadata_location VARCHAR(1000),
    iceberg_type VARCHAR(5),
    PRIMARY KEY (catalog_name, table_namespace, table_name)
);
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
    catalog_name VARCHAR(255) NOT NULL,
    namespace VARCHAR(255) NOT NULL,
    property_key VARCHAR(255) NOT NULL,
    property_value VARCHAR(1000),
    PRIMARY KEY (catalog_name, namespace, property_key)
);";

/// A catalog in a SQLite file.
pub(crate) struct SqliteCatalog {
    connection: Mutex<Connection>,
    file: String,
    catalog: String,
    warehouse: String,
    io: LakeIo,
    /// PyIceberg makes the table without this column.
    has_type: bool,
}

impl SqliteCatalog {
    /// Opens or creates the catalog named `catalog` in `file`; new tables lie below `warehouse`.
    pub(crate) fn open(file: &Path, catalog: &str, warehouse: &str, io: LakeIo) -> Result<Self> {
        let name = file.display().to_string();
        let wrap = |e| sqlite_error(e, &name);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| {
                Error::denied("lake.catalog", format!("folder \"{}\" cannot be created: {e}", folder.display()))
                    .hint("choose a warehouse that this user may write to")
            })?;
        }
        let connection = Connection::open(file).map_err(wrap)?;
        connection.busy_timeout(PATIENCE).map_err(wrap)?;
        // EXTRA also syncs the folder when the journal goes away: without it a power cut may undo a finished commit.
        connection.pragma_update(None, "synchronous", "EXTRA").map_err(wrap)?;
        connection.execute_batch(TABLES).map_err(wrap)?;
        let has_type = connection.prepare("SELECT iceberg_type FROM iceberg_tables LIMIT 0").is_ok();
        Ok(Self {
            connection: Mutex::new(connection),
            file: name,
            catalog: catalog.to_string(),
            warehouse: warehouse.trim_end_matches('/').to_string(),
            io,
            has_type,
        })
    }

    /// Creates a database unless it is there.
    pub(crate) fn ensure_database(&self, name: &str) -> Result<()> {
        if self.has_database(name)? {
            return Ok(());
        }
        match self.create_database(name, &HashMap::new()) {
            Err(e) if e.kind() == freshet_types::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic between two statements leaves no half-done transaction: the connection rolls it back.
        self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wrap(&self, e: rusqlite::Error) -> Error {
        sqlite_error(e, &self.file)
    }

    fn names(&self, sql: &str, database: Option<&str>) -> Result<Vec<String>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(sql).map_err(|e| self.wrap(e))?;
        let parameters: Vec<&str> = std::iter::once(self.catalog.as_str()).chain(database).collect();
        let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(0));
        rows.and_then(Iterator::collect::<rusqlite::Result<Vec<String>>>).map_err(|e| self.wrap(e))
    }

    fn has_database(&self, name: &str) -> Result<bool> {
        Ok(self.databases()?.iter().any(|d| d == name))
    }

    fn location_of(&self, table: &TableName) -> Result<Option<String>> {
        self.location_in(&self.connection(), table)
    }

    fn location_in(&self, connection: &Connection, table: &TableName) -> Result<Option<String>> {
        connection
            .query_row(
                "SELECT metadata_location FROM iceberg_tables
                 WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3",
                params![self.catalog, table.database, table.name],
                |row| row.get::<_, Option<String>>(0),
            )
            .optional()
            .map(Option::flatten)
            .map_err(|e| self.wrap(e))
    }

    /// Writes a metadata file and lets the table's row name it, in place of the one that it must name now.
    fn move_row(&self, table: &TableName, from: &str, to: &str, bytes: bytes::Bytes) -> Result<()> {
        let mut connection = self.connection();
        // A lock that is not ours to have in time leaves nothing behind.
        let change =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(|e| self.wrap(e))?;
        match self.location_in(&change, table)? {
            Some(now) if now == from => {}
            Some(_) => return Err(lost_race(table)),
            None => return Err(no_table(table)),
        }
        let moved = self.io.write(to, bytes).and_then(|()| {
            change
                .execute(
                    "UPDATE iceberg_tables SET metadata_location = ?1, previous_metadata_location = ?2
                     WHERE catalog_name = ?3 AND table_namespace = ?4 AND table_name = ?5",
                    params![to, from, self.catalog, table.database, table.name],
                )
                .and_then(|_| change.commit())
                .map_err(|e| self.wrap(e))
        });
        let Err(e) = moved else { return Ok(()) };
        // A commit that failed may have happened all the same: the row itself tells.
        match self.location_in(&connection, table) {
            Ok(Some(now)) if now == to => Ok(()),
            Ok(_) => {
                let _ = self.io.delete(to);
                Err(e)
            }
            Err(_) => Err(Error::unavailable("lake.commit_unknown", e.text().to_string())
                .hint("the table is read again before the next attempt")),
        }
    }

    fn loaded(&self, location: String) -> Result<Loaded> {
        Ok(Loaded { metadata: read_metadata(&self.io, &location)?, location, io: self.io.clone() })
    }
}

fn sqlite_error(e: rusqlite::Error, file: &str) -> Error {
    let text = format!("catalog file \"{file}\": {e}");
    match e.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::unavailable("lake.catalog_locked", format!("catalog file \"{file}\" is locked by another process"))
                .hint("wait until the other process has finished, or end it")
        }
        Some(ErrorCode::DiskFull) => {
            Error::exhausted("lake.catalog_full", format!("the disk of catalog file \"{file}\" is full"))
                .hint("free some space; what was committed is intact")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::data("lake.catalog_damaged", text)
            .hint("restore the file from a copy, or move it away and register the tables again"),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::denied("lake.catalog_denied", text)
                .hint("give this user the right to write to the file and its folder")
        }
        _ => Error::unavailable("lake.catalog", text),
    }
}

impl TableCatalog for SqliteCatalog {
    fn databases(&self) -> Result<Vec<String>> {
        self.names(
            "SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?1
             UNION SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1 ORDER BY 1",
            None,
        )
    }

    fn create_database(&self, name: &str, properties: &HashMap<String, String>) -> Result<()> {
        let exists = || {
            Error::already_exists("lake.database_exists", format!("database \"{name}\" exists already"))
                .hint("write CREATE DATABASE IF NOT EXISTS")
        };
        if self.has_database(name)? {
            return Err(exists());
        }
        let mut connection = self.connection();
        let insert = |properties: &HashMap<String, String>, connection: &mut Connection| {
            let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let marker = ("exists".to_string(), "true".to_string());
            for (key, value) in properties.iter().chain([(&marker.0, &marker.1)]) {
                change.execute(
                    "INSERT INTO iceberg_namespace_properties VALUES (?1, ?2, ?3, ?4)",
                    params![self.catalog, name, key, value],
                )?;
            }
            change.commit()
        };
        insert(properties, &mut connection).map_err(|e| match e.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => exists(),
            _ => self.wrap(e),
        })
    }

    fn drop_database(&self, name: &str) -> Result<()> {
        if !self.has_database(name)? {
            return Err(no_database(name));
        }
        let deleted = self.connection().execute(
            "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND namespace = ?2
             AND NOT EXISTS (SELECT 1 FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2)",
            params![self.catalog, name],
        );
        match deleted.map_err(|e| self.wrap(e))? {
            0 => Err(Error::invalid("lake.database_not_empty", format!("database \"{name}\" still has tables"))
                .hint("drop the tables first, or write CASCADE")),
            _ => Ok(()),
        }
    }

    fn tables(&self, database: &str) -> Result<Vec<String>> {
        let sql = if self.has_type {
            "SELECT table_name FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2
             AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL) ORDER BY 1"
        } else {
            "SELECT table_name FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2 ORDER BY 1"
        };
        self.names(sql, Some(database))
    }

    fn load(&self, table: &TableName) -> Result<Option<Loaded>> {
        self.location_of(table)?.map(|location| self.loaded(location)).transpose()
    }

    fn reload(&self, table: &TableName, known: &Loaded) -> Result<Option<Loaded>> {
        match self.location_of(table)? {
            Some(location) if location == known.location => Ok(Some(known.clone())),
            Some(location) => self.loaded(location).map(Some),
            None => Ok(None),
        }
    }

    fn create(&self, table: &TableName, creation: Creation) -> Result<()> {
        if !self.has_database(&table.database)? {
            return Err(no_database(&table.database));
        }
        if self.location_of(table)?.is_some() {
            return Err(table_exists(table));
        }
        let mut folder = creation.location.clone().unwrap_or_else(|| {
            format!("{}/{}/{}", self.warehouse, folder_name(&table.database), folder_name(&table.name))
        });
        self.io.place(&folder)?;
        if creation.location.is_none() && !self.io.list(&format!("{folder}/metadata"))?.is_empty() {
            // What a table of that name left behind must not be taken for this one.
            folder = format!("{folder}-{:08x}", uuid::Uuid::new_v4().as_fields().0);
        }
        let built = TableMetadataBuilder::new(
            creation.schema,
            creation.spec,
            SortOrder::unsorted_order(),
            folder,
            creation.version,
            creation.properties,
        )
        .and_then(TableMetadataBuilder::build)
        .explain("the table cannot be created")?;
        let location = metadata::next_location(&built.metadata, None);
        self.io.write(&location, metadata::encode(&built.metadata)?)?;
        let sql = if self.has_type {
            "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location,
             previous_metadata_location, iceberg_type) VALUES (?1, ?2, ?3, ?4, NULL, 'TABLE')"
        } else {
            "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location,
             previous_metadata_location) VALUES (?1, ?2, ?3, ?4, NULL)"
        };
        let inserted = self.connection().execute(sql, params![self.catalog, table.database, table.name, location]);
        match inserted {
            Ok(_) => Ok(()),
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                let _ = self.io.delete(&location);
                Err(table_exists(table))
            }
            Err(e) => Err(self.wrap(e)),
        }
    }

    fn swap(
        &self,
        table: &TableName,
        base: &Loaded,
        updates: Vec<TableUpdate>,
        requirements: Vec<TableRequirement>,
    ) -> Result<Loaded> {
        for requirement in &requirements {
            if requirement.check(Some(&base.metadata)).is_err() {
                return Err(lost_race(table));
            }
        }
        let built = metadata::apply(&base.metadata, &base.location, updates)?;
        let location = metadata::next_location(&built.metadata, Some(&base.location));
        let bytes = metadata::encode(&built.metadata)?;
        self.move_row(table, &base.location, &location, bytes)?;
        if built.metadata.properties().get("write.metadata.delete-after-commit.enabled").is_some_and(|v| v == "true") {
            for old in &built.expired_metadata_logs {
                if let Err(e) = self.io.delete(&old.metadata_file) {
                    tracing::debug!(file = old.metadata_file, error = %e, "old metadata file stays");
                }
            }
        }
        Ok(Loaded { metadata: built.metadata.into(), location, io: base.io.clone() })
    }

    fn tidy(&self, table: &TableName) -> Result<()> {
        let mut connection = self.connection();
        let lock =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(|e| self.wrap(e))?;
        let Some(current) = self.location_in(&lock, table)? else { return Ok(()) };
        let Some((folder, _)) = current.rsplit_once('/') else { return Ok(()) };
        let version = metadata::version_of(&current);
        for file in self.io.list(folder)? {
            let is_other = file.path != self.io.normal(&current);
            if is_other && metadata::is_ours(&file.path) && metadata::version_of(&file.path) >= version {
                self.io.delete(&file.path)?;
            }
        }
        Ok(())
    }

    fn drop_table(&self, table: &TableName) -> Result<bool> {
        let deleted = self.connection().execute(
            "DELETE FROM iceberg_tables WHERE catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3",
            params![self.catalog, table.database, table.name],
        );
        match deleted.map_err(|e| self.wrap(e))? {
            0 => Err(no_table(table)),
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::to_iceberg;
    use freshet_types::{ErrorKind, Options, SqlField, SqlType};
    use iceberg::spec::{FormatVersion, UnboundPartitionSpec};

    fn open(folder: &Path) -> SqliteCatalog {
        let warehouse = format!("file://{}", folder.display());
        let io = LakeIo::open(&[&warehouse], &Options::default()).unwrap();
        SqliteCatalog::open(&folder.join("catalog.db"), "freshet", &warehouse, io).unwrap()
    }

    fn creation() -> Creation {
        Creation {
            schema: to_iceberg(&[SqlField::new("a", SqlType::BigInt)], &[], &[], 2).unwrap().0,
            spec: UnboundPartitionSpec::default(),
            version: FormatVersion::V2,
            properties: HashMap::new(),
            location: None,
        }
    }

    fn set(key: &str, value: &str) -> Vec<TableUpdate> {
        vec![TableUpdate::SetProperties { updates: HashMap::from([(key.to_string(), value.to_string())]) }]
    }

    #[test]
    fn tables_and_databases_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path());
        let table = TableName { database: "db".into(), name: "t/../x".into() };
        assert_eq!(catalog.create(&table, creation()).unwrap_err().kind(), ErrorKind::NotFound);
        catalog.ensure_database("db").unwrap();
        assert_eq!(catalog.create_database("db", &HashMap::new()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        catalog.create(&table, creation()).unwrap();
        assert_eq!(catalog.create(&table, creation()).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(catalog.tables("db").unwrap(), ["t/../x"]);
        assert_eq!(catalog.drop_database("db").unwrap_err().kind(), ErrorKind::Invalid);
        drop(catalog);
        let catalog = open(folder.path());
        assert!(catalog.load(&table).unwrap().unwrap().metadata.location().starts_with("file://"));
        catalog.drop_table(&table).unwrap();
        catalog.drop_database("db").unwrap();
        assert!(catalog.databases().unwrap().is_empty());
    }

    #[test]
    fn a_swap_on_old_metadata_is_a_conflict_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path());
        let table = TableName { database: "db".into(), name: "t".into() };
        catalog.ensure_database("db").unwrap();
        catalog.create(&table, creation()).unwrap();
        let base = catalog.load(&table).unwrap().unwrap();
        let won = catalog.swap(&table, &base, set("k", "1"), vec![]).unwrap();
        assert_eq!(catalog.swap(&table, &base, set("k", "2"), vec![]).unwrap_err().kind(), ErrorKind::Conflict);
        let now = catalog.load(&table).unwrap().unwrap();
        assert_eq!((now.location.as_str(), now.metadata.properties()["k"].as_str()), (won.location.as_str(), "1"));
        let files = base.io.list(&format!("{}/metadata", base.metadata.location())).unwrap();
        assert_eq!(files.len(), 2, "{files:?}");
    }

    #[test]
    fn a_locked_file_is_said_so_and_a_crash_midway_leaves_nothing_for_readers_of_names() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path());
        let table = TableName { database: "db".into(), name: "t".into() };
        catalog.ensure_database("db").unwrap();
        catalog.create(&table, creation()).unwrap();
        let base = catalog.load(&table).unwrap().unwrap();
        let names = || {
            let files = base.io.list(&format!("{}/metadata", base.metadata.location())).unwrap();
            files.into_iter().map(|f| f.path).collect::<Vec<_>>()
        };
        let before = names();
        let other = Connection::open(folder.path().join("catalog.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        catalog.connection().busy_timeout(Duration::from_millis(10)).unwrap();
        let locked = catalog.swap(&table, &base, set("k", "1"), vec![]).unwrap_err();
        assert_eq!((locked.code(), locked.kind()), ("lake.catalog_locked", ErrorKind::Unavailable));
        assert_eq!(names(), before, "nothing was written for a change that did not happen");
        other.execute_batch("ROLLBACK").unwrap();
        // The process ends between its metadata file and the row.
        let stale = metadata::next_location(&base.metadata, Some(&base.location));
        base.io.write(&stale, metadata::encode(&base.metadata).unwrap()).unwrap();
        // Another program's file may be on its way to the catalog.
        let foreign = format!("{}/metadata/00001-{}.metadata.json", base.metadata.location(), uuid::Uuid::new_v4());
        base.io.write(&foreign, metadata::encode(&base.metadata).unwrap()).unwrap();
        catalog.tidy(&table).unwrap();
        let mut expected = before.clone();
        expected.push(foreign);
        expected.sort();
        assert_eq!(names(), expected);
        catalog.swap(&table, &base, set("k", "1"), vec![]).unwrap();
        base.io.write(&stale, metadata::encode(&base.metadata).unwrap()).unwrap();
        catalog.tidy(&table).unwrap();
        assert_eq!(names().len(), 3);
    }

    #[test]
    fn old_metadata_files_go_away_when_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(folder.path());
        let table = TableName { database: "db".into(), name: "t".into() };
        catalog.ensure_database("db").unwrap();
        let mut creation = creation();
        creation.properties = HashMap::from([
            ("write.metadata.delete-after-commit.enabled".into(), "true".into()),
            ("write.metadata.previous-versions-max".into(), "3".into()),
        ]);
        catalog.create(&table, creation).unwrap();
        let mut base = catalog.load(&table).unwrap().unwrap();
        for i in 0..10 {
            base = catalog.swap(&table, &base, set("k", &i.to_string()), vec![]).unwrap();
        }
        let files = base.io.list(&format!("{}/metadata", base.metadata.location())).unwrap();
        assert_eq!(files.len(), 4);
        assert_eq!(files.last().unwrap().path, base.location, "the last name is the current version");
    }
}
