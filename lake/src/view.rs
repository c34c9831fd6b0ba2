//! Views of other engines, which stand in a catalog beside its tables: what they say, so that they can be refused by name.

use freshet_types::{Error, Result};
use serde_json::{Map, Value};

/// A view in its current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewMetadata {
    /// Its folder.
    pub location: String,
    /// The current version.
    pub version: i64,
    /// Its query in each dialect: dialect and text.
    pub queries: Vec<(String, String)>,
}

fn wrong(location: &str, field: &str, what: &str) -> Error {
    Error::data("lake.view_metadata", format!("view metadata: field \"{field}\" {what}")).at("file", location)
}

/// Whether metadata is that of a view.
pub(crate) fn is_view(fields: &Map<String, Value>) -> bool {
    fields.contains_key("view-uuid")
}

/// Parses the metadata of a view.
///
/// # Errors
/// `lake.view_metadata` with the name of the field that is missing or wrong; `lake.format_version`.
pub fn parse(bytes: &[u8], location: &str) -> Result<ViewMetadata> {
    let json: Value = serde_json::from_slice(bytes).map_err(|e| {
        Error::data("lake.view_metadata", format!("view metadata is not JSON: {e}")).at("file", location)
    })?;
    let view =
        Checked { fields: json.as_object().ok_or_else(|| wrong(location, "view-uuid", "is missing"))?, location };
    match view.number(view.fields, "format-version")? {
        1 => {}
        version => {
            return Err(Error::unsupported(
                "lake.format_version",
                format!("view metadata: field \"format-version\" is {version}"),
            )
            .at("file", location)
            .hint("this version reads views of format version 1"));
        }
    }
    let id = view.text(view.fields, "view-uuid")?;
    uuid::Uuid::parse_str(id).map_err(|_| wrong(location, "view-uuid", "is no UUID"))?;
    let schemas = view.schemas()?;
    let versions = view.list(view.fields, "versions")?;
    let mut current = None;
    let mut known = Vec::new();
    for version in versions {
        let version = version.as_object().ok_or_else(|| wrong(location, "versions", "holds something else"))?;
        let id = view.number(version, "version-id")?;
        view.number(version, "timestamp-ms")?;
        let schema = view.number(version, "schema-id")?;
        if !schemas.contains(&schema) {
            return Err(wrong(
                location,
                "schema-id",
                &format!("of version {id} is {schema}, which is not in \"schemas\""),
            ));
        }
        view.list(version, "default-namespace")?;
        known.push(id);
        let queries = view.queries(version)?;
        if view.fields.get("current-version-id").and_then(Value::as_i64) == Some(id) {
            current = Some(queries);
        }
    }
    let version = view.number(view.fields, "current-version-id")?;
    let queries = current
        .ok_or_else(|| wrong(location, "current-version-id", &format!("is {version}, which is not in \"versions\"")))?;
    let log = view.list(view.fields, "version-log")?;
    if log.iter().any(|entry| entry.get("version-id").is_none_or(|id| !id.is_i64())) {
        return Err(wrong(location, "version-log", "holds an entry without \"version-id\""));
    }
    Ok(ViewMetadata { location: view.text(view.fields, "location")?.to_string(), version, queries })
}

struct Checked<'a> {
    fields: &'a Map<String, Value>,
    location: &'a str,
}

impl<'a> Checked<'a> {
    fn field(&self, fields: &'a Map<String, Value>, name: &str) -> Result<&'a Value> {
        fields.get(name).filter(|v| !v.is_null()).ok_or_else(|| wrong(self.location, name, "is missing"))
    }

    fn number(&self, fields: &'a Map<String, Value>, name: &str) -> Result<i64> {
        self.field(fields, name)?.as_i64().ok_or_else(|| wrong(self.location, name, "is not a whole number"))
    }

    fn text(&self, fields: &'a Map<String, Value>, name: &str) -> Result<&'a str> {
        self.field(fields, name)?.as_str().ok_or_else(|| wrong(self.location, name, "is not a text"))
    }

    fn list(&self, fields: &'a Map<String, Value>, name: &str) -> Result<&'a Vec<Value>> {
        self.field(fields, name)?.as_array().ok_or_else(|| wrong(self.location, name, "is not a list"))
    }

    fn schemas(&self) -> Result<Vec<i64>> {
        let mut ids = Vec::new();
        for schema in self.list(self.fields, "schemas")? {
            serde_json::from_value::<iceberg::spec::Schema>(schema.clone())
                .map_err(|e| wrong(self.location, "schemas", &format!("holds a schema that is none: {e}")))?;
            ids.push(schema.get("schema-id").and_then(Value::as_i64).unwrap_or_default());
        }
        Ok(ids)
    }

    fn queries(&self, version: &'a Map<String, Value>) -> Result<Vec<(String, String)>> {
        let representations = self.list(version, "representations")?;
        let sql = representations.iter().filter_map(Value::as_object).filter(|r| r.get("type") == Some(&"sql".into()));
        sql.map(|r| Ok((self.text(r, "dialect")?.to_string(), self.text(r, "sql")?.to_string()))).collect()
    }
}

/// The refusal of a view where a table was asked for.
pub(crate) fn refused(bytes: &[u8], location: &str) -> Error {
    let refused = Error::unsupported("lake.view", "this is a view that another engine made, not a table");
    match parse(bytes, location) {
        Ok(view) => match view.queries.first() {
            Some((dialect, sql)) => {
                refused.hint(format!("create it here with CREATE VIEW; in {dialect} it reads: {sql}"))
            }
            None => refused.hint("query the tables below it"),
        },
        Err(e) => e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn minimal() -> Value {
        json!({
            "view-uuid": "fa6506c3-7681-40c8-86dc-e36561f83385", "format-version": 1, "location": "file:///v",
            "schemas": [{"type": "struct", "schema-id": 3, "fields": []}], "current-version-id": 2,
            "versions": [{"version-id": 2, "timestamp-ms": 1, "schema-id": 3, "default-namespace": ["d"], "summary": {},
                          "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "spark"},
                                              {"type": "sql", "sql": "select 1", "dialect": "trino"}]}],
            "version-log": [{"timestamp-ms": 1, "version-id": 2}]
        })
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let view = parse(minimal().to_string().as_bytes(), "f").unwrap();
        assert_eq!((view.version, view.queries.len()), (2, 2));
        let refused = |json: Value, field: &str| {
            let e = parse(json.to_string().as_bytes(), "f").unwrap_err();
            assert!(e.text().contains(&format!("\"{field}\"")), "{field}: {e}");
        };
        for field in minimal().as_object().unwrap().keys() {
            let mut json = minimal();
            json.as_object_mut().unwrap().remove(field);
            refused(json, field);
        }
        for field in ["version-id", "timestamp-ms", "schema-id", "default-namespace", "representations"] {
            let mut json = minimal();
            json["versions"][0].as_object_mut().unwrap().remove(field);
            refused(json, field);
        }
        for (field, value) in [("current-version-id", 9), ("format-version", 2)] {
            let mut json = minimal();
            json[field] = value.into();
            refused(json, field);
        }
        let e = crate::metadata::parse(minimal().to_string().as_bytes(), "f").unwrap_err();
        assert_eq!(e.code(), "lake.view");
    }
}
