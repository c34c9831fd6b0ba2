//! Parts of URLs and their escapes.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

const RETURNS: Returns = Returns::Is(SqlType0::String);

/// PARSE_URL, URL_ENCODE, URL_DECODE, URL_DECODE_RECURSIVE.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "parse_url",
        Family::String,
        (
            "PARSE_URL(url, part[, key])",
            "HOST, PATH, QUERY, REF, PROTOCOL, FILE, AUTHORITY or USERINFO of a URL, or the value of a key of its QUERY.",
        ),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Text]),
        RETURNS,
        parse_url,
    ),
    Function::new(
        "url_encode",
        Family::String,
        ("URL_ENCODE(text)", "The text as it stands in a form or query, in UTF-8."),
        Arguments::exactly(&[Arg::Text]),
        RETURNS,
        |call| {
            let text = call.text(0)?;
            call.build_text(|row, out| {
                encode(text.get(row)?, out);
                Some(())
            })
        },
    ),
    Function::new(
        "url_decode",
        Family::String,
        ("URL_DECODE(text)", "The text behind the escapes of a form or query; NULL when an escape is broken."),
        Arguments::exactly(&[Arg::Text]),
        RETURNS,
        |call| {
            let text = call.text(0)?;
            call.build_text(|row, out| {
                out.push_str(&decode(text.get(row)?)?);
                Some(())
            })
        },
    ),
    Function::new(
        "url_decode_recursive",
        Family::String,
        ("URL_DECODE_RECURSIVE(text[, depth])", "The text decoded until nothing changes, at most so many times (10)."),
        Arguments::with_optional(&[Arg::Text], &[Arg::Long]),
        RETURNS,
        |call| {
            let (text, depth) = (call.text(0)?, call.long_opt(1)?);
            call.build_text(|row, out| {
                let mut now = text.get(row)?.to_string();
                let depth = depth.as_ref().map_or(Some(10), |d| d.get(row))?;
                for _ in 0..depth {
                    match decode(&now) {
                        Some(next) if next != now => now = next,
                        _ => break,
                    }
                }
                out.push_str(&now);
                Some(())
            })
        },
    ),
];

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(other >> 4)]));
                out.push(char::from(HEX[usize::from(other & 15)]));
            }
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A URL cut into its parts, as `java.net.URL` cuts it.
struct Url<'a> {
    protocol: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

fn cut(url: &str) -> Option<Url<'_>> {
    let url = url.trim();
    let (protocol, rest) = url.split_once(':')?;
    let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(r, f)| (r, Some(f)));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(r, q)| (r, Some(q)));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        },
        None => ("", rest),
    };
    // Java knows these and no others.
    let known = ["http", "https", "ftp", "file", "jar", "mailto"];
    let protocol = known.into_iter().find(|p| p.eq_ignore_ascii_case(protocol))?;
    Some(Url { protocol, authority, path, query, fragment })
}

fn parse_url(call: &Call<'_>) -> Result<ArrayRef> {
    let (url, part, key) = (call.text(0)?, call.text(1)?, call.text_opt(2)?);
    call.build_text(|row, out| {
        let (url, part) = (cut(url.get(row)?)?, part.get(row)?);
        if let Some(key) = &key {
            let key = key.get(row)?;
            if part != "QUERY" {
                return None;
            }
            let value = url.query?.split('&').find_map(|pair| pair.split_once('=').filter(|(k, _)| *k == key))?.1;
            out.push_str(value);
            return Some(());
        }
        let (user, host) = url.authority.rsplit_once('@').map_or((None, url.authority), |(u, h)| (Some(u), h));
        match part {
            "HOST" => {
                let port = host.rfind(':').filter(|at| host[at + 1..].bytes().all(|b| b.is_ascii_digit()));
                out.push_str(port.map_or(host, |at| &host[..at]));
            }
            "PATH" => out.push_str(url.path),
            "QUERY" => out.push_str(url.query?),
            "REF" => out.push_str(url.fragment?),
            "PROTOCOL" => out.push_str(url.protocol),
            "AUTHORITY" => out.push_str(url.authority),
            "USERINFO" => out.push_str(user?),
            "FILE" => {
                out.push_str(url.path);
                if let Some(query) = url.query {
                    out.push('?');
                    out.push_str(query);
                }
            }
            _ => return None,
        }
        Some(())
    })
}
