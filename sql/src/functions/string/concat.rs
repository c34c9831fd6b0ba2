//! Joining texts.

use crate::functions::call::{Call, TextColumn};
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

/// CONCAT, CONCAT_WS.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "concat",
        Family::String,
        ("CONCAT(text, ...)", "The texts one after the other; NULL when one of them is NULL."),
        Arguments::with_rest(&[Arg::Text], Arg::Text),
        Returns::Is(SqlType0::String),
        concat,
    ),
    Function::new(
        "concat_ws",
        Family::String,
        ("CONCAT_WS(separator, text, ...)", "The texts with a separator between them; NULLs are left out."),
        Arguments::with_rest(&[Arg::Text], Arg::Text),
        Returns::Is(SqlType0::String),
        concat_ws,
    ),
];

fn texts<'a>(call: &'a Call<'_>) -> Result<Vec<TextColumn<'a>>> {
    (0..call.count()).map(|i| call.text(i)).collect()
}

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = texts(call)?;
    call.build_text(|row, out| {
        for part in &parts {
            out.push_str(part.get(row)?);
        }
        Some(())
    })
}

fn concat_ws(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = texts(call)?;
    call.build_text(|row, out| {
        let separator = parts[0].get(row)?;
        for (i, part) in parts[1..].iter().filter_map(|p| p.get(row)).enumerate() {
            if i > 0 {
                out.push_str(separator);
            }
            out.push_str(part);
        }
        Some(())
    })
}
