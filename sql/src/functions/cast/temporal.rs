//! Days, times and instants: reading them from text, and going between wall time and instants.

use chrono::{
    DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike,
};
use chrono_tz::Tz;

/// Nanoseconds of a day.
pub(crate) const DAY_NANOS: i64 = 86_400_000_000_000;

/// The instant at which clocks in `zone` show `local`. In a gap of the clock the time counts on as if it had not been
/// moved; where a time comes twice, the first is meant (as Java's `LocalDateTime.atZone`).
pub fn instant_from_local(local: NaiveDateTime, zone: Tz) -> NaiveDateTime {
    if zone == Tz::UTC {
        return local;
    }
    match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => local - offset.fix(),
        MappedLocalTime::None => {
            let before = local - TimeDelta::days(1);
            match zone.offset_from_local_datetime(&before) {
                MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => local - offset.fix(),
                MappedLocalTime::None => local,
            }
        }
    }
}

/// The same, but where a time comes twice the second is meant (as Java's `GregorianCalendar`, under `SimpleDateFormat`).
pub(crate) fn later_instant_from_local(local: NaiveDateTime, zone: Tz) -> NaiveDateTime {
    match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Ambiguous(_, offset) => local - offset.fix(),
        _ => instant_from_local(local, zone),
    }
}

/// What clocks in `zone` show at an instant.
pub fn local_from_instant(instant: NaiveDateTime, zone: Tz) -> NaiveDateTime {
    if zone == Tz::UTC {
        return instant;
    }
    instant + zone.offset_from_utc_datetime(&instant).fix()
}

/// Seconds and nanoseconds since 1970-01-01 00:00 as date and time.
pub(crate) fn datetime(seconds: i64, nanos: u32) -> Option<NaiveDateTime> {
    DateTime::from_timestamp(seconds, nanos).map(|t| t.naive_utc())
}

/// Days since 1970-01-01.
pub(crate) fn days(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

/// The date of a day number.
pub(crate) fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(719_163)?)
}

fn number(text: &str, most_digits: usize) -> Option<u32> {
    if text.is_empty() || text.len() > most_digits || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// A day: `yyyy-MM-dd`, with short months and days allowed, and a time behind it ignored.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    let text = text.trim();
    let text = text.split_once([' ', 'T']).map_or(text, |(day, _)| day);
    parse_day(text)
}

fn parse_day(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let year = parts.next()?;
    if year.len() > 4 || year.is_empty() {
        return None;
    }
    let year = number(year, 4)?;
    let month = match parts.next() {
        Some(month) => number(month, 2)?,
        None => 1,
    };
    let day = match parts.next() {
        Some(day) => number(day, 2)?,
        None => 1,
    };
    if parts.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// A time of day: `HH:mm:ss`, with a fraction, or without seconds.
pub(crate) fn parse_time(text: &str) -> Option<NaiveTime> {
    let text = text.trim();
    let (clock, fraction) = text.split_once('.').map_or((text, ""), |(c, f)| (c, f));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.len() > 9 || text.ends_with('.') {
        return None;
    }
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 2)?;
    let minute = parts.next().map_or(Some(0), |m| number(m, 2))?;
    let second = parts.next().map_or(Some(0), |s| number(s, 2))?;
    if parts.next().is_some() {
        return None;
    }
    if !fraction.is_empty() && clock.split(':').count() != 3 {
        return None;
    }
    let nanos = if fraction.is_empty() { 0 } else { format!("{fraction:0<9}").parse().ok()? };
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)
}

/// A timestamp: `yyyy-MM-dd[ HH:mm:ss[.fraction]]`, resolved as Java's `ResolverStyle.SMART` does.
pub(crate) fn parse_timestamp(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    match text.split_once(' ') {
        None => smart_day(text)?.and_hms_opt(0, 0, 0),
        Some((day, clock)) => {
            if clock.split(':').count() != 3 {
                return None;
            }
            let day = smart_day(day)?;
            let is_midnight = |rest: &str| rest.bytes().all(|b| matches!(b, b'0' | b':' | b'.'));
            match clock.strip_prefix("24:") {
                Some(rest) if is_midnight(rest) => day.succ_opt()?.and_hms_opt(0, 0, 0),
                _ => Some(day.and_time(parse_time(clock)?)),
            }
        }
    }
}

fn smart_day(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    smart_date(i32::try_from(number(year, 4)?).ok()?, month, day)
}

/// A day of a month; one to thirty-one is there in every month, and stands for the last where there are fewer.
pub(crate) fn smart_date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    let last = NaiveDate::from_ymd_opt(year, month, 1)?.num_days_in_month();
    NaiveDate::from_ymd_opt(year, month, if day <= 31 { day.min(u32::from(last)) } else { day })
}

/// Nanoseconds since midnight.
pub(crate) fn time_nanos(time: NaiveTime) -> i64 {
    i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(time.nanosecond())
}

/// The largest unit of which a value with `precision` digits is a multiple, in steps of `per_second`.
pub(crate) fn truncate(value: i64, per_second: i64, precision: u8) -> i64 {
    let step = per_second / 10i64.pow(u32::from(precision.min(9))).min(per_second);
    if step <= 1 { value } else { value - value.rem_euclid(step) }
}
