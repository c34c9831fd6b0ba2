//! Reads manifest lists and manifests: which files make up a snapshot.

use crate::error::Explain;
use crate::io::LakeIo;
use crate::lenient_manifest;
use crate::metadata::INLINE_MANIFESTS;
use freshet_types::{Error, Result};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, FormatVersion, Literal, ManifestContentType, ManifestEntry,
    ManifestFile, ManifestList, ManifestStatus, PrimitiveLiteral, SchemaRef, Snapshot, Struct, TableMetadata,
};
use std::sync::Arc;

/// What a file begins with that a table's key has encrypted.
const ENCRYPTED: &[u8] = b"AGS1";

/// One file of a table, as a manifest lists it.
#[derive(Debug, Clone)]
pub struct FileEntry {
    /// Path, partition, counts and bounds.
    pub file: DataFile,
    /// Partition spec that the partition belongs to.
    pub spec_id: i32,
    /// Whether it was added, is carried on, or was removed.
    pub status: ManifestStatus,
    /// Snapshot that added (or removed) it.
    pub snapshot_id: i64,
    /// Data sequence number: deletes apply to rows of smaller (position deletes: or equal) numbers.
    pub sequence: i64,
    /// Sequence number of the snapshot that added the file.
    pub file_sequence: i64,
}

impl FileEntry {
    /// Whether it belongs to the snapshot.
    pub fn is_live(&self) -> bool {
        self.status != ManifestStatus::Deleted
    }
}

/// A manifest with its entries.
#[derive(Debug, Clone)]
pub struct ReadManifest {
    /// Its line in the manifest list.
    pub file: ManifestFile,
    /// Schema that it was written with.
    pub schema: SchemaRef,
    /// Entries, removed ones included.
    pub entries: Vec<FileEntry>,
}

/// The manifests of a snapshot.
pub fn manifests(io: &LakeIo, metadata: &TableMetadata, snapshot: &Snapshot) -> Result<Vec<ManifestFile>> {
    if let Some(inline) = snapshot.manifest_list().strip_prefix(INLINE_MANIFESTS) {
        return inline_manifests(io, inline, snapshot);
    }
    if snapshot.encryption_key_id().is_some() {
        return Err(encrypted().at("file", snapshot.manifest_list()));
    }
    let bytes = io.read(snapshot.manifest_list())?;
    let what = format!("manifest list \"{}\"", snapshot.manifest_list());
    manifest_list(&bytes, metadata.format_version(), &what)
}

/// Parses a manifest list of a table that has this format version now.
pub fn manifest_list(bytes: &[u8], table: FormatVersion, what: &str) -> Result<Vec<ManifestFile>> {
    if bytes.starts_with(ENCRYPTED) {
        return Err(encrypted().at("file", what));
    }
    // A table that was upgraded still has lists of its old version.
    let versions: &[FormatVersion] = match table {
        FormatVersion::V3 => &[FormatVersion::V3, FormatVersion::V2, FormatVersion::V1],
        FormatVersion::V2 => &[FormatVersion::V2, FormatVersion::V1],
        FormatVersion::V1 => &[FormatVersion::V1, FormatVersion::V2],
    };
    let mut first = None;
    for version in versions {
        match ManifestList::parse_with_version(bytes, *version) {
            Ok(list) => return Ok(list.consume_entries().into_iter().collect()),
            Err(e) => first = first.or(Some(e)),
        }
    }
    Err(crate::error::iceberg_error(first.expect("there is a version to try"), what))
}

/// A snapshot of an early v1 table names its manifests directly.
fn inline_manifests(io: &LakeIo, inline: &str, snapshot: &Snapshot) -> Result<Vec<ManifestFile>> {
    let paths: Vec<String> = serde_json::from_str(inline)
        .map_err(|e| Error::data("lake.metadata", format!("field \"manifests\" of a snapshot: {e}")))?;
    paths
        .into_iter()
        .map(|manifest_path| {
            let length = io.stat(&manifest_path)?.map_or(0, |e| e.size as i64);
            Ok(ManifestFile {
                manifest_path,
                manifest_length: length,
                partition_spec_id: 0,
                content: ManifestContentType::Data,
                sequence_number: 0,
                min_sequence_number: 0,
                added_snapshot_id: snapshot.snapshot_id(),
                added_files_count: None,
                existing_files_count: None,
                deleted_files_count: None,
                added_rows_count: None,
                existing_rows_count: None,
                deleted_rows_count: None,
                partitions: None,
                key_metadata: None,
                first_row_id: None,
            })
        })
        .collect()
}

pub(crate) fn encrypted() -> Error {
    Error::unsupported("lake.encrypted", "the table is encrypted").hint("decrypt it with the writer that encrypted it")
}

