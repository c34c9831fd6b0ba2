//! Java's date patterns: writing and reading.
//!
//! Source: `java.time.format.DateTimeFormatter` and `java.text.SimpleDateFormat`.

use crate::functions::cast::temporal::smart_date;
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike};
use chrono_tz::{OffsetName, Tz};
use freshet_types::{Error, Result};
use std::fmt::Write;

/// Whose rules a pattern follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `DateTimeFormatter`: `S` is a fraction of the second, the whole text must match.
    Formatter,
    /// `SimpleDateFormat`: `S` counts milliseconds, numbers may have any length, text may follow.
    Simple,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// A letter and how often it stands there.
    Field(char, usize),
    Text(String),
    OptionalStart,
    OptionalEnd,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    items: Vec<Item>,
    dialect: Dialect,
}

const LETTERS: &str = "GyuYMLdDHhKkmsSnNAaEecwWQqXxZzVO";
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `function.date_pattern` for letters without a meaning and quotes without an end.
    pub(crate) fn new(pattern: &str, dialect: Dialect) -> Result<Self> {
        let refuse = |why: String| {
            Error::invalid("function.date_pattern", format!("the date pattern '{pattern}' {why}"))
                .hint("use Java's letters, as in yyyy-MM-dd HH:mm:ss.SSS, and put text in single quotes")
        };
        let mut items = Vec::new();
        let mut chars = pattern.chars().peekable();
        let text = |items: &mut Vec<Item>, c: char| match items.last_mut() {
            Some(Item::Text(text)) => text.push(c),
            _ => items.push(Item::Text(c.to_string())),
        };
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    if chars.peek() == Some(&'\'') {
                        chars.next();
                        text(&mut items, '\'');
                        continue;
                    }
                    loop {
                        match chars.next() {
                            Some('\'') if chars.peek() == Some(&'\'') => {
                                chars.next();
                                text(&mut items, '\'');
                            }
                            Some('\'') => break,
                            Some(c) => text(&mut items, c),
                            None => return Err(refuse("has a quote without an end".into())),
                        }
                    }
                }
                '[' if dialect == Dialect::Formatter => items.push(Item::OptionalStart),
                ']' if dialect == Dialect::Formatter => items.push(Item::OptionalEnd),
                c if c.is_ascii_alphabetic() => {
                    if !LETTERS.contains(c) {
                        return Err(refuse(format!("has the letter {c}, which has no meaning")));
                    }
                    let mut times = 1;
                    while chars.peek() == Some(&c) {
                        chars.next();
                        times += 1;
                    }
                    items.push(Item::Field(c, times));
                }
                c => text(&mut items, c),
            }
        }
        Ok(Self { items, dialect })
    }

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

    /// Reads a text: the wall time, and the offset when the text names one; none when it does not match.
    pub(crate) fn parse(&self, text: &str) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
        let mut parsed = Parsed::default();
        let rest = self.parse_items(&self.items, text, &mut parsed)?;
        if self.dialect == Dialect::Formatter && !rest.is_empty() {
            return None;
        }
        parsed.finish(self.dialect)
    }

    fn parse_items<'t>(&self, items: &[Item], text: &'t str, parsed: &mut Parsed) -> Option<&'t str> {
        let mut rest = text;
        let mut at = 0;
        while at < items.len() {
            match &items[at] {
                Item::OptionalStart => {
                    let mut depth = 0;
                    let end = items[at..].iter().position(|item| {
                        match item {
                            Item::OptionalStart => depth += 1,
                            Item::OptionalEnd => depth -= 1,
                            _ => {}
                        }
                        depth == 0
                    });
                    let end = end.map_or(items.len(), |e| at + e);
                    let mut attempt = parsed.clone();
                    if let Some(after) = self.parse_items(&items[at + 1..end], rest, &mut attempt) {
                        *parsed = attempt;
                        rest = after;
                    }
                    at = end;
                }
                Item::OptionalEnd => {}
                Item::Text(expected) => rest = rest.strip_prefix(expected.as_str())?,
                Item::Field(letter, times) => {
                    let adjacent = matches!(items.get(at + 1), Some(Item::Field(next, n)) if is_number(*next, *n));
                    rest = self.parse_field(*letter, *times, adjacent, rest, parsed)?;
                }
            }
            at += 1;
        }
        Some(rest)
    }

    fn parse_field<'t>(
        &self,
        letter: char,
        times: usize,
        adjacent: bool,
        text: &'t str,
        parsed: &mut Parsed,
    ) -> Option<&'t str> {
        let simple = self.dialect == Dialect::Simple;
        let text = if simple && is_number(letter, times) { text.trim_start_matches(' ') } else { text };
        if is_number(letter, times) {
            let (least, most) = match (letter, times) {
                _ if adjacent => (times, times),
                ('S', n) if !simple => (n, n),
                _ if simple => (1, 18),
                ('y' | 'u', n) if n != 2 => (n, 9),
                (_, 1) => (1, 9),
                (_, n) => (n, n),
            };
            let end = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
            if end < least {
                return None;
            }
            let value: i64 = text[..end].parse().ok()?;
            let value = i32::try_from(value).ok().or(if letter == 'A' || letter == 'n' { Some(0) } else { None })?;
            match letter {
                // Two digits are years around now for SimpleDateFormat, and of this century for DateTimeFormatter.
                // The number of the day of the week changes nothing beside a date.
                'u' if simple => {}
                'y' | 'u' if times == 2 && end == 2 => {
                    parsed.year = Some(2_000 + value - if simple && value > 45 { 100 } else { 0 });
                }
                'y' | 'u' => parsed.year = Some(value),
                'M' | 'L' => parsed.month = Some(value),
                'd' => parsed.day = Some(value),
                'D' => parsed.ordinal = Some(value),
                'H' => parsed.hour = Some(value),
                'k' => parsed.hour = Some(value % 24),
                'h' => parsed.hour12 = Some(value % 12),
                'K' => parsed.hour12 = Some(value),
                'm' => parsed.minute = Some(value),
                's' => parsed.second = Some(value),
                'S' if simple => parsed.nanos = Some(value.checked_mul(1_000_000)?),
                'S' => parsed.nanos = Some(format!("{:0<9}", &text[..end]).get(..9)?.parse().ok()?),
                'n' => parsed.nanos = Some(text[..end].parse().ok()?),
                _ => {}
            }
            return Some(&text[end..]);
        }
        match letter {
            'M' | 'L' => {
                let (index, rest) = named(&MONTHS, times, simple, text)?;
                parsed.month = Some(index as i32 + 1);
                Some(rest)
            }
            'E' | 'e' | 'c' => named(&DAYS, times, simple, text).map(|(_, rest)| rest),
            'a' => {
                let word = text.get(..2)?;
                parsed.afternoon = Some(word.eq_ignore_ascii_case("PM"));
                (word.eq_ignore_ascii_case("AM") || word.eq_ignore_ascii_case("PM")).then(|| &text[2..])
            }
            'G' => text.strip_prefix("AD").or_else(|| text.strip_prefix("BC")),
            _ => {
                let (offset, rest) = zone_offset(text)?;
                parsed.offset = Some(offset);
                Some(rest)
            }
        }
    }
}

