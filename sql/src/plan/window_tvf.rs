//! TUMBLE, HOP, CUMULATE and SESSION as a node of the logical plan that adds window_start, window_end and window_time.
//!
//! Source: Flink documentation, "Windowing table-valued functions".

use super::error::{inward, outward, placed_at};
use crate::parse::TableArgument;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result as DfResult, ScalarValue, TableReference};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, TableFactor};
use freshet_types::{Error, Result, suggest};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Names of the columns that a window function adds, in order.
pub const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// Form of a window; all sizes in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Hash)]
pub enum WindowShape {
    /// Windows of one size, side by side.
    Tumble {
        /// Size.
        size_ms: i64,
        /// Shift of the alignment.
        offset_ms: i64,
    },
    /// Windows of one size that begin every `slide_ms`.
    Hop {
        /// Distance between starts.
        slide_ms: i64,
        /// Size.
        size_ms: i64,
        /// Shift of the alignment.
        offset_ms: i64,
    },
    /// Windows that share a start and grow by `step_ms` up to `size_ms`.
    Cumulate {
        /// Growth.
        step_ms: i64,
        /// Largest size.
        size_ms: i64,
        /// Shift of the alignment.
        offset_ms: i64,
    },
    /// Windows that end once nothing came for `gap_ms`.
    Session {
        /// Gap.
        gap_ms: i64,
    },
}

impl WindowShape {
    /// Name of the function.
    pub fn name(&self) -> &'static str {
        match self {
            WindowShape::Tumble { .. } => "TUMBLE",
            WindowShape::Hop { .. } => "HOP",
            WindowShape::Cumulate { .. } => "CUMULATE",
            WindowShape::Session { .. } => "SESSION",
        }
    }

    /// Builds the window of function `name` from its sizes in the order of Flink's parameters.
    pub(crate) fn from_sizes(name: &str, sizes: &[i64]) -> Result<Self> {
        let positive = |what: &str, ms: i64| match ms {
            ms if ms > 0 => Ok(ms),
            _ => Err(Error::invalid("window.size", format!("the {what} of {name} is not positive"))
                .hint("write an interval above zero")),
        };
        let multiple = |what: &str, part: &str, size: i64, of: i64| {
            if size % of == 0 {
                return Ok(());
            }
            Err(Error::invalid(
                "window.size",
                format!("the {what} of {name} ({size} ms) is no multiple of its {part} ({of} ms)"),
            )
            .hint(format!("choose a {what} that is a multiple of the {part}")))
        };
        let wrong = |takes: &str| {
            Err(Error::invalid(
                "window.arguments",
                format!("{name} takes {takes}, but {} intervals were given", sizes.len()),
            )
            .hint(format!("write {}", usage(name))))
        };
        match (name, sizes) {
            ("TUMBLE", [size, rest @ ..]) if rest.len() < 2 => Ok(WindowShape::Tumble {
                size_ms: positive("size", *size)?,
                offset_ms: rest.first().copied().unwrap_or(0),
            }),
            ("HOP", [slide, size, rest @ ..]) if rest.len() < 2 => {
                let (slide_ms, size_ms) = (positive("slide", *slide)?, positive("size", *size)?);
                multiple("size", "slide", size_ms, slide_ms)?;
                Ok(WindowShape::Hop { slide_ms, size_ms, offset_ms: rest.first().copied().unwrap_or(0) })
            }
            ("CUMULATE", [step, size, rest @ ..]) if rest.len() < 2 => {
                let (step_ms, size_ms) = (positive("step", *step)?, positive("size", *size)?);
                multiple("size", "step", size_ms, step_ms)?;
                Ok(WindowShape::Cumulate { step_ms, size_ms, offset_ms: rest.first().copied().unwrap_or(0) })
            }
            ("SESSION", [gap]) => Ok(WindowShape::Session { gap_ms: positive("gap", *gap)? }),
            ("TUMBLE", _) => wrong("a size and perhaps an offset"),
            ("HOP", _) => wrong("a slide, a size and perhaps an offset"),
            ("CUMULATE", _) => wrong("a step, a size and perhaps an offset"),
            _ => wrong("a gap"),
        }
    }
}

impl fmt::Display for WindowShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = |f: &mut fmt::Formatter<'_>, ms: i64| if ms == 0 { Ok(()) } else { write!(f, ", offset={ms}ms") };
        match *self {
            WindowShape::Tumble { size_ms, offset_ms } => {
                write!(f, "TUMBLE(size={size_ms}ms")?;
                offset(f, offset_ms)?;
            }
            WindowShape::Hop { slide_ms, size_ms, offset_ms } => {
                write!(f, "HOP(slide={slide_ms}ms, size={size_ms}ms")?;
                offset(f, offset_ms)?;
            }
            WindowShape::Cumulate { step_ms, size_ms, offset_ms } => {
                write!(f, "CUMULATE(step={step_ms}ms, size={size_ms}ms")?;
                offset(f, offset_ms)?;
            }
            WindowShape::Session { gap_ms } => write!(f, "SESSION(gap={gap_ms}ms")?,
        }
        f.write_str(")")
    }
}

