//! Dates, times and timestamps from text.

use super::{Misfit, TimeStyle};
use crate::column::Digits;
use arrow::datatypes::TimeUnit;

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
#[inline]
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    // What is left fits into 32 bits, where divisions are cheap.
    let (year_of_era, month) = ((year - era * 400) as u32, month as u32);
    let month_from_march = if month <= 2 { month + 9 } else { month - 3 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day as u32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + i64::from(day_of_era) - 719_468
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of two digits at `at`.
#[inline]
fn two_digits(text: &[u8], at: usize) -> Option<i64> {
    let [a, b] = text.get(at..at + 2)? else { return None };
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    if a > 9 || b > 9 { None } else { Some(i64::from(a) * 10 + i64::from(b)) }
}

/// A day and the length of its text: `yyyy-MM-dd`, or with a sign and up to nine digits of the year.
#[inline]
fn day_at(text: &[u8]) -> Result<(i64, usize), Misfit> {
    match plain_day(text) {
        Some((year, month, day)) if (1..=12).contains(&month) && (1..=28).contains(&day) => {
            Ok((days_from_civil(year, month, day), 10))
        }
        _ => any_day_at(text),
    }
}

/// Year, month and day of `yyyy-MM-dd`, in the eight bytes of its digits at once; none for anything else.
#[inline]
fn plain_day(text: &[u8]) -> Option<(i64, i64, i64)> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text.first_chunk::<10>()? else { return None };
    let digits = u64::from_le_bytes([y0, y1, y2, y3, m0, m1, d0, d1]).wrapping_sub(0x3030_3030_3030_3030);
    // A byte that is no digit leaves more than 9, or more than 127 after a borrow.
    if (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Pairs of digits: each byte of even place holds ten times itself and the next.
    let pairs = (digits.wrapping_mul(10)).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let [y, _, y_low, _, month, _, day, _] = pairs.to_le_bytes();
    Some((i64::from(y) * 100 + i64::from(y_low), i64::from(month), i64::from(day)))
}

/// A day in any of its forms.
fn any_day_at(text: &[u8]) -> Result<(i64, usize), Misfit> {
    let (negative, start) = match text.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let digits = text[start..].iter().take_while(|b| b.is_ascii_digit()).take(10).count();
    let known = (digits == 4 && (start == 0 || negative)) || (start == 1 && (5..=9).contains(&digits));
    if !known {
        return Err(Misfit::Form);
    }
    let year = text[start..start + digits].iter().fold(0, |y, d| y * 10 + i64::from(d - b'0'));
    let year = if negative { -year } else { year };
    let at = start + digits;
    let (Some(month), Some(day)) = (two_digits(text, at + 1), two_digits(text, at + 4)) else {
        return Err(Misfit::Form);
    };
    if text[at] != b'-' || text[at + 3] != b'-' {
        return Err(Misfit::Form);
    }
    if !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return Err(Misfit::Range);
    }
    Ok((days_from_civil(year, month, day), at + 6))
}

