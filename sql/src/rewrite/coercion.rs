//! Operands of operators, functions, CASE, IN and BETWEEN get the types that Flink gives them.

use super::operands::{bring, cast_literal, type_of};
use super::types::{as_decimal, common_of, common_type, comparison_type};
use super::{RewriteContext, like};
use crate::functions::operator::{DecimalOperator, decimal_arithmetic};
use crate::functions::udf::Scalar;
use crate::functions::{from_datafusion, temporal};
use arrow::datatypes::{DataType, IntervalUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{Between, InList, InSubquery, ScalarFunction};
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, ExprSchemable, LogicalPlan, Operator, Projection};
use freshet_types::{Error, Result, SqlType};
use std::sync::Arc;

pub(super) fn rewrite(expr: Expr, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    match expr {
        Expr::BinaryExpr(binary) => self::binary(binary, schema, context),
        Expr::Negative(inner) => negative(*inner, schema, context),
        Expr::Between(between) => self::between(between, schema, context),
        Expr::InList(list) => in_list(list, schema, context),
        Expr::InSubquery(subquery) => in_subquery(subquery, schema, context),
        Expr::Case(case) => self::case(case, schema, context),
        Expr::Like(pattern) => like::like(pattern, schema, context),
        Expr::SimilarTo(pattern) => like::similar(pattern, schema, context),
        Expr::Not(inner) => Ok(Expr::Not(Box::new(boolean(*inner, schema, context)?))),
        Expr::ScalarFunction(call) => function(call, schema, context),
        Expr::AggregateFunction(mut aggregate) => {
            if let Some(filter) = aggregate.params.filter.take() {
                aggregate.params.filter = Some(Box::new(boolean(*filter, schema, context)?));
            }
            let types = data_types(&aggregate.params.args, schema)?;
            let wanted = crate::functions::aggregate::coerce(aggregate.func.name(), &types)?;
            aggregate.params.args = bring_all(aggregate.params.args, &wanted, schema, context)?;
            Ok(Expr::AggregateFunction(aggregate))
        }
        Expr::WindowFunction(mut window) => {
            let types = data_types(&window.params.args, schema)?;
            let wanted = crate::functions::aggregate::coerce(window.fun.name(), &types)?;
            let args = std::mem::take(&mut window.params.args);
            window.params.args = bring_all(args, &wanted, schema, context)?;
            Ok(Expr::WindowFunction(window))
        }
        other => Ok(other),
    }
}

fn data_types(args: &[Expr], schema: &DFSchema) -> Result<Vec<DataType>> {
    args.iter().map(|a| a.get_type(schema).map_err(from_datafusion)).collect()
}

/// Arguments whose Arrow type is not the wanted one are cast.
fn bring_all(args: Vec<Expr>, wanted: &[DataType], schema: &DFSchema, context: &RewriteContext) -> Result<Vec<Expr>> {
    args.into_iter()
        .zip(wanted)
        .map(|(arg, wanted)| {
            let given = arg.get_type(schema).map_err(from_datafusion)?;
            match SqlType::from_data_type(wanted) {
                Some(target) if given != *wanted => bring(arg, &target, schema, context),
                _ => Ok(arg),
            }
        })
        .collect()
}

fn refuse(operator: Operator, left: &SqlType, right: &SqlType) -> Error {
    Error::invalid("operator.types", format!("{left} {operator} {right} has no meaning"))
}

fn boolean(expr: Expr, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    match type_of(&expr, schema)? {
        SqlType::Boolean => Ok(expr),
        SqlType::Null => bring(expr, &SqlType::Boolean, schema, context),
        other => Err(Error::invalid("operator.types", format!("a condition must be BOOLEAN, but is {other}"))
            .at("expression", expr.to_string())
            .hint("compare the value with something, as in `x <> 0`")),
    }
}

