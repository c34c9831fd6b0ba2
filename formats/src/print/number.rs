//! Numbers as Java writes them.

use freshet_types::text;

/// Appends a whole number.
#[inline]
pub(crate) fn int(value: i64, out: &mut Vec<u8>) {
    let mut buffer = [0; <i64 as lexical_core::FormattedSize>::FORMATTED_SIZE_DECIMAL];
    out.extend_from_slice(lexical_core::write(value, &mut buffer));
}

/// Appends a double as `Double.toString` does.
pub(crate) fn double(value: f64, scratch: &mut String, out: &mut Vec<u8>) {
    scratch.clear();
    text::append_double(value, scratch);
    out.extend_from_slice(scratch.as_bytes());
}

/// Appends a float as `Float.toString` does.
pub(crate) fn float(value: f32, scratch: &mut String, out: &mut Vec<u8>) {
    scratch.clear();
    text::append_float(value, scratch);
    out.extend_from_slice(scratch.as_bytes());
}

/// Appends a decimal with all digits of its scale.
pub(crate) fn plain_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut buffer = [0; <i128 as lexical_core::FormattedSize>::FORMATTED_SIZE_DECIMAL];
    let digits = lexical_core::write(value.unsigned_abs(), &mut buffer);
    if value < 0 {
        out.push(b'-');
    }
    let Ok(scale @ 1..) = usize::try_from(scale) else {
        out.extend_from_slice(digits);
        if value != 0 {
            out.resize(out.len() + usize::from(scale.unsigned_abs()), b'0');
        }
        return;
    };
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits);
    }
}

/// Appends a decimal as Java's `BigDecimal.toString` does: with an exponent when it is very small; `strip` drops zeros at
/// the end first, as Flink's JSON encoder does, which may bring a positive exponent.
pub(crate) fn java_decimal(value: i128, scale: i8, strip: bool, out: &mut Vec<u8>) {
    let (mut value, mut scale) = (value, i32::from(scale));
    if strip {
        if value == 0 {
            scale = 0;
        }
        while value != 0 && value % 10 == 0 {
            value /= 10;
            scale -= 1;
        }
    }
    let mut buffer = [0; <i128 as lexical_core::FormattedSize>::FORMATTED_SIZE_DECIMAL];
    let digits = lexical_core::write(value.unsigned_abs(), &mut buffer);
    let exponent = digits.len() as i32 - 1 - scale;
    if scale >= 0 && exponent >= -6 {
        return plain_decimal(value, scale as i8, out);
    }
    if value < 0 {
        out.push(b'-');
    }
    let (first, rest) = digits.split_at(1);
    out.extend_from_slice(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend_from_slice(rest);
    }
    out.extend_from_slice(if exponent < 0 { b"E" } else { b"E+" });
    int(i64::from(exponent), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_look_like_javas() {
        for (value, scale, plain, java, stripped) in [
            (0, 2, "0.00", "0.00", "0"),
            (12_345, 2, "123.45", "123.45", "123.45"),
            (-5, 3, "-0.005", "-0.005", "-0.005"),
            (10_000, 2, "100.00", "100.00", "1E+2"),
            (1_250, 2, "12.50", "12.50", "12.5"),
            (27, 9, "0.000000027", "2.7E-8", "2.7E-8"),
            (1, 6, "0.000001", "0.000001", "0.000001"),
            (1, 7, "0.0000001", "1E-7", "1E-7"),
            (-120, 0, "-120", "-120", "-1.2E+2"),
        ] {
            let text = |write: &dyn Fn(&mut Vec<u8>)| {
                let mut out = Vec::new();
                write(&mut out);
                String::from_utf8(out).unwrap()
            };
            assert_eq!(text(&|out| plain_decimal(value, scale, out)), plain);
            assert_eq!(text(&|out| java_decimal(value, scale, false, out)), java);
            assert_eq!(text(&|out| java_decimal(value, scale, true, out)), stripped);
        }
    }
}
