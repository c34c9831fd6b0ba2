//! Dates, times and timestamps as Java's ISO formatters write them: no zeros at the end of a fraction.

use arrow::datatypes::TimeUnit;

/// Year, month and day of a day number.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[inline]
fn two(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
}

/// Appends a day number as `yyyy-MM-dd`.
pub(crate) fn date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9_999).contains(&year) {
        two(year as u32 / 100, out);
        two(year as u32 % 100, out);
    } else {
        out.extend_from_slice(format!("{}{:04}", if year < 0 { '-' } else { '+' }, year.unsigned_abs()).as_bytes());
    }
    out.push(b'-');
    two(month, out);
    out.push(b'-');
    two(day, out);
}

/// Appends a time of day as `HH:mm:ss`, with a fraction only where there is one.
pub(crate) fn time_of_day(seconds: i64, nanos: u32, out: &mut Vec<u8>) {
    let seconds = seconds.rem_euclid(86_400) as u32;
    two(seconds / 3_600, out);
    out.push(b':');
    two(seconds / 60 % 60, out);
    out.push(b':');
    two(seconds % 60, out);
    if nanos > 0 {
        let (mut nanos, mut digits) = (nanos, 9);
        while nanos % 10 == 0 {
            nanos /= 10;
            digits -= 1;
        }
        out.push(b'.');
        let start = out.len();
        out.resize(start + digits, b'0');
        for slot in out[start..].iter_mut().rev() {
            *slot = b'0' + (nanos % 10) as u8;
            nanos /= 10;
        }
    }
}

/// Appends a timestamp with `between` between date and time.
pub(crate) fn timestamp(seconds: i64, nanos: u32, between: u8, out: &mut Vec<u8>) {
    date(seconds.div_euclid(86_400), out);
    out.push(between);
    time_of_day(seconds, nanos, out);
}

/// Whole seconds and the nanoseconds behind them.
#[inline]
pub(crate) fn split(value: i64, unit: TimeUnit) -> (i64, u32) {
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    (value.div_euclid(per_second), (value.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Digits;
    use crate::parse::{SQL_TIME, time::timestamp as parse};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_timestamp_comes_back(micros in -100_000_000_000_000_000_i64..300_000_000_000_000_000) {
            let (seconds, nanos) = split(micros, TimeUnit::Microsecond);
            let mut text = Vec::new();
            timestamp(seconds, nanos, b' ', &mut text);
            let digits = Digits { unit: TimeUnit::Microsecond, precision: 6 };
            prop_assert_eq!(parse(&text, digits, false, SQL_TIME), Ok(micros), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn fractions_end_where_their_zeros_begin() {
        for (value, text) in [
            (0, "1970-01-01 00:00:00"),
            (1, "1970-01-01 00:00:00.001"),
            (120, "1970-01-01 00:00:00.12"),
            (-1, "1969-12-31 23:59:59.999"),
            (253_402_300_800_000, "+10000-01-01 00:00:00"),
            (-62_198_755_200_000, "-0001-01-01 00:00:00"),
        ] {
            let (seconds, nanos) = split(value, TimeUnit::Millisecond);
            let mut out = Vec::new();
            timestamp(seconds, nanos, b' ', &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
