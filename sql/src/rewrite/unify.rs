//! Plans whose parts must agree in type: rows of VALUES, inputs of UNION, keys of joins.

use super::RewriteContext;
use super::coercion::comparison;
use super::operands::{bring, type_of};
use super::types::{common_of, common_type};
use crate::functions::from_datafusion;
use crate::plan::columns_place;
use arrow::datatypes::Field;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection, Union, Values};
use freshet_types::{Error, Result, SqlField, SqlType};
use std::sync::Arc;

pub(super) fn rewrite(plan: LogicalPlan, context: &RewriteContext) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Values(values) => self::values(values, context),
        LogicalPlan::Union(union) => self::union(union, context),
        LogicalPlan::Join(join) => self::join(join, context),
        other => Ok(other),
    }
}

fn values(values: Values, context: &RewriteContext) -> Result<LogicalPlan> {
    let empty = DFSchema::empty();
    let Values { schema, mut values } = values;
    let mut fields = Vec::with_capacity(schema.fields().len());
    for (column, field) in schema.fields().iter().enumerate() {
        let mut common = SqlType::Null;
        let mut nullable = false;
        for row in &mut values {
            // DataFusion has given NULLs the type that it chose for the column.
            if let Expr::Literal(value, _) = &row[column]
                && value.is_null()
            {
                row[column] = Expr::Literal(ScalarValue::Null, None);
                nullable = true;
                continue;
            }
            nullable = true;
            let cell = type_of(&row[column], &empty)?;
            common = common_type(&common, &cell).ok_or_else(|| {
                Error::invalid("values.types", format!("column {} of VALUES holds {common} and {cell}", column + 1))
                    .hint("cast the values to one type")
            })?;
        }
        // A text of a fixed length beside others is a STRING, as are all literals.
        for row in &mut values {
            row[column] = bring(std::mem::take(&mut row[column]), &common, &empty, context)?;
        }
        let field: Field = SqlField { name: field.name().clone(), sql_type: common, nullable }.to_arrow();
        fields.push(field);
    }
    let schema =
        DFSchema::from_unqualified_fields(fields.into(), schema.metadata().clone()).map_err(from_datafusion)?;
    Ok(LogicalPlan::Values(Values { schema: Arc::new(schema), values }))
}

fn union(union: Union, context: &RewriteContext) -> Result<LogicalPlan> {
    let inputs: Vec<LogicalPlan> = union.inputs.into_iter().map(Arc::unwrap_or_clone).collect();
    let width = inputs.first().map_or(0, |i| i.schema().fields().len());
    let mut targets = Vec::with_capacity(width);
    for column in 0..width {
        let types = inputs
            .iter()
            .map(|input| {
                let field = input.schema().field(column);
                SqlField::from_arrow(field).map(|f| f.sql_type).ok_or_else(|| {
                    Error::unsupported("type.unknown", format!("a UNION of {} is not there", field.data_type()))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let common = common_of(&types).ok_or_else(|| {
            let types: Vec<String> = types.iter().map(ToString::to_string).collect();
            Error::invalid(
                "union.types",
                format!("column {} of a set operation has no common type: {}", column + 1, types.join(", ")),
            )
            .hint("cast the columns to one type")
        })?;
        targets.push(Some(common));
    }
    let inputs = inputs
        .into_iter()
        .map(|input| cast_columns(input, &targets, context).map(Arc::new))
        .collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs).map_err(from_datafusion)?))
}

/// The plan with some columns cast; names stay.
fn cast_columns(plan: LogicalPlan, targets: &[Option<SqlType>], context: &RewriteContext) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let agrees = schema.fields().iter().zip(targets).all(|(field, target)| {
        target.as_ref().is_none_or(|t| SqlField::from_arrow(field).is_some_and(|f| f.sql_type == *t))
    });
    if agrees {
        return Ok(plan);
    }
    let exprs = schema
        .iter()
        .zip(targets)
        .map(|((qualifier, field), target)| {
            let column = Expr::from((qualifier, field));
            match target {
                Some(target) => {
                    let cast = bring(column.clone(), target, &schema, context)?;
                    Ok(if cast == column { column } else { cast.alias_qualified(qualifier.cloned(), field.name()) })
                }
                None => Ok(column),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection).map_err(from_datafusion)
}

fn join(mut join: Join, context: &RewriteContext) -> Result<LogicalPlan> {
    let on = std::mem::take(&mut join.on);
    for (left, right) in on {
        let place = columns_place([&left, &right]);
        let (left, right) =
            comparison(left, right, join.left.schema(), join.right.schema(), context).map_err(|(l, r)| {
                let error = Error::invalid("operator.types", format!("{l} = {r} has no meaning"))
                    .hint("cast one side to the type of the other");
                match place {
                    Some((start, end)) => error.span(start, end),
                    None => error,
                }
            })?;
        join.on.push((left?, right?));
    }
    Ok(LogicalPlan::Join(join))
}
