//! Values of each group with their weights, in order: smallest and largest value where rows may be taken back.
//!
//! A value is kept in arrow's row encoding, whose byte order is the order of values. Weights may be negative for a while,
//! when a row is taken back before it arrives; only values of positive weight count.

use super::{Accumulator, each};
use crate::operators::key_table::{decode_rows, row_converter};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::row::RowConverter;
use freshet_types::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One ordered multiset per group.
pub(super) struct OrderedMultiset {
    groups: Vec<BTreeMap<Box<[u8]>, i64>>,
    largest: bool,
    converter: RowConverter,
    bytes: usize,
}

const ENTRY_BYTES: usize = 48;

impl OrderedMultiset {
    /// For MAX when `largest`, else MIN.
    pub(super) fn new(argument: &DataType, largest: bool) -> Result<Self> {
        let converter = row_converter(std::slice::from_ref(argument))?;
        Ok(Self { groups: Vec::new(), largest, converter, bytes: 0 })
    }
}

impl Accumulator for OrderedMultiset {
    fn grow(&mut self, groups: usize) {
        self.groups.resize_with(groups.max(self.groups.len()), BTreeMap::new);
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
        let rows = self.converter.convert_columns(&arguments[..1])?;
        let (sets, bytes) = (&mut self.groups, &mut self.bytes);
        each(arguments[0].logical_nulls().as_ref(), groups, weights, |g, i, w| {
            let (set, row) = (&mut sets[g], rows.row(i));
            match set.get_mut(row.data()) {
                Some(weight) if *weight + w == 0 => {
                    set.remove(row.data());
                    *bytes -= row.data().len() + ENTRY_BYTES;
                }
                Some(weight) => *weight += w,
                None => {
                    set.insert(row.data().into(), w);
                    *bytes += row.data().len() + ENTRY_BYTES;
                }
            }
        });
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let rows = groups.iter().map(|g| {
            let mut present = self.groups[*g as usize].iter().filter(|(_, weight)| **weight > 0);
            let best = if self.largest { present.next_back() } else { present.next() };
            best.map(|(row, _)| &row[..])
        });
        Ok(Arc::clone(&decode_rows(&self.converter, rows)?[0]))
    }

    fn is_empty(&self, group: u32) -> bool {
        self.groups[group as usize].is_empty()
    }

    fn clear(&mut self, group: u32) {
        let set = std::mem::take(&mut self.groups[group as usize]);
        self.bytes -= set.keys().map(|row| row.len() + ENTRY_BYTES).sum::<usize>();
    }

    fn state_width(&self) -> usize {
        1
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let sets = || groups.iter().map(|g| &self.groups[*g as usize]);
        let columns = decode_rows(&self.converter, sets().flat_map(BTreeMap::keys).map(|row| Some(&row[..])))?;
        let weights = sets().flat_map(BTreeMap::values).copied().collect();
        Ok(vec![weighted_lists(columns, weights, sets().map(BTreeMap::len))?])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (columns, groups, weights) = from_weighted_lists(&state[0], groups);
        self.update(&columns, &groups, Some(&weights))
    }

    fn bytes(&self) -> usize {
        self.bytes + self.groups.capacity() * 24
    }
}

/// Lists of (columns, weight): what each group holds, for state.
pub(super) fn weighted_lists(
    mut columns: Vec<ArrayRef>,
    weights: Vec<i64>,
    lengths: impl Iterator<Item = usize>,
) -> Result<ArrayRef> {
    columns.push(Arc::new(Int64Array::from(weights)));
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
    let rows = StructArray::try_new(fields.into(), columns, None)?;
    let item = Arc::new(Field::new("item", rows.data_type().clone(), false));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), Arc::new(rows), None)?))
}

/// The opposite: columns, group of each row, weight of each row.
pub(super) fn from_weighted_lists(lists: &ArrayRef, groups: &[u32]) -> (Vec<ArrayRef>, Vec<u32>, Vec<i64>) {
    let lists = lists.as_list::<i32>();
    let offsets = lists.value_offsets();
    let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
    let rows = lists.values().slice(first, last - first);
    let rows = rows.as_struct();
    let owners =
        groups.iter().enumerate().flat_map(|(i, g)| std::iter::repeat_n(*g, (offsets[i + 1] - offsets[i]) as usize));
    let (weights, columns) = rows.columns().split_last().expect("a list of weighted rows has a weight column");
    (columns.to_vec(), owners.collect(), weights.as_primitive::<Int64Type>().values().to_vec())
}
