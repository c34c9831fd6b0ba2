//! Smallest and largest value over append-only input: one value per group.
//!
//! Order is arrow's total order: NaN is the largest number, as in PostgreSQL and Java.

use super::{Accumulator, each};
use crate::operators::key_table::{decode_rows, row_converter};
use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray, downcast_primitive,
};
use arrow::datatypes::DataType;
use arrow::row::RowConverter;
use freshet_types::Result;
use std::sync::Arc;

/// The accumulator for MAX when `largest`, else MIN.
pub(super) fn create(argument: &DataType, largest: bool) -> Result<Box<dyn Accumulator>> {
    macro_rules! primitive {
        ($t:ty) => {
            Ok(Box::new(Primitive::<$t> { best: Vec::new(), seen: Vec::new(), largest, data_type: argument.clone() }))
        };
    }
    downcast_primitive! {
        argument => (primitive),
        _ => {
            let converter = row_converter(std::slice::from_ref(argument))?;
            Ok(Box::new(Encoded { best: Vec::new(), largest, converter, bytes: 0 }))
        }
    }
}

struct Primitive<T: ArrowPrimitiveType> {
    best: Vec<T::Native>,
    seen: Vec<bool>,
    largest: bool,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType> Accumulator for Primitive<T> {
    fn grow(&mut self, groups: usize) {
        self.best.resize(groups.max(self.best.len()), T::Native::default());
        self.seen.resize(self.best.len(), false);
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], _weights: Option<&[i64]>) -> Result<()> {
        let array = arguments[0].as_primitive::<T>();
        let values = array.values();
        let Self { best, seen, largest, .. } = self;
        each(array.nulls(), groups, None, |g, i, _| {
            let value = values[i];
            if !seen[g] || if *largest { value.is_gt(best[g]) } else { value.is_lt(best[g]) } {
                best[g] = value;
                seen[g] = true;
            }
        });
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let values = groups.iter().map(|g| self.seen[*g as usize].then(|| self.best[*g as usize]));
        Ok(Arc::new(PrimitiveArray::<T>::from_iter(values).with_data_type(self.data_type.clone())))
    }

    fn is_empty(&self, group: u32) -> bool {
        !self.seen[group as usize]
    }

    fn clear(&mut self, group: u32) {
        self.seen[group as usize] = false;
    }

    fn state_width(&self) -> usize {
        1
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values(groups)?])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.update(state, groups, None)
    }

    fn bytes(&self) -> usize {
        self.best.capacity() * (size_of::<T::Native>() + 1)
    }
}

struct Encoded {
    best: Vec<Option<Box<[u8]>>>,
    largest: bool,
    converter: RowConverter,
    /// Bytes of the values in `best`.
    bytes: usize,
}

impl Accumulator for Encoded {
    fn grow(&mut self, groups: usize) {
        self.best.resize(groups.max(self.best.len()), None);
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], _weights: Option<&[i64]>) -> Result<()> {
        let rows = self.converter.convert_columns(&arguments[..1])?;
        let Self { best, largest, bytes, .. } = self;
        each(arguments[0].logical_nulls().as_ref(), groups, None, |g, i, _| {
            let row = rows.row(i);
            let better = match &best[g] {
                None => true,
                Some(kept) if *largest => row.data() > &kept[..],
                Some(kept) => row.data() < &kept[..],
            };
            if better {
                *bytes += row.data().len();
                *bytes -= best[g].replace(row.data().into()).map_or(0, |old| old.len());
            }
        });
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let rows = groups.iter().map(|g| self.best[*g as usize].as_deref());
        Ok(Arc::clone(&decode_rows(&self.converter, rows)?[0]))
    }

    fn is_empty(&self, group: u32) -> bool {
        self.best[group as usize].is_none()
    }

    fn clear(&mut self, group: u32) {
        self.bytes -= self.best[group as usize].take().map_or(0, |old| old.len());
    }

    fn state_width(&self) -> usize {
        1
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.values(groups)?])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        self.update(state, groups, None)
    }

    fn bytes(&self) -> usize {
        self.bytes + self.best.capacity() * 16
    }
}
