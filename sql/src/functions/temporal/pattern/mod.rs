//! Java's date patterns: writing and reading.
//!
//! Source: `java.time.format.DateTimeFormatter` and `java.text.SimpleDateFormat`.

mod calendar;
mod read;
mod write;

use freshet_types::{Error, Result};

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

impl Dialect {
    /// The letters that mean something.
    fn letters(self) -> &'static str {
        match self {
            Dialect::Formatter => "GyuYMLdDHhKkmsSnNAaEecwWQqXxZzVO",
            Dialect::Simple => "GyYMLwWDdFEuaHkKhmsSzZX",
        }
    }
}

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
                    if !dialect.letters().contains(c) {
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

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
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
    use chrono::NaiveDate;
    use chrono_tz::Tz;

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
