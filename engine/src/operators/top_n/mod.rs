//! Keeps the rows of the lowest ranks per key: ROW_NUMBER() with a bound, ORDER BY with LIMIT, and LIMIT alone.
//!
//! State: per key its rows in order, those of equal order by arrival. Over append-only input only the best are kept; where
//! keys are whole (all rows of one come in one epoch, as those of a closed window do) nothing outlives the epoch.
//!
//! # Invariants
//! - TN-1: after each epoch exactly the rows of ranks `from ..= to` of each key stand downstream.
//! - TN-2: a row that keeps its place (or, without a rank column, stays within the bound) emits nothing.
//!
//! Cost: memory O(rows), append-only O(keys x to); O(log rows) per change, O(to - from) per changed key and epoch.

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
pub(crate) mod tests;

use crate::operators::key_table::{KeyTable, row_converter};
use crate::operators::row_store::RowStore;
use crate::operators::segment::{FrozenTable, FrozenTables, SpreadRows, forget_repeated, key_groups};
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array,
};
use arrow::compute::{SortOptions, filter_record_batch};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef, UInt64Type};
use arrow::row::{RowConverter, Rows, SortField};
use freshet_types::{ChangeBatch, Error, KeyGroup, Result, take_rows};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// One term of ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortColumn {
    /// Which column.
    pub column: usize,
    /// Whether small values come first.
    pub ascending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
}

/// Which rows are kept.
#[derive(Debug, Clone)]
pub struct TopNConfig {
    /// Schema of the input.
    pub input: SchemaRef,
    /// Key columns; none ranks all rows together.
    pub keys: Vec<usize>,
    /// Order within a key; none is the order of arrival.
    pub order: Vec<SortColumn>,
    /// Lowest rank that is kept, from 1.
    pub from: u64,
    /// Highest rank that is kept.
    pub to: u64,
    /// Output column with the rank (BIGINT); none leaves it out.
    pub rank: Option<FieldRef>,
    /// Whether the input never takes a row back.
    pub append_only: bool,
    /// Whether all rows of a key come in one epoch, and none later. Such an input is append-only, and so is the output.
    pub whole_keys: bool,
    /// Among rows of equal order, whether the one that came last ranks first.
    pub last_wins: bool,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct TopN {
    config: TopNConfig,
    schema: SchemaRef,
}

impl TopN {
    /// Checks the config and finds the output schema: the input's columns, then the rank.
    pub fn new(config: TopNConfig) -> Result<Self> {
        if config.from == 0 || config.to < config.from {
            return Err(Error::invalid("top_n.range", format!("no rank lies from {} to {}", config.from, config.to))
                .hint("ranks begin at 1"));
        }
        if config.whole_keys && !config.append_only {
            return Err(Error::internal(
                "top_n.whole_keys",
                "keys that are whole belong to an input that takes rows back",
            ));
        }
        let mut fields: Vec<FieldRef> = config.input.fields().to_vec();
        if let Some(rank) = &config.rank {
            if *rank.data_type() != DataType::Int64 {
                return Err(Error::internal("top_n.rank", "the rank column is no BIGINT"));
            }
            fields.push(Arc::clone(rank));
        }
        let factory = Self { schema: Arc::new(Schema::new(fields)), config };
        factory.create(&OperatorContext::new(0, 1))?;
        Ok(factory)
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl OperatorFactory for TopN {
    fn name(&self) -> &'static str {
        "top_n"
    }

    fn describe(&self) -> String {
        let TopNConfig { input, keys, order, from, to, .. } = &self.config;
        let keys: Vec<&str> = keys.iter().map(|k| input.field(*k).name().as_str()).collect();
        let order: Vec<String> = order
            .iter()
            .map(|o| format!("{}{}", input.field(o.column).name(), if o.ascending { "" } else { " desc" }))
            .collect();
        format!("ranks {from} to {to} by [{}] of [{}]", order.join(", "), keys.join(", "))
    }

    fn state_fingerprint(&self) -> Option<String> {
        let TopNConfig { input, keys, order, from, to, rank, append_only, whole_keys, last_wins } = &self.config;
        if *whole_keys {
            return None;
        }
        let types: Vec<String> = input.fields().iter().map(|f| f.data_type().to_string()).collect();
        let rank = rank.is_some();
        Some(format!("top_n 1 {keys:?} {order:?} {from}-{to} {rank} {append_only} {last_wins} [{}]", types.join(",")))
    }

    fn create(&self, _context: &OperatorContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Running::new(self.config.clone(), self.schema())?))
    }
}

