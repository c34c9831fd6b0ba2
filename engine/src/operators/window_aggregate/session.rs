//! Session windows: one window per key that grows with each row and ends when none comes for a gap.
//!
//! State: per key its open sessions (first and last time), one cell per aggregate and session. A row joins a session when
//! it is at most one gap before its start or after its last row, as in Flink; a row between two sessions makes them one.
//! Sessions that end wait in a heap; an entry that was overtaken by a later row is put back when its time comes.

use super::{Layout, check_append_only};
use crate::operators::accumulators::Call;
use crate::operators::key_table::{KeyTable, NONE};
use crate::operators::segment::{FrozenTable, FrozenTables, forget_repeated, state_batch};
use crate::operators::windows::times_ms;
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, Output, SegmentKind, StateReader};
use arrow::array::{ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::datatypes::Int64Type;
use freshet_types::{ChangeBatch, Result, Watermark};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

#[derive(Clone, Copy)]
struct Session {
    key: u32,
    first: i64,
    last: i64,
    /// Counts how often the slot was used, so that a heap entry of an earlier use is known.
    generation: u32,
    open: bool,
    unsaved: bool,
    /// First time under which the session is in a segment.
    saved_first: Option<i64>,
}

const SESSIONS: &str = "sessions";
const GONE: &str = "gone";

pub(super) struct Sessions {
    layout: Layout,
    time: usize,
    gap: i64,
    keys: KeyTable,
    /// Open sessions of each key.
    of_key: Vec<Vec<u32>>,
    sessions: Vec<Session>,
    free: Vec<u32>,
    calls: Vec<Call>,
    ends: BinaryHeap<Reverse<(i64, u32, u32)>>,
    /// Watermark up to which sessions have left.
    watermark: Watermark,
    /// Sessions that changed since the last freeze; a slot may stand there twice.
    unsaved: Vec<u32>,
    /// Saved sessions that are gone: keys and first times.
    forgotten: Vec<Vec<ArrayRef>>,
    late: u64,
}

impl Sessions {
    pub(super) fn new(layout: Layout, time: usize, gap: i64, context: &OperatorContext) -> Result<Self> {
        let calls = layout.aggregates.iter().map(|c| Call::new(c, &layout.input, true)).collect::<Result<_>>()?;
        Ok(Self {
            keys: KeyTable::new(layout.key_types())?,
            layout,
            time,
            gap,
            of_key: Vec::new(),
            sessions: Vec::new(),
            free: Vec::new(),
            calls,
            ends: BinaryHeap::new(),
            watermark: context.watermark,
            unsaved: Vec::new(),
            forgotten: Vec::new(),
            late: 0,
        })
    }

    fn start(&mut self, key: u32, first: i64, last: i64) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(Session {
                key,
                first,
                last,
                generation: 0,
                open: false,
                unsaved: false,
                saved_first: None,
            });
            (self.sessions.len() - 1) as u32
        });
        let session = &mut self.sessions[id as usize];
        *session = Session {
            key,
            first,
            last,
            generation: session.generation.wrapping_add(1),
            open: true,
            unsaved: true,
            saved_first: None,
        };
        self.unsaved.push(id);
        self.ends.push(Reverse((last.saturating_add(self.gap), id, session.generation)));
        self.of_key[key as usize].push(id);
        id
    }

    /// Forgets a session, and its key when it was the last one.
    fn remove(&mut self, id: u32, gone: &mut Vec<(u32, i64)>) {
        let session = &mut self.sessions[id as usize];
        session.open = false;
        if let Some(first) = session.saved_first.take() {
            gone.push((session.key, first));
        }
        let of_key = &mut self.of_key[session.key as usize];
        of_key.retain(|other| *other != id);
    }

    /// Finds or makes the session of a row; sessions that it joins to it are added to `joined` as (from, into).
    fn place(&mut self, key: u32, time: i64, joined: &mut Vec<(u32, u32)>) -> u32 {
        let gap = self.gap;
        let mut into = NONE;
        let near: Vec<u32> = self.of_key[key as usize]
            .iter()
            .copied()
            .filter(|id| {
                let session = &self.sessions[*id as usize];
                time <= session.last.saturating_add(gap) && time >= session.first.saturating_sub(gap)
            })
            .collect();
        for id in near {
            if into == NONE {
                into = id;
                let session = &mut self.sessions[id as usize];
                session.first = session.first.min(time);
                session.last = session.last.max(time);
                if !std::mem::replace(&mut session.unsaved, true) {
                    self.unsaved.push(id);
                }
            } else {
                let other = self.sessions[id as usize];
                let session = &mut self.sessions[into as usize];
                session.first = session.first.min(other.first);
                session.last = session.last.max(other.last);
                joined.push((id, into));
                self.of_key[key as usize].retain(|o| *o != id);
                self.sessions[id as usize].open = false;
            }
        }
        if into != NONE {
            return into;
        }
        if self.watermark.closes(time.saturating_add(gap)) { NONE } else { self.start(key, time, time) }
    }

    /// Moves the cells of joined sessions.
    fn join(&mut self, joined: &[(u32, u32)]) -> Result<()> {
        for (from, into) in joined {
            for call in &mut self.calls {
                let state = call.accumulator.state(&[*from])?;
                call.accumulator.merge(&state, &[*into])?;
            }
        }
        self.release(joined.iter().map(|(from, _)| *from).collect())
    }

    /// Gives slots of sessions that are no longer open free, noting those that segments know.
    fn release(&mut self, ids: Vec<u32>) -> Result<()> {
        let saved: Vec<(u32, i64)> = ids
            .iter()
            .filter_map(|id| {
                let session = &mut self.sessions[*id as usize];
                session.saved_first.take().map(|first| (session.key, first))
            })
            .collect();
        self.forget(&saved)?;
        for id in ids {
            self.calls.iter_mut().for_each(|call| call.accumulator.clear(id));
            self.free.push(id);
        }
        Ok(())
    }

    fn forget(&mut self, saved: &[(u32, i64)]) -> Result<()> {
        if saved.is_empty() {
            return Ok(());
        }
        let keys: Vec<u32> = saved.iter().map(|s| s.0).collect();
        let mut columns = self.keys.gather(&keys)?;
        columns.push(Arc::new(saved.iter().map(|s| s.1).collect::<Int64Array>()));
        self.forgotten.push(columns);
        Ok(())
    }

    /// Forgets those of `keys` that have no session.
    fn remove_idle(&mut self, mut keys: Vec<u32>) {
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().filter(|k| self.of_key[*k as usize].is_empty()).for_each(|k| self.keys.remove(k));
    }

    fn grow(&mut self) {
        let count = self.sessions.len();
        self.calls.iter_mut().for_each(|call| call.accumulator.grow(count));
    }

    fn emit(&mut self, ids: &[u32], out: &mut dyn Output) -> Result<()> {
        let sessions = || ids.iter().map(|id| &self.sessions[*id as usize]);
        let keys: Vec<u32> = sessions().map(|s| s.key).collect();
        let starts = sessions().map(|s| s.first).collect();
        let ends = sessions().map(|s| s.last.saturating_add(self.gap)).collect();
        let mut columns = self.keys.gather(&keys)?;
        for call in &mut self.calls {
            columns.push(call.accumulator.values(ids)?);
        }
        out.emit(self.layout.rows(columns, starts, ends)?);
        Ok(())
    }
}

