//! Codes of characters.

use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};

/// ASCII, CHR.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "ascii",
        Family::String,
        ("ASCII(text)", "Code of the first byte; 0 for an empty text."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::Int),
        |call| {
            let text = call.text(0)?;
            // Java's bytes have a sign.
            call.ints(|row| Some(text.get(row)?.as_bytes().first().map_or(0, |b| i32::from(*b as i8))))
        },
    ),
    Function::new(
        "chr",
        Family::String,
        ("CHR(code)", "The character of a code, taken modulo 256; empty for a negative code."),
        Arguments::exactly(&[Arg::Long]),
        Returns::Is(SqlType0::String),
        |call| {
            let code = call.long(0)?;
            call.build_text(|row, out| {
                let code = code.get(row)?;
                if code >= 0 {
                    out.push(char::from((code % 256) as u8));
                }
                Some(())
            })
        },
    ),
];
