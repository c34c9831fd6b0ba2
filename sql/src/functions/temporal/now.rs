//! The time of the session's clock.

use crate::functions::call::Call;
use crate::functions::cast::local_from_instant;
use crate::functions::cast::temporal::{days, time_nanos};
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0, Stability};
use arrow::array::ArrayRef;
use arrow::datatypes::{Date32Type, Time32SecondType, TimestampMillisecondType};
use chrono::NaiveDateTime;
use freshet_types::{Error, Result};

const NONE: Arguments = Arguments::exactly(&[]);

const fn clock(
    name: &'static str,
    text: (&'static str, &'static str),
    returns: SqlType0,
    evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
) -> Function {
    Function::new(name, Family::Temporal, text, NONE, Returns::Is(returns), evaluate)
        .stability(Stability::Clock)
        .never_null()
}

/// CURRENT_TIMESTAMP, NOW, LOCALTIMESTAMP, CURRENT_DATE, LOCALTIME, PROCTIME, CURRENT_WATERMARK ...
pub static FUNCTIONS: &[Function] = &[
    clock("current_timestamp", ("CURRENT_TIMESTAMP", "Now, as TIMESTAMP_LTZ(3)."), SqlType0::Instant, instant)
        .aliases(&["now", "current_row_timestamp", "proctime"]),
    clock(
        "localtimestamp",
        ("LOCALTIMESTAMP", "Now in the zone of the session, as TIMESTAMP(3)."),
        SqlType0::Timestamp,
        |call| {
            let now = local(call)?.and_utc().timestamp_millis();
            call.build::<TimestampMillisecondType>(|_| Some(now))
        },
    ),
    clock("current_date", ("CURRENT_DATE", "Today in the zone of the session."), SqlType0::Date, |call| {
        let today = days(local(call)?.date());
        call.build::<Date32Type>(|_| Some(today))
    }),
    clock("localtime", ("LOCALTIME", "Time of day in the zone of the session, as TIME(0)."), SqlType0::Time, |call| {
        let seconds = time_nanos(local(call)?.time()) / 1_000_000_000;
        call.build::<Time32SecondType>(|_| Some(seconds as i32))
    })
    .aliases(&["current_time"]),
    Function::new(
        "current_watermark",
        Family::Temporal,
        ("CURRENT_WATERMARK(rowtime)", "The watermark at a row; not there yet."),
        Arguments::exactly(&[Arg::Any]),
        Returns::With(|_| Err(no_watermark())),
        |_| Err(no_watermark()),
    ),
    Function::new(
        "source_watermark",
        Family::Temporal,
        ("SOURCE_WATERMARK()", "The watermark of the source itself; not there yet."),
        NONE,
        Returns::With(|_| Err(no_watermark())),
        |_| Err(no_watermark()),
    ),
];

fn no_watermark() -> Error {
    Error::unsupported("function.watermark", "functions cannot see watermarks yet")
        .hint("declare the watermark as an expression, as in WATERMARK FOR ts AS ts - INTERVAL '5' SECOND")
}

fn instant(call: &Call<'_>) -> Result<ArrayRef> {
    let now = call.context.now_ms();
    call.build::<TimestampMillisecondType>(|_| Some(now))
}

fn local(call: &Call<'_>) -> Result<NaiveDateTime> {
    let utc = chrono::DateTime::from_timestamp_millis(call.context.now_ms())
        .ok_or_else(|| call.error("the clock is outside of all calendars"))?;
    Ok(local_from_instant(utc.naive_utc(), call.context.time_zone))
}
