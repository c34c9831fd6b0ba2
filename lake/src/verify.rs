//! `freshet lake verify TABLE`: proves that a table is what its metadata says.

use crate::commit::identity::{self, CHECKPOINT_ID, JOB_ID, OFFSETS, PREVIOUS_CHECKPOINT_ID};
use crate::files::{self, ReadManifest};
use crate::puffin;
use crate::table::LakeTable;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use freshet_types::Result;
use iceberg::spec::{DataContentType, DataFileFormat, ManifestStatus, Snapshot, SnapshotRef};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Snapshots that were looked at.
    pub snapshots: usize,
    /// Manifests that were read.
    pub manifests: usize,
    /// Data and delete files that were looked for.
    pub files: usize,
    /// Rows of the data files of the current snapshot.
    pub rows: u64,
    /// Bytes of the files of the current snapshot.
    pub bytes: u64,
    /// What is wrong, one sentence each; empty when all is well.
    pub problems: Vec<String>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// The report as rows of `check` and `finding`: counts first, then one row for each problem.
    pub fn rows(&self) -> RecordBatch {
        let mut lines = vec![
            ("snapshots", self.snapshots.to_string()),
            ("manifests", self.manifests.to_string()),
            ("files", self.files.to_string()),
            ("rows", self.rows.to_string()),
            ("bytes", self.bytes.to_string()),
        ];
        lines.extend(self.problems.iter().map(|p| ("problem", p.clone())));
        let checks: ArrayRef = Arc::new(StringArray::from_iter_values(lines.iter().map(|l| l.0)));
        let findings: ArrayRef = Arc::new(StringArray::from_iter_values(lines.iter().map(|l| &l.1)));
        RecordBatch::try_from_iter([("check", checks), ("finding", findings)]).expect("columns of one length")
    }
}

/// Checks that all manifests are readable, that no file counts twice, that files are there with the right size, that
/// totals are right, and that checkpoints and offsets of each job only go forward.
///
/// # Errors
/// Only when the catalog or the storage does not answer; what is wrong with the table stands in the report.
pub fn verify(table: &LakeTable) -> Result<VerifyReport> {
    let mut check =
        Check { table, report: VerifyReport::default(), manifests: HashMap::new(), vectors: BTreeMap::new() };
    check.metadata_name()?;
    let mut snapshots: Vec<&SnapshotRef> = table.metadata().snapshots().collect();
    snapshots.sort_by_key(|s| (s.sequence_number(), s.timestamp_ms()));
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    let mut added: HashMap<String, i64> = HashMap::new();
    for snapshot in &snapshots {
        check.snapshot(snapshot, &mut sizes, &mut added)?;
    }
    check.files(&sizes)?;
    check.jobs();
    Ok(check.report)
}

struct Check<'a> {
    table: &'a LakeTable,
    report: VerifyReport,
    /// Manifests that were read, by path; none where that failed.
    manifests: HashMap<String, Option<ReadManifest>>,
    /// Puffin files with the places of the deletion vectors in them.
    vectors: BTreeMap<String, BTreeSet<(i64, i64)>>,
}