impl Running {
    fn new(config: TopNConfig, schema: SchemaRef) -> Result<Self> {
        let types: Vec<DataType> = config.keys.iter().map(|k| config.input.field(*k).data_type().clone()).collect();
        let order_types: Vec<DataType> =
            config.order.iter().map(|o| config.input.field(o.column).data_type().clone()).collect();
        row_converter(&order_types)?;
        let sort = config
            .order
            .iter()
            .zip(order_types)
            .map(|(o, data_type)| {
                let options = SortOptions { descending: !o.ascending, nulls_first: o.nulls_first };
                SortField::new_with_options(data_type, options)
            })
            .collect();
        Ok(Self {
            sort: RowConverter::new(sort)?,
            keys: KeyTable::new(types)?,
            store: RowStore::new(Arc::clone(&config.input)),
            schema,
            config,
            ranked: Vec::new(),
            rows: Vec::new(),
            arrivals: 0,
            pending: Vec::new(),
            debts: 0,
            dirty: Vec::new(),
            released: Vec::new(),
            gone: Vec::new(),
            unsaved: Vec::new(),
        })
    }
}

/// Place in the order of a key: encoded sort columns, arrival (counted down when the last wins).
type Place = (Box<[u8]>, u64);

#[derive(Default)]
struct Ranked {
    order: BTreeSet<(Place, u32)>,
    /// Rows that stand downstream, in order.
    shown: Vec<u32>,
    dirty: bool,
}

#[derive(Clone, Copy, Default)]
struct Row {
    arrival: u64,
    key: u32,
    group: KeyGroup,
    saved: bool,
    /// Whether the row is in its key's order.
    ranked: bool,
    /// Whether the row was taken back and has yet to come.
    owed: bool,
}

struct Running {
    config: TopNConfig,
    schema: SchemaRef,
    sort: RowConverter,
    keys: KeyTable,
    ranked: Vec<Ranked>,
    store: RowStore,
    rows: Vec<Row>,
    arrivals: u64,
    /// Changes of this epoch, where rows may be taken back.
    pending: Vec<ChangeBatch>,
    /// Number of rows that were taken back and have yet to come.
    debts: usize,
    dirty: Vec<u32>,
    /// Rows that left their key's order in this epoch; they may still stand downstream.
    released: Vec<u32>,
    gone: Vec<(KeyGroup, u64)>,
    /// Rows that came since the last freeze; some may have gone, and their numbers been given again.
    unsaved: Vec<u32>,
}

const ROWS: &str = "rows";
const GONE: &str = "gone";

impl Running {
    fn key_columns(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.config.keys.iter().map(|k| Arc::clone(rows.column(*k))).collect()
    }

    fn sort_rows(&self, rows: &RecordBatch) -> Result<Option<Rows>> {
        if self.config.order.is_empty() {
            return Ok(None);
        }
        let columns: Vec<ArrayRef> = self.config.order.iter().map(|o| Arc::clone(rows.column(o.column))).collect();
        Ok(Some(self.sort.convert_columns(&columns)?))
    }

    fn place(&self, sort: &Option<Rows>, i: usize, arrival: u64) -> Place {
        let bytes = sort.as_ref().map_or_else(Box::default, |rows| rows.row(i).data().into());
        (bytes, if self.config.last_wins { u64::MAX - arrival } else { arrival })
    }

