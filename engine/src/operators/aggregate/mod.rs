//! Keeps one up-to-date row of aggregates per key, over rows that may be taken back.
//!
//! State: per group its total weight and one cell per aggregate. A group lives while its total weight is positive; the
//! single group of a query without keys lives always. A group that is owed rows (taken back before they came) is kept
//! until they come.
//!
//! # Invariants
//! - AG-1: after each epoch, each live group has exactly one row of weight +1 downstream, the others have none.
//! - AG-2: a group whose row did not change in an epoch emits nothing.
//!
//! Cost: memory O(groups) for count, sum, avg and append-only min/max; O(values) for others. One lookup per change, one
//! evaluation before and one after per changed group and epoch.

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
pub(crate) mod tests;

use crate::operators::accumulators::Call;
use crate::operators::aggregate_call::AggregateCall;
use crate::operators::key_table::KeyTable;
use crate::operators::segment::{FrozenTable, FrozenTables, forget_repeated, state_batch};
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{concat, interleave, kernels::cmp::not_distinct};
use arrow::datatypes::{DataType, Int64Type, Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use freshet_types::{ChangeBatch, Error, Result};
use std::sync::Arc;

/// What is grouped by, and what is computed.
#[derive(Debug, Clone)]
pub struct AggregateConfig {
    /// Schema of the input.
    pub input: SchemaRef,
    /// Key columns; with no aggregates this is SELECT DISTINCT.
    pub keys: Vec<usize>,
    /// Aggregates, in the order of their output columns.
    pub aggregates: Vec<AggregateCall>,
    /// Whether the input never takes a row back: buys cheaper MIN and MAX, and allows FIRST_VALUE and LAST_VALUE.
    pub append_only: bool,
    /// Whether this is a query without GROUP BY: one row from the first epoch on, also over no rows.
    pub global: bool,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct Aggregate {
    config: AggregateConfig,
    schema: SchemaRef,
}

impl Aggregate {
    /// Checks the config and finds the output schema: keys, then aggregates.
    pub fn new(config: AggregateConfig) -> Result<Self> {
        if config.global && !config.keys.is_empty() {
            return Err(Error::internal("aggregate.global", "a global aggregate has keys"));
        }
        let keys = config.keys.iter().map(|k| Arc::new(config.input.field(*k).clone()));
        let fields: Vec<_> = keys.chain(config.aggregates.iter().map(AggregateCall::field)).collect();
        let factory = Self { schema: Arc::new(Schema::new(fields)), config };
        factory.running(&OperatorContext::new(0, 1))?;
        Ok(factory)
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn running(&self, context: &OperatorContext) -> Result<Running> {
        let AggregateConfig { input, keys, aggregates, append_only, global } = &self.config;
        let types: Vec<DataType> = keys.iter().map(|k| input.field(*k).data_type().clone()).collect();
        let calls = aggregates.iter().map(|call| Call::new(call, input, *append_only)).collect::<Result<_>>()?;
        Ok(Running {
            key_columns: keys.clone(),
            keys: KeyTable::new(types)?,
            groups: Groups::default(),
            calls,
            schema: self.schema(),
            epoch: Epoch { stamp: 1, ..Epoch::default() },
            forgotten: Vec::new(),
            global: *global,
            waits_for_first_row: *global && context.key_groups.contains(&0),
        })
    }
}

impl OperatorFactory for Aggregate {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn describe(&self) -> String {
        let input = &self.config.input;
        let keys: Vec<&str> = self.config.keys.iter().map(|k| input.field(*k).name().as_str()).collect();
        let calls: Vec<String> = self.config.aggregates.iter().map(|c| c.describe(input)).collect();
        format!("group by [{}] {}", keys.join(", "), calls.join(", "))
    }

    fn state_fingerprint(&self) -> Option<String> {
        let AggregateConfig { input, keys, aggregates, append_only, global } = &self.config;
        let keys: Vec<String> = keys.iter().map(|k| input.field(*k).data_type().to_string()).collect();
        let calls: Vec<String> = aggregates.iter().map(|c| c.fingerprint(input)).collect();
        Some(format!("aggregate 1 [{}] {} {append_only} {global}", keys.join(","), calls.join(" ")))
    }

    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(self.running(context)?))
    }
}

/// What is known of each group besides its aggregates.
#[derive(Default)]
struct Groups {
    weights: Vec<i64>,
    /// Epoch in which the group was last touched, as a stamp.
    stamps: Vec<u32>,
    /// Whether the group changed since the last freeze; it then stands in `unsaved_ids` (perhaps twice).
    unsaved: Vec<bool>,
    unsaved_ids: Vec<u32>,
    /// Whether the group is in a segment.
    saved: Vec<bool>,
}

impl Groups {
    fn grow(&mut self, count: usize) {
        self.weights.resize(count, 0);
        self.stamps.resize(count, 0);
        self.unsaved.resize(count, false);
        self.saved.resize(count, false);
    }
}

/// Groups touched in this epoch and their rows before it.
#[derive(Default)]
struct Epoch {
    stamp: u32,
    dirty: Vec<u32>,
    lived: Vec<bool>,
    /// Values before, one list of arrays per aggregate.
    before: Vec<Vec<ArrayRef>>,
}

struct Running {
    key_columns: Vec<usize>,
    keys: KeyTable,
    groups: Groups,
    calls: Vec<Call>,
    schema: SchemaRef,
    epoch: Epoch,
    /// Keys of saved groups that are gone since the last freeze.
    forgotten: Vec<RecordBatch>,
    global: bool,
    /// Whether the row of a global aggregate has yet to be emitted for the first time.
    waits_for_first_row: bool,
}

const GROUPS: &str = "groups";
const GONE: &str = "gone";

impl Running {
    fn grow(&mut self) {
        let count = self.keys.slots();
        self.groups.grow(count);
        for call in &mut self.calls {
            call.accumulator.grow(count);
        }
    }

    fn lives(&self, group: u32) -> bool {
        self.global || self.groups.weights[group as usize] > 0
    }

    /// Notes which of `ids` are touched for the first time in this epoch, with their rows as they are.
    fn touch(&mut self, ids: &[u32]) -> Result<()> {
        let mut fresh = Vec::new();
        for id in ids {
            let stamp = &mut self.groups.stamps[*id as usize];
            if *stamp != self.epoch.stamp {
                *stamp = self.epoch.stamp;
                if !std::mem::replace(&mut self.groups.unsaved[*id as usize], true) {
                    self.groups.unsaved_ids.push(*id);
                }
                fresh.push(*id);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.epoch.before.resize_with(self.calls.len(), Vec::new);
        for (call, before) in self.calls.iter_mut().zip(&mut self.epoch.before) {
            before.push(call.accumulator.values(&fresh)?);
        }
        let first = self.waits_for_first_row;
        for id in &fresh {
            let lived = self.lives(*id) && !first;
            self.epoch.lived.push(lived);
        }
        self.epoch.dirty.extend_from_slice(&fresh);
        forget_repeated(&mut self.groups.unsaved_ids, self.groups.weights.len());
        Ok(())
    }

    /// Rows before and after the epoch, as a retraction and an insertion per group that changed.
    fn changes(&mut self) -> Result<Option<ChangeBatch>> {
        let Epoch { dirty, lived, before, .. } = &self.epoch;
        let mut columns: Vec<(ArrayRef, ArrayRef)> = Vec::with_capacity(self.calls.len());
        for (call, before) in self.calls.iter_mut().zip(before) {
            let before: Vec<&dyn Array> = before.iter().map(AsRef::as_ref).collect();
            columns.push((concat(&before)?, call.accumulator.values(dirty)?));
        }
        let mut same = vec![true; dirty.len()];
        for (before, after) in &columns {
            mark_changed(before, after, &mut same)?;
        }
        // Places in [before, after]; the retraction stands right before its insertion.
        let (mut picks, mut ids, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (i, group) in dirty.iter().enumerate() {
            let lives = self.global || self.groups.weights[*group as usize] > 0;
            if lives && lived[i] && same[i] {
                continue;
            }
            for (side, present, weight) in [(0, lived[i], -1), (1, lives, 1)] {
                if present {
                    picks.push((side, i));
                    ids.push(*group);
                    weights.push(weight);
                }
            }
        }
        if ids.is_empty() {
            return Ok(None);
        }
        let mut output = self.keys.gather(&ids)?;
        for (before, after) in &columns {
            output.push(interleave(&[before.as_ref(), after.as_ref()], &picks)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), output, &options)?;
        let inserts_only = weights.iter().all(|w| *w == 1);
        Ok(Some(ChangeBatch::new(rows, (!inserts_only).then(|| Int64Array::from(weights)))))
    }

    /// Forgets groups without rows. That the weights add up to zero is not enough: a row may be owed for another.
    fn remove_empty(&mut self) -> Result<()> {
        if self.global {
            return Ok(());
        }
        let is_empty = |g: &u32| {
            self.groups.weights[*g as usize] == 0 && self.calls.iter().all(|call| call.accumulator.is_empty(*g))
        };
        let empty: Vec<u32> = self.epoch.dirty.iter().copied().filter(is_empty).collect();
        let saved: Vec<u32> = empty.iter().copied().filter(|g| self.groups.saved[*g as usize]).collect();
        if !saved.is_empty() {
            self.forgotten.push(state_batch(self.keys.gather(&saved)?)?);
        }
        for group in empty {
            for call in &mut self.calls {
                call.accumulator.clear(group);
            }
            self.groups.saved[group as usize] = false;
            self.groups.unsaved[group as usize] = false;
            self.keys.remove(group);
        }
        Ok(())
    }
}

/// Clears `same` where `before` and `after` differ; NULL equals NULL, NaN equals NaN.
fn mark_changed(before: &ArrayRef, after: &ArrayRef, same: &mut [bool]) -> Result<()> {
    if before.data_type().is_nested() {
        let converter = RowConverter::new(vec![SortField::new(before.data_type().clone())])?;
        let before = converter.convert_columns(std::slice::from_ref(before))?;
        let after = converter.convert_columns(std::slice::from_ref(after))?;
        same.iter_mut().enumerate().for_each(|(i, same)| *same &= before.row(i) == after.row(i));
        return Ok(());
    }
    let equal: BooleanArray = not_distinct(before, after)?;
    same.iter_mut().zip(equal.values()).for_each(|(same, equal)| *same &= equal);
    Ok(())
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, _out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let columns: Vec<ArrayRef> = self.key_columns.iter().map(|k| Arc::clone(changes.column(*k))).collect();
        let mut ids = Vec::new();
        self.keys.intern(&columns, changes.row_count(), &mut ids)?;
        self.grow();
        self.touch(&ids)?;
        match changes.weights() {
            None => ids.iter().for_each(|g| self.groups.weights[*g as usize] += 1),
            Some(weights) => {
                ids.iter().zip(weights.values()).for_each(|(g, w)| self.groups.weights[*g as usize] += w);
            }
        }
        for call in &mut self.calls {
            call.update(&changes, &ids, self.keys.slots())?;
        }
        Ok(())
    }

    fn on_epoch(&mut self, _end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        if self.waits_for_first_row && self.epoch.dirty.is_empty() {
            let mut ids = Vec::new();
            self.keys.intern(&[], 1, &mut ids)?;
            self.grow();
            self.touch(&ids)?;
        }
        if self.epoch.dirty.is_empty() {
            return Ok(());
        }
        if let Some(changes) = self.changes()? {
            out.emit(changes);
        }
        self.remove_empty()?;
        self.waits_for_first_row = false;
        let stamp = self.epoch.stamp.wrapping_add(1);
        if stamp == 0 {
            self.groups.stamps.fill(0);
        }
        self.epoch = Epoch { stamp: stamp.max(1), ..Epoch::default() };
        Ok(())
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let forgotten = std::mem::take(&mut self.forgotten);
        let Groups { unsaved, unsaved_ids, .. } = &mut self.groups;
        let mut ids = std::mem::take(unsaved_ids);
        ids.retain(|g| std::mem::replace(&mut unsaved[*g as usize], false));
        let mut tables = Vec::new();
        if kind == SegmentKind::Base {
            ids = self.keys.ids();
        } else {
            let key_count = self.key_columns.len();
            tables.extend(forgotten.into_iter().map(|rows| FrozenTable::Keyed { name: GONE, key_count, rows }));
        }
        ids.iter().for_each(|g| self.groups.saved[*g as usize] = true);
        if !ids.is_empty() {
            let mut columns = self.keys.gather(&ids)?;
            let key_count = columns.len();
            columns.push(Arc::new(ids.iter().map(|g| self.groups.weights[*g as usize]).collect::<Int64Array>()));
            for call in &mut self.calls {
                columns.extend(call.accumulator.state(&ids)?);
            }
            tables.push(FrozenTable::Keyed { name: GROUPS, key_count, rows: state_batch(columns)? });
        }
        Ok(FrozenTables::frozen(kind, tables))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        let key_count = self.key_columns.len();
        let mut ids = Vec::new();
        while let Some((_, table, _, rows)) = reader.next()? {
            let keys = &rows.columns()[..key_count];
            if table == GONE {
                self.keys.find(keys, rows.num_rows(), &mut ids)?;
                for group in ids.iter().filter(|g| **g != crate::operators::key_table::NONE) {
                    self.calls.iter_mut().for_each(|call| call.accumulator.clear(*group));
                    self.groups.weights[*group as usize] = 0;
                    self.keys.remove(*group);
                }
                continue;
            }
            self.keys.intern(keys, rows.num_rows(), &mut ids)?;
            self.grow();
            self.waits_for_first_row = false;
            let weights = rows.column(key_count).as_primitive::<Int64Type>();
            let mut at = key_count + 1;
            for (g, w) in ids.iter().zip(weights.values()) {
                self.groups.weights[*g as usize] = *w;
                self.groups.saved[*g as usize] = true;
            }
            for call in &mut self.calls {
                let width = call.accumulator.state_width();
                ids.iter().for_each(|g| call.accumulator.clear(*g));
                call.accumulator.merge(&rows.columns()[at..at + width], &ids)?;
                at += width;
            }
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        let bytes: usize = self.calls.iter().map(|c| c.accumulator.bytes()).sum();
        Counters {
            state_rows: self.keys.live() as u64,
            state_bytes: (bytes + self.keys.bytes() + self.groups.weights.capacity() * 14) as u64,
            ..Counters::default()
        }
    }
}
