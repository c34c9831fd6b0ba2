//! Group windows of old: `GROUP BY TUMBLE(ts, INTERVAL ..)` with TUMBLE_START and its kin, planned as window functions.
//!
//! `super::prepare` writes `TUMBLE(ts, i)` in an expression as the call `__tumble(ts, i)` and `TUMBLE_START(ts, i)` as
//! `__window_part(__tumble(ts, i), 'window_start')`; so DataFusion sees a part of a grouping expression and checks it as
//! such. Behind that, [`expand`] puts the window node below the aggregate and the window columns where the parts stood.

use super::error::outward;
use super::window_tvf::{WINDOW_COLUMNS, WindowShape, interval_ms, window_plan};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result as DfResult, ScalarValue, plan_err};
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use freshet_types::{Error, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// Name of the call that takes a part of a group window.
pub(crate) const PART: &str = "__window_part";

/// Names of the calls that stand for the group windows, and the window function that each means.
pub(crate) const GROUP_WINDOWS: [(&str, &str); 3] =
    [("__tumble", "TUMBLE"), ("__hop", "HOP"), ("__session", "SESSION")];

/// The stand-ins, for the planner's function look-up; none of them is ever run.
pub(crate) fn stand_ins() -> Vec<Arc<ScalarUDF>> {
    GROUP_WINDOWS
        .iter()
        .map(|(name, _)| *name)
        .chain([PART])
        .map(|name| {
            Arc::new(ScalarUDF::new_from_impl(StandIn {
                name,
                signature: Signature::variadic_any(Volatility::Immutable),
            }))
        })
        .collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StandIn {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for StandIn {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DfResult<DataType> {
        plan_err!("{} gives a field", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DfResult<FieldRef> {
        let Some(first) = args.arg_fields.first() else {
            return plan_err!("{} misses its time column", self.name.trim_start_matches("__").to_uppercase());
        };
        if self.name != PART {
            let wall = DataType::Timestamp(TimeUnit::Millisecond, None);
            let own = match first.data_type() {
                DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
                _ => wall.clone(),
            };
            let fields: Fields = WINDOW_COLUMNS
                .into_iter()
                .zip([wall.clone(), wall, own])
                .map(|(name, data_type)| Field::new(name, data_type, false))
                .collect();
            return Ok(Arc::new(Field::new(self.name, DataType::Struct(fields), false)));
        }
        let part = args.scalar_arguments.get(1).copied().flatten().and_then(|v| v.try_as_str().flatten());
        match (first.data_type(), part) {
            (DataType::Struct(fields), Some(part)) => match fields.iter().find(|f| f.name() == part) {
                Some(field) => Ok(Arc::clone(field)),
                None => plan_err!("a group window has no {part}"),
            },
            _ => plan_err!("a part of a group window is asked for where there is no group window"),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        plan_err!("a group window stands outside GROUP BY")
    }
}

/// Puts window nodes below the aggregates that group by a window, and window columns where its parts are asked for.
///
/// # Errors
/// `window.group` where a group window stands outside GROUP BY.
pub(crate) fn expand(plan: LogicalPlan) -> Result<LogicalPlan> {
    if !contains_window(&plan).map_err(outward)? {
        return Ok(plan);
    }
    let mut replaced: HashSet<String> = HashSet::new();
    let plan = plan
        .transform_up_with_subqueries(|node| match node {
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().any(|e| window_call(e).is_some()) => {
                let plan = expand_aggregate(aggregate, &mut replaced).map_err(super::error::inward)?;
                Ok(Transformed::yes(plan))
            }
            node if replaced.is_empty() => Ok(Transformed::no(node)),
            node => {
                let node = node.map_expressions(|e| take_parts(e, &replaced))?;
                if node.transformed {
                    Ok(Transformed::yes(node.data.recompute_schema()?))
                } else {
                    recompute(node.data)
                }
            }
        })
        .map_err(outward)?
        .data;
    if contains_window(&plan).map_err(outward)? {
        return Err(Error::invalid("window.group", "a group window stands outside GROUP BY").hint(
            "group by the same TUMBLE(..), HOP(..) or SESSION(..), or use the window function TABLE(TUMBLE(..))",
        ));
    }
    Ok(plan)
}

/// A node above an expanded aggregate carries the columns of its new input.
fn recompute(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Window(_) => {
            Ok(Transformed::yes(plan.recompute_schema()?))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn contains_window(plan: &LogicalPlan) -> DfResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|e| {
            e.apply(|e| {
                found |= window_call(e).is_some();
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    Ok(found)
}

/// Window function and arguments when `expr` is a group window.
fn window_call(expr: &Expr) -> Option<(&'static str, &[Expr])> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let (_, function) = GROUP_WINDOWS.iter().find(|(name, _)| *name == call.func.name())?;
    Some((function, &call.args))
}

fn expand_aggregate(aggregate: Aggregate, replaced: &mut HashSet<String>) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    let windows: Vec<&Expr> = group_expr.iter().filter(|e| window_call(e).is_some()).collect();
    let [window] = windows.as_slice() else {
        return Err(Error::invalid("window.group", "GROUP BY names two group windows").hint("keep one of them"));
    };
    let (function, arguments) = window_call(window).expect("it was found by the same test");
    let [time, sizes @ ..] = arguments else {
        return Err(Error::invalid("window.group", format!("{function} misses its time column")));
    };
    let sizes: Vec<i64> = sizes
        .iter()
        .map(|e| {
            interval_ms(e).ok_or_else(|| {
                Error::invalid("window.group", format!("\"{e}\" in {function} is no interval of days to milliseconds"))
                    .hint("write a literal such as INTERVAL '10' SECOND")
            })
        })
        .collect::<Result<_>>()?;
    let shape = WindowShape::from_sizes(function, &sizes)?;
    let name = window.schema_name().to_string();
    let others: Vec<Expr> = group_expr.iter().filter(|e| window_call(e).is_none()).cloned().collect();
    let (mut input, time) = as_column(Arc::unwrap_or_clone(input), time.clone(), "__window_ts")?;
    // A session is kept apart by the other grouping expressions: they become columns below the window.
    let mut keys = Vec::new();
    let mut groups = Vec::new();
    for (i, other) in others.into_iter().enumerate() {
        if matches!(shape, WindowShape::Session { .. }) && !matches!(other, Expr::Column(_)) {
            let name = other.schema_name().to_string();
            let (wider, column) = as_column(input, other, &format!("__window_key_{i}"))?;
            input = wider;
            keys.push(column.clone());
            groups.push(column.alias(name));
        } else {
            keys.push(other.clone());
            groups.push(other);
        }
    }
    if !matches!(shape, WindowShape::Session { .. }) {
        keys.clear();
    }
    let input = window_plan(shape, time, keys, input)?;
    groups.extend(WINDOW_COLUMNS.into_iter().map(|name| Expr::Column(Column::new_unqualified(name))));
    replaced.insert(name);
    let plan = Aggregate::try_new(Arc::new(input), groups, aggr_expr).map_err(outward)?;
    Ok(LogicalPlan::Aggregate(plan))
}

/// Makes `expr` a column of the plan, adding it where it is more than one.
fn as_column(plan: LogicalPlan, expr: Expr, name: &str) -> Result<(LogicalPlan, Expr)> {
    if matches!(expr, Expr::Column(_)) {
        return Ok((plan, expr));
    }
    let mut exprs: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    exprs.push(expr.alias(name));
    let plan = LogicalPlanBuilder::from(plan).project(exprs).and_then(LogicalPlanBuilder::build).map_err(outward)?;
    Ok((plan, Expr::Column(Column::new_unqualified(name))))
}

/// Replaces parts of the windows in `replaced` by the window columns.
fn take_parts(expr: Expr, replaced: &HashSet<String>) -> DfResult<Transformed<Expr>> {
    let name = expr.schema_name().to_string();
    let outer = !matches!(expr, Expr::Alias(_) | Expr::Column(_));
    let changed = expr.transform_up(|e| {
        let Expr::ScalarFunction(call) = &e else { return Ok(Transformed::no(e)) };
        if call.func.name() != PART {
            return Ok(Transformed::no(e));
        }
        match call.args.as_slice() {
            [Expr::Column(window), Expr::Literal(ScalarValue::Utf8(Some(part)), _)]
                if replaced.contains(&window.name) =>
            {
                Ok(Transformed::yes(Expr::Column(Column::new_unqualified(part.clone()))))
            }
            [Expr::Column(window), Expr::Literal(ScalarValue::Utf8View(Some(part)), _)]
                if replaced.contains(&window.name) =>
            {
                Ok(Transformed::yes(Expr::Column(Column::new_unqualified(part.clone()))))
            }
            _ => Ok(Transformed::no(e)),
        }
    })?;
    // The nodes above know the expression by its old name.
    Ok(if changed.transformed && outer { Transformed::yes(changed.data.alias(name)) } else { changed })
}
