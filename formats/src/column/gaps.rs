//! Remembers which rows of a column are NULL as ranges, so that a value costs nothing and a run of NULLs one entry.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::NullBuffer;
use std::ops::Range;

/// Rows without a value, as ascending ranges that do not touch.
#[derive(Debug, Default)]
pub(crate) struct Gaps(Vec<Range<usize>>);

impl Gaps {
    /// Adds rows `from .. to`, which lie behind all rows so far.
    #[cold]
    pub(crate) fn add(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.end == from => last.end = to,
            _ => self.0.push(from..to),
        }
    }

    /// Forgets rows from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        while let Some(last) = self.0.last_mut() {
            if last.end <= len {
                break;
            }
            if last.start < len {
                last.end = len;
                break;
            }
            self.0.pop();
        }
    }

    /// The bitmap of `len` rows, none when each has a value; starts anew.
    pub(crate) fn take(&mut self, len: usize) -> Option<NullBuffer> {
        if self.0.is_empty() {
            return None;
        }
        let mut bits = BooleanBufferBuilder::new(len);
        for gap in self.0.drain(..) {
            bits.append_n(gap.start - bits.len(), true);
            bits.append_n(gap.len(), false);
        }
        bits.append_n(len - bits.len(), true);
        Some(NullBuffer::new(bits.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_grow_shrink_and_become_bits() {
        let mut gaps = Gaps::default();
        gaps.add(1, 2);
        gaps.add(2, 4);
        gaps.add(6, 9);
        gaps.truncate(7);
        let nulls = gaps.take(8).unwrap();
        let null_rows: Vec<usize> = (0..8).filter(|i| nulls.is_null(*i)).collect();
        assert_eq!(null_rows, [1, 2, 3, 6]);
        gaps.add(1, 2);
        gaps.truncate(1);
        assert!(gaps.take(3).is_none());
    }
}
