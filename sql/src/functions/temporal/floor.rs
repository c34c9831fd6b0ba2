//! FLOOR and CEIL, of numbers and of points in time.

use super::unit::{Unit, unknown};
use crate::functions::call::Call;
use crate::functions::cast::temporal::days;
use crate::functions::cast::{LocalTimes, count, per_second, with_unit};
use crate::functions::function::{Arg, Argument, Arguments, Family, Function, Returns};
use crate::functions::math::round::{Mode, to_whole, whole_type};
use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array};
use arrow::datatypes::DataType;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use freshet_types::{Error, Result, SqlType};
use std::sync::Arc;

const ARGUMENTS: Arguments = Arguments::with_optional(&[Arg::NumberOrTemporal], &[Arg::Text]);

/// FLOOR, CEIL.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "floor",
        Family::Math,
        ("FLOOR(x) or FLOOR(point TO unit)", "The next whole number, or start of a unit of time, at or before."),
        ARGUMENTS,
        Returns::With(result_type),
        |call| evaluate(call, Mode::Floor),
    ),
    Function::new(
        "ceil",
        Family::Math,
        ("CEIL(x) or CEIL(point TO unit)", "The next whole number, or start of a unit of time, at or after."),
        ARGUMENTS,
        Returns::With(result_type),
        |call| evaluate(call, Mode::Ceil),
    )
    .aliases(&["ceiling"]),
];

fn result_type(arguments: &[Argument<'_>]) -> Result<SqlType> {
    let point = &arguments[0].sql_type;
    match (point.is_numeric(), arguments.get(1)) {
        (true, None) => Ok(whole_type(point)),
        (true, Some(_)) => {
            Err(Error::invalid("function.arguments", "a number has no units of time").hint("write FLOOR(x) or CEIL(x)"))
        }
        (false, None) => Err(Error::invalid("function.arguments", format!("a {point} needs a unit of time"))
            .hint("write FLOOR(x TO DAY)")),
        (false, Some(unit)) => {
            Unit::of(unit)?;
            Ok(point.clone())
        }
    }
}

fn evaluate(call: &Call<'_>, mode: Mode) -> Result<ArrayRef> {
    if call.count() == 1 {
        return to_whole(call, mode);
    }
    let name = call.arguments[1].array.as_string::<i32>().value(0);
    let unit = Unit::parse(name).ok_or_else(|| unknown(name))?;
    let column = &call.arguments[0];
    let zone = call.context.time_zone;
    let times = LocalTimes::new(&column.array, zone)?;
    let bound = |row: usize| {
        let time = times.get(column.at(row))?;
        let start = start_of(time, unit)?;
        if mode == Mode::Floor || start == time {
            return Some(start);
        }
        next(start, unit)
    };
    Ok(match call.result.data_type() {
        DataType::Date32 => {
            Arc::new((0..call.rows).map(|row| bound(row).map(|t| days(t.date()))).collect::<Date32Array>())
        }
        DataType::Timestamp(time_unit, instant) => {
            let per_second = per_second(*time_unit);
            // As Flink has it, the bound is at the distance from UTC that the clocks have at the instant itself, also
            // where they were moved in between. Of a wall time this is the distance zero.
            let instants = LocalTimes::new(&column.array, chrono_tz::Tz::UTC)?;
            let values: Int64Array = (0..call.rows)
                .map(|row| {
                    let place = column.at(row);
                    let offset = times.get(place)? - instants.get(place)?;
                    count(bound(row)? - offset, per_second)
                })
                .collect();
            with_unit(values, *time_unit, instant.clone())
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let nanos: Int64Array = (0..call.rows)
                .map(|row| bound(row).map(|t| crate::functions::cast::temporal::time_nanos(t.time())))
                .collect();
            let nanos = nanos.reinterpret_cast::<arrow::datatypes::Time64NanosecondType>();
            arrow::compute::cast(&(Arc::new(nanos) as ArrayRef), call.result.data_type())?
        }
        other => {
            return Err(Error::internal("function.argument_type", format!("FLOOR of {other}")));
        }
    })
}

/// Start of the unit in which `t` lies. Weeks begin on Sunday, as in Flink.
fn start_of(t: NaiveDateTime, unit: Unit) -> Option<NaiveDateTime> {
    let day = |year: i32, month: u32, day: u32| NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0);
    let (date, time) = (t.date(), t.time());
    Some(match unit {
        Unit::Millennium => day((t.year() - 1).div_euclid(1_000) * 1_000 + 1, 1, 1)?,
        Unit::Century => day((t.year() - 1).div_euclid(100) * 100 + 1, 1, 1)?,
        Unit::Decade => day(t.year().div_euclid(10) * 10, 1, 1)?,
        Unit::Year | Unit::IsoYear => day(t.year(), 1, 1)?,
        Unit::Quarter => day(t.year(), t.month0() / 3 * 3 + 1, 1)?,
        Unit::Month => day(t.year(), t.month(), 1)?,
        Unit::Week => {
            (date - TimeDelta::days(i64::from(date.weekday().num_days_from_sunday()))).and_hms_opt(0, 0, 0)?
        }
        Unit::Day | Unit::DayOfYear | Unit::DayOfWeek | Unit::IsoDayOfWeek => date.and_hms_opt(0, 0, 0)?,
        Unit::Hour => date.and_hms_opt(time.hour(), 0, 0)?,
        Unit::Minute => date.and_hms_opt(time.hour(), time.minute(), 0)?,
        Unit::Second | Unit::Epoch => t.with_nanosecond(0)?,
        Unit::Millisecond => t.with_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000)?,
        Unit::Microsecond => t.with_nanosecond(time.nanosecond() / 1_000 * 1_000)?,
        Unit::Nanosecond => t,
    })
}

/// Start of the unit after the one that begins at `start`.
fn next(start: NaiveDateTime, unit: Unit) -> Option<NaiveDateTime> {
    match (unit.months(), unit.nanos()) {
        (Some(months), _) => start.checked_add_months(Months::new(months.unsigned_abs())),
        (_, Some(nanos)) => start.checked_add_signed(TimeDelta::nanoseconds(nanos)),
        _ => start.checked_add_signed(TimeDelta::days(1)),
    }
}
