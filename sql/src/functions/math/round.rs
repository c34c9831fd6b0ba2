//! Rounding, absolute values, signs: the type of the argument stays, as far as it can.

use crate::functions::call::Call;
use crate::functions::cast::rescale;
use crate::functions::function::{Arg, Argument, Arguments, Family, Function, Returns};
use arrow::array::*;
use arrow::datatypes::*;
use freshet_types::{Error, Result, SqlType};
use std::sync::Arc;

const ONE: Arguments = Arguments::exactly(&[Arg::Number]);
const DIGITS: Arguments = Arguments::with_optional(&[Arg::Number], &[Arg::Long]);

/// ABS, SIGN, ROUND, TRUNCATE. FLOOR and CEIL, which know time units too, are among the temporal functions.
pub static FUNCTIONS: &[Function] = &[
    Function::new("abs", Family::Math, ("ABS(x)", "The number without its sign."), ONE, Returns::Like(0), abs),
    Function::new("sign", Family::Math, ("SIGN(x)", "-1, 0 or 1."), ONE, Returns::Like(0), sign),
    Function::new(
        "round",
        Family::Math,
        ("ROUND(x[, digits])", "The number with so many digits after the point, half away from zero."),
        DIGITS,
        Returns::With(rounded_type),
        |call| round(call, Mode::HalfUp),
    ),
    Function::new(
        "truncate",
        Family::Math,
        ("TRUNCATE(x[, digits])", "The number cut to so many digits after the point."),
        DIGITS,
        Returns::With(rounded_type),
        |call| round(call, Mode::Down),
    ),
];

/// How the rest is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    HalfUp,
    Down,
    Floor,
    Ceil,
}

fn rounded_type(arguments: &[Argument<'_>]) -> Result<SqlType> {
    let SqlType::Decimal(p, s) = arguments[0].sql_type else { return Ok(arguments[0].sql_type.clone()) };
    let digits = match arguments.get(1) {
        None => 0,
        // Without a literal the scale may be any, so that it stays.
        Some(digits) => match digits.literal_long() {
            Some(digits) => digits,
            None => return Ok(SqlType::Decimal(p, s)),
        },
    };
    let whole = i64::from(p) - i64::from(s);
    Ok(if digits >= i64::from(s) {
        SqlType::Decimal(p, s)
    } else if digits < 0 {
        SqlType::Decimal((1 + whole).min(38) as u8, 0)
    } else {
        // Rounding up may add a digit.
        SqlType::Decimal((1 + whole + digits).min(38) as u8, digits as i8)
    })
}

fn unknown(call: &Call<'_>) -> Error {
    Error::internal("function.argument_type", "a number of an unknown type").at("function", call.name)
}

fn abs(call: &Call<'_>) -> Result<ArrayRef> {
    macro_rules! each {
        ($type:ty, $f:expr) => {{
            let x = call.values::<$type>(0)?;
            call.build::<$type>(|row| x.get(row).map($f))
        }};
    }
    match call.result.data_type() {
        DataType::Int8 => each!(Int8Type, i8::wrapping_abs),
        DataType::Int16 => each!(Int16Type, i16::wrapping_abs),
        DataType::Int32 => each!(Int32Type, i32::wrapping_abs),
        DataType::Int64 => each!(Int64Type, i64::wrapping_abs),
        DataType::Float32 => each!(Float32Type, f32::abs),
        DataType::Float64 => each!(Float64Type, f64::abs),
        DataType::Decimal128(_, _) => each!(Decimal128Type, i128::wrapping_abs),
        _ => Err(unknown(call)),
    }
}

fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    macro_rules! each {
        ($type:ty, $f:expr) => {{
            let x = call.values::<$type>(0)?;
            call.build::<$type>(|row| x.get(row).map($f))
        }};
    }
    match call.result.data_type() {
        DataType::Int8 => each!(Int8Type, i8::signum),
        DataType::Int16 => each!(Int16Type, i16::signum),
        DataType::Int32 => each!(Int32Type, i32::signum),
        DataType::Int64 => each!(Int64Type, i64::signum),
        DataType::Float32 => each!(Float32Type, |x: f32| if x == 0.0 { x } else { x.signum() }),
        DataType::Float64 => each!(Float64Type, |x: f64| if x == 0.0 { x } else { x.signum() }),
        DataType::Decimal128(_, s) => {
            let one = 10i128.pow(u32::try_from(*s).unwrap_or(0));
            let fits = matches!(call.result.data_type(), DataType::Decimal128(p, s) if i16::from(*p) > i16::from(*s));
            let x = call.values::<Decimal128Type>(0)?;
            // DECIMAL(2, 2) cannot hold a 1.
            call.build::<Decimal128Type>(|row| x.get(row).filter(|x| fits || *x == 0).map(|x| x.signum() * one))
        }
        _ => Err(unknown(call)),
    }
}

