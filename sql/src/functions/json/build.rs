//! Values as JSON.

use super::JSON_KEY;
use crate::functions::call::Call;
use crate::functions::function::{Arg, Argument, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use base64::Engine;
use chrono_tz::Tz;
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{Error, Result, SqlType};
use std::collections::BTreeMap;

const STRING: Returns = Returns::Is(SqlType0::String);

fn pairs(arguments: &[Argument<'_>]) -> Result<SqlType> {
    if arguments.len().is_multiple_of(2) {
        return Err(Error::invalid("function.arguments", "JSON_OBJECT needs a value for each key")
            .hint("write JSON_OBJECT(KEY 'a' VALUE 1)"));
    }
    Ok(SqlType::STRING)
}

/// JSON_OBJECT, JSON_ARRAY, JSON_STRING.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "json_object",
        Family::Json,
        ("JSON_OBJECT([KEY] key VALUE value, ... [{NULL | ABSENT} ON NULL])", "A JSON object; NULLs become null."),
        Arguments::with_rest(&[Arg::Text], Arg::Any),
        Returns::With(pairs),
        object,
    )
    .never_null(),
    Function::new(
        "json_array",
        Family::Json,
        ("JSON_ARRAY(value, ... [{NULL | ABSENT} ON NULL])", "A JSON array; NULLs are left out."),
        Arguments::with_rest(&[Arg::Text], Arg::Any),
        STRING,
        array,
    )
    .never_null(),
    Function::new(
        "json_string",
        Family::Json,
        ("JSON_STRING(value)", "A value as JSON; NULL for NULL."),
        Arguments::exactly(&[Arg::Any]),
        STRING,
        |call| {
            let column = &call.arguments[0];
            call.try_build_text(|row, out| {
                if column.is_null(row) {
                    return Ok(None);
                }
                append(call, 0, row, out)?;
                Ok(Some(()))
            })
        },
    ),
];

fn append(call: &Call<'_>, i: usize, row: usize, out: &mut String) -> Result<()> {
    let column = &call.arguments[i];
    let field = &call.fields[i];
    let at = column.at(row);
    // JSON made by JSON_OBJECT or JSON_ARRAY goes in as it is.
    if field.metadata().contains_key(JSON_KEY)
        && let Some(texts) = column.array.as_string_opt::<i32>()
    {
        out.push_str(if texts.is_null(at) { "null" } else { texts.value(at) });
        return Ok(());
    }
    append_value(column.array.as_ref(), at, field, out)
}

/// Whether NULLs are written, from the word before the other arguments.
fn with_nulls(call: &Call<'_>) -> Result<bool> {
    Ok(call.text(0)?.get(0) == Some("NULL"))
}

fn object(call: &Call<'_>) -> Result<ArrayRef> {
    let with_nulls = with_nulls(call)?;
    call.try_build_text(|row, out| {
        // Flink writes the keys in their order; the last of equal ones counts.
        let mut pairs: BTreeMap<String, String> = BTreeMap::new();
        for i in (1..call.count()).step_by(2) {
            if call.arguments[i].is_null(row) {
                return Err(call.error("a key is NULL").hint("leave NULL keys out"));
            }
            if !with_nulls && call.arguments[i + 1].is_null(row) {
                continue;
            }
            let (mut key, mut value) = (String::new(), String::new());
            append(call, i, row, &mut key)?;
            if !key.starts_with('"') {
                let bare = std::mem::take(&mut key);
                append_text(&bare, &mut key);
            }
            append(call, i + 1, row, &mut value)?;
            pairs.insert(key, value);
        }
        out.push('{');
        for (i, (key, value)) in pairs.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            out.push_str(key);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        Ok(Some(()))
    })
}

fn array(call: &Call<'_>) -> Result<ArrayRef> {
    let with_nulls = with_nulls(call)?;
    call.try_build_text(|row, out| {
        out.push('[');
        let mut first = true;
        for i in 1..call.count() {
            if !with_nulls && call.arguments[i].is_null(row) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            append(call, i, row, out)?;
        }
        out.push(']');
        Ok(Some(()))
    })
}

