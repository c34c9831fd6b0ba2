//! Text as points in time. What cannot be read is NULL, not an error.

use super::pattern::{Dialect, Pattern, Patterns};
use crate::functions::call::Call;
use crate::functions::cast::temporal::{days, later_instant_from_local};
use crate::functions::cast::{instant_from_local, parse_date, parse_timestamp};
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use arrow::datatypes::{Date32Type, TimestampMillisecondType};
use freshet_types::Result;

/// TO_TIMESTAMP, TO_DATE.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "to_timestamp",
        Family::Temporal,
        (
            "TO_TIMESTAMP(text[, pattern])",
            "A text as TIMESTAMP(3), by default of the form yyyy-MM-dd HH:mm:ss; NULL when it cannot be read.",
        ),
        Arguments::with_optional(&[Arg::OnlyText], &[Arg::Text]),
        Returns::Is(SqlType0::Timestamp),
        to_timestamp,
    ),
    Function::new(
        "to_date",
        Family::Temporal,
        ("TO_DATE(text[, pattern])", "A text as DATE, by default of the form yyyy-MM-dd; NULL when it cannot be read."),
        Arguments::with_optional(&[Arg::OnlyText], &[Arg::Text]),
        Returns::Is(SqlType0::Date),
        to_date,
    ),
];

fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, pattern) = (call.text(0)?, call.text_opt(1)?);
    let mut patterns = Patterns::new(Dialect::Formatter);
    call.build::<TimestampMillisecondType>(|row| {
        let text = text.get(row)?;
        let time = match &pattern {
            None => parse_timestamp(text)?,
            // An offset that the text names is read and not heeded. What the pattern does not read may still be a
            // timestamp in the usual form, or a day alone.
            Some(pattern) => match patterns.get(pattern.get(row)?).ok()?.parse(text) {
                Some((local, _)) => local,
                None => parse_timestamp(text)?,
            },
        };
        Some(time.and_utc().timestamp_millis())
    })
}

fn to_date(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, pattern) = (call.text(0)?, call.text_opt(1)?);
    // With a pattern this is the day in UTC of an instant, as in Flink; a text that cannot be read is NULL for us, and a
    // day far away in Flink (its mark for such texts, overflown).
    let mut patterns = Patterns::new(Dialect::Simple);
    call.try_build::<Date32Type>(|row| {
        let Some(text) = text.get(row) else { return Ok(None) };
        let Some(pattern) = &pattern else { return Ok(parse_date(text).map(days)) };
        let Some(pattern) = pattern.get(row) else { return Ok(None) };
        let read = patterns.get(pattern)?.parse(text);
        Ok(read.map(|(local, offset)| days(offset.map_or(local, |offset| local - offset).date())))
    })
}

/// The instant of a text in milliseconds since 1970, read with a pattern in the zone of the session.
pub(crate) fn instant_ms(text: &str, pattern: &Pattern, zone: chrono_tz::Tz) -> Option<i64> {
    let (local, offset) = pattern.parse(text)?;
    let instant = match (offset, pattern.dialect()) {
        (Some(offset), _) => local - offset,
        (None, Dialect::Formatter) => instant_from_local(local, zone),
        (None, Dialect::Simple) => later_instant_from_local(local, zone),
    };
    Some(instant.and_utc().timestamp_millis())
}