fn binary(binary: BinaryExpr, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let BinaryExpr { left, op, right } = binary;
    let (left, right) = (*left, *right);
    let rebuild = |left, right| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
    match op {
        Operator::And | Operator::Or => Ok(rebuild(boolean(left, schema, context)?, boolean(right, schema, context)?)),
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo => {
            arithmetic(left, op, right, schema, context)
        }
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom => {
            let (left, right) = comparison(left, right, schema, schema, context)
                .map_err(|(l, r)| refuse(op, &l, &r).hint("cast one side to the type of the other"))?;
            Ok(rebuild(without_negative_zero(left?, schema)?, without_negative_zero(right?, schema)?))
        }
        Operator::StringConcat => {
            let (l, r) = (type_of(&left, schema)?, type_of(&right, schema)?);
            let bytes = |t: &SqlType| matches!(t, SqlType::Binary(_) | SqlType::Varbinary(_) | SqlType::Null);
            if bytes(&l) && bytes(&r) && l != r {
                return Ok(rebuild(
                    bring(left, &SqlType::BYTES, schema, context)?,
                    bring(right, &SqlType::BYTES, schema, context)?,
                ));
            }
            if bytes(&l) && l != SqlType::Null {
                return Ok(rebuild(left, right));
            }
            let text = |t: &SqlType| t.is_text() || *t == SqlType::Null;
            let nested = |t: &SqlType| t.to_arrow().is_nested();
            if nested(&l) || nested(&r) || !(text(&l) || text(&r)) {
                let error = refuse(op, &l, &r);
                return Err(match (&l, &r) {
                    (SqlType::Array(_), SqlType::Array(_)) => error.hint("ARRAY_CONCAT(a, b) joins arrays"),
                    _ => error.hint("|| joins texts; write CAST(x AS STRING) for other values"),
                });
            }
            Ok(rebuild(
                bring(left, &SqlType::STRING, schema, context)?,
                bring(right, &SqlType::STRING, schema, context)?,
            ))
        }
        _ => Ok(rebuild(left, right)),
    }
}

/// What is computed in floating point, plus zero: a negative zero equals zero for Flink, and not for Arrow, whose order
/// of floats is total.
fn without_negative_zero(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let computed = !matches!(expr, Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::Literal(..));
    let floating = expr.get_type(schema).map_err(from_datafusion)?;
    if !computed || !floating.is_floating() {
        return Ok(expr);
    }
    let zero = Expr::Literal(ScalarValue::new_zero(&floating).map_err(from_datafusion)?, None);
    Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(expr), Operator::Plus, Box::new(zero))))
}

type Sides = (Result<Expr>, Result<Expr>);

/// Both sides of a comparison in one type.
pub(super) fn comparison(
    left: Expr,
    right: Expr,
    left_schema: &DFSchema,
    right_schema: &DFSchema,
    context: &RewriteContext,
) -> std::result::Result<Sides, (SqlType, SqlType)> {
    let (l, r) = match (type_of(&left, left_schema), type_of(&right, right_schema)) {
        (Ok(l), Ok(r)) => (l, r),
        (Err(e), _) => return Ok((Err(e), Ok(right))),
        (_, Err(e)) => return Ok((Ok(left), Err(e))),
    };
    if l.to_arrow() == r.to_arrow() && (l.is_text() || l == r || !is_padded(&l, &r)) {
        return Ok((Ok(left), Ok(right)));
    }
    // A literal that the other side's type can hold spares the cast of a whole column.
    if let Some(literal) = narrow_literal(&right, &r, &l, context) {
        return Ok((Ok(left), Ok(literal)));
    }
    if let Some(literal) = narrow_literal(&left, &l, &r, context) {
        return Ok((Ok(literal), Ok(right)));
    }
    let common = comparison_type(&l, &r).ok_or((l, r))?;
    Ok((bring(left, &common, left_schema, context), bring(right, &common, right_schema, context)))
}

fn is_padded(a: &SqlType, b: &SqlType) -> bool {
    matches!(a, SqlType::Binary(_)) != matches!(b, SqlType::Binary(_))
}

