//! Values of a fixed width under construction.

use super::gaps::Gaps;
use arrow::buffer::NullBuffer;

/// Values of one column so far. A row that is left out is NULL: the next value, or the end, fills the gap.
#[derive(Debug, Default)]
pub(crate) struct Fixed<T> {
    values: Vec<T>,
    gaps: Gaps,
}

impl<T: Copy + Default> Fixed<T> {
    /// Number of rows up to the last value.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Sets row `row`; whatever stood there or behind it is forgotten.
    #[inline]
    pub(crate) fn push(&mut self, row: usize, value: T) {
        if self.values.len() != row {
            self.align(row);
        }
        self.values.push(value);
    }

    #[cold]
    fn align(&mut self, row: usize) {
        if self.values.len() > row {
            self.truncate(row);
        } else {
            self.gaps.add(self.values.len(), row);
            self.values.resize(row, T::default());
        }
    }

    /// Forgets rows from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.gaps.truncate(len);
    }

    /// Hands out `rows` rows and starts anew, with room for as many.
    pub(crate) fn take(&mut self, rows: usize) -> (Vec<T>, Option<NullBuffer>) {
        if self.values.len() != rows {
            self.align(rows);
        }
        let next = Vec::with_capacity(rows);
        (std::mem::replace(&mut self.values, next), self.gaps.take(rows))
    }
}
