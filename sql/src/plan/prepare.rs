//! Mends a query's syntax tree before DataFusion plans it: names of columns as Flink gives them, group windows of old.

use super::aggregate_names;
use super::cell;
use super::error::placed_in;
use super::group_window::{GROUP_WINDOWS, PART};
use super::row_in::{self, around};
use crate::parse::{TableArgument, type_of};
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, LimitClause, ObjectName, Query,
    Select, SelectItem, TableAlias, TableFactor, Value, VisitMut, VisitorMut,
};
use freshet_types::{Error, Result, SqlType};

use std::collections::HashSet;
use std::ops::ControlFlow;

/// Prepares a query.
///
/// # Errors
/// `query.unsupported` for relations that the planner has no place for.
pub(crate) fn prepare(query: &mut Query) -> Result<()> {
    match VisitMut::visit(query, &mut Preparation) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Prepares a single expression, such as that of a computed column.
pub(crate) fn prepare_expression(expression: &mut Expr) -> Result<()> {
    match VisitMut::visit(expression, &mut Preparation) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Preparation;

impl VisitorMut for Preparation {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let Some(error) = uncounted_sets(&query.body) {
            return ControlFlow::Break(error);
        }
        if let Err(error) = fetch_as_limit(query) {
            return ControlFlow::Break(error);
        }
        name_columns_inside(query);
        level_timestamps(&mut query.body);
        keep_cells(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        if let Some(ast::Distinct::On(_)) = &select.distinct {
            let error = Error::unsupported("query.unsupported", "DISTINCT ON is not Flink SQL");
            return ControlFlow::Break(error.hint(
                "number the rows with ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) in a sub-query, and keep number 1",
            ));
        }
        row_in::rewrite(select);
        name_items(select);
        aggregate_names::tell_apart(select);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match refuse(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        narrow_distinct_from(expr);
        number_with_exponent(expr);
        leading_zeros(expr);
        quarters(expr);
        match ordered_aggregate(expr) {
            Some(error) => ControlFlow::Break(error),
            None => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("GROUPING_ID")
        {
            function.name = ObjectName::from(vec![Ident::new("GROUPING")]);
        }
        if let Expr::Function(function) = expr
            && function.name.to_string().eq_ignore_ascii_case("GROUPING")
        {
            // DataFusion counts the bits in an INT, Flink in a BIGINT.
            *expr = Expr::Cast {
                kind: ast::CastKind::Cast,
                expr: Box::new(std::mem::replace(expr, Expr::Identifier(Ident::new("")))),
                data_type: ast::DataType::BigInt(None),
                array: false,
                format: None,
            };
        }
        match group_window(expr) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

/// INTERSECT ALL and EXCEPT ALL count how often a row stands on each side, which DataFusion's joins do not.
fn uncounted_sets(body: &ast::SetExpr) -> Option<Error> {
    let ast::SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return None };
    let name = match op {
        ast::SetOperator::Intersect => "INTERSECT",
        ast::SetOperator::Except | ast::SetOperator::Minus => "EXCEPT",
        ast::SetOperator::Union => return uncounted_sets(left).or_else(|| uncounted_sets(right)),
    };
    if !matches!(set_quantifier, ast::SetQuantifier::All | ast::SetQuantifier::AllByName) {
        return uncounted_sets(left).or_else(|| uncounted_sets(right));
    }
    Some(
        Error::unsupported("query.unsupported", format!("{name} ALL is not there yet"))
            .hint(format!("write {name}, which gives each row once")),
    )
}

/// `F(x ORDER BY y)` and `F(x) WITHIN GROUP (ORDER BY y)`: Flink has neither, and values come as they arrive.
fn ordered_aggregate(expr: &Expr) -> Option<Error> {
    let Expr::Function(function) = expr else { return None };
    let is_ordered = |clause: &ast::FunctionArgumentClause| matches!(clause, ast::FunctionArgumentClause::OrderBy(_));
    let inside = matches!(&function.args, FunctionArguments::List(list) if list.clauses.iter().any(is_ordered));
    if !inside && function.within_group.is_empty() {
        return None;
    }
    let name = function.name.to_string().to_uppercase();
    let error = Error::unsupported("query.unsupported", format!("ORDER BY inside {name} is not there yet"))
        .hint("leave it out: values come in the order of arrival");
    Some(placed_in(error, function))
}

/// Gives the TIMESTAMP literals in a column of VALUES the digits of the longest: DataFusion would take those of the first.
fn level_timestamps(body: &mut ast::SetExpr) {
    match body {
        ast::SetExpr::SetOperation { left, right, .. } => {
            level_timestamps(left);
            level_timestamps(right);
        }
        ast::SetExpr::Values(values) => {
            let mut longest: Vec<Option<(u8, ast::DataType)>> = Vec::new();
            for row in &values.rows {
                longest.resize(longest.len().max(row.len()), None);
                for (longest, cell) in longest.iter_mut().zip(row.iter()) {
                    if let Some(digits) = timestamp_digits(cell)
                        && longest.as_ref().is_none_or(|(most, _)| digits > *most)
                        && let Expr::TypedString(text) = cell
                    {
                        *longest = Some((digits, text.data_type.clone()));
                    }
                }
            }
            for row in &mut values.rows {
                for (cell, longest) in row.iter_mut().zip(&longest) {
                    if timestamp_digits(cell).is_some()
                        && let (Expr::TypedString(text), Some((_, data_type))) = (cell, longest)
                    {
                        text.data_type = data_type.clone();
                    }
                }
            }
        }
        _ => {}
    }
}

fn timestamp_digits(expr: &Expr) -> Option<u8> {
    let Expr::TypedString(text) = expr else { return None };
    match (type_of(&text.data_type), &text.data_type) {
        (Ok(Some(SqlType::Timestamp(digits))), _) => Some(digits),
        (_, ast::DataType::Timestamp(digits, _)) => digits.and_then(|d| u8::try_from(d).ok()),
        _ => None,
    }
}

/// Keeps DataFusion from choosing a type for the columns of VALUES.
fn keep_cells(body: &mut ast::SetExpr) {
    match body {
        ast::SetExpr::SetOperation { left, right, .. } => {
            keep_cells(left);
            keep_cells(right);
        }
        ast::SetExpr::Values(values) => {
            for place in values.rows.iter_mut().flat_map(|row| row.iter_mut()) {
                *place = cell::wrap(std::mem::replace(place, Expr::Identifier(Ident::new(""))));
            }
        }
        _ => {}
    }
}

/// `WITH t (a) AS (q)` as `WITH t AS (SELECT * FROM (q) AS t (a))`: names behind an alias are given in one place,
/// [`super::column_aliases`].
fn name_columns_inside(query: &mut Query) {
    let Some(with) = query.with.as_mut().filter(|with| !with.recursive) else { return };
    for cte in with.cte_tables.iter_mut().filter(|cte| !cte.alias.columns.is_empty()) {
        let alias = TableAlias { explicit: true, ..cte.alias.clone() };
        cte.alias.columns.clear();
        around(&mut cte.query, alias, None);
    }
}

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
fn fetch_as_limit(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        let what = if fetch.percent { "FETCH .. PERCENT" } else { "FETCH .. WITH TIES" };
        return Err(Error::unsupported("query.unsupported", format!("{what} is not there yet"))
            .hint("write FETCH FIRST n ROWS ONLY, or LIMIT n"));
    }
    let one = || Expr::Value(Value::Number("1".into(), false).into());
    let offset = match query.limit_clause.take() {
        Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset,
        Some(_) => {
            return Err(Error::invalid("query.limit", "LIMIT and FETCH stand in one query").hint("keep one of them"));
        }
        None => None,
    };
    let limit = Some(fetch.quantity.unwrap_or_else(one));
    query.limit_clause = Some(LimitClause::LimitOffset { limit, offset, limit_by: Vec::new() });
    Ok(())
}

/// A number with an exponent is a DOUBLE, also where it could be a decimal: `1.5E0`.
fn number_with_exponent(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let Value::Number(digits, _) = &value.value else { return };
    if digits.contains(['e', 'E']) {
        let text = Value::SingleQuotedString(digits.clone()).with_empty_span();
        *expr = Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(Expr::Value(text)),
            data_type: ast::DataType::Double(ast::ExactNumberInfo::None),
            array: false,
            format: None,
        };
    }
}

/// A decimal has as many digits as are written: `0.5` is a DECIMAL(2, 1), which shows in the scale of a quotient.
fn leading_zeros(expr: &mut Expr) {
    let Expr::Value(value) = expr else { return };
    let Value::Number(digits, _) = &value.value else { return };
    let Some((whole, fraction)) = digits.split_once('.') else { return };
    let precision = whole.len() + fraction.len();
    if !whole.starts_with('0') || precision > 38 || digits.contains(['e', 'E']) {
        return;
    }
    let text = Value::SingleQuotedString(digits.clone()).with_empty_span();
    let places = ast::ExactNumberInfo::PrecisionAndScale(precision as u64, fraction.len() as i64);
    *expr = Expr::Cast {
        kind: ast::CastKind::Cast,
        expr: Box::new(Expr::Value(text)),
        data_type: ast::DataType::Decimal(places),
        array: false,
        format: None,
    };
}

/// A quarter is three months.
fn quarters(expr: &mut Expr) {
    let Expr::Interval(interval) = expr else { return };
    if !matches!(interval.leading_field, Some(ast::DateTimeField::Quarter)) {
        return;
    }
    let Expr::Value(value) = interval.value.as_mut() else { return };
    if let Value::SingleQuotedString(text) | Value::Number(text, _) = &mut value.value
        && let Ok(count) = text.trim().parse::<i32>()
    {
        *text = (i64::from(count) * 3).to_string();
        interval.leading_field = Some(ast::DateTimeField::Month);
    }
}

/// `a IS DISTINCT FROM b AND c`: sqlparser takes all of `b AND c` for the right side, SQL only `b`.
fn narrow_distinct_from(expr: &mut Expr) {
    let (left, right, negated) = match expr {
        Expr::IsDistinctFrom(left, right) => (left, right, false),
        Expr::IsNotDistinctFrom(left, right) => (left, right, true),
        _ => return,
    };
    let is_logic =
        |e: &Expr| matches!(e, Expr::BinaryOp { op: ast::BinaryOperator::And | ast::BinaryOperator::Or, .. });
    if !is_logic(right) {
        return;
    }
    let nothing = || Expr::Identifier(Ident::new(""));
    let left = std::mem::replace(left.as_mut(), nothing());
    let mut whole = std::mem::replace(right.as_mut(), nothing());
    let mut first = &mut whole;
    while let Expr::BinaryOp { left, op: ast::BinaryOperator::And | ast::BinaryOperator::Or, .. } = first {
        first = left;
    }
    let own = Box::new(std::mem::replace(first, nothing()));
    *first =
        if negated { Expr::IsNotDistinctFrom(Box::new(left), own) } else { Expr::IsDistinctFrom(Box::new(left), own) };
    *expr = whole;
}

/// Relations that the planner has no place for.
fn refuse(factor: &TableFactor) -> Result<()> {
    let what = match factor {
        TableFactor::MatchRecognize { .. } => "MATCH_RECOGNIZE",
        TableFactor::Pivot { .. } => "PIVOT",
        TableFactor::Unpivot { .. } => "UNPIVOT",
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => "JSON_TABLE",
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => "TABLESAMPLE",
        _ => return Ok(()),
    };
    Err(Error::unsupported("query.unsupported", format!("{what} is not there yet")))
}

/// Gives items without a name the names that Flink gives them: the last part of a field access, `EXPR$n` for anything
/// that is no column, and a number behind a name that stands there twice.
fn name_items(select: &mut Select) {
    let mut taken: HashSet<String> = HashSet::new();
    for (i, item) in select.projection.iter_mut().enumerate() {
        let name = match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                if !taken.insert(alias.value.clone()) {
                    alias.value = numbered(&alias.value, &taken);
                    taken.insert(alias.value.clone());
                }
                continue;
            }
            SelectItem::UnnamedExpr(expr) => match last_name(expr) {
                Some(name) if taken.insert(name.clone()) && !matches!(expr, Expr::CompoundFieldAccess { .. }) => {
                    continue;
                }
                Some(name) if matches!(expr, Expr::CompoundFieldAccess { .. }) => name,
                Some(name) => numbered(&name, &taken),
                None => format!("EXPR${i}"),
            },
            _ => continue,
        };
        taken.insert(name.clone());
        if let SelectItem::UnnamedExpr(expr) = item {
            let expr = std::mem::replace(expr, Expr::Identifier(Ident::new("")));
            *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('`', name) };
        }
    }
}

