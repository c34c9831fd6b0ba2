//! Upper and lower case.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

/// UPPER, LOWER, INITCAP.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "upper",
        Family::String,
        ("UPPER(text)", "The text in upper case."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::String),
        |call| map(call, |text, out| out.extend(text.chars().flat_map(char::to_uppercase))),
    )
    .aliases(&["ucase"]),
    Function::new(
        "lower",
        Family::String,
        ("LOWER(text)", "The text in lower case."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::String),
        // The whole text at once: a sigma at the end of a word has its own form.
        |call| map(call, |text, out| out.push_str(&text.to_lowercase())),
    )
    .aliases(&["lcase"]),
    Function::new(
        "initcap",
        Family::String,
        ("INITCAP(text)", "The text with the first letter of each word in upper case, the others in lower case."),
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::String),
        initcap,
    ),
];

fn map(call: &Call<'_>, f: impl Fn(&str, &mut String)) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.build_text(|row, out| {
        f(text.get(row)?, out);
        Some(())
    })
}

fn initcap(call: &Call<'_>) -> Result<ArrayRef> {
    map(call, |text, out| {
        // A word is a run of letters and digits of ASCII; others stay as they are.
        let mut inside = false;
        for c in text.chars() {
            out.push(if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
            inside = c.is_ascii_alphanumeric();
        }
    })
}
