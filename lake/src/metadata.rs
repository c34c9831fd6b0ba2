//! Table metadata files: read with a check that names the field that is wrong, and written.

use crate::error::Explain;
use crate::view;
use bytes::Bytes;
use freshet_types::{Error, Result};
use iceberg::spec::{SnapshotReference, TableMetadata};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// Prefix of a made-up manifest list of a v1 snapshot that lists its manifests itself.
pub(crate) const INLINE_MANIFESTS: &str = "freshet-inline:";

const SHARED: &[&str] = &[
    "table-uuid",
    "location",
    "last-sequence-number",
    "last-updated-ms",
    "last-column-id",
    "schemas",
    "current-schema-id",
    "partition-specs",
    "default-spec-id",
    "last-partition-id",
    "sort-orders",
    "default-sort-order-id",
];

fn wrong(location: &str, field: &str, what: &str) -> Error {
    Error::data("lake.metadata", format!("table metadata: field \"{field}\" {what}")).at("file", location)
}

/// Parses a metadata file, gzipped or not.
///
/// # Errors
/// `lake.metadata` with the name of the field that is missing or wrong; `lake.format_version`.
pub fn parse(bytes: &[u8], location: &str) -> Result<TableMetadata> {
    let unzipped;
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).map_err(|e| {
            Error::data("lake.metadata", format!("table metadata is a damaged gzip file: {e}")).at("file", location)
        })?;
        unzipped = out;
        &unzipped[..]
    } else {
        bytes
    };
    let mut json: Value = serde_json::from_slice(bytes)
        .map_err(|e| Error::data("lake.metadata", format!("table metadata is not JSON: {e}")).at("file", location))?;
    if json.as_object().is_some_and(view::is_view) {
        return Err(view::refused(bytes, location));
    }
    check(&json, location)?;
    inline_manifests(&mut json);
    first_row_id(&mut json);
    serde_json::from_value(json).map_err(|e| {
        Error::data("lake.metadata", format!("table metadata cannot be understood: {e}")).at("file", location)
    })
}

/// Finds what the library would only report as "did not match any variant".
fn check(json: &Value, location: &str) -> Result<()> {
    let fields = json
        .as_object()
        .ok_or_else(|| Error::data("lake.metadata", "table metadata is not a JSON object").at("file", location))?;
    let version = match fields.get("format-version") {
        None => return Err(wrong(location, "format-version", "is missing")),
        Some(v) => v.as_u64().ok_or_else(|| wrong(location, "format-version", "is not a number"))?,
    };
    let required: Vec<&str> = match version {
        1 => vec!["location", "last-updated-ms", "last-column-id"],
        2 => SHARED.to_vec(),
        // A table without a snapshot has given no row an id yet.
        3 if is_empty(fields) => SHARED.to_vec(),
        3 => SHARED.iter().copied().chain(["next-row-id"]).collect(),
        _ => {
            return Err(Error::unsupported(
                "lake.format_version",
                format!("table metadata: field \"format-version\" is {version}"),
            )
            .at("file", location)
            .hint("this version reads format versions 1, 2 and 3"));
        }
    };
    // Schemas first: without them nothing else means anything.
    check_schemas(fields, version, location)?;
    for field in required {
        if fields.get(field).is_none_or(Value::is_null) {
            return Err(wrong(location, field, "is missing"));
        }
    }
    for field in ["last-updated-ms", "last-column-id", "last-sequence-number", "last-partition-id", "next-row-id"] {
        if fields.get(field).is_some_and(|v| !v.is_i64() && !v.is_u64()) {
            return Err(wrong(location, field, "is not a whole number"));
        }
    }
    if version == 1 {
        if fields.get("partition-spec").is_none() && fields.get("partition-specs").is_none() {
            return Err(wrong(location, "partition-spec", "is missing"));
        }
    } else {
        known_id(fields, "default-spec-id", "partition-specs", "spec-id", location)?;
        known_id(fields, "default-sort-order-id", "sort-orders", "order-id", location)?;
    }
    if fields.get("current-snapshot-id").and_then(Value::as_i64).is_some_and(|id| id != -1) {
        known_id(fields, "current-snapshot-id", "snapshots", "snapshot-id", location)?;
    }
    Ok(())
}

