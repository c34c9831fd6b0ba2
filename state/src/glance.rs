//! Jobs as their folders tell about them, looked at from outside: nothing is changed, and no job is kept from starting.

use crate::disk;
use crate::folder::{folder_name, read_identity, root_id, root_name};
use crate::root::Root;
use freshet_types::Result;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// A job.
#[derive(Debug)]
pub struct JobGlance {
    /// Name of the job.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether a process holds it.
    pub is_running: bool,
    /// Its newest checkpoint; none before the first.
    pub latest: Result<Option<Root>>,
}

/// Every job below `parent`, by name.
///
/// # Errors
/// Those of the file system.
pub fn glance(parent: &Path) -> Result<Vec<JobGlance>> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(disk::failed("listing", parent, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| disk::failed("listing", parent, e))?.path();
        let Ok(Some(identity)) = read_identity(&path) else { continue };
        // The id is the name with sixteen digits behind it.
        let name = identity.job_id.rsplit_once('-').map_or(identity.job_id.as_str(), |(name, _)| name).to_owned();
        let is_running = File::open(path.join("lock"))
            .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)));
        let latest = latest_of(&path, &identity.job_id);
        found.push(JobGlance { name, folder: path, is_running, latest });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The newest checkpoint of job `name` below `parent`, looked at from outside.
///
/// # Errors
/// `state.corrupt`
pub fn latest_checkpoint(parent: &Path, name: &str) -> Result<Option<Root>> {
    let path = parent.join(folder_name(name));
    match read_identity(&path)? {
        Some(identity) => latest_of(&path, &identity.job_id),
        None => Ok(None),
    }
}

fn latest_of(path: &Path, job_id: &str) -> Result<Option<Root>> {
    let entries = fs::read_dir(path).map_err(|e| disk::failed("listing", path, e))?;
    let ids = entries.flatten().filter_map(|entry| root_id(&entry.file_name().to_string_lossy()));
    let Some(newest) = ids.max() else { return Ok(None) };
    let file = path.join(root_name(newest));
    let bytes = fs::read(&file).map_err(|e| disk::failed("reading", &file, e))?;
    Root::decode(&bytes, &file).map(|root| Some(root).filter(|root| root.job_id == job_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FORMAT_VERSION, JobFolder};
    use freshet_types::{CheckpointId, Epoch};

    #[test]
    fn a_glance_tells_of_jobs_and_holds_none_up() {
        let parent = tempfile::tempdir().unwrap();
        assert!(glance(&parent.path().join("none")).unwrap().is_empty());
        let running = JobFolder::open(parent.path(), "b-1", "b-1-0123456789abcdef").unwrap();
        let root = Root {
            format: FORMAT_VERSION,
            job_id: running.job_id().to_owned(),
            checkpoint: CheckpointId(3),
            epoch: Epoch(30),
            created_ms: 0,
            workers: 1,
            finished: false,
            sources: Default::default(),
            operators: Default::default(),
            sinks: Default::default(),
            counters: Default::default(),
        };
        running.publish(&root).unwrap();
        drop(JobFolder::open(parent.path(), "a", "a-0123456789abcdef").unwrap());
        let told: Vec<_> = glance(parent.path())
            .unwrap()
            .into_iter()
            .map(|job| (job.name, job.is_running, job.latest.unwrap().map(|root| root.checkpoint.0)))
            .collect();
        assert_eq!(told, [("a".to_owned(), false, None), ("b-1".to_owned(), true, Some(3))]);
        assert_eq!(latest_checkpoint(parent.path(), "b-1").unwrap().unwrap().checkpoint, CheckpointId(3));
        assert!(latest_checkpoint(parent.path(), "c").unwrap().is_none());
        drop(running);
        assert!(!glance(parent.path()).unwrap()[1].is_running);
    }
}
