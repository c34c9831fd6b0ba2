//! Access to the fields of rows: `person.id` is named `id`, and a wrong field is refused with the right ones.

use super::error::inward;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, Result as DfResult, TableReference};
use datafusion::functions::core::get_field;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};
use datafusion::logical_expr::{Expr, lit};
use freshet_types::{Error, suggest};

/// Plans `row.field`.
#[derive(Debug)]
pub(crate) struct RowFields;

impl ExprPlanner for RowFields {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> DfResult<PlannerResult<Vec<Expr>>> {
        let mut expr = Expr::Column(Column::from((qualifier, std::sync::Arc::new(field.clone()).as_ref())));
        let mut data_type = field.data_type().clone();
        let mut path = field.name().clone();
        for name in nested_names {
            let DataType::Struct(fields) = &data_type else {
                return Ok(PlannerResult::Planned(failing(
                    Error::invalid("column.no_row", format!("column \"{path}\" has no fields"))
                        .hint("take the column itself"),
                )?));
            };
            let Some(inner) = fields.iter().find(|f| f.name() == name) else {
                let known = fields.iter().map(|f| f.name().as_str());
                return Ok(PlannerResult::Planned(failing(
                    Error::not_found("column.unknown", format!("no field named \"{name}\" in \"{path}\""))
                        .hint(suggest::hint(name, "fields", known)),
                )?));
            };
            expr = Expr::ScalarFunction(ScalarFunction::new_udf(get_field(), vec![expr, lit(name.as_str())]));
            path = format!("{path}.{name}");
            data_type = inner.data_type().clone();
        }
        match nested_names.last() {
            Some(name) => Ok(PlannerResult::Planned(expr.alias(name))),
            None => Ok(PlannerResult::Original(Vec::new())),
        }
    }
}

fn failing(error: Error) -> DfResult<Expr> {
    Err(inward(error))
}
