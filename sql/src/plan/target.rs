//! The target of an INSERT: its sink, its columns, and the query's columns fitted to them by position.

use super::{Functions, Planner, column_at, columns_place, fields_of, outward};
use crate::catalog::ResolvedTable;
use crate::functions::cast::{OnFailure, cast_expr};
use crate::lower::SinkTarget;
use crate::parse::Insert;
use arrow::datatypes::Schema;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use freshet_connector_api::connector::check_options;
use freshet_connector_api::{ColumnOrigin, TableSpec};
use freshet_types::{Error, Options, Result, SqlField, SqlType, suggest};
use std::sync::Arc;

/// Where an INSERT writes to.
pub(crate) struct Target {
    /// Its sink.
    pub(crate) sink: SinkTarget,
    /// Columns that are written.
    pub(crate) columns: Vec<SqlField>,
}

impl Planner<'_> {
    /// The target of an INSERT into `parts`.
    pub(crate) fn target(&self, parts: &[String], hints: &Options) -> Result<Target> {
        match self.resolve(parts, None)? {
            ResolvedTable::Connector(definition) => {
                let mut spec = written(definition.to_spec()?);
                for (key, text) in hints.iter() {
                    spec.options.set(key, text);
                }
                let name = spec.options.get("connector").unwrap_or_default().to_string();
                let connector = self.connectors.find(&name).map_err(|e| e.at("table", spec.name.clone()))?;
                if !hints.is_empty() {
                    check_options(connector, &spec)?;
                }
                let sink = connector.sink(&spec, self.env)?;
                Ok(Target {
                    columns: spec.columns.iter().map(|c| c.field.clone()).collect(),
                    sink: SinkTarget { table: spec.name.clone(), sink, schema: spec.schema() },
                })
            }
            ResolvedTable::External { path, table } => {
                let definition = table.definition();
                let mut options = definition.options.clone();
                for (key, text) in hints.iter() {
                    options.set(key, text);
                }
                let sink = table.sink(&options, self.env).map_err(|e| e.at("table", path.to_string()))?;
                let fields: Vec<_> = definition.columns.iter().map(SqlField::to_arrow).collect();
                Ok(Target {
                    columns: definition.columns,
                    sink: SinkTarget { table: path.to_string(), sink, schema: Arc::new(Schema::new(fields)) },
                })
            }
            ResolvedTable::View(view) => {
                Err(Error::invalid("insert.view", format!("view \"{}\" cannot be written to", view.path.name))
                    .hint("insert into the table that it reads"))
            }
            ResolvedTable::File(path) => Err(Error::invalid("insert.file", format!("file \"{path}\" is no table"))
                .hint("declare it with CREATE TABLE ... WITH ('connector' = 'filesystem')")),
        }
    }

    /// The query of an INSERT with the target's columns, in order and type.
    pub(crate) fn fitted(
        &self,
        insert: &Insert,
        plan: LogicalPlan,
        target: &Target,
        functions: &Functions,
    ) -> Result<LogicalPlan> {
        let place = |e: Error| e.at("table", target.sink.table.clone());
        let given = fields_of(&plan)?;
        let mut exprs: Vec<Option<(Expr, SqlField)>> = vec![None; target.columns.len()];
        let find = |name: &str| {
            target.columns.iter().position(|c| c.name == name).ok_or_else(|| {
                let known = target.columns.iter().map(|c| c.name.as_str());
                place(
                    Error::not_found("column.unknown", format!("no column named \"{name}\" can be written"))
                        .hint(suggest::hint(name, "columns", known)),
                )
            })
        };
        for (name, literal) in &insert.partition {
            let column = find(name)?;
            let planner_names = super::Names::new(self, functions);
            let expr = SqlToRel::new_with_options(&planner_names, super::parser_options())
                .sql_to_expr(literal.clone(), &DFSchema::empty(), &mut PlannerContext::new())
                .map_err(outward)?;
            let Expr::Literal(value, _) = &expr else {
                return Err(place(Error::invalid("insert.partition", format!("\"{literal}\" is no literal"))));
            };
            let sql_type = SqlType::from_data_type(&value.data_type()).unwrap_or(SqlType::STRING);
            exprs[column] = Some((expr, SqlField::new(name.clone(), sql_type).not_null()));
        }
        let order: Vec<usize> = if insert.columns.is_empty() {
            (0..target.columns.len()).filter(|c| exprs[*c].is_none()).collect()
        } else {
            insert.columns.iter().map(|name| find(name)).collect::<Result<_>>()?
        };
        if order.len() != given.len() {
            return Err(place(mismatch(&order, &given, target)));
        }
        for (i, column) in order.iter().enumerate() {
            if exprs[*column].is_some() {
                let name = &target.columns[*column].name;
                return Err(place(Error::invalid("insert.columns", format!("column \"{name}\" is written twice"))));
            }
            exprs[*column] = Some((column_at(&plan, i), given[i].clone()));
        }
        let mut fitted = Vec::with_capacity(exprs.len());
        for (i, (expr, wanted)) in exprs.into_iter().zip(&target.columns).enumerate() {
            let expr = match expr {
                Some((expr, from)) => {
                    if !assignable(&from.sql_type, &wanted.sql_type) && !is_literal_fit(&plan, &order, i, &from, wanted)
                    {
                        let error = place(incompatible(&from, wanted, &given, target));
                        return Err(match order.iter().position(|c| *c == i).and_then(|p| place_of_item(&plan, p)) {
                            Some((start, end)) => error.span(start, end),
                            None => error,
                        });
                    }
                    cast_expr(expr, &from, &wanted.sql_type, OnFailure::Fail, &functions.context).map_err(place)?
                }
                None if wanted.nullable => {
                    let null = ScalarValue::try_from(&wanted.sql_type.to_arrow()).map_err(outward)?;
                    Expr::Literal(null, None)
                }
                None => {
                    return Err(place(
                        Error::invalid(
                            "insert.columns",
                            format!("column \"{}\" is NOT NULL and gets no value", wanted.name),
                        )
                        .hint("name it in the column list and give it a value"),
                    ));
                }
            };
            fitted.push(expr.alias(&wanted.name));
        }
        LogicalPlanBuilder::from(plan).project(fitted).and_then(LogicalPlanBuilder::build).map_err(outward)
    }
}

