//! Holds rows until their session is over, then gives each of them with `window_start`, `window_end` and `window_time`.
//!
//! A row joins a session of its key when it is at most one gap before its first or after its last row, as in Flink; a row
//! between two sessions makes them one.
//!
//! State: the rows of open sessions, per key in sessions (first time, last time, rows in the order of arrival).
//!
//! # Invariants
//! - AS-1: the rows of a session leave in one epoch, the first whose watermark reaches the end of the session.
//! - AS-2: two open sessions of a key are more than one gap apart.
//! - AS-3: a row that would be a session of its own, and one that is over, is late: it is counted and dropped.
//!
//! Cost: memory O(rows of open sessions); one lookup per row, a gather per session.

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::operators::collect_windows::expanded;
use crate::operators::key_table::KeyTable;
use crate::operators::row_store::RowStore;
use crate::operators::segment::{FrozenTable, FrozenTables, key_groups, state_batch};
use crate::operators::windows::{check_time_column, times_ms, timestamps, window_fields};
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use freshet_types::{ChangeBatch, Error, Result, Watermark};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Which sessions, by which column.
#[derive(Debug, Clone)]
pub struct AssignSessionsConfig {
    /// Schema of the input.
    pub input: SchemaRef,
    /// Columns that keep sessions apart, by which the operator is routed.
    pub keys: Vec<usize>,
    /// The time column: TIMESTAMP or TIMESTAMP_LTZ.
    pub time: usize,
    /// A session ends once nothing came for so long.
    pub gap_ms: i64,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct AssignSessions {
    config: AssignSessionsConfig,
    schema: SchemaRef,
}

impl AssignSessions {
    /// Checks the config and finds the output schema: the input's columns and three more.
    pub fn new(config: AssignSessionsConfig) -> Result<Self> {
        let time = config.input.field(config.time);
        check_time_column(time)?;
        if config.gap_ms <= 0 {
            return Err(
                Error::invalid("window.size", "the gap of a session is not positive").hint("give a positive interval")
            );
        }
        let mut fields: Vec<Arc<Field>> = config.input.fields().to_vec();
        fields.extend(window_fields(time).map(Arc::new));
        let factory = Self { schema: Arc::new(Schema::new(fields)), config };
        factory.create(&OperatorContext::new(0, 1))?;
        Ok(factory)
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl OperatorFactory for AssignSessions {
    fn name(&self) -> &'static str {
        "assign_sessions"
    }

    fn describe(&self) -> String {
        let AssignSessionsConfig { input, keys, time, gap_ms } = &self.config;
        let keys: Vec<&str> = keys.iter().map(|k| input.field(*k).name().as_str()).collect();
        format!("session gap {gap_ms} ms on {} by [{}]", input.field(*time).name(), keys.join(", "))
    }

    fn state_fingerprint(&self) -> Option<String> {
        let AssignSessionsConfig { input, keys, time, gap_ms } = &self.config;
        let types: Vec<String> = input.fields().iter().map(|f| f.data_type().to_string()).collect();
        Some(format!("assign_sessions 1 {keys:?} {time} {gap_ms} [{}]", types.join(",")))
    }

    fn is_emptied_by_the_end(&self) -> bool {
        true
    }

    fn create(&self, context: &OperatorContext) -> Result<Box<dyn Operator>> {
        let input = &self.config.input;
        let key_types = self.config.keys.iter().map(|k| input.field(*k).data_type().clone()).collect();
        Ok(Box::new(Running {
            keys: KeyTable::new(key_types)?,
            of_key: Vec::new(),
            store: RowStore::new(Arc::clone(input)),
            kept: Vec::new(),
            unsaved: Vec::new(),
            gone: Vec::new(),
            ends: BinaryHeap::new(),
            watermark: context.watermark,
            late: 0,
            config: self.config.clone(),
            schema: self.schema(),
        }))
    }
}

const ROWS: &str = "rows";
const GONE: &str = "gone";

/// Rows that belong together.
struct Session {
    first: i64,
    last: i64,
    /// Numbers in the store, in the order of arrival.
    rows: Vec<u32>,
}

/// What became of a number in the store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Free,
    Unsaved,
    Saved,
}

struct Running {
    config: AssignSessionsConfig,
    schema: SchemaRef,
    keys: KeyTable,
    /// Open sessions of each key.
    of_key: Vec<Vec<Session>>,
    store: RowStore,
    kept: Vec<Kept>,
    /// Rows that came since the last freeze; some may be gone again.
    unsaved: Vec<u32>,
    /// Sessions with saved rows that have left since: their keys, first and last times.
    gone: Vec<Vec<ArrayRef>>,
    /// When sessions end, with their key; an end that a later row has moved stays in it.
    ends: BinaryHeap<Reverse<(i64, u32)>>,
    /// Watermark up to which sessions have left.
    watermark: Watermark,
    late: u64,
}

impl Running {
    /// Puts a row to its session, which it may make or make of others; false when it is late.
    fn place(&mut self, key: u32, time: i64, row: u32) -> bool {
        let gap = self.config.gap_ms;
        let sessions = &mut self.of_key[key as usize];
        let is_near = |s: &Session| time <= s.last.saturating_add(gap) && time >= s.first.saturating_sub(gap);
        let Some(into) = sessions.iter().position(is_near) else {
            if self.watermark.closes(time.saturating_add(gap)) {
                return false;
            }
            sessions.push(Session { first: time, last: time, rows: vec![row] });
            self.ends.push(Reverse((time.saturating_add(gap), key)));
            return true;
        };
        while let Some(other) = sessions.iter().skip(into + 1).position(is_near) {
            let other = sessions.swap_remove(into + 1 + other);
            let session = &mut sessions[into];
            session.first = session.first.min(other.first);
            session.last = session.last.max(other.last);
            session.rows.extend(other.rows);
        }
        let session = &mut sessions[into];
        session.first = session.first.min(time);
        session.rows.push(row);
        if time > session.last {
            session.last = time;
            self.ends.push(Reverse((time.saturating_add(gap), key)));
        }
        true
    }

