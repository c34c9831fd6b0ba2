//! ARRAY[...], MAP[...], ROW(...).

use super::{as_list, build_lists, element_of, range};
use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns};
use arrow::array::{Array, ArrayRef, MapArray, StructArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{concat, interleave, take};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use freshet_types::{Error, Result, SqlField, SqlType};
use std::sync::Arc;

/// ARRAY, MAP, ROW, MAP_FROM_ARRAYS.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "array",
        Family::Collection,
        ("ARRAY[value, ...]", "An array of values of one type."),
        Arguments::with_rest(&[], Arg::Common),
        Returns::With(|arguments| {
            let element = arguments.first().map_or(SqlType::Null, |a| a.sql_type.clone());
            Ok(SqlType::Array(Box::new(SqlField::new("", element))))
        }),
        array,
    )
    .never_null(),
    Function::new(
        "map",
        Family::Collection,
        ("MAP[key, value, ...]", "A map; keys have one type, and so have values."),
        Arguments::with_rest(&[Arg::Any, Arg::Any], Arg::Any),
        Returns::With(|arguments| {
            if arguments.len() % 2 == 1 {
                return Err(Error::invalid("function.arguments", "a map needs a value for each key")
                    .hint("write MAP['key', value, ...]"));
            }
            let common = |start: usize| {
                let types: Vec<&SqlType> = arguments.iter().skip(start).step_by(2).map(|a| &a.sql_type).collect();
                crate::rewrite::types::common_of(types)
                    .ok_or_else(|| Error::invalid("function.arguments", "the parts of a map have no common type"))
            };
            Ok(SqlType::Map(Box::new(common(0)?), Box::new(SqlField::new("", common(1)?))))
        }),
        map,
    )
    .aliases(&["make_map"])
    .never_null(),
    Function::new(
        "row",
        Family::Collection,
        ("ROW(value, ...)", "A row of values of any types."),
        Arguments::with_rest(&[Arg::Any], Arg::Any),
        Returns::With(|arguments| {
            let fields = arguments.iter().enumerate().map(|(i, a)| SqlField {
                name: format!("EXPR${i}"),
                sql_type: a.sql_type.clone(),
                nullable: a.nullable,
            });
            Ok(SqlType::Row(fields.collect()))
        }),
        row,
    )
    .never_null(),
    Function::new(
        "map_from_arrays",
        Family::Collection,
        ("MAP_FROM_ARRAYS(keys, values)", "A map of the keys of one array and the values of another."),
        Arguments::exactly(&[Arg::Array, Arg::Array]),
        Returns::With(|arguments| {
            let [key, value] = [0, 1].map(|i| element_of(&arguments[i].sql_type));
            Ok(SqlType::Map(Box::new(key?.sql_type), Box::new(value?)))
        }),
        map_from_arrays,
    ),
];

fn array(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::List(item) = call.result.data_type() else { return Err(wrong(call)) };
    if call.count() == 0 {
        let none = arrow::array::new_empty_array(item.data_type());
        return build_lists(call.result.data_type(), &none, vec![], &vec![Some(0); call.rows]);
    }
    let arrays: Vec<&dyn Array> = call.arguments.iter().map(|c| c.array.as_ref()).collect();
    let places: Vec<(usize, usize)> =
        (0..call.rows).flat_map(|row| call.arguments.iter().enumerate().map(move |(i, c)| (i, c.at(row)))).collect();
    let values = if places.is_empty() { arrays[0].slice(0, 0) } else { interleave(&arrays, &places)? };
    let all = (0..values.len() as u32).map(Some).collect();
    build_lists(call.result.data_type(), &values, all, &vec![Some(call.count()); call.rows])
}

fn wrong(call: &Call<'_>) -> Error {
    Error::internal("function.result_type", format!("unexpected type {}", call.result.data_type()))
        .at("function", call.name)
}