/// The part of the script that an item of a SELECT names columns in.
fn place_of_item(plan: &LogicalPlan, item: usize) -> Option<(usize, usize)> {
    match plan {
        LogicalPlan::Projection(projection) => columns_place([projection.expr.get(item)?]),
        _ => None,
    }
}

/// The table as its sink sees it: without columns that can only be read.
fn written(spec: TableSpec) -> TableSpec {
    let kept: Vec<usize> = (0..spec.columns.len())
        .filter(|i| !matches!(spec.columns[*i].origin, ColumnOrigin::Metadata { read_only: true, .. }))
        .collect();
    let moved = |old: &[usize]| old.iter().filter_map(|i| kept.iter().position(|k| k == i)).collect();
    TableSpec {
        primary_key: moved(&spec.primary_key),
        partition_keys: moved(&spec.partition_keys),
        columns: kept.iter().map(|i| spec.columns[*i].clone()).collect(),
        ..spec
    }
}

fn listed(fields: &[SqlField]) -> String {
    fields.iter().map(|f| f.to_string()).collect::<Vec<_>>().join(", ")
}

fn mismatch(order: &[usize], given: &[SqlField], target: &Target) -> Error {
    let wanted: Vec<SqlField> = order.iter().map(|i| target.columns[*i].clone()).collect();
    Error::invalid(
        "insert.columns",
        format!("the query gives {} columns, the target takes {}", given.len(), wanted.len()),
    )
    .at("query", format!("[{}]", listed(given)))
    .at("target", format!("[{}]", listed(&wanted)))
    .hint("name the columns: INSERT INTO t (a, b) SELECT ...")
}

