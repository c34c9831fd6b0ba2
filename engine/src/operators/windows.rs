//! Which windows an instant belongs to: tumbling, hopping and cumulating windows on one grid of slices.
//!
//! ```text
//! hop, size 4, slide 2:   slices  |0 2|2 4|4 6|6 8|
//!                         windows |--0--4-|   |
//!                                     |--2--6-|        a window is the sum of its slices
//! ```
//! Source: Flink documentation, "Windowing table-valued functions".

use arrow::array::{Array, ArrayRef, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, TimeUnit, TimestampMillisecondType};
use arrow::{array::AsArray, compute::cast};
use freshet_types::{Error, Result, SqlField, SqlType, Watermark};

/// Windows of event time, in milliseconds, aligned to 1970-01-01 00:00 plus the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSpec {
    /// One after the other.
    Tumble {
        /// Length.
        size_ms: i64,
        /// Shift of the grid; may be negative.
        offset_ms: i64,
    },
    /// Overlapping ones.
    Hop {
        /// Length.
        size_ms: i64,
        /// From one start to the next.
        slide_ms: i64,
        /// Shift of the grid; may be negative.
        offset_ms: i64,
    },
    /// Growing by `step_ms` up to `size_ms`, then starting again.
    Cumulate {
        /// Longest length.
        size_ms: i64,
        /// From one end to the next.
        step_ms: i64,
        /// Shift of the grid; may be negative.
        offset_ms: i64,
    },
}

/// Names of the columns that a window adds.
pub const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

impl WindowSpec {
    /// Checks lengths.
    ///
    /// # Errors
    /// `window.size` when a length is not positive, or a cumulating window's size is no multiple of its step.
    pub fn check(&self) -> Result<()> {
        let (size, step) = (self.size(), self.stride());
        if size <= 0 || step <= 0 {
            return Err(Error::invalid("window.size", "the length of a window is not positive")
                .hint("give a positive interval"));
        }
        if matches!(self, WindowSpec::Cumulate { .. }) && size % step != 0 {
            return Err(Error::invalid("window.size", "the size of a cumulating window is no multiple of its step")
                .hint("make the size a multiple of the step"));
        }
        Ok(())
    }

    fn size(&self) -> i64 {
        match *self {
            Self::Tumble { size_ms, .. } | Self::Hop { size_ms, .. } | Self::Cumulate { size_ms, .. } => size_ms,
        }
    }

    /// From one window end to the next.
    fn stride(&self) -> i64 {
        match *self {
            Self::Tumble { size_ms, .. } => size_ms,
            Self::Hop { slide_ms, .. } => slide_ms,
            Self::Cumulate { step_ms, .. } => step_ms,
        }
    }

    fn offset(&self) -> i64 {
        match *self {
            Self::Tumble { offset_ms, .. } | Self::Hop { offset_ms, .. } | Self::Cumulate { offset_ms, .. } => {
                offset_ms
            }
        }
    }

    /// Length of the slices that all windows are made of.
    pub(crate) fn slice(&self) -> i64 {
        match *self {
            Self::Hop { size_ms, slide_ms, .. } => gcd(size_ms, slide_ms),
            _ => self.stride(),
        }
    }

    /// Start of the slice that `time` is in.
    #[inline]
    pub(crate) fn slice_start(&self, time: i64) -> i64 {
        time - (time - self.offset()).rem_euclid(self.slice())
    }

    /// End of the last window that holds the slice or instant at `start`; none when a gap between windows holds it.
    pub(crate) fn last_end(&self, start: i64) -> Option<i64> {
        let offset = self.offset();
        let end = match *self {
            Self::Hop { size_ms, slide_ms, .. } => start - (start - offset).rem_euclid(slide_ms) + size_ms,
            _ => start - (start - offset).rem_euclid(self.size()) + self.size(),
        };
        (end > start).then_some(end)
    }

    /// The first window end after `bound`.
    pub(crate) fn next_end(&self, bound: i64) -> i64 {
        let phase = match *self {
            Self::Hop { size_ms, offset_ms, .. } => offset_ms.wrapping_add(size_ms),
            _ => self.offset(),
        };
        bound + self.stride() - (bound - phase).rem_euclid(self.stride())
    }

    /// Start of the window that ends at `end`.
    pub(crate) fn start_of(&self, end: i64) -> i64 {
        match *self {
            Self::Tumble { size_ms, .. } | Self::Hop { size_ms, .. } => end - size_ms,
            Self::Cumulate { size_ms, offset_ms, .. } => end - 1 - (end - 1 - offset_ms).rem_euclid(size_ms),
        }
    }

