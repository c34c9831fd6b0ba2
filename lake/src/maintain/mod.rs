//! Chores that keep a table good to read; each is a change like any other and never alters the rows.

pub mod compact;
mod expire;
mod orphans;
pub(crate) mod trim;

use crate::table::LakeTable;
use freshet_types::{OptionSpec, Options, Result};

/// Something that is done to a table from time to time.
pub trait Chore: Send + Sync {
    /// Name as it stands in `freshet lake <name> TABLE`.
    fn name(&self) -> &'static str;

    /// One sentence for the manual.
    fn doc(&self) -> &'static str;

    /// Options of one run.
    fn options(&self) -> &'static [OptionSpec];

    /// Does it.
    fn run(&self, table: &LakeTable, options: &Options) -> Result<ChoreReport>;
}

/// What a chore did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChoreReport {
    /// Files that were written.
    pub files_added: usize,
    /// Files that left the table or the storage.
    pub files_removed: usize,
    /// Bytes of the files that left.
    pub bytes_removed: u64,
    /// Snapshots that were forgotten.
    pub snapshots_removed: usize,
}

/// All files of all snapshots, with their sizes.
#[cfg(test)]
pub(crate) fn reachable(table: &LakeTable) -> Result<std::collections::BTreeMap<String, u64>> {
    expire::reachable(table, None)
}

/// Every chore, in the order in which they should run.
pub static CHORES: &[&dyn Chore] = &[&compact::Compact, &expire::Expire, &orphans::Orphans];

/// The chore named `name`.
///
/// # Errors
/// `lake.chore` with the nearest name.
pub fn find(name: &str) -> Result<&'static dyn Chore> {
    CHORES.iter().find(|c| c.name() == name).copied().ok_or_else(|| {
        freshet_types::Error::invalid("lake.chore", format!("no lake chore named \"{name}\""))
            .hint(freshet_types::suggest::hint(name, "chores", CHORES.iter().map(|c| c.name())))
    })
}

#[cfg(test)]
mod tests;
