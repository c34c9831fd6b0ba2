//! One side of a join: its rows, the index from key to rows, and what is shown of rows alone.

use super::ExpireBy;
use crate::SegmentKind;
use crate::operators::key_table::{KeyTable, NONE};
use crate::operators::row_store::RowStore;
use crate::operators::segment::{FrozenTable, SpreadRows, forget_repeated, key_groups};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit, TimestampMillisecondType, UInt64Type};
use freshet_types::{ChangeBatch, Error, KeyGroup, Result, Watermark, take_rows};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What is shown of a row alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Only its pairs.
    Nothing,
    /// The row, while it has a pair.
    Matched,
    /// The row, while it has none.
    Unmatched,
}

#[derive(Clone, Copy, Default)]
struct Row {
    weight: i64,
    /// Sum of the weights of the rows that it is paired with; kept only when the side shows rows alone.
    matches: i64,
    /// Weight with which the row alone stands downstream.
    shown: i64,
    /// Names the row in segments: unique within its key group.
    serial: u64,
    key: u32,
    next: u32,
    previous: u32,
    group: KeyGroup,
    /// Whether the row is in the list of touched rows of this epoch.
    touched: bool,
    saved: bool,
    unsaved: bool,
}

/// Rows by expiry time, in buckets of about a second: time, number, and the name that tells whether the number still
/// stands for the same row.
type Expiry = BTreeMap<i64, Vec<(i64, u32, (KeyGroup, u64))>>;
const BUCKET_BITS: u32 = 10;

pub(super) struct Side {
    schema: SchemaRef,
    key_columns: Vec<usize>,
    show: Show,
    expire: Option<ExpireBy>,
    unmatched_at_expiry: bool,
    null_equals_null: bool,
    store: RowStore,
    rows: Vec<Row>,
    keys: KeyTable,
    heads: Vec<u32>,
    /// Rows of negative weight: taken back before they came.
    debts: usize,
    touched: Vec<u32>,
    expiry: Expiry,
    next_serial: u64,
    unsaved: Vec<u32>,
    /// Saved rows that are gone since the last freeze.
    gone: Vec<(KeyGroup, u64)>,
}

const TABLES: [[&str; 3]; 2] =
    [["left_gone", "left_changed", "left_rows"], ["right_gone", "right_changed", "right_rows"]];
const GONE: usize = 0;
const CHANGED: usize = 1;
const ROWS: usize = 2;

/// The side and the kind of a table of state.
pub(super) fn side_of(table: &str) -> Result<(usize, usize)> {
    TABLES
        .iter()
        .enumerate()
        .find_map(|(side, names)| names.iter().position(|name| *name == table).map(|kind| (side, kind)))
        .ok_or_else(|| Error::internal("state.table", format!("a join has no table \"{table}\"")))
}

