//! GROUP BY and DISTINCT: per window where the groups are windows of an append-only input, else always up to date.

use super::Lowerer;
use super::bound_aggregate::bind;
use super::flow::{
    Flow, FlowColumn, PendingWindow, Physical, Role, RoleWindow, column_index, not_there, physical, references,
};
use super::graph_builder::OperatorNode;
use super::window::{from_wall, spec_of, to_wall};
use crate::plan::WindowShape;
use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction as AggregateExpr, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate as LogicalAggregate, Expr, LogicalPlan, Operator};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal};
use freshet_engine::operators::{
    Aggregate, AggregateCall, AggregateConfig, AggregateFunction, WindowAggregate, WindowAggregateConfig, WindowKind,
};
use freshet_engine::{Input, OperatorFactory, Routing};
use freshet_types::Result;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(None) };
    if aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
        return super::grouping_sets::lower(lowerer, aggregate).map(Some);
    }
    let flow = lowerer.lower(&aggregate.input)?;
    let input = aggregate.input.schema();
    let groups =
        aggregate.group_expr.iter().map(|e| physical(&e.clone().unalias(), input)).collect::<Result<Vec<_>>>()?;
    let flow = match window_of(&flow, &groups) {
        Some(window) => return by_window(lowerer, flow, groups, window, aggregate).map(Some),
        None => flow,
    };
    let fields: Vec<FieldRef> = aggregate.schema.fields().iter().map(Arc::clone).collect();
    up_to_date(lowerer, flow, groups, &aggregate.aggr_expr, input, fields).map(Some)
}

/// The columns that an aggregate reads, put side by side; equal ones once.
#[derive(Default)]
pub(super) struct Arrangement {
    exprs: Vec<Physical>,
    fields: Vec<FieldRef>,
}

impl Arrangement {
    /// Position of `expr`, which is added when it is not there yet.
    pub(super) fn place(&mut self, expr: Physical, name: &str, data_type: DataType) -> usize {
        if let Some(found) = self.exprs.iter().position(|e| e.as_ref() == expr.as_ref()) {
            return found;
        }
        self.exprs.push(expr);
        self.fields.push(super::flow::field(name, data_type));
        self.exprs.len() - 1
    }

    /// The flow with these columns, as a node.
    pub(super) fn settle(self, lowerer: &mut Lowerer, flow: Flow) -> Result<Flow> {
        flow.take(&mut lowerer.builder, self.exprs, self.fields)?.settle(&mut lowerer.builder)
    }
}

/// An aggregate that keeps one row per group up to date.
pub(super) fn up_to_date(
    lowerer: &mut Lowerer,
    flow: Flow,
    groups: Vec<Physical>,
    aggregates: &[Expr],
    input: &DFSchema,
    fields: Vec<FieldRef>,
) -> Result<Flow> {
    let mut arrangement = Arrangement::default();
    let keys = place_keys(&mut arrangement, &groups, &fields);
    let calls = place_calls(&mut arrangement, aggregates, &fields[groups.len()..], input)?;
    let (append_only, bounded) = (flow.append_only, flow.bounded);
    let below = arrangement.settle(lowerer, flow)?;
    let global = keys.is_empty();
    let factory = Aggregate::new(AggregateConfig {
        input: Arc::clone(&below.base),
        keys: keys.clone(),
        aggregates: calls.clone(),
        append_only,
        global,
    })?;
    let schema = factory.schema();
    // Groups without aggregates never change: the first row of each lets it through for good.
    let stays_append_only = append_only && calls.is_empty() && !global;
    let routing = if global { Routing::Single } else { Routing::Hash(keys.clone()) };
    let node = lowerer.builder.operator(OperatorNode {
        what: format!("{keys:?} {} {append_only}", calls_text(&calls)),
        factory: Arc::new(factory),
        exprs: Vec::new(),
        inputs: vec![Input { from: below.node, routing }],
        schema,
        append_only: stays_append_only,
    });
    let base = Arc::clone(&lowerer.builder.graph().node(node).schema);
    let mut flow = Flow::of_node(node, base, &[], stays_append_only, bounded);
    flow.key = Some((0..keys.len()).collect());
    rename(&mut flow, &fields);
    Ok(flow)
}

