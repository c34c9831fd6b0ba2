//! Tables that are more than a name: files in quotes, tables with options of a hint, lake tables as of a time.

use super::error::inward;
use crate::parse::table_options;
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::sql::sqlparser::ast::{self, TableFactor, TableVersion};
use freshet_types::{Error, Options};

/// Table function under which the context provider gives a special table: a file.
pub(crate) const FILE: &str = "__file";
/// A table by its parts, with options and perhaps an instant or a snapshot.
pub(crate) const TABLE: &str = "__table";

/// What was written about a special table.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpecialTable {
    /// Parts of its name.
    pub(crate) parts: Vec<String>,
    /// Options of a hint.
    pub(crate) options: Options,
    /// `FOR SYSTEM_TIME AS OF`, in milliseconds.
    pub(crate) as_of_ms: Option<i64>,
    /// `FOR SYSTEM_VERSION AS OF`.
    pub(crate) snapshot: Option<i64>,
}

impl SpecialTable {
    /// As arguments of a table function.
    fn arguments(&self) -> Vec<Expr> {
        let mut arguments = vec![lit(self.parts.len() as i64)];
        arguments.extend(self.parts.iter().map(|p| lit(p.as_str())));
        arguments.push(lit(ScalarValue::Int64(self.as_of_ms)));
        arguments.push(lit(ScalarValue::Int64(self.snapshot)));
        arguments.extend(self.options.iter().flat_map(|(k, v)| [lit(k), lit(v)]));
        arguments
    }

    /// From the arguments of a table function.
    pub(crate) fn from_arguments(arguments: &[Expr]) -> Option<Self> {
        let text = |e: &Expr| match e {
            Expr::Literal(value, _) => value.try_as_str().flatten().map(str::to_string),
            _ => None,
        };
        let number = |e: &Expr| match e {
            Expr::Literal(ScalarValue::Int64(n), _) => Some(*n),
            _ => None,
        };
        let (count, rest) = arguments.split_first()?;
        let (parts, rest) = rest.split_at_checked(usize::try_from(number(count)??).ok()?)?;
        let [as_of, snapshot, options @ ..] = rest else { return None };
        Some(Self {
            parts: parts.iter().map(text).collect::<Option<_>>()?,
            as_of_ms: number(as_of)?,
            snapshot: number(snapshot)?,
            options: options
                .chunks_exact(2)
                .map(|pair| Some((text(&pair[0])?, text(&pair[1])?)))
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .collect(),
        })
    }
}

/// Plans special tables.
#[derive(Debug)]
pub(crate) struct SpecialTables;

impl RelationPlanner for SpecialTables {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let TableFactor::Table { name, alias, args: None, with_hints, version, .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let idents: Vec<&ast::Ident> = name.0.iter().filter_map(|p| p.as_ident()).collect();
        let parts: Vec<String> = idents.iter().map(|i| i.value.clone()).collect();
        let shown = parts.last().cloned().unwrap_or_default();
        let (function, arguments) = match idents.as_slice() {
            [file] if file.quote_style == Some('\'') => (FILE, vec![lit(file.value.as_str())]),
            _ if with_hints.is_empty() && version.is_none() && idents.len() <= 3 => {
                return Ok(RelationPlanning::Original(Box::new(relation)));
            }
            _ => {
                let mut table = SpecialTable {
                    parts,
                    options: table_options(with_hints).map_err(inward)?,
                    ..SpecialTable::default()
                };
                match version {
                    None => {}
                    Some(TableVersion::ForSystemTimeAsOf(at) | TableVersion::TimestampAsOf(at)) => {
                        table.as_of_ms = Some(instant_ms(at, context)?);
                    }
                    Some(TableVersion::VersionAsOf(at)) => table.snapshot = Some(snapshot_id(at, context)?),
                    Some(other) => {
                        return Err(inward(Error::unsupported(
                            "table.version",
                            format!("\"{other}\" is not there yet"),
                        )));
                    }
                }
                (TABLE, table.arguments())
            }
        };
        let source = context.context_provider().get_table_function_source(function, arguments)?;
        let name = datafusion::common::TableReference::bare(shown);
        let plan = LogicalPlanBuilder::scan(name, source, None)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

fn instant_ms(at: &ast::Expr, context: &mut dyn RelationPlannerContext) -> DfResult<i64> {
    let temporal = || {
        inward(
            Error::unsupported(
                "join.temporal",
                "FOR SYSTEM_TIME AS OF a column (a temporal or lookup join) is not there yet",
            )
            .hint("join the table as it is, or give a literal: FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00'"),
        )
    };
    let expr = match context.sql_to_expr(at.clone(), &DFSchema::empty()) {
        Ok(expr) => expr,
        Err(_) => return Err(temporal()),
    };
    let text = match &expr {
        Expr::Literal(value, _) => value.clone(),
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Literal(value, _) => value.clone(),
            _ => return Err(temporal()),
        },
        _ => return Err(temporal()),
    };
    let unit = arrow::datatypes::TimeUnit::Millisecond;
    let value = text.cast_to(&arrow::datatypes::DataType::Timestamp(unit, None)).map_err(|_| temporal())?;
    match value {
        ScalarValue::TimestampMillisecond(Some(ms), _) => Ok(ms),
        _ => Err(temporal()),
    }
}

fn snapshot_id(at: &ast::Expr, context: &mut dyn RelationPlannerContext) -> DfResult<i64> {
    let value = match context.sql_to_expr(at.clone(), &DFSchema::empty())? {
        Expr::Literal(value, _) => value.cast_to(&arrow::datatypes::DataType::Int64).ok(),
        _ => None,
    };
    match value {
        Some(ScalarValue::Int64(Some(id))) => Ok(id),
        _ => Err(inward(
            Error::invalid("table.version", format!("\"{at}\" is no snapshot id"))
                .hint("write the number that the snapshot listing shows"),
        )),
    }
}
