//! Counts rows: all of them, or those in which no argument is NULL.

use super::{Accumulator, each};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int64Type;
use freshet_types::Result;
use std::sync::Arc;

/// One count per group.
#[derive(Default)]
pub(super) struct Count {
    counts: Vec<i64>,
}

impl Accumulator for Count {
    fn grow(&mut self, groups: usize) {
        self.counts.resize(groups.max(self.counts.len()), 0);
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
        let nulls =
            arguments.iter().fold(None, |nulls, a| NullBuffer::union(nulls.as_ref(), a.logical_nulls().as_ref()));
        let counts = &mut self.counts;
        each(nulls.as_ref(), groups, weights, |g, _, w| counts[g] += w);
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(Arc::new(groups.iter().map(|g| self.counts[*g as usize]).collect::<Int64Array>()))
    }

    fn is_empty(&self, group: u32) -> bool {
        self.counts[group as usize] == 0
    }

    fn clear(&mut self, group: u32) {
        self.counts[group as usize] = 0;
    }

    fn state_width(&self) -> usize {
        1
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values(groups)?])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        for (g, n) in groups.iter().zip(state[0].as_primitive::<Int64Type>().values()) {
            self.counts[*g as usize] += n;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * 8
    }
}
