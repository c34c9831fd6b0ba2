//! Keeps the first or the last row per key, by event time or by arrival.
//!
//! State: per key the row that stands downstream and its time; only the key, for the first by arrival. Among rows of one
//! time the first to arrive is the first, the last to arrive the last. Over input that takes rows back, all rows are kept
//! (see [`crate::operators::top_n`]).
//!
//! # Invariants
//! - DD-1: after each epoch, each key that was seen has exactly one row of weight +1 downstream.
//! - DD-2: the first row by arrival is never taken back while the input is append-only.
//!
//! Cost: memory O(keys); one lookup per change.

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::operators::key_table::{KeyTable, NONE};
use crate::operators::row_store::RowStore;
use crate::operators::segment::{FrozenTable, FrozenTables, key_groups, state_batch};
use crate::operators::top_n::{SortColumn, TopN, TopNConfig};
use crate::operators::windows::{check_time_column, times_ms};
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, SchemaRef};
use freshet_types::{ChangeBatch, KeyGroup, Result, take_rows};
use std::sync::Arc;

/// Which row of a key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The first.
    First,
    /// The last.
    Last,
}

/// Which rows are duplicates, and which one stays.
#[derive(Debug, Clone)]
pub struct DeduplicateConfig {
    /// Schema of the input; also of the output.
    pub input: SchemaRef,
    /// Key columns.
    pub keys: Vec<usize>,
    /// Time column that says what is first; none is the order of arrival.
    pub time: Option<usize>,
    /// Which row.
    pub keep: Keep,
    /// Whether the input never takes a row back.
    pub append_only: bool,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct Deduplicate {
    config: DeduplicateConfig,
    /// Does the work when rows may be taken back.
    ranked: Option<TopN>,
}

impl Deduplicate {
    /// Checks the config. The output has the input's schema.
    pub fn new(config: DeduplicateConfig) -> Result<Self> {
        if let Some(time) = config.time {
            check_time_column(config.input.field(time))?;
        }
        let last = config.keep == Keep::Last;
        let ranked = if config.append_only {
            None
        } else {
            let order =
                config.time.iter().map(|time| SortColumn { column: *time, ascending: !last, nulls_first: false });
            Some(TopN::new(TopNConfig {
                input: Arc::clone(&config.input),
                keys: config.keys.clone(),
                order: order.collect(),
                from: 1,
                to: 1,
                rank: None,
                append_only: false,
                whole_keys: false,
                last_wins: last,
            })?)
        };
        let factory = Self { config, ranked };
        factory.create(&OperatorContext::new(0, 1))?;
        Ok(factory)
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.config.input)
    }

    /// Whether the output never takes a row back: the first row by arrival of an append-only input.
    pub fn is_append_only(&self) -> bool {
        self.config.append_only && self.config.time.is_none() && self.config.keep == Keep::First
    }
}

impl OperatorFactory for Deduplicate {
    fn name(&self) -> &'static str {
        "deduplicate"
    }

    fn describe(&self) -> String {
        let DeduplicateConfig { input, keys, time, keep, .. } = &self.config;
        let keys: Vec<&str> = keys.iter().map(|k| input.field(*k).name().as_str()).collect();
        let keep = if *keep == Keep::First { "first" } else { "last" };
        let by = time.map_or("arrival", |t| input.field(t).name().as_str());
        format!("keep {keep} of [{}] by {by}", keys.join(", "))
    }

    fn state_fingerprint(&self) -> Option<String> {
        if let Some(ranked) = &self.ranked {
            return ranked.state_fingerprint();
        }
        let DeduplicateConfig { input, keys, time, keep, .. } = &self.config;
        let types: Vec<String> = input.fields().iter().map(|f| f.data_type().to_string()).collect();
        Some(format!("deduplicate 1 {keys:?} {time:?} {keep:?} [{}]", types.join(",")))
    }

    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
        if let Some(ranked) = &self.ranked {
            return ranked.create(context);
        }
        let input = &self.config.input;
        let types: Vec<DataType> = self.config.keys.iter().map(|k| input.field(*k).data_type().clone()).collect();
        Ok(Box::new(Running {
            keys: KeyTable::new(types)?,
            store: RowStore::new(Arc::clone(input)),
            only_keys: self.is_append_only(),
            config: self.config.clone(),
            cells: Vec::new(),
            dirty: Vec::new(),
            unsaved: Vec::new(),
        }))
    }
}

#[derive(Clone, Copy)]
struct Cell {
    /// The row that stands downstream.
    shown: u32,
    /// The best row so far.
    best: u32,
    time: i64,
    seen: bool,
    dirty: bool,
    unsaved: bool,
}

const EMPTY: Cell = Cell { shown: NONE, best: NONE, time: 0, seen: false, dirty: false, unsaved: false };
const KEYS: &str = "keys";
const ROWS: &str = "rows";

struct Running {
    config: DeduplicateConfig,
    only_keys: bool,
    keys: KeyTable,
    store: RowStore,
    cells: Vec<Cell>,
    dirty: Vec<u32>,
    unsaved: Vec<u32>,
}

impl Running {
    fn key_columns(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.config.keys.iter().map(|k| Arc::clone(rows.column(*k))).collect()
    }

