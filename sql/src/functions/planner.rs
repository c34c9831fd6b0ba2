//! Forms of SQL that are not calls: EXTRACT, POSITION, SUBSTRING, OVERLAY, `a[i]`, `row.field`, ARRAY, MAP, ROW.

use super::{FunctionContext, find, to_datafusion, udf::Scalar};
use crate::rewrite::{self, RewriteContext};
use arrow::datatypes::Field;
use datafusion::common::{Column, DFSchema, Result, ScalarValue, TableReference, plan_err};
use datafusion::logical_expr::binary::BinaryTypeCoercer;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawDictionaryExpr, RawFieldAccessExpr,
};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, GetFieldAccess, Operator, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use freshet_types::Error;
use std::sync::Arc;

/// Plans the forms with our functions.
#[derive(Debug)]
pub struct FlinkExprPlanner {
    context: Arc<FunctionContext>,
}

/// The planners that the context of SQL planning must name: ours, and DataFusion's for `COUNT(*)`.
pub fn expr_planners(context: &FunctionContext) -> Vec<Arc<dyn ExprPlanner>> {
    vec![
        Arc::new(FlinkExprPlanner { context: Arc::new(context.clone()) }),
        Arc::new(datafusion::functions_aggregate::planner::AggregateFunctionPlanner),
        Arc::new(datafusion::functions_window::planner::WindowFunctionPlanner),
    ]
}

/// A call of one of our functions, for plans that are not made from SQL.
pub fn call(name: &'static str, args: Vec<Expr>, context: &FunctionContext) -> Expr {
    call_in(name, args, &Arc::new(context.clone()))
}

fn call_in(name: &'static str, args: Vec<Expr>, context: &Arc<FunctionContext>) -> Expr {
    let function = find(name).expect("the planner calls functions of the registry");
    let udf = ScalarUDF::new_from_impl(Scalar::new(name, function, context));
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), args))
}

impl FlinkExprPlanner {
    fn planned<T>(&self, name: &'static str, args: Vec<Expr>) -> Result<PlannerResult<T>> {
        Ok(PlannerResult::Planned(call_in(name, args, &self.context)))
    }
}

/// `row.field`.
fn field(row: Expr, name: &str) -> Expr {
    let name = Expr::Literal(ScalarValue::Utf8(Some(name.to_string())), None);
    Expr::ScalarFunction(ScalarFunction::new_udf(datafusion::functions::core::get_field(), vec![row, name]))
}

/// The operators of Flink SQL.
fn operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
        BinaryOperator::StringConcat => Operator::StringConcat,
        _ => return None,
    })
}

impl ExprPlanner for FlinkExprPlanner {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let Some(op) = operator(&raw.op) else {
            let text = format!("the operator {} has no meaning in Flink SQL", raw.op);
            let hint = "there are + - * / % || = <> < <= > >= AND OR; SHOW FUNCTIONS lists what else there is";
            return Err(to_datafusion(Error::invalid("operator.unknown", text).hint(hint)));
        };
        let (Ok(left), Ok(right)) = (raw.left.get_type(schema), raw.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(raw));
        };
        // DataFusion has a type for text and numbers under `+` and the like, but not always, and none for intervals
        // times numbers; Flink's typing, which comes for all others once the plan is there, comes now for these.
        if BinaryTypeCoercer::new(&left, &op, &right).get_result_type().is_ok() {
            return Ok(PlannerResult::Original(raw));
        }
        let binary = Expr::BinaryExpr(BinaryExpr::new(Box::new(raw.left), op, Box::new(raw.right)));
        let context = RewriteContext { functions: self.context.as_ref().clone() };
        let typed = rewrite::apply_to_expression(binary, schema, &context).map_err(to_datafusion)?;
        Ok(PlannerResult::Planned(typed))
    }

    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr } = access;
        match field_access {
            GetFieldAccess::NamedStructField { name } => {
                if matches!(expr.get_type(schema)?, arrow::datatypes::DataType::Struct(_)) {
                    let name = name.try_as_str().flatten().unwrap_or_default().to_string();
                    return Ok(PlannerResult::Planned(field(expr, &name)));
                }
                self.planned("item", vec![expr, Expr::Literal(name, None)])
            }
            GetFieldAccess::ListIndex { key } => self.planned("item", vec![expr, *key]),
            GetFieldAccess::ListRange { .. } => plan_err!("an array is cut with ARRAY_SLICE(array, start, end)"),
        }
    }

    fn plan_array_literal(&self, exprs: Vec<Expr>, _: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        self.planned("array", exprs)
    }

    fn plan_position(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        // DataFusion gives the text first and the part second.
        self.planned("position", args.into_iter().rev().collect())
    }

    fn plan_dictionary_literal(
        &self,
        raw: RawDictionaryExpr,
        _: &DFSchema,
    ) -> Result<PlannerResult<RawDictionaryExpr>> {
        let pairs = raw.keys.into_iter().zip(raw.values).flat_map(|(key, value)| [key, value]).collect();
        self.planned("map", pairs)
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.planned("extract", args)
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.planned("substring", args)
    }

    fn plan_struct_literal(&self, args: Vec<Expr>, is_named_struct: bool) -> Result<PlannerResult<Vec<Expr>>> {
        if is_named_struct {
            return plan_err!("fields of a row get their names from CAST(ROW(...) AS ROW<name type>)");
        }
        self.planned("row", args)
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.planned("overlay", args)
    }

    fn plan_make_map(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.planned("map", args)
    }

    fn plan_compound_identifier(
        &self,
        column: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let column = Expr::Column(Column::from((qualifier, &Arc::new(column.clone()))));
        Ok(PlannerResult::Planned(nested_names.iter().fold(column, |row, name| field(row, name))))
    }
}
