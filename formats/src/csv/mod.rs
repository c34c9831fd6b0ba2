//! CSV: RFC 4180 with Flink's options.
//!
//! Columns are found by position. Where RFC 4180 and habit differ: a quote inside a field that does not begin with one is
//! plain text; a space before a quote makes the field unquoted; text behind a closing quote is an error. A blank line is
//! a record of one empty field. A byte-order mark before a record is no data. Empty text is `''` for STRING and NULL for every other type. A record is good or bad by all
//! columns that the table declares, whichever of them a query reads.
//!
//! Source: Flink documentation, "CSV Format"; RFC 4180.

mod decode;
mod encode;
mod fields;
#[cfg(test)]
mod tests;

use crate::{Format, Framing, RecordDecoder, RecordEncoder};
use arrow::datatypes::SchemaRef;
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

/// The format.
pub struct Csv;

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default(
        "field-delimiter",
        OptionKind::Text,
        ",",
        "one character between fields, such as ; or \\t",
    ),
    OptionSpec::with_default(
        "disable-quote-character",
        OptionKind::Bool,
        "false",
        "whether no character quotes; excludes quote-character",
    ),
    OptionSpec::with_default("quote-character", OptionKind::Text, "\"", "one character around fields that need it"),
    OptionSpec::with_default(
        "allow-comments",
        OptionKind::Bool,
        "false",
        "whether lines that begin with # are left out",
    ),
    OptionSpec::with_default(
        "ignore-parse-errors",
        OptionKind::Bool,
        "false",
        "whether fields that cannot be parsed become NULL and records that cannot be split are left out",
    ),
    OptionSpec::with_default(
        "array-element-delimiter",
        OptionKind::Text,
        ";",
        "text between the elements of an ARRAY and the fields of a ROW",
    ),
    OptionSpec::optional(
        "escape-character",
        OptionKind::Text,
        "one character that takes the meaning from the character behind it",
    ),
    OptionSpec::optional("null-literal", OptionKind::Text, "text that stands for NULL when it is not quoted"),
    OptionSpec::with_default(
        "write-bigdecimal-in-scientific-notation",
        OptionKind::Bool,
        "true",
        "whether very small decimals are written with an exponent",
    ),
];

/// What the options mean.
#[derive(Debug, Clone)]
struct CsvOptions {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    allow_comments: bool,
    ignore_parse_errors: bool,
    element_delimiter: Vec<u8>,
    null_literal: Option<Vec<u8>>,
    plain_decimals: bool,
}

impl CsvOptions {
    fn new(options: &Options) -> Result<Self> {
        options.check(OPTIONS)?;
        let character = |name| options.get(name).map(|text| one_character(name, text)).transpose();
        let off = options.bool("disable-quote-character")?.unwrap_or(false);
        let quote = character("quote-character")?;
        if off && quote.is_some() {
            return Err(Error::invalid(
                "option.conflict",
                "option \"quote-character\" is given although \"disable-quote-character\" is true",
            )
            .hint("leave one of them out"));
        }
        let parsed = Self {
            delimiter: character("field-delimiter")?.unwrap_or(b','),
            quote: if off { None } else { Some(quote.unwrap_or(b'"')) },
            escape: character("escape-character")?,
            allow_comments: options.bool("allow-comments")?.unwrap_or(false),
            ignore_parse_errors: options.bool("ignore-parse-errors")?.unwrap_or(false),
            element_delimiter: unescape(options.get("array-element-delimiter").unwrap_or(";")).into_bytes(),
            null_literal: options.get("null-literal").map(|t| t.as_bytes().to_vec()),
            plain_decimals: !options.bool("write-bigdecimal-in-scientific-notation")?.unwrap_or(true),
        };
        if parsed.element_delimiter.is_empty() {
            return Err(Error::invalid("option.invalid", "option \"array-element-delimiter\" is empty")
                .hint("leave it out to take \";\""));
        }
        if parsed.quote == Some(parsed.delimiter) || parsed.escape == Some(parsed.delimiter) {
            return Err(Error::invalid(
                "option.conflict",
                "option \"field-delimiter\" is the same character as the quote or the escape",
            )
            .hint("choose different characters"));
        }
        Ok(parsed)
    }
}

/// Text with Java's escapes resolved: `\t`, `\u0001`.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let tail = rest.as_str();
        match rest.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some('u') if tail.len() >= 5 && tail.is_char_boundary(5) => {
                match u32::from_str_radix(&tail[1..5], 16).ok().and_then(char::from_u32) {
                    Some(c) => {
                        out.push(c);
                        rest = tail[5..].chars();
                    }
                    None => out.push('u'),
                }
            }
            Some(c) => out.push(c),
            None => out.push('\\'),
        }
    }
    out
}

fn one_character(name: &str, text: &str) -> Result<u8> {
    match unescape(text).as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(Error::invalid(
            "option.invalid",
            format!("option \"{name}\" is \"{text}\", which is not one character"),
        )
        .hint("write one ASCII character, or an escape such as \\t or \\u0001")),
    }
}

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn doc(&self) -> &'static str {
        "comma-separated values without a header line"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn framing(&self, options: &Options) -> Framing {
        match CsvOptions::new(options) {
            Ok(CsvOptions { quote: Some(quote), .. }) => Framing::QuotedLines(quote),
            _ => Framing::Lines,
        }
    }

    fn decoder(&self, schema: &SchemaRef, full: &SchemaRef, options: &Options) -> Result<Box<dyn RecordDecoder>> {
        Ok(Box::new(decode::Decoder::new(schema, full, CsvOptions::new(options)?)?))
    }

    fn encoder(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn RecordEncoder>> {
        Ok(Box::new(encode::Encoder::new(schema, CsvOptions::new(options)?)?))
    }
}
