//! Reads made-up rows: one split, offset = number of rows before.

use super::column::{ColumnMaker, Moment};
use super::options::DatagenOptions;
use crate::pace::Pace;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use freshet_connector_api::{
    AssignedSplit, Boundedness, ColumnOrigin, ConnectorEnv, Extent, Offset, Poll, PollLimit, Source, SourceBatch,
    SourceReader, Split, SplitId, TableSpec,
};
use freshet_types::{ChangeBatch, Clock, Error, Result};
use std::sync::Arc;

pub(super) struct DatagenSource {
    table: TableSpec,
    options: DatagenOptions,
    row_count: Option<u64>,
    clock: Arc<dyn Clock>,
}

impl DatagenSource {
    pub(super) fn new(table: &TableSpec, env: &ConnectorEnv) -> Result<Self> {
        let options = DatagenOptions::parse(&table.options).map_err(|e| e.at("table", &table.name))?;
        let makers = makers(table, &options, &(0..table.columns.len()).collect::<Vec<_>>())?;
        check_fields(table)?;
        let sequence = makers.iter().filter_map(ColumnMaker::sequence_length).min();
        let row_count = options.number_of_rows.into_iter().chain(sequence).min();
        Ok(Self { table: table.clone(), options, row_count, clock: Arc::clone(&env.clock) })
    }
}

/// Refuses `fields.<name>...` for names that the table does not have.
fn check_fields(table: &TableSpec) -> Result<()> {
    for (option, _) in table.options.iter() {
        let Some(rest) = option.strip_prefix("fields.") else { continue };
        let known = |name: &str| rest.strip_prefix(name).is_some_and(|r| r.starts_with('.'));
        if !table.columns.iter().any(|c| known(&c.field.name)) {
            let typed = rest.split('.').next().unwrap_or(rest);
            let names = table.columns.iter().map(|c| c.field.name.as_str());
            return Err(Error::invalid("datagen.field", format!("option \"{option}\" names no column"))
                .at("table", &table.name)
                .hint(freshet_types::suggest::hint(typed, "columns", names)));
        }
    }
    Ok(())
}

fn makers(table: &TableSpec, options: &DatagenOptions, projection: &[usize]) -> Result<Vec<ColumnMaker>> {
    let make = |i: &usize| {
        let column = &table.columns[*i];
        if column.origin != ColumnOrigin::Physical {
            return Err(Error::unsupported("connector.metadata", "connector \"datagen\" has no metadata columns")
                .at("column", &column.field.name));
        }
        ColumnMaker::new(&column.field, &column.field.name, &table.options, options.seed)
    };
    projection.iter().map(make).collect::<Result<_>>().map_err(|e: Error| e.at("table", &table.name))
}

impl Source for DatagenSource {
    fn boundedness(&self) -> Boundedness {
        if self.row_count.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "rows".into(), start: Offset("0".into()) }])
    }

    fn extent(&self) -> Option<Extent> {
        self.row_count.map(Extent::Rows)
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(DatagenReader {
            makers: makers(&self.table, &self.options, projection)?,
            schema: Arc::new(self.table.schema().project(projection)?),
            pace: Pace::new(Arc::clone(&self.clock), self.options.rows_per_second),
            options: self.options.clone(),
            end: self.row_count.unwrap_or(u64::MAX),
            clock: Arc::clone(&self.clock),
            split: None,
        }))
    }
}

struct DatagenReader {
    makers: Vec<ColumnMaker>,
    schema: SchemaRef,
    pace: Pace,
    options: DatagenOptions,
    end: u64,
    clock: Arc<dyn Clock>,
    split: Option<(SplitId, u64)>,
}

impl SourceReader for DatagenReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            let row = split.from.0.parse().map_err(|_| {
                Error::data("source.offset", format!("offset \"{}\" is no row number", split.from.0))
                    .hint("start over with --from-scratch")
            })?;
            self.split = Some((split.id, row));
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        let Some((split, row)) = &mut self.split else { return Ok(Poll::Finished) };
        let left = self.end.saturating_sub(*row);
        let count = self.pace.take(left.min(limit.rows as u64), limit.wait);
        if count == 0 && left > 0 {
            return Ok(Poll::Pending);
        }
        let moment = match self.options.start_ms {
            Some(base_ms) => Moment { base_ms, rows_per_second: self.options.rows_per_second },
            None => Moment { base_ms: self.clock.now_ms(), rows_per_second: 0 },
        };
        let rows = *row..*row + count;
        let columns = self.makers.iter().map(|m| m.make(rows.clone(), moment)).collect::<Result<Vec<_>>>()?;
        let batch = crate::rows::batch(&self.schema, columns, count as usize)?;
        *row += count;
        let bytes = batch_bytes(&batch);
        let batch = SourceBatch {
            split: Arc::clone(split),
            changes: ChangeBatch::inserts(batch),
            next: Offset(row.to_string()),
            dead: Vec::new(),
            ignored: 0,
            split_finished: *row >= self.end,
            bytes,
        };
        if batch.split_finished {
            self.split = None;
        }
        Ok(Poll::Batch(batch))
    }
}

fn batch_bytes(batch: &RecordBatch) -> u64 {
    batch.get_array_memory_size() as u64
}
