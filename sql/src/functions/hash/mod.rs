//! Digests of text, in lower-case hexadecimal.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::{Error, Result};
use md5::Md5;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use std::fmt::Write;

const STRING: Returns = Returns::Is(SqlType0::String);

const fn digest(
    name: &'static str,
    text: (&'static str, &'static str),
    evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
) -> Function {
    Function::new(name, Family::Hash, text, Arguments::exactly(&[Arg::TextOrBytes]), STRING, evaluate)
}

/// MD5, SHA1, SHA224, SHA256, SHA384, SHA512, SHA2.
pub static FUNCTIONS: &[Function] = &[
    digest("md5", ("MD5(text)", "MD5 of a text, as 32 hexadecimal digits."), |call| each(call, hash::<Md5>)),
    digest("sha1", ("SHA1(text)", "SHA-1 of a text, as 40 hexadecimal digits."), |call| each(call, sha1)),
    digest("sha224", ("SHA224(text)", "SHA-224 of a text, as 56 hexadecimal digits."), |call| {
        each(call, hash::<Sha224>)
    }),
    digest("sha256", ("SHA256(text)", "SHA-256 of a text, as 64 hexadecimal digits."), |call| {
        each(call, hash::<Sha256>)
    }),
    digest("sha384", ("SHA384(text)", "SHA-384 of a text, as 96 hexadecimal digits."), |call| {
        each(call, hash::<Sha384>)
    }),
    digest("sha512", ("SHA512(text)", "SHA-512 of a text, as 128 hexadecimal digits."), |call| {
        each(call, hash::<Sha512>)
    }),
    Function::new(
        "sha2",
        Family::Hash,
        ("SHA2(text, bits)", "SHA-224, SHA-256, SHA-384 or SHA-512 of a text."),
        Arguments::exactly(&[Arg::TextOrBytes, Arg::Long]),
        STRING,
        sha2,
    ),
];

fn hash<D: Digest>(bytes: &[u8], out: &mut String) {
    append(&D::digest(bytes), out);
}

fn append(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        write!(out, "{byte:02x}").expect("a String takes every text");
    }
}

/// Answers with the bytes of a row.
type RowBytes<'a> = Box<dyn Fn(usize) -> Option<&'a [u8]> + 'a>;

fn row_bytes<'a>(call: &'a Call<'_>) -> Result<RowBytes<'a>> {
    if call.arguments[0].array.data_type() == &arrow::datatypes::DataType::Binary {
        let bytes = call.bytes(0)?;
        return Ok(Box::new(move |row| bytes.get(row)));
    }
    let text = call.text(0)?;
    Ok(Box::new(move |row| text.get(row).map(str::as_bytes)))
}

fn each(call: &Call<'_>, f: fn(&[u8], &mut String)) -> Result<ArrayRef> {
    let bytes = row_bytes(call)?;
    call.build_text(|row, out| {
        f(bytes(row)?, out);
        Some(())
    })
}

fn sha2(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, bits) = (row_bytes(call)?, call.long(1)?);
    call.try_build_text(|row, out| {
        let (Some(bytes), Some(bits)) = (bytes(row), bits.get(row)) else { return Ok(None) };
        match bits {
            224 => hash::<Sha224>(bytes, out),
            256 => hash::<Sha256>(bytes, out),
            384 => hash::<Sha384>(bytes, out),
            512 => hash::<Sha512>(bytes, out),
            other => {
                return Err(Error::data("function.value", format!("function \"SHA2\": there is no SHA-{other}"))
                    .hint("give 224, 256, 384 or 512 bits"));
            }
        }
        Ok(Some(()))
    })
}

/// SHA-1, for old digests that must be compared.
///
/// Source: FIPS 180-4, section 6.1.
fn sha1(bytes: &[u8], out: &mut String) {
    let mut state: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let mut message = bytes.to_vec();
    message.push(0x80);
    // The length fills the last 8 bytes of the last block.
    let whole = (bytes.len() + 9).next_multiple_of(64);
    message.resize(whole - 8, 0);
    message.extend_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    for block in message.chunks_exact(64) {
        let mut words = [0u32; 80];
        for (word, part) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes([part[0], part[1], part[2], part[3]]);
        }
        for i in 16..80 {
            words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (i, word) in words.iter().enumerate() {
            let (f, k) = match i / 20 {
                0 => ((b & c) | (!b & d), 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
                _ => (b ^ c ^ d, 0xCA62_C1D6u32),
            };
            let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, value) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(value);
        }
    }
    state.iter().for_each(|word| append(&word.to_be_bytes(), out));
}