fn append_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// Appends a value as JSON.
fn append_value(array: &dyn Array, at: usize, field: &Field, out: &mut String) -> Result<()> {
    if array.data_type() == &DataType::Null || array.is_null(at) {
        out.push_str("null");
        return Ok(());
    }
    let style = TextStyle {
        true_text: "true",
        false_text: "false",
        between: 'T',
        zone: Tz::UTC,
        instant_suffix: "Z",
        ..TextStyle::default()
    };
    match array.data_type() {
        DataType::Utf8 => append_text(array.as_string::<i32>().value(at), out),
        DataType::Boolean | DataType::Decimal128(_, _) => ColumnText::new(field, &style).append(array, at, out)?,
        DataType::Float32 if !array.as_primitive::<Float32Type>().value(at).is_finite() => {
            append_text(&array.as_primitive::<Float32Type>().value(at).to_string(), out);
        }
        DataType::Float64 if !array.as_primitive::<Float64Type>().value(at).is_finite() => {
            append_text(&array.as_primitive::<Float64Type>().value(at).to_string(), out);
        }
        DataType::Float32 | DataType::Float64 => {
            let mut text = String::new();
            ColumnText::new(field, &style).append(array, at, &mut text)?;
            append_number(&text, out);
        }
        t if t.is_numeric() => ColumnText::new(field, &style).append(array, at, out)?,
        DataType::Binary => {
            append_text(&base64::engine::general_purpose::STANDARD.encode(array.as_binary::<i32>().value(at)), out)
        }
        DataType::List(item) => {
            let values = array.as_list::<i32>().value(at);
            out.push('[');
            for i in 0..values.len() {
                if i > 0 {
                    out.push(',');
                }
                append_value(values.as_ref(), i, item, out)?;
            }
            out.push(']');
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(at);
            let fields = entries.fields().clone();
            out.push('{');
            for i in 0..entries.len() {
                if i > 0 {
                    out.push(',');
                }
                let mut key = String::new();
                ColumnText::new(&fields[0], &style).append(entries.column(0).as_ref(), i, &mut key)?;
                append_text(&key, out);
                out.push(':');
                append_value(entries.column(1).as_ref(), i, &fields[1], out)?;
            }
            out.push('}');
        }
        DataType::Struct(fields) => {
            let parts = array.as_struct();
            out.push('{');
            for (i, field) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                append_text(field.name(), out);
                out.push(':');
                append_value(parts.column(i).as_ref(), at, field, out)?;
            }
            out.push('}');
        }
        _ => {
            let mut text = String::new();
            ColumnText::new(field, &style).append(array, at, &mut text)?;
            // A fraction is written as far as it goes.
            if let DataType::Timestamp(_, zone) = array.data_type()
                && text.contains('.')
            {
                let digits = text.strip_suffix('Z').unwrap_or(&text).trim_end_matches('0').trim_end_matches('.').len();
                text.truncate(digits);
                text.push_str(if zone.is_some() { "Z" } else { "" });
            }
            append_text(&text, out);
        }
    }
    Ok(())
}

/// A floating-point number as Java writes it, in the form of a `BigDecimal`: `1.0E10` is `1.0E+10`, `1.2E8` is
/// `1.2E+8`, `1.0E-5` is `0.000010`.
fn append_number(text: &str, out: &mut String) {
    let Some((digits, exponent)) = text.split_once('E') else { return out.push_str(text) };
    let Ok(exponent) = exponent.parse::<i32>() else { return out.push_str(text) };
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |d| ("-", d));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let unscaled = format!("{whole}{fraction}");
    let scale = fraction.len() as i32 - exponent;
    out.push_str(sign);
    if scale < 0 || exponent < -6 {
        out.push_str(digits);
        out.push_str(if exponent < 0 { "E" } else { "E+" });
        return out.push_str(&exponent.to_string());
    }
    let padded = format!("{unscaled:0>width$}", width = scale as usize + 1);
    let (before, after) = padded.split_at(padded.len() - scale as usize);
    out.push_str(before);
    if !after.is_empty() {
        out.push('.');
        out.push_str(after);
    }
}
