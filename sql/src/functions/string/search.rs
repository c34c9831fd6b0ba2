//! Lengths and positions of texts in texts.

use super::{length, offset};
use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int32Type;
use freshet_types::Result;

const INT: Returns = Returns::Is(SqlType0::Int);
const BOOLEAN: Returns = Returns::Is(SqlType0::Boolean);

/// CHAR_LENGTH, POSITION, LOCATE, INSTR, STARTSWITH, ENDSWITH ...
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "char_length",
        Family::String,
        ("CHAR_LENGTH(text)", "Number of characters."),
        Arguments::exactly(&[Arg::Text]),
        INT,
        |call| {
            let text = call.text(0)?;
            call.ints(|row| Some(length(text.get(row)?) as i32))
        },
    )
    .aliases(&["character_length", "length", "len"]),
    Function::new(
        "octet_length",
        Family::String,
        ("OCTET_LENGTH(text)", "Number of bytes, in UTF-8."),
        Arguments::exactly(&[Arg::TextOrBytes]),
        INT,
        octet_length,
    ),
    Function::new(
        "position",
        Family::String,
        ("POSITION(part IN text)", "Where a part first stands, counted from 1; 0 when it does not."),
        Arguments::exactly(&[Arg::Text, Arg::Text]),
        INT,
        |call| locate(call, 0, 1, None),
    ),
    Function::new(
        "locate",
        Family::String,
        (
            "LOCATE(part, text[, start])",
            "Where a part first stands at or behind a start, counted from 1; 0 when it does not.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Long]),
        INT,
        |call| {
            let (part, text, start) = (call.text(0)?, call.text(1)?, call.long_opt(2)?);
            call.ints(|row| {
                let start = start.as_ref().map_or(Some(1), |s| s.get(row))?;
                let (part, text) = (part.get(row)?, text.get(row)?);
                // Nothing stands at the start; places before the start are the start.
                Some(if part.is_empty() { 1 } else { find(text, part, start.max(1), 1) })
            })
        },
    ),
    Function::new(
        "instr",
        Family::String,
        (
            "INSTR(text, part[, start[, nth]])",
            "Where a part stands the nth time at or behind a start, counted from 1; 0 when it does not.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Long, Arg::Long]),
        INT,
        |call| locate(call, 1, 0, Some(2)),
    ),
    Function::new(
        "startswith",
        Family::String,
        ("STARTSWITH(text, start)", "Whether a text begins with another."),
        Arguments::exactly(&[Arg::TextOrBytes, Arg::TextOrBytes]),
        BOOLEAN,
        |call| ends(call, <[u8]>::starts_with),
    ),
    Function::new(
        "endswith",
        Family::String,
        ("ENDSWITH(text, end)", "Whether a text ends with another."),
        Arguments::exactly(&[Arg::TextOrBytes, Arg::TextOrBytes]),
        BOOLEAN,
        |call| ends(call, <[u8]>::ends_with),
    ),
];

fn octet_length(call: &Call<'_>) -> Result<ArrayRef> {
    let array = &call.arguments[0].array;
    let lengths = arrow::compute::kernels::length::length(array)?;
    let lengths = lengths.as_primitive::<Int32Type>();
    let column = &call.arguments[0];
    call.ints(|row| (!column.is_null(row)).then(|| lengths.value(column.at(row))))
}

/// Position of the `nth` time that `part` stands in `text` at or behind character `start`, both counted from 1.
fn find(text: &str, part: &str, start: i64, nth: i64) -> i32 {
    if nth < 1 {
        return 0;
    }
    if start < 0 {
        // From the end backwards: the part must begin at or before the place.
        let last = length(text) as i64 + start;
        let Ok(last) = usize::try_from(last) else { return 0 };
        let from = offset(text, last);
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let mut hits = places.iter().enumerate().rev().filter(|(_, at)| **at <= from && text[**at..].starts_with(part));
        return hits.nth((nth - 1) as usize).map_or(0, |(index, _)| index as i32 + 1);
    }
    let first = usize::try_from((start - 1).max(0)).unwrap_or(usize::MAX);
    if first > length(text) {
        return 0;
    }
    let mut at = offset(text, first);
    for round in 1..=nth {
        match text[at..].find(part) {
            Some(found) if round == nth => return length(&text[..at + found]) as i32 + 1,
            Some(found) => {
                at += found;
                let Some(step) = text[at..].chars().next() else { return 0 };
                at += step.len_utf8();
            }
            None => return 0,
        }
    }
    0
}

fn locate(call: &Call<'_>, part: usize, text: usize, start: Option<usize>) -> Result<ArrayRef> {
    let (part, text) = (call.text(part)?, call.text(text)?);
    let start_column = start.map_or(Ok(None), |i| call.long_opt(i))?;
    let nth_column = start.map_or(Ok(None), |i| call.long_opt(i + 1))?;
    call.ints(|row| {
        let start = match &start_column {
            Some(column) => column.get(row)?,
            None => 1,
        };
        let nth = match &nth_column {
            Some(column) => column.get(row)?,
            None => 1,
        };
        if start == 0 && start_column.is_some() {
            text.get(row).and(part.get(row))?;
            return Some(0);
        }
        Some(find(text.get(row)?, part.get(row)?, start, nth))
    })
}

fn ends(call: &Call<'_>, test: fn(&[u8], &[u8]) -> bool) -> Result<ArrayRef> {
    let side = |i: usize| {
        let column = &call.arguments[i];
        move |row: usize| -> Option<&[u8]> {
            if column.is_null(row) {
                return None;
            }
            let array: &dyn Array = column.array.as_ref();
            match array.as_string_opt::<i32>() {
                Some(texts) => Some(texts.value(column.at(row)).as_bytes()),
                None => array.as_binary_opt::<i32>().map(|bytes| bytes.value(column.at(row))),
            }
        }
    };
    let (text, part) = (side(0), side(1));
    call.booleans(|row| Some(test(text(row)?, part(row)?)))
}
