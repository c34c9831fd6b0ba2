//! The definition of a table in SQL, from its metadata and for the catalog.

use crate::catalog::Creation;
use crate::partition;
use crate::schema::{self, COLUMN_TYPES, ColumnTypes};
use freshet_sql::catalog::external::ExternalTableDefinition;
use freshet_types::{Error, Options, Result};
use iceberg::spec::{FormatVersion, Schema, TableMetadata};
use std::collections::HashMap;

/// Table properties that carry parts of the definition and are not shown as options.
const HIDDEN: &[&str] = &[COLUMN_TYPES, "comment", "format-version"];

/// Properties that the writer itself keeps in the table.
fn is_bookkeeping(property: &str) -> bool {
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
