//! Aggregates rows by key and window; a window leaves once the watermark says that it is complete.
//!
//! State: per slice of event time its keys and one cell per aggregate. A hopping or cumulating window is the sum of its
//! slices, made when it closes. Sessions are kept per key, see [`session`].
//!
//! # Invariants
//! - WA-1: each window with rows is emitted once, in the epoch whose watermark closes it; the output is append-only.
//! - WA-2: a row is dropped as late only when every window that it belongs to is closed.
//!
//! Cost: memory O(keys x open slices); one lookup per row; a hopping window merges size / slide slices.

mod pane;
#[cfg(test)]
mod reference;
mod session;
#[cfg(test)]
mod tests;

use crate::operators::aggregate_call::AggregateCall;
use crate::operators::segment::{FrozenTable, FrozenTables, state_batch};
use crate::operators::windows::{WindowSpec, check_time_column, times_ms, timestamps, window_fields};
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use freshet_types::{ChangeBatch, Error, Result, Watermark};
use pane::Pane;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which windows rows are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowKind {
    /// Windows of a time column.
    OnTime {
        /// The time column.
        time: usize,
        /// The windows.
        windows: WindowSpec,
    },
    /// A window per key that lasts until no row comes for a while.
    Session {
        /// The time column.
        time: usize,
        /// How long; a row exactly that long after the last one still belongs, as in Flink.
        gap_ms: i64,
    },
    /// Rows carry their window.
    Attached {
        /// The column `window_start`.
        start: usize,
        /// The column `window_end`.
        end: usize,
    },
}

/// What is grouped by, and what is computed.
#[derive(Debug, Clone)]
pub struct WindowAggregateConfig {
    /// Schema of the input, which is append-only.
    pub input: SchemaRef,
    /// Key columns, without the window's.
    pub keys: Vec<usize>,
    /// The windows.
    pub window: WindowKind,
    /// Aggregates, in the order of their output columns.
    pub aggregates: Vec<AggregateCall>,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct WindowAggregate {
    config: WindowAggregateConfig,
    schema: SchemaRef,
}

impl WindowAggregate {
    /// Checks the config and finds the output schema: keys, aggregates, `window_start`, `window_end`, `window_time`.
    pub fn new(config: WindowAggregateConfig) -> Result<Self> {
        let input = &config.input;
        let time = match &config.window {
            WindowKind::OnTime { time, windows } => {
                windows.check()?;
                *time
            }
            WindowKind::Session { time, gap_ms } => {
                if *gap_ms <= 0 {
                    return Err(Error::invalid("window.size", "the gap of a session is not positive")
                        .hint("give a positive interval"));
                }
                *time
            }
            WindowKind::Attached { start, end } => {
                check_time_column(input.field(*start))?;
                *end
            }
        };
        check_time_column(input.field(time))?;
        let mut fields: Vec<_> = config.keys.iter().map(|k| Arc::new(input.field(*k).clone())).collect();
        fields.extend(config.aggregates.iter().map(AggregateCall::field));
        fields.extend(window_fields(input.field(time)).map(Arc::new));
        let factory = Self { schema: Arc::new(Schema::new(fields)), config };
        factory.create(&OperatorContext::new(0, 1))?;
        Ok(factory)
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl OperatorFactory for WindowAggregate {
    fn name(&self) -> &'static str {
        "window_aggregate"
    }

    fn describe(&self) -> String {
        let WindowAggregateConfig { input, keys, window, aggregates } = &self.config;
        let keys: Vec<&str> = keys.iter().map(|k| input.field(*k).name().as_str()).collect();
        let calls: Vec<String> = aggregates.iter().map(|c| c.describe(input)).collect();
        let window = match window {
            WindowKind::OnTime { time, windows } => format!("{windows} on {}", input.field(*time).name()),
            WindowKind::Session { time, gap_ms } => format!("session gap {gap_ms} ms on {}", input.field(*time).name()),
            WindowKind::Attached { .. } => "attached window".to_string(),
        };
        format!("{window} group by [{}] {}", keys.join(", "), calls.join(", "))
    }

    fn state_fingerprint(&self) -> Option<String> {
        let WindowAggregateConfig { input, keys, window, aggregates } = &self.config;
        let keys: Vec<String> = keys.iter().map(|k| input.field(*k).data_type().to_string()).collect();
        let calls: Vec<String> = aggregates.iter().map(|c| c.fingerprint(input)).collect();
        let window = match window {
            WindowKind::OnTime { windows, .. } => format!("{windows}"),
            WindowKind::Session { gap_ms, .. } => format!("session {gap_ms}"),
            WindowKind::Attached { .. } => "attached".to_string(),
        };
        Some(format!("window_aggregate 2 {window} [{}] {}", keys.join(","), calls.join(" ")))
    }

    fn is_emptied_by_the_end(&self) -> bool {
        true
    }

    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
        let layout = Layout::new(&self.config, self.schema());
        if let WindowKind::Session { time, gap_ms } = self.config.window {
            return Ok(Box::new(session::Sessions::new(layout, time, gap_ms, context)?));
        }
        // Finds types that cannot be keys or arguments before the first row comes.
        layout.pane()?;
        Ok(Box::new(Running {
            window: self.config.window.clone(),
            layout,
            panes: BTreeMap::new(),
            watermark: context.watermark,
            late: 0,
            outside: 0,
        }))
    }
}

/// How rows become groups, and groups rows.
struct Layout {
    input: SchemaRef,
    schema: SchemaRef,
    keys: Vec<usize>,
    aggregates: Vec<AggregateCall>,
}

impl Layout {
    fn new(config: &WindowAggregateConfig, schema: SchemaRef) -> Self {
        Self {
            input: Arc::clone(&config.input),
            schema,
            keys: config.keys.clone(),
            aggregates: config.aggregates.clone(),
        }
    }

