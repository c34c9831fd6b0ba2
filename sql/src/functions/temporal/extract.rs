//! Parts of dates and times.

use super::local_times;
use super::unit::{Unit, unknown};
use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{ArrayRef, AsArray};
use chrono::{Datelike, NaiveDateTime, Timelike};
use freshet_types::Result;

const LONG: Returns = Returns::Is(SqlType0::BigInt);
const POINT: Arguments = Arguments::exactly(&[Arg::Temporal]);

const fn part(
    name: &'static str,
    text: (&'static str, &'static str),
    evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
) -> Function {
    Function::new(name, Family::Temporal, text, POINT, LONG, evaluate)
}

/// EXTRACT, YEAR, QUARTER, MONTH, WEEK, DAYOFYEAR, DAYOFMONTH, DAYOFWEEK, HOUR, MINUTE, SECOND.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "extract",
        Family::Temporal,
        (
            "EXTRACT(unit FROM point)",
            "A part of a date or time; DOW counts from Sunday = 1, WEEK is the week of ISO 8601.",
        ),
        Arguments::exactly(&[Arg::Text, Arg::Temporal]),
        Returns::With(|arguments| {
            Unit::of(&arguments[0])?;
            Ok(freshet_types::SqlType::BigInt)
        }),
        |call| {
            let name = call.arguments[0].array.as_string::<i32>().value(0);
            each(call, 1, Unit::parse(name).ok_or_else(|| unknown(name))?)
        },
    ),
    part("year", ("YEAR(date)", "The year."), |call| each(call, 0, Unit::Year)),
    part("quarter", ("QUARTER(date)", "The quarter, 1 to 4."), |call| each(call, 0, Unit::Quarter)),
    part("month", ("MONTH(date)", "The month, 1 to 12."), |call| each(call, 0, Unit::Month)),
    part("week", ("WEEK(date)", "The week of ISO 8601, 1 to 53."), |call| each(call, 0, Unit::Week)),
    part("dayofyear", ("DAYOFYEAR(date)", "The day of the year, 1 to 366."), |call| each(call, 0, Unit::DayOfYear)),
    part("dayofmonth", ("DAYOFMONTH(date)", "The day of the month, 1 to 31."), |call| each(call, 0, Unit::Day))
        .aliases(&["day"]),
    part("dayofweek", ("DAYOFWEEK(date)", "The day of the week, Sunday = 1 to Saturday = 7."), |call| {
        each(call, 0, Unit::DayOfWeek)
    }),
    part("hour", ("HOUR(timestamp)", "The hour, 0 to 23."), |call| each(call, 0, Unit::Hour)),
    part("minute", ("MINUTE(timestamp)", "The minute, 0 to 59."), |call| each(call, 0, Unit::Minute)),
    part("second", ("SECOND(timestamp)", "The second, 0 to 59."), |call| each(call, 0, Unit::Second)),
];

fn each(call: &Call<'_>, argument: usize, unit: Unit) -> Result<ArrayRef> {
    let times = local_times(call, argument)?;
    call.longs(|row| {
        let local = times(row)?;
        // Seconds since 1970 are those of the clock on the wall, also for an instant, as Flink has it.
        Some(value(local, unit))
    })
}

fn value(t: NaiveDateTime, unit: Unit) -> i64 {
    let year = i64::from(t.year());
    match unit {
        Unit::Millennium => {
            if year > 0 {
                (year + 999) / 1_000
            } else {
                -((999 - (year - 1)) / 1_000)
            }
        }
        Unit::Century => {
            if year > 0 {
                (year + 99) / 100
            } else {
                -((99 - (year - 1)) / 100)
            }
        }
        Unit::Decade => year.div_euclid(10),
        Unit::Year => year,
        Unit::IsoYear => i64::from(t.iso_week().year()),
        Unit::Quarter => i64::from(t.month0() / 3 + 1),
        Unit::Month => i64::from(t.month()),
        Unit::Week => i64::from(t.iso_week().week()),
        Unit::Day => i64::from(t.day()),
        Unit::DayOfYear => i64::from(t.ordinal()),
        Unit::DayOfWeek => i64::from(t.weekday().number_from_sunday()),
        Unit::IsoDayOfWeek => i64::from(t.weekday().number_from_monday()),
        Unit::Hour => i64::from(t.hour()),
        Unit::Minute => i64::from(t.minute()),
        Unit::Second => i64::from(t.second()),
        Unit::Millisecond => i64::from(t.nanosecond() / 1_000_000),
        Unit::Microsecond => i64::from(t.nanosecond() / 1_000),
        Unit::Nanosecond => i64::from(t.nanosecond()),
        Unit::Epoch => t.and_utc().timestamp(),
    }
}
