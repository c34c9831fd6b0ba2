//! Numbers and byte strings as Avro writes them.
//!
//! Source: Apache Avro specification, "Binary Encoding".

use std::io;

pub(super) fn broken(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// Takes a number of variable length off the front of `bytes`.
pub(super) fn take_long(bytes: &mut &[u8]) -> io::Result<i64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let Some((byte, rest)) = bytes.split_first() else { return Err(broken("a number does not end")) };
        *bytes = rest;
        if shift == 63 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    Err(broken("a number has more than 64 bits"))
}

/// Takes a byte string off the front of `bytes`.
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let len = usize::try_from(take_long(bytes)?).map_err(|_| broken("a length is negative"))?;
    let (value, rest) = bytes.split_at_checked(len).ok_or_else(|| broken("a value is longer than its block"))?;
    *bytes = rest;
    Ok(value)
}

pub(super) fn put_long(value: i64, out: &mut Vec<u8>) {
    let mut value = ((value << 1) ^ (value >> 63)) as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_long(value.len() as i64, out);
    out.extend_from_slice(value);
}
