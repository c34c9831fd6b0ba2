//! Parses manifests, also those of writers that leave something out or write it in their own way.

use crate::avro_header;
use apache_avro::types::Value;
use apache_avro::{Reader, Writer};
use iceberg::spec::{Manifest, ManifestFile, TableMetadata};

/// Parses a manifest of a table; `file` is its line in the manifest list.
pub(crate) fn parse(bytes: &[u8], metadata: &TableMetadata, file: &ManifestFile) -> iceberg::Result<Manifest> {
    let first = match Manifest::parse_avro(bytes) {
        Ok(manifest) => return Ok(manifest),
        Err(e) => e,
    };
    // Some writers leave out what the table's metadata says as well.
    let completed = complete(bytes, metadata, file);
    let error = match completed.as_deref().map(Manifest::parse_avro) {
        Some(Ok(manifest)) => return Ok(manifest),
        Some(Err(e)) => e,
        None => first,
    };
    let mended = [renamed(bytes), with_partitions(completed.as_deref().unwrap_or(bytes), metadata, file)];
    mended.into_iter().flatten().find_map(|bytes| Manifest::parse_avro(&bytes).ok()).ok_or(error)
}

/// The manifest with the names of partition fields as Avro takes them: its entries have them under those names.
fn renamed(bytes: &[u8]) -> Option<Vec<u8>> {
    let written = avro_header::value(bytes, "partition-spec")?;
    let mut spec: serde_json::Value = serde_json::from_slice(written).ok()?;
    let before = spec.clone();
    for field in spec.as_array_mut()? {
        let name = field.get("name")?.as_str()?;
        field["name"] = crate::partition::avro_name(name, |c| c.is_alphanumeric()).into();
    }
    (spec != before).then(|| avro_header::with_value(bytes, "partition-spec", &spec.to_string()))?
}

fn complete(bytes: &[u8], metadata: &TableMetadata, file: &ManifestFile) -> Option<Vec<u8>> {
    let schema = metadata.current_schema();
    let spec = metadata.partition_spec_by_id(file.partition_spec_id)?;
    let pairs = [
        ("schema", serde_json::to_string(schema.as_ref()).ok()?),
        ("schema-id", schema.schema_id().to_string()),
        ("partition-spec", serde_json::to_string(spec.fields()).ok()?),
        ("partition-spec-id", spec.spec_id().to_string()),
        ("format-version", (metadata.format_version() as u8).to_string()),
        ("content", file.content.to_string()),
    ];
    avro_header::with_pairs(bytes, &pairs)
}

/// The manifest of a table without partitions whose entries say NULL for the partition, as BigQuery writes them.
fn with_partitions(bytes: &[u8], metadata: &TableMetadata, file: &ManifestFile) -> Option<Vec<u8>> {
    if !metadata.partition_spec_by_id(file.partition_spec_id)?.fields().is_empty() {
        return None;
    }
    let reader = Reader::new(bytes).ok()?;
    let schema = reader.writer_schema().clone();
    let mut writer = Writer::new(&schema, Vec::new());
    for (key, value) in avro_header::pairs(bytes)? {
        if !key.starts_with("avro.") {
            writer.add_user_metadata(key.to_string(), value).ok()?;
        }
    }
    for entry in reader {
        let mut entry = entry.ok()?;
        let partition = field(field(&mut entry, "data_file")?, "partition")?;
        if let Value::Union(_, inner) = partition
            && **inner == Value::Null
        {
            *partition = Value::Union(1, Box::new(Value::Record(Vec::new())));
        }
        writer.append(entry).ok()?;
    }
    writer.into_inner().ok()
}

/// A field of a record, which may be the second form of a union with NULL.
fn field<'v>(value: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    match value {
        Value::Union(_, inner) => field(inner, name),
        Value::Record(fields) => fields.iter_mut().find(|(n, _)| n == name).map(|(_, value)| value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Job, Lake, rows};
    use apache_avro::Schema;

    /// The manifest as BigQuery would write it: the partition may be NULL and is, and the header has nothing but Avro's own.
    fn without_partitions(bytes: &[u8]) -> Vec<u8> {
        let reader = Reader::new(bytes).unwrap();
        let mut schema = serde_json::to_value(reader.writer_schema()).unwrap();
        fn loosen(schema: &mut serde_json::Value) {
            if schema["name"] == "partition" {
                schema["type"] = serde_json::json!(["null", schema["type"]]);
            }
            match schema {
                serde_json::Value::Array(parts) => parts.iter_mut().for_each(loosen),
                serde_json::Value::Object(parts) => parts.values_mut().for_each(loosen),
                _ => {}
            }
        }
        loosen(&mut schema);
        let schema = Schema::parse(&schema).unwrap();
        let mut writer = Writer::new(&schema, Vec::new());
        for entry in reader {
            let mut entry = entry.unwrap();
            let partition = field(field(&mut entry, "data_file").unwrap(), "partition").unwrap();
            *partition = Value::Union(0, Box::new(Value::Null));
            writer.append(entry).unwrap();
        }
        writer.into_inner().unwrap()
    }

    #[test]
    fn a_partition_that_is_null_is_the_empty_one() {
        let lake = Lake::new();
        let table = lake.table(Vec::new(), &[]);
        let mut job = Job::start(&table, &lake, 1, None);
        job.checkpoint(1, &[rows(0..10)]);
        let table = table.refresh().unwrap();
        let (io, metadata) = (&table.loaded().io, table.metadata());
        let list = crate::files::manifests(io, metadata, metadata.current_snapshot().unwrap()).unwrap();
        let bytes = io.read(&list[0].manifest_path).unwrap();
        let foreign = without_partitions(&bytes);
        assert!(Manifest::parse_avro(&foreign).is_err());
        let (read, ours) = (parse(&foreign, metadata, &list[0]).unwrap(), Manifest::parse_avro(&bytes).unwrap());
        assert_eq!(read.entries(), ours.entries());
    }
}