/// A literal in the type of the other side, when nothing of its value is lost.
fn narrow_literal(expr: &Expr, from: &SqlType, to: &SqlType, context: &RewriteContext) -> Option<Expr> {
    let Expr::Literal(value, metadata) = expr else { return None };
    let exact = matches!(
        (from, to),
        (SqlType::Int | SqlType::BigInt | SqlType::Decimal(..), SqlType::TinyInt | SqlType::SmallInt)
            | (SqlType::BigInt | SqlType::Decimal(..), SqlType::Int)
            | (SqlType::Decimal(..), SqlType::BigInt)
            | (SqlType::Int | SqlType::BigInt | SqlType::Decimal(..), SqlType::Decimal(..))
            | (SqlType::Timestamp(_), SqlType::Timestamp(_))
            | (SqlType::TimestampLtz(_), SqlType::TimestampLtz(_))
    );
    if !exact || value.is_null() {
        return None;
    }
    let narrow = cast_literal(value, from, to, context)?;
    if narrow.is_null() {
        return None;
    }
    let back = cast_literal(&narrow, to, from, context)?;
    (back == *value).then(|| Expr::Literal(narrow, metadata.clone()))
}

fn is_interval(t: &DataType) -> bool {
    matches!(t, DataType::Interval(_) | DataType::Duration(_))
}

fn arithmetic(left: Expr, op: Operator, right: Expr, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let rebuild = |left, right| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
    let left_arrow = left.get_type(schema).map_err(from_datafusion)?;
    let right_arrow = right.get_type(schema).map_err(from_datafusion)?;
    if is_interval(&left_arrow) || is_interval(&right_arrow) {
        return interval_arithmetic(left, (&left_arrow, op, &right_arrow), right, schema, context);
    }
    let (mut l, mut r) = (type_of(&left, schema)?, type_of(&right, schema)?);
    // NULL takes the type of the number beside it.
    for (one, other) in [(&mut l, &r.clone()), (&mut r, &left_type(&left, schema)?)] {
        if *one == SqlType::Null {
            *one = if other.is_numeric() { other.clone() } else { SqlType::Int };
        }
    }
    if !l.is_numeric() || !r.is_numeric() {
        let error = refuse(op, &l, &r);
        let temporal = |t: &SqlType| {
            matches!(t, SqlType::Date | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::TimestampLtz(_))
        };
        return Err(match (temporal(&l), temporal(&r)) {
            (true, true) => error.hint("use TIMESTAMPDIFF(SECOND, earlier, later)"),
            (true, false) | (false, true) => error.hint("add an interval, as in ts + INTERVAL '1' DAY"),
            _ if l.is_text() || r.is_text() => error.hint("cast the text to a number, as in CAST(x AS DOUBLE)"),
            _ => error,
        });
    }
    let decimal = |t: &SqlType| matches!(t, SqlType::Decimal(..));
    let floating = |t: &SqlType| matches!(t, SqlType::Float | SqlType::Double);
    if op == Operator::Modulo && (floating(&l) || floating(&r)) {
        return Err(refuse(op, &l, &r).hint("cast both sides to DECIMAL or to a whole number"));
    }
    if (decimal(&l) || decimal(&r)) && !floating(&l) && !floating(&r) {
        let operator = DecimalOperator::from_operator(op).ok_or_else(|| refuse(op, &l, &r))?;
        let side = |expr: Expr, t: &SqlType| {
            let (p, s) = as_decimal(t).ok_or_else(|| refuse(op, &l, &r))?;
            bring(expr, &SqlType::Decimal(p, s), schema, context)
        };
        return Ok(decimal_arithmetic(operator, side(left, &l)?, side(right, &r)?));
    }
    // A FLOAT on the left makes a DOUBLE on the right one too, as in Flink.
    let common = match (&l, &r) {
        (SqlType::Float, SqlType::Double) => SqlType::Float,
        _ => common_type(&l, &r).ok_or_else(|| refuse(op, &l, &r))?,
    };
    let result = rebuild(bring(left, &common, schema, context)?, bring(right, &common, schema, context)?);
    // The remainder has the type of the divisor, and is smaller than it.
    if op == Operator::Modulo && r != common {
        return Ok(Expr::Cast(Cast::new(Box::new(result), r.to_arrow())));
    }
    Ok(result)
}

fn left_type(left: &Expr, schema: &DFSchema) -> Result<SqlType> {
    type_of(left, schema)
}

