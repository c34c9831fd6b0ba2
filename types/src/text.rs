//! Values as text, the way Flink writes them.
//!
//! One [`TextStyle`] says what differs between `CAST(x AS STRING)`, a terminal and a COPY stream.
//! Source: Flink documentation, "CAST"; Java's `Double.toString` for floating point.

use crate::{Error, Result, SqlField, SqlType};
use arrow::array::{Array, AsArray};
use arrow::datatypes::*;
use chrono::{DateTime, NaiveDateTime};
use chrono_tz::Tz;
use std::fmt::Write;

/// Whether a value is NULL: Arrow keeps no validity for a column of the type NULL, and says that none of its rows is.
pub fn is_null(array: &dyn Array, row: usize) -> bool {
    array.is_null(row) || array.data_type() == &DataType::Null
}

/// What differs between the places where values are written as text.
#[derive(Debug, Clone)]
pub struct TextStyle {
    /// Spelling of TRUE.
    pub true_text: &'static str,
    /// Spelling of FALSE.
    pub false_text: &'static str,
    /// Spelling of NULL inside nested values.
    pub null_text: &'static str,
    /// What stands between date and time.
    pub between: char,
    /// Zone in which instants (TIMESTAMP_LTZ) are shown.
    pub zone: Tz,
    /// Whether instants end in `Z`.
    pub instant_suffix: &'static str,
}

impl Default for TextStyle {
    /// The text of `CAST(x AS STRING)` in a session whose zone is UTC.
    fn default() -> Self {
        Self {
            true_text: "TRUE",
            false_text: "FALSE",
            null_text: "NULL",
            between: ' ',
            zone: Tz::UTC,
            instant_suffix: "",
        }
    }
}

/// Writes columns as text; made once per column.
#[derive(Debug, Clone)]
pub struct ColumnText {
    style: TextStyle,
    digits: usize,
}

/// Digits after the point that a column's timestamps or times are shown with.
fn digits_of(field: &Field) -> usize {
    match SqlField::from_arrow(field).map(|f| f.sql_type) {
        Some(SqlType::Time(p) | SqlType::Timestamp(p) | SqlType::TimestampLtz(p)) => usize::from(p),
        _ => 0,
    }
}

impl ColumnText {
    /// A writer for values of `field`.
    pub fn new(field: &Field, style: &TextStyle) -> Self {
        Self { style: style.clone(), digits: digits_of(field) }
    }

