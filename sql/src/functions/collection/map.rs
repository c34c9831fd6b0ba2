//! Functions on maps.

use super::build::build_maps;
use crate::functions::call::Call;
use crate::functions::function::{Arg, Argument, Arguments, Family, Function, Returns};
use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray};
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use freshet_types::{Error, Result, SqlField, SqlType};
use std::sync::Arc;

const ONE: Arguments = Arguments::exactly(&[Arg::Map]);

/// MAP_KEYS, MAP_VALUES, MAP_ENTRIES, MAP_UNION.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "map_keys",
        Family::Collection,
        ("MAP_KEYS(map)", "The keys, as an array."),
        ONE,
        Returns::With(|arguments| {
            let (key, _) = parts(arguments)?;
            Ok(SqlType::Array(Box::new(SqlField::new("", key))))
        }),
        |call| list_of(call, |map| Arc::clone(map.keys())),
    ),
    Function::new(
        "map_values",
        Family::Collection,
        ("MAP_VALUES(map)", "The values, as an array."),
        ONE,
        Returns::With(|arguments| Ok(SqlType::Array(Box::new(parts(arguments)?.1)))),
        |call| list_of(call, |map| Arc::clone(map.values())),
    ),
    Function::new(
        "map_entries",
        Family::Collection,
        ("MAP_ENTRIES(map)", "The entries, as an array of rows of key and value."),
        ONE,
        Returns::With(|arguments| {
            let (key, value) = parts(arguments)?;
            let row = vec![SqlField::new("key", key), SqlField { name: "value".into(), ..value }];
            Ok(SqlType::Array(Box::new(SqlField::new("", SqlType::Row(row)))))
        }),
        map_entries,
    ),
    Function::new(
        "map_union",
        Family::Collection,
        ("MAP_UNION(map, ...)", "The entries of all maps; the last of equal keys stays."),
        Arguments::with_rest(&[Arg::Map], Arg::Map),
        Returns::Like(0),
        map_union,
    ),
];

fn parts(arguments: &[Argument<'_>]) -> Result<(SqlType, SqlField)> {
    match &arguments[0].sql_type {
        SqlType::Map(key, value) => Ok((key.as_ref().clone(), value.as_ref().clone())),
        other => Err(Error::invalid("function.arguments", format!("{other} is no map"))),
    }
}

fn as_map(array: &ArrayRef) -> Result<&MapArray> {
    array
        .as_map_opt()
        .ok_or_else(|| Error::internal("function.argument_type", format!("a map arrives as {}", array.data_type())))
}

fn list_of(call: &Call<'_>, values: impl Fn(&MapArray) -> ArrayRef) -> Result<ArrayRef> {
    let expanded = call.arguments[0].expand(call.rows)?;
    let map = as_map(&expanded)?;
    let DataType::List(item) = call.result.data_type() else {
        return Err(Error::internal("function.result_type", "an array was expected"));
    };
    let values = values(map);
    let values =
        if values.data_type() == item.data_type() { values } else { arrow::compute::cast(&values, item.data_type())? };
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), map.offsets().clone(), values, map.nulls().cloned())?))
}

fn map_entries(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::List(item) = call.result.data_type() else {
        return Err(Error::internal("function.result_type", "an array was expected"));
    };
    let DataType::Struct(fields) = item.data_type() else {
        return Err(Error::internal("function.result_type", "an array of rows was expected"));
    };
    let fields = fields.clone();
    list_of(call, move |map| {
        let columns = vec![Arc::clone(map.keys()), Arc::clone(map.values())];
        Arc::new(StructArray::new(fields.clone(), columns, None))
    })
}

fn map_union(call: &Call<'_>) -> Result<ArrayRef> {
    let maps = call.arguments.iter().map(|c| as_map(&c.array)).collect::<Result<Vec<_>>>()?;
    if maps.iter().any(|m| m.data_type() != maps[0].data_type()) {
        return Err(Error::invalid("function.arguments", "the maps of MAP_UNION have different types")
            .hint("cast them to one type"));
    }
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut lengths = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        if call.arguments.iter().any(|c| c.is_null(row)) {
            lengths.push(None);
            continue;
        }
        let start = places.len();
        for (m, map) in maps.iter().enumerate() {
            let at = call.arguments[m].at(row);
            let offsets = map.value_offsets();
            places.extend((offsets[at] as usize..offsets[at + 1] as usize).map(|i| (m, i)));
        }
        lengths.push(Some(places.len() - start));
    }
    let gather = |arrays: Vec<&dyn Array>| -> Result<ArrayRef> {
        if places.is_empty() {
            return Ok(arrays[0].slice(0, 0));
        }
        Ok(interleave(&arrays, &places)?)
    };
    let new_keys = gather(maps.iter().map(|m| m.keys().as_ref()).collect())?;
    let new_values = gather(maps.iter().map(|m| m.values().as_ref()).collect())?;
    build_maps(call.result.data_type(), new_keys, new_values, &lengths)
}
