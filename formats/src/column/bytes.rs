//! Texts and byte strings under construction.

use super::gaps::Gaps;
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

/// Byte strings of one column so far, one behind the other. Rows that are left out are NULL.
///
/// The owner keeps the sum of all bytes below 2 GiB, which is what Arrow's offsets can name.
#[derive(Debug)]
pub(crate) struct Bytes {
    offsets: Vec<i32>,
    pub(crate) data: Vec<u8>,
    gaps: Gaps,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { offsets: vec![0], data: Vec::new(), gaps: Gaps::default() }
    }
}

impl Bytes {
    /// Number of rows up to the last value.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn end(&self) -> usize {
        *self.offsets.last().expect("offsets begin with a zero") as usize
    }

    /// Sets row `row`.
    #[inline]
    pub(crate) fn push(&mut self, row: usize, value: &[u8]) {
        self.open(row);
        self.data.extend_from_slice(value);
        self.close();
    }

    /// Begins the value of row `row`; the caller appends to `data`, then calls [`Bytes::close`].
    #[inline]
    pub(crate) fn open(&mut self, row: usize) {
        if self.offsets.len() != row + 1 {
            self.align(row);
        }
    }

    /// Ends the value that was opened.
    #[inline]
    pub(crate) fn close(&mut self) {
        self.offsets.push(self.data.len() as i32);
    }

    #[cold]
    fn align(&mut self, row: usize) {
        if self.len() > row {
            self.truncate(row);
        } else {
            self.gaps.add(self.len(), row);
            let end = self.end() as i32;
            self.offsets.resize(row + 1, end);
        }
    }

    /// Forgets rows from `len` on, and a value that was opened and not closed.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.gaps.truncate(len);
        let end = self.end();
        self.data.truncate(end);
    }

    /// The value of row `row`, which is not left out.
    pub(crate) fn value(&self, row: usize) -> &[u8] {
        &self.data[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Hands out `rows` rows and starts anew, with room for as many.
    pub(crate) fn take(&mut self, rows: usize) -> (OffsetBuffer<i32>, Buffer, Option<NullBuffer>) {
        if self.len() != rows {
            self.align(rows);
        }
        let next = Vec::with_capacity(self.data.len());
        let data = std::mem::replace(&mut self.data, next);
        let mut next = Vec::with_capacity(rows + 1);
        next.push(0);
        let offsets = std::mem::replace(&mut self.offsets, next);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(data), self.gaps.take(rows))
    }
}
