//! One element of a collection, and how many there are.

use super::{as_list, element_of, range};
use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::row::{RowConverter, SortField};
use freshet_types::{Error, Result, SqlType};

/// `a[i]`, `m[k]`, CARDINALITY, ELEMENT.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "item",
        Family::Collection,
        (
            "array[index] or map[key]",
            "The element at an index, counted from 1, or the value of a key; NULL when there is none.",
        ),
        Arguments::exactly(&[Arg::Collection, Arg::Any]),
        Returns::With(|arguments| match &arguments[0].sql_type {
            SqlType::Map(_, value) => Ok(value.sql_type.clone()),
            other => Ok(element_of(other)?.sql_type),
        }),
        item,
    ),
    Function::new(
        "cardinality",
        Family::Collection,
        ("CARDINALITY(collection)", "Number of elements of an array, or of entries of a map."),
        Arguments::exactly(&[Arg::Collection]),
        Returns::Is(SqlType0::Int),
        |call| {
            let column = &call.arguments[0];
            let offsets = offsets_of(&column.array)?;
            call.ints(|row| {
                let at = column.at(row);
                (!column.is_null(row)).then(|| offsets[at + 1] - offsets[at])
            })
        },
    ),
    Function::new(
        "element",
        Family::Collection,
        ("ELEMENT(array)", "The only element of an array; NULL when it is empty."),
        Arguments::exactly(&[Arg::Array]),
        Returns::With(|arguments| Ok(element_of(&arguments[0].sql_type)?.sql_type)),
        element,
    ),
];

fn offsets_of(array: &ArrayRef) -> Result<&[i32]> {
    match array.as_map_opt() {
        Some(map) => Ok(map.value_offsets()),
        None => Ok(as_list(array)?.value_offsets()),
    }
}

fn item(call: &Call<'_>) -> Result<ArrayRef> {
    let (column, key) = (&call.arguments[0], &call.arguments[1]);
    if let Some(map) = column.array.as_map_opt() {
        let wanted = if key.array.data_type() == map.keys().data_type() {
            std::sync::Arc::clone(&key.array)
        } else {
            arrow::compute::cast(&key.array, map.keys().data_type())?
        };
        let converter = RowConverter::new(vec![SortField::new(map.keys().data_type().clone())])?;
        let keys = converter.convert_columns(std::slice::from_ref(map.keys()))?;
        let wanted_rows = converter.convert_columns(std::slice::from_ref(&wanted))?;
        let offsets = map.value_offsets();
        return call.take(map.values(), |row| {
            let at = column.at(row);
            if column.is_null(row) || wanted.is_null(key.at(row)) {
                return None;
            }
            let wanted = wanted_rows.row(key.at(row));
            (offsets[at] as usize..offsets[at + 1] as usize).find(|i| keys.row(*i) == wanted).map(|i| i as u32)
        });
    }
    let list = as_list(&column.array)?;
    if !key.array.data_type().is_integer() && key.array.data_type() != &DataType::Null {
        return Err(Error::invalid(
            "function.arguments",
            format!("an array is asked by position, not by {}", key.array.data_type()),
        )
        .hint("count positions from 1, as in a[1]"));
    }
    let index = arrow::compute::cast(&key.array, &DataType::Int64)?;
    let index = index.as_primitive::<Int64Type>();
    call.take(list.values(), |row| {
        if column.is_null(row) || index.is_null(key.at(row)) {
            return None;
        }
        let place = usize::try_from(index.value(key.at(row))).ok()?.checked_sub(1)?;
        let range = range(list, column.at(row));
        (place < range.len()).then(|| (range.start + place) as u32)
    })
}

fn element(call: &Call<'_>) -> Result<ArrayRef> {
    let column = &call.arguments[0];
    let list = as_list(&column.array)?;
    for row in 0..call.rows {
        if !column.is_null(row) && range(list, column.at(row)).len() > 1 {
            return Err(call.error("the array has more than one element").hint("ask for one by position, as in a[1]"));
        }
    }
    call.take(list.values(), |row| {
        let range = range(list, column.at(row));
        (!column.is_null(row) && !range.is_empty()).then_some(range.start as u32)
    })
}
