//! What a text consists of.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

const fn check(
    name: &'static str,
    text: (&'static str, &'static str),
    evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
) -> Function {
    Function::new(
        name,
        Family::Conditional,
        text,
        Arguments::exactly(&[Arg::Text]),
        Returns::Is(SqlType0::Boolean),
        evaluate,
    )
}

/// IS_ALPHA, IS_DIGIT, IS_DECIMAL: false for NULL.
pub static FUNCTIONS: &[Function] = &[
    check("is_alpha", ("IS_ALPHA(text)", "Whether a text has letters only."), |call| {
        each(call, |text| !text.is_empty() && text.chars().all(char::is_alphabetic))
    }),
    check("is_digit", ("IS_DIGIT(text)", "Whether a text has digits only."), |call| {
        each(call, |text| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()))
    }),
    check("is_decimal", ("IS_DECIMAL(text)", "Whether a text is a number."), |call| {
        each(call, |text| crate::functions::cast::parse_decimal(text, 38, 0).is_some())
    }),
];

fn each(call: &Call<'_>, test: fn(&str) -> bool) -> Result<ArrayRef> {
    let text = call.text(0)?;
    call.booleans(|row| Some(text.get(row).is_some_and(test)))
}
