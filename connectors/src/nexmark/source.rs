//! Reads the events: blocks of 1000 go round the splits, so that splits advance together; offset = events of the split.

use super::generator::Generator;
use super::options::NexmarkOptions;
use crate::pace::Pace;
use arrow::datatypes::SchemaRef;
use freshet_connector_api::{
    AssignedSplit, Boundedness, ColumnOrigin, ConnectorEnv, Extent, Offset, Poll, PollLimit, Source, SourceBatch,
    SourceReader, Split, SplitId, TableSpec,
};
use freshet_types::{ChangeBatch, Clock, Error, Result};
use std::sync::Arc;

/// Consecutive events in one split.
const BLOCK: u64 = 1_000;

pub(super) struct NexmarkSource {
    table: TableSpec,
    options: NexmarkOptions,
    clock: Arc<dyn Clock>,
}

impl NexmarkSource {
    pub(super) fn new(table: &TableSpec, env: &ConnectorEnv) -> Result<Self> {
        let at = |e: Error| e.at("table", &table.name);
        let options = NexmarkOptions::parse(&table.options).map_err(at)?;
        if let Some(column) = table.columns.iter().find(|c| c.origin != ColumnOrigin::Physical) {
            return Err(at(Error::unsupported("connector.metadata", "connector \"nexmark\" has no metadata columns")
                .at("column", &column.field.name)));
        }
        // Two rounds of events show whether every column can be made.
        let probe = Generator::new(&options);
        probe.make(table.schema().fields(), 0..2).map_err(at)?;
        Ok(Self { table: table.clone(), options, clock: Arc::clone(&env.clock) })
    }
}

impl Source for NexmarkSource {
    fn boundedness(&self) -> Boundedness {
        if self.options.event_count.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        let splits = 0..self.options.splits;
        Ok(splits.map(|i| Split { id: format!("events-{i}").into(), start: Offset("0".into()) }).collect())
    }

    fn extent(&self) -> Option<Extent> {
        self.options.event_count.map(Extent::Rows)
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(NexmarkReader {
            generator: Generator::new(&self.options),
            schema: Arc::new(self.table.read_schema().project(projection)?),
            pace: self.options.rate_limited.then(|| Pace::new(Arc::clone(&self.clock), self.options.rate)),
            splits: Vec::new(),
            split_count: self.options.splits,
            end: self.options.event_count.unwrap_or(u64::MAX / 4),
        }))
    }
}

struct Part {
    id: SplitId,
    index: u64,
    /// Events of this split so far.
    given: u64,
}

struct NexmarkReader {
    generator: Generator,
    schema: SchemaRef,
    pace: Option<Pace>,
    splits: Vec<Part>,
    split_count: u64,
    end: u64,
}

impl NexmarkReader {
    /// Number of the event that is the `given`-th of split `index`.
    fn number(&self, index: u64, given: u64) -> u64 {
        (given / BLOCK * self.split_count + index) * BLOCK + given % BLOCK
    }
}

impl SourceReader for NexmarkReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            let index = split.id.strip_prefix("events-").and_then(|i| i.parse().ok());
            let (Some(index), Ok(given)) = (index.filter(|i| *i < self.split_count), split.from.0.parse()) else {
                return Err(Error::data(
                    "source.offset",
                    format!("split \"{}\" at \"{}\" is not ours", split.id, split.from.0),
                )
                .hint("start over with --from-scratch after a change of the option splits"));
            };
            self.splits.push(Part { id: split.id, index, given });
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        // The split that is furthest behind goes on.
        let next = (0..self.splits.len()).min_by_key(|i| self.number(self.splits[*i].index, self.splits[*i].given));
        let Some(next) = next else { return Ok(Poll::Finished) };
        let (index, given) = (self.splits[next].index, self.splits[next].given);
        let start = self.number(index, given);
        // Blocks follow each other without a gap only in a single split.
        let room = if self.split_count == 1 { u64::MAX } else { BLOCK - given % BLOCK };
        let left = self.end.saturating_sub(start);
        let wanted = left.min(room).min(limit.rows as u64);
        let count = self.pace.as_mut().map_or(wanted, |pace| pace.take(wanted, limit.wait));
        if count == 0 && wanted > 0 {
            return Ok(Poll::Pending);
        }
        let columns = self.generator.make(self.schema.fields(), start..start + count)?;
        let rows = crate::rows::batch(&self.schema, columns, count as usize)?;
        let given = given + count;
        let split_finished = self.number(index, given) >= self.end;
        let batch = SourceBatch {
            split: Arc::clone(&self.splits[next].id),
            bytes: rows.get_array_memory_size() as u64,
            changes: ChangeBatch::inserts(rows),
            next: Offset(given.to_string()),
            dead: Vec::new(),
            ignored: 0,
            split_finished,
        };
        if split_finished {
            self.splits.remove(next);
        } else {
            self.splits[next].given = given;
        }
        Ok(Poll::Batch(batch))
    }
}
