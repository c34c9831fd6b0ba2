//! Rewrites small files into larger ones; rows that deletes took away do not come along.

use super::{Chore, ChoreReport};
use crate::commit::{AddedFile, TableChange, commit};
use crate::files;
use crate::scan::rows::read_task;
use crate::scan::{ReadTask, Shape, request, tasks_of};
use crate::schema;
use crate::sink::{FileMaker, WriteProperties};
use crate::table::LakeTable;
use freshet_types::{OptionKind, OptionSpec, Options, Result};
use iceberg::spec::{DataContentType, DataFile, ManifestContentType, Operation, Struct};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The chore `compact`.
pub struct Compact;

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::optional(
        "small-file-size",
        OptionKind::Size,
        "files below it are merged; default: three quarters of the table's target file size",
    ),
    OptionSpec::with_default(
        "min-input-files",
        OptionKind::Int,
        "2",
        "fewer small files of a partition are left alone",
    ),
];

impl Chore for Compact {
    fn name(&self) -> &'static str {
        "compact"
    }

    fn doc(&self) -> &'static str {
        "rewrites small data files and files with deleted rows into larger ones"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn run(&self, table: &LakeTable, options: &Options) -> Result<ChoreReport> {
        options.check(OPTIONS)?;
        let table = table.refresh()?;
        let properties = WriteProperties::parse(table.metadata(), &Options::default())?;
        let small = options.size("small-file-size")?.unwrap_or(properties.target_size / 4 * 3);
        let at_least = options.int("min-input-files")?.unwrap_or(2).max(1) as usize;
        let shape = file_shape(&table)?;
        let tasks = tasks_of(&table, table.metadata().current_snapshot().map(|s| &**s), &shape, None)?;
        let default_spec = table.metadata().default_partition_spec_id();
        let mut groups: Vec<(Struct, Vec<String>, u64, bool)> = Vec::new();
        let mut open: HashMap<Struct, usize> = HashMap::new();
        for task in tasks.iter().filter(|t| t.entry.spec_id == default_spec) {
            let size = task.entry.file.file_size_in_bytes();
            let touched = task.deleted.is_some() || !task.keys.is_empty();
            if size >= small && !touched {
                continue;
            }
            let partition = task.entry.file.partition();
            let slot = match open.get(partition) {
                Some(slot) if groups[*slot].2 + size <= properties.target_size => *slot,
                _ => {
                    groups.push((partition.clone(), Vec::new(), 0, false));
                    open.insert(partition.clone(), groups.len() - 1);
                    groups.len() - 1
                }
            };
            let group = &mut groups[slot];
            group.1.push(task.entry.file.file_path().to_string());
            group.2 += size;
            group.3 |= touched;
        }
        let folder = format!("{}/compact-{}", properties.data_folder, uuid::Uuid::now_v7().simple());
        let mut report = ChoreReport::default();
        for (_, files, size, touched) in groups {
            if files.len() < at_least && !touched {
                continue;
            }
            let count = files.len();
            if let Some(added) = rewrite(&table, &properties, &folder, &[files])? {
                report.files_added += added.iter().map(Vec::len).sum::<usize>();
                report.files_removed += count;
                report.bytes_removed += size;
            }
        }
        Ok(report)
    }
}

/// Columns as data files hold them.
fn file_shape(table: &LakeTable) -> Result<Arc<Shape>> {
    let columns = table.metadata().current_schema();
    Ok(Arc::new(Shape::new(columns, &schema::file_schema(columns), table.metadata())?))
}

