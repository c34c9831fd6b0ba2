//! Tables that are more than a name: files in quotes, tables with options of a hint, lake tables as of a time.

use super::error::{inward, placed_at};
use crate::functions::cast::instant_from_local;
use crate::parse::table_options;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result as DfResult, ScalarValue};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlanBuilder, Operator, lit};
use datafusion::sql::sqlparser::ast::{self, TableFactor, TableVersion};
use freshet_types::{Error, Options};

/// Table function under which the context provider gives a special table: a file, whose path is the only part of its name.
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
    /// `FOR SYSTEM_TIME AS OF`.
    pub(crate) as_of: Option<AsOf>,
    /// `FOR SYSTEM_VERSION AS OF`.
    pub(crate) snapshot: Option<i64>,
}

/// The time that was written behind `FOR SYSTEM_TIME AS OF`, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsOf {
    /// A point in time.
    Instant(i64),
    /// What clocks of the session's zone show.
    Local(i64),
}

impl AsOf {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub(crate) fn instant_ms(self, zone: chrono_tz::Tz) -> i64 {
        match self {
            AsOf::Instant(ms) => ms,
            AsOf::Local(ms) => chrono::DateTime::from_timestamp_millis(ms)
                .map_or(ms, |local| instant_from_local(local.naive_utc(), zone).and_utc().timestamp_millis()),
        }
    }
}

impl SpecialTable {
    /// As arguments of a table function.
    fn arguments(&self) -> Vec<Expr> {
        let mut arguments = vec![lit(self.parts.len() as i64)];
        arguments.extend(self.parts.iter().map(|p| lit(p.as_str())));
        let (instant, local) = match self.as_of {
            Some(AsOf::Instant(ms)) => (Some(ms), None),
            Some(AsOf::Local(ms)) => (None, Some(ms)),
            None => (None, None),
        };
        arguments.extend([lit(ScalarValue::Int64(instant)), lit(ScalarValue::Int64(local))]);
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
        let [instant, local, snapshot, options @ ..] = rest else { return None };
        Some(Self {
            parts: parts.iter().map(text).collect::<Option<_>>()?,
            as_of: number(instant)?.map(AsOf::Instant).or(number(local)?.map(AsOf::Local)),
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
        let is_file = matches!(idents.as_slice(), [file] if file.quote_style == Some('\''));
        let (function, arguments) = match idents.as_slice() {
            _ if !is_file && with_hints.is_empty() && version.is_none() && idents.len() <= 3 => {
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
                        table.as_of = Some(as_of(at, context).map_err(|e| placed_at(e, at))?);
                    }
                    Some(TableVersion::VersionAsOf(at)) => {
                        table.snapshot = Some(snapshot_id(at, context).map_err(|e| placed_at(e, at))?);
                    }
                    Some(other) => {
                        return Err(inward(Error::unsupported(
                            "table.version",
                            format!("\"{other}\" is not there yet"),
                        )));
                    }
                }
                (if is_file { FILE } else { TABLE }, table.arguments())
            }
        };
        let source = context
            .context_provider()
            .get_table_function_source(function, arguments)
            .map_err(|e| placed_at(e, name))?;
        let name = datafusion::common::TableReference::bare(shown);
        let plan = LogicalPlanBuilder::scan(name, source, None)?.build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

fn as_of(at: &ast::Expr, context: &mut dyn RelationPlannerContext) -> DfResult<AsOf> {
    let temporal = || {
        inward(
            Error::unsupported(
                "join.temporal",
                "FOR SYSTEM_TIME AS OF a column (a temporal or lookup join) is not there yet",
            )
            .hint("join the table as it is, or give a literal: FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01 00:00:00'"),
        )
    };
    let Ok(expr) = context.sql_to_expr(at.clone(), &DFSchema::empty()) else { return Err(temporal()) };
    let value = constant(&expr).ok_or_else(temporal)?;
    let has_zone = matches!(value.data_type(), DataType::Timestamp(_, Some(_)));
    let value = value.cast_to(&DataType::Timestamp(TimeUnit::Millisecond, None)).map_err(|_| temporal())?;
    match value {
        ScalarValue::TimestampMillisecond(Some(ms), _) if has_zone => Ok(AsOf::Instant(ms)),
        ScalarValue::TimestampMillisecond(Some(ms), _) => Ok(AsOf::Local(ms)),
        _ => Err(temporal()),
    }
}

/// The value of a literal, or of a time plus or minus an interval.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Alias(alias) => constant(&alias.expr),
        Expr::Cast(cast) => constant(&cast.expr)?.cast_to(&expr.get_type(&DFSchema::empty()).ok()?).ok(),
        Expr::BinaryExpr(binary) => {
            let (left, right) = (constant(&binary.left)?, constant(&binary.right)?);
            match binary.op {
                Operator::Plus => left.add(right).ok(),
                Operator::Minus => left.sub(right).ok(),
                _ => None,
            }
        }
        _ => None,
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