/// `value` without its last `drop` digits (which become zeros).
pub(crate) fn cut_integer(value: i128, drop: u32, mode: Mode) -> i128 {
    let Some(step) = 10i128.checked_pow(drop) else { return 0 };
    let down = value / step * step;
    let rest = value - down;
    match mode {
        Mode::Down => down,
        Mode::HalfUp if rest.unsigned_abs() * 2 >= step.unsigned_abs() => down + if value < 0 { -step } else { step },
        Mode::HalfUp => down,
        Mode::Floor => {
            if rest < 0 {
                down - step
            } else {
                down
            }
        }
        Mode::Ceil => {
            if rest > 0 {
                down + step
            } else {
                down
            }
        }
    }
}

/// A double rounded through its shortest text, as Java's `BigDecimal.valueOf(x).setScale(digits, mode)`.
pub(crate) fn round_double(value: f64, digits: i64, mode: Mode) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let negative = mantissa.starts_with('-');
    let figures: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // value = unscaled * 10^-scale
    let scale = figures.len() as i64 - 1 - exponent;
    if scale <= digits {
        return value;
    }
    let unscaled: i128 = figures.parse().unwrap_or(0);
    let unscaled = if negative { -unscaled } else { unscaled };
    let drop = u32::try_from(scale - digits).unwrap_or(u32::MAX);
    let cut = if drop > 30 {
        match mode {
            Mode::Floor if negative => return -(10f64.powi(-(digits.clamp(-400, 400) as i32))),
            Mode::Ceil if !negative => return 10f64.powi(-(digits.clamp(-400, 400) as i32)),
            _ => 0,
        }
    } else {
        cut_integer(unscaled, drop, mode)
    };
    format!("{cut}e{}", -scale).parse().unwrap_or(0.0)
}

fn round(call: &Call<'_>, mode: Mode) -> Result<ArrayRef> {
    let digits = call.long_opt(1)?;
    let digits = |row: usize| digits.as_ref().map_or(Some(0), |d| d.get(row));
    macro_rules! whole {
        ($type:ty) => {{
            let x = call.values::<$type>(0)?;
            call.build::<$type>(|row| {
                let (x, digits) = (x.get(row)?, digits(row)?);
                if digits >= 0 {
                    return Some(x);
                }
                Some(cut_integer(i128::from(x), u32::try_from(-digits).ok()?, mode) as _)
            })
        }};
    }
    match call.arguments[0].array.data_type() {
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::Float32 => {
            let x = call.values::<Float32Type>(0)?;
            call.build::<Float32Type>(|row| {
                let shortest: f64 = x.get(row)?.to_string().parse().ok()?;
                Some(round_double(shortest, digits(row)?, mode) as f32)
            })
        }
        DataType::Float64 => {
            let x = call.double(0)?;
            call.doubles(|row| Some(round_double(x.get(row)?, digits(row)?, mode)))
        }
        DataType::Decimal128(_, from) => {
            let DataType::Decimal128(p, to) = *call.result.data_type() else { return Err(unknown(call)) };
            let x = call.values::<Decimal128Type>(0)?;
            call.build::<Decimal128Type>(|row| {
                let (x, digits) = (x.get(row)?, digits(row)?);
                let drop = i64::from(*from) - digits;
                let cut = if drop <= 0 { x } else { cut_integer(x, u32::try_from(drop).ok()?, mode) };
                rescale(cut, *from, to).filter(|v| crate::functions::cast::decimal_fits(*v, p))
            })
        }
        _ => Err(unknown(call)),
    }
}

/// FLOOR and CEIL of a number: DECIMAL loses its scale.
pub(crate) fn whole_type(argument: &SqlType) -> SqlType {
    match argument {
        SqlType::Decimal(p, _) => SqlType::Decimal(*p, 0),
        other => other.clone(),
    }
}

/// The nearest whole number below or above.
pub(crate) fn to_whole(call: &Call<'_>, mode: Mode) -> Result<ArrayRef> {
    match call.arguments[0].array.data_type() {
        DataType::Float32 => {
            let x = call.values::<Float32Type>(0)?;
            call.build::<Float32Type>(|row| x.get(row).map(if mode == Mode::Floor { f32::floor } else { f32::ceil }))
        }
        DataType::Float64 => {
            let x = call.double(0)?;
            call.doubles(|row| x.get(row).map(if mode == Mode::Floor { f64::floor } else { f64::ceil }))
        }
        DataType::Decimal128(_, from) => {
            let drop = u32::try_from(*from).unwrap_or(0);
            let x = call.values::<Decimal128Type>(0)?;
            call.build::<Decimal128Type>(|row| rescale(cut_integer(x.get(row)?, drop, mode), *from, 0))
        }
        _ => {
            let column = &call.arguments[0];
            column.expand(call.rows).map(|array| Arc::clone(&array))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_round_as_they_are_written() {
        for (value, digits, mode, result) in [
            (2.5, 0, Mode::HalfUp, 3.0),
            (-2.5, 0, Mode::HalfUp, -3.0),
            (1.005, 2, Mode::HalfUp, 1.01),
            (1234.5678, -2, Mode::HalfUp, 1200.0),
            (1.999, 1, Mode::Down, 1.9),
            (-1.999, 1, Mode::Down, -1.9),
            (1e300, 2, Mode::HalfUp, 1e300),
            (1e-300, 2, Mode::HalfUp, 0.0),
        ] {
            assert_eq!(round_double(value, digits, mode), result, "{value} {digits}");
        }
    }
}