impl Check<'_> {
    fn problem(&mut self, text: String) {
        self.report.problems.push(text);
    }

    /// Readers without a catalog take the last name for the current version.
    fn metadata_name(&mut self) -> Result<()> {
        let loaded = self.table.loaded();
        let Some((folder, _)) = loaded.location.rsplit_once('/') else { return Ok(()) };
        let current = loaded.io.normal(&loaded.location);
        let version = crate::metadata::version_of(&current);
        let newer = loaded
            .io
            .list(folder)?
            .into_iter()
            .filter(|f| f.path.ends_with(".metadata.json") && crate::metadata::version_of(&f.path) > version)
            .count();
        if newer > 0 {
            self.problem(format!("{newer} metadata files have a later version than the catalog's"));
        }
        Ok(())
    }

    fn snapshot(
        &mut self,
        snapshot: &Snapshot,
        sizes: &mut BTreeMap<String, u64>,
        added: &mut HashMap<String, i64>,
    ) -> Result<()> {
        let (io, metadata) = (&self.table.loaded().io, self.table.metadata());
        let id = snapshot.snapshot_id();
        self.report.snapshots += 1;
        let manifests = match files::manifests(io, metadata, snapshot) {
            Ok(manifests) => manifests,
            Err(e) if e.is_retryable() => return Err(e),
            Err(e) => {
                self.problem(format!("snapshot {id}: {e}"));
                return Ok(());
            }
        };
        let mut live = HashSet::new();
        let (mut rows, mut bytes, mut data_files) = (0, 0, 0);
        let mut is_whole = true;
        for manifest in manifests {
            let path = manifest.manifest_path.clone();
            if !self.manifests.contains_key(&path) {
                let read = match files::read_manifest(io, metadata, &manifest) {
                    Ok(read) => Some(read),
                    Err(e) if e.is_retryable() => return Err(e),
                    Err(e) => {
                        self.problem(format!("snapshot {id}: {e}"));
                        None
                    }
                };
                self.report.manifests += 1;
                self.manifests.insert(path.clone(), read);
            }
            let Some(Some(read)) = self.manifests.get(&path) else {
                is_whole = false;
                continue;
            };
            let mut problems = Vec::new();
            for entry in &read.entries {
                let file = entry.file.file_path();
                if entry.status == ManifestStatus::Added
                    && let Some(other) = added.insert(file.to_string(), entry.snapshot_id)
                    && other != entry.snapshot_id
                {
                    problems.push(format!(
                        "file \"{file}\" was added twice, by snapshots {other} and {}",
                        entry.snapshot_id
                    ));
                }
                if !entry.is_live() {
                    continue;
                }
                // Deletion vectors of several data files share one file.
                let part = (file.to_string(), entry.file.content_offset());
                if !live.insert(part) {
                    problems.push(format!("snapshot {id} counts file \"{file}\" twice"));
                }
                if entry.file.file_format() == DataFileFormat::Puffin {
                    let place = entry.file.content_offset().zip(entry.file.content_size_in_bytes());
                    self.vectors.entry(file.to_string()).or_default().extend(place);
                }
                sizes.insert(file.to_string(), entry.file.file_size_in_bytes());
                bytes += entry.file.file_size_in_bytes();
                if entry.file.content_type() == DataContentType::Data {
                    rows += entry.file.record_count();
                    data_files += 1;
                }
            }
            self.report.problems.extend(problems);
        }
        let summary = &snapshot.summary().additional_properties;
        let totals = [("total-records", rows), ("total-data-files", data_files)];
        for (key, is) in totals.into_iter().filter(|_| is_whole) {
            if let Some(says) = summary.get(key).and_then(|v| v.parse::<u64>().ok()).filter(|says| *says != is) {
                self.problem(format!("snapshot {id}: \"{key}\" is {says}, the manifests say {is}"));
            }
        }
        if metadata.current_snapshot_id() == Some(id) {
            (self.report.rows, self.report.bytes) = (rows, bytes);
        }
        Ok(())
    }

    fn files(&mut self, sizes: &BTreeMap<String, u64>) -> Result<()> {
        let io = &self.table.loaded().io;
        self.report.files = sizes.len();
        for (path, size) in sizes {
            let found = match io.stat(path) {
                Ok(found) => found,
                Err(e) if e.is_retryable() => return Err(e),
                Err(e) => {
                    self.report.problems.push(e.to_string());
                    continue;
                }
            };
            match found {
                None => self.report.problems.push(format!("file \"{path}\" is missing")),
                Some(found) if found.size != *size => self
                    .report
                    .problems
                    .push(format!("file \"{path}\" has {} bytes, the manifest says {size}", found.size)),
                Some(_) => self.vectors_of(path)?,
            }
        }
        Ok(())
    }

    /// Deletion vectors stand where the manifest says, as blobs of a Puffin file.
    fn vectors_of(&mut self, path: &str) -> Result<()> {
        let Some(places) = self.vectors.get(path) else { return Ok(()) };
        let found = self.table.loaded().io.read(path).and_then(|file| puffin::blobs(&file));
        match found {
            Ok(blobs) => {
                let known: BTreeSet<(i64, i64)> = blobs.iter().map(|b| (b.offset as i64, b.length as i64)).collect();
                let strays = places.difference(&known);
                self.report.problems.extend(
                    strays.map(|(offset, _)| format!("file \"{path}\" has no deletion vector at byte {offset}")),
                );
            }
            Err(e) if e.is_retryable() => return Err(e),
            Err(e) => self.report.problems.push(format!("file \"{path}\": {e}")),
        }
        Ok(())
    }

    fn jobs(&mut self) {
        let metadata = self.table.metadata();
        let mut ancestors: Vec<SnapshotRef> = Vec::new();
        let mut next = metadata.current_snapshot().cloned();
        while let Some(snapshot) = next {
            next = snapshot.parent_snapshot_id().and_then(|id| metadata.snapshot_by_id(id).cloned());
            ancestors.push(snapshot);
        }
        let mut last: HashMap<String, (u64, Option<Value>)> = HashMap::new();
        for snapshot in ancestors.iter().rev() {
            let summary = &snapshot.summary().additional_properties;
            let Some(job) = summary.get(JOB_ID) else { continue };
            let number = |key: &str| summary.get(key).and_then(|v| v.parse::<u64>().ok());
            let id = snapshot.snapshot_id();
            let Some(checkpoint) = number(CHECKPOINT_ID) else {
                self.problem(format!("snapshot {id}: job \"{job}\" names no checkpoint"));
                continue;
            };
            let offsets = summary.get(OFFSETS).and_then(|o| serde_json::from_str::<Value>(o).ok());
            let previous = number(PREVIOUS_CHECKPOINT_ID);
            // A job that was started over begins with "0" again.
            if let Some((before, offsets_before)) = last.get(job).filter(|_| previous != Some(0)) {
                let before = *before;
                if checkpoint <= before {
                    self.problem(format!("snapshot {id}: checkpoint {checkpoint} of job \"{job}\" follows {before}"));
                }
                if previous.is_some_and(|p| p != before) {
                    let previous = previous.unwrap_or_default();
                    self.problem(format!(
                        "snapshot {id}: checkpoint {checkpoint} of job \"{job}\" follows {before}, but was made after {previous}"
                    ));
                }
                if let (Some(before), Some(now)) = (offsets_before, &offsets)
                    && let Some(split) = went_back(before, now, "")
                {
                    self.problem(format!("snapshot {id}: offset of \"{split}\" of job \"{job}\" went back"));
                }
            }
            last.insert(job.clone(), (checkpoint, offsets));
        }
        let mut jobs: Vec<_> = last.into_iter().collect();
        jobs.sort_by(|a, b| a.0.cmp(&b.0));
        for (job, (checkpoint, _)) in jobs {
            let held = identity::held(metadata, &job).map_or(0, |h| h.checkpoint.0);
            if held != checkpoint && held != 0 {
                self.problem(format!(
                    "the table property of job \"{job}\" says {held}, its last snapshot {checkpoint}"
                ));
            }
        }
    }
}

/// The first place at which a number became smaller.
fn went_back(before: &Value, now: &Value, place: &str) -> Option<String> {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => before.iter().find_map(|(key, value)| {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            went_back(value, now.get(key)?, &place)
        }),
        _ => {
            let number = |v: &Value| match v {
                Value::Number(n) => n.as_i64(),
                Value::String(text) => text.parse().ok(),
                _ => None,
            };
            (number(now)? < number(before)?).then(|| place.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