    /// Appends the value at `row`, or nothing when it is NULL (the caller decides how NULL looks at the top).
    ///
    /// # Errors
    /// `text.type` for an Arrow type that has no counterpart in Flink.
    pub fn append(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
        if is_null(array, row) {
            return Ok(());
        }
        match array.data_type() {
            DataType::Null => {}
            DataType::Boolean => {
                out.push_str(if array.as_boolean().value(row) { self.style.true_text } else { self.style.false_text });
            }
            DataType::Int8 => push(out, array.as_primitive::<Int8Type>().value(row)),
            DataType::Int16 => push(out, array.as_primitive::<Int16Type>().value(row)),
            DataType::Int32 => push(out, array.as_primitive::<Int32Type>().value(row)),
            DataType::Int64 => push(out, array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => push(out, array.as_primitive::<UInt8Type>().value(row)),
            DataType::UInt16 => push(out, array.as_primitive::<UInt16Type>().value(row)),
            DataType::UInt32 => push(out, array.as_primitive::<UInt32Type>().value(row)),
            DataType::UInt64 => push(out, array.as_primitive::<UInt64Type>().value(row)),
            DataType::Float32 => append_float(array.as_primitive::<Float32Type>().value(row), out),
            DataType::Float64 => append_double(array.as_primitive::<Float64Type>().value(row), out),
            DataType::Decimal128(_, scale) => {
                append_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, out)
            }
            DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
            DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
            DataType::Binary => append_hex(array.as_binary::<i32>().value(row), out),
            DataType::LargeBinary => append_hex(array.as_binary::<i64>().value(row), out),
            DataType::BinaryView => append_hex(array.as_binary_view().value(row), out),
            DataType::FixedSizeBinary(_) => append_hex(array.as_fixed_size_binary().value(row), out),
            DataType::Date32 => append_date(i64::from(array.as_primitive::<Date32Type>().value(row)), out),
            DataType::Time32(_) | DataType::Time64(_) => append_time(time_nanos(array, row), self.digits, out),
            DataType::Timestamp(unit, zone) => {
                self.append_timestamp(timestamp_parts(array, *unit, row), zone.is_some(), out)
            }
            DataType::Duration(_) | DataType::Interval(_) => {
                out.push_str(&arrow::util::display::array_value_to_string(array, row)?);
            }
            DataType::List(item) => {
                let values = array.as_list::<i32>().value(row);
                self.append_list(item, values.as_ref(), out)?;
            }
            DataType::LargeList(item) => {
                let values = array.as_list::<i64>().value(row);
                self.append_list(item, values.as_ref(), out)?;
            }
            DataType::Map(_, _) => {
                let entries = array.as_map().value(row);
                let [keys, values] = [entries.column(0), entries.column(1)];
                let [key, value] = [0, 1].map(|i| ColumnText::new(&entries.fields()[i], &self.style));
                out.push('{');
                for i in 0..entries.len() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    key.append_nested(keys, i, out)?;
                    out.push('=');
                    value.append_nested(values, i, out)?;
                }
                out.push('}');
            }
            DataType::Struct(fields) => {
                let parts = array.as_struct();
                out.push('(');
                for (i, field) in fields.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    ColumnText::new(field, &self.style).append_nested(parts.column(i), row, out)?;
                }
                out.push(')');
            }
            DataType::Dictionary(_, _) => {
                let flat = arrow::compute::take(array, &arrow::array::UInt32Array::from(vec![row as u32]), None)?;
                let DataType::Dictionary(_, value_type) = array.data_type() else { return Ok(()) };
                self.append(&arrow::compute::cast(&flat, value_type)?, 0, out)?;
            }
            other => {
                return Err(Error::unsupported(
                    "text.type",
                    format!("a value of type {other} cannot be written as text"),
                )
                .hint("leave the column out"));
            }
        }
        Ok(())
    }

    fn append_nested(&self, array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
        if is_null(array, row) {
            out.push_str(self.style.null_text);
            return Ok(());
        }
        self.append(array, row, out)
    }

    fn append_list(&self, item: &Field, values: &dyn Array, out: &mut String) -> Result<()> {
        let inner = ColumnText::new(item, &self.style);
        out.push('[');
        for i in 0..values.len() {
            out.push_str(if i == 0 { "" } else { ", " });
            inner.append_nested(values, i, out)?;
        }
        out.push(']');
        Ok(())
    }

    fn append_timestamp(&self, (seconds, nanos): (i64, u32), instant: bool, out: &mut String) {
        let Some(utc) = DateTime::from_timestamp(seconds, nanos) else {
            push(out, seconds);
            return;
        };
        let local: NaiveDateTime =
            if instant { utc.with_timezone(&self.style.zone).naive_local() } else { utc.naive_utc() };
        push(out, local.format("%Y-%m-%d"));
        out.push(self.style.between);
        push(out, local.format("%H:%M:%S"));
        append_fraction(nanos, self.digits, out);
        if instant {
            out.push_str(self.style.instant_suffix);
        }
    }
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("a String takes every text");
}

fn append_fraction(nanos: u32, digits: usize, out: &mut String) {
    if digits > 0 {
        out.push('.');
        out.push_str(&format!("{nanos:09}")[..digits]);
    }
}

fn append_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        push(out, format_args!("{byte:02x}"));
    }
}

/// Appends a day number (days since 1970-01-01) as `yyyy-MM-dd`.
pub fn append_date(days: i64, out: &mut String) {
    match DateTime::from_timestamp(days.saturating_mul(86_400), 0) {
        Some(t) => push(out, t.format("%Y-%m-%d")),
        None => push(out, days),
    }
}

