//! Writing points in time with a pattern.

use super::calendar::{week_of_month, week_of_year, week_year};
use super::{DAYS, Dialect, Item, MONTHS, Pattern};
use chrono::{Datelike, NaiveDateTime, Offset, TimeZone, Timelike};
use chrono_tz::{OffsetName, Tz};
use std::fmt::Write;

impl Pattern {
    /// Appends a wall time; `zone` answers the letters of the zone.
    pub(crate) fn format(&self, t: NaiveDateTime, zone: Tz, out: &mut String) {
        for item in &self.items {
            match item {
                Item::Text(text) => out.push_str(text),
                Item::Field(letter, times) => self.format_field(*letter, *times, t, zone, out),
                Item::OptionalStart | Item::OptionalEnd => {}
            }
        }
    }

    fn format_field(&self, letter: char, times: usize, t: NaiveDateTime, zone: Tz, out: &mut String) {
        let mut number = |value: i64| {
            write!(out, "{value:0times$}").expect("a String takes every text");
        };
        let name = |name: &str| if times >= 4 { name.to_string() } else { name[..3].to_string() };
        match letter {
            'u' if self.dialect == Dialect::Simple => number(i64::from(t.weekday().number_from_monday())),
            'y' | 'u' if times == 2 => number(i64::from(t.year().rem_euclid(100))),
            'y' | 'u' => number(i64::from(t.year())),
            'Y' if times == 2 => number(i64::from(week_year(t.date()).rem_euclid(100))),
            'Y' => number(i64::from(week_year(t.date()))),
            'M' | 'L' if times >= 3 => out.push_str(&name(MONTHS[t.month0() as usize])),
            'M' | 'L' => number(i64::from(t.month())),
            'd' => number(i64::from(t.day())),
            'D' => number(i64::from(t.ordinal())),
            'H' => number(i64::from(t.hour())),
            'k' => number(i64::from(if t.hour() == 0 { 24 } else { t.hour() })),
            'K' => number(i64::from(t.hour() % 12)),
            'h' => number(i64::from(t.hour12().1)),
            'm' => number(i64::from(t.minute())),
            's' => number(i64::from(t.second())),
            'S' if self.dialect == Dialect::Simple => number(i64::from(t.nanosecond() / 1_000_000)),
            'S' => {
                let digits = format!("{:09}", t.nanosecond() % 1_000_000_000);
                out.push_str(&digits[..times.min(9)]);
                out.extend(std::iter::repeat_n('0', times.saturating_sub(9)));
            }
            'n' => number(i64::from(t.nanosecond())),
            'N' => number(i64::from(t.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(t.nanosecond())),
            'A' => number(i64::from(t.num_seconds_from_midnight()) * 1_000 + i64::from(t.nanosecond() / 1_000_000)),
            'a' => out.push_str(if t.hour() < 12 { "AM" } else { "PM" }),
            'E' => out.push_str(&name(DAYS[t.weekday().num_days_from_sunday() as usize])),
            'e' | 'c' if times < 3 => number(i64::from(t.weekday().number_from_sunday())),
            'e' | 'c' => out.push_str(&name(DAYS[t.weekday().num_days_from_sunday() as usize])),
            'w' => number(i64::from(week_of_year(t.date()))),
            'F' => number(i64::from(t.day0() / 7 + 1)),
            'W' => number(i64::from(week_of_month(t.date()))),
            'Q' | 'q' if times == 3 => {
                let _ = write!(out, "Q{}", t.month0() / 3 + 1);
            }
            'Q' | 'q' => number(i64::from(t.month0() / 3 + 1)),
            'G' => out.push_str(if t.year() > 0 { "AD" } else { "BC" }),
            _ => {
                let offset = zone.offset_from_local_datetime(&t).earliest();
                let seconds = offset.as_ref().map_or(0, |o| o.fix().local_minus_utc());
                let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
                let (hours, minutes) = (size / 60, size % 60);
                match (letter, times) {
                    ('X', _) if seconds == 0 => out.push('Z'),
                    ('X' | 'x', 1) if minutes == 0 => write!(out, "{sign}{hours:02}").unwrap_or(()),
                    ('X' | 'x', 3..) | ('Z', 5..) => write!(out, "{sign}{hours:02}:{minutes:02}").unwrap_or(()),
                    ('V', _) => out.push_str(zone.name()),
                    ('z', _) => out.push_str(offset.as_ref().and_then(OffsetName::abbreviation).unwrap_or("UTC")),
                    ('O', _) => write!(out, "GMT{sign}{hours}").unwrap_or(()),
                    _ => write!(out, "{sign}{hours:02}{minutes:02}").unwrap_or(()),
                }
            }
        }
    }
}