/// Gives the columns the names and types of the plan.
fn rename(flow: &mut Flow, fields: &[FieldRef]) {
    for (column, field) in flow.columns.iter_mut().zip(fields) {
        column.field = Arc::clone(field);
    }
}

/// Two equal groups are two columns of the result: each has its own place.
fn place_keys(arrangement: &mut Arrangement, groups: &[Physical], fields: &[FieldRef]) -> Vec<usize> {
    for (group, field) in groups.iter().zip(fields) {
        arrangement.exprs.push(Arc::clone(group));
        arrangement.fields.push(super::flow::loosened(field));
    }
    (arrangement.exprs.len() - groups.len()..arrangement.exprs.len()).collect()
}

fn place_calls(
    arrangement: &mut Arrangement,
    aggregates: &[Expr],
    fields: &[FieldRef],
    input: &DFSchema,
) -> Result<Vec<AggregateCall>> {
    aggregates.iter().zip(fields).map(|(expr, field)| place_call(arrangement, expr, field, input)).collect()
}

fn place_call(arrangement: &mut Arrangement, expr: &Expr, field: &FieldRef, input: &DFSchema) -> Result<AggregateCall> {
    let expr = expr.clone().unalias();
    let Expr::AggregateFunction(AggregateExpr { func, params }) = &expr else {
        return Err(not_there(format!("\"{expr}\" as an aggregate")));
    };
    let AggregateFunctionParams { args, distinct, filter, .. } = params;
    let constant = |e: &Expr| matches!(e, Expr::Literal(value, _) if !value.is_null());
    let mut others = Vec::new();
    let function = match func.name() {
        "count" if !distinct && args.iter().all(constant) => AggregateFunction::CountStar,
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "first_value" => AggregateFunction::FirstValue,
        "last_value" => AggregateFunction::LastValue,
        _ => {
            let (bound, rest) = bind(func, args);
            others = rest;
            AggregateFunction::Other(bound)
        }
    };
    let args = if matches!(function, AggregateFunction::Other(_)) { &others } else { args };
    let mut place = |e: &Expr| -> Result<usize> {
        let expr = physical(e, input)?;
        let data_type = expr.data_type(input.as_arrow()).map_err(crate::plan::outward)?;
        Ok(arrangement.place(expr, &e.schema_name().to_string(), data_type))
    };
    let arguments = match function {
        AggregateFunction::CountStar => Vec::new(),
        _ => args.iter().map(&mut place).collect::<Result<_>>()?,
    };
    let filter = filter.as_ref().map(|f| place(f)).transpose()?;
    Ok(AggregateCall {
        function,
        arguments,
        filter,
        distinct: *distinct,
        name: field.name().clone(),
        result: Arc::clone(field),
    })
}

fn calls_text(calls: &[AggregateCall]) -> String {
    let texts: Vec<String> = calls
        .iter()
        .map(|c| {
            // The literals of a bound function are part of it.
            let function = match &c.function {
                AggregateFunction::Other(function) => format!("{function:?}"),
                other => other.name().to_string(),
            };
            format!("{function}({:?} {:?} {}) {}", c.arguments, c.filter, c.distinct, c.result.data_type())
        })
        .collect();
    texts.join(" ")
}

/// Groups that are columns of one window.
pub(super) struct GroupWindow {
    of: RoleWindow,
    start: Option<usize>,
    end: Option<usize>,
    time: Option<usize>,
}

impl GroupWindow {
    fn holds(&self, group: usize) -> bool {
        [self.start, self.end, self.time].contains(&Some(group))
    }
}

