//! Keeps what can fail behind the conditions that were written before it.
//!
//! Flink evaluates `b <> 0 AND a / b > 1` from the left and stops early, row by row. DataFusion evaluates both sides on
//! whole batches. Each part of an AND or OR that can fail is therefore put into a CASE behind the earlier parts that
//! share a column with it, which stay where they are for the optimiser. A CASE with a BOOLEAN result would be turned
//! into AND and OR by the optimiser, so that it computes TINYINT.

use super::RewriteContext;
use crate::functions::cast::FlinkCast;
use crate::functions::from_datafusion;
use crate::functions::operator::DecimalArithmetic;
use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, ExprSchemable, Operator};
use freshet_types::Result;

pub(super) fn rewrite(expr: Expr, schema: &DFSchema, _: &RewriteContext) -> Result<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right })
            if can_fail(&right, schema) && !is_guarded(&right) =>
        {
            let right = guarded(&left, op, *right);
            Ok(Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(right))))
        }
        Expr::Case(case) => shielded(case, schema),
        other => Ok(other),
    }
}

/// `right`, evaluated only where the parts of `left` leave the answer open.
fn guarded(left: &Expr, op: Operator, right: Expr) -> Expr {
    let columns = right.column_refs();
    let mut earlier = Vec::new();
    split(left, op, &mut earlier);
    let related = earlier.into_iter().filter(|part| {
        part.column_refs().iter().any(|c| columns.contains(c)) && !part.is_volatile() && !has_subquery(part)
    });
    let Some(condition) =
        related.cloned().reduce(|a, b| Expr::BinaryExpr(BinaryExpr::new(Box::new(a), op, Box::new(b))))
    else {
        return right;
    };
    let (open, otherwise) = match op {
        Operator::And => (Expr::IsNotFalse(Box::new(condition)), false),
        _ => (Expr::IsNotTrue(Box::new(condition)), true),
    };
    let otherwise = Expr::Literal(ScalarValue::Int8(Some(i8::from(otherwise))), None);
    let case = Case {
        expr: None,
        when_then_expr: vec![(Box::new(open), Box::new(cast(right, DataType::Int8)))],
        else_expr: Some(Box::new(otherwise)),
    };
    cast(Expr::Case(case), DataType::Boolean)
}

fn shielded(case: Case, schema: &DFSchema) -> Result<Expr> {
    let fails = case.when_then_expr.iter().any(|(w, t)| can_fail(w, schema) || can_fail(t, schema))
        || case.else_expr.as_ref().is_some_and(|e| can_fail(e, schema));
    let case = Expr::Case(case);
    if !fails || case.get_type(schema).map_err(from_datafusion)? != DataType::Boolean {
        return Ok(case);
    }
    let Expr::Case(mut case) = case else { return Ok(case) };
    for (_, then) in &mut case.when_then_expr {
        **then = cast(std::mem::take(then.as_mut()), DataType::Int8);
    }
    case.else_expr = case.else_expr.map(|e| Box::new(cast(*e, DataType::Int8)));
    Ok(cast(Expr::Case(case), DataType::Boolean))
}

fn cast(expr: Expr, to: DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to))
}

fn split<'a>(expr: &'a Expr, op: Operator, parts: &mut Vec<&'a Expr>) {
    match expr {
        Expr::BinaryExpr(binary) if binary.op == op => {
            split(&binary.left, op, parts);
            split(&binary.right, op, parts);
        }
        // A guarded part repeats the parts before it.
        other if is_guarded(other) => {}
        other => parts.push(other),
    }
}

fn is_guarded(expr: &Expr) -> bool {
    matches!(expr, Expr::Cast(cast) if matches!(cast.expr.as_ref(), Expr::Case(_)))
}

fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|e| {
        Ok(matches!(e, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_)))
    })
    .unwrap_or(true)
}

/// Whether evaluating an expression may end in an error.
fn can_fail(expr: &Expr, schema: &DFSchema) -> bool {
    let mut found = false;
    let visited = expr.apply(|e| {
        found |= match e {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Divide | Operator::Modulo, right }) => {
                let whole = left.get_type(schema).is_ok_and(|t| t.is_integer());
                whole && !matches!(right.as_ref(), Expr::Literal(value, _) if !is_zero(value))
            }
            Expr::ScalarFunction(call) => {
                let inner = call.func.inner();
                inner.downcast_ref::<FlinkCast>().is_some_and(|cast| cast.can_fail(&call.args[0], schema))
                    || (inner.is::<DecimalArithmetic>()
                        && matches!(call.func.name(), "decimal_divide" | "decimal_modulo")
                        && !matches!(&call.args[1], Expr::Literal(value, _) if !is_zero(value)))
            }
            _ => false,
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || visited.is_err()
}

fn is_zero(value: &ScalarValue) -> bool {
    value.is_null() || ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
}
