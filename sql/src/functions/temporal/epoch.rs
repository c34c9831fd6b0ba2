//! Counts since 1970 and instants.

use super::parse::instant_ms;
use super::pattern::{Dialect, Patterns};
use crate::functions::call::Call;
use crate::functions::cast::{instant_from_local, parse_timestamp};
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0, Stability};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use freshet_types::{Error, Result};

/// TO_TIMESTAMP_LTZ, UNIX_TIMESTAMP.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "to_timestamp_ltz",
        Family::Temporal,
        (
            "TO_TIMESTAMP_LTZ(number[, precision]) or TO_TIMESTAMP_LTZ(text[, pattern[, zone]])",
            "A count of seconds (precision 0) or milliseconds (3) since 1970, or a text, as TIMESTAMP_LTZ(3).",
        ),
        Arguments::with_optional(&[Arg::Any], &[Arg::Any, Arg::Text]),
        Returns::Is(SqlType0::Instant),
        to_timestamp_ltz,
    ),
    Function::new(
        "unix_timestamp",
        Family::Temporal,
        (
            "UNIX_TIMESTAMP([text[, pattern]])",
            "Seconds since 1970: now, or of a text in the zone of the session; -9223372036854775808 when it cannot be read.",
        ),
        Arguments::with_optional(&[], &[Arg::OnlyText, Arg::Text]),
        Returns::Is(SqlType0::BigInt),
        unix_timestamp,
    )
    // Without an argument it is the clock.
    .stability(Stability::Clock),
];

fn to_timestamp_ltz(call: &Call<'_>) -> Result<ArrayRef> {
    let column = &call.arguments[0];
    if column.array.data_type() == &DataType::Utf8 {
        return from_text(call);
    }
    if !column.array.data_type().is_numeric() && column.array.data_type() != &DataType::Null {
        return Err(Error::invalid(
            "function.arguments",
            format!("function \"TO_TIMESTAMP_LTZ\" does not take {}", column.array.data_type()),
        )
        .hint("give it a number or a text; CAST makes a TIMESTAMP_LTZ of a TIMESTAMP"));
    }
    let precision = match call.arguments.get(1) {
        None => None,
        Some(precision) => Some((
            arrow::compute::cast(&precision.array, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
            precision,
        )),
    };
    let factor = |row: usize| -> Result<Option<i64>> {
        let Some((values, column)) = &precision else { return Ok(Some(1)) };
        let at = column.at(row);
        if values.is_null(at) {
            return Ok(None);
        }
        match values.value(at) {
            0 => Ok(Some(1_000)),
            3 => Ok(Some(1)),
            other => Err(call
                .error(format!("the precision {other} is not there"))
                .hint("give 0 for seconds or 3 for milliseconds")),
        }
    };
    // Years 0 to 9999, as Flink keeps them.
    let in_range = |ms: i64| (-62_167_219_200_000..=253_402_300_799_999).contains(&ms).then_some(ms);
    if column.array.data_type().is_integer() {
        let values = arrow::compute::cast(&column.array, &DataType::Int64)?;
        let values = values.as_primitive::<Int64Type>().clone();
        return call.try_build::<TimestampMillisecondType>(|row| {
            let Some(factor) = factor(row)? else { return Ok(None) };
            let at = column.at(row);
            if values.is_null(at) {
                return Ok(None);
            }
            Ok(values.value(at).checked_mul(factor).and_then(in_range))
        });
    }
    let values = arrow::compute::cast(&column.array, &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>().clone();
    call.try_build::<TimestampMillisecondType>(|row| {
        let Some(factor) = factor(row)? else { return Ok(None) };
        let at = column.at(row);
        if values.is_null(at) {
            return Ok(None);
        }
        Ok(in_range((values.value(at) * factor as f64) as i64))
    })
}

fn from_text(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, pattern, zone) = (call.text(0)?, call.text_opt(1)?, call.text_opt(2)?);
    let mut patterns = Patterns::new(Dialect::Formatter);
    call.build::<TimestampMillisecondType>(|row| {
        let text = text.get(row)?;
        // Without a zone the text is in UTC.
        let zone = match &zone {
            Some(zone) => zone.get(row)?.parse().ok()?,
            None => chrono_tz::Tz::UTC,
        };
        match &pattern {
            Some(pattern) => instant_ms(text, patterns.get(pattern.get(row)?).ok()?, zone),
            None => Some(instant_from_local(parse_timestamp(text)?, zone).and_utc().timestamp_millis()),
        }
    })
}

fn unix_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    if call.count() == 0 {
        let now = call.context.now_ms().div_euclid(1_000);
        return call.longs(|_| Some(now));
    }
    let (text, pattern) = (call.text(0)?, call.text_opt(1)?);
    let mut patterns = Patterns::new(Dialect::Simple);
    call.try_build::<Int64Type>(|row| {
        let pattern = pattern.as_ref().map_or(Some("yyyy-MM-dd HH:mm:ss"), |p| p.get(row));
        let (Some(text), Some(pattern)) = (text.get(row), pattern) else { return Ok(None) };
        let ms = instant_ms(text, patterns.get(pattern)?, call.context.time_zone);
        Ok(Some(ms.map_or(i64::MIN, |ms| ms.div_euclid(1_000))))
    })
}