    fn key_columns(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.config.keys.iter().map(|k| Arc::clone(rows.column(*k))).collect()
    }

    /// Keeps rows in their sessions; gives the number of those that are late.
    fn hold(&mut self, rows: &RecordBatch, kept: Kept) -> Result<u64> {
        let times = times_ms(rows.column(self.config.time), self.config.input.field(self.config.time).name())?;
        let mut keys = Vec::new();
        self.keys.intern(&self.key_columns(rows), rows.num_rows(), &mut keys)?;
        self.of_key.resize_with(self.keys.slots(), Vec::new);
        let ids = self.store.append(rows)?;
        self.kept.resize(self.store.slots(), Kept::Free);
        let mut late = 0;
        for ((key, time), id) in keys.iter().zip(times.values()).zip(ids) {
            if self.place(*key, *time, id) {
                self.kept[id as usize] = kept;
                if kept == Kept::Unsaved {
                    self.unsaved.push(id);
                }
            } else {
                self.store.remove(id)?;
                late += 1;
            }
        }
        if late > 0 {
            // A key that only had late rows leaves nothing behind.
            self.remove_idle(keys);
        }
        Ok(late)
    }

    /// Forgets those of `keys` that have no session.
    fn remove_idle(&mut self, mut keys: Vec<u32>) {
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter(|k| self.of_key[*k as usize].is_empty()).for_each(|k| self.keys.remove(k));
    }

    /// Forgets rows.
    fn remove(&mut self, ids: &[u32]) -> Result<()> {
        for id in ids {
            self.kept[*id as usize] = Kept::Free;
            self.store.remove(*id)?;
        }
        Ok(())
    }

