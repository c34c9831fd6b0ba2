//! Distances between points in time, and points at a distance.

use super::local_times;
use super::unit::{Unit, unknown};
use crate::functions::call::Call;
use crate::functions::cast::temporal::days;
use crate::functions::cast::{LocalTimes, count, instant_from_local, per_second, with_unit};
use crate::functions::function::{Arg, Argument, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array};
use arrow::datatypes::DataType;
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta};
use freshet_types::{Error, Result, SqlType};
use std::sync::Arc;

/// TIMESTAMPDIFF, TIMESTAMPADD.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "timestampdiff",
        Family::Temporal,
        ("TIMESTAMPDIFF(unit, from, to)", "Number of whole units from one point in time to another."),
        Arguments::exactly(&[Arg::Text, Arg::Temporal, Arg::Temporal]),
        Returns::With(|arguments| {
            Unit::of(&arguments[0])?;
            Ok(SqlType::Int)
        }),
        timestampdiff,
    ),
    Function::new(
        "timestampadd",
        Family::Temporal,
        ("TIMESTAMPADD(unit, count, point)", "The point in time so many units later."),
        Arguments::exactly(&[Arg::Text, Arg::Long, Arg::Temporal]),
        Returns::With(sum_type),
        timestampadd,
    ),
    Function::new(
        "overlaps",
        Family::Temporal,
        ("(start1, end1) OVERLAPS (start2, end2)", "Whether two spans of time share a point."),
        Arguments::exactly(&[Arg::Temporal, Arg::Temporal, Arg::Temporal, Arg::Temporal]),
        Returns::Is(SqlType0::Boolean),
        |call| {
            let points = (0..4).map(|i| local_times(call, i)).collect::<Result<Vec<_>>>()?;
            call.booleans(|row| {
                let span = |i: usize| {
                    let (a, b) = (points[i](row)?, points[i + 1](row)?);
                    Some(if a <= b { (a, b) } else { (b, a) })
                };
                let (one, two) = (span(0)?, span(2)?);
                Some(one.1 >= two.0 && two.1 >= one.0)
            })
        },
    ),
];

fn unit_of(call: &Call<'_>) -> Result<Unit> {
    let name = call.arguments[0].array.as_string::<i32>().value(0);
    Unit::parse(name).ok_or_else(|| unknown(name))
}

/// Whole months from `a` to `b`: the last one counts only when its day and time are reached. From the last of a long
/// month to the last of a short one is a month.
fn months_between(a: NaiveDateTime, b: NaiveDateTime) -> i64 {
    if b.date() < a.date() {
        let back = months_on(b.date(), a.date());
        let lands = a.date().checked_sub_months(Months::new(back)) == Some(b.date());
        // Backwards Flink counts one more where the days are a whole number of months apart and the time is earlier.
        return -i64::from(back) - i64::from(lands && b.time() < a.time());
    }
    let on = months_on(a.date(), b.date());
    let lands = a.date().checked_add_months(Months::new(on)) == Some(b.date());
    i64::from(on) - i64::from(lands && b.time() < a.time())
}

/// The most months that can be added to `a` without passing `b`.
fn months_on(a: NaiveDate, b: NaiveDate) -> u32 {
    let months = (b.year() - a.year()) * 12 + b.month() as i32 - a.month() as i32;
    let months = months.max(0).unsigned_abs();
    match a.checked_add_months(Months::new(months)) {
        Some(there) if there <= b => months,
        _ => months.saturating_sub(1),
    }
}

fn timestampdiff(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = unit_of(call)?;
    // Wall times where they are, instants in the zone of the session, so that days and months are those of the calendar.
    let (from, to) = (local_times(call, 1)?, local_times(call, 2)?);
    let instants =
        [1, 2].iter().all(|i| matches!(call.arguments[*i].array.data_type(), DataType::Timestamp(_, Some(_))));
    let zone = call.context.time_zone;
    call.ints(|row| {
        let (mut a, mut b) = (from(row)?, to(row)?);
        if let Some(months) = unit.months() {
            return Some((months_between(a, b) / i64::from(months)) as i32);
        }
        if instants {
            (a, b) = (instant_from_local(a, zone), instant_from_local(b, zone));
        }
        let span = b - a;
        let whole = match unit.nanos()? {
            nanos if nanos >= 1_000_000_000 => {
                // Seconds cut towards zero, as the division does.
                span.num_seconds() / (nanos / 1_000_000_000)
            }
            1_000_000 => span.num_milliseconds(),
            1_000 => span.num_microseconds()?,
            _ => span.num_nanoseconds()?,
        };
        Some(whole as i32)
    })
}

fn sum_type(arguments: &[Argument<'_>]) -> Result<SqlType> {
    let unit = Unit::of(&arguments[0])?;
    let small = unit.nanos().is_some_and(|n| n < 86_400_000_000_000);
    Ok(match &arguments[2].sql_type {
        SqlType::Date if small => SqlType::Timestamp(6),
        other => other.clone(),
    })
}

/// `time` and `amount` units, in months of the calendar or in nanoseconds.
fn plus(time: NaiveDateTime, unit: Unit, amount: i64) -> Option<NaiveDateTime> {
    if let Some(months) = unit.months() {
        let months = amount.checked_mul(i64::from(months))?;
        let size = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        return if months < 0 { time.checked_sub_months(size) } else { time.checked_add_months(size) };
    }
    let nanos = unit.nanos()?;
    let span = if nanos >= 1_000_000 {
        TimeDelta::try_milliseconds(amount.checked_mul(nanos / 1_000_000)?)?
    } else {
        TimeDelta::nanoseconds(amount.checked_mul(nanos)?)
    };
    time.checked_add_signed(span)
}

fn timestampadd(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = unit_of(call)?;
    let amount = call.long(1)?;
    let column = &call.arguments[2];
    // Units of a fixed length count from the instant, months from the calendar of UTC, as Flink has it.
    let times = LocalTimes::new(&column.array, chrono_tz::Tz::UTC)?;
    let sum = |row: usize| plus(times.get(column.at(row))?, unit, amount.get(row)?);
    Ok(match call.result.data_type() {
        DataType::Date32 => {
            Arc::new((0..call.rows).map(|row| sum(row).map(|t| days(t.date()))).collect::<Date32Array>())
        }
        DataType::Timestamp(time_unit, zone) => {
            let values: Int64Array = (0..call.rows).map(|row| count(sum(row)?, per_second(*time_unit))).collect();
            with_unit(values, *time_unit, zone.clone())
        }
        DataType::Time32(_) | DataType::Time64(_) => {
            let nanos: Int64Array = (0..call.rows)
                .map(|row| sum(row).map(|t| crate::functions::cast::temporal::time_nanos(t.time())))
                .collect();
            let nanos = nanos.reinterpret_cast::<arrow::datatypes::Time64NanosecondType>();
            arrow::compute::cast(&(Arc::new(nanos) as ArrayRef), call.result.data_type())?
        }
        other => return Err(Error::internal("function.argument_type", format!("TIMESTAMPADD to {other}"))),
    })
}