/// Nanoseconds of a time of day and the length of its text: `HH:mm:ss`, with up to nine digits behind a point.
#[inline]
fn time_at(text: &[u8], short: bool) -> Result<(i64, usize), Misfit> {
    let (Some(hour), Some(minute)) = (two_digits(text, 0), two_digits(text, 3)) else { return Err(Misfit::Form) };
    if text[2] != b':' {
        return Err(Misfit::Form);
    }
    let mut len = 5;
    let mut second = 0;
    let mut nanos = 0;
    if text.get(5) == Some(&b':') {
        second = two_digits(text, 6).ok_or(Misfit::Form)?;
        len = 8;
        if text.get(8) == Some(&b'.') {
            let mut digits = 0;
            while let Some(d @ b'0'..=b'9') = text.get(9 + digits) {
                if digits == 9 {
                    return Err(Misfit::Form);
                }
                nanos = nanos * 10 + i64::from(d - b'0');
                digits += 1;
            }
            nanos *= POWERS[9 - digits];
            len = 9 + digits;
        }
    } else if !short {
        return Err(Misfit::Form);
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(Misfit::Range);
    }
    Ok((((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos, len))
}

const POWERS: [i64; 10] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Days since 1970-01-01.
pub(crate) fn date(text: &[u8]) -> Result<i32, Misfit> {
    let (days, len) = day_at(text)?;
    if len != text.len() {
        return Err(Misfit::Form);
    }
    i32::try_from(days).map_err(|_| Misfit::Range)
}

/// A time of day in the unit of its column.
pub(crate) fn time_of_day(text: &[u8], digits: Digits) -> Result<i64, Misfit> {
    let (nanos, len) = time_at(text, false)?;
    if len != text.len() {
        return Err(Misfit::Form);
    }
    Ok(cut(nanos, digits.precision) / nanos_per(digits.unit))
}

/// Wall time, or an instant when `instant`, in the unit of its column. Digits beyond its precision are cut off.
pub(crate) fn timestamp(text: &[u8], digits: Digits, instant: bool, style: TimeStyle) -> Result<i64, Misfit> {
    let (days, date_len) = day_at(text)?;
    let between = *text.get(date_len).ok_or(Misfit::Form)?;
    match between {
        b' ' if style.space => {}
        b'T' if style.letter => {}
        b' ' | b'T' => return Err(Misfit::Style),
        _ => return Err(Misfit::Form),
    }
    let (nanos, time_len) = time_at(&text[date_len + 1..], style.short)?;
    let rest = &text[date_len + 1 + time_len..];
    let offset_seconds = match rest {
        [] if !instant => 0,
        [b'Z'] if instant => 0,
        [] | [b'Z'] => return Err(Misfit::Style),
        [sign @ (b'+' | b'-'), zone @ ..] if instant => {
            let (hours, minutes) = match zone.len() {
                5 if zone[2] == b':' => (two_digits(zone, 0), two_digits(zone, 3)),
                4 => (two_digits(zone, 0), two_digits(zone, 2)),
                2 => (two_digits(zone, 0), Some(0)),
                _ => return Err(Misfit::Form),
            };
            let (Some(hours @ 0..=18), Some(minutes @ 0..=59)) = (hours, minutes) else { return Err(Misfit::Form) };
            let seconds = (hours * 60 + minutes) * 60;
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return Err(Misfit::Form),
    };
    let seconds = days * 86_400 + nanos / 1_000_000_000 - offset_seconds;
    let nanos = cut(nanos % 1_000_000_000, digits.precision);
    let unit_nanos = nanos_per(digits.unit);
    seconds
        .checked_mul(1_000_000_000 / unit_nanos)
        .and_then(|whole| whole.checked_add(nanos / unit_nanos))
        .ok_or(Misfit::Range)
}

#[inline]
fn cut(nanos: i64, precision: u8) -> i64 {
    if precision >= 9 {
        return nanos;
    }
    let step = POWERS[usize::from(9 - precision)];
    nanos / step * step
}

#[inline]
fn nanos_per(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{ANY_TIME, ISO_TIME, SQL_TIME};

    const MILLIS: Digits = Digits { unit: TimeUnit::Millisecond, precision: 3 };

    #[test]
    fn days_are_counted_like_chrono_counts_them() {
        for days in (-800_000..800_000).step_by(97).chain([-719_528, 0, 11_016, 19_782]) {
            let mut text = String::new();
            freshet_types::text::append_date(days, &mut text);
            if !text.starts_with(['-', '+']) {
                assert_eq!(date(text.as_bytes()), Ok(days as i32), "{text}");
            }
        }
        for text in ["2023-02-29", "2023-13-01", "2023-00-10", "2023-04-31", "1900-02-29"] {
            assert_eq!(date(text.as_bytes()), Err(Misfit::Range), "{text}");
        }
        for text in ["", "2023", "2023-1-1", "23-01-01", "2023-01-01 ", "2023/01/01", "99999-01-01", "x023-01-01"] {
            assert_eq!(date(text.as_bytes()), Err(Misfit::Form), "{text}");
        }
        assert_eq!(date(b"+10000-01-01"), Ok(2_932_897));
    }

    #[test]
    fn timestamps_follow_the_style() {
        let parse = |text: &str, instant, style| timestamp(text.as_bytes(), MILLIS, instant, style);
        assert_eq!(parse("1970-01-02 00:00:00.5", false, SQL_TIME), Ok(86_400_500));
        assert_eq!(parse("1970-01-02T00:00", false, ISO_TIME), Ok(86_400_000));
        assert_eq!(parse("1970-01-02 00:00", false, SQL_TIME), Err(Misfit::Form));
        assert_eq!(parse("1970-01-02T00:00:00", false, SQL_TIME), Err(Misfit::Style));
        assert_eq!(parse("1970-01-02 00:00:00", false, ISO_TIME), Err(Misfit::Style));
        assert_eq!(parse("1970-01-02T00:00:00", false, ANY_TIME), Ok(86_400_000));
        assert_eq!(parse("1970-01-02 00:00:00Z", false, SQL_TIME), Err(Misfit::Style));
        assert_eq!(parse("1970-01-02 00:00:00Z", true, SQL_TIME), Ok(86_400_000));
        assert_eq!(parse("1970-01-02 00:00:00", true, SQL_TIME), Err(Misfit::Style));
        assert_eq!(parse("1970-01-02T08:00:00+08:00", true, ISO_TIME), Ok(86_400_000));
        assert_eq!(parse("1969-12-31 23:59:59.9999", false, SQL_TIME), Ok(-1));
        assert_eq!(parse("1970-01-01 24:00:00", false, SQL_TIME), Err(Misfit::Range));
        assert_eq!(parse("1970-01-01 00:00:00.1234567890", false, SQL_TIME), Err(Misfit::Form));
        let nanos = Digits { unit: TimeUnit::Nanosecond, precision: 9 };
        assert_eq!(timestamp(b"9999-12-31 23:59:59", nanos, false, SQL_TIME), Err(Misfit::Range));
        let tenth = Digits { unit: TimeUnit::Millisecond, precision: 1 };
        assert_eq!(timestamp(b"1970-01-01 00:00:00.19", tenth, false, SQL_TIME), Ok(100));
    }
}
