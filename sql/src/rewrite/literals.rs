//! Types of literals: a whole number is INT when it fits, else BIGINT, else DECIMAL.

use super::RewriteContext;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use freshet_types::{Error, Result};

pub(super) fn rewrite(expr: Expr, _: &DFSchema, _: &RewriteContext) -> Result<Expr> {
    Ok(match expr {
        // COUNT(*) is a count of this literal, and rules of the optimiser know it by its type.
        Expr::AggregateFunction(_) | Expr::WindowFunction(_) => restore_count_star(expr),
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => Expr::Literal(ScalarValue::Int32(Some(value)), metadata),
            Err(_) => Expr::Literal(ScalarValue::Int64(Some(value)), metadata),
        },
        Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
            let digits = value.to_string().len() as u8;
            Expr::Literal(ScalarValue::Decimal128(Some(i128::from(value)), digits, 0), metadata)
        }
        // Only an exponent gives a scale below zero, and a number with an exponent is a DOUBLE.
        Expr::Literal(ScalarValue::Decimal128(Some(value), _, s), metadata) if s < 0 => {
            let value = value as f64 * 10f64.powi(i32::from(s.unsigned_abs()));
            Expr::Literal(ScalarValue::Float64(Some(value)), metadata)
        }
        Expr::Literal(ScalarValue::Decimal256(..), _) => {
            return Err(Error::invalid("literal.digits", "a number has more than 38 digits")
                .hint("write it with an exponent, as in 1.5E40, for a DOUBLE"));
        }
        other => other,
    })
}

fn restore_count_star(expr: Expr) -> Expr {
    let restore = |name: &str, args: &mut Vec<Expr>| {
        if let ("count", [Expr::Literal(ScalarValue::Int32(Some(value)), metadata)]) = (name, args.as_slice()) {
            args[0] = Expr::Literal(ScalarValue::Int64(Some(i64::from(*value))), metadata.clone());
        }
    };
    match expr {
        Expr::AggregateFunction(mut function) => {
            restore(function.func.name(), &mut function.params.args);
            Expr::AggregateFunction(function)
        }
        Expr::WindowFunction(mut function) => {
            restore(function.fun.name(), &mut function.params.args);
            Expr::WindowFunction(function)
        }
        other => other,
    }
}
