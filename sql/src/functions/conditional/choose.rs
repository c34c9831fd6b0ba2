//! IF, IFNULL, COALESCE, NULLIF.
//!
//! The rewriting turns them into CASE, so that only what is chosen is evaluated. What stands here serves arguments that
//! change at each evaluation (RAND, UUID), which a CASE would evaluate twice.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns};
use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use freshet_types::Result;

/// IF, IFNULL, COALESCE, NULLIF.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "if",
        Family::Conditional,
        ("IF(condition, yes, no)", "One value when the condition is true, else the other."),
        Arguments::exactly(&[Arg::Boolean, Arg::Common, Arg::Common]),
        Returns::Like(1),
        |call| {
            let condition = call.boolean(0)?;
            choose(call, |row| Some(if condition.get(row) == Some(true) { 1 } else { 2 }))
        },
    ),
    Function::new(
        "ifnull",
        Family::Conditional,
        ("IFNULL(value, other)", "The value, or the other where it is NULL."),
        Arguments::exactly(&[Arg::Common, Arg::Common]),
        Returns::Like(0),
        first_value,
    )
    .aliases(&["nvl"]),
    Function::new(
        "coalesce",
        Family::Conditional,
        ("COALESCE(value, ...)", "The first value that is not NULL."),
        Arguments::with_rest(&[Arg::Common], Arg::Common),
        Returns::Like(0),
        first_value,
    ),
    Function::new(
        "nullif",
        Family::Conditional,
        ("NULLIF(value, other)", "The value, or NULL where it equals the other."),
        Arguments::exactly(&[Arg::Common, Arg::Common]),
        Returns::Like(0),
        nullif,
    ),
];

fn first_value(call: &Call<'_>) -> Result<ArrayRef> {
    choose(call, |row| (0..call.count()).find(|i| !call.arguments[*i].is_null(row)))
}

/// The argument that `pick` names in each row; none is NULL.
fn choose(call: &Call<'_>, pick: impl Fn(usize) -> Option<usize>) -> Result<ArrayRef> {
    let null = arrow::array::new_null_array(call.result.data_type(), 1);
    let arrays: Vec<&dyn Array> =
        call.arguments.iter().map(|c| c.array.as_ref()).chain(std::iter::once(null.as_ref())).collect();
    // A condition is not among the values: it stands for NULL.
    let arrays: Vec<&dyn Array> =
        arrays.into_iter().map(|a| if a.data_type() == call.result.data_type() { a } else { null.as_ref() }).collect();
    let places: Vec<(usize, usize)> =
        (0..call.rows).map(|row| pick(row).map_or((call.count(), 0), |i| (i, call.arguments[i].at(row)))).collect();
    Ok(interleave(&arrays, &places)?)
}

fn nullif(call: &Call<'_>) -> Result<ArrayRef> {
    let (value, other) = (call.arguments[0].expand(call.rows)?, call.arguments[1].expand(call.rows)?);
    let equal = arrow::compute::kernels::cmp::eq(&value, &other)?;
    Ok(arrow::compute::nullif(&value, &equal)?)
}