impl Operator for Sessions {
    fn on_changes(&mut self, _input: usize, changes: ChangeBatch, _out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        check_append_only(&changes)?;
        let times = times_ms(changes.column(self.time), self.layout.input.field(self.time).name())?;
        let mut keys = Vec::new();
        self.keys.intern(&self.layout.key_columns(&changes), changes.row_count(), &mut keys)?;
        self.of_key.resize_with(self.keys.slots(), Vec::new);
        let mut joined = Vec::new();
        let mut slots: Vec<u32> =
            keys.iter().zip(times.values()).map(|(key, time)| self.place(*key, *time, &mut joined)).collect();
        self.grow();
        forget_repeated(&mut self.unsaved, self.sessions.len());
        if !joined.is_empty() {
            // A session that was joined may have been joined again: rows go where the chain ends.
            let into: HashMap<u32, u32> = joined.iter().copied().collect();
            let end = |mut id: u32| {
                while let Some(next) = into.get(&id) {
                    id = *next;
                }
                id
            };
            slots.iter_mut().filter(|slot| **slot != NONE).for_each(|slot| *slot = end(*slot));
            let joined: Vec<(u32, u32)> = joined.iter().map(|(from, _)| (*from, end(*from))).collect();
            self.join(&joined)?;
        }
        let kept: Vec<u32> = (0..slots.len() as u32).filter(|i| slots[*i as usize] != NONE).collect();
        let late = slots.len() - kept.len();
        if late > 0 {
            self.late += late as u64;
            slots.retain(|slot| *slot != NONE);
        }
        let rows = if late > 0 { changes.take(&UInt32Array::from(kept))? } else { changes };
        for call in &mut self.calls {
            call.update(&rows, &slots, self.sessions.len())?;
        }
        if late > 0 {
            // A key that only had late rows leaves nothing behind.
            self.remove_idle(keys);
        }
        Ok(())
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        if end.watermark <= self.watermark {
            return Ok(());
        }
        self.watermark = end.watermark;
        let mut closed = Vec::new();
        while let Some(Reverse((time, id, generation))) = self.ends.peek().copied() {
            if !end.watermark.closes(time) {
                break;
            }
            self.ends.pop();
            let session = &self.sessions[id as usize];
            if !session.open || session.generation != generation {
                continue;
            }
            let now = session.last.saturating_add(self.gap);
            if end.watermark.closes(now) {
                closed.push((now, id));
            } else {
                self.ends.push(Reverse((now, id, generation)));
            }
        }
        if closed.is_empty() {
            return Ok(());
        }
        closed.sort_unstable();
        let ids: Vec<u32> = closed.into_iter().map(|(_, id)| id).collect();
        self.emit(&ids, out)?;
        let mut gone = Vec::new();
        ids.iter().for_each(|id| self.remove(*id, &mut gone));
        self.forget(&gone)?;
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            self.calls.iter_mut().for_each(|call| call.accumulator.clear(id));
            keys.push(self.sessions[id as usize].key);
            self.free.push(id);
        }
        self.remove_idle(keys);
        Ok(())
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let key_count = self.layout.keys.len();
        let mut tables = Vec::new();
        let forgotten = std::mem::take(&mut self.forgotten);
        let mut ids = std::mem::take(&mut self.unsaved);
        match kind {
            SegmentKind::Base => {
                ids = (0..self.sessions.len() as u32).filter(|id| self.sessions[*id as usize].open).collect();
            }
            SegmentKind::Delta => ids.retain(|id| {
                let session = &mut self.sessions[*id as usize];
                session.open && std::mem::replace(&mut session.unsaved, false)
            }),
        }
        let mut gone = forgotten;
        // A session whose first time moved is saved under another name.
        let moved: Vec<(u32, i64)> = ids
            .iter()
            .filter_map(|id| {
                let s = &self.sessions[*id as usize];
                s.saved_first.filter(|first| *first != s.first).map(|first| (s.key, first))
            })
            .collect();
        if !moved.is_empty() {
            self.forget(&moved)?;
            gone.append(&mut self.forgotten);
        }
        if kind == SegmentKind::Delta {
            for columns in gone {
                tables.push(FrozenTable::Keyed { name: GONE, key_count, rows: state_batch(columns)? });
            }
        }
        if !ids.is_empty() {
            let keys: Vec<u32> = ids.iter().map(|id| self.sessions[*id as usize].key).collect();
            let mut columns = self.keys.gather(&keys)?;
            for part in [|s: &Session| s.first, |s: &Session| s.last] {
                columns.push(Arc::new(ids.iter().map(|id| part(&self.sessions[*id as usize])).collect::<Int64Array>()));
            }
            for call in &mut self.calls {
                columns.extend(call.accumulator.state(&ids)?);
            }
            tables.push(FrozenTable::Keyed { name: SESSIONS, key_count, rows: state_batch(columns)? });
        }
        for id in ids {
            let session = &mut self.sessions[id as usize];
            session.unsaved = false;
            session.saved_first = Some(session.first);
        }
        Ok(FrozenTables::frozen(kind, tables))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        let key_count = self.layout.keys.len();
        let mut keys = Vec::new();
        while let Some((_, table, _, rows)) = reader.next()? {
            self.keys.intern(&rows.columns()[..key_count], rows.num_rows(), &mut keys)?;
            self.of_key.resize_with(self.keys.slots(), Vec::new);
            let firsts = rows.column(key_count).as_primitive::<Int64Type>();
            let known: Vec<Option<u32>> = keys
                .iter()
                .zip(firsts.values())
                .map(|(key, first)| {
                    self.of_key[*key as usize].iter().copied().find(|id| self.sessions[*id as usize].first == *first)
                })
                .collect();
            if table == GONE {
                let mut ignored = Vec::new();
                for id in known.into_iter().flatten() {
                    self.remove(id, &mut ignored);
                    self.calls.iter_mut().for_each(|call| call.accumulator.clear(id));
                    self.free.push(id);
                }
            } else {
                let lasts = rows.column(key_count + 1).as_primitive::<Int64Type>();
                let mut ids = Vec::with_capacity(keys.len());
                for (i, key) in keys.iter().enumerate() {
                    let (first, last) = (firsts.value(i), lasts.value(i));
                    let id = known[i].unwrap_or_else(|| self.start(*key, first, last));
                    let session = &mut self.sessions[id as usize];
                    (session.last, session.unsaved, session.saved_first) = (last, false, Some(first));
                    ids.push(id);
                }
                self.grow();
                let mut at = key_count + 2;
                for call in &mut self.calls {
                    let width = call.accumulator.state_width();
                    ids.iter().for_each(|id| call.accumulator.clear(*id));
                    call.accumulator.merge(&rows.columns()[at..at + width], &ids)?;
                    at += width;
                }
            }
        }
        self.unsaved.clear();
        self.remove_idle(self.keys.ids());
        Ok(())
    }

    fn counters(&self) -> Counters {
        let bytes: usize = self.calls.iter().map(|c| c.accumulator.bytes()).sum();
        Counters {
            late_rows: self.late,
            state_rows: (self.sessions.len() - self.free.len()) as u64,
            state_bytes: (bytes + self.keys.bytes() + self.sessions.capacity() * size_of::<Session>()) as u64,
            ..Counters::default()
        }
    }
}
