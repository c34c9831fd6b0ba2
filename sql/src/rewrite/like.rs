//! LIKE and SIMILAR TO: patterns where only `%` and `_` are special, besides the escape character when one is named.
//!
//! DataFusion knows no escape character but the backslash, which Flink takes as itself.

use super::RewriteContext;
use super::operands::bring;
use crate::functions::string::pattern;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Like;
use freshet_types::{Error, Result, SqlType};

pub(super) fn like(like: Like, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let Like { negated, expr, pattern, escape_char, case_insensitive } = like;
    if case_insensitive {
        return Err(
            Error::unsupported("operator.ilike", "ILIKE is not part of Flink SQL").hint("compare LOWER(x) with LIKE")
        );
    }
    let expr = bring(*expr, &SqlType::STRING, schema, context)?;
    let pattern = bring(*pattern, &SqlType::STRING, schema, context)?;
    // A pattern that this rule has made carries the backslash as its escape character.
    if escape_char == Some('\\') && is_ready(&pattern) {
        return Ok(Expr::Like(Like::new(negated, Box::new(expr), Box::new(pattern), escape_char, false)));
    }
    let pattern = match pattern {
        Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) => {
            let text = pattern::with_backslash(&text, escape_char)?;
            Expr::Literal(ScalarValue::Utf8(Some(text)), metadata)
        }
        null @ Expr::Literal(_, _) => null,
        other => pattern::like_pattern(other, escape_char, &context.functions),
    };
    Ok(Expr::Like(Like::new(negated, Box::new(expr), Box::new(pattern), Some('\\'), false)))
}

/// Whether a pattern has been through [`like`]: each backslash in it escapes something.
fn is_ready(pattern: &Expr) -> bool {
    match pattern {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => pattern::is_backslashed(text),
        Expr::Literal(_, _) => true,
        other => pattern::is_like_pattern(other),
    }
}

pub(super) fn similar(like: Like, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let expr = bring(*like.expr, &SqlType::STRING, schema, context)?;
    let pattern = bring(*like.pattern, &SqlType::STRING, schema, context)?;
    let matches = pattern::similar(expr, pattern, like.escape_char, &context.functions);
    Ok(if like.negated { Expr::Not(Box::new(matches)) } else { matches })
}