fn interval_arithmetic(
    left: Expr,
    (left_type, op, right_type): (&DataType, Operator, &DataType),
    right: Expr,
    schema: &DFSchema,
    context: &RewriteContext,
) -> Result<Expr> {
    let rebuild = |left, right| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)));
    let show = |t: &DataType| SqlType::from_data_type(t).unwrap_or(SqlType::Null);
    let refuse = || refuse(op, &show(left_type), &show(right_type));
    match (is_interval(left_type), is_interval(right_type), op) {
        (true, true, Operator::Plus | Operator::Minus) => {
            let wide = DataType::Interval(IntervalUnit::MonthDayNano);
            let widen = |expr: Expr, t: &DataType| match t {
                t if *t == wide || left_type == right_type => expr,
                _ => Expr::Cast(Cast::new(Box::new(expr), wide.clone())),
            };
            Ok(rebuild(widen(left, left_type), widen(right, right_type)))
        }
        (true, false, Operator::Plus) if is_point(right_type) => point_plus(right, left, right_type, 1, context),
        (false, true, Operator::Plus) if is_point(left_type) => point_plus(left, right, left_type, 1, context),
        (false, true, Operator::Minus) if is_point(left_type) => point_plus(left, right, left_type, -1, context),
        (true, false, Operator::Multiply) => scale_interval(left, right, op, schema, context),
        (false, true, Operator::Multiply) => scale_interval(right, left, op, schema, context),
        (true, false, Operator::Divide) => scale_interval(left, right, op, schema, context),
        // Text beside an interval is a timestamp, as in '2024-01-01 00:00:00' + INTERVAL '1' DAY: Flink refuses it.
        _ => Err(refuse().hint("an interval is added to a date, a time or a timestamp")),
    }
}

fn is_point(t: &DataType) -> bool {
    matches!(t, DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) | DataType::Timestamp(_, _))
}

/// A day, time or timestamp moved by an interval.
fn point_plus(point: Expr, interval: Expr, point_type: &DataType, sign: i32, context: &RewriteContext) -> Result<Expr> {
    if let DataType::Timestamp(_, _) = point_type {
        let op = if sign < 0 { Operator::Minus } else { Operator::Plus };
        return Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(point), op, Box::new(interval))));
    }
    Ok(temporal::shift::shift(point, interval, sign, &context.functions))
}

fn scale_interval(
    interval: Expr,
    factor: Expr,
    op: Operator,
    schema: &DFSchema,
    context: &RewriteContext,
) -> Result<Expr> {
    let factor_type = type_of(&factor, schema)?;
    if !factor_type.is_numeric() {
        return Err(refuse(op, &SqlType::IntervalDayTime, &factor_type).hint("multiply an interval by a number"));
    }
    let factor = bring(factor, &SqlType::Double, schema, context)?;
    Ok(temporal::shift::scale(interval, factor, op == Operator::Divide, &context.functions))
}

fn negative(inner: Expr, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let arrow = inner.get_type(schema).map_err(from_datafusion)?;
    if is_interval(&arrow) {
        return Ok(Expr::Negative(Box::new(inner)));
    }
    let inner = match type_of(&inner, schema)? {
        t if t.is_numeric() => inner,
        SqlType::Null => bring(inner, &SqlType::Int, schema, context)?,
        t if t.is_text() => bring(inner, &SqlType::Double, schema, context)?,
        t => return Err(Error::invalid("operator.types", format!("-{t} has no meaning"))),
    };
    // The least whole number has no opposite: in Java it is its own, which a subtraction gives.
    let whole = inner.get_type(schema).map_err(from_datafusion)?;
    let is_safe = matches!(&inner, Expr::Literal(value, _) if value.arithmetic_negate().is_ok());
    if whole.is_integer() && !is_safe {
        let zero = ScalarValue::new_zero(&whole).map_err(from_datafusion)?;
        let zero = Box::new(Expr::Literal(zero, None));
        return Ok(Expr::BinaryExpr(BinaryExpr::new(zero, Operator::Minus, Box::new(inner))));
    }
    Ok(Expr::Negative(Box::new(inner)))
}

