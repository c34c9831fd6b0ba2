//! Merges the small files that frequent checkpoints leave behind, beside the job and in snapshots of their own.
//!
//! A job that ends or dies in between loses nothing: the small files are part of the table from the moment of their
//! checkpoint, and a rewrite that did not get to its swap is just a few files that nobody names.

use super::properties::WriteProperties;
use crate::commit::AddedFile;
use crate::maintain::compact;
use crate::table::LakeTable;
use freshet_types::Result;
use iceberg::spec::Struct;
use std::collections::HashMap;
use std::thread::JoinHandle;

/// Keeps the small files of a job in view.
pub(super) struct Roller {
    properties: WriteProperties,
    folder: String,
    small: HashMap<Level, Vec<String>>,
    running: Option<JoinHandle<Result<Merged>>>,
}

/// Files that a rewrite made and that are still small.
type Merged = Vec<(Level, String)>;

/// Files of one partition that were merged equally often: each row is rewritten a logarithmic number of times.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Level {
    spec_id: i32,
    partition: Struct,
    merges: u32,
}

impl Roller {
    pub(super) fn new(properties: &WriteProperties, folder: String) -> Self {
        Self { properties: properties.clone(), folder, small: HashMap::new(), running: None }
    }

    /// Files of a checkpoint became visible.
    pub(super) fn committed(&mut self, table: &LakeTable, added: &[AddedFile], last: bool) {
        if self.properties.small_count == 0 {
            return;
        }
        for added in added.iter().filter(|a| a.file.file_size_in_bytes() < self.properties.small_size) {
            let level = Level { spec_id: added.spec_id, partition: added.file.partition().clone(), merges: 0 };
            self.small.entry(level).or_default().push(added.file.file_path().to_string());
        }
        if last {
            self.wait();
        } else if self.running.as_ref().is_some_and(|r| !r.is_finished()) {
            return;
        }
        self.wait();
        let at_least = if last { (self.properties.small_count / 2).max(2) } else { self.properties.small_count };
        let full: Vec<Level> = self.small.iter().filter(|(_, f)| f.len() >= at_least).map(|(l, _)| l.clone()).collect();
        let groups: Vec<(Level, Vec<String>)> =
            full.into_iter().filter_map(|level| self.small.remove_entry(&level)).collect();
        if groups.is_empty() {
            return;
        }
        let (table, properties, folder) = (table.clone(), self.properties.clone(), self.folder.clone());
        let work = move || {
            let mut still_small = Vec::new();
            let (levels, files): (Vec<Level>, Vec<Vec<String>>) = groups.into_iter().unzip();
            let written = compact::rewrite(&table, &properties, &folder, &files)?.unwrap_or_default();
            for (level, merged) in levels.into_iter().zip(written) {
                let small = merged.iter().filter(|f| f.file_size_in_bytes() < properties.small_size);
                let next = Level { merges: level.merges + 1, ..level };
                still_small.extend(small.map(|f| (next.clone(), f.file_path().to_string())));
            }
            Ok(still_small)
        };
        match std::thread::Builder::new().name("freshet-lake-roll".into()).spawn(work) {
            Ok(thread) => self.running = Some(thread),
            Err(e) => tracing::warn!(error = %e, "small files stay: no thread"),
        }
        if last {
            self.wait();
        }
    }

    /// A rewrite that failed leaves the table as it was: the rows are there, in small files.
    fn wait(&mut self) {
        let Some(running) = self.running.take() else { return };
        match running.join() {
            Ok(Ok(still_small)) => {
                for (level, file) in still_small {
                    self.small.entry(level).or_default().push(file);
                }
            }
            Ok(Err(e)) => tracing::warn!(error = %e, "small files stay"),
            Err(_) => tracing::error!("merging small files panicked"),
        }
    }
}

impl Drop for Roller {
    fn drop(&mut self) {
        self.wait();
    }
}