/// Rewrites groups of files, each of one partition, into as few files as the target size allows, all in one snapshot.
/// Gives the new files of each group; none when the table changed meanwhile so that the rewrite no longer fits: then
/// nothing happened.
pub(crate) fn rewrite(
    table: &LakeTable,
    properties: &WriteProperties,
    folder: &str,
    groups: &[Vec<String>],
) -> Result<Option<Vec<Vec<DataFile>>>> {
    let table = table.refresh()?;
    let wanted: BTreeSet<&str> = groups.iter().flatten().map(String::as_str).collect();
    let shape = file_shape(&table)?;
    let mut tasks: HashMap<String, ReadTask> =
        tasks_of(&table, table.metadata().current_snapshot().map(|s| &**s), &shape, None)?
            .into_iter()
            .filter(|t| wanted.contains(t.entry.file.file_path()))
            .map(|t| (t.entry.file.file_path().to_string(), t))
            .collect();
    let spec_id = table.metadata().default_partition_spec_id();
    if tasks.len() != wanted.len() || tasks.values().any(|t| t.entry.spec_id != spec_id) {
        return Ok(None);
    }
    let before = delete_files(&table)?;
    let mut maker = FileMaker::new(&table, properties, folder.to_string(), "merged".to_string());
    let mut written: Vec<Vec<DataFile>> = Vec::new();
    let mut added = Vec::new();
    for paths in groups {
        let group: Vec<ReadTask> = paths.iter().filter_map(|path| tasks.remove(path)).collect();
        let sequence = group.iter().map(|t| t.entry.sequence).max();
        let files = merge(&table, &shape, properties, &mut maker, group)?;
        added.extend(files.iter().map(|f| AddedFile { file: f.clone(), spec_id, sequence }));
        written.push(files);
    }
    let mut fits = false;
    let swapped = commit(&table, &mut |now| {
        // A delete that came meanwhile may be about the files that we read without it.
        fits = delete_files(now)? == before && are_live(now, &wanted)?;
        Ok(fits.then(|| TableChange {
            operation: Operation::Replace,
            added: added.clone(),
            removed: groups.iter().flatten().cloned().collect(),
            ..TableChange::default()
        }))
    });
    if !fits || swapped.as_ref().is_err_and(|e| !e.is_retryable()) {
        for file in written.iter().flatten() {
            let _ = table.loaded().io.delete(file.file_path());
        }
    }
    swapped?;
    Ok(fits.then_some(written))
}

/// The rows of files of one partition, in new files.
fn merge(
    table: &LakeTable,
    shape: &Arc<Shape>,
    properties: &WriteProperties,
    maker: &mut FileMaker,
    tasks: Vec<ReadTask>,
) -> Result<Vec<DataFile>> {
    let Some(partition) = tasks.first().map(|t| t.entry.file.partition().clone()) else { return Ok(Vec::new()) };
    let request = request(table, Arc::clone(shape), None);
    let mut written = Vec::new();
    let mut open = None;
    for task in tasks {
        for batch in read_task(&request, task)? {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            let file = match &mut open {
                Some(file) => file,
                none => none.insert(maker.open(partition.clone(), &batch)?),
            };
            file.write(&batch)?;
            if file.size() >= properties.target_size
                && let Some(full) = open.take()
            {
                written.push(full.finish()?);
            }
        }
    }
    if let Some(file) = open {
        written.push(file.finish()?);
    }
    Ok(written)
}

fn delete_files(table: &LakeTable) -> Result<BTreeSet<String>> {
    let Some(snapshot) = table.metadata().current_snapshot() else { return Ok(BTreeSet::new()) };
    let io = &table.loaded().io;
    let mut paths = BTreeSet::new();
    for manifest in files::manifests(io, table.metadata(), snapshot)? {
        if manifest.content == ManifestContentType::Deletes {
            let entries = files::read_manifest(io, table.metadata(), &manifest)?.entries;
            let live = entries.iter().filter(|e| e.is_live() && e.file.content_type() != DataContentType::Data);
            paths.extend(live.map(|e| e.file.file_path().to_string()));
        }
    }
    Ok(paths)
}

fn are_live(table: &LakeTable, wanted: &BTreeSet<&str>) -> Result<bool> {
    let Some(snapshot) = table.metadata().current_snapshot() else { return Ok(false) };
    let live = files::live_files(&table.loaded().io, table.metadata(), snapshot)?;
    Ok(live.iter().filter(|e| wanted.contains(e.file.file_path())).count() == wanted.len())
}