    fn key_types(&self) -> Vec<DataType> {
        self.keys.iter().map(|k| self.input.field(*k).data_type().clone()).collect()
    }

    fn pane(&self) -> Result<Pane> {
        Pane::new(self.key_types(), &self.aggregates, &self.input)
    }

    fn key_columns(&self, changes: &ChangeBatch) -> Vec<ArrayRef> {
        self.keys.iter().map(|k| Arc::clone(changes.column(*k))).collect()
    }

    /// Output rows from keys and results, with their windows.
    fn rows(&self, mut columns: Vec<ArrayRef>, starts: Vec<i64>, ends: Vec<i64>) -> Result<ChangeBatch> {
        let time = self.schema.field(self.schema.fields().len() - 1).data_type();
        let last = ends.iter().map(|end| end - 1).collect();
        columns.extend([starts, ends, last].into_iter().map(|values| timestamps(values, time)));
        Ok(ChangeBatch::inserts(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }
}

const PANES: &str = "panes";

/// Place of a pane: its slice `(start, end)`, or for rows that carry their window `(end, start)`, so that the first pane
/// closes first.
type Place = (i64, i64);

struct Running {
    window: WindowKind,
    layout: Layout,
    panes: BTreeMap<Place, Pane>,
    /// Watermark up to which windows have left.
    watermark: Watermark,
    late: u64,
    outside: u64,
}

impl Running {
    fn places(&self, changes: &ChangeBatch) -> Result<Vec<Place>> {
        let times = |column: usize| times_ms(changes.column(column), self.layout.input.field(column).name());
        Ok(match &self.window {
            WindowKind::OnTime { time, windows } => {
                let slice = windows.slice();
                let mut last = i64::MAX;
                let times = times(*time)?;
                times
                    .values()
                    .iter()
                    .map(|t| {
                        // Neighbours are mostly in one slice: a comparison is cheaper than a division.
                        if *t < last || t.wrapping_sub(last) >= slice {
                            last = windows.slice_start(*t);
                        }
                        (last, last + slice)
                    })
                    .collect()
            }
            WindowKind::Attached { start, end } => {
                let (starts, ends) = (times(*start)?, times(*end)?);
                ends.values().iter().zip(starts.values()).map(|(e, s)| (*e, *s)).collect()
            }
            WindowKind::Session { .. } => unreachable!("sessions have an operator of their own"),
        })
    }

    /// End of the last window that a pane is part of.
    fn last_end(&self, place: Place) -> Option<i64> {
        match &self.window {
            WindowKind::OnTime { windows, .. } => windows.last_end(place.0),
            _ => Some(place.0),
        }
    }

    fn add(&mut self, place: Place, changes: &ChangeBatch) -> Result<()> {
        match self.last_end(place) {
            None => self.outside += changes.row_count() as u64,
            Some(end) if self.watermark.closes(end) => self.late += changes.row_count() as u64,
            Some(_) => {
                let pane = match self.panes.entry(place) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => entry.insert(self.layout.pane()?),
                };
                pane.update(&self.layout.key_columns(changes), changes)?;
            }
        }
        Ok(())
    }

    fn emit(&self, columns: Vec<ArrayRef>, count: usize, window: (i64, i64), out: &mut dyn Output) -> Result<()> {
        out.emit(self.layout.rows(columns, vec![window.0; count], vec![window.1; count])?);
        Ok(())
    }

    fn close_grid(&mut self, windows: WindowSpec, now: Watermark, out: &mut dyn Output) -> Result<()> {
        let before = self.watermark;
        if before == Watermark::MAX {
            return Ok(());
        }
        let Some(((first, _), _)) = self.panes.first_key_value() else { return Ok(()) };
        let mut end = windows.next_open_end(*first, before);
        while now.closes(end) {
            let start = windows.start_of(end);
            let mut slices = self.panes.range_mut((start, i64::MIN)..(end, i64::MIN));
            match (slices.next(), slices.next()) {
                (None, _) => {
                    let Some(((next, _), _)) = self.panes.range((end, i64::MIN)..).next() else { break };
                    end = windows.next_end(*next);
                    continue;
                }
                (Some((_, only)), None) => {
                    let (columns, count) = only.rows()?;
                    self.emit(columns, count, (start, end), out)?;
                }
                _ => {
                    let mut sum = self.layout.pane()?;
                    for (_, slice) in self.panes.range_mut((start, i64::MIN)..(end, i64::MIN)) {
                        sum.merge(slice)?;
                    }
                    let (columns, count) = sum.rows()?;
                    self.emit(columns, count, (start, end), out)?;
                }
            }
            end = windows.next_end(end);
        }
        while let Some(entry) = self.panes.first_entry() {
            if windows.last_end(entry.key().0).is_some_and(|end| !now.closes(end)) {
                break;
            }
            entry.remove();
        }
        Ok(())
    }

    fn close_attached(&mut self, now: Watermark, out: &mut dyn Output) -> Result<()> {
        while let Some(entry) = self.panes.first_entry() {
            let (end, start) = *entry.key();
            if !now.closes(end) {
                break;
            }
            let (columns, count) = entry.remove().rows()?;
            self.emit(columns, count, (start, end), out)?;
        }
        Ok(())
    }
}

/// Runs of rows with one place, or rows gathered by place when there are too many runs.
fn partition(
    places: &[Place],
    changes: &ChangeBatch,
    mut f: impl FnMut(Place, &ChangeBatch) -> Result<()>,
) -> Result<()> {
    let runs = places.windows(2).filter(|pair| pair[0] != pair[1]).count() + 1;
    if runs <= 8 {
        let mut start = 0;
        for i in 1..=places.len() {
            if i == places.len() || places[i] != places[start] {
                let whole = start == 0 && i == places.len();
                if whole {
                    f(places[0], changes)?;
                } else {
                    f(places[start], &changes.slice(start, i - start))?;
                }
                start = i;
            }
        }
        return Ok(());
    }
    let mut order: Vec<u32> = (0..places.len() as u32).collect();
    order.sort_by_key(|i| places[*i as usize]);
    for rows in order.chunk_by(|a, b| places[*a as usize] == places[*b as usize]) {
        f(places[rows[0] as usize], &changes.take(&UInt32Array::from(rows.to_vec()))?)?;
    }
    Ok(())
}

/// Windows close once, so nothing may be taken back.
fn check_append_only(changes: &ChangeBatch) -> Result<()> {
    if changes.is_append_only() {
        return Ok(());
    }
    Err(Error::unsupported(
        "window_aggregate.retraction",
        "a window aggregate over rows that may be taken back is not there",
    )
    .hint("aggregate the input that only appends, or group by window_start and window_end without a window function"))
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, _out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        check_append_only(&changes)?;
        let places = self.places(&changes)?;
        partition(&places, &changes, |place, rows| self.add(place, rows))
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        if end.watermark <= self.watermark {
            return Ok(());
        }
        match self.window.clone() {
            WindowKind::OnTime { windows, .. } => self.close_grid(windows, end.watermark, out)?,
            _ => self.close_attached(end.watermark, out)?,
        }
        self.watermark = end.watermark;
        Ok(())
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let key_count = self.layout.keys.len();
        let mut tables = Vec::new();
        for (place, pane) in &mut self.panes {
            let Some((mut columns, count)) = pane.freeze(kind)? else { continue };
            let constant = |value: i64| Arc::new(Int64Array::from(vec![value; count])) as ArrayRef;
            columns.splice(key_count..key_count, [constant(place.0), constant(place.1)]);
            tables.push(FrozenTable::Keyed { name: PANES, key_count, rows: state_batch(columns)? });
        }
        Ok(FrozenTables::frozen(kind, tables))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        let key_count = self.layout.keys.len();
        while let Some((_, _, _, rows)) = reader.next()? {
            let place = |c: usize| rows.column(key_count + c).as_primitive::<Int64Type>().clone();
            let (first, second) = (place(0), place(1));
            let places: Vec<Place> = first.values().iter().copied().zip(second.values().iter().copied()).collect();
            partition(&places, &ChangeBatch::inserts(rows), |place, rows| {
                let pane = match self.panes.entry(place) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => entry.insert(self.layout.pane()?),
                };
                let columns = rows.rows().columns();
                pane.restore(&columns[..key_count], &columns[key_count + 2..], rows.row_count())
            })?;
        }
        // Panes that closed after they were saved are still in older segments.
        let (window, now) = (self.window.clone(), self.watermark);
        self.panes.retain(|place, _| match &window {
            WindowKind::OnTime { windows, .. } => windows.last_end(place.0).is_some_and(|end| !now.closes(end)),
            _ => !now.closes(place.0),
        });
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters {
            late_rows: self.late,
            filtered_rows: self.outside,
            state_rows: self.panes.values().map(|p| p.len() as u64).sum(),
            state_bytes: self.panes.values().map(|p| p.bytes() as u64).sum(),
        }
    }
}
