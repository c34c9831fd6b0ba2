//! Small notes in the job's state folder: open uploads to S3 (which no listing shows), checkpoints that are committed,
//! partitions that wait for their marker.
//!
//! Notes only save work or litter: without them output is still exactly once.

use super::token;
use crate::draw::fnv;
use crate::storage::Storage;
use freshet_types::{Error, Options, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// An open upload.
#[derive(Debug, Serialize, Deserialize)]
struct Upload {
    path: String,
    id: String,
}

#[derive(Clone)]
pub(super) struct Journal {
    notes: Storage,
    job_id: String,
}

impl Journal {
    /// The notes of one job on one target.
    pub(super) fn open(state_dir: &Path, job_id: &str, target_url: &str) -> Result<Self> {
        let folder = format!("filesystem/{:016x}", fnv(format!("{job_id}\n{target_url}").as_bytes()));
        let path = state_dir.join(folder);
        let path =
            path.to_str().ok_or_else(|| Error::invalid("storage.name", "the state folder's name is not UTF-8"))?;
        Ok(Self { notes: Storage::open(path, &Options::default())?, job_id: job_id.to_string() })
    }

    /// Notes an upload that has begun; the result names the note.
    pub(super) fn upload_begun(&self, attempt: u64, path: &str, id: &str) -> Result<String> {
        let note =
            format!("uploads/{}.{}.staged", uuid::Uuid::new_v4().simple(), token::open_tag(&self.job_id, attempt));
        let upload = Upload { path: path.to_string(), id: id.to_string() };
        self.notes.put_durable(&note, json(&upload)?)?;
        Ok(note)
    }

    /// Notes that an upload belongs to a checkpoint.
    pub(super) fn upload_prepared(&self, note: &str, attempt: u64, checkpoint: u64) -> Result<()> {
        let (before, _) = note.split_once('.').unwrap_or((note, ""));
        let new = format!("{before}.{}.staged", token::prepared_tag(&self.job_id, attempt, checkpoint));
        self.notes.rename_durable(note, &new)
    }

    /// Ends uploads that are left over for attempt `attempt`, which goes on behind checkpoint `last`.
    pub(super) fn end_leftover_uploads(&self, target: &Storage, attempt: u64, last: Option<u64>) -> Result<()> {
        for entry in self.notes.list("uploads")? {
            let owner = token::owner(&entry.path, &self.job_id);
            if owner.is_some_and(|owner| token::is_leftover(owner, attempt, last)) {
                let upload: Upload = serde_json::from_slice(&self.notes.read_all(&entry.path)?).map_err(unreadable)?;
                target.discard_upload(&upload.path, &upload.id)?;
                self.notes.delete(&entry.path)?;
            }
        }
        Ok(())
    }

    /// Forgets uploads of checkpoints up to `last`: their tokens know them.
    pub(super) fn forget_uploads(&self, last: u64) -> Result<()> {
        for entry in self.notes.list("uploads")? {
            let owner = token::owner(&entry.path, &self.job_id);
            if matches!(owner, Some((_, Some(checkpoint))) if checkpoint <= last) {
                self.notes.delete(&entry.path)?;
            }
        }
        Ok(())
    }

    /// Notes that a checkpoint with these tokens is committed, and forgets earlier ones.
    pub(super) fn committed(&self, checkpoint: u64, tokens: &[Vec<u8>]) -> Result<()> {
        self.notes.put_durable(&committed_note(checkpoint, tokens), "")?;
        for name in self.notes.list_folder("committed")? {
            let number = name.split('-').next().and_then(|n| n.parse::<u64>().ok());
            if number.is_some_and(|n| n < checkpoint) {
                self.notes.delete(&format!("committed/{name}"))?;
            }
        }
        Ok(())
    }

    /// Whether a checkpoint with these tokens is noted as committed.
    pub(super) fn is_committed(&self, checkpoint: u64, tokens: &[Vec<u8>]) -> Result<bool> {
        self.notes.exists(&committed_note(checkpoint, tokens))
    }

    /// Partitions that wait for their marker, with the time of their first file.
    pub(super) fn waiting_partitions(&self) -> Result<BTreeMap<String, i64>> {
        match self.notes.stat("partitions.json")? {
            None => Ok(BTreeMap::new()),
            Some(_) => serde_json::from_slice(&self.notes.read_all("partitions.json")?).map_err(unreadable),
        }
    }

    /// Keeps the partitions that wait for their marker.
    pub(super) fn keep_waiting_partitions(&self, partitions: &BTreeMap<String, i64>) -> Result<()> {
        self.notes.put_durable("partitions.json", json(partitions)?)
    }
}

fn committed_note(checkpoint: u64, tokens: &[Vec<u8>]) -> String {
    format!("committed/{checkpoint}-{:016x}", fnv(&tokens.concat()))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::internal("filesystem.note", format!("a note cannot be written: {e}")))
}

fn unreadable(e: serde_json::Error) -> Error {
    Error::data("filesystem.note", format!("a note in the state folder cannot be read: {e}"))
        .hint("remove the job's folder \"filesystem\" in the state folder; no row is lost by it")
}
