//! `CREATE CATALOG c WITH ('type' = 'iceberg', ...)`: where tables are registered.
//!
//! Two kinds behind one trait: [`sqlite`] is a file beside the tables, [`rest`] is a server. A commit is a swap: it
//! succeeds only when the table is exactly as it was when the change was made.

mod external;
mod folder;
mod options;
pub(crate) use folder::open as open_folder;
pub(crate) use options::check_table_options;
pub(crate) mod rest;
pub(crate) mod sqlite;

pub use external::{IcebergCatalog, IcebergCatalogFactory};

use crate::io::LakeIo;
use crate::metadata;
use freshet_types::{Error, Result};
use iceberg::spec::{FormatVersion, Schema, TableMetadataRef, UnboundPartitionSpec};
use iceberg::{TableRequirement, TableUpdate};
use std::collections::HashMap;
use std::fmt;

/// The catalog type `iceberg`.
pub static ICEBERG: IcebergCatalogFactory = IcebergCatalogFactory;

/// Name of a table in its catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    /// Database (Iceberg's namespace).
    pub database: String,
    /// Table.
    pub name: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.name)
    }
}

/// A table as it stood at one moment.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its metadata.
    pub metadata: TableMetadataRef,
    /// The metadata file; a swap names it.
    pub location: String,
    /// Access to its files.
    pub io: LakeIo,
}

/// What a new table shall be.
#[derive(Debug, Clone)]
pub struct Creation {
    /// Columns.
    pub schema: Schema,
    /// Partitions.
    pub spec: UnboundPartitionSpec,
    /// Format version.
    pub version: FormatVersion,
    /// Table properties.
    pub properties: HashMap<String, String>,
    /// Folder, when it is not the catalog's own choice.
    pub location: Option<String>,
}

/// Registers tables and swaps their metadata.
pub trait TableCatalog: Send + Sync {
    /// All databases.
    fn databases(&self) -> Result<Vec<String>>;

    /// Creates a database; `already_exists` when it is there.
    fn create_database(&self, name: &str, properties: &HashMap<String, String>) -> Result<()>;

    /// Drops a database without tables.
    fn drop_database(&self, name: &str) -> Result<()>;

    /// All tables of a database.
    fn tables(&self, database: &str) -> Result<Vec<String>>;

    /// A table as it stands now, if it exists.
    fn load(&self, table: &TableName) -> Result<Option<Loaded>>;

    /// The same for someone who knows how it stood before: metadata that is still current is not read again.
    fn reload(&self, table: &TableName, _known: &Loaded) -> Result<Option<Loaded>> {
        self.load(table)
    }

    /// Creates a table; `already_exists` when it is there.
    fn create(&self, table: &TableName, creation: Creation) -> Result<()>;

    /// Puts the changed metadata in the place of `base`.
    ///
    /// # Errors
    /// `Conflict`: someone else was first and nothing changed. `Unavailable`: it may have happened or not; load the table
    /// to find out. Anything else: nothing changed.
    fn swap(
        &self,
        table: &TableName,
        base: &Loaded,
        updates: Vec<TableUpdate>,
        requirements: Vec<TableRequirement>,
    ) -> Result<Loaded>;

    /// Removes metadata files of ours that never became part of the table, where readers could take them for it.
    fn tidy(&self, _table: &TableName) -> Result<()> {
        Ok(())
    }

    /// Takes a table out of the catalog; its files are deleted by the caller, unless this returns `true`.
    fn drop_table(&self, table: &TableName) -> Result<bool>;
}

/// Reads a metadata file.
pub(crate) fn read_metadata(io: &LakeIo, location: &str) -> Result<TableMetadataRef> {
    let bytes = io.read(location).map_err(|e| match e.kind() {
        freshet_types::ErrorKind::NotFound => {
            Error::data("lake.metadata", format!("the table's metadata file \"{location}\" is gone"))
                .hint("restore the file, or drop the table")
        }
        _ => e,
    })?;
    Ok(metadata::parse(&bytes, location)?.into())
}

pub(crate) fn no_table(table: &TableName) -> Error {
    Error::not_found("lake.no_table", format!("table \"{table}\" does not exist"))
        .hint("SHOW TABLES lists the tables of the database")
}

pub(crate) fn table_exists(table: &TableName) -> Error {
    Error::already_exists("lake.table_exists", format!("table \"{table}\" exists already"))
        .hint("choose another name, or write CREATE TABLE IF NOT EXISTS")
}

/// Code of [`no_database`].
pub(crate) const NO_DATABASE: &str = "lake.no_database";

pub(crate) fn no_database(name: &str) -> Error {
    Error::not_found(NO_DATABASE, format!("database \"{name}\" does not exist"))
        .hint(format!("create it: CREATE DATABASE `{name}`"))
}

pub(crate) fn lost_race(table: &TableName) -> Error {
    Error::conflict("lake.conflict", format!("someone else changed table \"{table}\" first"))
}