/// Adds window columns to its input: a row goes into each window that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct WindowTvf {
    /// Form of the window.
    pub shape: WindowShape,
    /// Time column of the input.
    pub time: Expr,
    /// Columns that keep sessions apart.
    pub partition: Vec<Expr>,
    /// Where the rows come from.
    pub input: LogicalPlan,
    schema: DFSchemaRef,
}

impl WindowTvf {
    /// A window over `input`, whose column `time` tells the time.
    pub(crate) fn try_new(shape: WindowShape, time: Expr, partition: Vec<Expr>, input: LogicalPlan) -> DfResult<Self> {
        let schema = schema_over(&input, &time)?;
        Ok(Self { shape, time, partition, input, schema })
    }

    /// The node as a plan.
    pub(crate) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The window node at the root of `plan`, if it is one.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<&WindowTvf> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Index of the time column in the input.
    pub(crate) fn time_index(&self) -> DfResult<usize> {
        match &self.time {
            Expr::Column(column) => self.input.schema().index_of_column(column),
            other => Err(inward(not_a_column(&other.to_string()))),
        }
    }
}

fn not_a_column(text: &str) -> Error {
    Error::invalid("window.time", format!("\"{text}\" is no column"))
        .hint("name the column with the event time: DESCRIPTOR(ts)")
}

/// Arrow field of the three window columns behind a time column: starts and ends are wall time, window_time is of the
/// time column's own kind.
fn schema_over(input: &LogicalPlan, time: &Expr) -> DfResult<DFSchemaRef> {
    let Expr::Column(column) = time else { return Err(inward(not_a_column(&time.to_string()))) };
    let field = input.schema().field(input.schema().index_of_column(column)?);
    let DataType::Timestamp(_, zone) = field.data_type() else {
        return Err(inward(
            Error::invalid("window.time", format!("column \"{}\" is no timestamp", column.name))
                .hint("take a column of type TIMESTAMP(3) or TIMESTAMP_LTZ(3) with a WATERMARK"),
        ));
    };
    let mut fields: Vec<(Option<TableReference>, FieldRef)> =
        input.schema().iter().map(|(q, f)| (q.cloned(), Arc::clone(f))).collect();
    let wall = DataType::Timestamp(TimeUnit::Millisecond, None);
    let own = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
    for (name, data_type) in WINDOW_COLUMNS.into_iter().zip([wall.clone(), wall, own]) {
        if input.schema().has_column_with_unqualified_name(name) {
            return Err(inward(
                Error::invalid("window.column", format!("the input of the window has a column \"{name}\" already"))
                    .hint("rename it in a sub-query first"),
            ));
        }
        fields.push((None, Arc::new(Field::new(name, data_type, false))));
    }
    Ok(Arc::new(DFSchema::new_with_metadata(fields, Default::default())?))
}

impl PartialOrd for WindowTvf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.shape.partial_cmp(&other.shape)
    }
}

impl UserDefinedLogicalNodeCore for WindowTvf {
    fn name(&self) -> &str {
        "WindowTvf"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(self.time.clone()).chain(self.partition.iter().cloned()).collect()
    }

