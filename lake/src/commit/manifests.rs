//! Turns a change into manifests, a manifest list and a snapshot.

use super::summary::Changes;
use super::{AddedFile, TableChange};
use crate::error::Explain;
use crate::files::{self, FileEntry};
use crate::io::LakeIo;
use crate::table::LakeTable;
use freshet_types::{Error, Result};
use futures::FutureExt;
use iceberg::io::FileIO;
use iceberg::spec::{
    FormatVersion, ManifestContentType, ManifestFile, ManifestListWriter, ManifestWriter, ManifestWriterBuilder,
    SchemaRef, Snapshot, SnapshotReference, SnapshotRetention, TableMetadata,
};
use iceberg::{TableRequirement, TableUpdate};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// Manifests of about the same size that are merged into one; each entry is copied once per level.
const MERGE_COUNT: usize = 32;

/// Files of metadata are made in memory, and written by our own storage: the library's does not sync them.
fn in_memory<T>(future: impl Future<Output = iceberg::Result<T>>, what: &str) -> Result<T> {
    future.now_or_never().expect("memory never makes anyone wait").explain(what)
}

struct Builder<'a> {
    metadata: &'a TableMetadata,
    io: &'a LakeIo,
    memory: FileIO,
    snapshot_id: i64,
    uuid: Uuid,
    count: usize,
    /// Files that were written, for the clean-up when the swap fails.
    written: &'a mut Vec<String>,
}

/// Writes the files of a change and gives the updates that make it visible.
pub(super) fn build(
    table: &LakeTable,
    change: &TableChange,
    written: &mut Vec<String>,
) -> Result<(Vec<TableUpdate>, Vec<TableRequirement>)> {
    let metadata = table.metadata();
    let mut requirements = vec![TableRequirement::UuidMatch { uuid: metadata.uuid() }];
    let mut updates = Vec::new();
    if change.makes_snapshot() {
        let parent = metadata.snapshot_for_ref(change.branch());
        requirements.push(TableRequirement::RefSnapshotIdMatch {
            r#ref: change.branch().to_string(),
            snapshot_id: parent.map(|s| s.snapshot_id()),
        });
        let parent = parent.cloned();
        let mut builder = Builder {
            metadata,
            io: &table.loaded().io,
            memory: FileIO::new_with_memory(),
            snapshot_id: new_snapshot_id(metadata),
            uuid: Uuid::now_v7(),
            count: 0,
            written,
        };
        let now_ms = table.clock().now_ms().max(metadata.last_updated_ms());
        let snapshot = builder.snapshot(change, parent.as_deref(), now_ms)?;
        let reference = reference(metadata, change.branch(), snapshot.snapshot_id());
        updates.push(TableUpdate::AddSnapshot { snapshot });
        updates.push(TableUpdate::SetSnapshotRef { ref_name: change.branch().to_string(), reference });
    }
    if !change.set_properties.is_empty() {
        let set: HashMap<String, String> = change.set_properties.clone().into_iter().collect();
        updates.push(TableUpdate::SetProperties { updates: set });
    }
    if !change.remove_properties.is_empty() {
        updates.push(TableUpdate::RemoveProperties { removals: change.remove_properties.clone() });
    }
    if !change.expired.is_empty() {
        updates.push(TableUpdate::RemoveSnapshots { snapshot_ids: change.expired.clone() });
    }
    Ok((updates, requirements))
}

/// The branch with the retention that it had.
fn reference(metadata: &TableMetadata, branch: &str, snapshot_id: i64) -> SnapshotReference {
    match crate::metadata::references(metadata).remove(branch) {
        Some(kept) if kept.is_branch() => SnapshotReference::new(snapshot_id, kept.retention),
        _ => SnapshotReference::new(snapshot_id, SnapshotRetention::branch(None, None, None)),
    }
}

fn new_snapshot_id(metadata: &TableMetadata) -> i64 {
    loop {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let id = ((high ^ low) >> 1) as i64;
        if id > 0 && metadata.snapshot_by_id(id).is_none() {
            return id;
        }
    }
}

