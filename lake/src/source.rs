//! A lake table as the bounded source of a job: the rows of one snapshot, file by file; when the job is started again after
//! its end, the rows that were appended since.
//!
//! The offset names the snapshot, the file and the row, so that a restarted job goes on in the same snapshot however the
//! table has changed meanwhile.

use crate::files;
use crate::scan::rows::{FileRows, read_task};
use crate::scan::{LakeScan, ReadTask, Shape, plain_task, tasks_of};
use crate::table::LakeTable;
use crate::version::Version;
use arrow::array::RecordBatch;
use freshet_connector_api::{
    AssignedSplit, Boundedness, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader, Split, SplitId,
};
use freshet_sql::catalog::external::TableVersion;
use freshet_types::{ChangeBatch, Error, Result};
use iceberg::spec::{ManifestContentType, ManifestStatus, Operation, SnapshotRef};
use std::collections::VecDeque;
use std::sync::Arc;

/// The only split: files are read in the order of their commits.
const SPLIT: &str = "snapshot";

/// The source of a lake table.
pub(crate) struct LakeSource {
    table: LakeTable,
    shape: Arc<Shape>,
    /// The only snapshot that may be read; none for the newest.
    pinned: Option<i64>,
}

impl LakeSource {
    /// Reads the snapshot that is current when the job first looks.
    pub(crate) fn new(table: &LakeTable) -> Result<Self> {
        Ok(Self { table: table.clone(), shape: LakeScan::new(table)?.shape(), pinned: None })
    }

    /// Reads this snapshot and no other.
    pub(crate) fn of_version(table: &LakeTable, version: &Version) -> Result<Self> {
        let shape = LakeScan::of_version(table, version)?.shape();
        Ok(Self { table: table.clone(), shape, pinned: Some(version.snapshot.snapshot_id()) })
    }
}

/// Where a reader stands: `17/2/100` in snapshot 17, `17/done` at its end, `17..19/0/5` in what came from 17 to 19, `empty`
/// for a table without a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The snapshot whose rows were given before; none when all rows are new.
    after: Option<i64>,
    /// None for a table without a snapshot.
    snapshot: Option<i64>,
    /// None when every file was given.
    at: Option<(usize, u64)>,
}

impl Place {
    fn start(snapshot: Option<i64>) -> Self {
        Self { after: None, snapshot, at: Some((0, 0)) }
    }

    fn to_offset(self) -> Offset {
        let Some(snapshot) = self.snapshot else { return Offset("empty".into()) };
        Offset(match (self.at, self.after) {
            (None, _) => format!("{snapshot}/done"),
            (Some((file, row)), None) => format!("{snapshot}/{file}/{row}"),
            (Some((file, row)), Some(after)) => format!("{after}..{snapshot}/{file}/{row}"),
        })
    }

    fn parse(offset: &Offset) -> Result<Self> {
        if offset.0 == "empty" {
            return Ok(Self { after: None, snapshot: None, at: None });
        }
        let parse = || {
            let (snapshots, at) = offset.0.split_once('/')?;
            let (after, snapshot) = match snapshots.split_once("..") {
                Some((after, snapshot)) => (Some(after.parse().ok()?), snapshot),
                None => (None, snapshots),
            };
            let at = match at.split_once('/') {
                Some((file, row)) => Some((file.parse().ok()?, row.parse().ok()?)),
                None if at == "done" => None,
                None => return None,
            };
            Some(Self { after, snapshot: Some(snapshot.parse().ok()?), at })
        };
        parse().ok_or_else(|| Error::data("lake.offset", format!("\"{}\" is no offset of a lake table", offset.0)))
    }

    /// From the end of a snapshot to what came behind it, up to `current`.
    fn go_on(self, current: Option<i64>) -> Self {
        match (self.at, self.snapshot) {
            (None, known) if known == current => self,
            (None, None) => Self::start(current),
            (None, known) => Self { after: known, snapshot: current, at: Some((0, 0)) },
            _ => self,
        }
    }
}

