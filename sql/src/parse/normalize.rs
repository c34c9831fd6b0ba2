//! Brings sqlparser's trees into the few shapes that the planner meets.
//!
//! In FROM there are only:
//! - `TableFactor::Table` without arguments: a name; a hint's options are in `with_hints` (see [`super::hints`]); a name
//!   of one part whose `quote_style` is `'` is a file;
//! - `TableFactor::TableFunction`: `TABLE(f(..))` and `f(..)` alike;
//! - `TableFactor::Function`, always lateral: `LATERAL TABLE(f(..))` and `LATERAL f(..)` alike;
//! - `TableFactor::UNNEST`, however it was written;
//! - `Derived`, `NestedJoin`, `MatchRecognize` as sqlparser has them.

use super::dialect::TABLE_MARKER;
use super::hints;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, TableAlias, TableFactor,
    TableVersion, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use freshet_types::{Error, Options, Result};
use std::ops::ControlFlow;

struct Normalize;

/// Normalises a query.
pub(super) fn query(query: &mut Query) -> Result<()> {
    broken(VisitMut::visit(query, &mut Normalize))
}

/// Normalises an expression.
pub(super) fn expression(expression: &mut Expr) -> Result<()> {
    broken(VisitMut::visit(expression, &mut Normalize))
}

fn broken(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Break(e) => Err(e),
        ControlFlow::Continue(()) => Ok(()),
    }
}

impl VisitorMut for Normalize {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match rewrite(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => ControlFlow::Break(e),
        }
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Error> {
        if let Value::UnicodeStringLiteral(text) | Value::NationalStringLiteral(text) = &mut value.value {
            value.value = Value::SingleQuotedString(std::mem::take(text));
        }
        ControlFlow::Continue(())
    }
}

fn rewrite(factor: &mut TableFactor) -> Result<()> {
    let is = |name: &ObjectName, word: &str| {
        matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|i| {
            i.quote_style.is_none() && i.value.eq_ignore_ascii_case(word)
        }))
    };
    let replacement = match factor {
        TableFactor::Table { name, args: None, with_hints, version, with_ordinality, sample, .. } => {
            if let Some(what) = [("TABLESAMPLE", sample.is_some()), ("WITH ORDINALITY", *with_ordinality)]
                .iter()
                .find_map(|(what, is)| is.then_some(*what))
            {
                return Err(Error::unsupported("sql.unsupported", format!("{what} of a table is not there yet")));
            }
            if matches!(version, Some(TableVersion::Function(_) | TableVersion::Changes { .. })) {
                return Err(Error::invalid("sql.syntax", "this version of a table has no meaning in Flink SQL")
                    .hint("write FOR SYSTEM_TIME AS OF or FOR SYSTEM_VERSION AS OF"));
            }
            hints::table_options(with_hints)?;
            let options = hints::split_name(name);
            if !options.is_empty() {
                *with_hints = hints::to_exprs(&options);
            }
            return Ok(());
        }
        TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } if is(name, "UNNEST") => {
            unnest(std::mem::take(&mut args.args), alias.take(), *with_ordinality)?
        }
        TableFactor::Table { name, alias, args: Some(args), .. } => {
            let mut function = function(name.clone());
            if let FunctionArguments::List(list) = &mut function.args {
                list.args = std::mem::take(&mut args.args);
            }
            TableFactor::TableFunction { expr: Expr::Function(function), alias: alias.take() }
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } if is(name, "UNNEST") => {
            unnest(std::mem::take(args), alias.take(), *with_ordinality)?
        }
        TableFactor::Function { lateral: true, name, args, alias, with_ordinality } if is(name, "TABLE") => {
            match args.as_mut_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(inner)))] => {
                    let FunctionArguments::List(list) = &mut inner.args else { return Ok(()) };
                    let inside = std::mem::take(&mut list.args);
                    if is(&inner.name, "UNNEST") {
                        unnest(inside, alias.take(), *with_ordinality)?
                    } else {
                        TableFactor::Function {
                            lateral: true,
                            name: inner.name.clone(),
                            args: inside,
                            with_ordinality: *with_ordinality,
                            alias: alias.take(),
                        }
                    }
                }
                _ => {
                    return Err(Error::invalid(
                        "sql.syntax",
                        "LATERAL TABLE(...) holds the call of one table function",
                    )
                    .hint("write LATERAL TABLE(f(x)) AS t(a, b)"));
                }
            }
        }
        TableFactor::TableFunction { expr: Expr::Function(inner), alias } if is(&inner.name, "UNNEST") => {
            let FunctionArguments::List(list) = &mut inner.args else { return Ok(()) };
            unnest(std::mem::take(&mut list.args), alias.take(), false)?
        }
        TableFactor::TableFunction { expr: Expr::Function(_), .. } => return Ok(()),
        TableFactor::TableFunction { .. } => {
            return Err(Error::invalid("sql.syntax", "TABLE(...) holds the call of one table function")
                .hint("write TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"));
        }
        TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => {
            return Err(Error::unsupported("sql.unsupported", "PIVOT is not there yet").hint("write CASE WHEN"));
        }
        _ => return Ok(()),
    };
    *factor = replacement;
    Ok(())
}

fn function(name: ObjectName) -> Function {
    match super::dialect::call("", vec![]) {
        Expr::Function(function) => Function { name, ..function },
        _ => unreachable!("call makes a function"),
    }
}

fn unnest(args: Vec<FunctionArg>, alias: Option<TableAlias>, with_ordinality: bool) -> Result<TableFactor> {
    let array_exprs = args
        .into_iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            _ => Err(Error::invalid("sql.syntax", "UNNEST takes an array, a map or a multiset")
                .hint("write CROSS JOIN UNNEST(array_column) AS t(element)")),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(TableFactor::UNNEST { alias, array_exprs, with_offset: false, with_offset_alias: None, with_ordinality })
}

/// A `TABLE t PARTITION BY k` argument of a table function.
#[derive(Debug, Clone)]
pub struct TableArgument {
    /// The table: `TableFactor::Table` with its hints, or `TableFactor::Derived`.
    pub table: TableFactor,
    /// Columns of PARTITION BY.
    pub partition_by: Vec<Ident>,
}

impl TableArgument {
    /// Reads an argument; none when it is something else.
    pub fn from_expr(expr: &Expr) -> Option<Self> {
        let Expr::Function(function) = expr else { return None };
        let [part] = function.name.0.as_slice() else { return None };
        if part.as_ident()?.value != TABLE_MARKER {
            return None;
        }
        let FunctionArguments::List(list) = &function.args else { return None };
        let mut args = list.args.iter().filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
            _ => None,
        });
        let table = match args.next()? {
            Expr::CompoundIdentifier(parts) => {
                let mut parts = parts.clone();
                let options = hints::split(&mut parts);
                table_factor(ObjectName::from(parts), &options)
            }
            Expr::Subquery(query) => {
                TableFactor::Derived { lateral: false, subquery: query.clone(), alias: None, sample: None }
            }
            _ => return None,
        };
        let partition_by = args
            .filter_map(|e| match e {
                Expr::Identifier(ident) => Some(ident.clone()),
                _ => None,
            })
            .collect();
        Some(Self { table, partition_by })
    }
}

/// `name` as it stands in FROM, with the options of a hint.
pub fn table_factor(name: ObjectName, options: &Options) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: hints::to_exprs(options),
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}
