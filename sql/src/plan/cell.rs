//! Cells of VALUES, kept as they were written: DataFusion brings the cells of a column into a type of its own choice.
//!
//! `super::prepare` wraps every cell in the call `__cell(x)`; DataFusion's casts then stand around the call, where
//! [`unwrap`] takes them away together with it. Flink's typing finds the common type afterwards.

use super::error::outward;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Result as DfResult, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::sql::sqlparser::ast;
use freshet_types::Result;
use std::sync::Arc;

const CELL: &str = "__cell";

/// The stand-in for a cell, for the planner's function look-up; it is never run.
pub(crate) fn stand_in() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Cell { signature: Signature::any(1, Volatility::Immutable) }))
}

/// The call that stands around a cell.
pub(crate) fn wrap(cell: ast::Expr) -> ast::Expr {
    let argument = ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(cell));
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(CELL)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// Takes the calls away, and the casts around them.
pub(crate) fn unwrap(plan: LogicalPlan) -> Result<LogicalPlan> {
    let unwrapped = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Values(mut values) => {
            for cell in values.values.iter_mut().flatten() {
                *cell = written(std::mem::take(cell));
            }
            Ok(Transformed::yes(LogicalPlan::Values(values)))
        }
        node => Ok(Transformed::no(node)),
    });
    Ok(unwrapped.map_err(outward)?.data)
}

fn written(cell: Expr) -> Expr {
    let is_call = |e: &Expr| matches!(e, Expr::ScalarFunction(call) if call.func.name() == CELL);
    match cell {
        Expr::Cast(cast) if is_call(&cast.expr) => written(*cast.expr),
        Expr::ScalarFunction(mut call) if call.func.name() == CELL && call.args.len() == 1 => call.args.remove(0),
        other => other,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cell {
    signature: Signature,
}

impl ScalarUDFImpl for Cell {
    fn name(&self) -> &str {
        CELL
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        match args.arg_fields.first() {
            Some(field) => Ok(Arc::clone(field)),
            None => plan_err!("a cell of VALUES is empty"),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        plan_err!("a cell of VALUES stands outside VALUES")
    }
}