    /// Gives the rows of closed sessions.
    fn emit(&mut self, closed: Vec<(u32, Session)>, out: &mut dyn Output) -> Result<()> {
        let (mut ids, mut starts, mut ends): (Vec<u32>, Vec<i64>, Vec<i64>) = Default::default();
        let (mut keys, mut firsts, mut lasts): (Vec<u32>, Vec<i64>, Vec<i64>) = Default::default();
        for (key, session) in &closed {
            ids.extend(&session.rows);
            starts.extend(std::iter::repeat_n(session.first, session.rows.len()));
            ends.extend(std::iter::repeat_n(session.last.saturating_add(self.config.gap_ms), session.rows.len()));
            if session.rows.iter().any(|id| self.kept[*id as usize] == Kept::Saved) {
                keys.push(*key);
                firsts.push(session.first);
                lasts.push(session.last);
            }
        }
        let mut columns = self.store.gather_all(&ids)?;
        let last = ends.iter().map(|end| end - 1).collect();
        let added = columns.len();
        for (i, values) in [starts, ends, last].into_iter().enumerate() {
            columns.push(timestamps(values, self.schema.field(added + i).data_type()));
        }
        out.emit(ChangeBatch::inserts(RecordBatch::try_new(Arc::clone(&self.schema), columns)?));
        if !keys.is_empty() {
            let mut columns = self.keys.gather(&keys)?;
            columns.push(Arc::new(Int64Array::from(firsts)));
            columns.push(Arc::new(Int64Array::from(lasts)));
            self.gone.push(columns);
        }
        self.remove(&ids)?;
        self.remove_idle(closed.into_iter().map(|(key, _)| key).collect());
        Ok(())
    }
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, _out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if !changes.is_append_only() {
            return Err(Error::internal("assign_sessions.retraction", "rows of a session were taken back"));
        }
        self.late += self.hold(&expanded(&changes)?, Kept::Unsaved)?;
        Ok(())
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        if end.watermark <= self.watermark {
            return Ok(());
        }
        self.watermark = end.watermark;
        let gap = self.config.gap_ms;
        let mut closed = Vec::new();
        while let Some(Reverse((time, key))) = self.ends.peek().copied() {
            if !end.watermark.closes(time) {
                break;
            }
            self.ends.pop();
            let is_over = |s: &mut Session| end.watermark.closes(s.last.saturating_add(gap));
            closed.extend(self.of_key[key as usize].extract_if(.., is_over).map(|session| (key, session)));
        }
        if closed.is_empty() {
            return Ok(());
        }
        self.emit(closed, out)
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let key_count = self.config.keys.len();
        let mut tables = Vec::new();
        let gone = std::mem::take(&mut self.gone);
        let mut ids = std::mem::take(&mut self.unsaved);
        match kind {
            SegmentKind::Base => {
                ids = self.of_key.iter().flatten().flat_map(|s| s.rows.iter().copied()).collect();
                ids.iter().for_each(|id| self.kept[*id as usize] = Kept::Saved);
            }
            SegmentKind::Delta => {
                for columns in gone {
                    tables.push(FrozenTable::Keyed { name: GONE, key_count, rows: state_batch(columns)? });
                }
                ids.retain(|id| {
                    let kept = &mut self.kept[*id as usize];
                    *kept == Kept::Unsaved && std::mem::replace(kept, Kept::Saved) == Kept::Unsaved
                });
            }
        }
        if !ids.is_empty() {
            let keys = self.store.gather(self.config.keys.iter().copied(), &ids)?;
            let groups = key_groups(&keys, ids.len())?;
            tables.push(FrozenTable::Grouped { name: ROWS, groups, rows: self.store.spread(&ids, Vec::new()) });
        }
        Ok(FrozenTables::frozen(kind, tables))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        let key_count = self.config.keys.len();
        // Until all is read, no row is late: those that have left are named by what follows them.
        let watermark = std::mem::replace(&mut self.watermark, Watermark::MIN);
        while let Some((_, table, _, rows)) = reader.next()? {
            if table == GONE {
                let mut keys = Vec::new();
                self.keys.intern(&rows.columns()[..key_count], rows.num_rows(), &mut keys)?;
                self.of_key.resize_with(self.keys.slots(), Vec::new);
                let bound = |column: usize| rows.column(column).as_primitive::<Int64Type>();
                let (firsts, lasts) = (bound(key_count), bound(key_count + 1));
                for (i, key) in keys.iter().enumerate() {
                    let inside = |s: &mut Session| s.first >= firsts.value(i) && s.last <= lasts.value(i);
                    let left: Vec<Session> = self.of_key[*key as usize].extract_if(.., inside).collect();
                    for session in left {
                        self.remove(&session.rows)?;
                    }
                }
                self.remove_idle(keys);
            } else {
                let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
                let columns = rows.columns().to_vec();
                let rows = RecordBatch::try_new_with_options(Arc::clone(&self.config.input), columns, &options)?;
                self.hold(&rows, Kept::Saved)?;
            }
        }
        self.watermark = watermark;
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters {
            late_rows: self.late,
            state_rows: self.store.live() as u64,
            state_bytes: (self.store.bytes() + self.keys.bytes()) as u64,
            ..Counters::default()
        }
    }
}
