//! PRINTF: text by pattern.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{Error, Result};

/// PRINTF.
pub static FUNCTIONS: &[Function] = &[Function::new(
    "printf",
    Family::String,
    (
        "PRINTF(pattern, value, ...)",
        "The pattern with %s, %d, %x, %o, %f, %e, %c, %b and %% replaced by the values, as in C and Java.",
    ),
    Arguments::with_rest(&[Arg::Text], Arg::Any),
    Returns::Is(SqlType0::String),
    printf,
)];

/// One `%` form: flags, width, precision, letter.
#[derive(Debug)]
struct Form {
    left: bool,
    zero: bool,
    plus: bool,
    group: bool,
    width: usize,
    precision: Option<usize>,
    letter: char,
    argument: Option<usize>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Form(Form),
}

/// Cuts a pattern into text and forms; none when it is malformed.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut form = Form {
            left: false,
            zero: false,
            plus: false,
            group: false,
            width: 0,
            precision: None,
            letter: '%',
            argument: None,
        };
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut value = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                value = Some((value.unwrap_or(0) * 10 + digit as usize).min(10_000));
                chars.next();
            }
            value
        };
        while let Some(flag) = chars.peek() {
            match flag {
                '-' => form.left = true,
                '0' => form.zero = true,
                '+' => form.plus = true,
                ',' => form.group = true,
                _ => break,
            }
            chars.next();
        }
        if let Some(value) = number(&mut chars) {
            if chars.peek() == Some(&'$') {
                chars.next();
                form.argument = value.checked_sub(1);
                form.width = number(&mut chars).unwrap_or(0);
            } else {
                form.width = value;
            }
        }
        if chars.peek() == Some(&'.') {
            chars.next();
            form.precision = Some(number(&mut chars)?);
        }
        form.letter = chars.next()?;
        match form.letter {
            '%' => text.push('%'),
            'n' => text.push('\n'),
            _ => {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Form(form));
            }
        }
    }
    pieces.push(Piece::Text(text));
    Some(pieces)
}

fn printf(call: &Call<'_>) -> Result<ArrayRef> {
    let pattern = call.text(0)?;
    let style =
        TextStyle { zone: call.context.time_zone, true_text: "true", false_text: "false", ..Default::default() };
    let writers: Vec<ColumnText> = call.fields.iter().map(|field| ColumnText::new(field, &style)).collect();
    let mut known: Option<(String, Option<Vec<Piece>>)> = None;
    call.try_build_text(|row, out| {
        let Some(pattern) = pattern.get(row) else { return Ok(None) };
        if known.as_ref().is_none_or(|(text, _)| text != pattern) {
            known = Some((pattern.to_string(), pieces(pattern)));
        }
        let Some((_, Some(pieces))) = &known else { return Ok(None) };
        let mut next = 0;
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Form(form) => {
                    let argument = form.argument.unwrap_or_else(|| {
                        next += 1;
                        next - 1
                    }) + 1;
                    if argument >= call.count() || !append(call, &writers[argument], form, argument, row, out)? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(Some(()))
    })
}

/// Appends one value; false when the form does not fit its type.
fn append(
    call: &Call<'_>,
    writer: &ColumnText,
    form: &Form,
    argument: usize,
    row: usize,
    out: &mut String,
) -> Result<bool> {
    let column = &call.arguments[argument];
    let at = column.at(row);
    let array: &dyn Array = column.array.as_ref();
    let mut text = String::new();
    let null = column.is_null(row);
    let long = || -> Result<Option<i64>> {
        let whole = array.data_type().is_integer();
        if !whole {
            return Ok(None);
        }
        Ok(Some(arrow::compute::cast(&array.slice(at, 1), &DataType::Int64)?.as_primitive::<Int64Type>().value(0)))
    };
    let double = || -> Result<Option<f64>> {
        if !array.data_type().is_numeric() || array.data_type().is_integer() {
            return Ok(None);
        }
        Ok(Some(arrow::compute::cast(&array.slice(at, 1), &DataType::Float64)?.as_primitive::<Float64Type>().value(0)))
    };
    match form.letter {
        _ if null => text.push_str("null"),
        's' | 'S' => {
            writer.append(array, at, &mut text)?;
            if let Some(most) = form.precision {
                text.truncate(super::offset(&text, most));
            }
            if form.letter == 'S' {
                text = text.to_uppercase();
            }
        }
        'b' => text.push_str(match array.as_boolean_opt() {
            Some(values) if !values.value(at) => "false",
            _ => "true",
        }),
        'c' => match (array.as_string_opt::<i32>(), long()?) {
            (Some(texts), _) => text.push_str(texts.value(at)),
            (None, Some(code)) => match u32::try_from(code).ok().and_then(char::from_u32) {
                Some(c) => text.push(c),
                None => return Ok(false),
            },
            _ => return Ok(false),
        },
        'd' => {
            let Some(value) = long()? else { return Ok(false) };
            text = value.to_string();
            if form.group {
                text = grouped(&text);
            }
            sign(form, value < 0, &mut text);
        }
        'x' | 'X' | 'o' => {
            let Some(value) = long()? else { return Ok(false) };
            let narrow = !matches!(array.data_type(), DataType::Int64);
            let bits = if narrow { u64::from(value as i32 as u32) } else { value as u64 };
            text = match form.letter {
                'x' => format!("{bits:x}"),
                'X' => format!("{bits:X}"),
                _ => format!("{bits:o}"),
            };
        }
        'f' => {
            let Some(value) = double()? else { return Ok(false) };
            text = format!("{value:.*}", form.precision.unwrap_or(6));
            if form.group {
                text = grouped(&text);
            }
            sign(form, value < 0.0, &mut text);
        }
        'e' | 'E' => {
            let Some(value) = double()? else { return Ok(false) };
            let plain = format!("{value:.*e}", form.precision.unwrap_or(6));
            let (mantissa, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            let mark = if exponent < 0 { '-' } else { '+' };
            text = format!("{mantissa}{}{mark}{:02}", form.letter, exponent.abs());
            sign(form, value < 0.0, &mut text);
        }
        other => {
            return Err(Error::unsupported("function.printf", format!("PRINTF does not know %{other}"))
                .hint("use %s, %d, %x, %o, %f, %e, %c or %b"));
        }
    }
    let missing = form.width.saturating_sub(super::length(&text));
    if form.left {
        out.push_str(&text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else if form.zero && matches!(form.letter, 'd' | 'f' | 'e' | 'E' | 'x' | 'X' | 'o') {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
        out.push_str(sign);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(digits);
    } else {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(&text);
    }
    Ok(true)
}

fn sign(form: &Form, negative: bool, text: &mut String) {
    if form.plus && !negative {
        text.insert(0, '+');
    }
}

fn grouped(text: &str) -> String {
    let (sign, rest) = text.split_at(usize::from(text.starts_with('-')));
    let (whole, fraction) = rest.find('.').map_or((rest, ""), |at| rest.split_at(at));
    let mut out = sign.to_string();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out + fraction
}
