//! What a writer hands over at a checkpoint, and the tags by which recovery knows whose file it sees.

use crate::draw::fnv;
use crate::storage::StagedFile;
use freshet_types::{Error, Result};
use serde::{Deserialize, Serialize};

/// Files of one writer that belong to a checkpoint.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) files: Vec<TokenFile>,
}

/// One file and the partition folder that it lies in.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TokenFile {
    pub(super) staged: StagedFile,
    pub(super) partition: String,
}

impl Token {
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|e| Error::internal("filesystem.token", format!("a token cannot be written: {e}")))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|e| {
            Error::data("filesystem.token", format!("the checkpoint's token is not of this sink: {e}"))
                .hint("start over with --from-scratch")
        })
    }
}

/// Tag of files that are being written.
pub(super) fn open_tag(job_id: &str, attempt: u64) -> String {
    format!("{:016x}-{attempt}", fnv(job_id.as_bytes()))
}

/// Tag of files that belong to a checkpoint.
pub(super) fn prepared_tag(job_id: &str, attempt: u64, checkpoint: u64) -> String {
    format!("{}-c{checkpoint}", open_tag(job_id, attempt))
}

/// Attempt and checkpoint of a hidden file of job `job_id`; none when it belongs to someone else.
pub(super) fn owner(name: &str, job_id: &str) -> Option<(u64, Option<u64>)> {
    // An unfinished upload to HDFS has a name of its own around that of the hidden file.
    let name = name.split_once(".staged").map(|(before, _)| before)?;
    let (_, tag) = name.rsplit_once('.')?;
    let rest = tag.strip_prefix(&format!("{:016x}-", fnv(job_id.as_bytes())))?;
    match rest.split_once("-c") {
        Some((attempt, checkpoint)) => Some((attempt.parse().ok()?, Some(checkpoint.parse().ok()?))),
        None => Some((rest.parse().ok()?, None)),
    }
}

/// Whether what `owner` names is left over for attempt `attempt`, which goes on behind checkpoint `last`.
pub(super) fn is_leftover((attempt, checkpoint): (u64, Option<u64>), now: u64, last: Option<u64>) -> bool {
    match checkpoint {
        // Another sink of the same job may still commit its files of the last checkpoint.
        Some(checkpoint) => last.is_none_or(|last| checkpoint > last),
        None => attempt < now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_their_owner() {
        let open = format!(".part-x.json.{}.staged", open_tag("job", 3));
        let prepared = format!(".part-x.json.{}.staged", prepared_tag("job", 3, 7));
        assert_eq!(owner(&open, "job"), Some((3, None)));
        assert_eq!(owner(&prepared, "job"), Some((3, Some(7))));
        assert_eq!(owner(&format!(".{open}.tmp.1"), "job"), Some((3, None)));
        assert_eq!(owner(&open, "other"), None);
        assert_eq!(owner(".part-x.json", "job"), None);
        assert!(is_leftover((3, None), 4, Some(6)) && !is_leftover((4, None), 4, Some(6)));
        assert!(is_leftover((3, Some(7)), 4, Some(6)) && !is_leftover((3, Some(6)), 4, Some(6)));
        assert!(is_leftover((3, Some(1)), 4, None));
    }
}
