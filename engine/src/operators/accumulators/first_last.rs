//! First and last value by arrival, over append-only input; NULLs do not count, as in Flink.

use super::{Accumulator, each};
use crate::operators::key_table::{decode_rows, row_converter};
use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};
use arrow::row::RowConverter;
use freshet_types::Result;
use std::sync::Arc;

/// A value and the moment it came; none before the first.
type Cell = Option<(u64, Box<[u8]>)>;

/// One value per group, with the moment it came.
pub(super) struct FirstLast {
    cells: Vec<Cell>,
    last: bool,
    /// Counts rows, so that cells of different slices can be put in order.
    arrivals: u64,
    converter: RowConverter,
    /// Bytes of the values in `cells`.
    bytes: usize,
}

impl FirstLast {
    /// For LAST_VALUE when `last`, else FIRST_VALUE.
    pub(super) fn new(argument: &DataType, last: bool) -> Result<Self> {
        let converter = row_converter(std::slice::from_ref(argument))?;
        Ok(Self { cells: Vec::new(), last, arrivals: 0, converter, bytes: 0 })
    }
}

impl Accumulator for FirstLast {
    fn grow(&mut self, groups: usize) {
        self.cells.resize(groups.max(self.cells.len()), None);
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], _weights: Option<&[i64]>) -> Result<()> {
        let rows = self.converter.convert_columns(&arguments[..1])?;
        let Self { cells, last, arrivals, bytes, .. } = self;
        each(arguments[0].logical_nulls().as_ref(), groups, None, |g, i, _| {
            if *last || cells[g].is_none() {
                put(&mut cells[g], *arrivals + i as u64, rows.row(i).data(), bytes);
            }
        });
        *arrivals += groups.len() as u64;
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let rows = groups.iter().map(|g| self.cells[*g as usize].as_ref().map(|(_, row)| &row[..]));
        Ok(Arc::clone(&decode_rows(&self.converter, rows)?[0]))
    }

    fn is_empty(&self, group: u32) -> bool {
        self.cells[group as usize].is_none()
    }

    fn clear(&mut self, group: u32) {
        self.bytes -= self.cells[group as usize].take().map_or(0, |(_, old)| old.len());
    }

    fn state_width(&self) -> usize {
        2
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let arrivals: UInt64Array = groups.iter().map(|g| self.cells[*g as usize].as_ref().map(|c| c.0)).collect();
        Ok(vec![Arc::new(arrivals), self.values(groups)?])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let arrivals = state[0].as_primitive::<UInt64Type>();
        let rows = self.converter.convert_columns(&state[1..2])?;
        for (i, g) in groups.iter().enumerate() {
            if arrivals.is_null(i) {
                continue;
            }
            let (arrival, cell) = (arrivals.value(i), &mut self.cells[*g as usize]);
            let better = match cell {
                None => true,
                Some((kept, _)) if self.last => arrival > *kept,
                Some((kept, _)) => arrival < *kept,
            };
            if better {
                put(cell, arrival, rows.row(i).data(), &mut self.bytes);
            }
            self.arrivals = self.arrivals.max(arrival + 1);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.bytes + self.cells.capacity() * size_of::<Cell>()
    }
}

/// Puts a value into a cell, keeping count of the bytes that values take.
fn put(cell: &mut Cell, arrival: u64, value: &[u8], bytes: &mut usize) {
    *bytes += value.len();
    *bytes -= cell.replace((arrival, value.into())).map_or(0, |(_, old)| old.len());
}
