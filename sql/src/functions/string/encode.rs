//! Text to bytes and back.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use freshet_types::{Error, Result};

/// ENCODE, DECODE, TO_BASE64, FROM_BASE64.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "encode",
        Family::String,
        ("ENCODE(text, charset)", "The bytes of a text in US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16."),
        Arguments::exactly(&[Arg::Text, Arg::Text]),
        Returns::Is(SqlType0::Bytes),
        encode,
    ),
    Function::new(
        "decode",
        Family::String,
        ("DECODE(bytes, charset)", "The text of bytes in US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16."),
        Arguments::exactly(&[Arg::Bytes, Arg::Text]),
        Returns::Is(SqlType0::String),
        decode,
    ),
    Function::new(
        "to_base64",
        Family::String,
        ("TO_BASE64(text)", "The text in Base64."),
        Arguments::exactly(&[Arg::TextOrBytes]),
        Returns::Is(SqlType0::String),
        to_base64,
    ),
    Function::new(
        "from_base64",
        Family::String,
        ("FROM_BASE64(text)", "The text that a Base64 text stands for; NULL when it is not Base64."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::String),
        from_base64,
    ),
];

#[derive(Clone, Copy)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
    Utf16Be,
    Utf16Le,
    Utf16,
}

fn charset(name: &str) -> Result<Charset> {
    Ok(match name.to_ascii_uppercase().replace('_', "-").as_str() {
        "US-ASCII" | "ASCII" => Charset::Ascii,
        "ISO-8859-1" | "LATIN1" => Charset::Latin1,
        "UTF-8" | "UTF8" => Charset::Utf8,
        "UTF-16BE" => Charset::Utf16Be,
        "UTF-16LE" => Charset::Utf16Le,
        "UTF-16" => Charset::Utf16,
        _ => {
            return Err(Error::invalid("function.charset", format!("no character set named \"{name}\""))
                .hint("use US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16"));
        }
    })
}

fn encode(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, name) = (call.text(0)?, call.text(1)?);
    let mut failed = None;
    let bytes = call.build_bytes(|row| {
        let (text, name) = (text.get(row)?, name.get(row)?);
        let charset = match charset(name) {
            Ok(charset) => charset,
            Err(e) => {
                failed.get_or_insert(e);
                return None;
            }
        };
        let narrow =
            |limit: u32| text.chars().map(move |c| if u32::from(c) < limit { u32::from(c) as u8 } else { b'?' });
        Some(match charset {
            Charset::Ascii => narrow(128).collect(),
            Charset::Latin1 => narrow(256).collect(),
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Charset::Utf16 => std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect(),
        })
    })?;
    failed.map_or(Ok(bytes), Err)
}

fn decode(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, name) = (call.bytes(0)?, call.text(1)?);
    call.try_build_text(|row, out| {
        let (Some(bytes), Some(name)) = (bytes.get(row), name.get(row)) else { return Ok(None) };
        let wide = |pairs: &[u8], join: fn([u8; 2]) -> u16| {
            let units: Vec<u16> = pairs.chunks_exact(2).map(|p| join([p[0], p[1]])).collect();
            String::from_utf16_lossy(&units)
        };
        match charset(name)? {
            Charset::Ascii => out.extend(bytes.iter().map(|b| if *b < 128 { char::from(*b) } else { '\u{FFFD}' })),
            Charset::Latin1 => out.extend(bytes.iter().map(|b| char::from(*b))),
            Charset::Utf8 => out.push_str(&String::from_utf8_lossy(bytes)),
            Charset::Utf16Be => out.push_str(&wide(bytes, u16::from_be_bytes)),
            Charset::Utf16Le => out.push_str(&wide(bytes, u16::from_le_bytes)),
            Charset::Utf16 => match bytes {
                [0xFF, 0xFE, rest @ ..] => out.push_str(&wide(rest, u16::from_le_bytes)),
                [0xFE, 0xFF, rest @ ..] => out.push_str(&wide(rest, u16::from_be_bytes)),
                rest => out.push_str(&wide(rest, u16::from_be_bytes)),
            },
        }
        Ok(Some(()))
    })
}

fn to_base64(call: &Call<'_>) -> Result<ArrayRef> {
    if call.arguments[0].array.data_type() == &arrow::datatypes::DataType::Binary {
        let bytes = call.bytes(0)?;
        return call.build_text(|row, out| {
            STANDARD.encode_string(bytes.get(row)?, out);
            Some(())
        });
    }
    let text = call.text(0)?;
    call.build_text(|row, out| {
        STANDARD.encode_string(text.get(row)?, out);
        Some(())
    })
}

fn from_base64(call: &Call<'_>) -> Result<ArrayRef> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let text = call.text(0)?;
    call.build_text(|row, out| {
        let bytes = engine.decode(text.get(row)?).ok()?;
        out.push_str(&String::from_utf8_lossy(&bytes));
        Some(())
    })
}
