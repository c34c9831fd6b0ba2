//! Parts of a text by position.

use super::{length, offset};
use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

const RETURNS: Returns = Returns::Is(SqlType0::String);

/// SUBSTRING, LEFT, RIGHT, OVERLAY, ELT.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "substring",
        Family::String,
        (
            "SUBSTRING(text FROM start [FOR length])",
            "The part that begins at a position, counted from 1, or from the end when it is negative.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Long], &[Arg::Long]),
        RETURNS,
        substring,
    )
    .aliases(&["substr"]),
    Function::new(
        "left",
        Family::String,
        ("LEFT(text, length)", "The first characters; empty for a negative length."),
        Arguments::exactly(&[Arg::Text, Arg::Long]),
        RETURNS,
        left,
    ),
    Function::new(
        "right",
        Family::String,
        ("RIGHT(text, length)", "The last characters; empty for a negative length."),
        Arguments::exactly(&[Arg::Text, Arg::Long]),
        RETURNS,
        right,
    ),
    Function::new(
        "overlay",
        Family::String,
        (
            "OVERLAY(text PLACING other FROM start [FOR length])",
            "The text with a part replaced by another; the part is as long as the other unless a length is given.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Text, Arg::Long], &[Arg::Long]),
        RETURNS,
        overlay,
    ),
    Function::new(
        "elt",
        Family::String,
        ("ELT(index, text, ...)", "The text at an index, counted from 1; NULL outside."),
        Arguments::with_rest(&[Arg::Long, Arg::Text], Arg::Text),
        RETURNS,
        elt,
    ),
];

/// The part of `text` from `start` (1-based; 0 is 1; negative counts from the end) of at most `count` characters.
pub(crate) fn part(text: &str, start: i64, count: Option<i64>) -> &str {
    let count = match count {
        Some(count) if count <= 0 => return "",
        Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let first = if start > 0 {
        usize::try_from(start - 1).unwrap_or(usize::MAX)
    } else if start == 0 {
        0
    } else {
        let back = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
        match length(text).checked_sub(back) {
            Some(first) => first,
            None => return "",
        }
    };
    let rest = &text[offset(text, first)..];
    &rest[..offset(rest, count)]
}

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, start, count) = (call.text(0)?, call.long(1)?, call.long_opt(2)?);
    call.slices(|row| {
        let count = match &count {
            Some(count) => Some(count.get(row).filter(|c| *c >= 0)?),
            None => None,
        };
        Some(part(text.get(row)?, start.get(row)?, count))
    })
}

fn left(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, count) = (call.text(0)?, call.long(1)?);
    call.slices(|row| Some(part(text.get(row)?, 1, Some(count.get(row)?))))
}

fn right(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, count) = (call.text(0)?, call.long(1)?);
    call.slices(|row| {
        let (text, count) = (text.get(row)?, count.get(row)?);
        let count = usize::try_from(count).unwrap_or(0);
        Some(&text[offset(text, length(text).saturating_sub(count))..])
    })
}

fn overlay(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, other, start, count) = (call.text(0)?, call.text(1)?, call.long(2)?, call.long_opt(3)?);
    call.build_text(|row, out| {
        let (text, other, start) = (text.get(row)?, other.get(row)?, start.get(row)?);
        let count = match &count {
            Some(count) => count.get(row)?,
            None => length(other) as i64,
        };
        if start <= 0 || start > length(text) as i64 {
            out.push_str(text);
            return Some(());
        }
        let first = offset(text, (start - 1) as usize);
        out.push_str(&text[..first]);
        out.push_str(other);
        // No length, a negative one, or one past the end replaces everything behind the start.
        if let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) {
            let rest = &text[first..];
            out.push_str(&rest[offset(rest, count)..]);
        }
        Some(())
    })
}

fn elt(call: &Call<'_>) -> Result<ArrayRef> {
    let index = call.long(0)?;
    let texts = (1..call.count()).map(|i| call.text(i)).collect::<Result<Vec<_>>>()?;
    call.slices(|row| {
        let index = usize::try_from(index.get(row)?).ok()?.checked_sub(1)?;
        texts.get(index)?.get(row)
    })
}
