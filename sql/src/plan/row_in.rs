//! `(a, b) [NOT] IN (sub-query)` as a part of WHERE or HAVING: DataFusion compares one column only.
//!
//! It becomes `EXISTS (SELECT * FROM (sub-query) AS t (c1, c2) WHERE a = c1 AND b = c2)`, and NOT IN becomes NOT EXISTS of
//! the rows that are equal or, because of a NULL, might be. Both are TRUE where IN is, and FALSE where IN is FALSE or
//! NULL, which AND and OR of a condition do not tell apart.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SetExpr, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Rewrites the comparisons of rows in the conditions of a SELECT.
pub(super) fn rewrite(select: &mut Select) {
    for condition in [&mut select.selection, &mut select.having].into_iter().flatten() {
        in_condition(condition);
    }
}

fn in_condition(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            in_condition(left);
            in_condition(right);
        }
        Expr::Nested(inner) => in_condition(inner),
        Expr::InSubquery { expr: row, subquery, negated } => {
            if let Expr::Tuple(values) = row.as_mut() {
                let (condition, columns) = comparison(std::mem::take(values), *negated);
                let alias = TableAlias { explicit: true, name: Ident::with_quote('`', "__in"), columns, at: None };
                around(subquery, alias, Some(condition));
                *expr = Expr::Exists { subquery: subquery.clone(), negated: *negated };
            }
        }
        _ => {}
    }
}

/// What makes a row match, and the names of the columns that it is compared with.
fn comparison(values: Vec<Expr>, negated: bool) -> (Expr, Vec<TableAliasColumnDef>) {
    let names: Vec<Ident> = (1..=values.len()).map(|i| Ident::with_quote('`', format!("__in_{i}"))).collect();
    let equal = values.into_iter().zip(&names).map(|(value, name)| {
        let (value, column) = (Box::new(value), Box::new(Expr::Identifier(name.clone())));
        let equal = binary(value.clone(), BinaryOperator::Eq, column.clone());
        if !negated {
            return equal;
        }
        let unknown = binary(Box::new(Expr::IsNull(value)), BinaryOperator::Or, Box::new(Expr::IsNull(column)));
        Expr::Nested(Box::new(binary(Box::new(equal), BinaryOperator::Or, Box::new(unknown))))
    });
    let condition = equal.reduce(|a, b| binary(Box::new(a), BinaryOperator::And, Box::new(b)));
    let columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    (condition.expect("a row has a column"), columns)
}

fn binary(left: Box<Expr>, op: BinaryOperator, right: Box<Expr>) -> Expr {
    Expr::BinaryOp { left, op, right }
}

/// Makes of a query `SELECT * FROM (query) AS alias WHERE condition`.
pub(super) fn around(query: &mut Box<Query>, alias: TableAlias, condition: Option<Expr>) {
    let parsed = Parser::new(&GenericDialect {}).try_with_sql("SELECT *").and_then(|mut p| p.parse_query());
    let inner = std::mem::replace(query, parsed.expect("the text is a query"));
    let SetExpr::Select(select) = query.body.as_mut() else { unreachable!("the text is a SELECT") };
    let relation = TableFactor::Derived { lateral: false, subquery: inner, alias: Some(alias), sample: None };
    select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
    select.selection = condition;
}
