//! Changes tables: one [`TableChange`] covers append, row delta, overwrite, rewrite and expiry.
//!
//! ```text
//!  load -> decide (already there? done) -> manifests, manifest list -> swap -> done
//!   ^                                                                  |
//!   +---------- someone was first, or the outcome is unknown ----------+
//! ```
//!
//! # Invariants
//! - Every attempt begins with the table as it stands: nothing is rebased in silence.
//! - All files that a swap makes visible are durable before it.
//!
//! Source: Apache Iceberg specification, "Commit Conflict Resolution and Retry".

pub mod identity;
mod manifests;
mod summary;

use crate::table::LakeTable;
use freshet_types::{Error, ErrorKind, Result};
use iceberg::spec::{DataFile, MAIN_BRANCH, Operation};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A file that becomes part of the table.
#[derive(Debug, Clone)]
pub struct AddedFile {
    /// The file.
    pub file: DataFile,
    /// Partition spec of its partition.
    pub spec_id: i32,
    /// Data sequence number to keep; none takes that of the new snapshot. A rewrite keeps the largest of what it
    /// replaces: deletes up to it were applied to the rows that it read, later ones still apply.
    pub sequence: Option<i64>,
}

/// One change of a table: a new snapshot, table properties, snapshots to forget, or several of them in one swap.
#[derive(Debug, Clone)]
pub struct TableChange {
    /// What the snapshot is called.
    pub operation: Operation,
    /// Data files that come.
    pub added: Vec<AddedFile>,
    /// Delete files that come.
    pub deletes: Vec<AddedFile>,
    /// Paths of data and delete files that go; each must be live.
    pub removed: BTreeSet<String>,
    /// What else stands in the snapshot's summary.
    pub summary: BTreeMap<String, String>,
    /// Table properties that are set.
    pub set_properties: BTreeMap<String, String>,
    /// Table properties that are taken away.
    pub remove_properties: Vec<String>,
    /// Snapshots to forget.
    pub expired: Vec<i64>,
    /// Branch; none is the main one.
    pub branch: Option<String>,
}

impl Default for TableChange {
    fn default() -> Self {
        Self {
            operation: Operation::Append,
            added: Vec::new(),
            deletes: Vec::new(),
            removed: BTreeSet::new(),
            summary: BTreeMap::new(),
            set_properties: BTreeMap::new(),
            remove_properties: Vec::new(),
            expired: Vec::new(),
            branch: None,
        }
    }
}

impl TableChange {
    /// Whether files come or go, so that there is a new snapshot.
    pub fn makes_snapshot(&self) -> bool {
        !(self.added.is_empty() && self.deletes.is_empty() && self.removed.is_empty())
    }

    fn branch(&self) -> &str {
        self.branch.as_deref().unwrap_or(MAIN_BRANCH)
    }
}

/// Attempts when others commit at the same time.
const ATTEMPTS: u32 = 20;

/// Commits what `decide` asks for. It is called with the table as it stands before every attempt; `None` says that
/// nothing is left to do.
///
/// # Errors
/// `Conflict` after many lost races, `Unavailable` when the catalog does not answer; both may be tried again.
pub fn commit(
    table: &LakeTable,
    decide: &mut dyn FnMut(&LakeTable) -> Result<Option<TableChange>>,
) -> Result<LakeTable> {
    let mut table = table.refresh()?;
    for attempt in 0..ATTEMPTS {
        let Some(change) = decide(&table).map_err(|e| e.at("table", table.full_name()))? else { return Ok(table) };
        let mut written = Vec::new();
        let built = manifests::build(&table, &change, &mut written);
        let swapped = built.and_then(|(updates, requirements)| {
            freshet_types::failpoint::pass("lake.swap.before");
            table.catalog().swap(table.name(), table.loaded(), updates, requirements)
        });
        match swapped {
            Ok(loaded) => {
                freshet_types::failpoint::pass("lake.swap.after");
                return Ok(table.with_loaded(loaded));
            }
            Err(e) => {
                let e = e.at("table", table.full_name());
                if e.kind() != ErrorKind::Unavailable {
                    // Nothing refers to them: the swap did not happen.
                    for file in &written {
                        let _ = table.loaded().io.delete(file);
                    }
                }
                if !e.is_retryable() {
                    return Err(e);
                }
                tracing::debug!(table = table.full_name(), attempt, error = %e, "commit is tried again");
                std::thread::sleep(pause(attempt));
                table = table.refresh()?;
            }
        }
    }
    Err(Error::conflict("lake.conflict", format!("{ATTEMPTS} attempts lost against other writers"))
        .at("table", table.full_name())
        .hint("let fewer jobs write to the table at the same time"))
}

/// Grows, and differs between processes that met once.
fn pause(attempt: u32) -> Duration {
    let spread = u64::from(std::process::id() ^ uuid::Uuid::new_v4().as_fields().0) % 50;
    Duration::from_millis(((5 << attempt.min(8)) + spread).min(2_000))
}

#[cfg(test)]
mod tests;
