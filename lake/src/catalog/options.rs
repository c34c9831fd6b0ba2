//! What a user wrote for a catalog, and what it means.

use freshet_connectors::storage::STORAGE_OPTIONS;
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};
use std::sync::LazyLock;

static OWN: &[OptionSpec] = &[
    OptionSpec::optional("type", OptionKind::Text, "iceberg"),
    OptionSpec::with_default(
        "catalog-type",
        OptionKind::OneOf(&["embedded", "rest"]),
        "embedded",
        "embedded: a SQLite file in the warehouse; rest: a server",
    ),
    OptionSpec::optional(
        "warehouse",
        OptionKind::Text,
        "folder of the tables: file:///path, s3://bucket/path or hdfs://host:port/path; for a server its warehouse's name",
    ),
    OptionSpec::with_default(
        "catalog-name",
        OptionKind::Text,
        "freshet",
        "name under which tables stand in the SQLite file; other programs must give the same one",
    ),
    OptionSpec::optional(
        "catalog-file",
        OptionKind::Text,
        "the SQLite file; default: catalog.db in a local warehouse, else below the data folder",
    ),
    OptionSpec::with_default("default-database", OptionKind::Text, "default", "database that is there from the start"),
    OptionSpec::optional(
        "allowed-locations",
        OptionKind::Text,
        "folders besides the warehouse that tables may lie in, separated by commas",
    ),
    OptionSpec::optional("uri", OptionKind::Text, "address of the REST catalog"),
    OptionSpec::optional("token", OptionKind::Text, "bearer token for the REST catalog"),
    OptionSpec::optional("credential", OptionKind::Text, "client-id:client-secret, traded for a token"),
    OptionSpec::with_default("scope", OptionKind::Text, "catalog", "scope of the token that is asked for"),
    OptionSpec::optional(
        "oauth2-server-uri",
        OptionKind::Text,
        "where tokens are given; default: <uri>/v1/oauth/tokens",
    ),
    OptionSpec::optional("client.region", OptionKind::Text, "another name of s3.region"),
    OptionSpec::optional("header.*", OptionKind::Text, "HTTP headers for the REST catalog"),
];

/// Every option of the catalog type.
pub(crate) static OPTIONS: LazyLock<Vec<OptionSpec>> =
    LazyLock::new(|| OWN.iter().chain(STORAGE_OPTIONS).copied().collect());

/// What the options mean.
#[derive(Debug, Clone)]
pub(crate) struct CatalogOptions {
    pub(crate) rest: bool,
    pub(crate) warehouse: Option<String>,
    pub(crate) catalog_name: String,
    pub(crate) catalog_file: Option<String>,
    pub(crate) default_database: String,
    pub(crate) allowed_locations: Vec<String>,
    /// All of them, for storage and server.
    pub(crate) written: Options,
}

impl CatalogOptions {
    pub(crate) fn parse(options: &Options) -> Result<Self> {
        options.check(&OPTIONS)?;
        let text = |name: &str| options.get(name).map(str::to_string);
        let rest = options.get("catalog-type").is_some_and(|t| t.eq_ignore_ascii_case("rest"));
        if rest {
            options.required("uri")?;
        } else if let Some(name) = ["uri", "token", "credential"].iter().find(|n| options.get(n).is_some()) {
            return Err(Error::invalid("option.invalid", format!("option \"{name}\" belongs to a REST catalog"))
                .hint("add 'catalog-type' = 'rest', or leave it out"));
        }
        let mut written = options.clone();
        if let Some(region) = options.get("client.region").filter(|_| options.get("s3.region").is_none()) {
            written.set("s3.region", region);
        }
        Ok(Self {
            rest,
            warehouse: text("warehouse"),
            catalog_name: text("catalog-name").unwrap_or_else(|| "freshet".to_string()),
            catalog_file: text("catalog-file"),
            default_database: text("default-database").unwrap_or_else(|| "default".to_string()),
            allowed_locations: options
                .get("allowed-locations")
                .map(|l| l.split(',').map(|l| l.trim().to_string()).filter(|l| !l.is_empty()).collect())
                .unwrap_or_default(),
            written,
        })
    }
}

/// Prefixes of table properties that mean something to us or to other readers of the table.
const TABLE_PREFIXES: &[&str] =
    &["write.", "read.", "commit.", "history.", "gc.", "schema.", "freshet.", "encryption."];
const TABLE_OPTIONS: &[&str] = &[
    "format-version",
    "location",
    "owner",
    "comment",
    "sink.parallelism",
    "scan.parallelism",
    "commit.retry.num-retries",
    "write.target-file-size-bytes",
    "write.upsert.enabled",
    "write.metadata.previous-versions-max",
    "write.metadata.delete-after-commit.enabled",
    "write.parquet.compression-codec",
    "write.parquet.compression-level",
    "write.parquet.row-group-limit",
];

/// Refuses table options that mean nothing to anybody.
///
/// # Errors
/// `option.unknown` with the nearest name.
pub(crate) fn check_table_options(options: &Options) -> Result<()> {
    for (name, _) in options.iter() {
        if !TABLE_OPTIONS.contains(&name) && !TABLE_PREFIXES.iter().any(|p| name.starts_with(p)) {
            return Err(Error::invalid("option.unknown", format!("unknown option \"{name}\" of a lake table"))
                .hint(freshet_types::suggest::hint(name, "options", TABLE_OPTIONS.iter().copied())));
        }
    }
    Ok(())
}