/// A map array of keys and values laid end to end, `lengths` of them for each row. The last of equal keys stays.
pub(crate) fn build_maps(
    result: &DataType,
    keys: ArrayRef,
    values: ArrayRef,
    lengths: &[Option<usize>],
) -> Result<ArrayRef> {
    let DataType::Map(entries, sorted) = result else {
        return Err(Error::internal("function.result_type", format!("a map arrives as {result}")));
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(Error::internal("function.result_type", format!("a map arrives as {result}")));
    };
    if keys.null_count() > 0 {
        return Err(Error::data("function.value", "a key of a map is NULL").hint("leave NULL keys out"));
    }
    let mut lengths = lengths.to_vec();
    let kept = without_doubles(&keys, &mut lengths)?;
    let fit = |array: ArrayRef, to: &DataType| -> Result<ArrayRef> {
        let array = match &kept {
            Some(kept) => take(&array, kept, None)?,
            None => array,
        };
        if array.data_type() == to { Ok(array) } else { Ok(arrow::compute::cast(&array, to)?) }
    };
    let columns = vec![fit(keys, fields[0].data_type())?, fit(values, fields[1].data_type())?];
    let pairs = StructArray::try_new(fields.clone(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|l| l.unwrap_or(0)));
    let nulls = NullBuffer::from_iter(lengths.iter().map(Option::is_some));
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, Some(nulls), *sorted)?))
}

/// Which entries stay when only the last of equal keys does, and how many of each row; none when that is all of them.
fn without_doubles(keys: &ArrayRef, lengths: &mut [Option<usize>]) -> Result<Option<UInt32Array>> {
    if lengths.iter().all(|l| l.unwrap_or(0) < 2) {
        return Ok(None);
    }
    let keys = RowConverter::new(vec![SortField::new(keys.data_type().clone())])?
        .convert_columns(std::slice::from_ref(keys))?;
    let mut kept: Vec<u32> = Vec::with_capacity(keys.num_rows());
    let mut start = 0;
    for length in lengths.iter_mut().flatten() {
        let before = kept.len();
        for i in start..start + *length {
            match kept[before..].iter_mut().find(|k| keys.row(**k as usize) == keys.row(i)) {
                Some(earlier) => *earlier = i as u32,
                None => kept.push(i as u32),
            }
        }
        start += *length;
        *length = kept.len() - before;
    }
    Ok((kept.len() < keys.num_rows()).then(|| kept.into()))
}

fn map(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Map(entries, _) = call.result.data_type() else { return Err(wrong(call)) };
    let DataType::Struct(fields) = entries.data_type() else { return Err(wrong(call)) };
    let side = |start: usize| -> Result<ArrayRef> {
        let to = fields[start].data_type();
        let columns = call.arguments.iter().skip(start).step_by(2);
        let arrays = columns
            .clone()
            .map(|c| {
                Ok(if c.array.data_type() == to { Arc::clone(&c.array) } else { arrow::compute::cast(&c.array, to)? })
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        let places: Vec<(usize, usize)> =
            (0..call.rows).flat_map(|row| columns.clone().enumerate().map(move |(i, c)| (i, c.at(row)))).collect();
        if places.is_empty() {
            return Ok(arrow::array::new_empty_array(to));
        }
        Ok(interleave(&arrays, &places)?)
    };
    let lengths = vec![Some(call.count() / 2); call.rows];
    build_maps(call.result.data_type(), side(0)?, side(1)?, &lengths)
}

fn row(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = call.result.data_type() else { return Err(wrong(call)) };
    let columns = call.arguments.iter().map(|c| c.expand(call.rows)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))
}

fn map_from_arrays(call: &Call<'_>) -> Result<ArrayRef> {
    let (keys, values) = (call.arguments[0].expand(call.rows)?, call.arguments[1].expand(call.rows)?);
    let (keys, values) = (as_list(&keys)?, as_list(&values)?);
    let mut lengths = Vec::with_capacity(call.rows);
    let (mut key_parts, mut value_parts): (Vec<ArrayRef>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for row in 0..call.rows {
        if keys.is_null(row) || values.is_null(row) {
            lengths.push(None);
            continue;
        }
        let (k, v) = (range(keys, row), range(values, row));
        if k.len() != v.len() {
            return Err(call
                .error(format!("{} keys meet {} values", k.len(), v.len()))
                .hint("give as many values as keys"));
        }
        lengths.push(Some(k.len()));
        key_parts.push(keys.values().slice(k.start, k.len()));
        value_parts.push(values.values().slice(v.start, v.len()));
    }
    let join = |parts: &[ArrayRef], empty: &ArrayRef| -> Result<ArrayRef> {
        if parts.is_empty() {
            return Ok(empty.slice(0, 0));
        }
        Ok(concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
    };
    let (keys, values) = (join(&key_parts, keys.values())?, join(&value_parts, values.values())?);
    build_maps(call.result.data_type(), keys, values, &lengths)
}