fn is_empty(fields: &serde_json::Map<String, Value>) -> bool {
    fields.get("snapshots").and_then(Value::as_array).is_none_or(Vec::is_empty)
}

fn check_schemas(fields: &serde_json::Map<String, Value>, version: u64, location: &str) -> Result<()> {
    let schemas: Vec<&Value> = match fields.get("schemas") {
        Some(Value::Array(schemas)) => schemas.iter().collect(),
        Some(_) => return Err(wrong(location, "schemas", "is not a list")),
        None => fields.get("schema").into_iter().collect(),
    };
    if schemas.is_empty() {
        return Err(wrong(location, if version == 1 { "schema" } else { "schemas" }, "is missing"));
    }
    for schema in &schemas {
        if schema.get("type").and_then(Value::as_str) != Some("struct") {
            return Err(wrong(location, "type", "of a schema is missing or not \"struct\""));
        }
        let Some(columns) = schema.get("fields").and_then(Value::as_array) else {
            return Err(wrong(location, "fields", "of a schema is missing"));
        };
        for column in columns {
            for part in ["id", "name", "type", "required"] {
                if column.get(part).is_none() {
                    return Err(wrong(location, part, "of a column is missing"));
                }
            }
        }
    }
    if version == 1 && !fields.contains_key("current-schema-id") && !fields.contains_key("schema") {
        return Err(wrong(location, "schema", "is missing, and no \"current-schema-id\" takes its place"));
    }
    if fields.contains_key("schemas") && fields.contains_key("current-schema-id") {
        known_id(fields, "current-schema-id", "schemas", "schema-id", location)?;
    }
    Ok(())
}

fn known_id(fields: &serde_json::Map<String, Value>, field: &str, list: &str, key: &str, location: &str) -> Result<()> {
    let Some(id) = fields.get(field).and_then(Value::as_i64) else {
        return Err(wrong(location, field, "is not a whole number"));
    };
    let listed = fields.get(list).and_then(Value::as_array);
    // Id 0 stands for "unpartitioned" and "unsorted" even where the list does not hold it.
    if (id == 0 && list != "schemas" && list != "snapshots" && listed.is_some_and(Vec::is_empty))
        || listed.is_some_and(|l| l.iter().any(|item| item.get(key).and_then(Value::as_i64) == Some(id)))
    {
        return Ok(());
    }
    Err(wrong(location, field, &format!("is {id}, which is not in \"{list}\"")))
}

/// Puts in what an empty table of format version 3 need not say.
fn first_row_id(json: &mut Value) {
    if let Some(fields) = json.as_object_mut().filter(|f| f.get("format-version").and_then(Value::as_u64) == Some(3)) {
        fields.entry("next-row-id").or_insert_with(|| 0.into());
    }
}

/// The first writers of format version 1 listed manifests in the snapshot itself.
fn inline_manifests(json: &mut Value) {
    let Some(snapshots) = json.get_mut("snapshots").and_then(Value::as_array_mut) else { return };
    for snapshot in snapshots.iter_mut().filter_map(Value::as_object_mut) {
        if let Some(manifests) = snapshot.remove("manifests") {
            snapshot.entry("manifest-list").or_insert_with(|| Value::String(format!("{INLINE_MANIFESTS}{manifests}")));
        }
    }
}

/// Branches and tags; the library does not hand them out but in JSON.
pub(crate) fn references(metadata: &TableMetadata) -> BTreeMap<String, SnapshotReference> {
    let json = serde_json::to_value(metadata).unwrap_or_default();
    json.get("refs").and_then(|refs| serde_json::from_value(refs.clone()).ok()).unwrap_or_default()
}

/// Whether metadata files of this table are gzipped.
fn is_gzipped(metadata: &TableMetadata) -> bool {
    metadata.properties().get("write.metadata.compression-codec").is_some_and(|c| c.eq_ignore_ascii_case("gzip"))
}

/// Bytes of a metadata file.
pub fn encode(metadata: &TableMetadata) -> Result<Bytes> {
    let json = serde_json::to_vec(metadata)
        .map_err(|e| Error::internal("lake.metadata", format!("table metadata cannot be written: {e}")))?;
    if !is_gzipped(metadata) {
        return Ok(json.into());
    }
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zipped = zipped.write_all(&json).and_then(|()| zipped.finish());
    Ok(zipped.map_err(|e| Error::internal("lake.metadata", format!("gzip: {e}")))?.into())
}

