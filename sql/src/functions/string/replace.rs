//! Texts with parts exchanged.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

const THREE_TEXTS: Arguments = Arguments::exactly(&[Arg::Text, Arg::Text, Arg::Text]);
const RETURNS: Returns = Returns::Is(SqlType0::String);

/// REPLACE, TRANSLATE.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "replace",
        Family::String,
        ("REPLACE(text, part, other)", "The text with every part replaced by another text."),
        THREE_TEXTS,
        RETURNS,
        replace,
    ),
    Function::new(
        "translate",
        Family::String,
        (
            "TRANSLATE(text, from, to)",
            "The text with each character of `from` replaced by the one at its place in `to`, or left out when there is none.",
        ),
        THREE_TEXTS,
        RETURNS,
        translate,
    )
    .aliases(&["translate3"]),
];

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, part, other) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.build_text(|row, out| {
        let (text, part, other) = (text.get(row)?, part.get(row)?, other.get(row)?);
        let mut last = 0;
        for (at, found) in text.match_indices(part) {
            out.push_str(&text[last..at]);
            out.push_str(other);
            last = at + found.len();
        }
        out.push_str(&text[last..]);
        Some(())
    })
}

fn translate(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    call.build_text(|row, out| {
        // Without `to`, each character of `from` is left out.
        let (text, from, to) = (text.get(row)?, from.get(row)?, to.get(row).unwrap_or_default());
        for c in text.chars() {
            match from.chars().position(|f| f == c) {
                None => out.push(c),
                Some(place) => out.extend(to.chars().nth(place)),
            }
        }
        Some(())
    })
}