fn is_number(letter: char, times: usize) -> bool {
    match letter {
        'M' | 'L' | 'e' | 'c' => times < 3,
        'y' | 'u' | 'd' | 'D' | 'H' | 'h' | 'K' | 'k' | 'm' | 's' | 'S' | 'n' | 'A' | 'w' | 'W' | 'Q' | 'q' => true,
        _ => false,
    }
}

fn named<'t>(names: &[&str], times: usize, any_length: bool, text: &'t str) -> Option<(usize, &'t str)> {
    let prefix = |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    for (index, name) in names.iter().enumerate() {
        if (times >= 4 || any_length) && prefix(name) {
            return Some((index, &text[name.len()..]));
        }
    }
    for (index, name) in names.iter().enumerate() {
        if (times < 4 || any_length) && prefix(&name[..3]) {
            return Some((index, &text[3..]));
        }
    }
    None
}

/// `Z`, `+08`, `+0800`, `+08:00`, `GMT`, `UTC`.
fn zone_offset(text: &str) -> Option<(FixedOffset, &str)> {
    for name in ["GMT", "UTC", "Z"] {
        if let Some(rest) = text.strip_prefix(name) {
            if name != "Z" && rest.starts_with(['+', '-']) {
                return zone_offset(rest);
            }
            return Some((FixedOffset::east_opt(0)?, rest));
        }
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = |at: usize| text.get(at..at + 2)?.parse::<i32>().ok();
    let hours = digits(1)?;
    let (minutes, end) = match (text.as_bytes().get(3), digits(3), digits(4)) {
        (Some(b':'), _, Some(minutes)) => (minutes, 6),
        (Some(_), Some(minutes), _) => (minutes, 5),
        _ => (0, 3),
    };
    Some((FixedOffset::east_opt(sign * (hours * 3_600 + minutes * 60))?, &text[end..]))
}

/// The year that the week of a day belongs to: that of the week's Saturday.
fn week_year(date: NaiveDate) -> i32 {
    let rest = 6 - date.weekday().num_days_from_sunday();
    date.checked_add_signed(TimeDelta::days(i64::from(rest))).map_or(date.year(), |saturday| saturday.year())
}

fn week_of_year(date: NaiveDate) -> u32 {
    if week_year(date) != date.year() {
        return 1;
    }
    // The weeks of the American calendar: the week of 1 January is the first, and begins on Sunday.
    let first = NaiveDate::from_ymd_opt(date.year(), 1, 1).unwrap_or(date);
    (date.ordinal0() + first.weekday().num_days_from_sunday()) / 7 + 1
}

fn week_of_month(date: NaiveDate) -> u32 {
    let first = date.with_day(1).unwrap_or(date);
    (date.day0() + first.weekday().num_days_from_sunday()) / 7 + 1
}

#[derive(Debug, Clone, Default)]
struct Parsed {
    year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    ordinal: Option<i32>,
    hour: Option<i32>,
    hour12: Option<i32>,
    afternoon: Option<bool>,
    minute: Option<i32>,
    second: Option<i32>,
    nanos: Option<i32>,
    offset: Option<FixedOffset>,
}

impl Parsed {
    /// What was not named is the start: 1970-01-01 00:00.
    ///
    /// SimpleDateFormat is lenient: the 13th month is January of the next year, the 90th minute half past one. The
    /// other takes the last day of a month for days that it lacks, and 24:00 for midnight.
    fn finish(self, dialect: Dialect) -> Option<(NaiveDateTime, Option<FixedOffset>)> {
        let year = self.year.unwrap_or(1970);
        let unsigned = |value: i32| u32::try_from(value).ok();
        let hour = match (self.hour, self.hour12) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.afternoon.unwrap_or(false) { 12 } else { 0 },
            (None, None) => 0,
        };
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        let (month, day, nanos) = (self.month.unwrap_or(1), self.day.unwrap_or(1), self.nanos.unwrap_or(0));
        if dialect == Dialect::Simple {
            let months = i64::from(year) * 12 + i64::from(month) - 1;
            let first = NaiveDate::from_ymd_opt(
                i32::try_from(months.div_euclid(12)).ok()?,
                u32::try_from(months.rem_euclid(12)).ok()? + 1,
                1,
            )?;
            let days = self.ordinal.unwrap_or(day) - 1;
            let time = TimeDelta::seconds(i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second))
                + TimeDelta::nanoseconds(i64::from(nanos));
            let start = first.checked_add_signed(TimeDelta::days(i64::from(days)))?.and_time(NaiveTime::MIN);
            return Some((start.checked_add_signed(time)?, self.offset));
        }
        let date = match self.ordinal {
            Some(ordinal) => NaiveDate::from_yo_opt(year, unsigned(ordinal)?)?,
            None => smart_date(year, unsigned(month)?, unsigned(day)?)?,
        };
        if hour == 24 && (minute, second, nanos) == (0, 0, 0) {
            return Some((date.succ_opt()?.and_time(NaiveTime::MIN), self.offset));
        }
        let time =
            NaiveTime::from_hms_nano_opt(unsigned(hour)?, unsigned(minute)?, unsigned(second)?, unsigned(nanos)?)?;
        Some((date.and_time(time), self.offset))
    }
}

