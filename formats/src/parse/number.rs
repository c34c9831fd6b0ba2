//! Numbers from text: eight digits at a time, decimals exactly.

use super::Misfit;

/// Up to eight decimal digits at `at`: their value and how many there are.
#[inline]
pub(crate) fn digits8(bytes: &[u8], at: usize) -> (u64, usize) {
    let word = match bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => {
            let rest = bytes.get(at..).unwrap_or_default();
            let mut padded = [0; 8];
            padded[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(padded)
        }
    };
    let digits = word ^ 0x3030_3030_3030_3030;
    // The lowest marked byte is the first that is not a digit; marks above it may be wrong, which does not matter.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    let aligned = digits << (64 - 8 * count);
    let pairs = (aligned.wrapping_mul(2_561) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_FFFF_0000_FFFF;
    (fours.wrapping_mul(42_949_672_960_001) >> 32, count)
}

const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Up to 19 decimal digits at `at`: value and count; a count of 20 says that there are more.
#[inline]
pub(crate) fn digits19(bytes: &[u8], at: usize) -> (u64, usize) {
    let (mut value, mut count) = digits8(bytes, at);
    if count == 8 {
        let (more, n) = digits8(bytes, at + 8);
        value = value * POWERS[n] + more;
        count += n;
        if n == 8 {
            let (more, n) = digits8(bytes, at + 16);
            if n > 3 {
                return (0, 20);
            }
            value = value * POWERS[n] + more;
            count += n;
        }
    }
    (value, count)
}

/// A whole number with an optional sign.
pub(crate) fn int(text: &[u8]) -> Result<i64, Misfit> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (value, count) = digits19(digits, 0);
    if count == digits.len() && (1..20).contains(&count) {
        return signed(value, negative).ok_or(Misfit::Range);
    }
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Misfit::Form);
    }
    let text = std::str::from_utf8(text).expect("a sign and digits are ASCII");
    text.parse().map_err(|_| Misfit::Range)
}

/// `value` with its sign, if 64 bits hold it.
#[inline]
pub(crate) fn signed(value: u64, negative: bool) -> Option<i64> {
    if negative {
        if value <= 1 << 63 { Some((value as i64).wrapping_neg()) } else { None }
    } else {
        i64::try_from(value).ok()
    }
}

/// A number as Java's `Double.parseDouble` reads it, without its suffixes and hexadecimal forms.
pub(crate) fn double(text: &[u8]) -> Option<f64> {
    match special(text)? {
        Some(value) => Some(value),
        None => lexical_core::parse(text).ok(),
    }
}

/// A number as Java's `Float.parseFloat` reads it, without its suffixes and hexadecimal forms.
pub(crate) fn float(text: &[u8]) -> Option<f32> {
    match special(text)? {
        Some(value) => Some(value as f32),
        None => lexical_core::parse(text).ok(),
    }
}

/// NaN and the infinities; nothing when `text` holds a character that no number has.
fn special(text: &[u8]) -> Option<Option<f64>> {
    let number = text.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if number {
        return Some(None);
    }
    Some(Some(match text {
        b"NaN" => f64::NAN,
        b"Infinity" | b"+Infinity" => f64::INFINITY,
        b"-Infinity" => f64::NEG_INFINITY,
        _ => return None,
    }))
}

/// The unscaled value of a decimal number, rounded half up to `scale` digits after the point, as `CAST` rounds.
///
/// # Errors
/// `Form` when it is no number, `Range` when it has more than `precision` digits.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: i8) -> Result<i128, Misfit> {
    scaled(text, i64::from(scale), Rounding::HalfUp).and_then(|value| {
        if value.unsigned_abs() < 10_u128.pow(u32::from(precision)) { Ok(value) } else { Err(Misfit::Range) }
    })
}

/// The whole part of a number, cut towards zero.
pub(crate) fn whole_part(text: &[u8]) -> Result<i64, Misfit> {
    i64::try_from(scaled(text, 0, Rounding::Down)?).map_err(|_| Misfit::Range)
}

#[derive(Clone, Copy, PartialEq)]
enum Rounding {
    HalfUp,
    Down,
}

