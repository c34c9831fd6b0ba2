//! Conversions between numbers: Java's narrowing, exact decimals.

use arrow::datatypes::i256;

/// Whether `value` has at most `precision` digits.
#[inline]
pub(crate) fn decimal_fits(value: i128, precision: u8) -> bool {
    value.unsigned_abs() < 10u128.pow(u32::from(precision.min(38)))
}

/// `value` with `to` digits after the point instead of `from`, half away from zero; none when it leaves 128 bits.
#[inline]
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let shift = i32::from(to) - i32::from(from);
    match shift {
        0 => Some(value),
        1.. => 10i128.checked_pow(shift as u32).and_then(|f| value.checked_mul(f)).or(if value == 0 {
            Some(0)
        } else {
            None
        }),
        _ => {
            let Some(divisor) = 10i128.checked_pow(shift.unsigned_abs()) else { return Some(0) };
            Some(divide_half_up(value, divisor))
        }
    }
}

/// `value / divisor`, half away from zero. `divisor` is not zero.
#[inline]
pub(crate) fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (value / divisor, value % divisor);
    let rest = remainder.unsigned_abs();
    // The remainder counts as a half or more when it reaches what is left of the divisor.
    if rest >= divisor.unsigned_abs() - rest && rest != 0 {
        quotient + if (value < 0) == (divisor < 0) { 1 } else { -1 }
    } else {
        quotient
    }
}

/// The same in 256 bits; none when the result leaves 128.
pub(crate) fn divide_half_up_wide(value: i256, divisor: i256) -> Option<i128> {
    let zero = i256::ZERO;
    let quotient = value.checked_div(divisor)?;
    let remainder = value.checked_rem(divisor)?;
    let rest = if remainder < zero { remainder.checked_neg()? } else { remainder };
    let size = if divisor < zero { divisor.checked_neg()? } else { divisor };
    let up = rest != zero && rest >= size.checked_sub(rest)?;
    let step = if !up {
        zero
    } else if (value < zero) == (divisor < zero) {
        i256::ONE
    } else {
        i256::MINUS_ONE
    };
    quotient.checked_add(step)?.to_i128()
}

/// The double nearest to a decimal.
#[inline]
pub(crate) fn decimal_to_double(value: i128, scale: i8) -> f64 {
    // Both are exact doubles, so that one division rounds once.
    if value.unsigned_abs() < 1 << 53 && (0..=22).contains(&scale) {
        return value as f64 / 10f64.powi(i32::from(scale));
    }
    let mut text = String::new();
    freshet_types::text::append_decimal(value, scale, &mut text);
    text.parse().expect("a decimal is a number")
}

/// A double as decimal through its shortest text, as Java's `BigDecimal.valueOf` does; none when it does not fit.
pub(crate) fn double_to_decimal(value: f64, precision: u8, scale: i8) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    super::text::parse_decimal(&format!("{value:e}"), precision, scale)?
}

/// As [`double_to_decimal`], from the shortest text of a float.
pub(crate) fn float_to_decimal(value: f32, precision: u8, scale: i8) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    super::text::parse_decimal(&format!("{:e}", f64::from(value)), precision, scale)?
}