impl Side {
    pub(super) fn new(
        schema: SchemaRef,
        key_columns: Vec<usize>,
        show: Show,
        expire: Option<ExpireBy>,
        unmatched_at_expiry: bool,
        null_equals_null: bool,
    ) -> Result<Self> {
        let types = key_columns.iter().map(|k| schema.field(*k).data_type().clone()).collect();
        Ok(Self {
            store: RowStore::new(Arc::clone(&schema)),
            schema,
            key_columns,
            show,
            expire,
            unmatched_at_expiry,
            null_equals_null,
            rows: Vec::new(),
            keys: KeyTable::new(types)?,
            heads: Vec::new(),
            debts: 0,
            touched: Vec::new(),
            expiry: BTreeMap::new(),
            next_serial: 0,
            unsaved: Vec::new(),
            gone: Vec::new(),
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether matches are counted.
    pub(super) fn tracks(&self) -> bool {
        self.show != Show::Nothing
    }

    pub(super) fn shows_unmatched(&self) -> bool {
        self.show == Show::Unmatched
    }

    pub(super) fn row_count(&self) -> usize {
        self.store.live()
    }

    pub(super) fn bytes(&self) -> usize {
        self.store.bytes() + self.rows.capacity() * size_of::<Row>() + self.keys.bytes() + self.heads.capacity() * 4
    }

    pub(super) fn weight(&self, id: u32) -> i64 {
        self.rows[id as usize].weight
    }

    pub(super) fn key_columns(&self, changes: &ChangeBatch) -> Vec<ArrayRef> {
        self.key_columns.iter().map(|k| Arc::clone(changes.column(*k))).collect()
    }

    pub(super) fn gather(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        self.store.gather_all(ids)
    }

    /// Rows with a whole key and rows with a NULL in it; none when all keys are whole.
    pub(super) fn split_null_keys(&self, changes: &ChangeBatch) -> Result<Option<(ChangeBatch, ChangeBatch)>> {
        if self.null_equals_null {
            return Ok(None);
        }
        let mut nulls: Option<NullBuffer> = None;
        for key in &self.key_columns {
            nulls = NullBuffer::union(nulls.as_ref(), changes.column(*key).logical_nulls().as_ref());
        }
        let Some(nulls) = nulls.filter(|n| n.null_count() > 0) else { return Ok(None) };
        let whole = BooleanArray::new(nulls.inner().clone(), None);
        let broken = BooleanArray::new(!nulls.inner(), None);
        Ok(Some((changes.filter(&whole)?, changes.filter(&broken)?)))
    }

    /// The key number of each row, as [`Side::chain`] takes it.
    pub(super) fn find(&self, columns: &[ArrayRef], rows: usize, keys: &mut Vec<u32>) -> Result<()> {
        self.keys.find(columns, rows, keys)
    }

    /// Rows with this key, and their weights.
    #[inline]
    pub(super) fn chain(&self, key: u32) -> impl Iterator<Item = (u32, i64)> + '_ {
        let mut id = if key == NONE { NONE } else { self.heads[key as usize] };
        std::iter::from_fn(move || {
            if id == NONE {
                return None;
            }
            let row = &self.rows[id as usize];
            let found = (id, row.weight);
            id = row.next;
            Some(found)
        })
    }

    /// Notes that a row that `id` is paired with changed its weight by `weight`.
    pub(super) fn add_match(&mut self, id: u32, weight: i64) {
        self.rows[id as usize].matches += weight;
        self.touch(id);
    }

    fn touch(&mut self, id: u32) {
        let row = &mut self.rows[id as usize];
        if !row.touched {
            row.touched = true;
            self.touched.push(id);
        }
        self.mark_unsaved(id);
    }

    fn mark_unsaved(&mut self, id: u32) {
        let row = &mut self.rows[id as usize];
        if !row.unsaved {
            row.unsaved = true;
            self.unsaved.push(id);
        }
    }

    /// Enters changes into the state; `matches` are those of each row, when they are tracked.
    pub(super) fn apply(&mut self, changes: &ChangeBatch, keys: &[ArrayRef], matches: &[i64]) -> Result<()> {
        let Some(weights) = changes.weights().filter(|_| !changes.is_append_only() || self.debts > 0) else {
            if self.debts == 0 {
                return self.insert(changes, keys, matches, None).map(drop);
            }
            return self.apply(
                &ChangeBatch::new(changes.rows().clone(), Some(changes.weights_or_ones())),
                keys,
                matches,
            );
        };
        let of_sign = |positive: bool| -> Vec<u32> {
            (0..weights.len() as u32).filter(|i| (weights.value(*i as usize) > 0) == positive).collect()
        };
        // What pays an earlier debt first, then all that is new, then what is taken back: the sum is the same.
        let coming = of_sign(true);
        let coming = if self.debts > 0 {
            self.settle(changes, &coming)?
        } else {
            coming.into_iter().map(|i| (i, weights.value(i as usize))).collect()
        };
        self.insert_some(changes, matches, &coming)?;
        let missing = self.settle(changes, &of_sign(false))?;
        self.debts += missing.len();
        self.insert_some(changes, matches, &missing)
    }

    /// Adds the weights of rows of `changes` to equal rows of the opposite sign; gives those that have some weight left.
    fn settle(&mut self, changes: &ChangeBatch, wanted: &[u32]) -> Result<Vec<(u32, i64)>> {
        let rows = &mut self.rows;
        let mut changed = Vec::new();
        let mut paid = 0;
        let mut rests: HashMap<u32, i64> = HashMap::new();
        let missing = self.store.find_equal(changes.rows(), wanted, |id, i| {
            let kept = &mut rows[id as usize].weight;
            let rest = rests.entry(i).or_insert_with(|| changes.weight(i as usize));
            if kept.signum() * rest.signum() >= 0 {
                return false;
            }
            let moved = if rest.abs() <= kept.abs() { *rest } else { -*kept };
            *kept += moved;
            *rest -= moved;
            paid += usize::from(moved > 0 && *kept == 0);
            changed.push(id);
            *rest == 0
        })?;
        self.debts -= paid;
        changed.sort_unstable();
        changed.dedup();
        for id in changed {
            self.after_weight_change(id)?;
        }
        Ok(missing
            .into_iter()
            .map(|i| (i, rests.get(&i).copied().unwrap_or_else(|| changes.weight(i as usize))))
            .collect())
    }

    fn after_weight_change(&mut self, id: u32) -> Result<()> {
        let row = self.rows[id as usize];
        if row.weight == 0 && row.key != NONE {
            self.unlink(id);
            if !self.tracks() {
                return self.release(id);
            }
        }
        if self.tracks() {
            self.touch(id);
        } else {
            self.mark_unsaved(id);
        }
        Ok(())
    }

    /// Inserts some rows of `changes`, with weights of their own.
    fn insert_some(&mut self, changes: &ChangeBatch, matches: &[i64], rows: &[(u32, i64)]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (indices, weights): (Vec<u32>, Vec<i64>) = rows.iter().copied().unzip();
        let matches: Vec<i64> =
            if matches.is_empty() { Vec::new() } else { indices.iter().map(|i| matches[*i as usize]).collect() };
        let chosen = take_rows(changes.rows(), &UInt32Array::from(indices))?;
        let chosen = ChangeBatch::new(chosen, Some(weights.into()));
        let keys = self.key_columns(&chosen);
        self.insert(&chosen, &keys, &matches, None).map(drop)
    }

    fn insert(
        &mut self,
        changes: &ChangeBatch,
        keys: &[ArrayRef],
        matches: &[i64],
        serials: Option<&UInt64Array>,
    ) -> Result<Vec<u32>> {
        let count = changes.row_count();
        let ids = self.store.append(changes.rows())?;
        self.rows.resize(self.store.slots(), Row::default());
        let mut key_ids = Vec::new();
        self.keys.intern(keys, count, &mut key_ids)?;
        self.heads.resize(self.keys.slots(), NONE);
        let groups = key_groups(keys, count)?;
        for (i, id) in ids.iter().enumerate() {
            self.rows[*id as usize] = Row {
                weight: changes.weight(i),
                matches: matches.get(i).copied().unwrap_or(0),
                serial: serials.map_or(self.next_serial, |s| s.value(i)),
                group: groups[i],
                ..Row::default()
            };
            self.next_serial = self.next_serial.max(self.rows[*id as usize].serial + 1);
            self.link(*id, key_ids[i]);
            if self.tracks() {
                self.touch(*id);
            } else {
                self.mark_unsaved(*id);
            }
        }
        forget_repeated(&mut self.unsaved, self.rows.len());
        self.note_expiry(changes.rows(), &ids)?;
        Ok(ids)
    }

    fn note_expiry(&mut self, rows: &RecordBatch, ids: &[u32]) -> Result<()> {
        let Some(ExpireBy { column, delay_ms }) = self.expire else { return Ok(()) };
        let times = rows.column(column);
        // Watermarks count in milliseconds: what is finer leaves one later.
        let whole = matches!(times.data_type(), DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _));
        let delay_ms = delay_ms.saturating_add(i64::from(!whole));
        let zone = match times.data_type() {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let times = cast(times, &DataType::Timestamp(TimeUnit::Millisecond, zone))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        for (i, id) in ids.iter().enumerate() {
            let time = if times.is_valid(i) { times.value(i).saturating_add(delay_ms) } else { i64::MIN };
            let row = &self.rows[*id as usize];
            let entry = (time, *id, (row.group, row.serial));
            self.expiry.entry(time >> BUCKET_BITS).or_default().push(entry);
        }
        Ok(())
    }

    fn link(&mut self, id: u32, key: u32) {
        let head = std::mem::replace(&mut self.heads[key as usize], id);
        let row = &mut self.rows[id as usize];
        (row.key, row.next, row.previous) = (key, head, NONE);
        if head != NONE {
            self.rows[head as usize].previous = id;
        }
    }

    fn unlink(&mut self, id: u32) {
        let Row { key, next, previous, .. } = self.rows[id as usize];
        match previous {
            NONE => self.heads[key as usize] = next,
            previous => self.rows[previous as usize].next = next,
        }
        if next != NONE {
            self.rows[next as usize].previous = previous;
        }
        self.rows[id as usize].key = NONE;
        if self.heads[key as usize] == NONE {
            self.keys.remove(key);
        }
    }

    /// Gives a row's number free.
    fn release(&mut self, id: u32) -> Result<()> {
        let row = &mut self.rows[id as usize];
        if row.saved {
            self.gone.push((row.group, row.serial));
        }
        *row = Row { key: NONE, serial: u64::MAX, ..Row::default() };
        self.store.remove(id)
    }

    /// What must be emitted of rows alone, now that the epoch ends: rows and the change of their weight downstream.
    /// Expired rows leave the index; [`Side::finish_epoch`] forgets them.
    pub(super) fn corrections(&mut self, watermark: Watermark) -> Result<(Vec<u32>, Vec<i64>)> {
        let expired = self.take_expired(watermark);
        let (mut ids, mut weights) = (Vec::new(), Vec::new());
        if self.tracks() {
            for id in &expired {
                self.touch(*id);
            }
            for id in &self.touched {
                let row = &mut self.rows[*id as usize];
                let want = match self.show {
                    Show::Matched if row.matches > 0 => row.weight,
                    Show::Unmatched if row.matches <= 0 && (!self.unmatched_at_expiry || row.key == NONE) => row.weight,
                    _ => 0,
                };
                if want != row.shown {
                    ids.push(*id);
                    weights.push(want - row.shown);
                    row.shown = want;
                }
            }
        }
        for id in expired {
            // Its weight downstream stays; only the state goes.
            self.rows[id as usize].weight = 0;
            if !self.tracks() {
                self.release(id)?;
            }
        }
        Ok((ids, weights))
    }

    fn take_expired(&mut self, watermark: Watermark) -> Vec<u32> {
        let mut expired = Vec::new();
        while let Some(mut bucket) = self.expiry.first_entry() {
            if *bucket.key() > watermark.0 >> BUCKET_BITS {
                break;
            }
            let rows = &self.rows;
            bucket.get_mut().retain(|(time, id, name)| {
                let row = &rows[*id as usize];
                if (row.group, row.serial) != *name || row.weight == 0 {
                    return false;
                }
                if *time <= watermark.0 {
                    expired.push(*id);
                }
                *time > watermark.0
            });
            if bucket.get().is_empty() {
                bucket.remove();
            } else {
                break;
            }
        }
        for id in &expired {
            self.debts -= usize::from(self.rows[*id as usize].weight < 0);
            self.unlink(*id);
        }
        expired
    }

    /// Forgets rows without weight.
    pub(super) fn finish_epoch(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.touched) {
            self.rows[id as usize].touched = false;
            if self.rows[id as usize].weight == 0 {
                self.release(id)?;
            }
        }
        Ok(())
    }

    pub(super) fn freeze(&mut self, kind: SegmentKind, side: usize, tables: &mut Vec<FrozenTable>) -> Result<()> {
        let rows = &mut self.rows;
        // A row that went leaves its number in the list; the number may have been given again.
        let mut dirty = std::mem::take(&mut self.unsaved);
        dirty.retain(|id| std::mem::replace(&mut rows[*id as usize].unsaved, false));
        let gone = std::mem::take(&mut self.gone);
        let (changed, new): (Vec<u32>, Vec<u32>) = match kind {
            SegmentKind::Base => (Vec::new(), self.store.ids()),
            SegmentKind::Delta => dirty.into_iter().partition(|id| rows[*id as usize].saved),
        };
        if kind == SegmentKind::Delta && !gone.is_empty() {
            let (groups, serials): (Vec<KeyGroup>, Vec<u64>) = gone.into_iter().unzip();
            let rows = SpreadRows { parts: vec![], picks: vec![], more: vec![Arc::new(UInt64Array::from(serials))] };
            tables.push(FrozenTable::Grouped { name: TABLES[side][GONE], groups, rows });
        }
        for (kind, ids) in [(CHANGED, changed), (ROWS, new)] {
            if ids.is_empty() {
                continue;
            }
            let more = self.state_columns(&ids);
            let groups = ids.iter().map(|id| self.rows[*id as usize].group).collect();
            ids.iter().for_each(|id| self.rows[*id as usize].saved = true);
            let rows = match kind {
                ROWS => self.store.spread(&ids, more),
                _ => SpreadRows { parts: vec![], picks: vec![], more },
            };
            tables.push(FrozenTable::Grouped { name: TABLES[side][kind], groups, rows });
        }
        Ok(())
    }

    fn state_columns(&self, ids: &[u32]) -> Vec<ArrayRef> {
        let rows = || ids.iter().map(|id| &self.rows[*id as usize]);
        vec![
            Arc::new(rows().map(|r| r.serial).collect::<UInt64Array>()),
            Arc::new(rows().map(|r| r.weight).collect::<Int64Array>()),
            Arc::new(rows().map(|r| r.matches).collect::<Int64Array>()),
            Arc::new(rows().map(|r| r.shown).collect::<Int64Array>()),
        ]
    }

    /// Takes rows of one table back; `known` finds rows by key group and serial.
    pub(super) fn restore(
        &mut self,
        kind: usize,
        group: KeyGroup,
        rows: &RecordBatch,
        known: &mut HashMap<(KeyGroup, u64), u32>,
    ) -> Result<()> {
        let width = if kind == ROWS { self.schema.fields().len() } else { 0 };
        let serials = rows.column(width).as_primitive::<UInt64Type>().clone();
        if kind == GONE {
            for serial in serials.values() {
                if let Some(id) = known.remove(&(group, *serial)) {
                    self.debts -= usize::from(self.rows[id as usize].weight < 0);
                    self.unlink(id);
                    self.rows[id as usize].saved = false;
                    self.release(id)?;
                }
            }
            return Ok(());
        }
        let number = |c: usize| rows.column(width + c).as_primitive::<Int64Type>().clone();
        let (weights, matches, shown) = (number(1), number(2), number(3));
        let ids: Vec<u32> = if kind == ROWS {
            // A side of which no column is needed has rows all the same.
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let columns = rows.columns()[..width].to_vec();
            let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
            let changes = ChangeBatch::inserts(batch);
            let keys = self.key_columns(&changes);
            self.insert(&changes, &keys, &[], Some(&serials))?
        } else {
            serials.values().iter().filter_map(|s| known.get(&(group, *s)).copied()).collect()
        };
        if ids.len() != serials.len() {
            return Err(Error::internal("state.row", "a segment changes a row that no earlier segment has"));
        }
        for (i, id) in ids.iter().enumerate() {
            let row = &mut self.rows[*id as usize];
            self.debts -= usize::from(kind == CHANGED && row.weight < 0);
            self.debts += usize::from(weights.value(i) < 0);
            row.weight = weights.value(i);
            (row.matches, row.shown) = (matches.value(i), shown.value(i));
            (row.saved, row.unsaved, row.touched) = (true, false, false);
            known.insert((group, row.serial), *id);
        }
        self.unsaved.clear();
        self.touched.clear();
        Ok(())
    }
}
