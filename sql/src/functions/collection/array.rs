//! Functions on whole arrays. Elements are compared as in GROUP BY: NULL equals NULL.

use super::{as_list, build_lists, element_of, range};
use crate::functions::call::Call;
use crate::functions::function::{Arg, Argument, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use arrow::row::{Row, RowConverter, Rows, SortField};
use freshet_types::{Error, Result, SqlType};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

const ONE: Arguments = Arguments::exactly(&[Arg::Array]);
const TWO: Arguments = Arguments::exactly(&[Arg::ArrayOf, Arg::ArrayOf]);
const WITH_ELEMENT: Arguments = Arguments::exactly(&[Arg::ArrayOf, Arg::Element]);

const fn array_function(
    name: &'static str,
    text: (&'static str, &'static str),
    arguments: Arguments,
    returns: Returns,
    evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
) -> Function {
    Function::new(name, Family::Collection, text, arguments, returns, evaluate)
}

fn element_type(arguments: &[Argument<'_>]) -> Result<SqlType> {
    Ok(element_of(&arguments[0].sql_type)?.sql_type)
}

/// As the first argument, with elements that may be NULL.
fn nullable_array(arguments: &[Argument<'_>]) -> Result<SqlType> {
    Ok(SqlType::Array(Box::new(element_of(&arguments[0].sql_type)?)))
}

const SAME: Returns = Returns::With(nullable_array);

/// ARRAY_CONTAINS and its kin.
pub static FUNCTIONS: &[Function] = &[
    array_function(
        "array_contains",
        ("ARRAY_CONTAINS(array, element)", "Whether an array has an element."),
        WITH_ELEMENT,
        Returns::Is(SqlType0::Boolean),
        |call| {
            let all = Elements::new(call)?;
            call.booleans(|row| all.list(0, row).map(|mut list| list.any(|e| all.row(e) == all.needle(row))))
        },
    ),
    array_function(
        "array_position",
        ("ARRAY_POSITION(array, element)", "Where an element first stands, counted from 1; 0 when it does not."),
        WITH_ELEMENT,
        Returns::Is(SqlType0::Int),
        |call| {
            let all = Elements::new(call)?;
            call.ints(|row| {
                if call.arguments[1].is_null(row) {
                    return None;
                }
                let found = all.list(0, row)?.position(|e| all.row(e) == all.needle(row));
                Some(found.map_or(0, |place| place as i32 + 1))
            })
        },
    ),
    array_function(
        "array_append",
        ("ARRAY_APPEND(array, element)", "The array with an element behind it."),
        WITH_ELEMENT,
        SAME,
        |call| build(call, |all, row| Some(all.list(0, row)?.chain([all.needle_at(row)]).collect())),
    ),
    array_function(
        "array_prepend",
        ("ARRAY_PREPEND(array, element)", "The array with an element before it."),
        WITH_ELEMENT,
        SAME,
        |call| build(call, |all, row| Some(std::iter::once(all.needle_at(row)).chain(all.list(0, row)?).collect())),
    ),
    array_function(
        "array_remove",
        ("ARRAY_REMOVE(array, element)", "The array without an element, wherever it stands."),
        WITH_ELEMENT,
        SAME,
        |call| build(call, |all, row| Some(all.list(0, row)?.filter(|e| all.row(*e) != all.needle(row)).collect())),
    ),
    array_function(
        "array_concat",
        ("ARRAY_CONCAT(array, ...)", "The elements of all arrays; NULL when one is NULL."),
        Arguments::with_rest(&[Arg::ArrayOf], Arg::ArrayOf),
        SAME,
        |call| {
            build(call, |all, row| {
                let mut places = Vec::new();
                for i in 0..all.lists.len() {
                    places.extend(all.list(i, row)?);
                }
                Some(places)
            })
        },
    ),
    array_function(
        "array_distinct",
        ("ARRAY_DISTINCT(array)", "The array without repetitions; the first of equal elements stays."),
        ONE,
        SAME,
        |call| build(call, |all, row| Some(all.distinct(all.list(0, row)?))),
    ),
    array_function(
        "array_union",
        ("ARRAY_UNION(array, array)", "The elements of both arrays, without repetitions."),
        TWO,
        SAME,
        |call| build(call, |all, row| Some(all.distinct(all.list(0, row)?.chain(all.list(1, row)?)))),
    ),
    array_function(
        "array_intersect",
        ("ARRAY_INTERSECT(array, array)", "The elements that are in both arrays, without repetitions."),
        TWO,
        SAME,
        |call| {
            build(call, |all, row| {
                let other: HashSet<Row<'_>> = all.list(1, row)?.map(|e| all.row(e)).collect();
                Some(all.distinct(all.list(0, row)?.filter(|e| other.contains(&all.row(*e)))))
            })
        },
    ),
    array_function(
        "array_except",
        (
            "ARRAY_EXCEPT(array, array)",
            "The elements of the first array that are not in the second, without repetitions.",
        ),
        TWO,
        SAME,
        |call| {
            build(call, |all, row| {
                let other: HashSet<Row<'_>> =
                    all.list(1, row).map(|list| list.map(|e| all.row(e)).collect()).unwrap_or_default();
                Some(all.distinct(all.list(0, row)?.filter(|e| !other.contains(&all.row(*e)))))
            })
        },
    ),
    array_function(
        "array_reverse",
        ("ARRAY_REVERSE(array)", "The array from its end to its start."),
        ONE,
        SAME,
        |call| build(call, |all, row| Some(all.list(0, row)?.rev().collect())),
    ),
    array_function(
        "array_slice",
        (
            "ARRAY_SLICE(array, start[, end])",
            "The elements from a position to another, counted from 1, or from the end when negative.",
        ),
        Arguments::with_optional(&[Arg::Array, Arg::Long], &[Arg::Long]),
        SAME,
        array_slice,
    ),
    array_function(
        "array_sort",
        (
            "ARRAY_SORT(array[, ascending[, nulls_first]])",
            "The array in order; NULLs come first when ascending, else last, unless told otherwise.",
        ),
        Arguments::with_optional(&[Arg::Array], &[Arg::Boolean, Arg::Boolean]),
        SAME,
        array_sort,
    ),
    array_function(
        "array_max",
        ("ARRAY_MAX(array)", "The greatest element; NULLs do not count."),
        ONE,
        Returns::With(element_type),
        |call| extreme(call, Ordering::Greater),
    ),
    array_function(
        "array_min",
        ("ARRAY_MIN(array)", "The least element; NULLs do not count."),
        ONE,
        Returns::With(element_type),
        |call| extreme(call, Ordering::Less),
    ),
    array_function(
        "array_join",
        (
            "ARRAY_JOIN(array, separator[, null])",
            "The elements as one text; NULLs are left out unless a text stands for them.",
        ),
        Arguments::with_optional(&[Arg::Array, Arg::Text], &[Arg::Text]),
        Returns::Is(SqlType0::String),
        array_join,
    ),
];

/// The elements of all arrays of a call, and single elements, laid end to end and comparable.
struct Elements {
    values: ArrayRef,
    rows: Rows,
    lists: Vec<(ListArray, bool, usize)>,
    needle: Option<(bool, usize)>,
}

impl Elements {
    fn new(call: &Call<'_>) -> Result<Self> {
        let mut parts: Vec<ArrayRef> = Vec::new();
        let mut total = 0;
        let mut lists = Vec::new();
        let mut needle = None;
        // The first argument is an array; another of its type is one too, anything else is an element.
        let array_type = call.arguments[0].array.data_type().clone();
        for column in &call.arguments {
            match column.array.as_list_opt::<i32>() {
                Some(list) if *list.data_type() == array_type => {
                    lists.push((list.clone(), column.constant, total));
                    total += list.values().len();
                    parts.push(Arc::clone(list.values()));
                }
                _ => {
                    needle = Some((column.constant, total));
                    total += column.array.len();
                    parts.push(Arc::clone(&column.array));
                }
            }
        }
        let values = concat(&parts.iter().map(AsRef::as_ref).collect::<Vec<_>>())?;
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
        let rows = converter.convert_columns(std::slice::from_ref(&values))?;
        Ok(Self { values, rows, lists, needle })
    }

    /// Places of the elements of list `i` in a row; none when it is NULL.
    fn list(&self, i: usize, row: usize) -> Option<std::ops::Range<usize>> {
        let (list, constant, start) = &self.lists[i];
        let row = if *constant { 0 } else { row };
        if list.is_null(row) {
            return None;
        }
        let range = range(list, row);
        Some(start + range.start..start + range.end)
    }

    fn row(&self, place: usize) -> Row<'_> {
        self.rows.row(place)
    }

    fn needle_at(&self, row: usize) -> usize {
        let (constant, start) = self.needle.unwrap_or((true, 0));
        if constant { start } else { start + row }
    }

    fn needle(&self, row: usize) -> Row<'_> {
        self.row(self.needle_at(row))
    }

    fn distinct(&self, places: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut seen = HashSet::new();
        places.filter(|place| seen.insert(self.row(*place))).collect()
    }
}

/// A list of the places that `f` names in each row.
fn build(call: &Call<'_>, f: impl Fn(&Elements, usize) -> Option<Vec<usize>>) -> Result<ArrayRef> {
    let all = Elements::new(call)?;
    let mut places = Vec::new();
    let mut lengths = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let list = f(&all, row);
        lengths.push(list.as_ref().map(Vec::len));
        places.extend(list.into_iter().flatten().map(|place| Some(place as u32)));
    }
    build_lists(call.result.data_type(), &all.values, places, &lengths)
}