fn scaled(text: &[u8], scale: i64, rounding: Rounding) -> Result<i128, Misfit> {
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match memchr::memchr2(b'e', b'E', unsigned) {
        None => (unsigned, 0),
        Some(i) => {
            // Beyond a million the result is zero or out of range whatever the mantissa, which is shorter than that.
            let exponent = match int(&unsigned[i + 1..]) {
                Ok(e) => e.clamp(-1 << 40, 1 << 40),
                Err(Misfit::Range) if unsigned[i + 1] == b'-' => -1 << 40,
                Err(Misfit::Range) => 1 << 40,
                Err(other) => return Err(other),
            };
            (&unsigned[..i], exponent)
        }
    };
    let (whole, fraction) = match memchr::memchr(b'.', mantissa) {
        None => (mantissa, &[][..]),
        Some(i) => (&mantissa[..i], &mantissa[i + 1..]),
    };
    let all_digits = || whole.iter().chain(fraction);
    if whole.is_empty() && fraction.is_empty() || !all_digits().all(u8::is_ascii_digit) {
        return Err(Misfit::Form);
    }
    let leading_zeros = all_digits().take_while(|d| **d == b'0').count();
    let digit_count = whole.len() + fraction.len() - leading_zeros;
    if digit_count == 0 {
        return Ok(0);
    }
    // The result is the first `kept` digits; where that is more than there are, zeros follow.
    let shift = exponent - fraction.len() as i64 + scale;
    let kept = digit_count as i64 + shift;
    if kept > 38 {
        return Err(Misfit::Range);
    }
    if kept < 0 {
        return Ok(0);
    }
    let mut digits = all_digits().skip(leading_zeros).map(|d| i128::from(d - b'0'));
    let mut value: i128 = 0;
    for _ in 0..kept {
        value = value * 10 + digits.next().unwrap_or(0);
    }
    if rounding == Rounding::HalfUp && digits.next().is_some_and(|d| d >= 5) {
        value += 1;
    }
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ints_at_their_edges() {
        for (text, value) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("+7", Ok(7)),
            ("007", Ok(7)),
            ("12345678", Ok(12_345_678)),
            ("1234567890123456", Ok(1_234_567_890_123_456)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(Misfit::Range)),
            ("-9223372036854775809", Err(Misfit::Range)),
            ("99999999999999999999", Err(Misfit::Range)),
            ("00000000000000000000000000001", Ok(1)),
            ("", Err(Misfit::Form)),
            ("-", Err(Misfit::Form)),
            ("1 ", Err(Misfit::Form)),
            ("1.0", Err(Misfit::Form)),
            ("12345678x", Err(Misfit::Form)),
        ] {
            assert_eq!(int(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact_and_round_half_up() {
        for (text, precision, scale, value) in [
            ("1.23456", 4, 2, Ok(123)),
            ("1.235", 4, 2, Ok(124)),
            ("-1.235", 4, 2, Ok(-124)),
            ("0.005", 4, 2, Ok(1)),
            ("0.0049", 4, 2, Ok(0)),
            ("99.995", 4, 2, Err(Misfit::Range)),
            ("1e2", 5, 2, Ok(10_000)),
            ("12e-1", 5, 2, Ok(120)),
            (".5", 5, 1, Ok(5)),
            ("5.", 5, 1, Ok(50)),
            ("0e999999999999999999999", 5, 1, Ok(0)),
            ("1e999999999999999999999", 5, 1, Err(Misfit::Range)),
            ("1e-999999999999999999999", 5, 1, Ok(0)),
            ("99999999999999999999999999999999999999", 38, 0, Ok(10_i128.pow(38) - 1)),
            ("-0.00000000000000000000000000000000000001", 38, 38, Ok(-1)),
            (".", 5, 1, Err(Misfit::Form)),
            ("1e", 5, 1, Err(Misfit::Form)),
            ("1.2.3", 5, 1, Err(Misfit::Form)),
            ("", 5, 1, Err(Misfit::Form)),
        ] {
            assert_eq!(decimal(text.as_bytes(), precision, scale), value, "{text}");
        }
        assert_eq!([whole_part(b"1.99"), whole_part(b"-1.99"), whole_part(b"1e3")], [Ok(1), Ok(-1), Ok(1_000)]);
    }

    #[test]
    fn doubles_are_javas() {
        assert_eq!(
            [double(b"1e999"), double(b"1."), double(b".5"), double(b"-0.0")].map(Option::unwrap),
            [f64::INFINITY, 1.0, 0.5, -0.0]
        );
        assert!(double(b"NaN").unwrap().is_nan());
        assert_eq!([double(b"nan"), double(b"inf"), double(b""), double(b"1f"), double(b"0x1")], [None; 5]);
    }

    proptest! {
        #[test]
        fn digits_are_read_eight_at_a_time(value: u64, tail in "[^0-9]{0,3}") {
            let text = format!("{value}{tail}");
            let (read, count) = digits19(text.as_bytes(), 0);
            let digits = value.to_string().len();
            prop_assert_eq!(count, digits);
            if digits < 20 {
                prop_assert_eq!(read, value);
            }
        }

        #[test]
        fn every_int_comes_back(value: i64) {
            prop_assert_eq!(int(value.to_string().as_bytes()), Ok(value));
        }

        #[test]
        fn every_decimal_comes_back(value in -(10_i128.pow(38) - 1)..10_i128.pow(38), scale in 0_i8..=38) {
            let mut text = String::new();
            freshet_types::text::append_decimal(value, scale, &mut text);
            prop_assert_eq!(decimal(text.as_bytes(), 38, scale), Ok(value));
        }
    }
}
