//! GREATEST, LEAST: NULL when one value is NULL.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns};
use arrow::array::{Array, ArrayRef};
use arrow::compute::{concat, interleave};
use arrow::row::{RowConverter, SortField};
use freshet_types::Result;

/// GREATEST, LEAST.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "greatest",
        Family::Conditional,
        ("GREATEST(value, ...)", "The greatest value; NULL when one is NULL."),
        Arguments::with_rest(&[Arg::Common], Arg::Common),
        Returns::Like(0),
        |call| extreme(call, true),
    ),
    Function::new(
        "least",
        Family::Conditional,
        ("LEAST(value, ...)", "The least value; NULL when one is NULL."),
        Arguments::with_rest(&[Arg::Common], Arg::Common),
        Returns::Like(0),
        |call| extreme(call, false),
    ),
];

fn extreme(call: &Call<'_>, greatest: bool) -> Result<ArrayRef> {
    let converter = RowConverter::new(vec![SortField::new(call.result.data_type().clone())])?;
    // One converter for all, so that their rows compare.
    let rows = call
        .arguments
        .iter()
        .map(|column| Ok(converter.convert_columns(std::slice::from_ref(&column.array))?))
        .collect::<Result<Vec<_>>>()?;
    let null = arrow::array::new_null_array(call.result.data_type(), 1);
    let mut arrays: Vec<&dyn Array> = call.arguments.iter().map(|c| c.array.as_ref()).collect();
    arrays.push(null.as_ref());
    let places: Vec<(usize, usize)> = (0..call.rows)
        .map(|row| {
            let mut best: Option<usize> = None;
            for (i, column) in call.arguments.iter().enumerate() {
                if column.is_null(row) {
                    return (call.count(), 0);
                }
                let better = best.is_none_or(|b| {
                    let (new, old) = (rows[i].row(column.at(row)), rows[b].row(call.arguments[b].at(row)));
                    if greatest { new > old } else { new < old }
                });
                if better {
                    best = Some(i);
                }
            }
            best.map_or((call.count(), 0), |i| (i, call.arguments[i].at(row)))
        })
        .collect();
    if places.is_empty() {
        return Ok(concat(&[&null.slice(0, 0)])?);
    }
    Ok(interleave(&arrays, &places)?)
}