    /// Calls `f(start, end)` for each window that holds `time`, in order of their ends.
    pub(crate) fn windows_of(&self, time: i64, mut f: impl FnMut(i64, i64)) {
        let Some(last) = self.last_end(time) else { return };
        let mut end = self.next_end(time);
        while end <= last {
            f(self.start_of(end), end);
            end += self.stride();
        }
    }

    /// The first end after `bound` that `before` has not closed.
    pub(crate) fn next_open_end(&self, bound: i64, before: Watermark) -> i64 {
        self.next_end(bound.max(before.0.saturating_add(1)))
    }
}

impl std::fmt::Display for WindowSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Tumble { size_ms, .. } => write!(f, "tumble {size_ms} ms")?,
            Self::Hop { size_ms, slide_ms, .. } => write!(f, "hop {size_ms} ms every {slide_ms} ms")?,
            Self::Cumulate { size_ms, step_ms, .. } => write!(f, "cumulate {step_ms} ms up to {size_ms} ms")?,
        }
        if self.offset() != 0 {
            write!(f, " offset {} ms", self.offset())?;
        }
        Ok(())
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Instants of a time column in milliseconds.
///
/// # Errors
/// `time.null` when a row has none, as in Flink.
pub(crate) fn times_ms(column: &ArrayRef, name: &str) -> Result<TimestampMillisecondArray> {
    if column.null_count() > 0 {
        return Err(Error::data("time.null", "the event time of a row is NULL")
            .at("column", name)
            .hint("filter such rows out before the window, or give them a time"));
    }
    if let DataType::Timestamp(TimeUnit::Millisecond, _) = column.data_type() {
        return Ok(column.as_primitive::<TimestampMillisecondType>().clone());
    }
    Ok(cast(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?
        .as_primitive::<TimestampMillisecondType>()
        .clone())
}

/// Checks that a column can be a time column.
pub(crate) fn check_time_column(field: &Field) -> Result<()> {
    if matches!(field.data_type(), DataType::Timestamp(..)) {
        return Ok(());
    }
    Err(Error::invalid("window.time", format!("column \"{}\" is no timestamp", field.name()))
        .hint("use a TIMESTAMP or TIMESTAMP_LTZ column"))
}

/// The columns `window_start`, `window_end` and `window_time`, of the kind of the time column.
pub(crate) fn window_fields(time: &Field) -> [Field; 3] {
    let sql_type = match time.data_type() {
        DataType::Timestamp(_, Some(_)) => SqlType::TimestampLtz(3),
        _ => SqlType::Timestamp(3),
    };
    WINDOW_COLUMNS.map(|name| SqlField::new(name, sql_type.clone()).not_null().to_arrow())
}

/// An array of instants of `data_type`.
pub(crate) fn timestamps(values: Vec<i64>, data_type: &DataType) -> ArrayRef {
    let zone = match data_type {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    std::sync::Arc::new(TimestampMillisecondArray::from(values).with_timezone_opt(zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_an_instant() {
        let hop = |size_ms, slide_ms, offset_ms| WindowSpec::Hop { size_ms, slide_ms, offset_ms };
        let cases = [
            (WindowSpec::Tumble { size_ms: 10, offset_ms: 0 }, -1, vec![(-10, 0)]),
            (WindowSpec::Tumble { size_ms: 10, offset_ms: 3 }, 12, vec![(3, 13)]),
            (WindowSpec::Tumble { size_ms: 10, offset_ms: -3 }, 7, vec![(7, 17)]),
            (hop(10, 5, 0), 10, vec![(5, 15), (10, 20)]),
            (hop(10, 4, 1), 10, vec![(1, 11), (5, 15), (9, 19)]),
            (hop(2, 5, 0), 1, vec![(0, 2)]),
            (hop(2, 5, 0), 3, Vec::new()),
            (WindowSpec::Cumulate { size_ms: 6, step_ms: 2, offset_ms: 0 }, 3, vec![(0, 4), (0, 6)]),
            (WindowSpec::Cumulate { size_ms: 6, step_ms: 2, offset_ms: 1 }, 7, vec![(7, 9), (7, 11), (7, 13)]),
        ];
        for (spec, time, expected) in cases {
            spec.check().unwrap();
            let mut windows = Vec::new();
            spec.windows_of(time, |s, e| windows.push((s, e)));
            assert_eq!(windows, expected, "{spec} at {time}");
            let start = spec.slice_start(time);
            assert!(start <= time && time < start + spec.slice());
            assert_eq!(spec.last_end(start), expected.last().map(|w| w.1), "{spec} slice of {time}");
        }
    }
}