    fn intern(&mut self, rows: &RecordBatch) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.keys.intern(&self.key_columns(rows), rows.num_rows(), &mut ids)?;
        self.cells.resize(self.keys.slots(), EMPTY);
        Ok(ids)
    }

    fn mark_unsaved(&mut self, key: u32) {
        let cell = &mut self.cells[key as usize];
        if !std::mem::replace(&mut cell.unsaved, true) {
            self.unsaved.push(key);
        }
    }

    /// Rows that are the best of their key so far, the last one of the batch for each key.
    fn improve(&mut self, changes: &ChangeBatch, keys: &[u32]) -> Result<()> {
        let times = match self.config.time {
            None => None,
            Some(time) => Some(times_ms(changes.column(time), self.config.input.field(time).name())?),
        };
        let last = self.config.keep == Keep::Last;
        // Row of the batch that is best for each key that improves.
        let mut winners: Vec<(u32, u32)> = Vec::new();
        let mut places: std::collections::HashMap<u32, usize> = std::collections::HashMap::new();
        for (i, key) in keys.iter().enumerate() {
            let cell = &mut self.cells[*key as usize];
            let time = times.as_ref().map_or(0, |t| t.value(i));
            let better = !cell.seen || if last { time >= cell.time } else { time < cell.time };
            if !better {
                continue;
            }
            (cell.seen, cell.time) = (true, time);
            let place = *places.entry(*key).or_insert_with(|| {
                winners.push((*key, 0));
                winners.len() - 1
            });
            winners[place].1 = i as u32;
        }
        if winners.is_empty() {
            return Ok(());
        }
        let rows: UInt32Array = winners.iter().map(|w| w.1).collect();
        let ids = self.store.append(&take_rows(changes.rows(), &rows)?)?;
        for ((key, _), id) in winners.into_iter().zip(ids) {
            let cell = &mut self.cells[key as usize];
            let previous = std::mem::replace(&mut cell.best, id);
            let shown = cell.shown;
            if !std::mem::replace(&mut cell.dirty, true) {
                self.dirty.push(key);
            }
            if previous != NONE && previous != shown {
                self.store.remove(previous)?;
            }
            self.mark_unsaved(key);
        }
        Ok(())
    }
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let keys = self.intern(changes.rows())?;
        if !self.only_keys {
            return self.improve(&changes, &keys);
        }
        let mut fresh = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            if !std::mem::replace(&mut self.cells[*key as usize].seen, true) {
                fresh.push(i as u32);
                self.mark_unsaved(*key);
            }
        }
        if !fresh.is_empty() {
            // A row of weight 2 is there twice; it stays once.
            let rows = take_rows(changes.rows(), &UInt32Array::from(fresh))?;
            out.emit(ChangeBatch::inserts(rows));
        }
        Ok(())
    }

    fn on_epoch(&mut self, _end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        let (mut ids, mut weights, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.dirty) {
            let cell = &mut self.cells[key as usize];
            cell.dirty = false;
            if cell.shown != NONE {
                ids.push(cell.shown);
                weights.push(-1);
                replaced.push(cell.shown);
            }
            ids.push(cell.best);
            weights.push(1);
            cell.shown = cell.best;
        }
        if ids.is_empty() {
            return Ok(());
        }
        let rows = RecordBatch::try_new(Arc::clone(&self.config.input), self.store.gather_all(&ids)?)?;
        out.emit(ChangeBatch::new(rows, (!replaced.is_empty()).then(|| Int64Array::from(weights))));
        replaced.into_iter().try_for_each(|id| self.store.remove(id))
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let mut keys = std::mem::take(&mut self.unsaved);
        keys.iter().for_each(|key| self.cells[*key as usize].unsaved = false);
        if kind == SegmentKind::Base {
            keys = self.keys.ids();
        }
        if keys.is_empty() {
            return Ok(FrozenTables::frozen(kind, Vec::new()));
        }
        let table = if self.only_keys {
            let columns = self.keys.gather(&keys)?;
            FrozenTable::Keyed { name: KEYS, key_count: columns.len(), rows: state_batch(columns)? }
        } else {
            let groups: Vec<KeyGroup> = key_groups(&self.keys.gather(&keys)?, keys.len())?;
            let ids: Vec<u32> = keys.iter().map(|key| self.cells[*key as usize].best).collect();
            FrozenTable::Grouped { name: ROWS, groups, rows: self.store.spread(&ids, Vec::new()) }
        };
        Ok(FrozenTables::frozen(kind, vec![table]))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        while let Some((_, table, _, rows)) = reader.next()? {
            if table == KEYS {
                let mut ids = Vec::new();
                self.keys.intern(rows.columns(), rows.num_rows(), &mut ids)?;
                self.cells.resize(self.keys.slots(), EMPTY);
                ids.iter().for_each(|key| self.cells[*key as usize].seen = true);
                continue;
            }
            let rows = RecordBatch::try_new(Arc::clone(&self.config.input), rows.columns().to_vec())?;
            let keys = self.intern(&rows)?;
            let times = match self.config.time {
                None => None,
                Some(time) => Some(times_ms(rows.column(time), self.config.input.field(time).name())?),
            };
            let ids = self.store.append(&rows)?;
            for (i, (key, id)) in keys.iter().zip(ids).enumerate() {
                let cell = &mut self.cells[*key as usize];
                let previous = cell.best;
                let time = times.as_ref().map_or(0, |t| t.value(i));
                *cell = Cell { shown: id, best: id, time, seen: true, ..EMPTY };
                if previous != NONE {
                    self.store.remove(previous)?;
                }
            }
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters {
            state_rows: self.keys.live() as u64,
            state_bytes: (self.store.bytes() + self.keys.bytes() + self.cells.capacity() * size_of::<Cell>()) as u64,
            ..Counters::default()
        }
    }
}
