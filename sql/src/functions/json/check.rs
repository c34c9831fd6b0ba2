//! Whether a text is JSON, and texts as JSON strings.

use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use serde_json::Value;
use std::fmt::Write;

/// IS JSON, JSON_QUOTE, JSON_UNQUOTE.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "is_json",
        Family::Json,
        ("text IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]", "Whether a text is JSON of a kind."),
        Arguments::with_optional(&[Arg::Text], &[Arg::Text]),
        Returns::Is(SqlType0::Boolean),
        |call| {
            let (text, kind) = (call.text(0)?, call.text_opt(1)?);
            call.booleans(|row| {
                let kind = kind.as_ref().map_or(Some("VALUE"), |k| k.get(row))?;
                // NULL is no JSON, rather than unknown.
                let value = text.get(row).and_then(|t| serde_json::from_str::<Value>(t).ok());
                Some(value.is_some_and(|value| match kind {
                    "OBJECT" => value.is_object(),
                    "ARRAY" => value.is_array(),
                    "SCALAR" => !value.is_object() && !value.is_array(),
                    _ => true,
                }))
            })
        },
    ),
    Function::new(
        "json_quote",
        Family::Json,
        ("JSON_QUOTE(text)", "The text as a JSON string, in double quotes."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::String),
        |call| {
            let text = call.text(0)?;
            call.build_text(|row, out| {
                // All but ASCII is written by its UTF-16 units.
                for c in Value::String(text.get(row)?.to_string()).to_string().chars() {
                    if c.is_ascii() {
                        out.push(c);
                        continue;
                    }
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}").ok()?;
                    }
                }
                Some(())
            })
        },
    ),
    Function::new(
        "json_unquote",
        Family::Json,
        ("JSON_UNQUOTE(text)", "The text of a JSON string; other texts stay as they are."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::String),
        |call| {
            let text = call.text(0)?;
            call.build_text(|row, out| {
                let text = text.get(row)?;
                match serde_json::from_str::<Value>(text) {
                    Ok(Value::String(inner)) => out.push_str(&inner),
                    _ => out.push_str(text),
                }
                Some(())
            })
        },
    ),
];