impl Source for LakeSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        let table = self.table.refresh()?;
        let start = Place::start(self.pinned.or(table.metadata().current_snapshot_id()));
        Ok(vec![Split { id: SPLIT.into(), start: start.to_offset() }])
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(LakeReader {
            table: self.table.clone(),
            shape: Arc::clone(&self.shape),
            pinned: self.pinned,
            projection: projection.to_vec(),
            splits: VecDeque::new(),
        }))
    }
}

struct LakeReader {
    table: LakeTable,
    /// The columns that the job was planned with, whatever the table has become since.
    shape: Arc<Shape>,
    pinned: Option<i64>,
    projection: Vec<usize>,
    splits: VecDeque<OpenSplit>,
}

struct OpenSplit {
    id: SplitId,
    place: Place,
    shape: Arc<Shape>,
    table: LakeTable,
    tasks: Vec<ReadTask>,
    rows: Option<FileRows>,
    /// What is left of the last batch.
    rest: Option<RecordBatch>,
    /// Rows of the file that were given before this reader began.
    skip: u64,
}

/// The data files that appends added to the table between two snapshots, in the order of their commits.
///
/// # Errors
/// `lake.expired` and `lake.rolled_back` when the way from one to the other is not known, `lake.not_append` when rows were
/// changed or deleted on it: what the job made of them cannot be taken back.
fn appended(table: &LakeTable, after: i64, until: i64) -> Result<Vec<ReadTask>> {
    let (io, metadata) = (&table.loaded().io, table.metadata());
    let over = "start the job over with --from-scratch";
    let expired = |id: i64| {
        Error::invalid("lake.expired", format!("snapshot {id}, with rows that the job has not read, was expired"))
            .hint(format!("{over}, and set a larger 'freshet.snapshots-max' or expire less often"))
    };
    let find = |id: i64| metadata.snapshot_by_id(id).cloned().ok_or_else(|| expired(id));
    let mut steps: Vec<SnapshotRef> = vec![find(until)?];
    while let Some(parent) = steps.last().and_then(|s| s.parent_snapshot_id()).filter(|parent| *parent != after) {
        steps.push(find(parent)?);
    }
    if steps.last().and_then(|s| s.parent_snapshot_id()) != Some(after) {
        return Err(Error::invalid(
            "lake.rolled_back",
            format!(
                "the table was rolled back or replaced: snapshot {after}, which the job has read, is not part of it"
            ),
        )
        .hint(over));
    }
    let mut tasks = Vec::new();
    for snapshot in steps.iter().rev().filter(|s| s.summary().operation != Operation::Replace) {
        let id = snapshot.snapshot_id();
        let mut added = Vec::new();
        for manifest in files::manifests(io, metadata, snapshot)?.iter().filter(|m| m.added_snapshot_id == id) {
            for entry in files::read_manifest(io, metadata, manifest)?.entries {
                match (entry.status, manifest.content) {
                    (ManifestStatus::Existing, _) => {}
                    (ManifestStatus::Added, ManifestContentType::Data) => added.push(entry),
                    (ManifestStatus::Added | ManifestStatus::Deleted, _) => {
                        return Err(Error::unsupported(
                            "lake.not_append",
                            format!("snapshot {id} changed or deleted rows that the job has read"),
                        )
                        .hint(over));
                    }
                }
            }
        }
        added.sort_by(|a, b| a.file.file_path().cmp(b.file.file_path()));
        for entry in added {
            tasks.push(plain_task(entry, metadata)?);
        }
    }
    Ok(tasks)
}

impl OpenSplit {
    fn open(reader: &LakeReader, split: AssignedSplit) -> Result<Self> {
        let (table, shape) = (reader.table.refresh()?, Arc::clone(&reader.shape));
        let newest = reader.pinned.or(table.metadata().current_snapshot_id());
        let place = Place::parse(&split.from)?.go_on(newest);
        let tasks = match (place.after, place.snapshot, place.at) {
            (Some(after), Some(until), Some(_)) => appended(&table, after, until)?,
            (None, Some(id), Some(_)) => {
                let version = table.version(&TableVersion::Snapshot(id)).map_err(|e| {
                    e.hint("the job's snapshot was expired while it was stopped: start it over with --from-scratch")
                })?;
                tasks_of(&table, Some(&version.snapshot), &shape, None)?
            }
            _ => Vec::new(),
        };
        let skip = place.at.map_or(0, |(_, row)| row);
        Ok(Self { id: split.id, place, shape, table, tasks, rows: None, rest: None, skip })
    }

