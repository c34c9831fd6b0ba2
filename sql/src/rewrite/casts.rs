//! CAST and TRY_CAST become Flink's.

use super::RewriteContext;
use super::operands::{cast_literal, field_of};
use crate::functions::cast::{OnFailure, cast_expr};
use arrow::datatypes::FieldRef;
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use freshet_types::{Error, Result, SqlField, SqlType};

pub(super) fn rewrite(expr: Expr, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    match expr {
        Expr::Cast(cast) => flink_cast(*cast.expr, &cast.field, OnFailure::Fail, schema, context),
        Expr::TryCast(cast) => flink_cast(*cast.expr, &cast.field, OnFailure::Null, schema, context),
        other => Ok(other),
    }
}

fn flink_cast(
    expr: Expr,
    target: &FieldRef,
    on_failure: OnFailure,
    schema: &DFSchema,
    context: &RewriteContext,
) -> Result<Expr> {
    let Some(target) = SqlField::from_arrow(target) else {
        return Err(Error::unsupported("cast.unsupported", format!("nothing can be cast to {}", target.data_type())));
    };
    let from = field_of(&expr, schema)?;
    // A number that was written as text to keep its digits is a literal like any other.
    if let Expr::Literal(value, metadata) = &expr
        && from.sql_type.is_text()
        && matches!(target.sql_type, SqlType::Decimal(..) | SqlType::Double)
        && let Some(literal) = cast_literal(value, &from.sql_type, &target.sql_type, context)
        && !literal.is_null()
    {
        return Ok(Expr::Literal(literal, metadata.clone()));
    }
    cast_expr(expr, &from, &target.sql_type, on_failure, &context.functions)
}