fn incompatible(from: &SqlField, wanted: &SqlField, given: &[SqlField], target: &Target) -> Error {
    Error::invalid(
        "insert.type",
        format!("column \"{}\" is {}, but the query gives {}", wanted.name, wanted.sql_type, from.sql_type),
    )
    .at("query", format!("[{}]", listed(given)))
    .at("target", format!("[{}]", listed(&target.columns)))
    .hint(format!("write CAST({} AS {})", from.name, wanted.sql_type))
}

/// Whether Flink writes a value of one type into a column of another without being told to.
///
/// Source: Flink, `LogicalTypeCasts`, implicit casts.
fn assignable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::*;
    let width = |t: &SqlType| match t {
        TinyInt => Some(1),
        SmallInt => Some(2),
        Int => Some(3),
        BigInt => Some(4),
        _ => None,
    };
    match (from, to) {
        (Null, _) => true,
        (a, b) if a == b => true,
        (Char(_) | Varchar(_), Char(_) | Varchar(_)) => true,
        (Binary(_) | Varbinary(_), Binary(_) | Varbinary(_)) => true,
        (TinyInt | SmallInt | Int | BigInt, TinyInt | SmallInt | Int | BigInt) => width(from) <= width(to),
        (TinyInt | SmallInt | Int | BigInt | Float | Double | Decimal(..), Decimal(..)) => true,
        (TinyInt | SmallInt | Int | BigInt | Decimal(..), Float | Double) | (Float, Double) => true,
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => true,
        (Timestamp(_), Date) | (Timestamp(_), Time(_)) | (Time(_), Time(_)) => true,
        (Array(a), Array(b)) => assignable(&a.sql_type, &b.sql_type),
        (Map(ak, av), Map(bk, bv)) => assignable(ak, bk) && assignable(&av.sql_type, &bv.sql_type),
        (Row(a), Row(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| assignable(&a.sql_type, &b.sql_type)),
        _ => false,
    }
}

/// Whether every value that a VALUES clause gives for the column is an integer literal that fits a narrower column.
fn is_literal_fit(plan: &LogicalPlan, order: &[usize], column: usize, from: &SqlField, wanted: &SqlField) -> bool {
    let is_integer = |t: &SqlType| matches!(t, SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt);
    let Some(place) = order.iter().position(|o| *o == column) else { return false };
    if !is_integer(&from.sql_type) || !is_integer(&wanted.sql_type) {
        return false;
    }
    fn literals(plan: &LogicalPlan, place: usize) -> Option<Vec<&Expr>> {
        match plan {
            LogicalPlan::Values(values) => values.values.iter().map(|row| row.get(place)).collect(),
            LogicalPlan::Projection(projection) => match projection.expr.get(place)?.clone().unalias() {
                Expr::Column(c) => literals(&projection.input, projection.input.schema().index_of_column(&c).ok()?),
                _ => None,
            },
            LogicalPlan::SubqueryAlias(alias) => literals(&alias.input, place),
            _ => None,
        }
    }
    let target = wanted.sql_type.to_arrow();
    literals(plan, place).is_some_and(|all| {
        all.iter().all(|e| match e {
            Expr::Literal(value, _) => value.cast_to(&target).is_ok_and(|v| v.is_null() == value.is_null()),
            Expr::Negative(inner) => matches!(inner.as_ref(), Expr::Literal(..)),
            _ => false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implicit_casts_are_flinks() {
        use SqlType::*;
        for (from, to, expected) in [
            (Int, BigInt, true),
            (BigInt, Int, false),
            (Int, SqlType::STRING, false),
            (SqlType::STRING, Char(3), true),
            (SqlType::STRING, Timestamp(3), false),
            (Decimal(10, 2), Double, true),
            (Double, Decimal(10, 2), true),
            (Double, Float, false),
            (Timestamp(3), TimestampLtz(3), true),
            (Timestamp(3), Date, true),
            (Date, Timestamp(3), false),
            (Null, Int, true),
        ] {
            assert_eq!(assignable(&from, &to), expected, "{from} to {to}");
        }
    }
}
