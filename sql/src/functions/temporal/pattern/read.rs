//! Reading points in time with a pattern.

use super::calendar::Parsed;
use super::{DAYS, Dialect, Item, MONTHS, Pattern};
use chrono::{FixedOffset, NaiveDateTime};

impl Pattern {
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
                ('y' | 'u' | 'Y', n) if n != 2 => (n, 9),
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
                'u' if simple => parsed.date('E', value % 7 + 1),
                // Two digits are years around now for SimpleDateFormat, and of this century for DateTimeFormatter.
                'y' | 'u' | 'Y' if times == 2 && end == 2 => {
                    let year = 2_000 + value - if simple && value > 45 { 100 } else { 0 };
                    parsed.date(if letter == 'Y' { 'Y' } else { 'y' }, year);
                }
                'y' | 'u' => parsed.date('y', value),
                'M' | 'L' => parsed.date('M', value),
                'e' | 'c' => parsed.date('E', value),
                'Y' | 'd' | 'D' | 'w' | 'W' | 'F' => parsed.date(letter, value),
                'H' => parsed.hour = Some(value),
                'k' => parsed.hour = Some(if value == 24 { 0 } else { value }),
                'h' => parsed.hour12 = Some(if value == 12 { 0 } else { value }),
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
                parsed.date('M', index as i32 + 1);
                Some(rest)
            }
            'E' | 'e' | 'c' => {
                let (index, rest) = named(&DAYS, times, simple, text)?;
                parsed.date('E', index as i32 + 1);
                Some(rest)
            }
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
        _ => "yuYdDHhKkmsSnAwWFQq".contains(letter),
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
