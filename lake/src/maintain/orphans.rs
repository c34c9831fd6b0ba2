//! Deletes files in a table's folder that no snapshot names: what crashes and lost races left behind.

use super::expire::reachable;
use super::{Chore, ChoreReport};
use crate::table::LakeTable;
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};
use std::collections::BTreeSet;

/// The chore `orphans`.
pub(super) struct Orphans;

static OPTIONS: &[OptionSpec] = &[OptionSpec::with_default(
    "older-than",
    OptionKind::Duration,
    "3 d",
    "age at which a file that nobody names goes; younger ones may belong to a commit on its way",
)];

const AGE_MS: i64 = 3 * 24 * 3_600 * 1_000;

impl Chore for Orphans {
    fn name(&self) -> &'static str {
        "orphans"
    }

    fn doc(&self) -> &'static str {
        "deletes files in the table's folder that no snapshot names"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn run(&self, table: &LakeTable, options: &Options) -> Result<ChoreReport> {
        options.check(OPTIONS)?;
        let age_ms = options.duration("older-than")?.map_or(AGE_MS, |a| a.as_millis() as i64);
        let older_than_ms = table.clock().now_ms().saturating_sub(age_ms);
        // First the files, then the table: a file that is committed in between is named by the time that we look.
        let io = &table.loaded().io;
        let location = table.metadata().location().to_string();
        if io.place(&location)?.1.is_empty() {
            return Err(Error::unsupported("lake.orphans", "the table lies in the root of its storage")
                .at("table", table.full_name())
                .hint("delete files by hand: others may keep theirs there"));
        }
        let mut found = Vec::new();
        for folder in ["data", "metadata"] {
            found.extend(io.list(&format!("{location}/{folder}"))?);
        }
        let table = table.refresh()?;
        let mut named: BTreeSet<String> = reachable(&table, None)?.into_keys().collect();
        let metadata = table.metadata();
        named.insert(io.normal(&table.loaded().location));
        named.extend(metadata.metadata_log().iter().map(|l| io.normal(&l.metadata_file)));
        named.extend(metadata.statistics_iter().map(|s| io.normal(&s.statistics_path)));
        named.extend(metadata.partition_statistics_iter().map(|s| io.normal(&s.statistics_path)));
        let mut report = ChoreReport::default();
        for file in found.iter().filter(|f| f.modified_ms < older_than_ms && !named.contains(&f.path)) {
            // Hadoop's pointer to the current version is no orphan.
            if file.path.ends_with("version-hint.text") {
                continue;
            }
            io.delete(&file.path)?;
            report.files_removed += 1;
            report.bytes_removed += file.size;
        }
        Ok(report)
    }
}