/// The window that the groups name, when rows of a window can be told apart by it and never come back.
pub(super) fn window_of(flow: &Flow, groups: &[Physical]) -> Option<GroupWindow> {
    if !flow.append_only {
        return None;
    }
    let mut found: Option<GroupWindow> = None;
    for (i, group) in groups.iter().enumerate() {
        let Some(column) = column_index(group) else { continue };
        let role = flow.columns[column].role;
        let of = match role {
            Role::WindowStart(of) | Role::WindowEnd(of) | Role::WindowTime(of) => of,
            _ => continue,
        };
        let window = found.get_or_insert(GroupWindow { of, start: None, end: None, time: None });
        if window.of != of {
            return None;
        }
        let place = match role {
            Role::WindowStart(_) => &mut window.start,
            Role::WindowEnd(_) => &mut window.end,
            _ => &mut window.time,
        };
        if place.replace(i).is_some() {
            return None;
        }
    }
    let window = found?;
    let is_fixed = matches!(window.of.shape, WindowShape::Tumble { .. } | WindowShape::Hop { .. });
    let told = (window.start.is_some() && window.end.is_some())
        || (is_fixed && (window.start.is_some() || window.end.is_some() || flow.window.is_some()));
    told.then_some(window)
}

pub(super) fn by_window(
    lowerer: &mut Lowerer,
    flow: Flow,
    groups: Vec<Physical>,
    window: GroupWindow,
    aggregate: &LogicalAggregate,
) -> Result<Flow> {
    let input = aggregate.input.schema();
    let fields: Vec<FieldRef> = aggregate.schema.fields().iter().map(Arc::clone).collect();
    // An argument that reads the window itself needs rows that carry it.
    let width = flow.base.fields().len();
    let reads_window = |flow: &Flow, e: &Physical| references(&flow.substitute(e)).keys().any(|i| *i >= width);
    let others: Vec<usize> = (0..groups.len()).filter(|g| !window.holds(*g)).collect();
    let mut own: Vec<Physical> = others.iter().map(|g| Arc::clone(&groups[*g])).collect();
    for expr in aggregate.aggr_expr.iter().filter_map(aggregate_parts) {
        for part in expr {
            own.push(physical(part, input)?);
        }
    }
    // Sessions that are kept apart by other columns than the groups exist before they are grouped.
    let parts_by_groups = match &flow.window {
        Some(PendingWindow { shape: WindowShape::Session { .. }, partition, .. }) => {
            parts_sessions(&flow, &own[..others.len()], partition)
        }
        _ => true,
    };
    let flow = if flow.window.is_some() && (!parts_by_groups || own.iter().any(|e| reads_window(&flow, e))) {
        super::window::assign(&mut lowerer.builder, flow)?
    } else {
        flow
    };
    let pending = flow.window.clone();
    let bounded = flow.bounded;
    let zone = lowerer.time_zone;
    let mut arrangement = Arrangement::default();
    let key_groups: Vec<Physical> = others.iter().map(|g| Arc::clone(&groups[*g])).collect();
    let key_fields: Vec<FieldRef> = others.iter().map(|g| Arc::clone(&fields[*g])).collect();
    let keys = place_keys(&mut arrangement, &key_groups, &key_fields);
    let calls = place_calls(&mut arrangement, &aggregate.aggr_expr, &fields[groups.len()..], input)?;
    let (below, kind) = match pending {
        Some(pending) => {
            // The time column stands behind the others, over the node's columns: the window is taken over here.
            let mut flow = Flow { window: None, ..flow };
            let time_field = Arc::new(flow.base.field(pending.time).clone());
            flow.columns.push(FlowColumn {
                expr: super::flow::column(&flow.base, pending.time),
                field: Arc::clone(&time_field),
                role: Role::Plain,
            });
            let last = flow.columns.len() - 1;
            let time: Physical = Arc::new(datafusion::physical_expr::expressions::Column::new(time_field.name(), last));
            let time = arrangement.place(time, time_field.name(), time_field.data_type().clone());
            let kind = match (spec_of(pending.shape), pending.shape) {
                (Some(windows), _) => WindowKind::OnTime { time, windows },
                (None, WindowShape::Session { gap_ms }) => WindowKind::Session { time, gap_ms },
                (None, _) => unreachable!("only sessions have no grid"),
            };
            (arrangement.settle(lowerer, flow)?, kind)
        }
        None => {
            let size = match window.of.shape {
                WindowShape::Tumble { size_ms, .. } | WindowShape::Hop { size_ms, .. } => size_ms,
                _ => 0,
            };
            let start = match (window.start, window.end) {
                (Some(start), _) => Arc::clone(&groups[start]),
                (None, Some(end)) => shifted(&groups[end], -size),
                (None, None) => unreachable!("one of them tells the window"),
            };
            let end = match (window.end, window.start) {
                (Some(end), _) => Arc::clone(&groups[end]),
                (None, Some(start)) => shifted(&groups[start], size),
                (None, None) => unreachable!("one of them tells the window"),
            };
            // The watermark closes them, so they stand as it speaks of them.
            let [start, end] = [start, end].map(|at| from_wall(&at, window.of, zone));
            let timestamp = DataType::Timestamp(TimeUnit::Millisecond, window.of.is_shifted.then(|| "UTC".into()));
            let start = arrangement.place(start, "window_start", timestamp.clone());
            let end = arrangement.place(end, "window_end", timestamp);
            (arrangement.settle(lowerer, flow)?, WindowKind::Attached { start, end })
        }
    };
    let factory = WindowAggregate::new(WindowAggregateConfig {
        input: Arc::clone(&below.base),
        keys: keys.clone(),
        window: kind.clone(),
        aggregates: calls.clone(),
    })?;
    let schema = factory.schema();
    let routing = match (&kind, keys.is_empty()) {
        (_, false) => Routing::Hash(keys.clone()),
        (_, true) => Routing::Single,
    };
    let node = lowerer.builder.operator(OperatorNode {
        what: format!("{keys:?} {kind:?} {}", calls_text(&calls)),
        factory: Arc::new(factory) as Arc<dyn OperatorFactory>,
        exprs: Vec::new(),
        inputs: vec![Input { from: below.node, routing }],
        schema,
        append_only: true,
    });
    let base = Arc::clone(&lowerer.builder.graph().node(node).schema);
    let raw = Flow::of_node(node, Arc::clone(&base), &[], true, bounded);
    let behind = keys.len() + calls.len();
    let mut columns = Vec::with_capacity(fields.len());
    let mut key_place = 0;
    for (i, field) in fields.iter().enumerate() {
        let (from, role) = if i >= groups.len() {
            (keys.len() + i - groups.len(), Role::Plain)
        } else if window.start == Some(i) {
            (behind, Role::WindowStart(window.of))
        } else if window.end == Some(i) {
            (behind + 1, Role::WindowEnd(window.of))
        } else if window.time == Some(i) {
            (behind + 2, Role::WindowTime(window.of))
        } else {
            key_place += 1;
            (key_place - 1, Role::Plain)
        };
        let mut expr = Arc::clone(&raw.columns[from].expr);
        if matches!(role, Role::WindowStart(_) | Role::WindowEnd(_)) {
            expr = to_wall(expr, &base, zone);
        } else if matches!(role, Role::WindowTime(_)) && *base.field(from).data_type() != *field.data_type() {
            expr = Arc::new(CastExpr::new(expr, field.data_type().clone(), None));
        }
        columns.push(FlowColumn { expr, field: Arc::clone(field), role });
    }
    Ok(Flow { columns, whole_windows: true, ..raw })
}

/// Arguments and filter of an aggregate.
fn aggregate_parts(expr: &Expr) -> Option<Vec<&Expr>> {
    match expr {
        Expr::Alias(alias) => aggregate_parts(&alias.expr),
        Expr::AggregateFunction(AggregateExpr { params, .. }) => {
            Some(params.args.iter().chain(params.filter.as_deref()).collect())
        }
        _ => None,
    }
}

/// Whether sessions are kept apart by exactly these groups.
fn parts_sessions(flow: &Flow, keys: &[Physical], partition: &[usize]) -> bool {
    let keys: Option<BTreeSet<usize>> = keys.iter().map(|k| column_index(&flow.substitute(k))).collect();
    keys == Some(partition.iter().copied().collect())
}

/// A timestamp moved by `ms`.
fn shifted(expr: &Physical, ms: i64) -> Physical {
    let by = Literal::new(ScalarValue::DurationMillisecond(Some(ms)));
    Arc::new(BinaryExpr::new(Arc::clone(expr), Operator::Plus, Arc::new(by)))
}