/// Reads a manifest; entries inherit what the manifest list says.
pub fn read_manifest(io: &LakeIo, metadata: &TableMetadata, file: &ManifestFile) -> Result<ReadManifest> {
    if file.key_metadata.as_ref().is_some_and(|key| !key.is_empty()) {
        return Err(encrypted());
    }
    let bytes = io.read(&file.manifest_path)?;
    if bytes.starts_with(ENCRYPTED) {
        return Err(encrypted().at("file", &file.manifest_path));
    }
    let what = format!("manifest \"{}\"", file.manifest_path);
    let (entries, about) = lenient_manifest::parse(&bytes, metadata, file).explain(&what)?.into_parts();
    // In v3 the rows of added files without an id of their own follow each other.
    let mut next_row = file.first_row_id;
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry = Arc::unwrap_or_clone(entry);
        let added = entry.status == ManifestStatus::Added;
        let inherited = added || file.sequence_number == 0;
        let missing =
            || Error::data("lake.manifest", format!("{what}: field \"sequence_number\" of an entry is missing"));
        let sequence = match entry.sequence_number {
            Some(n) => n,
            None if inherited => file.sequence_number,
            None => return Err(missing()),
        };
        let file_sequence =
            entry.file_sequence_number.or(inherited.then_some(file.sequence_number)).unwrap_or(sequence);
        let ManifestEntry { status, snapshot_id, data_file, .. } = entry;
        let rows = data_file.record_count();
        let is_data = data_file.content_type() == DataContentType::Data;
        let data_file = match next_row {
            Some(first) if is_data && data_file.first_row_id().is_none() && status != ManifestStatus::Deleted => {
                next_row = Some(first + rows);
                with_first_row(&data_file, first as i64, file.partition_spec_id)?
            }
            _ => data_file,
        };
        read.push(FileEntry {
            file: data_file,
            spec_id: file.partition_spec_id,
            status,
            snapshot_id: snapshot_id.unwrap_or(file.added_snapshot_id),
            sequence,
            file_sequence,
        });
    }
    Ok(ReadManifest { file: file.clone(), schema: Arc::clone(about.schema()), entries: read })
}

fn with_first_row(file: &DataFile, first_row: i64, spec_id: i32) -> Result<DataFile> {
    finished(copied(file, spec_id).first_row_id(Some(first_row)), file)
}

/// The same file in another partition.
pub(crate) fn with_partition(file: &DataFile, partition: Struct, spec_id: i32) -> Result<DataFile> {
    finished(copied(file, spec_id).partition(partition), file)
}

/// Partition values in the widest type that a column may be promoted to: files from before and after the promotion of a
/// column lie in the same partition.
pub(crate) fn widened(partition: &Struct) -> Struct {
    let widen = |value: Option<&Literal>| {
        Some(match value? {
            Literal::Primitive(PrimitiveLiteral::Int(v)) => Literal::long(i64::from(*v)),
            Literal::Primitive(PrimitiveLiteral::Float(v)) => Literal::double(f64::from(v.0)),
            other => other.clone(),
        })
    };
    Struct::from_iter(partition.iter().map(widen))
}

fn finished(builder: &mut DataFileBuilder, file: &DataFile) -> Result<DataFile> {
    builder.build().map_err(|e| Error::internal("lake.data_file", format!("file \"{}\": {e}", file.file_path())))
}

/// A builder that has everything of `file`.
fn copied(file: &DataFile, spec_id: i32) -> DataFileBuilder {
    let mut builder = DataFileBuilder::default();
    builder
        .content(file.content_type())
        .file_path(file.file_path().to_string())
        .file_format(file.file_format())
        .partition(file.partition().clone())
        .record_count(file.record_count())
        .file_size_in_bytes(file.file_size_in_bytes())
        .column_sizes(file.column_sizes().clone())
        .value_counts(file.value_counts().clone())
        .null_value_counts(file.null_value_counts().clone())
        .nan_value_counts(file.nan_value_counts().clone())
        .lower_bounds(file.lower_bounds().clone())
        .upper_bounds(file.upper_bounds().clone())
        .key_metadata(file.key_metadata().map(<[u8]>::to_vec))
        .split_offsets(file.split_offsets().map(<[i64]>::to_vec))
        .equality_ids(file.equality_ids())
        .partition_spec_id(spec_id)
        .first_row_id(file.first_row_id())
        .referenced_data_file(file.referenced_data_file())
        .content_offset(file.content_offset())
        .content_size_in_bytes(file.content_size_in_bytes());
    if let Some(order) = file.sort_order_id() {
        builder.sort_order_id(order);
    }
    builder
}

/// All live files of a snapshot, data and deletes, in the order in which they were added.
pub fn live_files(io: &LakeIo, metadata: &TableMetadata, snapshot: &Snapshot) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for manifest in manifests(io, metadata, snapshot)? {
        if manifest.has_added_files() || manifest.has_existing_files() {
            files.extend(read_manifest(io, metadata, &manifest)?.entries.into_iter().filter(FileEntry::is_live));
        }
    }
    files.sort_by(|a, b| (a.file_sequence, a.file.file_path()).cmp(&(b.file_sequence, b.file.file_path())));
    Ok(files)
}
