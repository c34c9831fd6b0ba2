//! Turns a sum and a count into the result that SQL asks for, with Flink's rounding.

use arrow::datatypes::{DataType, i256};

/// `sum / count` for integers: toward zero, as Flink's AVG of integers.
pub(super) fn integer(sum: i64, count: i64) -> i64 {
    sum.wrapping_div(count)
}

/// `sum` at scale `from`, divided by `count`, at scale `to`, rounded half up (away from zero); none when it needs more
/// than `precision` digits.
pub(super) fn decimal(sum: i256, count: i64, from: i8, to: i8, precision: u8) -> Option<i128> {
    let power = |n: i8| i256::from_i128(10).wrapping_pow(n.unsigned_abs().into());
    let (numerator, divisor) = if to >= from {
        (sum.checked_mul(power(to - from))?, i256::from(count))
    } else {
        (sum, i256::from(count).checked_mul(power(from - to))?)
    };
    let quotient = numerator.checked_div(divisor)?;
    let rest = numerator.checked_rem(divisor)?;
    let half = rest.wrapping_abs().wrapping_add(rest.wrapping_abs()) >= divisor.wrapping_abs();
    let rounded = match (half, numerator.is_negative() != divisor.is_negative()) {
        (false, _) => quotient,
        (true, false) => quotient.wrapping_add(i256::ONE),
        (true, true) => quotient.wrapping_sub(i256::ONE),
    };
    let value = rounded.to_i128()?;
    (value.unsigned_abs() < 10u128.pow(precision.into())).then_some(value)
}

/// Whether values of this type are added up as 64-bit integers.
pub(super) fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_half_up_and_overflow_to_null() {
        let d = |sum: i128, count, from, to, p| decimal(i256::from_i128(sum), count, from, to, p);
        assert_eq!(d(5, 2, 0, 0, 38), Some(3));
        assert_eq!(d(-5, 2, 0, 0, 38), Some(-3));
        assert_eq!(d(10, 3, 0, 6, 38), Some(3_333_333));
        assert_eq!(d(12_345, 1, 3, 1, 38), Some(123));
        assert_eq!(d(999, 1, 0, 0, 2), None);
        assert_eq!(d(-99, 1, 0, 0, 2), Some(-99));
    }
}