    fn mark_dirty(&mut self, key: u32) {
        let ranked = &mut self.ranked[key as usize];
        if !ranked.dirty {
            ranked.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Adds rows; over append-only input those that cannot be among the best are not kept.
    fn insert(&mut self, mut rows: RecordBatch, mut arrivals: Vec<u64>) -> Result<Vec<u32>> {
        let mut key_ids = Vec::new();
        self.keys.intern(&self.key_columns(&rows), rows.num_rows(), &mut key_ids)?;
        self.ranked.resize_with(self.keys.slots(), Ranked::default);
        let mut sort = self.sort_rows(&rows)?;
        if self.config.append_only {
            let depth = usize::try_from(self.config.to).unwrap_or(usize::MAX);
            let kept: Vec<u32> = (0..rows.num_rows() as u32)
                .filter(|i| {
                    let order = &self.ranked[key_ids[*i as usize] as usize].order;
                    order.len() < depth
                        || order
                            .last()
                            .is_some_and(|(worst, _)| self.place(&sort, *i as usize, arrivals[*i as usize]) < *worst)
                })
                .collect();
            if kept.is_empty() {
                return Ok(Vec::new());
            }
            if kept.len() < rows.num_rows() {
                key_ids = kept.iter().map(|i| key_ids[*i as usize]).collect();
                arrivals = kept.iter().map(|i| arrivals[*i as usize]).collect();
                rows = take_rows(&rows, &UInt32Array::from(kept))?;
                sort = self.sort_rows(&rows)?;
            }
        }
        let groups = key_groups(&self.key_columns(&rows), rows.num_rows())?;
        let ids = self.store.append(&rows)?;
        self.unsaved.extend_from_slice(&ids);
        self.rows.resize(self.store.slots(), Row::default());
        forget_repeated(&mut self.unsaved, self.rows.len());
        for (i, id) in ids.iter().enumerate() {
            let (key, arrival) = (key_ids[i], arrivals[i]);
            self.rows[*id as usize] = Row { arrival, key, group: groups[i], ranked: true, ..Row::default() };
            let place = self.place(&sort, i, arrival);
            self.ranked[key as usize].order.insert((place, *id));
            self.mark_dirty(key);
            if self.config.append_only && self.ranked[key as usize].order.len() as u64 > self.config.to {
                let (_, worst) = self.ranked[key as usize].order.pop_last().expect("the order has rows");
                self.rows[worst as usize].ranked = false;
                self.released.push(worst);
            }
        }
        Ok(ids)
    }

    /// Enters the changes of the epoch where rows may be taken back.
    fn apply_pending(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let batches = std::mem::take(&mut self.pending);
        let changes = ChangeBatch::concat(&self.config.input, &batches)?;
        let changes = if changes.is_append_only() { changes } else { changes.consolidate()? };
        let (mut coming, mut leaving) = (Vec::new(), Vec::new());
        for i in 0..changes.row_count() {
            let weight = changes.weight(i);
            let list = if weight > 0 { &mut coming } else { &mut leaving };
            list.extend(std::iter::repeat_n(i as u32, weight.unsigned_abs() as usize));
        }
        if self.debts > 0 {
            coming = self.pay(changes.rows(), &coming)?;
        }
        let missing = self.remove(changes.rows(), &leaving)?;
        if !missing.is_empty() {
            let rows = take_rows(changes.rows(), &UInt32Array::from(missing))?;
            let serials = self.next_arrivals(rows.num_rows());
            self.owe(&rows, &serials)?;
        }
        if !coming.is_empty() {
            let rows = take_rows(changes.rows(), &UInt32Array::from(coming))?;
            let arrivals = self.next_arrivals(rows.num_rows());
            self.insert(rows, arrivals)?;
        }
        Ok(())
    }

    /// Keeps rows that were taken back before they came.
    fn owe(&mut self, rows: &RecordBatch, serials: &[u64]) -> Result<Vec<u32>> {
        let groups = key_groups(&self.key_columns(rows), rows.num_rows())?;
        let ids = self.store.append(rows)?;
        self.unsaved.extend_from_slice(&ids);
        self.rows.resize(self.store.slots(), Row::default());
        for (i, id) in ids.iter().enumerate() {
            self.rows[*id as usize] = Row { arrival: serials[i], group: groups[i], owed: true, ..Row::default() };
        }
        self.debts += ids.len();
        Ok(ids)
    }

    /// Lets rows that come now settle debts; gives those that remain.
    fn pay(&mut self, rows: &RecordBatch, coming: &[u32]) -> Result<Vec<u32>> {
        let (kept, mut paid) = (&mut self.rows, Vec::new());
        let rest = self.store.find_equal(rows, coming, |id, _| {
            let owed = std::mem::replace(&mut kept[id as usize].owed, false);
            if owed {
                paid.push(id);
            }
            owed
        })?;
        self.debts -= paid.len();
        self.released.append(&mut paid);
        Ok(rest)
    }

    fn next_arrivals(&mut self, count: usize) -> Vec<u64> {
        let first = self.arrivals;
        self.arrivals += count as u64;
        (first..self.arrivals).collect()
    }

    /// Takes rows out of their keys' orders; gives those that are not there.
    fn remove(&mut self, rows: &RecordBatch, leaving: &[u32]) -> Result<Vec<u32>> {
        let mut taken = HashSet::new();
        let mut pairs = Vec::new();
        let kept = &self.rows;
        let missing = self.store.find_equal(rows, leaving, |id, i| {
            let found = kept[id as usize].ranked && taken.insert(id);
            if found {
                pairs.push((id, i));
            }
            found
        })?;
        let sort = self.sort_rows(rows)?;
        for (id, i) in pairs {
            let Row { key, arrival, .. } = self.rows[id as usize];
            let place = self.place(&sort, i as usize, arrival);
            let removed = self.ranked[key as usize].order.remove(&(place, id));
            debug_assert!(removed, "TN-1: a kept row stands in its key's order");
            self.rows[id as usize].ranked = false;
            self.released.push(id);
            self.mark_dirty(key);
        }
        Ok(missing)
    }

    /// The rows of a key that shall stand downstream.
    fn wanted(&self, key: u32) -> Vec<u32> {
        let skip = usize::try_from(self.config.from - 1).unwrap_or(usize::MAX);
        let count = usize::try_from(self.config.to - self.config.from).map_or(usize::MAX, |n| n.saturating_add(1));
        self.ranked[key as usize].order.iter().skip(skip).take(count).map(|(_, id)| *id).collect()
    }

    /// Brings what stands downstream up to date: row, rank, weight.
    fn differences(&mut self) -> Vec<(u32, i64, i64)> {
        let mut changes = Vec::new();
        for key in std::mem::take(&mut self.dirty) {
            let wanted = self.wanted(key);
            let shown = &self.ranked[key as usize].shown;
            let rank = |p: usize| (self.config.from + p as u64) as i64;
            if self.config.rank.is_some() {
                for p in 0..wanted.len().max(shown.len()) {
                    let (old, new) = (shown.get(p), wanted.get(p));
                    if old != new {
                        changes.extend(old.map(|id| (*id, rank(p), -1)));
                        changes.extend(new.map(|id| (*id, rank(p), 1)));
                    }
                }
            } else {
                let before: HashSet<u32> = shown.iter().copied().collect();
                let after: HashSet<u32> = wanted.iter().copied().collect();
                changes.extend(shown.iter().filter(|id| !after.contains(id)).map(|id| (*id, 0, -1)));
                changes.extend(wanted.iter().filter(|id| !before.contains(id)).map(|id| (*id, 0, 1)));
            }
            let ranked = &mut self.ranked[key as usize];
            ranked.shown = wanted;
            ranked.dirty = false;
            if ranked.order.is_empty() {
                self.keys.remove(key);
            }
        }
        changes
    }

    fn release(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.released) {
            let row = std::mem::take(&mut self.rows[id as usize]);
            if row.saved {
                self.gone.push((row.group, row.arrival));
            }
            self.store.remove(id)?;
        }
        Ok(())
    }
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, _out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if !self.config.append_only || changes.weights().is_some() {
            self.pending.push(changes);
            return Ok(());
        }
        let arrivals = self.next_arrivals(changes.row_count());
        self.insert(changes.into_parts().0, arrivals)?;
        Ok(())
    }

