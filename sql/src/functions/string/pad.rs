//! Texts of a given length, repeated or turned round.

use super::{MOST_BYTES, length, offset};
use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

const RETURNS: Returns = Returns::Is(SqlType0::String);

/// LPAD, RPAD, REPEAT, REVERSE, SPACE.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "lpad",
        Family::String,
        (
            "LPAD(text, length, pad)",
            "The text filled up at its start, or cut, to a length; NULL for a negative length.",
        ),
        Arguments::exactly(&[Arg::Text, Arg::Long, Arg::Text]),
        RETURNS,
        |call| pad(call, true),
    ),
    Function::new(
        "rpad",
        Family::String,
        ("RPAD(text, length, pad)", "The text filled up at its end, or cut, to a length; NULL for a negative length."),
        Arguments::exactly(&[Arg::Text, Arg::Long, Arg::Text]),
        RETURNS,
        |call| pad(call, false),
    ),
    Function::new(
        "repeat",
        Family::String,
        ("REPEAT(text, count)", "The text so many times."),
        Arguments::exactly(&[Arg::Text, Arg::Long]),
        RETURNS,
        repeat,
    ),
    Function::new(
        "reverse",
        Family::String,
        ("REVERSE(text)", "The text from its end to its start."),
        Arguments::exactly(&[Arg::Text]),
        RETURNS,
        |call| {
            let text = call.text(0)?;
            call.build_text(|row, out| {
                out.extend(text.get(row)?.chars().rev());
                Some(())
            })
        },
    ),
    Function::new(
        "space",
        Family::String,
        ("SPACE(count)", "So many blanks."),
        Arguments::exactly(&[Arg::Long]),
        RETURNS,
        |call| {
            let count = call.long(0)?;
            call.try_build_text(|row, out| {
                let Some(count) = count.get(row) else { return Ok(None) };
                out.extend(std::iter::repeat_n(' ', checked(call, count, 1)?));
                Ok(Some(()))
            })
        },
    ),
];

/// A count that keeps the result within bounds.
fn checked(call: &Call<'_>, count: i64, bytes: usize) -> Result<usize> {
    let count = usize::try_from(count).unwrap_or(0);
    match count.checked_mul(bytes.max(1)) {
        Some(total) if total <= MOST_BYTES => Ok(count),
        _ => Err(call
            .error(format!("the result would have more than {MOST_BYTES} bytes"))
            .hint("ask for a shorter text")),
    }
}

fn pad(call: &Call<'_>, start: bool) -> Result<ArrayRef> {
    let (text, size, pad) = (call.text(0)?, call.long(1)?, call.text(2)?);
    call.try_build_text(|row, out| {
        let (Some(text), Some(size), Some(pad)) = (text.get(row), size.get(row), pad.get(row)) else {
            return Ok(None);
        };
        // Nothing to fill up with is no answer, also where nothing is to be filled.
        if size < 0 || pad.is_empty() {
            return Ok(None);
        }
        let size = checked(call, size, 4)?;
        let given = length(text);
        if given >= size {
            out.push_str(&text[..offset(text, size)]);
            return Ok(Some(()));
        }
        let fill = pad.chars().cycle().take(size - given);
        if start {
            out.extend(fill);
            out.push_str(text);
        } else {
            out.push_str(text);
            out.extend(fill);
        }
        Ok(Some(()))
    })
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, count) = (call.text(0)?, call.long(1)?);
    call.try_build_text(|row, out| {
        let (Some(text), Some(count)) = (text.get(row), count.get(row)) else { return Ok(None) };
        for _ in 0..checked(call, count, text.len())? {
            out.push_str(text);
        }
        Ok(Some(()))
    })
}
