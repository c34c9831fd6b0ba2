//! Points in time as text.

use super::local_times;
use super::pattern::{Dialect, Patterns};
use crate::functions::call::Call;
use crate::functions::cast::local_from_instant;
use crate::functions::cast::temporal::later_instant_from_local;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use freshet_types::Result;

const STRING: Returns = Returns::Is(SqlType0::String);

/// DATE_FORMAT, FROM_UNIXTIME, CONVERT_TZ.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "date_format",
        Family::Temporal,
        ("DATE_FORMAT(timestamp, pattern)", "The timestamp as text, in Java's letters."),
        Arguments::exactly(&[Arg::Any, Arg::Text]),
        STRING,
        date_format,
    ),
    Function::new(
        "from_unixtime",
        Family::Temporal,
        (
            "FROM_UNIXTIME(seconds[, pattern])",
            "Seconds since 1970 as text in the zone of the session, by default as yyyy-MM-dd HH:mm:ss.",
        ),
        Arguments::with_optional(&[Arg::Long], &[Arg::Text]),
        STRING,
        from_unixtime,
    ),
    Function::new(
        "convert_tz",
        Family::Temporal,
        (
            "CONVERT_TZ(text, from, to)",
            "A wall time yyyy-MM-dd HH:mm:ss of one zone in another; NULL when the text is none.",
        ),
        Arguments::exactly(&[Arg::Text, Arg::Text, Arg::Text]),
        STRING,
        convert_tz,
    ),
];

const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

fn date_format(call: &Call<'_>) -> Result<ArrayRef> {
    let (times, pattern) = (local_times(call, 0)?, call.text(1)?);
    let mut patterns = Patterns::new(Dialect::Formatter);
    call.try_build_text(|row, out| {
        let (Some(time), Some(pattern)) = (times(row), pattern.get(row)) else { return Ok(None) };
        patterns.get(pattern)?.format(time, call.context.time_zone, out);
        Ok(Some(()))
    })
}

fn from_unixtime(call: &Call<'_>) -> Result<ArrayRef> {
    let (seconds, pattern) = (call.long(0)?, call.text_opt(1)?);
    let mut patterns = Patterns::new(Dialect::Simple);
    let zone = call.context.time_zone;
    call.try_build_text(|row, out| {
        let pattern = pattern.as_ref().map_or(Some(DEFAULT), |p| p.get(row));
        let (Some(seconds), Some(pattern)) = (seconds.get(row), pattern) else { return Ok(None) };
        let Some(instant) = DateTime::from_timestamp(seconds, 0) else { return Ok(None) };
        patterns.get(pattern)?.format(local_from_instant(instant.naive_utc(), zone), zone, out);
        Ok(Some(()))
    })
}

/// A zone by name or as an offset such as `GMT+8` or `GMT+05:30`; others are UTC, as in Java.
enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    fn parse(name: &str) -> Zone {
        if let Ok(zone) = name.parse::<Tz>() {
            return Zone::Named(zone);
        }
        Zone::Fixed(Self::offset(name).unwrap_or(chrono::Utc.fix()))
    }

    fn offset(name: &str) -> Option<FixedOffset> {
        let rest = name.strip_prefix("GMT")?;
        let (sign, digits) = match rest.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = match digits.split_once(':') {
            Some((hours, minutes)) => (hours, minutes),
            None if digits.len() == 4 => digits.split_at(2),
            None => (digits, "0"),
        };
        FixedOffset::east_opt(sign * (hours.parse::<i32>().ok()? * 3_600 + minutes.parse::<i32>().ok()? * 60))
    }

    fn to_instant(&self, local: NaiveDateTime) -> NaiveDateTime {
        match self {
            Zone::Named(zone) => later_instant_from_local(local, *zone),
            Zone::Fixed(offset) => local - *offset,
        }
    }

    fn to_local(&self, instant: NaiveDateTime) -> NaiveDateTime {
        match self {
            Zone::Named(zone) => local_from_instant(instant, *zone),
            Zone::Fixed(offset) => offset.from_utc_datetime(&instant).naive_local(),
        }
    }
}

fn convert_tz(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let mut patterns = Patterns::new(Dialect::Simple);
    let pattern = patterns.get(DEFAULT)?;
    call.build_text(|row, out| {
        let (local, _) = pattern.parse(text.get(row)?)?;
        let instant = Zone::parse(from.get(row)?).to_instant(local);
        pattern.format(Zone::parse(to.get(row)?).to_local(instant), Tz::UTC, out);
        Some(())
    })
}