/// The same for the first argument alone.
fn build_from_first(
    call: &Call<'_>,
    f: impl Fn(std::ops::Range<usize>, usize) -> Option<Vec<usize>>,
) -> Result<ArrayRef> {
    let column = &call.arguments[0];
    let list = as_list(&column.array)?;
    let mut places = Vec::new();
    let mut lengths = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let chosen = if column.is_null(row) { None } else { f(range(list, column.at(row)), row) };
        lengths.push(chosen.as_ref().map(Vec::len));
        places.extend(chosen.into_iter().flatten().map(|place| Some(place as u32)));
    }
    build_lists(call.result.data_type(), list.values(), places, &lengths)
}

fn array_slice(call: &Call<'_>) -> Result<ArrayRef> {
    let (start, end) = (call.long(1)?, call.long_opt(2)?);
    build_from_first(call, |list, row| {
        let count = list.len() as i64;
        let place = |position: i64| match position {
            0 => 1,
            p if p < 0 => count + p + 1,
            p => p,
        };
        let first = place(start.get(row)?).max(1);
        let last = match &end {
            Some(end) => place(end.get(row)?).min(count),
            None => count,
        };
        let chosen = if first <= last { first - 1..last } else { 0..0 };
        Some(chosen.map(|i| list.start + i as usize).collect())
    })
}

