//! A job's folder: locked by one process, root files, segments, and what is done to files that nothing names.

use crate::root::{FORMAT_VERSION, Root};
use crate::{SegmentReader, SegmentRef, SegmentWriter, disk};
use freshet_types::{CheckpointId, Error, Result, failpoint};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Number of root files that are kept.
const ROOTS_KEPT: usize = 2;

/// The folder of one job, held by this process until it is dropped.
#[derive(Debug)]
pub struct JobFolder {
    path: PathBuf,
    identity: Identity,
    lock: File,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    format: u32,
    pub(crate) job_id: String,
    attempt: u64,
}

impl JobFolder {
    /// Opens the folder of job `name` below `parent`, makes it when there is none, locks it, and counts one attempt more.
    /// `new_id` becomes the job's id when it has none yet.
    ///
    /// # Errors
    /// `state.locked` when another process (or another job of this one) holds it.
    pub fn open(parent: &Path, name: &str, new_id: &str) -> Result<Self> {
        let path = parent.join(folder_name(name));
        fs::create_dir_all(&path).map_err(|e| disk::failed("making", &path, e))?;
        disk::sync_folder(parent)?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).map_err(|e| disk::failed("creating", &lock_path, e))?;
        match patiently(|| lock.try_lock()) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::already_exists("state.locked", format!("job \"{name}\" is already running"))
                    .at("folder", path.display().to_string())
                    .hint("stop the other run first, or give this one another name with SET 'pipeline.name'"));
            }
            Err(TryLockError::Error(e)) => return Err(disk::failed("locking", &lock_path, e)),
        }
        let identity = match read_identity(&path)? {
            Some(known) => Identity { attempt: known.attempt + 1, ..known },
            None => Identity { format: FORMAT_VERSION, job_id: new_id.to_owned(), attempt: 1 },
        };
        let folder = Self { path, identity, lock };
        folder.write_identity()?;
        Ok(folder)
    }

    /// Forgets every checkpoint: the job becomes a new one, with another id.
    pub fn start_over(&mut self, new_id: &str) -> Result<()> {
        // The id changes first: a crash in between leaves roots of another job, which are refused, not gone on from.
        self.identity.job_id = new_id.to_owned();
        self.write_identity()?;
        for id in self.root_ids()? {
            self.remove(&root_name(id))?;
        }
        self.collect()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Id of the job: the same at every start, another after [`JobFolder::start_over`].
    pub fn job_id(&self) -> &str {
        &self.identity.job_id
    }

    /// Number of this start.
    pub fn attempt(&self) -> u64 {
        self.identity.attempt
    }

    /// The newest checkpoint; none when there has been none.
    ///
    /// # Errors
    /// `state.corrupt` with the file, and the checkpoint that is left when it is removed.
    pub fn latest(&self) -> Result<Option<Root>> {
        let ids = self.root_ids()?;
        let Some(newest) = ids.last() else { return Ok(None) };
        let path = self.path.join(root_name(*newest));
        let bytes = fs::read(&path).map_err(|e| disk::failed("reading", &path, e))?;
        let root = Root::decode(&bytes, &path).map_err(|e| self.offer_previous(e, *newest))?;
        if root.job_id != self.identity.job_id {
            return Err(Error::invalid("state.foreign", format!("\"{}\" belongs to another job", path.display()))
                .hint("finish starting over with --from-scratch"));
        }
        Ok(Some(root))
    }

    /// Adds to an error about the files of checkpoint `newest` how to go on without it.
    pub fn offer_previous(&self, error: Error, newest: CheckpointId) -> Error {
        if !matches!(error.code(), "state.corrupt" | "state.missing") {
            return error;
        }
        let previous = self.root_ids().unwrap_or_default().into_iter().rfind(|id| *id < newest);
        error.hint(match previous {
            Some(previous) => format!(
                "move \"{}\" away to go on from checkpoint {previous} (what sinks have committed since is then written \
                 again), or start over with --from-scratch",
                self.path.join(root_name(newest)).display()
            ),
            None => "no other checkpoint is left: start over with --from-scratch".to_owned(),
        })
    }

    /// A new segment of `checkpoint`, for the state of one operator on one worker.
    pub fn segment(
        &self,
        checkpoint: CheckpointId,
        state_id: &str,
        worker: usize,
        groups: Range<usize>,
    ) -> Result<SegmentWriter> {
        let name = format!(
            "segment-{checkpoint}-{}-{:016x}-{worker}.seg",
            self.identity.attempt,
            xxh3_64(state_id.as_bytes())
        );
        SegmentWriter::create(self.path.join(name), checkpoint, groups)
    }

    /// Reads the rows of `groups` back.
    pub fn read(&self, segments: &[SegmentRef], groups: Range<usize>) -> SegmentReader {
        SegmentReader::new(&self.path, segments, groups)
    }

    /// Makes a checkpoint real, then deletes what no kept root file names. Every segment that it names was finished before.
    pub fn publish(&self, root: &Root) -> Result<()> {
        assert_eq!(root.job_id, self.identity.job_id, "a root file belongs to the job of its folder");
        // The entries of the new segments must be durable before the root file names them (CP-1).
        disk::sync_folder(&self.path)?;
        let points =
            disk::ReplacePoints { torn: "root.write.torn", before: "root.rename.before", after: "root.rename.after" };
        disk::replace(&self.path, &root_name(root.checkpoint), &root.encode(), Some(points))?;
        let ids = self.root_ids()?;
        for id in &ids[..ids.len().saturating_sub(ROOTS_KEPT)] {
            self.remove(&root_name(*id))?;
        }
        self.collect()
    }

    /// Deletes segments that no root file names, and files that were never renamed into place. Nothing is deleted while
    /// a root file cannot be read: what it names is unknown.
    pub fn collect(&self) -> Result<()> {
        let mut named = HashSet::new();
        for id in self.root_ids()? {
            let path = self.path.join(root_name(id));
            let bytes = fs::read(&path).map_err(|e| disk::failed("reading", &path, e))?;
            match Root::decode(&bytes, &path) {
                Ok(root) => named.extend(root.segments().map(|s| s.file.clone())),
                Err(error) => {
                    tracing::warn!(%error, "state files are kept because a root file cannot be read");
                    return Ok(());
                }
            }
        }
        for name in self.names()? {
            let unnamed_segment = name.starts_with("segment-") && !named.contains(&name);
            if unnamed_segment || name.ends_with(".tmp") {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        failpoint::pass("gc.delete");
        let path = self.path.join(name);
        fs::remove_file(&path).map_err(|e| disk::failed("deleting", &path, e))
    }

    fn names(&self) -> Result<Vec<String>> {
        let failed = |e| disk::failed("listing", &self.path, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Checkpoints that have a root file, oldest first.
    fn root_ids(&self) -> Result<Vec<CheckpointId>> {
        let mut ids: Vec<_> = self.names()?.iter().filter_map(|name| root_id(name)).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    fn write_identity(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.identity).expect("an identity is JSON");
        disk::replace(&self.path, "job.json", text.as_bytes(), None)
    }
}

impl Drop for JobFolder {
    fn drop(&mut self) {
        // Closing alone is not enough: a child process that is just being started may still share the open file.
        let _ = self.lock.unlock();
    }
}

/// Tries for a moment: someone may only be looking whether the job runs.
fn patiently(attempt: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match attempt() {
            Err(TryLockError::WouldBlock) => std::thread::park_timeout(std::time::Duration::from_millis(5)),
            other => return other,
        }
    }
    attempt()
}

pub(crate) fn root_id(name: &str) -> Option<CheckpointId> {
    name.strip_prefix("root-")?.strip_suffix(".json")?.parse().ok().map(CheckpointId)
}

pub(crate) fn read_identity(folder: &Path) -> Result<Option<Identity>> {
    let path = folder.join("job.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(disk::failed("reading", &path, e)),
    };
    serde_json::from_str(&text).map(Some).map_err(|e| {
        Error::data("state.corrupt", format!("\"{}\" cannot be read", path.display()))
            .because(e)
            .hint("put the file back, or delete the job's folder to start over")
    })
}

pub(crate) fn root_name(id: CheckpointId) -> String {
    format!("root-{id}.json")
}

/// A name that every file system takes: letters, digits, `-`, `_` and `.` stay, other bytes become `%` and their code.
pub(crate) fn folder_name(job: &str) -> String {
    let mut name = String::new();
    for (i, byte) in job.bytes().enumerate() {
        match byte {
            b'.' if i == 0 => name.push_str("%2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            other => name.push_str(&format!("%{other:02x}")),
        }
    }
    if name.is_empty() { "%".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OperatorRoot, SegmentKind};
    use arrow::array::{Int64Array, RecordBatch};
    use freshet_types::Epoch;
    use std::sync::Arc;

    fn root(folder: &JobFolder, checkpoint: u64, segments: Vec<SegmentRef>) -> Root {
        Root {
            format: FORMAT_VERSION,
            job_id: folder.job_id().to_owned(),
            checkpoint: CheckpointId(checkpoint),
            epoch: Epoch(checkpoint * 10),
            created_ms: 0,
            workers: 1,
            finished: false,
            sources: Default::default(),
            operators: [("agg".to_owned(), OperatorRoot { segments, ..Default::default() })].into(),
            sinks: Default::default(),
            counters: Default::default(),
        }
    }

    fn segment(folder: &JobFolder, checkpoint: u64) -> SegmentRef {
        let rows = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        let mut writer = folder.segment(CheckpointId(checkpoint), "agg", 0, 0..256).unwrap();
        writer.write("t", 7, &rows).unwrap();
        writer.finish(SegmentKind::Base).unwrap()
    }

    #[test]
    fn the_second_process_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let first = JobFolder::open(parent.path(), "job", "id").unwrap();
        assert_eq!(JobFolder::open(parent.path(), "job", "id").unwrap_err().code(), "state.locked");
        drop(first);
        let again = JobFolder::open(parent.path(), "job", "other").unwrap();
        assert_eq!((again.job_id(), again.attempt()), ("id", 2));
    }

    #[test]
    fn two_checkpoints_are_kept_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let folder = JobFolder::open(parent.path(), "job", "id").unwrap();
        for checkpoint in 1..=4 {
            let segment = segment(&folder, checkpoint);
            folder.publish(&root(&folder, checkpoint, vec![segment])).unwrap();
        }
        segment(&folder, 5);
        fs::write(folder.path().join("root-5.json.tmp"), "half").unwrap();
        folder.collect().unwrap();
        let names = folder.names().unwrap();
        assert_eq!(names.iter().filter(|n| n.starts_with("root-")).count(), 2);
        assert_eq!(names.iter().filter(|n| n.starts_with("segment-")).count(), 2);
        assert_eq!(folder.latest().unwrap().unwrap().checkpoint, CheckpointId(4));
    }

    #[test]
    fn a_damaged_root_file_is_named_with_what_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let folder = JobFolder::open(parent.path(), "job", "id").unwrap();
        for checkpoint in 1..=2 {
            let segment = segment(&folder, checkpoint);
            folder.publish(&root(&folder, checkpoint, vec![segment])).unwrap();
        }
        let newest = folder.path().join("root-2.json");
        let mut bytes = fs::read(&newest).unwrap();
        bytes[100] ^= 4;
        fs::write(&newest, bytes).unwrap();
        let error = folder.latest().unwrap_err();
        assert_eq!(error.code(), "state.corrupt");
        assert!(error.text().contains("root-2.json") && error.hint_text().unwrap().contains("checkpoint 1"), "{error}");
        folder.collect().unwrap();
        assert_eq!(
            folder.names().unwrap().iter().filter(|n| n.starts_with("segment-")).count(),
            2,
            "nothing is deleted"
        );
    }

    #[test]
    fn starting_over_forgets_every_checkpoint() {
        let parent = tempfile::tempdir().unwrap();
        let mut folder = JobFolder::open(parent.path(), "job", "id").unwrap();
        let kept = segment(&folder, 1);
        folder.publish(&root(&folder, 1, vec![kept])).unwrap();
        folder.start_over("other").unwrap();
        assert!(folder.latest().unwrap().is_none());
        assert_eq!(folder.job_id(), "other");
        assert!(folder.names().unwrap().iter().all(|n| !n.starts_with("segment-")));
    }

    #[test]
    fn any_name_makes_a_folder() {
        assert_eq!(folder_name("a b/../ä"), "a%20b%2f..%2f%c3%a4");
        assert_eq!(folder_name(".."), "%2e.");
    }
}
