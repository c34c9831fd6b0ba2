//! Reads numbers, booleans and decimals from text as Flink does.

use super::number::{decimal_fits, divide_half_up};

/// TRUE or FALSE; none for other words, and for blanks around them.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(&["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else if is(&["f", "false", "n", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// A whole number; digits after a point are read and dropped.
pub(crate) fn parse_long(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    let (whole, fraction) = text.split_once('.')?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match whole {
        "" | "+" | "-" if !fraction.is_empty() => Some(0),
        whole => whole.parse().ok(),
    }
}

/// A floating-point number in the words of Java's `Double.parseDouble`.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    // Rust reads "inf" and "nan" too, Java a trailing "d" or "f".
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().ok()
}

/// A float, rounded once.
pub(crate) fn parse_float(text: &str) -> Option<f32> {
    let trimmed = text.trim();
    trimmed
        .parse::<f32>()
        .ok()
        .filter(|_| parse_double(text).is_some())
        .or_else(|| parse_double(text).map(|d| d as f32))
}

/// A decimal: none when the text is not a number, `Some(None)` when it does not fit.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<Option<i128>> {
    let text = text.trim();
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
        None => (rest, 0),
    };
    const MOST: i128 = 10i128.pow(37);
    let mut value: i128 = 0;
    // Place of the last digit kept, counted after the point.
    let mut places: i64 = 0;
    let mut dropped: i64 = 0;
    let mut seen_point = false;
    let mut any = false;
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' => {
                any = true;
                if value < MOST {
                    value = value * 10 + i128::from(byte - b'0');
                    places += i64::from(seen_point);
                } else {
                    // No result shows more than 38 digits; those before the point still count for its size.
                    dropped += i64::from(!seen_point);
                }
            }
            b'.' if !seen_point => seen_point = true,
            _ => return None,
        }
    }
    if !any {
        return None;
    }
    let from = places - exponent - dropped;
    let shift = i64::from(scale) - from;
    let scaled = if value == 0 {
        Some(0)
    } else if shift >= 0 {
        u32::try_from(shift).ok().and_then(|s| 10i128.checked_pow(s)).and_then(|f| value.checked_mul(f))
    } else {
        match u32::try_from(-shift).ok().and_then(|s| 10i128.checked_pow(s)) {
            Some(divisor) => Some(divide_half_up(value, divisor)),
            None => Some(0),
        }
    };
    Some(scaled.filter(|v| decimal_fits(*v, precision)).map(|v| if negative { -v } else { v }))
}