    /// A filter may go below a window that does not depend on other rows; below a session only if it takes out whole
    /// partitions.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        let added = WINDOW_COLUMNS.iter().map(|n| n.to_string());
        match self.shape {
            WindowShape::Session { .. } => {
                let keys: HashSet<String> = self.partition.iter().flat_map(column_names).collect();
                let names = self.input.schema().iter().flat_map(|(q, f)| spellings(q, f.name()));
                names.filter(|n| !keys.contains(n)).chain(added).collect()
            }
            _ => added.collect(),
        }
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} on {}", self.shape, self.time)?;
        if !self.partition.is_empty() {
            let keys: Vec<String> = self.partition.iter().map(|e| e.to_string()).collect();
            write!(f, " partition by {}", keys.join(", "))?;
        }
        Ok(())
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> DfResult<Self> {
        let time = exprs.remove(0).unalias_nested().data;
        Self::try_new(self.shape, time, exprs, inputs.remove(0))
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let mut needed: Vec<usize> = output_columns.iter().copied().filter(|i| *i < width).collect();
        for expr in std::iter::once(&self.time).chain(&self.partition) {
            let columns = expr.column_refs().into_iter().map(|c| self.input.schema().index_of_column(c).ok());
            needed.extend(columns.collect::<Option<Vec<usize>>>()?);
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

fn column_names(expr: &Expr) -> Vec<String> {
    expr.column_refs().into_iter().flat_map(|c: &Column| spellings(c.relation.as_ref(), &c.name)).collect()
}

/// The names under which the optimiser may ask for a column.
fn spellings(qualifier: Option<&TableReference>, name: &str) -> Vec<String> {
    match qualifier {
        Some(q) => vec![format!("{q}.{name}"), name.to_string()],
        None => vec![name.to_string()],
    }
}

fn usage(name: &str) -> &'static str {
    match name {
        "TUMBLE" => "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTES)",
        "HOP" => "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTES, INTERVAL '10' MINUTES)",
        "CUMULATE" => "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' MINUTES, INTERVAL '10' MINUTES)",
        _ => "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '10' MINUTES)",
    }
}

/// Milliseconds of a literal interval.
pub(crate) fn interval_ms(expr: &Expr) -> Option<i64> {
    let Expr::Literal(value, _) = expr else { return None };
    match value {
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.months == 0 => {
            Some(i64::from(v.days) * 86_400_000 + v.nanoseconds / 1_000_000)
        }
        ScalarValue::IntervalDayTime(Some(v)) => Some(i64::from(v.days) * 86_400_000 + i64::from(v.milliseconds)),
        ScalarValue::DurationMillisecond(Some(v)) => Some(*v),
        ScalarValue::DurationSecond(Some(v)) => Some(v * 1000),
        ScalarValue::DurationMicrosecond(Some(v)) => Some(v / 1000),
        ScalarValue::DurationNanosecond(Some(v)) => Some(v / 1_000_000),
        _ => None,
    }
}

/// Plans window functions in FROM, with and without `TABLE(...)`, with positional and named arguments.
#[derive(Debug)]
pub(crate) struct WindowFunctions;

impl RelationPlanner for WindowFunctions {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let (word, arguments, alias) = match &relation {
            TableFactor::TableFunction { expr: ast::Expr::Function(function), alias } => match &function.args {
                FunctionArguments::List(list) => (&function.name, list.args.clone(), alias.clone()),
                _ => return Ok(RelationPlanning::Original(Box::new(relation))),
            },
            TableFactor::Table { name, args: Some(args), alias, .. } => (name, args.args.clone(), alias.clone()),
            TableFactor::Function { name, args, alias, .. } => (name, args.clone(), alias.clone()),
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let name = word.to_string().to_uppercase();
        let plan = match ["TUMBLE", "HOP", "CUMULATE", "SESSION"].contains(&name.as_str()) {
            true => plan_window(&name, &arguments, context),
            false => Err(inward(unknown_function(&word.to_string()))),
        };
        let plan = plan.map_err(|e| placed_at(e, word))?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

pub(super) fn unknown_function(name: &str) -> Error {
    let known = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];
    Error::not_found("function.unknown", format!("no table function named \"{name}\"")).hint(suggest::hint(
        name,
        "table functions",
        known,
    ))
}

fn malformed(name: &str, text: impl Into<String>) -> datafusion::common::DataFusionError {
    inward(Error::invalid("window.arguments", text.into()).hint(format!("write {}", usage(name))))
}

/// Sorts positional and named arguments into Flink's order: table, descriptor, intervals.
fn in_order(name: &str, arguments: &[FunctionArg]) -> DfResult<Vec<ast::Expr>> {
    let parameters: &[&str] = match name {
        "TUMBLE" => &["DATA", "TIMECOL", "SIZE", "OFFSET"],
        "HOP" => &["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"],
        "CUMULATE" => &["DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"],
        _ => &["DATA", "TIMECOL", "GAP"],
    };
    let mut places: Vec<Option<ast::Expr>> = vec![None; parameters.len()];
    for (i, argument) in arguments.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => (i, e),
            FunctionArg::Named { name: word, arg: FunctionArgExpr::Expr(e), .. } => {
                let Some(place) = parameters.iter().position(|p| p.eq_ignore_ascii_case(&word.value)) else {
                    return Err(malformed(name, format!("{name} has no parameter \"{}\"", word.value)));
                };
                (place, e)
            }
            FunctionArg::ExprNamed { name: ast::Expr::Identifier(word), arg: FunctionArgExpr::Expr(e), .. } => {
                let Some(place) = parameters.iter().position(|p| p.eq_ignore_ascii_case(&word.value)) else {
                    return Err(malformed(name, format!("{name} has no parameter \"{}\"", word.value)));
                };
                (place, e)
            }
            other => return Err(malformed(name, format!("{name} cannot take \"{other}\""))),
        };
        match places.get_mut(place) {
            Some(slot @ None) => *slot = Some(value.clone()),
            _ => return Err(malformed(name, format!("{name} was given too many arguments"))),
        }
    }
    while places.last().is_some_and(Option::is_none) {
        places.pop();
    }
    places
        .into_iter()
        .enumerate()
        .map(|(i, p)| p.ok_or_else(|| malformed(name, format!("{name} misses its argument {}", parameters[i]))))
        .collect()
}

