//! A lake table as the bounded source of a job: the rows of one snapshot, file by file.
//!
//! The offset names the snapshot, the file and the row, so that a restarted job goes on in the same snapshot however the
//! table has changed since.

use crate::scan::rows::{FileRows, read_task};
use crate::scan::{LakeScan, ReadTask, Shape, tasks_of};
use crate::table::LakeTable;
use arrow::array::RecordBatch;
use freshet_connector_api::{
    AssignedSplit, Boundedness, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader, Split, SplitId,
};
use freshet_sql::catalog::external::TableVersion;
use freshet_types::{ChangeBatch, Error, Result};
use std::collections::VecDeque;
use std::sync::Arc;

/// The only split: files are read in the order of their commits.
const SPLIT: &str = "snapshot";

/// The source of a lake table.
pub(crate) struct LakeSource {
    table: LakeTable,
}

impl LakeSource {
    /// Reads the snapshot that is current when the job first looks.
    pub(crate) fn new(table: &LakeTable) -> Result<Self> {
        Ok(Self { table: table.clone() })
    }
}

/// Where a reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// None for a table without a snapshot.
    snapshot: Option<i64>,
    file: usize,
    row: u64,
}

impl Place {
    fn to_offset(self) -> Offset {
        let snapshot = self.snapshot.map_or_else(|| "empty".to_string(), |id| id.to_string());
        Offset(format!("{snapshot}/{}/{}", self.file, self.row))
    }

    fn parse(offset: &Offset) -> Result<Self> {
        let wrong = || Error::data("lake.offset", format!("\"{}\" is no offset of a lake table", offset.0));
        let mut parts = offset.0.split('/');
        let mut part = || parts.next().ok_or_else(wrong);
        let snapshot = match part()? {
            "empty" => None,
            id => Some(id.parse().map_err(|_| wrong())?),
        };
        let file = part()?.parse().map_err(|_| wrong())?;
        let row = part()?.parse().map_err(|_| wrong())?;
        Ok(Self { snapshot, file, row })
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
        let snapshot = table.metadata().current_snapshot_id();
        Ok(vec![Split { id: SPLIT.into(), start: Place { snapshot, file: 0, row: 0 }.to_offset() }])
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(LakeReader { table: self.table.clone(), projection: projection.to_vec(), splits: VecDeque::new() }))
    }
}

struct LakeReader {
    table: LakeTable,
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

impl OpenSplit {
    fn open(table: &LakeTable, split: AssignedSplit) -> Result<Self> {
        let place = Place::parse(&split.from)?;
        let table = table.refresh()?;
        let version = place.snapshot.map(TableVersion::Snapshot);
        let current = table.metadata().current_snapshot_id();
        // A snapshot that is still current is read with today's columns: those that the job was planned with.
        let scan = LakeScan::new(&table, version.filter(|_| place.snapshot != current)).map_err(|e| {
            e.hint("the job's snapshot was expired while it was stopped: start it over with --from-scratch")
        })?;
        let shape = scan.shape();
        let snapshot = table.snapshot(version)?;
        let tasks = match place.snapshot {
            Some(_) => tasks_of(&table, snapshot.as_deref(), &shape, None)?,
            None => Vec::new(),
        };
        Ok(Self { id: split.id, place, shape, table, tasks, rows: None, rest: None, skip: place.row })
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
                self.place.row += count as u64;
                return Ok(Some(rest.slice(0, count)));
            }
            if let Some(rows) = &mut self.rows {
                match rows.next().transpose()? {
                    Some(batch) => self.rest = Some(batch),
                    None => {
                        self.rows = None;
                        self.place = Place { file: self.place.file + 1, row: 0, ..self.place };
                        self.skip = 0;
                    }
                }
                continue;
            }
            let Some(task) = self.tasks.get(self.place.file) else { return Ok(None) };
            let request = crate::scan::request(&self.table, Arc::clone(&self.shape), Some(projection.to_vec()));
            self.rows = Some(read_task(&request, task.clone())?);
        }
    }
}

impl SourceReader for LakeReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            let open = OpenSplit::open(&self.table, split).map_err(|e| e.at("table", self.table.full_name()))?;
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
        for place in [Place { snapshot: None, file: 0, row: 0 }, Place { snapshot: Some(7), file: 3, row: 9 }] {
            assert_eq!(Place::parse(&place.to_offset()).unwrap(), place);
        }
        assert_eq!(Place::parse(&Offset("x".into())).unwrap_err().code(), "lake.offset");
    }
}
