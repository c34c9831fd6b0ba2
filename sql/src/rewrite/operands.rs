//! Types of expressions, and bringing expressions to a type.

use super::RewriteContext;
use crate::functions::cast::{CastOptions, OnFailure, cast_array, cast_expr};
use crate::functions::from_datafusion;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable};
use freshet_types::{Error, Result, SqlField, SqlType};

/// The field that an expression makes.
pub(super) fn field_of(expr: &Expr, schema: &DFSchema) -> Result<SqlField> {
    let (_, field) = expr.to_field(schema).map_err(from_datafusion)?;
    SqlField::from_arrow(&field).ok_or_else(|| {
        Error::unsupported("type.unknown", format!("values of type {} cannot be used here", field.data_type()))
            .at("expression", expr.to_string())
    })
}

/// The type of an expression.
pub(super) fn type_of(expr: &Expr, schema: &DFSchema) -> Result<SqlType> {
    Ok(field_of(expr, schema)?.sql_type)
}

/// `expr` as `target`; a literal becomes a literal of that type at once.
pub(super) fn bring(expr: Expr, target: &SqlType, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let from = field_of(&expr, schema)?;
    if from.sql_type == *target {
        return Ok(expr);
    }
    if let Expr::Literal(value, metadata) = &expr
        && let Some(literal) = cast_literal(value, &from.sql_type, target, context)
    {
        return Ok(Expr::Literal(literal, metadata.clone()));
    }
    cast_expr(expr, &from, target, OnFailure::Fail, &context.functions)
}

/// A literal of another type; none when the cast fails (which then shows when the expression runs) or when the Arrow
/// type alone does not say the target.
pub(super) fn cast_literal(
    value: &ScalarValue,
    from: &SqlType,
    target: &SqlType,
    context: &RewriteContext,
) -> Option<ScalarValue> {
    if SqlType::from_data_type(&target.to_arrow()).as_ref() != Some(target) {
        return None;
    }
    let options = CastOptions { on_failure: OnFailure::Fail, zone: context.functions.time_zone };
    let array = value.to_array().ok()?;
    let cast = cast_array(&array, from, target, &options).ok()?;
    ScalarValue::try_from_array(&cast, 0).ok()
}
