//! Functions on whole numbers.

use crate::functions::function::{Arg, Arguments, Family, Function, Returns};

/// MOD, which the rewriting turns into `%`.
pub static FUNCTIONS: &[Function] = &[Function::new(
    "mod",
    Family::Math,
    ("MOD(x, y)", "The rest of a division, with the sign of x and the type of y."),
    Arguments::exactly(&[Arg::Number, Arg::Number]),
    Returns::Like(1),
    |call| {
        Err(freshet_types::Error::internal("function.not_rewritten", "MOD must become % before it runs")
            .at("function", call.name))
    },
)];
