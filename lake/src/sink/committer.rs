//! Makes the files of a checkpoint visible, once.

use super::properties::WriteProperties;
use super::roll::Roller;
use super::token::Token;
use super::writer::attempt_folder;
use crate::commit::identity::{self, CHECKPOINT_ID, JOB_ID, OFFSETS, PREVIOUS_CHECKPOINT_ID, WATERMARK};
use crate::commit::{AddedFile, TableChange, commit};
use crate::files;
use crate::maintain::trim;
use crate::table::LakeTable;
use freshet_connector_api::{Commit, SinkCommitter, WriterContext};
use freshet_types::{CheckpointId, Result, Watermark};
use iceberg::spec::SnapshotRef;
use std::collections::{BTreeMap, HashSet};
use std::thread::JoinHandle;
use uuid::Uuid;

/// Offsets longer than this stand in the checkpoint only: each snapshot would carry them for as long as it lives.
const OFFSETS_MAX: usize = 16 << 10;

pub(super) struct LakeCommitter {
    table: LakeTable,
    /// The table that the job began with: one of the same name that someone made since is another.
    uuid: Uuid,
    properties: WriteProperties,
    attempt: u64,
    job: String,
    roller: Roller,
    sweeping: Option<JoinHandle<()>>,
}

impl LakeCommitter {
    pub(super) fn new(table: &LakeTable, properties: &WriteProperties, context: &WriterContext) -> Self {
        Self {
            uuid: table.metadata().uuid(),
            table: table.clone(),
            properties: properties.clone(),
            attempt: context.attempt,
            job: context.job_id.clone(),
            sweeping: None,
            roller: Roller::new(properties, attempt_folder(properties, &context.job_id, context.attempt)),
        }
    }

    fn same_table(&self, table: &LakeTable) -> Result<()> {
        if table.metadata().uuid() == self.uuid {
            return Ok(());
        }
        Err(super::replaced())
    }

    fn commit_files(&mut self, checkpoint: &Commit) -> Result<Vec<AddedFile>> {
        let tokens = checkpoint.tokens.iter().map(|t| Token::decode(t)).collect::<Result<Vec<_>>>()?;
        let mut added = Vec::new();
        let mut expired = Vec::new();
        let mut before = self.table.clone();
        let table = commit(&self.table, &mut |table| {
            self.same_table(table)?;
            let mut files = Vec::new();
            for token in &tokens {
                files.extend(token.files(table.metadata())?);
            }
            let digest = identity::digest(files.iter().map(|f| f.file.file_path()));
            // Also an empty checkpoint is refused by a table that is ahead of the job.
            let missing = identity::is_missing(table.metadata(), &checkpoint.job_id, checkpoint.checkpoint, &digest)?;
            if files.is_empty() || !missing {
                return Ok(None);
            }
            added = files.clone();
            expired = trim::superfluous(table.metadata(), table.clock().now_ms());
            before = table.clone();
            let previous = identity::held(table.metadata(), &checkpoint.job_id).map_or(0, |held| held.checkpoint.0);
            Ok(Some(TableChange {
                expired: expired.iter().map(|s| s.snapshot_id()).collect(),
                added: files,
                summary: summary(checkpoint, CheckpointId(previous)),
                set_properties: identity::properties(&checkpoint.job_id, checkpoint.checkpoint, &digest),
                ..TableChange::default()
            }))
        })?;
        self.table = table;
        if !expired.is_empty() {
            self.delete_behind(before, expired);
        }
        Ok(added)
    }

    /// Deletes what forgotten snapshots leave behind, beside the job; what fails is left to the chore `orphans`.
    fn delete_behind(&mut self, before: LakeTable, expired: Vec<SnapshotRef>) {
        self.wait_for_sweeping();
        let work = move || match trim::delete_unreachable(&before, &expired) {
            Ok(count) => tracing::debug!(table = before.full_name(), count, "deleted files of old snapshots"),
            Err(e) => tracing::warn!(table = before.full_name(), error = %e, "files of old snapshots stay"),
        };
        match std::thread::Builder::new().name("freshet-lake-trim".into()).spawn(work) {
            Ok(thread) => self.sweeping = Some(thread),
            Err(e) => tracing::warn!(error = %e, "files of old snapshots stay: no thread"),
        }
    }

    fn wait_for_sweeping(&mut self) {
        if self.sweeping.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("deleting files of old snapshots panicked");
        }
    }

    /// A job without a checkpoint begins anew: what the table says of an earlier life of it no longer counts.
    fn forget(&mut self) -> Result<()> {
        let job = self.job.clone();
        self.table = commit(&self.table, &mut |table| {
            self.same_table(table)?;
            match identity::held(table.metadata(), &job) {
                Some(held) if held.checkpoint > CheckpointId(0) => Ok(Some(TableChange {
                    set_properties: identity::properties(&job, CheckpointId(0), ""),
                    ..TableChange::default()
                })),
                _ => Ok(None),
            }
        })?;
        Ok(())
    }

    /// Deletes what earlier attempts wrote for checkpoints that never came to be.
    fn sweep(&self) -> Result<()> {
        let io = &self.table.loaded().io;
        // Attempts further back were swept when later ones began.
        let mut leftover = Vec::new();
        for attempt in self.attempt.saturating_sub(8)..=self.attempt {
            leftover.extend(io.list(&attempt_folder(&self.properties, &self.job, attempt))?);
        }
        if leftover.is_empty() {
            return Ok(());
        }
        let metadata = self.table.metadata();
        let mut referenced = HashSet::new();
        let mut read = HashSet::new();
        for snapshot in metadata.snapshots() {
            for manifest in files::manifests(io, metadata, snapshot)? {
                if read.insert(manifest.manifest_path.clone()) {
                    let entries = files::read_manifest(io, metadata, &manifest)?.entries;
                    referenced.extend(entries.iter().map(|e| io.normal(e.file.file_path())));
                }
            }
        }
        for file in leftover.iter().filter(|f| !referenced.contains(&f.path)) {
            io.delete(&file.path)?;
        }
        Ok(())
    }
}

fn summary(checkpoint: &Commit, before: CheckpointId) -> BTreeMap<String, String> {
    let mut summary = BTreeMap::from([
        (JOB_ID.to_string(), checkpoint.job_id.clone()),
        (CHECKPOINT_ID.to_string(), checkpoint.checkpoint.to_string()),
        (PREVIOUS_CHECKPOINT_ID.to_string(), before.to_string()),
    ]);
    if checkpoint.offsets.len() <= OFFSETS_MAX {
        summary.insert(OFFSETS.to_string(), checkpoint.offsets.clone());
    }
    if checkpoint.watermark > Watermark::MIN && checkpoint.watermark < Watermark::MAX {
        summary.insert(WATERMARK.to_string(), checkpoint.watermark.0.to_string());
    }
    summary
}

impl Drop for LakeCommitter {
    fn drop(&mut self) {
        self.wait_for_sweeping();
    }
}

impl SinkCommitter for LakeCommitter {
    fn recover(&mut self, last: Option<&Commit>) -> Result<()> {
        match last {
            Some(last) => self.commit_files(last).map(drop)?,
            None => self.forget()?,
        }
        self.table.catalog().tidy(self.table.name()).map_err(|e| e.at("table", self.table.full_name()))?;
        self.sweep().map_err(|e| e.at("table", self.table.full_name()))
    }

    fn commit(&mut self, checkpoint: &Commit) -> Result<()> {
        let added = self.commit_files(checkpoint)?;
        self.roller.committed(&self.table, &added, checkpoint.last);
        Ok(())
    }
}
