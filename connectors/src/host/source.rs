//! Reads samples: one split, offset = number of samples before.

use super::options::HostOptions;
use super::sample::{Figure, Sampler};
use arrow::array::{ArrayRef, Float64Array, StringArray, TimestampMillisecondArray};
use arrow::compute;
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use chrono::{DateTime, Offset as _};
use freshet_connector_api::{
    AssignedSplit, Boundedness, ColumnOrigin, ConnectorEnv, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader,
    Split, SplitId, TableSpec,
};
use freshet_types::{ChangeBatch, Clock, Error, Result, suggest};
use std::sync::Arc;
use std::time::Duration;

const COLUMNS: [&str; 7] = ["ts", "host", "kind", "name", "metric", "value", "unit"];

/// The use of processors is measured between two looks at least so far apart.
const FIRST_LOOK_MS: i64 = 200;

pub(super) struct HostSource {
    table: TableSpec,
    options: HostOptions,
    env: ConnectorEnv,
}

impl HostSource {
    pub(super) fn new(table: &TableSpec, env: &ConnectorEnv) -> Result<Self> {
        for column in &table.columns {
            let name = &column.field.name;
            if column.origin != ColumnOrigin::Physical {
                return Err(Error::unsupported("connector.metadata", "connector \"host\" has no metadata columns")
                    .at("column", name));
            }
            let fits = match name.as_str() {
                "ts" => |t: &DataType| matches!(t, DataType::Timestamp(..)),
                "value" => |t: &DataType| t.is_floating(),
                name if COLUMNS.contains(&name) => |t: &DataType| *t == DataType::Utf8,
                _ => {
                    return Err(Error::invalid("host.column", format!("host has no column \"{name}\""))
                        .hint(suggest::hint(name, "columns", COLUMNS)));
                }
            };
            if !fits(&column.field.sql_type.to_arrow()) {
                let sql_type = &column.field.sql_type;
                return Err(Error::invalid("host.column", format!("column \"{name}\" is declared as {sql_type}"))
                    .hint("declare ts TIMESTAMP(3) or TIMESTAMP_LTZ(3), value DOUBLE, the others STRING"));
            }
        }
        Ok(Self { table: table.clone(), options: HostOptions::parse(&table.options)?, env: env.clone() })
    }
}

impl Source for HostSource {
    fn boundedness(&self) -> Boundedness {
        if self.options.sample_count.is_some() { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn is_replayable(&self) -> bool {
        false
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "samples".into(), start: Offset("0".into()) }])
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        let time_zone = self.env.time_zone.parse().unwrap_or(chrono_tz::Tz::UTC);
        Ok(Box::new(HostReader {
            schema: Arc::new(self.table.schema().project(projection)?),
            options: self.options,
            clock: Arc::clone(&self.env.clock),
            time_zone,
            host: Sampler::host_name(),
            split: None,
            sampler: None,
        }))
    }
}

struct HostReader {
    schema: SchemaRef,
    options: HostOptions,
    clock: Arc<dyn Clock>,
    time_zone: chrono_tz::Tz,
    host: String,
    split: Option<(SplitId, u64)>,
    /// Made at the first poll, with the moment of the next sample.
    sampler: Option<(Sampler, i64)>,
}

impl HostReader {
    fn column(&self, field: &FieldRef, figures: &[Figure], now_ms: i64) -> Result<ArrayRef> {
        let text = |value: fn(&Figure) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(figures.iter().map(value)))
        };
        let column: ArrayRef = match field.name().as_str() {
            "ts" => {
                let instants = TimestampMillisecondArray::from_value(now_ms, figures.len());
                match field.data_type() {
                    DataType::Timestamp(_, Some(_)) => Arc::new(instants.with_timezone("UTC")),
                    // A TIMESTAMP is what the clock on the wall of the session shows.
                    _ => {
                        let shift = DateTime::from_timestamp_millis(now_ms).map_or(0, |utc| {
                            i64::from(utc.with_timezone(&self.time_zone).offset().fix().local_minus_utc()) * 1_000
                        });
                        Arc::new(TimestampMillisecondArray::from_value(now_ms + shift, figures.len()))
                    }
                }
            }
            "host" => Arc::new(StringArray::from_iter_values(figures.iter().map(|_| self.host.as_str()))),
            "kind" => text(|f| f.kind),
            "name" => text(|f| &f.name),
            "metric" => text(|f| f.metric),
            "unit" => text(|f| f.unit),
            _ => Arc::new(Float64Array::from_iter_values(figures.iter().map(|f| f.value))),
        };
        Ok(compute::cast(&column, field.data_type())?)
    }
}

impl SourceReader for HostReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            self.split = Some((split.id, split.from.0.parse().unwrap_or(0)));
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        let Some((split, taken)) = self.split.clone() else { return Ok(Poll::Finished) };
        let ended = |taken: u64| self.options.sample_count.is_some_and(|count| taken >= count);
        let mut now = self.clock.now_ms();
        let mut figures = Vec::new();
        let mut taken = taken;
        if !ended(taken) {
            let first_look = FIRST_LOOK_MS.min(self.options.interval_ms);
            let (sampler, due) =
                self.sampler.get_or_insert_with(|| (Sampler::new(self.options.process_limit), now + first_look));
            if now < *due {
                let left = Duration::from_millis((*due - now).unsigned_abs());
                std::thread::sleep(left.min(limit.wait));
                now = self.clock.now_ms();
            }
            if now < *due {
                return Ok(Poll::Pending);
            }
            figures = sampler.take();
            // Samples that were missed while the machine slept are left out.
            *due = (*due + self.options.interval_ms).max(now);
            taken += 1;
        }
        let columns = self.schema.fields().iter().map(|f| self.column(f, &figures, now)).collect::<Result<Vec<_>>>()?;
        let rows = crate::rows::batch(&self.schema, columns, figures.len())?;
        let split_finished = ended(taken);
        self.split = if split_finished { None } else { Some((Arc::clone(&split), taken)) };
        Ok(Poll::Batch(SourceBatch {
            split,
            bytes: rows.get_array_memory_size() as u64,
            changes: ChangeBatch::inserts(rows),
            next: Offset(taken.to_string()),
            dead: Vec::new(),
            ignored: 0,
            split_finished,
        }))
    }
}
