//! DISTINCT: passes a value on when it comes into a group for the first time, and takes it back when its last row goes.
//!
//! One table of (group, values) with a weight; the values of a group form a chain, so that a group can be saved or emptied.

use super::{Accumulator, multiset};
use crate::operators::key_table::{KeyTable, NONE};
use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use freshet_types::Result;
use std::sync::Arc;

/// Distinct values of each group, in front of another accumulator.
pub(super) struct Distinct {
    values: KeyTable,
    weights: Vec<i64>,
    next: Vec<u32>,
    previous: Vec<u32>,
    heads: Vec<u32>,
    inner: Box<dyn Accumulator>,
}

impl Distinct {
    /// Distinct values of `types` in front of `inner`.
    pub(super) fn new(types: Vec<DataType>, inner: Box<dyn Accumulator>) -> Result<Self> {
        let types = std::iter::once(DataType::UInt32).chain(types).collect();
        Ok(Self {
            values: KeyTable::new(types)?,
            weights: Vec::new(),
            next: Vec::new(),
            previous: Vec::new(),
            heads: Vec::new(),
            inner,
        })
    }

    fn link(&mut self, id: u32, group: u32) {
        let head = std::mem::replace(&mut self.heads[group as usize], id);
        self.next[id as usize] = head;
        self.previous[id as usize] = NONE;
        if head != NONE {
            self.previous[head as usize] = id;
        }
    }

    fn unlink(&mut self, id: u32, group: u32) {
        let (previous, next) = (self.previous[id as usize], self.next[id as usize]);
        match previous {
            NONE => self.heads[group as usize] = next,
            previous => self.next[previous as usize] = next,
        }
        if next != NONE {
            self.previous[next as usize] = previous;
        }
        self.previous[id as usize] = NONE;
        self.values.remove(id);
    }

    fn chain(&self, group: u32) -> impl Iterator<Item = u32> + '_ {
        let start = self.heads[group as usize];
        std::iter::successors((start != NONE).then_some(start), |id| {
            let next = self.next[*id as usize];
            (next != NONE).then_some(next)
        })
    }
}

impl Accumulator for Distinct {
    fn grow(&mut self, groups: usize) {
        self.heads.resize(groups.max(self.heads.len()), NONE);
        self.inner.grow(groups);
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(groups.to_vec()))];
        columns.extend(arguments.iter().cloned());
        let mut ids = Vec::new();
        self.values.intern(&columns, groups.len(), &mut ids)?;
        self.weights.resize(self.values.slots(), 0);
        self.next.resize(self.values.slots(), NONE);
        self.previous.resize(self.values.slots(), NONE);
        let (mut rows, mut signs, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        let mut emptied = Vec::new();
        for (i, id) in ids.iter().enumerate() {
            let weight = weights.map_or(1, |w| w[i]);
            let before = self.weights[*id as usize];
            let after = before + weight;
            self.weights[*id as usize] = after;
            if before == 0 {
                self.link_once(*id, groups[i]);
            }
            if after == 0 {
                emptied.push((*id, groups[i]));
            }
            if (before > 0) != (after > 0) {
                rows.push(i as u32);
                owners.push(groups[i]);
                signs.push(if after > 0 { 1 } else { -1 });
            }
        }
        for (id, group) in emptied {
            // A value may empty more than once in a batch, and fill again.
            if self.weights[id as usize] == 0 && self.is_linked(id, group) {
                self.unlink(id, group);
            }
        }
        let rows = UInt32Array::from(rows);
        let arguments = arguments.iter().map(|a| take(a, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        let all_inserted = signs.iter().all(|s| *s == 1);
        self.inner.update(&arguments, &owners, (!all_inserted).then_some(&signs))
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        self.inner.values(groups)
    }

    fn is_empty(&self, group: u32) -> bool {
        self.heads[group as usize] == NONE && self.inner.is_empty(group)
    }

    fn clear(&mut self, group: u32) {
        let ids: Vec<u32> = self.chain(group).collect();
        for id in ids {
            self.weights[id as usize] = 0;
            self.unlink(id, group);
        }
        self.inner.clear(group);
    }

    fn state_width(&self) -> usize {
        1
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let (mut ids, mut lengths) = (Vec::new(), Vec::with_capacity(groups.len()));
        for group in groups {
            let start = ids.len();
            ids.extend(self.chain(*group));
            // The chain begins with the newest value; state keeps the order of arrival.
            ids[start..].reverse();
            lengths.push(ids.len() - start);
        }
        let columns = self.values.gather(&ids)?.split_off(1);
        let weights = ids.iter().map(|id| self.weights[*id as usize]).collect();
        Ok(vec![multiset::weighted_lists(columns, weights, lengths.into_iter())?])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (columns, groups, weights) = multiset::from_weighted_lists(&state[0], groups);
        self.update(&columns, &groups, Some(&weights))
    }

    fn bytes(&self) -> usize {
        self.values.bytes() + self.weights.capacity() * 16 + self.heads.capacity() * 4 + self.inner.bytes()
    }
}

impl Distinct {
    fn is_linked(&self, id: u32, group: u32) -> bool {
        self.heads[group as usize] == id || self.previous[id as usize] != NONE
    }

    fn link_once(&mut self, id: u32, group: u32) {
        if !self.is_linked(id, group) {
            self.link(id, group);
        }
    }
}