/// Number that the name of a metadata file carries: `00012-<uuid>.metadata.json` and Hadoop's `v12.metadata.json`.
pub fn version_of(location: &str) -> u64 {
    let name = location.rsplit('/').next().unwrap_or(location);
    let digits: String = name.trim_start_matches('v').chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Location for the next metadata file; names in their order are versions in their order.
pub fn next_location(metadata: &TableMetadata, current: Option<&str>) -> String {
    let version = current.map_or(0, |c| version_of(c) + 1);
    let folder = match metadata.properties().get("write.metadata.path") {
        Some(folder) => folder.trim_end_matches('/').to_string(),
        None => format!("{}/metadata", metadata.location()),
    };
    let suffix = if is_gzipped(metadata) { "gz.metadata.json" } else { "metadata.json" };
    // Of two attempts at one version the later has the later name.
    format!("{folder}/{version:05}-{}.{suffix}", uuid::Uuid::now_v7())
}

/// Whether a metadata file carries a name that [`next_location`] gives: no other writer's have ids that tell the time.
pub(crate) fn is_ours(location: &str) -> bool {
    let name = location.rsplit('/').next().unwrap_or(location);
    let Some(name) = name.strip_suffix(".metadata.json") else { return false };
    let id = name.strip_suffix(".gz").unwrap_or(name).split_once('-').map(|(_, id)| id);
    id.and_then(|id| uuid::Uuid::parse_str(id).ok()).is_some_and(|id| id.get_version_num() == 7)
}

/// Applies updates to metadata; `current` is the location of the file it came from.
pub(crate) fn apply(
    metadata: &TableMetadata,
    current: &str,
    updates: Vec<iceberg::TableUpdate>,
) -> Result<iceberg::spec::TableMetadataBuildResult> {
    let mut builder = metadata.clone().into_builder(Some(current.to_string()));
    for update in updates {
        builder = update.apply(builder).explain("the change does not fit the table")?;
    }
    builder.build().explain("the change does not fit the table")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn minimal() -> Value {
        json!({
            "format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1", "location": "file:///t",
            "last-sequence-number": 0, "last-updated-ms": 1, "last-column-id": 1,
            "schemas": [{"type": "struct", "schema-id": 0,
                         "fields": [{"id": 1, "name": "a", "required": false, "type": "long"}]}],
            "current-schema-id": 0, "partition-specs": [{"spec-id": 0, "fields": []}], "default-spec-id": 0,
            "last-partition-id": 999, "sort-orders": [{"order-id": 0, "fields": []}], "default-sort-order-id": 0
        })
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        assert!(parse(minimal().to_string().as_bytes(), "f").is_ok());
        for field in SHARED {
            let mut json = minimal();
            json.as_object_mut().unwrap().remove(*field);
            let e = parse(json.to_string().as_bytes(), "f").unwrap_err();
            assert!(e.text().contains(&format!("\"{field}\"")), "{field}: {e}");
        }
        for (field, value) in [("current-schema-id", 7), ("default-spec-id", 7), ("format-version", 9)] {
            let mut json = minimal();
            json[field] = value.into();
            let e = parse(json.to_string().as_bytes(), "f").unwrap_err();
            assert!(e.text().contains(&format!("\"{field}\"")), "{field}: {e}");
        }
        assert!(parse(b"{", "f").is_err());
    }

    #[test]
    fn names_grow_with_versions() {
        let metadata = parse(minimal().to_string().as_bytes(), "f").unwrap();
        let first = next_location(&metadata, None);
        let second = next_location(&metadata, Some(&first));
        assert!(first.starts_with("file:///t/metadata/00000-") && second.contains("/00001-") && first < second);
        assert_eq!(version_of("s3://b/t/metadata/v7.metadata.json"), 7);
        assert!(next_location(&metadata, Some("/t/metadata/v7.metadata.json")).contains("/00008-"));
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut json = minimal();
        for codec in ["none", "gzip"] {
            json["properties"] = json!({"write.metadata.compression-codec": codec});
            let metadata = parse(json.to_string().as_bytes(), "f").unwrap();
            assert_eq!(parse(&encode(&metadata).unwrap(), "f").unwrap(), metadata);
        }
    }
}