fn no_common(what: &str, types: &[SqlType]) -> Error {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    Error::invalid("operator.types", format!("the parts of {what} have no common type: {}", types.join(", ")))
        .hint("cast them to one type")
}

fn between(between: Between, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let Between { expr, negated, low, high } = between;
    let refuse = |(l, r): (SqlType, SqlType)| no_common("BETWEEN", &[l, r]);
    // A literal bound is read as the type of the value; else all three meet in one type.
    let value = type_of(&expr, schema)?;
    let types = [value, type_of(&low, schema)?, type_of(&high, schema)?];
    let bound = |bound: Expr, from: &SqlType| narrow_literal(&bound, from, &types[0], context).unwrap_or(bound);
    let (low, high) = (bound(*low, &types[1]), bound(*high, &types[2]));
    let (l, h) = (type_of(&low, schema)?, type_of(&high, schema)?);
    let common = comparison_type(&types[0], &l).ok_or_else(|| refuse((types[0].clone(), l)))?;
    let common = comparison_type(&common, &h).ok_or_else(|| refuse((common.clone(), h)))?;
    Ok(Expr::Between(Between::new(
        Box::new(bring(*expr, &common, schema, context)?),
        negated,
        Box::new(bring(low, &common, schema, context)?),
        Box::new(bring(high, &common, schema, context)?),
    )))
}

