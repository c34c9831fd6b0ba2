//! Types of values; CAST itself is [`crate::functions::cast`].

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::{Result, SqlField};

/// TYPEOF, CURRENT_DATABASE.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "typeof",
        Family::Conversion,
        ("TYPEOF(value[, serializable])", "The type of a value, as text."),
        Arguments::with_optional(&[Arg::Any], &[Arg::Boolean]),
        Returns::Is(SqlType0::String),
        type_of,
    ),
    Function::new(
        "current_database",
        Family::Conversion,
        ("CURRENT_DATABASE()", "The database of the session."),
        Arguments::exactly(&[]),
        Returns::Is(SqlType0::String),
        |call| call.slices(|_| Some(&call.context.database)),
    )
    .never_null(),
];

fn type_of(call: &Call<'_>) -> Result<ArrayRef> {
    let field = &call.fields[0];
    let text = match SqlField::from_arrow(field) {
        Some(known) if known.nullable => known.sql_type.to_string(),
        Some(known) => format!("{} NOT NULL", known.sql_type),
        None => field.data_type().to_string(),
    };
    call.slices(|_| Some(&text))
}