impl Builder<'_> {
    fn snapshot(&mut self, change: &TableChange, parent: Option<&Snapshot>, now_ms: i64) -> Result<Snapshot> {
        let metadata = self.metadata;
        let mut changes = Changes::new(Arc::clone(metadata.current_schema()));
        let mut manifests = Vec::new();
        // New manifests first: readers that want the newest rows find them at once.
        for (files, content) in
            [(&change.added, ManifestContentType::Data), (&change.deletes, ManifestContentType::Deletes)]
        {
            for (spec_id, files) in by_spec(files) {
                let spec = metadata.partition_spec_by_id(spec_id).ok_or_else(|| no_spec(spec_id))?;
                let mut writer = self.writer(content, spec_id, metadata.current_schema())?;
                for added in files {
                    changes.add(&added.file, spec);
                    writer.add_file(added.file.clone(), added.sequence.unwrap_or(-1)).explain("manifest")?;
                }
                manifests.push(self.finish(writer)?);
            }
        }
        if let Some(parent) = parent {
            let carried = self.carry_on(change, parent, &mut changes)?;
            manifests.extend(self.merge(carried)?);
        }
        let sequence = metadata.next_sequence_number();
        let parent_id = parent.map(Snapshot::snapshot_id);
        let location = format!("{}/metadata/snap-{}-0-{}.avro", metadata.location(), self.snapshot_id, self.uuid);
        let output = self.memory.new_output(&location).explain("manifest list")?;
        let writer = in_memory(output.writer(), "manifest list")?;
        let mut list = match metadata.format_version() {
            FormatVersion::V1 => ManifestListWriter::v1(writer, self.snapshot_id, parent_id),
            FormatVersion::V2 => ManifestListWriter::v2(writer, self.snapshot_id, parent_id, sequence),
            FormatVersion::V3 => {
                ManifestListWriter::v3(writer, self.snapshot_id, parent_id, sequence, Some(metadata.next_row_id()))
            }
        };
        list.add_manifests(manifests.into_iter()).explain("manifest list")?;
        let next_row = list.next_row_id();
        in_memory(list.close(), "manifest list")?;
        self.store(&location)?;
        let snapshot = Snapshot::builder()
            .with_manifest_list(location)
            .with_snapshot_id(self.snapshot_id)
            .with_parent_snapshot_id(parent_id)
            .with_sequence_number(sequence)
            .with_summary(changes.finish(change, parent))
            .with_schema_id(metadata.current_schema_id())
            .with_timestamp_ms(now_ms);
        Ok(match next_row {
            Some(next) => snapshot.with_row_range(metadata.next_row_id(), next - metadata.next_row_id()).build(),
            None => snapshot.build(),
        })
    }

    fn writer(&mut self, content: ManifestContentType, spec_id: i32, schema: &SchemaRef) -> Result<ManifestWriter> {
        self.count += 1;
        let location = format!("{}/metadata/{}-m{}.avro", self.metadata.location(), self.uuid, self.count);
        let spec = self.metadata.partition_spec_by_id(spec_id).ok_or_else(|| no_spec(spec_id))?;
        let output = self.memory.new_output(location).explain("manifest")?;
        let builder =
            ManifestWriterBuilder::new(output, Some(self.snapshot_id), Arc::clone(schema), spec.as_ref().clone());
        Ok(match (self.metadata.format_version(), content) {
            (FormatVersion::V1, ManifestContentType::Data) => builder.build_v1(),
            (FormatVersion::V1, ManifestContentType::Deletes) => {
                return Err(Error::unsupported(
                    "lake.format_version",
                    "a table of format version 1 has no delete files",
                )
                .hint("upgrade the table to format version 2"));
            }
            (FormatVersion::V2, ManifestContentType::Data) => builder.build_v2_data(),
            (FormatVersion::V2, ManifestContentType::Deletes) => builder.build_v2_deletes(),
            (FormatVersion::V3, ManifestContentType::Data) => builder.build_v3_data(),
            (FormatVersion::V3, ManifestContentType::Deletes) => builder.build_v3_deletes(),
        })
    }

    fn finish(&mut self, writer: ManifestWriter) -> Result<ManifestFile> {
        let manifest = in_memory(writer.write_manifest_file(), "manifest")?;
        self.store(&manifest.manifest_path)?;
        Ok(manifest)
    }

    fn store(&mut self, location: &str) -> Result<()> {
        let file = self.memory.new_input(location).explain("manifest")?;
        let bytes = in_memory(file.read(), "manifest")?;
        self.written.push(location.to_string());
        self.io.write(location, bytes)
    }

    /// The manifests of the parent, without the files that go.
    fn carry_on(
        &mut self,
        change: &TableChange,
        parent: &Snapshot,
        changes: &mut Changes,
    ) -> Result<Vec<ManifestFile>> {
        let mut carried = Vec::new();
        let mut found = BTreeSet::new();
        for manifest in files::manifests(self.io, self.metadata, parent)? {
            // One with removed entries only has told its story in the snapshot before.
            if !manifest.has_added_files() && !manifest.has_existing_files() {
                continue;
            }
            if change.removed.is_empty() || found.len() == change.removed.len() {
                carried.push(manifest);
                continue;
            }
            let read = files::read_manifest(self.io, self.metadata, &manifest)?;
            let goes = |e: &FileEntry| e.is_live() && change.removed.contains(e.file.file_path());
            if !read.entries.iter().any(goes) {
                carried.push(manifest);
                continue;
            }
            let spec = self.metadata.partition_spec_by_id(manifest.partition_spec_id);
            let spec = Arc::clone(spec.ok_or_else(|| no_spec(manifest.partition_spec_id))?);
            let mut writer = self.writer(manifest.content, manifest.partition_spec_id, &read.schema)?;
            for entry in read.entries.iter().filter(|e| e.is_live()) {
                if goes(entry) {
                    found.insert(entry.file.file_path().to_string());
                    changes.remove(&entry.file, &spec);
                    writer.add_delete_file(entry.file.clone(), entry.sequence, Some(entry.file_sequence))
                } else {
                    add_existing(&mut writer, entry)
                }
                .explain("manifest")?;
            }
            carried.push(self.finish(writer)?);
        }
        match change.removed.iter().find(|path| !found.contains(*path)) {
            None => Ok(carried),
            Some(gone) => {
                Err(Error::invalid("lake.not_live", format!("file \"{gone}\" is no longer part of the table"))
                    .hint("plan the change again on the table as it stands"))
            }
        }
    }

    /// Merges manifests of about the same number of files once there are many, so that their number stays logarithmic.
    fn merge(&mut self, manifests: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        let properties = self.metadata.properties();
        if properties.get("commit.manifest-merge.enabled").is_some_and(|v| v.eq_ignore_ascii_case("false")) {
            return Ok(manifests);
        }
        let at_least = properties.get("commit.manifest.min-count-to-merge").and_then(|v| v.parse().ok());
        let at_least: usize = at_least.unwrap_or(MERGE_COUNT).max(2);
        let mut classes: BTreeMap<(i32, u32), usize> = BTreeMap::new();
        for manifest in &manifests {
            if let Some(class) = self.class(manifest) {
                *classes.entry(class).or_default() += 1;
            }
        }
        let Some(full) = classes.into_iter().find(|(_, count)| *count >= at_least).map(|(class, _)| class) else {
            return Ok(manifests);
        };
        let (merged, mut kept): (Vec<_>, Vec<_>) = manifests.into_iter().partition(|m| self.class(m) == Some(full));
        let mut writer = self.writer(ManifestContentType::Data, full.0, self.metadata.current_schema())?;
        for manifest in &merged {
            for entry in files::read_manifest(self.io, self.metadata, manifest)?.entries.iter().filter(|e| e.is_live())
            {
                add_existing(&mut writer, entry).explain("manifest")?;
            }
        }
        kept.push(self.finish(writer)?);
        Ok(kept)
    }

    /// Which manifests may be merged with this one: partition spec and magnitude.
    fn class(&self, manifest: &ManifestFile) -> Option<(i32, u32)> {
        let files = manifest.added_files_count? + manifest.existing_files_count?;
        let spec = self.metadata.partition_spec_by_id(manifest.partition_spec_id)?;
        let mergeable = manifest.content == ManifestContentType::Data
            && manifest.key_metadata.is_none()
            // What was removed in this very snapshot must stay to be seen.
            && manifest.added_snapshot_id != self.snapshot_id
            // A spec over a column that is gone cannot be written with today's schema.
            && spec.partition_type(self.metadata.current_schema()).is_ok();
        mergeable.then(|| (manifest.partition_spec_id, files.max(1).ilog(MERGE_COUNT as u32)))
    }
}

fn add_existing(writer: &mut ManifestWriter, entry: &FileEntry) -> iceberg::Result<()> {
    writer.add_existing_file(entry.file.clone(), entry.snapshot_id, entry.sequence, Some(entry.file_sequence))
}

fn by_spec(files: &[AddedFile]) -> BTreeMap<i32, Vec<&AddedFile>> {
    let mut by_spec: BTreeMap<i32, Vec<&AddedFile>> = BTreeMap::new();
    for file in files {
        by_spec.entry(file.spec_id).or_default().push(file);
    }
    by_spec
}

fn no_spec(spec_id: i32) -> Error {
    Error::data("lake.no_spec", format!("the table has no partition spec {spec_id}"))
}
