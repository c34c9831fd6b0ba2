//! A lake table: what it is, and the doors to its scan, source and sink.

use crate::catalog::{Creation, Loaded, TableCatalog, TableName, no_table, read_metadata};
use crate::io::LakeIo;
use crate::partition;
use crate::past::{PastTable, Version};
use crate::scan::LakeScan;
use crate::schema::{self, COLUMN_TYPES, ColumnTypes};
use crate::sink::LakeSink;
use crate::source::LakeSource;
use datafusion::catalog::TableProvider;
use freshet_connector_api::{ConnectorEnv, Sink, Source};
use freshet_sql::catalog::external::{ExternalTable, ExternalTableDefinition, TableVersion};
use freshet_types::{Clock, Error, Options, Result, suggest};
use iceberg::spec::{FormatVersion, Schema, TableMetadata};
use iceberg::{TableRequirement, TableUpdate};
use std::collections::HashMap;
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

    /// The snapshot that `version` names, and the columns that it is read with.
    pub(crate) fn version(&self, version: &TableVersion) -> Result<Version> {
        let metadata = self.metadata();
        let missing = |what: String| {
            Error::not_found("lake.no_snapshot", what)
                .at("table", &self.full_name)
                .hint("freshet lake snapshots lists the snapshots that are kept")
        };
        let named = |kind: &str, name: &str| {
            let is_branch = kind == "branch";
            let known = crate::metadata::references(metadata);
            match known.get(name).filter(|r| r.is_branch() == is_branch) {
                Some(reference) => Ok(reference.snapshot_id),
                None => {
                    let names = known.iter().filter(|(_, r)| r.is_branch() == is_branch).map(|(name, _)| name.as_str());
                    Err(Error::not_found("lake.no_reference", format!("the table has no {kind} \"{name}\""))
                        .at("table", &self.full_name)
                        .hint(suggest::hint(name, if is_branch { "branches" } else { "tags" }, names)))
                }
            }
        };
        let id = match version {
            TableVersion::Snapshot(id) => *id,
            TableVersion::Branch(name) => named("branch", name)?,
            TableVersion::Tag(name) => named("tag", name)?,
            TableVersion::Timestamp(at_ms) => {
                match crate::listing::history(metadata).into_iter().rev().find(|(since, _)| since <= at_ms) {
                    Some((_, snapshot)) => snapshot.snapshot_id(),
                    None => return Err(missing("the table has no snapshot from before that time".into())),
                }
            }
        };
        let snapshot = metadata.snapshot_by_id(id).ok_or_else(|| missing(format!("snapshot {id} does not exist")))?;
        let columns = match version {
            TableVersion::Branch(_) => Arc::clone(metadata.current_schema()),
            _ => crate::error::Explain::explain(snapshot.schema(metadata), "snapshot")?,
        };
        Ok(Version { snapshot: Arc::clone(snapshot), columns })
    }

    /// The scan behind [`ExternalTable::scan`], or that of a version.
    pub fn lake_scan(&self, version: Option<&TableVersion>) -> Result<LakeScan> {
        match version {
            None => LakeScan::new(self),
            Some(version) => LakeScan::of_version(self, &self.version(version)?),
        }
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

/// Table properties that carry parts of the definition and are not shown as options.
const HIDDEN: &[&str] = &[COLUMN_TYPES, "comment", "format-version"];

/// Properties that the writer itself keeps in the table.
pub(crate) fn is_bookkeeping(property: &str) -> bool {
    property.starts_with(crate::commit::identity::CHECKPOINT_PREFIX)
        || property.starts_with(crate::commit::identity::FILES_PREFIX)
}

/// The definition of a table with these columns.
pub(crate) fn definition_of(metadata: &TableMetadata, schema: &Schema) -> ExternalTableDefinition {
    let properties = metadata.properties();
    let types = ColumnTypes::parse(properties.get(COLUMN_TYPES).map(String::as_str));
    let mut options: Options = properties
        .iter()
        .filter(|(name, _)| !HIDDEN.contains(&name.as_str()) && !is_bookkeeping(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if metadata.format_version() != FormatVersion::V2 {
        options.set("format-version", (metadata.format_version() as u8).to_string());
    }
    let mut keys: Vec<i32> = schema.identifier_field_ids().collect();
    keys.sort_unstable();
    ExternalTableDefinition {
        columns: schema::sql_columns(schema, &types),
        column_comments: schema
            .as_struct()
            .fields()
            .iter()
            .filter_map(|f| Some((f.name.clone(), f.doc.clone()?)))
            .collect(),
        partition_by: partition::from_spec(metadata.default_partition_spec(), schema),
        primary_key: keys.iter().filter_map(|id| Some(schema.name_by_field_id(*id)?.to_string())).collect(),
        comment: properties.get("comment").cloned(),
        options,
    }
}

/// What a catalog is told about a new table.
pub(crate) fn creation_of(definition: &ExternalTableDefinition) -> Result<Creation> {
    crate::catalog::check_table_options(&definition.options)?;
    let version = match definition.options.get("format-version").map(str::trim) {
        None | Some("2") => FormatVersion::V2,
        Some("3") => FormatVersion::V3,
        Some("1") => {
            return Err(Error::unsupported("lake.format_version", "new tables of format version 1 are not made")
                .hint("leave 'format-version' out, or write '2' or '3'"));
        }
        Some(other) => {
            return Err(Error::invalid("option.invalid", format!("option \"format-version\" is \"{other}\""))
                .hint("write '2' or '3'"));
        }
    };
    if definition.columns.is_empty() {
        return Err(Error::invalid("lake.no_columns", "a lake table needs a column").hint("declare at least one"));
    }
    let (schema, types) =
        schema::to_iceberg(&definition.columns, &definition.column_comments, &definition.primary_key, version as u8)?;
    let spec = partition::to_spec(&definition.partition_by, &schema)?;
    let mut properties: HashMap<String, String> = HashMap::from([
        // Every checkpoint makes a metadata file: without these a table of a busy job drowns in them.
        ("write.metadata.delete-after-commit.enabled".to_string(), "true".to_string()),
        ("write.metadata.previous-versions-max".to_string(), "100".to_string()),
        ("write.parquet.compression-codec".to_string(), "zstd".to_string()),
    ]);
    for (name, value) in definition.options.iter().filter(|(n, _)| !matches!(*n, "format-version" | "location")) {
        properties.insert(name.to_string(), value.to_string());
    }
    properties.extend(types.to_property().map(|p| (COLUMN_TYPES.to_string(), p)));
    properties.extend(definition.comment.clone().map(|c| ("comment".to_string(), c)));
    let location = definition.options.get("location").map(|l| l.trim_end_matches('/').to_string());
    Ok(Creation { schema, spec, version, properties, location })
}

impl ExternalTable for LakeTable {
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn definition(&self) -> ExternalTableDefinition {
        definition_of(self.metadata(), self.metadata().current_schema())
    }

    fn at(&self, version: &TableVersion) -> Result<Arc<dyn ExternalTable>> {
        Ok(Arc::new(PastTable::new(self, version)?))
    }

    fn scan(&self) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(LakeScan::new(self)?))
    }

    fn source(&self, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(LakeSource::new(self)?))
    }

    fn sink(&self, options: &Options, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(LakeSink::new(self, options)?))
    }
}
