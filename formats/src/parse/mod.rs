//! Text to values: what Flink's text formats have in common.

pub(crate) mod number;
pub(crate) mod time;

use crate::column::{Column, Kind};
use base64::Engine;

/// Why a text is not a value of the type of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It is not written like one.
    Form,
    /// It is too large or too small.
    Range,
    /// The separator, the zone or its absence is another one than the format's options say.
    Style,
}

/// How the timestamps of a format look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeStyle {
    /// Whether a space may stand between date and time.
    pub(crate) space: bool,
    /// Whether a `T` may stand there.
    pub(crate) letter: bool,
    /// Whether seconds may be left out.
    pub(crate) short: bool,
}

/// Flink's spelling of SQL timestamps: `2024-02-28 23:59:55.123`.
pub(crate) const SQL_TIME: TimeStyle = TimeStyle { space: true, letter: false, short: false };
/// ISO-8601: `2024-02-28T23:59:55.123`.
pub(crate) const ISO_TIME: TimeStyle = TimeStyle { space: false, letter: true, short: true };
/// Either.
pub(crate) const ANY_TIME: TimeStyle = TimeStyle { space: true, letter: true, short: false };

/// Writes the value that `text` spells into row `row` of a column that is not nested.
///
/// # Errors
/// A [`Misfit`]; the column may hold part of the value then.
pub(crate) fn push_text(column: &mut Column, row: usize, text: &[u8], style: TimeStyle) -> Result<(), Misfit> {
    match &mut column.kind {
        Kind::Text(v) => {
            simdutf8::basic::from_utf8(text).map_err(|_| Misfit::Form)?;
            v.push(row, text);
        }
        Kind::Unread(len) => {
            simdutf8::basic::from_utf8(text).map_err(|_| Misfit::Form)?;
            *len = row + 1;
        }
        Kind::Null => {}
        Kind::Boolean(v) => v.push(row, boolean(text.trim_ascii()).ok_or(Misfit::Form)?),
        Kind::TinyInt(v) => v.push(row, small_int(text)?),
        Kind::SmallInt(v) => v.push(row, small_int(text)?),
        Kind::Int(v) | Kind::Months(v) => v.push(row, small_int(text)?),
        Kind::BigInt(v) | Kind::Millis(v) => v.push(row, number::int(text.trim_ascii())?),
        Kind::Float(v) => v.push(row, number::float(text.trim_ascii()).ok_or(Misfit::Form)?),
        Kind::Double(v) => v.push(row, number::double(text.trim_ascii()).ok_or(Misfit::Form)?),
        Kind::Decimal(v, precision, scale) => v.push(row, number::decimal(text.trim_ascii(), *precision, *scale)?),
        Kind::Binary(v) => {
            v.open(row);
            base64::engine::general_purpose::STANDARD.decode_vec(text, &mut v.data).map_err(|_| Misfit::Form)?;
            v.close();
        }
        Kind::Date(v) => v.push(row, time::date(text.trim_ascii())?),
        Kind::ShortTime(v, digits) => {
            let value = time::time_of_day(text.trim_ascii(), *digits)?;
            v.push(row, i32::try_from(value).map_err(|_| Misfit::Range)?);
        }
        Kind::LongTime(v, digits) => v.push(row, time::time_of_day(text.trim_ascii(), *digits)?),
        Kind::Timestamp(v, digits) => v.push(row, time::timestamp(text.trim_ascii(), *digits, false, style)?),
        Kind::Instant(v, digits) => v.push(row, time::timestamp(text.trim_ascii(), *digits, true, style)?),
        Kind::List(_) | Kind::Map(_) | Kind::Row(_) => return Err(Misfit::Form),
    }
    Ok(())
}

fn small_int<T: TryFrom<i64>>(text: &[u8]) -> Result<T, Misfit> {
    T::try_from(number::int(text.trim_ascii())?).map_err(|_| Misfit::Range)
}

/// `true` or `false` in any case. Java takes every other text for false; we refuse it.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// Says why `text` is not a value of `column`.
pub(crate) fn explain(column: &Column, text: &[u8], misfit: Misfit) -> String {
    let shown = shorten(text);
    let label = &column.label;
    match (misfit, &column.kind) {
        (Misfit::Form, Kind::Text(_) | Kind::Unread(_)) => "text that is not valid UTF-8".to_string(),
        (Misfit::Form, Kind::Binary(_)) => format!("\"{shown}\" is not Base64, as {label} needs"),
        (Misfit::Form, _) => format!("\"{shown}\" is not a value of type {label}"),
        (Misfit::Range, _) => format!("\"{shown}\" is out of range for {label}"),
        (Misfit::Style, Kind::Instant(..)) => {
            format!("\"{shown}\" is not a {label} in the chosen timestamp format; it must end in \"Z\" or an offset")
        }
        (Misfit::Style, _) => format!("\"{shown}\" is not a {label} in the chosen timestamp format"),
    }
}

/// The beginning of a value, fit for a message.
pub(crate) fn shorten(text: &[u8]) -> String {
    const CHARS_MAX: usize = 60;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * CHARS_MAX)]);
    let mut shown: String = text.chars().take(CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > CHARS_MAX {
        shown.push_str("...");
    }
    shown
}