fn in_list(list: InList, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let InList { expr, list, negated } = list;
    let value = type_of(&expr, schema)?;
    let list = list
        .into_iter()
        .map(|item| {
            let from = type_of(&item, schema)?;
            Ok(narrow_literal(&item, &from, &value, context).unwrap_or(item))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut common = value.clone();
    for item in &list {
        let item = type_of(item, schema)?;
        common = comparison_type(&common, &item).ok_or_else(|| no_common("IN", &[common.clone(), item]))?;
    }
    let list = list.into_iter().map(|item| bring(item, &common, schema, context)).collect::<Result<Vec<_>>>()?;
    let value = bring(*expr, &common, schema, context)?;
    // DataFusion takes what it can compute of no rows for a constant, such as a CASE: what is none is compared alone.
    let is_constant = |item: &Expr| !item.any_column_refs() && !item.contains_outer() && !item.is_volatile();
    if list.iter().all(is_constant) {
        return Ok(Expr::InList(InList::new(Box::new(value), list, negated)));
    }
    if value.is_volatile() {
        let error = "a value that is never the same twice is not there yet in front of IN with more than constants";
        return Err(Error::unsupported("query.unsupported", error).hint("compute the value in a sub-query of FROM"));
    }
    let (constants, others): (Vec<Expr>, Vec<Expr>) = list.into_iter().partition(is_constant);
    let constants =
        (!constants.is_empty()).then(|| Expr::InList(InList::new(Box::new(value.clone()), constants, false)));
    let is_in = constants.into_iter().chain(others.into_iter().map(|item| value.clone().eq(item)));
    let is_in = is_in.reduce(Expr::or).expect("some item is no constant");
    Ok(if negated { Expr::Not(Box::new(is_in)) } else { is_in })
}

fn in_subquery(mut subquery: InSubquery, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let inner = subquery.subquery.subquery.schema();
    let field = inner.field(0);
    let inner_type = SqlType::from_data_type(field.data_type()).unwrap_or(SqlType::Null);
    let value = type_of(&subquery.expr, schema)?;
    if value.to_arrow() == inner_type.to_arrow() {
        return Ok(Expr::InSubquery(subquery));
    }
    let common =
        comparison_type(&value, &inner_type).ok_or_else(|| no_common("IN", &[value.clone(), inner_type.clone()]))?;
    subquery.expr = Box::new(bring(*subquery.expr, &common, schema, context)?);
    if inner_type != common {
        let plan = Arc::unwrap_or_clone(subquery.subquery.subquery);
        subquery.subquery.subquery = Arc::new(cast_its_column(plan, &common, context)?);
    }
    Ok(Expr::InSubquery(subquery))
}

/// The one column of a sub-query, cast. It gets a name of its own: the column before the cast may be asked for beside it.
fn cast_its_column(plan: LogicalPlan, target: &SqlType, context: &RewriteContext) -> Result<LogicalPlan> {
    let column = Expr::from(plan.schema().qualified_field(0));
    let cast = bring(column, target, plan.schema(), context)?.alias("__in");
    Projection::try_new(vec![cast], Arc::new(plan)).map(LogicalPlan::Projection).map_err(from_datafusion)
}

fn case(case: Case, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let (mut whens, thens): (Vec<Expr>, Vec<Expr>) = when_then_expr.into_iter().map(|(w, t)| (*w, *t)).unzip();
    let mut operand = expr.map(|e| *e);
    match operand.take() {
        None => {
            whens = whens.into_iter().map(|w| boolean(w, schema, context)).collect::<Result<_>>()?;
        }
        Some(value) => {
            let mut common = type_of(&value, schema)?;
            for when in &whens {
                let when = type_of(when, schema)?;
                common = comparison_type(&common, &when).ok_or_else(|| no_common("CASE", &[common.clone(), when]))?;
            }
            whens = whens.into_iter().map(|w| bring(w, &common, schema, context)).collect::<Result<_>>()?;
            operand = Some(bring(value, &common, schema, context)?);
        }
    }
    let results = thens.iter().chain(else_expr.as_deref());
    let types = results.map(|e| type_of(e, schema)).collect::<Result<Vec<_>>>()?;
    let common = common_of(&types).ok_or_else(|| no_common("CASE", &types))?;
    let thens = thens.into_iter().map(|t| bring(t, &common, schema, context)).collect::<Result<Vec<_>>>()?;
    let else_expr = else_expr.map(|e| bring(*e, &common, schema, context)).transpose()?;
    Ok(Expr::Case(Case {
        expr: operand.map(Box::new),
        when_then_expr: whens.into_iter().map(Box::new).zip(thens.into_iter().map(Box::new)).collect(),
        else_expr: else_expr.map(Box::new),
    }))
}

fn function(call: ScalarFunction, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    let ScalarFunction { func, args } = call;
    let Some(ours) = func.inner().downcast_ref::<Scalar>() else {
        return Ok(Expr::ScalarFunction(ScalarFunction { func, args }));
    };
    let name = ours.function().name;
    // Choices evaluate only what they choose: `IF(b <> 0, a / b, 0)` never divides by zero.
    let volatile = args.iter().any(Expr::is_volatile);
    let null = || Expr::Literal(ScalarValue::Null, None);
    let choice = |whens: Vec<(Expr, Expr)>, otherwise: Expr| {
        let whens = whens.into_iter().map(|(w, t)| (Box::new(w), Box::new(t))).collect();
        case(Case { expr: None, when_then_expr: whens, else_expr: Some(Box::new(otherwise)) }, schema, context)
    };
    match (name, args.len()) {
        ("if", 3) => {
            let [condition, yes, no] = take(args);
            return choice(vec![(condition, yes)], no);
        }
        ("ifnull", 2) if !volatile => {
            let [value, other] = take(args);
            return choice(vec![(value.clone().is_not_null(), value)], other);
        }
        ("coalesce", 1..) if !volatile => {
            let mut values = args;
            let last = values.pop().unwrap_or_else(null);
            if values.is_empty() {
                return Ok(last);
            }
            return choice(values.into_iter().map(|v| (v.clone().is_not_null(), v)).collect(), last);
        }
        ("nullif", 2) if !volatile => {
            let [value, other] = take(args);
            let equal =
                binary(BinaryExpr::new(Box::new(value.clone()), Operator::Eq, Box::new(other)), schema, context)?;
            return choice(vec![(equal, null())], value);
        }
        ("mod", 2) => {
            let [left, right] = take(args);
            return arithmetic(left, Operator::Modulo, right, schema, context);
        }
        _ => {}
    }
    let types = data_types(&args, schema)?;
    let wanted = ours.function().coerce(&types)?;
    let args = bring_all(args, &wanted, schema, context)?;
    Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
}

fn take<const N: usize>(args: Vec<Expr>) -> [Expr; N] {
    args.try_into().expect("the number of arguments was matched")
}