    fn on_epoch(&mut self, _end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        self.apply_pending()?;
        let changes = self.differences();
        if !changes.is_empty() {
            let ids: Vec<u32> = changes.iter().map(|c| c.0).collect();
            let mut columns = self.store.gather_all(&ids)?;
            if self.config.rank.is_some() {
                columns.push(Arc::new(changes.iter().map(|c| c.1).collect::<Int64Array>()));
            }
            let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
            let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
            let inserts_only = changes.iter().all(|c| c.2 == 1);
            let weights = (!inserts_only).then(|| changes.iter().map(|c| c.2).collect::<Int64Array>());
            out.emit(ChangeBatch::new(rows, weights));
        }
        if self.config.whole_keys {
            if self.store.live() > 0 {
                *self = Self::new(self.config.clone(), Arc::clone(&self.schema))?;
            }
            return Ok(());
        }
        self.release()
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let mut tables = Vec::new();
        let gone = std::mem::take(&mut self.gone);
        if kind == SegmentKind::Delta && !gone.is_empty() {
            let (groups, arrivals): (Vec<KeyGroup>, Vec<u64>) = gone.into_iter().unzip();
            let rows = SpreadRows { parts: vec![], picks: vec![], more: vec![Arc::new(UInt64Array::from(arrivals))] };
            tables.push(FrozenTable::Grouped { name: GONE, groups, rows });
        }
        let mut ids = std::mem::take(&mut self.unsaved);
        match kind {
            SegmentKind::Base => ids = self.store.ids(),
            SegmentKind::Delta => ids.retain(|id| {
                let row = &mut self.rows[*id as usize];
                (row.ranked || row.owed) && !std::mem::replace(&mut row.saved, true)
            }),
        }
        if !ids.is_empty() {
            // Restoring gives rows their arrival back, and its order decides between equals.
            ids.sort_unstable_by_key(|id| self.rows[*id as usize].arrival);
            let arrivals: UInt64Array = ids.iter().map(|id| self.rows[*id as usize].arrival).collect();
            let groups = ids.iter().map(|id| self.rows[*id as usize].group).collect();
            ids.iter().for_each(|id| self.rows[*id as usize].saved = true);
            let owed: BooleanArray = ids.iter().map(|id| Some(self.rows[*id as usize].owed)).collect();
            let rows = self.store.spread(&ids, vec![Arc::new(arrivals), Arc::new(owed)]);
            tables.push(FrozenTable::Grouped { name: ROWS, groups, rows });
        }
        Ok(FrozenTables::frozen(kind, tables))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        let width = self.config.input.fields().len();
        let mut known: HashMap<(KeyGroup, u64), u32> = HashMap::new();
        while let Some((_, table, group, rows)) = reader.next()? {
            if table == GONE {
                for arrival in rows.column(0).as_primitive::<UInt64Type>().values() {
                    if let Some(id) = known.remove(&(group, *arrival)) {
                        let Row { key, owed, .. } = self.rows[id as usize];
                        if owed {
                            self.debts -= 1;
                        } else {
                            self.ranked[key as usize].order.retain(|(_, other)| *other != id);
                            self.mark_dirty(key);
                        }
                        self.rows[id as usize] = Row::default();
                        self.store.remove(id)?;
                    }
                }
                continue;
            }
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let columns = rows.columns()[..width].to_vec();
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.config.input), columns, &options)?;
            let arrivals = rows.column(width).as_primitive::<UInt64Type>().values().to_vec();
            let owed = rows.column(width + 1).as_boolean();
            let split = |wanted: bool| -> Result<(RecordBatch, Vec<u64>)> {
                let mask: BooleanArray = owed.iter().map(|o| Some(o == Some(wanted))).collect();
                let chosen = mask.values().set_indices().map(|i| arrivals[i]).collect();
                Ok((filter_record_batch(&batch, &mask)?, chosen))
            };
            let (present, numbers) = split(false)?;
            let (missing, debts) = split(true)?;
            let append_only = std::mem::replace(&mut self.config.append_only, false);
            let ids = self.insert(present, numbers.clone());
            self.config.append_only = append_only;
            let owed_ids = self.owe(&missing, &debts)?;
            for (id, arrival) in ids?.into_iter().chain(owed_ids).zip(numbers.into_iter().chain(debts)) {
                self.rows[id as usize].saved = true;
                known.insert((group, arrival), id);
                self.arrivals = self.arrivals.max(arrival + 1);
            }
        }
        self.unsaved.clear();
        // What stood downstream at the freeze follows from the rows.
        self.differences();
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters {
            state_rows: self.store.live() as u64,
            state_bytes: (self.store.bytes() + self.keys.bytes() + self.rows.capacity() * 96) as u64,
            ..Counters::default()
        }
    }
}
