//! The groups of one slice of event time: keys and one cell per aggregate.

use crate::SegmentKind;
use crate::operators::accumulators::Call;
use crate::operators::aggregate_call::AggregateCall;
use crate::operators::key_table::KeyTable;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use freshet_types::{ChangeBatch, Result};

/// Keys and their partial results.
pub(super) struct Pane {
    keys: KeyTable,
    calls: Vec<Call>,
    /// Whether a group changed since the last freeze.
    unsaved: Vec<bool>,
    any_unsaved: bool,
    ids: Vec<u32>,
}

impl Pane {
    pub(super) fn new(key_types: Vec<DataType>, aggregates: &[AggregateCall], input: &SchemaRef) -> Result<Self> {
        let calls = aggregates.iter().map(|call| Call::new(call, input, true)).collect::<Result<_>>()?;
        Ok(Self { keys: KeyTable::new(key_types)?, calls, unsaved: Vec::new(), any_unsaved: false, ids: Vec::new() })
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.keys.slots()
    }

    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes() + self.calls.iter().map(|c| c.accumulator.bytes()).sum::<usize>() + self.unsaved.capacity()
    }

    fn intern(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        let mut ids = std::mem::take(&mut self.ids);
        self.keys.intern(keys, rows, &mut ids)?;
        self.unsaved.resize(self.keys.slots(), false);
        Ok(ids)
    }

    fn mark(&mut self, ids: &[u32]) {
        self.any_unsaved = true;
        ids.iter().for_each(|id| self.unsaved[*id as usize] = true);
    }

    /// Adds rows with these keys.
    pub(super) fn update(&mut self, keys: &[ArrayRef], changes: &ChangeBatch) -> Result<()> {
        let ids = self.intern(keys, changes.row_count())?;
        self.mark(&ids);
        for call in &mut self.calls {
            call.update(changes, &ids, self.keys.slots())?;
        }
        self.ids = ids;
        Ok(())
    }

    /// Adds all groups of `other`.
    pub(super) fn merge(&mut self, other: &mut Pane) -> Result<()> {
        let theirs = other.all();
        let ids = self.intern(&other.keys.gather(&theirs)?, theirs.len())?;
        for (call, other) in self.calls.iter_mut().zip(&mut other.calls) {
            call.accumulator.grow(self.keys.slots());
            call.accumulator.merge(&other.accumulator.state(&theirs)?, &ids)?;
        }
        self.ids = ids;
        Ok(())
    }

    fn all(&self) -> Vec<u32> {
        (0..self.keys.slots() as u32).collect()
    }

    /// Keys and results of all groups, and how many there are.
    pub(super) fn rows(&mut self) -> Result<(Vec<ArrayRef>, usize)> {
        let ids = self.all();
        let mut columns = self.keys.gather(&ids)?;
        for call in &mut self.calls {
            columns.push(call.accumulator.values(&ids)?);
        }
        Ok((columns, ids.len()))
    }

    /// Keys and state of the groups that changed, or of all.
    pub(super) fn freeze(&mut self, kind: SegmentKind) -> Result<Option<(Vec<ArrayRef>, usize)>> {
        if kind == SegmentKind::Delta && !self.any_unsaved {
            return Ok(None);
        }
        let mut ids = self.all();
        if kind == SegmentKind::Delta {
            ids.retain(|id| self.unsaved[*id as usize]);
        }
        self.unsaved.fill(false);
        self.any_unsaved = false;
        let mut columns = self.keys.gather(&ids)?;
        for call in &mut self.calls {
            columns.extend(call.accumulator.state(&ids)?);
        }
        Ok(Some((columns, ids.len())))
    }

    /// Takes groups back; they replace what older segments said of them.
    pub(super) fn restore(&mut self, keys: &[ArrayRef], state: &[ArrayRef], rows: usize) -> Result<()> {
        let ids = self.intern(keys, rows)?;
        let mut at = 0;
        for call in &mut self.calls {
            let width = call.accumulator.state_width();
            call.accumulator.grow(self.keys.slots());
            ids.iter().for_each(|id| call.accumulator.clear(*id));
            call.accumulator.merge(&state[at..at + width], &ids)?;
            at += width;
        }
        self.ids = ids;
        Ok(())
    }
}