/// Patterns of a column: a constant is compiled once, others when they change.
#[derive(Debug)]
pub(crate) struct Patterns {
    dialect: Dialect,
    last: Option<(String, Pattern)>,
}

impl Patterns {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, last: None }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn get(&mut self, pattern: &str) -> Result<&Pattern> {
        if self.last.as_ref().is_none_or(|(text, _)| text != pattern) {
            self.last = Some((pattern.to_string(), Pattern::new(pattern, self.dialect)?));
        }
        Ok(&self.last.as_ref().expect("it was set just now").1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_write_what_java_writes() {
        let t = NaiveDate::from_ymd_opt(2024, 3, 5).unwrap().and_hms_nano_opt(14, 7, 9, 120_456_789).unwrap();
        for (pattern, text) in [
            ("yyyy-MM-dd HH:mm:ss", "2024-03-05 14:07:09"),
            ("yy/M/d h:m a", "24/3/5 2:7 PM"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2024-03-05T14:07:09.120"),
            ("EEEE, d MMMM yyyy", "Tuesday, 5 March 2024"),
            ("EEE MMM", "Tue Mar"),
            ("DDD Q", "065 1"),
            ("HH 'o''clock'", "14 o'clock"),
            ("SSSSSS", "120456"),
            ("yyyyMMdd XXX", "20240305 +01:00"),
        ] {
            let mut out = String::new();
            Pattern::new(pattern, Dialect::Formatter).unwrap().format(t, Tz::Europe__Berlin, &mut out);
            assert_eq!(out, text, "{pattern}");
        }
    }

    #[test]
    fn patterns_read_what_java_reads() {
        for (pattern, text, dialect, result) in [
            ("yyyy-MM-dd HH:mm:ss", "2024-03-05 14:07:09", Dialect::Formatter, Some("2024-03-05 14:07:09")),
            ("yyyyMMddHHmmss", "20240305140709", Dialect::Formatter, Some("2024-03-05 14:07:09")),
            ("yyyy-MM-dd", "2024-3-5", Dialect::Formatter, None),
            ("yyyy-MM-dd", "2024-3-5", Dialect::Simple, Some("2024-03-05 00:00:00")),
            ("yyyy-MM-dd", "2024-03-05 later", Dialect::Formatter, None),
            ("yyyy-MM-dd", "2024-03-05 later", Dialect::Simple, Some("2024-03-05 00:00:00")),
            ("dd/MMM/yyyy:HH:mm:ss", "05/Mar/2024:01:02:03", Dialect::Formatter, Some("2024-03-05 01:02:03")),
            ("yyyy-MM-dd[ HH:mm]", "2024-03-05", Dialect::Formatter, Some("2024-03-05 00:00:00")),
            ("yyyy-MM-dd hh:mm a", "2024-03-05 02:03 PM", Dialect::Formatter, Some("2024-03-05 14:03:00")),
        ] {
            let parsed = Pattern::new(pattern, dialect).unwrap().parse(text).map(|(t, _)| t.to_string());
            assert_eq!(parsed.as_deref(), result, "{pattern} {text}");
        }
        assert!(Pattern::new("yyyy 'x", Dialect::Formatter).is_err());
        assert!(Pattern::new("jj", Dialect::Formatter).is_err());
    }
}
