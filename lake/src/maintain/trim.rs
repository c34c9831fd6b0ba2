//! Keeps the number of snapshots of a busy table bounded: every checkpoint makes one, and each is written again with
//! every commit.
//!
//! Only the oldest part of a history without branches and tags goes, so that what became unreachable can be told from
//! the first and the last snapshots alone, without reading all others.

use crate::files::{self, FileEntry};
use crate::table::LakeTable;
use freshet_types::Result;
use iceberg::spec::{MAIN_BRANCH, SnapshotRef, TableMetadata};
use std::collections::{BTreeMap, HashSet};

/// Snapshots beyond which the oldest go, unless the table says otherwise.
const SNAPSHOTS_MAX: usize = 1_000;
/// Younger snapshots stay: a query may be reading them.
const AGE_MIN_MS: i64 = 5 * 60 * 1_000;

/// The snapshots that should go now, oldest first.
pub(crate) fn superfluous(metadata: &TableMetadata, now_ms: i64) -> Vec<SnapshotRef> {
    let property = |name: &str| metadata.properties().get(name).and_then(|v| v.parse::<i64>().ok());
    let most = property("freshet.snapshots-max").map_or(SNAPSHOTS_MAX, |n| usize::try_from(n).unwrap_or(0));
    let count = metadata.snapshots().len();
    let unwanted = metadata.properties().get("gc.enabled").is_some_and(|v| v == "false");
    if most == 0 || count <= most || unwanted {
        return Vec::new();
    }
    let history = ancestors(metadata);
    // Branches, tags and rolled-back snapshots are for the chore `expire`, which looks at everything.
    if history.len() != count || !only_main(metadata) {
        return Vec::new();
    }
    let age_ms = property("history.expire.max-snapshot-age-ms").unwrap_or(AGE_MIN_MS);
    let keep = property("history.expire.min-snapshots-to-keep").map_or(0, |n| usize::try_from(n).unwrap_or(0));
    // Some more than needed, so that this does not happen at every commit.
    let target = (most - most / 4).max(keep).max(1);
    let goes = history.len().saturating_sub(target);
    history.into_iter().take(goes).take_while(|s| s.timestamp_ms() < now_ms.saturating_sub(age_ms)).collect()
}

/// The current snapshot and those before it, oldest first.
fn ancestors(metadata: &TableMetadata) -> Vec<SnapshotRef> {
    let mut found = Vec::new();
    let mut next = metadata.current_snapshot().cloned();
    while let Some(snapshot) = next {
        next = snapshot.parent_snapshot_id().and_then(|id| metadata.snapshot_by_id(id).cloned());
        found.push(snapshot);
    }
    found.reverse();
    found
}

fn only_main(metadata: &TableMetadata) -> bool {
    crate::metadata::references(metadata).keys().all(|name| name == MAIN_BRANCH)
}

/// Deletes the files that only `expired` needed; `before` is the table that still had them.
pub(crate) fn delete_unreachable(before: &LakeTable, expired: &[SnapshotRef]) -> Result<usize> {
    let (io, metadata) = (&before.loaded().io, before.metadata());
    let Some((first, last)) = expired.first().zip(expired.last()) else { return Ok(0) };
    let next = metadata.snapshots().find(|s| s.parent_snapshot_id() == Some(last.snapshot_id()));
    let Some(next) = next.cloned() else { return Ok(0) };
    let kept = files::manifests(io, metadata, &next)?;
    let kept_paths: HashSet<&str> = kept.iter().map(|m| m.manifest_path.as_str()).collect();
    let mut dropped = BTreeMap::new();
    let mut oldest = HashSet::new();
    for snapshot in expired {
        for manifest in files::manifests(io, metadata, snapshot)? {
            if snapshot.snapshot_id() == first.snapshot_id() {
                oldest.insert(manifest.manifest_path.clone());
            }
            if !kept_paths.contains(manifest.manifest_path.as_str()) {
                dropped.insert(manifest.manifest_path.clone(), manifest);
            }
        }
    }
    let mut gone = HashSet::new();
    for manifest in dropped.values() {
        let entries = files::read_manifest(io, metadata, manifest)?.entries;
        gone.extend(entries.iter().filter(|e| e.is_live()).map(|e| e.file.file_path().to_string()));
    }
    // A file of a dropped manifest lives on only in a manifest that is younger than the oldest snapshot.
    for manifest in kept.iter().filter(|m| !oldest.contains(&m.manifest_path)) {
        for entry in files::read_manifest(io, metadata, manifest)?.entries.iter().filter(|e| FileEntry::is_live(e)) {
            gone.remove(entry.file.file_path());
        }
    }
    let lists = expired.iter().map(|s| s.manifest_list().to_string());
    let mut count = 0;
    for path in gone.into_iter().chain(dropped.into_keys()).chain(lists) {
        io.delete(&path)?;
        count += 1;
    }
    Ok(count)
}
