//! Cutting characters off the ends.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

const ARGUMENTS: Arguments = Arguments::with_optional(&[Arg::Text], &[Arg::Text]);
const RETURNS: Returns = Returns::Is(SqlType0::String);

/// TRIM, BTRIM, LTRIM, RTRIM.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "trim",
        Family::String,
        (
            "TRIM([BOTH | LEADING | TRAILING] [characters FROM] text)",
            "The text without blanks, or the given characters, at its ends.",
        ),
        ARGUMENTS,
        RETURNS,
        |call| trim(call, true, true),
    ),
    Function::new(
        "btrim",
        Family::String,
        ("BTRIM(text[, characters])", "The text without blanks, or any of the given characters, at both ends."),
        ARGUMENTS,
        RETURNS,
        |call| trim(call, true, true),
    ),
    Function::new(
        "ltrim",
        Family::String,
        ("LTRIM(text[, characters])", "The text without blanks, or any of the given characters, at its start."),
        ARGUMENTS,
        RETURNS,
        |call| trim(call, true, false),
    ),
    Function::new(
        "rtrim",
        Family::String,
        ("RTRIM(text[, characters])", "The text without blanks, or any of the given characters, at its end."),
        ARGUMENTS,
        RETURNS,
        |call| trim(call, false, true),
    ),
];

fn trim(call: &Call<'_>, start: bool, end: bool) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let characters = call.text_opt(1)?;
    call.slices(|row| {
        let text = text.get(row)?;
        let characters = match &characters {
            Some(column) => column.get(row)?,
            None => " ",
        };
        let cut = |c: char| characters.contains(c);
        Some(match (start, end) {
            (true, true) => text.trim_matches(cut),
            (true, false) => text.trim_start_matches(cut),
            _ => text.trim_end_matches(cut),
        })
    })
}