/// Arguments of a call of `name`, whatever the case of its letters.
fn call_of<'a>(expr: &'a ast::Expr, name: &str) -> Option<Vec<&'a ast::Expr>> {
    let ast::Expr::Function(function) = expr else { return None };
    let FunctionArguments::List(list) = &function.args else { return None };
    function.name.to_string().eq_ignore_ascii_case(name).then(|| {
        list.args
            .iter()
            .filter_map(|a| match a {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
                FunctionArg::Named { arg: FunctionArgExpr::Expr(e), .. } => Some(e),
                _ => None,
            })
            .collect()
    })
}

fn plan_window(
    name: &str,
    arguments: &[FunctionArg],
    context: &mut dyn RelationPlannerContext,
) -> DfResult<LogicalPlan> {
    let arguments = in_order(name, arguments)?;
    let [table, descriptor, sizes @ ..] = arguments.as_slice() else {
        return Err(malformed(name, format!("{name} takes a table, a DESCRIPTOR and an interval")));
    };
    let (relation, keys) = table_argument(table)
        .ok_or_else(|| malformed(name, format!("the first argument of {name} is no table: \"{table}\"")))?;
    let input = context.plan(relation)?;
    let time = match call_of(descriptor, "DESCRIPTOR").as_deref() {
        Some([column]) => context.sql_to_expr((*column).clone(), input.schema())?,
        _ => return Err(malformed(name, format!("the second argument of {name} is no DESCRIPTOR(column)"))),
    };
    let keys = keys.into_iter().map(|k| context.sql_to_expr(k, input.schema())).collect::<DfResult<Vec<_>>>()?;
    if !keys.is_empty() && name != "SESSION" {
        return Err(malformed(name, format!("{name} takes no PARTITION BY")));
    }
    let empty = DFSchema::empty();
    let sizes = sizes
        .iter()
        .map(|size| {
            let expr = context.sql_to_expr(size.clone(), &empty)?;
            interval_of(&expr)
                .ok_or_else(|| malformed(name, format!("\"{size}\" is no interval of days to milliseconds")))
        })
        .collect::<DfResult<Vec<i64>>>()?;
    let shape = WindowShape::from_sizes(name, &sizes).map_err(inward)?;
    Ok(WindowTvf::try_new(shape, time, keys, input)?.into_plan())
}

/// Milliseconds of an interval, which may carry a sign.
fn interval_of(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Negative(inner) => interval_of(inner).map(|ms| -ms),
        other => interval_ms(other),
    }
}

/// The relation and the PARTITION BY columns of a table argument.
fn table_argument(argument: &ast::Expr) -> Option<(TableFactor, Vec<ast::Expr>)> {
    if let Some(table) = TableArgument::from_expr(argument) {
        return Some((table.table, table.partition_by.into_iter().map(ast::Expr::Identifier).collect()));
    }
    match argument {
        ast::Expr::Nested(inner) => table_argument(inner),
        ast::Expr::Subquery(query) => {
            let table = TableFactor::Derived { lateral: false, subquery: query.clone(), alias: None, sample: None };
            Some((table, Vec::new()))
        }
        _ => None,
    }
}

/// Turns a DataFusion error of this module's builders into ours.
pub(crate) fn window_plan(shape: WindowShape, time: Expr, keys: Vec<Expr>, input: LogicalPlan) -> Result<LogicalPlan> {
    Ok(WindowTvf::try_new(shape, time, keys, input).map_err(outward)?.into_plan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert_eq!(
            WindowShape::from_sizes("HOP", &[2_000, 10_000]).unwrap(),
            WindowShape::Hop { slide_ms: 2_000, size_ms: 10_000, offset_ms: 0 }
        );
        for (name, sizes) in
            [("HOP", vec![3_000, 10_000]), ("TUMBLE", vec![0]), ("TUMBLE", vec![]), ("SESSION", vec![1, 2])]
        {
            assert!(WindowShape::from_sizes(name, &sizes).is_err(), "{name} {sizes:?}");
        }
    }
}