/// Appends a time of day in nanoseconds as `HH:mm:ss` with `digits` digits after the point.
pub fn append_time(nanos: i64, digits: usize, out: &mut String) {
    let seconds = nanos.div_euclid(1_000_000_000);
    push(out, format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    append_fraction(nanos.rem_euclid(1_000_000_000) as u32, digits, out);
}

/// Appends a decimal with its full scale.
///
/// ```
/// let mut text = String::new();
/// freshet_types::text::append_decimal(-5, 3, &mut text);
/// assert_eq!(text, "-0.005");
/// ```
pub fn append_decimal(value: i128, scale: i8, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    let digits = value.unsigned_abs().to_string();
    let Ok(scale @ 1..) = usize::try_from(scale) else {
        out.push_str(&digits);
        (0..scale.unsigned_abs()).for_each(|_| out.push('0'));
        return;
    };
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    push(out, format_args!("{whole}.{fraction}"));
}

/// Appends a double as Java's `Double.toString` does: `1.0`, `1.0E10`, `NaN`, `-Infinity`.
///
/// ```
/// let text = |x| { let mut t = String::new(); freshet_types::text::append_double(x, &mut t); t };
/// assert_eq!([text(1.0), text(1e7), text(0.00123), text(1.5e-7)], ["1.0", "1.0E7", "0.00123", "1.5E-7"]);
/// ```
pub fn append_double(value: f64, out: &mut String) {
    append_shortest(value, shortest_double(value), out);
}

/// The fewest digits that are this double; of two that are equally near, the even one, as Java, Python and C++ choose.
fn shortest_double(value: f64) -> String {
    let shortest = format!("{value:e}");
    let Some((mantissa, _)) = shortest.split_once('e') else { return shortest };
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    // Only texts as long as the precision of a double can be ties; rounding to a given length takes the even one.
    if digits < 15 || mantissa.as_bytes().last().is_some_and(|digit| digit % 2 == 0) {
        return shortest;
    }
    let even = format!("{value:.*e}", digits - 1);
    if even.parse() == Ok(value) { even } else { shortest }
}

/// Appends a float as Java's `Float.toString` does.
pub fn append_float(value: f32, out: &mut String) {
    append_shortest(f64::from(value), format!("{value:e}"), out);
}

fn append_shortest(value: f64, scientific: String, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if value == 0.0 {
        return out.push_str(if value.is_sign_negative() { "-0.0" } else { "0.0" });
    }
    let (mantissa, exponent) = scientific.split_once('e').expect("a number in scientific notation has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a whole number");
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |m| ("-", m));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    out.push_str(sign);
    if (-3..7).contains(&exponent) {
        if exponent < 0 {
            push(out, format_args!("0.{}{digits}", "0".repeat((-exponent - 1) as usize)));
        } else {
            let whole = exponent as usize + 1;
            let padded = format!("{digits:0<whole$}");
            let (before, after) = padded.split_at(whole);
            push(out, format_args!("{before}.{}", if after.is_empty() { "0" } else { after }));
        }
    } else {
        let (first, rest) = digits.split_at(1);
        push(out, format_args!("{first}.{}E{exponent}", if rest.is_empty() { "0" } else { rest }));
    }
}

fn time_nanos(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            i64::from(array.as_primitive::<Time32SecondType>().value(row)) * 1_000_000_000
        }
        DataType::Time32(_) => i64::from(array.as_primitive::<Time32MillisecondType>().value(row)) * 1_000_000,
        DataType::Time64(TimeUnit::Microsecond) => array.as_primitive::<Time64MicrosecondType>().value(row) * 1_000,
        _ => array.as_primitive::<Time64NanosecondType>().value(row),
    }
}

/// Seconds and nanoseconds since 1970-01-01 00:00 of the timestamp at `row`.
fn timestamp_parts(array: &dyn Array, unit: TimeUnit, row: usize) -> (i64, u32) {
    let (value, per_second) = match unit {
        TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1),
        TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000),
        TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000),
        TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1_000_000_000),
    };
    (value.div_euclid(per_second), (value.rem_euclid(per_second) * (1_000_000_000 / per_second)) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, TimestampMillisecondArray};
    use std::sync::Arc;

    #[test]
    fn doubles_look_like_javas() {
        for (value, text) in [
            (0.001, "0.001"),
            (0.0009999, "9.999E-4"),
            (9_999_999.0, "9999999.0"),
            (12_345_678.9, "1.23456789E7"),
            (-0.0, "-0.0"),
            (1.0 / 3.0, "0.3333333333333333"),
            (100.0, "100.0"),
            // Halfway between two texts of this length.
            (98.0 + 649.0 / 32_768.0, "98.01980590820312"),
            (-70_368_744_177_664.0 - 3.0 / 64.0, "-7.036874417766405E13"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
        ] {
            let mut out = String::new();
            append_double(value, &mut out);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn instants_are_shown_in_the_zone_of_the_session() {
        let style = TextStyle { zone: Tz::Asia__Shanghai, ..TextStyle::default() };
        let values: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![-1, 1_500]).with_timezone("UTC"));
        let column = ColumnText::new(&Field::new("t", values.data_type().clone(), true), &style);
        let text = |row| {
            let mut out = String::new();
            column.append(&values, row, &mut out).unwrap();
            out
        };
        assert_eq!([text(0), text(1)], ["1970-01-01 07:59:59.999", "1970-01-01 08:00:01.500"]);
    }
}
