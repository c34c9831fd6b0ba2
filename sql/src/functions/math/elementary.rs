//! Functions of calculus: DOUBLE in, DOUBLE out.

use crate::functions::call::Call;
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::ArrayRef;
use freshet_types::Result;

const DOUBLE: Returns = Returns::Is(SqlType0::Double);
const ONE: Arguments = Arguments::exactly(&[Arg::Double]);
const TWO: Arguments = Arguments::exactly(&[Arg::Double, Arg::Double]);

const fn one(
    name: &'static str,
    text: (&'static str, &'static str),
    evaluate: fn(&Call<'_>) -> Result<ArrayRef>,
) -> Function {
    Function::new(name, Family::Math, text, ONE, DOUBLE, evaluate)
}

fn map(call: &Call<'_>, f: impl Fn(f64) -> f64) -> Result<ArrayRef> {
    let x = call.double(0)?;
    call.doubles(|row| x.get(row).map(&f))
}

/// POWER, SQRT, LN, SIN and so on.
pub static FUNCTIONS: &[Function] = &[
    one("sqrt", ("SQRT(x)", "Square root."), |call| map(call, f64::sqrt)),
    one("exp", ("EXP(x)", "e to the power of x."), |call| map(call, f64::exp)),
    one("ln", ("LN(x)", "Natural logarithm."), |call| map(call, f64::ln)),
    one("log10", ("LOG10(x)", "Logarithm to base 10."), |call| map(call, f64::log10)),
    one("log2", ("LOG2(x)", "Logarithm to base 2."), |call| map(call, |x| x.ln() / 2f64.ln())),
    one("sin", ("SIN(x)", "Sine."), |call| map(call, f64::sin)),
    one("cos", ("COS(x)", "Cosine."), |call| map(call, f64::cos)),
    one("tan", ("TAN(x)", "Tangent."), |call| map(call, f64::tan)),
    one("cot", ("COT(x)", "Cotangent."), |call| map(call, |x| 1.0 / x.tan())),
    one("asin", ("ASIN(x)", "Arc sine."), |call| map(call, f64::asin)),
    one("acos", ("ACOS(x)", "Arc cosine."), |call| map(call, f64::acos)),
    one("atan", ("ATAN(x)", "Arc tangent."), |call| map(call, f64::atan)),
    one("sinh", ("SINH(x)", "Hyperbolic sine."), |call| map(call, f64::sinh)),
    one("cosh", ("COSH(x)", "Hyperbolic cosine."), |call| map(call, f64::cosh)),
    one("tanh", ("TANH(x)", "Hyperbolic tangent."), |call| map(call, f64::tanh)),
    one("degrees", ("DEGREES(x)", "Radians in degrees."), |call| map(call, f64::to_degrees)),
    one("radians", ("RADIANS(x)", "Degrees in radians."), |call| map(call, f64::to_radians)),
    Function::new("atan2", Family::Math, ("ATAN2(y, x)", "Angle of the point (x, y)."), TWO, DOUBLE, |call| {
        let (y, x) = (call.double(0)?, call.double(1)?);
        call.doubles(|row| Some(y.get(row)?.atan2(x.get(row)?)))
    }),
    Function::new("power", Family::Math, ("POWER(x, y)", "x to the power of y."), TWO, DOUBLE, |call| {
        let (x, y) = (call.double(0)?, call.double(1)?);
        call.doubles(|row| Some(x.get(row)?.powf(y.get(row)?)))
    })
    .aliases(&["pow"]),
    Function::new(
        "log",
        Family::Math,
        ("LOG([base, ]x)", "Logarithm, natural without a base."),
        Arguments::with_optional(&[Arg::Double], &[Arg::Double]),
        DOUBLE,
        |call| {
            if call.count() == 1 {
                return map(call, f64::ln);
            }
            let (base, x) = (call.double(0)?, call.double(1)?);
            call.doubles(|row| Some(x.get(row)?.ln() / base.get(row)?.ln()))
        },
    ),
    Function::new("pi", Family::Math, ("PI()", "The number pi."), Arguments::exactly(&[]), DOUBLE, |call| {
        call.doubles(|_| Some(std::f64::consts::PI))
    })
    .never_null(),
    Function::new("e", Family::Math, ("E()", "The number e."), Arguments::exactly(&[]), DOUBLE, |call| {
        call.doubles(|_| Some(std::f64::consts::E))
    })
    .never_null(),
];