/// A name with the first number behind it that makes it another than those that are taken.
fn numbered(name: &str, taken: &HashSet<String>) -> String {
    (0..).map(|n| format!("{name}{n}")).find(|n| !taken.contains(n)).expect("there are more numbers than names")
}

fn last_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(ident.value.clone()),
        Expr::CompoundIdentifier(idents) => idents.last().map(|i| i.value.clone()),
        Expr::CompoundFieldAccess { access_chain, .. } => match access_chain.last()? {
            AccessExpr::Dot(Expr::Identifier(ident)) => Some(ident.value.clone()),
            AccessExpr::Subscript(_) | AccessExpr::Dot(_) => None,
        },
        _ => None,
    }
}

/// `TUMBLE(ts, i)` and `TUMBLE_START(ts, i)` in an expression as the calls that `super::group_window` knows.
fn group_window(expr: &Expr) -> Result<Option<Expr>> {
    let Expr::Function(function) = expr else { return Ok(None) };
    let [ast::ObjectNamePart::Identifier(word)] = function.name.0.as_slice() else { return Ok(None) };
    let word = word.value.to_uppercase();
    let Some((stand_in, window)) = GROUP_WINDOWS.iter().find(|(_, window)| word.starts_with(window)) else {
        return Ok(None);
    };
    let FunctionArguments::List(list) = &function.args else { return Ok(None) };
    let plain = list.args.iter().all(|a| match a {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) if TableArgument::from_expr(e).is_some() => false,
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(f))) => {
            !f.name.to_string().eq_ignore_ascii_case("DESCRIPTOR")
        }
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Subquery(_))) => false,
        FunctionArg::Unnamed(_) => true,
        _ => false,
    });
    if !plain || list.args.is_empty() {
        return Ok(None);
    }
    let mut call = function.clone();
    call.name = ObjectName::from(vec![Ident::new(*stand_in)]);
    let part = match word.strip_prefix(window) {
        Some("") => return Ok(Some(Expr::Function(call))),
        Some("_START") => "window_start",
        Some("_END") => "window_end",
        Some("_ROWTIME") => "window_time",
        Some("_PROCTIME") => {
            return Err(Error::unsupported("window.processing_time", format!("{word} is not there yet"))
                .hint("use a WATERMARK on an event-time column"));
        }
        _ => return Ok(None),
    };
    let literal = Expr::Value(Value::SingleQuotedString(part.to_string()).with_empty_span());
    let arguments = [Expr::Function(call), literal];
    let mut outer = function.clone();
    outer.name = ObjectName::from(vec![Ident::new(PART)]);
    outer.args = FunctionArguments::List(ast::FunctionArgumentList {
        duplicate_treatment: None,
        args: arguments.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect(),
        clauses: Vec::new(),
    });
    Ok(Some(Expr::Function(outer)))
}
