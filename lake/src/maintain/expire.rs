//! Forgets old snapshots, and deletes the files that only they needed.

use super::{Chore, ChoreReport};
use crate::commit::{TableChange, commit};
use crate::files;
use crate::table::LakeTable;
use freshet_types::{OptionKind, OptionSpec, Options, Result};
use iceberg::spec::TableMetadata;
use std::collections::{BTreeMap, BTreeSet};

/// The chore `expire`.
pub(super) struct Expire;

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::optional(
        "older-than",
        OptionKind::Duration,
        "age at which a snapshot goes; default: the table's 'history.expire.max-snapshot-age-ms', else 5 days",
    ),
    OptionSpec::optional(
        "retain-last",
        OptionKind::Int,
        "snapshots that stay whatever their age; default: the table's 'history.expire.min-snapshots-to-keep', else 1",
    ),
];

const AGE_MS: i64 = 5 * 24 * 3_600 * 1_000;

impl Chore for Expire {
    fn name(&self) -> &'static str {
        "expire"
    }

    fn doc(&self) -> &'static str {
        "forgets old snapshots and deletes the files that only they needed"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn run(&self, table: &LakeTable, options: &Options) -> Result<ChoreReport> {
        options.check(OPTIONS)?;
        let (age, retain) = (options.duration("older-than")?, options.int("retain-last")?);
        let now_ms = table.clock().now_ms();
        let mut expired = Vec::new();
        let mut before = table.clone();
        let after = commit(table, &mut |table| {
            let property = |name: &str| table.metadata().properties().get(name).and_then(|v| v.parse::<i64>().ok());
            let age_ms = age
                .map(|a| i64::try_from(a.as_millis()).unwrap_or(i64::MAX))
                .or_else(|| property("history.expire.max-snapshot-age-ms"))
                .unwrap_or(AGE_MS);
            let retain = retain.or_else(|| property("history.expire.min-snapshots-to-keep")).unwrap_or(1).max(1);
            expired = too_old(table.metadata(), now_ms.saturating_sub(age_ms), retain as usize);
            before = table.clone();
            Ok((!expired.is_empty()).then(|| TableChange { expired: expired.clone(), ..TableChange::default() }))
        })?;
        let mut report = ChoreReport { snapshots_removed: expired.len(), ..ChoreReport::default() };
        if expired.is_empty() || table.metadata().properties().get("gc.enabled").is_some_and(|v| v == "false") {
            return Ok(report);
        }
        let kept = reachable(&after, None)?;
        let gone = reachable(&before, Some(&expired))?;
        for (path, size) in gone {
            if !kept.contains_key(&path) {
                after.loaded().io.delete(&path)?;
                report.files_removed += 1;
                report.bytes_removed += size;
            }
        }
        Ok(report)
    }
}

/// Snapshots that no branch, tag, age or count keeps.
fn too_old(metadata: &TableMetadata, older_than_ms: i64, retain: usize) -> Vec<i64> {
    let mut kept: BTreeSet<i64> = metadata.current_snapshot_id().into_iter().collect();
    let refs = crate::metadata::references(metadata);
    kept.extend(refs.values().map(|r| r.snapshot_id));
    let heads: Vec<i64> = refs.values().filter(|r| r.is_branch()).map(|r| r.snapshot_id).collect();
    for head in heads.into_iter().chain(metadata.current_snapshot_id()) {
        let mut next = Some(head);
        let mut count = 0;
        while let Some(snapshot) = next.and_then(|id| metadata.snapshot_by_id(id)) {
            // Ancestors stay without a gap: the history of a branch ends at the first that goes.
            if count >= retain && snapshot.timestamp_ms() < older_than_ms {
                break;
            }
            count += 1;
            kept.insert(snapshot.snapshot_id());
            next = snapshot.parent_snapshot_id();
        }
    }
    let mut expired: Vec<i64> = metadata
        .snapshots()
        .filter(|s| !kept.contains(&s.snapshot_id()) && s.timestamp_ms() < older_than_ms)
        .map(|s| s.snapshot_id())
        .collect();
    expired.sort_unstable();
    expired
}

/// All files of these snapshots (none: of all) with their sizes.
pub(super) fn reachable(table: &LakeTable, snapshots: Option<&[i64]>) -> Result<BTreeMap<String, u64>> {
    let (io, metadata) = (&table.loaded().io, table.metadata());
    let mut found = BTreeMap::new();
    for snapshot in metadata.snapshots() {
        if snapshots.is_some_and(|wanted| !wanted.contains(&snapshot.snapshot_id())) {
            continue;
        }
        found.insert(io.normal(snapshot.manifest_list()), 0);
        for manifest in files::manifests(io, metadata, snapshot)? {
            let path = io.normal(&manifest.manifest_path);
            if found.insert(path, manifest.manifest_length.max(0) as u64).is_some() {
                continue;
            }
            // A file that a snapshot removed still belongs to those before it, which list it as live themselves.
            for entry in files::read_manifest(io, metadata, &manifest)?.entries.iter().filter(|e| e.is_live()) {
                found.insert(io.normal(entry.file.file_path()), entry.file.file_size_in_bytes());
            }
        }
    }
    Ok(found)
}
