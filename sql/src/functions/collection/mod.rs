//! Functions on arrays, maps and rows.

pub mod array;
pub mod build;
pub mod element;
pub mod map;

use super::Function;
use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;
use freshet_types::{Error, Result, SqlField, SqlType};
use std::sync::Arc;

/// The functions of this family, file by file.
pub static FUNCTIONS: &[&[Function]] = &[build::FUNCTIONS, element::FUNCTIONS, array::FUNCTIONS, map::FUNCTIONS];

/// A list of the values at `places`, cut at `lengths`; a list without a length is NULL.
pub(crate) fn build_lists(
    result: &DataType,
    values: &ArrayRef,
    places: Vec<Option<u32>>,
    lengths: &[Option<usize>],
) -> Result<ArrayRef> {
    let DataType::List(item) = result else {
        return Err(Error::internal("function.result_type", format!("a list arrives as {result}")));
    };
    let taken = arrow::compute::take(values, &arrow::array::UInt32Array::from(places), None)?;
    let taken =
        if taken.data_type() == item.data_type() { taken } else { arrow::compute::cast(&taken, item.data_type())? };
    let nulls = NullBuffer::from_iter(lengths.iter().map(Option::is_some));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|l| l.unwrap_or(0)));
    let item = if item.is_nullable() || taken.null_count() == 0 {
        Arc::clone(item)
    } else {
        Arc::new(item.as_ref().clone().with_nullable(true))
    };
    Ok(Arc::new(ListArray::try_new(item, offsets, taken, Some(nulls))?))
}

/// The list array of an argument.
pub(crate) fn as_list(array: &ArrayRef) -> Result<&ListArray> {
    array
        .as_list_opt::<i32>()
        .ok_or_else(|| Error::internal("function.argument_type", format!("an array arrives as {}", array.data_type())))
}

/// Type of the elements of an array.
pub(crate) fn element_of(sql_type: &SqlType) -> Result<SqlField> {
    match sql_type {
        SqlType::Array(element) => Ok(SqlField { nullable: true, ..element.as_ref().clone() }),
        other => Err(Error::invalid("function.arguments", format!("{other} is no array"))),
    }
}

/// Start and end of the list of a row.
pub(crate) fn range(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}