fn comparable(values: &ArrayRef) -> Result<Rows> {
    let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
    Ok(converter.convert_columns(std::slice::from_ref(values))?)
}

fn array_sort(call: &Call<'_>) -> Result<ArrayRef> {
    let values = Arc::clone(as_list(&call.arguments[0].array)?.values());
    let rows = comparable(&values)?;
    let flag = |i: usize| if i < call.count() { call.boolean(i).map(Some) } else { Ok(None) };
    let (ascending, nulls_first) = (flag(1)?, flag(2)?);
    build_from_first(call, |list, row| {
        let ascending = ascending.as_ref().map_or(Some(true), |a| a.get(row))?;
        let nulls_first = nulls_first.as_ref().map_or(Some(ascending), |n| n.get(row))?;
        let mut places: Vec<usize> = list.collect();
        places.sort_by(|a, b| match (values.is_null(*a), values.is_null(*b)) {
            (true, true) => Ordering::Equal,
            (true, false) => {
                if nulls_first {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
            (false, true) => {
                if nulls_first {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            _ if ascending => rows.row(*a).cmp(&rows.row(*b)),
            _ => rows.row(*b).cmp(&rows.row(*a)),
        });
        Some(places)
    })
}

fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let column = &call.arguments[0];
    let list = as_list(&column.array)?;
    let values = list.values();
    let rows = comparable(values)?;
    call.take(values, |row| {
        if column.is_null(row) {
            return None;
        }
        let live = range(list, column.at(row)).filter(|i| !values.is_null(*i));
        live.reduce(|best, next| if rows.row(next).cmp(&rows.row(best)) == wanted { next } else { best })
            .map(|i| i as u32)
    })
}

fn array_join(call: &Call<'_>) -> Result<ArrayRef> {
    let column = &call.arguments[0];
    let list = as_list(&column.array)?;
    let values = match list.values().data_type() {
        DataType::Utf8 => Arc::clone(list.values()),
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => {
            arrow::compute::cast(list.values(), &DataType::Utf8)?
        }
        other => {
            return Err(Error::invalid(
                "function.arguments",
                format!("function \"ARRAY_JOIN\" does not take arrays of {other}"),
            )
            .hint("cast the elements to STRING"));
        }
    };
    let texts = values.as_string::<i32>();
    let (separator, null) = (call.text(1)?, call.text_opt(2)?);
    call.build_text(|row, out| {
        if column.is_null(row) {
            return None;
        }
        let separator = separator.get(row)?;
        let null = match &null {
            Some(null) => Some(null.get(row)?),
            None => None,
        };
        let mut first = true;
        for i in range(list, column.at(row)) {
            let Some(text) = (if texts.is_null(i) { null } else { Some(texts.value(i)) }) else { continue };
            if !first {
                out.push_str(separator);
            }
            first = false;
            out.push_str(text);
        }
        Some(())
    })
}