    fn next(&mut self, projection: &[usize], most: usize) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(rest) = self.rest.take().filter(|r| r.num_rows() > 0) {
                if self.skip > 0 {
                    let skipped = self.skip.min(rest.num_rows() as u64);
                    self.skip -= skipped;
                    self.rest = Some(rest.slice(skipped as usize, rest.num_rows() - skipped as usize));
                    continue;
                }
                let count = most.clamp(1, rest.num_rows());
                self.rest = Some(rest.slice(count, rest.num_rows() - count));
                if let Some((_, row)) = &mut self.place.at {
                    *row += count as u64;
                }
                return Ok(Some(rest.slice(0, count)));
            }
            if let Some(rows) = &mut self.rows {
                match rows.next().transpose()? {
                    Some(batch) => self.rest = Some(batch),
                    None => {
                        self.rows = None;
                        self.place.at = self.place.at.map(|(file, _)| (file + 1, 0));
                        self.skip = 0;
                    }
                }
                continue;
            }
            let Some(task) = self.place.at.and_then(|(file, _)| self.tasks.get(file)) else {
                self.place.at = None;
                return Ok(None);
            };
            let request = crate::scan::request(&self.table, Arc::clone(&self.shape), Some(projection.to_vec()));
            self.rows = Some(read_task(&request, task.clone())?);
        }
    }
}

impl SourceReader for LakeReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            let open = OpenSplit::open(self, split).map_err(|e| e.at("table", self.table.full_name()))?;
            self.splits.push_back(open);
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        let Some(split) = self.splits.front_mut() else { return Ok(Poll::Finished) };
        let rows = split.next(&self.projection, limit.rows).map_err(|e| e.at("table", self.table.full_name()))?;
        let finished = rows.is_none();
        let changes = match rows {
            Some(rows) => ChangeBatch::inserts(rows),
            None => ChangeBatch::empty(Arc::new(split.shape.schema().project(&self.projection)?)),
        };
        let batch = SourceBatch {
            split: Arc::clone(&split.id),
            bytes: changes.memory_size() as u64,
            changes,
            next: split.place.to_offset(),
            dead: Vec::new(),
            ignored: 0,
            split_finished: finished,
        };
        if finished {
            self.splits.pop_front();
        }
        Ok(Poll::Batch(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_the_way_through_text() {
        let (whole, end) = (Some((3, 9)), None);
        for (after, snapshot, at) in
            [(None, None, end), (None, Some(7), whole), (None, Some(7), end), (Some(7), Some(9), whole)]
        {
            let place = Place { after, snapshot, at };
            assert_eq!(Place::parse(&place.to_offset()).unwrap(), place);
        }
        for wrong in ["x", "7", "7/x", "7/1/x", "..7/1/1"] {
            assert_eq!(Place::parse(&Offset(wrong.into())).unwrap_err().code(), "lake.offset", "{wrong}");
        }
    }

    #[test]
    fn the_end_of_a_snapshot_is_the_beginning_of_the_next() {
        let end = Place { after: None, snapshot: Some(7), at: None };
        assert_eq!(end.go_on(Some(7)), end);
        assert_eq!(end.go_on(Some(9)).to_offset().0, "7..9/0/0");
        let empty = Place { after: None, snapshot: None, at: None };
        assert_eq!(empty.go_on(None), empty);
        assert_eq!(empty.go_on(Some(9)).to_offset().0, "9/0/0");
        let midway = Place { after: None, snapshot: Some(7), at: Some((1, 2)) };
        assert_eq!(midway.go_on(Some(9)), midway);
    }
}
