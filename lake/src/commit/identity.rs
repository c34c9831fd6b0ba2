//! Which checkpoints of which job a table holds.
//!
//! # Invariants
//! - LK-1: the snapshot that adds a checkpoint's files also sets the job's property to that checkpoint, in one swap.
//! - LK-2: a checkpoint is added only when the property names an earlier one.
//!
//! The property outlives the expiry of snapshots; the summary of each snapshot tells the same to people and to checks.

use freshet_types::{CheckpointId, Error, Result};
use iceberg::spec::TableMetadata;
use std::collections::BTreeMap;

/// Summary key: id of the job.
pub const JOB_ID: &str = "freshet.job-id";
/// Summary key: number of the checkpoint.
pub const CHECKPOINT_ID: &str = "freshet.checkpoint-id";
/// Summary key: the job's checkpoint that was committed to this table before; 0 when there was none.
pub const PREVIOUS_CHECKPOINT_ID: &str = "freshet.previous-checkpoint-id";
/// Summary key: offsets of the job's sources at that checkpoint, as JSON.
pub const OFFSETS: &str = "freshet.offsets";
/// Summary key: watermark of the job's sources at that checkpoint, in milliseconds.
pub const WATERMARK: &str = "freshet.watermark-ms";
/// Table property, followed by the job's id: the last checkpoint in the table.
pub const CHECKPOINT_PREFIX: &str = "freshet.checkpoint-id.";
/// Table property, followed by the job's id: a digest of the files of that checkpoint.
pub const FILES_PREFIX: &str = "freshet.checkpoint-files.";

/// What the table holds of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its last checkpoint.
    pub checkpoint: CheckpointId,
    /// Digest of that checkpoint's files, where it is known.
    pub files: Option<String>,
}

/// What the table holds of `job`; none when it never wrote here.
pub fn held(metadata: &TableMetadata, job: &str) -> Option<Held> {
    let properties = metadata.properties();
    if let Some(id) = properties.get(&format!("{CHECKPOINT_PREFIX}{job}")).and_then(|v| v.parse().ok()) {
        let files = properties.get(&format!("{FILES_PREFIX}{job}")).cloned();
        return Some(Held { checkpoint: CheckpointId(id), files });
    }
    // Someone took the property away: the snapshots still tell.
    let of_job = metadata.snapshots().filter_map(|s| {
        let summary = &s.summary().additional_properties;
        (summary.get(JOB_ID)? == job).then(|| summary.get(CHECKPOINT_ID)?.parse().ok())?
    });
    of_job.max().map(|id| Held { checkpoint: CheckpointId(id), files: None })
}

/// The table properties that say that the table holds `checkpoint` of `job`.
pub fn properties(job: &str, checkpoint: CheckpointId, digest: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (format!("{CHECKPOINT_PREFIX}{job}"), checkpoint.to_string()),
        (format!("{FILES_PREFIX}{job}"), digest.to_string()),
    ])
}

/// Tells the files of a checkpoint from those of another with the same number.
pub fn digest<'a>(paths: impl IntoIterator<Item = &'a str>) -> String {
    let mut paths: Vec<&str> = paths.into_iter().collect();
    paths.sort_unstable();
    let mut hasher = crc32fast::Hasher::new();
    for path in &paths {
        hasher.update(path.as_bytes());
        hasher.update(b"\n");
    }
    format!("{}-{:08x}", paths.len(), hasher.finalize())
}

/// Whether `checkpoint` of `job` is still to be added.
///
/// # Errors
/// `lake.ahead` when the table holds a later checkpoint, `lake.other_files` when it holds other files under that number:
/// going on would repeat or lose rows.
pub fn is_missing(metadata: &TableMetadata, job: &str, checkpoint: CheckpointId, digest: &str) -> Result<bool> {
    let Some(held) = held(metadata, job) else { return Ok(true) };
    if held.checkpoint < checkpoint {
        return Ok(true);
    }
    if held.checkpoint > checkpoint {
        return Err(Error::invalid(
            "lake.ahead",
            format!("the table holds checkpoint {} of job \"{job}\", which goes on at {checkpoint}", held.checkpoint),
        )
        .hint("give the job a new name, or roll the table back to the snapshot of that checkpoint"));
    }
    match held.files {
        Some(files) if files != digest => Err(Error::invalid(
            "lake.other_files",
            format!("the table holds other files for checkpoint {checkpoint} of job \"{job}\""),
        )
        .hint("end the other process that runs this job, or give the job a new name")),
        _ => Ok(false),
    }
}
