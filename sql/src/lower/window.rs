//! Window functions: kept pending for an aggregate to take over, or else rows are copied into their windows.

use super::Lowerer;
use super::flow::{
    Flow, FlowColumn, PendingWindow, Physical, Role, RoleWindow, column_index, map_columns, not_there, physical,
    references,
};
use super::graph_builder::{GraphBuilder, OperatorNode};
use crate::functions::FunctionContext;
use crate::functions::cast::{OnFailure, cast_expr};
use crate::plan::{WindowShape, WindowTvf, outward};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use chrono::{Offset, TimeZone};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{LogicalPlan, col};
use datafusion::physical_expr::expressions::{CastExpr, Column};
use freshet_engine::operators::{AssignSessions, AssignSessionsConfig, AssignWindows, AssignWindowsConfig, WindowSpec};
use freshet_engine::{Input, Routing};
use freshet_types::{Error, Result, SqlField, SqlType};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    let Some(tvf) = WindowTvf::of(plan) else { return Ok(None) };
    let mut flow = lowerer.lower(&tvf.input)?;
    let time = tvf.time_index().map_err(outward)?;
    check_time(lowerer, &flow, time, tvf)?;
    let partition = tvf
        .partition
        .iter()
        .map(|e| {
            let datafusion::logical_expr::Expr::Column(c) = e else {
                return Err(Error::invalid("window.partition", format!("\"{e}\" is no column"))
                    .hint("name columns in PARTITION BY"));
            };
            tvf.input.schema().index_of_column(c).map_err(outward)
        })
        .collect::<Result<Vec<usize>>>()?;
    let is_plain = |flow: &Flow, i: usize| column_index(&flow.columns[i].expr).is_some();
    if flow.window.is_some() || !is_plain(&flow, time) || partition.iter().any(|p| !is_plain(&flow, *p)) {
        flow = flow.settle(&mut lowerer.builder)?;
    }
    let base = |i: usize| column_index(&flow.columns[i].expr).expect("it was made a column");
    let is_instant = matches!(flow.columns[time].field.data_type(), DataType::Timestamp(_, Some(_)));
    let window = RoleWindow { shape: tvf.shape, is_shifted: is_instant && lowerer.time_zone != chrono_tz::Tz::UTC };
    let Some(shape) = in_zone(tvf.shape, is_instant, lowerer.time_zone) else {
        return by_wall_time(lowerer, flow, tvf, time, window).map(Some);
    };
    let pending = PendingWindow {
        shape,
        time: base(time),
        partition: partition.iter().map(|p| base(*p)).collect(),
        zone: lowerer.time_zone,
    };
    let width = flow.base.fields().len();
    let roles = [Role::WindowStart(window), Role::WindowEnd(window), Role::WindowTime(window)];
    let fields = tvf.input.schema().fields().len();
    for (i, role) in roles.into_iter().enumerate() {
        let field = tvf_field(tvf, fields + i);
        flow.columns.push(FlowColumn { expr: Arc::new(Column::new(field.name(), width + i)), field, role });
    }
    // Time attributes and windows of the input no longer speak for the rows: those of this window do.
    for column in &mut flow.columns[..fields] {
        if column.role.is_event_time() || column.role.is_window() {
            column.role = Role::Plain;
        }
    }
    flow.window = Some(pending);
    flow.key = None;
    // The rows of a window below come at once; those of this one need not.
    flow.whole_windows = false;
    Ok(Some(flow))
}

fn tvf_field(tvf: &WindowTvf, index: usize) -> arrow::datatypes::FieldRef {
    use datafusion::logical_expr::UserDefinedLogicalNodeCore;
    Arc::clone(tvf.schema().field(index))
}

fn check_time(lowerer: &Lowerer, flow: &Flow, time: usize, tvf: &WindowTvf) -> Result<()> {
    let column = &flow.columns[time];
    let name = column.field.name();
    match column.role {
        role if role.is_event_time() => Ok(()),
        Role::Proctime => Err(not_there(format!("{} over processing time", tvf.shape.name()))
            .at("column", name)
            .hint("use a column with a WATERMARK")),
        _ if lowerer.batch_mode && flow.bounded => Ok(()),
        _ => Err(Error::invalid("window.time", format!("column \"{name}\" is no time attribute"))
            .at("window function", tvf.shape.name())
            .hint(format!("declare WATERMARK FOR `{name}` AS `{name}` - INTERVAL '5' SECOND on the table, and pass the column on unchanged"))),
    }
}

/// Windows of instants are aligned to the wall time of the session's zone: the grid is shifted by its distance from UTC;
/// none where summer time moves the grid, so that each row's own wall time must be taken.
fn in_zone(shape: WindowShape, is_instant: bool, zone: chrono_tz::Tz) -> Option<WindowShape> {
    if !is_instant || zone == chrono_tz::Tz::UTC {
        return Some(shape);
    }
    let (least, most) = zone_offsets_ms(zone);
    let grid = match shape {
        WindowShape::Tumble { size_ms, .. } | WindowShape::Cumulate { size_ms, .. } => size_ms,
        WindowShape::Hop { slide_ms, .. } => slide_ms,
        WindowShape::Session { .. } => return Some(shape),
    };
    if (most - least) % grid != 0 {
        return None;
    }
    Some(match shape {
        WindowShape::Tumble { size_ms, offset_ms } => WindowShape::Tumble { size_ms, offset_ms: offset_ms - least },
        WindowShape::Hop { slide_ms, size_ms, offset_ms } => {
            WindowShape::Hop { slide_ms, size_ms, offset_ms: offset_ms - least }
        }
        WindowShape::Cumulate { step_ms, size_ms, offset_ms } => {
            WindowShape::Cumulate { step_ms, size_ms, offset_ms: offset_ms - least }
        }
        session => session,
    })
}

/// The window columns of instants by their wall time: a day of summer time has 23 hours, and one of winter time 25.
fn by_wall_time(lowerer: &mut Lowerer, flow: Flow, tvf: &WindowTvf, time: usize, window: RoleWindow) -> Result<Flow> {
    let width = flow.columns.len();
    let names = flow.schema();
    let mut exprs: Vec<Physical> = (0..width).map(|i| super::flow::column(&names, i)).collect();
    let mut fields: Vec<arrow::datatypes::FieldRef> = flow.columns.iter().map(|c| Arc::clone(&c.field)).collect();
    let wall = to_wall(Arc::clone(&exprs[time]), &names, lowerer.time_zone);
    fields.push(super::flow::field("wall time", wall.data_type(&names).map_err(outward)?));
    exprs.push(wall);
    let below = flow.take(&mut lowerer.builder, exprs, fields)?.settle(&mut lowerer.builder)?;
    let windows = spec_of(tvf.shape).expect("a session has no grid that could be moved");
    let node = in_windows(&below, width, windows)?;
    let schema = Arc::clone(&node.schema);
    let node = lowerer.builder.operator(node);
    let mut flow = Flow::of_node(node, schema, &[], below.append_only, below.bounded);
    let mut columns = flow.columns;
    columns.remove(width);
    let roles = [Role::WindowStart(window), Role::WindowEnd(window), Role::WindowTime(window)];
    for (i, role) in roles.into_iter().enumerate() {
        let column = &mut columns[width + i];
        column.role = role;
        column.field = tvf_field(tvf, width + i);
        if i == 2 {
            column.expr = from_wall(&column.expr, window, lowerer.time_zone);
        }
    }
    flow.columns = columns;
    Ok(flow)
}

/// A window on the grid of the session's zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowShift {
    /// The window, shifted unless rows go by their own wall time.
    pub(crate) shape: WindowShape,
    /// Whether summer time moves the grid, so that rows go by their own wall time.
    pub(crate) by_wall_time: bool,
    zone: chrono_tz::Tz,
}

impl WindowShift {
    /// A window over instants or over wall time.
    pub(crate) fn new(shape: WindowShape, is_instant: bool, zone: chrono_tz::Tz) -> Self {
        let shifted = in_zone(shape, is_instant, zone);
        Self { shape: shifted.unwrap_or(shape), by_wall_time: shifted.is_none(), zone }
    }

    /// The wall time of instants in a column.
    pub(crate) fn wall_time(&self, rows: &RecordBatch, column: usize) -> Result<ArrayRef> {
        let own = rows.schema();
        let wall = to_wall(super::flow::column(&own, column), &own, self.zone);
        wall.evaluate(rows).and_then(|v| v.into_array(rows.num_rows())).map_err(outward)
    }

    /// Rows whose last four columns are their wall time and a window of it: without the former, window_time as an instant.
    pub(crate) fn shown_by_wall_time(&self, rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let own = rows.schema();
        let last = rows.num_columns() - 1;
        let window = RoleWindow { shape: self.shape, is_shifted: true };
        let time = from_wall(&super::flow::column(&own, last), window, self.zone);
        let mut columns = rows.columns().to_vec();
        columns[last] = time.evaluate(rows).and_then(|v| v.into_array(rows.num_rows())).map_err(outward)?;
        columns.remove(last - 3);
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }

    /// Rows whose last three columns are a window, with its start and end as wall time.
    pub(crate) fn shown(&self, rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let start = rows.num_columns() - 3;
        let own = rows.schema();
        let mut columns = rows.columns().to_vec();
        for (i, column) in columns.iter_mut().enumerate().skip(start).take(2) {
            let wall = to_wall(Arc::new(Column::new(own.field(i).name(), i)), &own, self.zone);
            *column = wall.evaluate(rows).and_then(|v| v.into_array(rows.num_rows())).map_err(outward)?;
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

/// The engine's form of a window with a fixed grid; none for sessions.
pub(crate) fn spec_of(shape: WindowShape) -> Option<WindowSpec> {
    Some(match shape {
        WindowShape::Tumble { size_ms, offset_ms } => WindowSpec::Tumble { size_ms, offset_ms },
        WindowShape::Hop { slide_ms, size_ms, offset_ms } => WindowSpec::Hop { size_ms, slide_ms, offset_ms },
        WindowShape::Cumulate { step_ms, size_ms, offset_ms } => WindowSpec::Cumulate { size_ms, step_ms, offset_ms },
        WindowShape::Session { .. } => return None,
    })
}

/// Copies the rows of a flow into their windows; the rows of a session wait until it is over.
///
/// # Errors
/// `query.unsupported` for a session over rows that are taken back.
pub(super) fn assign(builder: &mut GraphBuilder, flow: Flow) -> Result<Flow> {
    let Some(window) = flow.window.clone() else { return Ok(flow) };
    let width = flow.base.fields().len();
    let mut used: BTreeSet<usize> = window.partition.iter().copied().chain([window.time]).collect();
    for column in &flow.columns {
        used.extend(references(&column.expr).into_keys().filter(|i| *i < width));
    }
    let used: Vec<usize> = used.into_iter().collect();
    let place = |i: usize| used.iter().position(|u| *u == i).expect("all that is used is kept");
    let mut below = Flow::of_node(flow.node, Arc::clone(&flow.base), &[], flow.append_only, flow.bounded);
    below.filter = flow.filter.clone();
    below.columns = used.iter().map(|i| below.columns[*i].clone()).collect();
    let below = below.settle(builder)?;
    let time = place(window.time);
    let assigned = match spec_of(window.shape) {
        Some(windows) => in_windows(&below, time, windows)?,
        None => in_sessions(&below, time, &window, place)?,
    };
    let schema = Arc::clone(&assigned.schema);
    let is_session = matches!(window.shape, WindowShape::Session { .. });
    let node = builder.operator(assigned);
    let columns = flow
        .columns
        .into_iter()
        .map(|column| {
            let expr = map_columns(&column.expr, |i| {
                if i < width {
                    return Arc::new(Column::new(schema.field(place(i)).name(), place(i)));
                }
                let new = used.len() + i - width;
                let expr: Physical = Arc::new(Column::new(schema.field(new).name(), new));
                if i - width == 2 { expr } else { to_wall(expr, &schema, window.zone) }
            });
            FlowColumn { expr, ..column }
        })
        .collect();
    let whole_windows = flow.whole_windows || is_session;
    Ok(Flow { node, base: schema, window: None, filter: None, columns, whole_windows, ..flow })
}

/// The node that copies rows into windows on a grid.
fn in_windows(below: &Flow, time: usize, windows: WindowSpec) -> Result<OperatorNode> {
    let config = AssignWindowsConfig { input: Arc::clone(&below.base), time, windows };
    let factory = AssignWindows::new(config)?;
    Ok(OperatorNode {
        what: format!("{time} {windows:?}"),
        schema: factory.schema(),
        factory: Arc::new(factory),
        exprs: Vec::new(),
        inputs: vec![Input { from: below.node, routing: Routing::Forward }],
        append_only: below.append_only,
    })
}

/// The node that holds rows until their session is over.
fn in_sessions(
    below: &Flow,
    time: usize,
    window: &PendingWindow,
    place: impl Fn(usize) -> usize,
) -> Result<OperatorNode> {
    let WindowShape::Session { gap_ms } = window.shape else { unreachable!("only sessions have no grid") };
    if !below.append_only {
        return Err(
            not_there("SESSION over rows that are taken back").hint("put the window before the aggregate or join")
        );
    }
    let keys: Vec<usize> = window.partition.iter().map(|p| place(*p)).collect();
    let routing = if keys.is_empty() { Routing::Single } else { Routing::Hash(keys.clone()) };
    let what = format!("{keys:?} {time} session {gap_ms}");
    let factory = AssignSessions::new(AssignSessionsConfig { input: Arc::clone(&below.base), keys, time, gap_ms })?;
    Ok(OperatorNode {
        what,
        schema: factory.schema(),
        factory: Arc::new(factory),
        exprs: Vec::new(),
        inputs: vec![Input { from: below.node, routing }],
        append_only: true,
    })
}

/// Start and end of a window as wall time, whatever the kind of the time column.
pub(super) fn to_wall(expr: Physical, schema: &Schema, zone: chrono_tz::Tz) -> Physical {
    match expr.data_type(schema) {
        Ok(DataType::Timestamp(_, Some(_))) => {}
        _ => return expr,
    }
    if zone == chrono_tz::Tz::UTC {
        return Arc::new(CastExpr::new(expr, DataType::Timestamp(TimeUnit::Millisecond, None), None));
    }
    through_zone(&expr, SqlType::TimestampLtz(3), &SqlType::Timestamp(3), zone)
}

/// Start or end of a window as the watermark speaks of it: the instant, where it is the wall time of one.
pub(super) fn from_wall(expr: &Physical, window: RoleWindow, zone: chrono_tz::Tz) -> Physical {
    if !window.is_shifted {
        return Arc::clone(expr);
    }
    through_zone(expr, SqlType::Timestamp(3), &SqlType::TimestampLtz(3), zone)
}

fn through_zone(expr: &Physical, from: SqlType, to: &SqlType, zone: chrono_tz::Tz) -> Physical {
    let from = SqlField::new("w", from).not_null();
    let context = FunctionContext { time_zone: zone, ..FunctionContext::default() };
    let over = DFSchema::try_from(Schema::new(vec![from.to_arrow()])).expect("one column has no double");
    let cast = cast_expr(col("w"), &from, to, OnFailure::Fail, &context)
        .and_then(|cast| physical(&cast, &over))
        .expect("instants and wall time can be cast to each other");
    map_columns(&cast, |_| Arc::clone(expr))
}

/// The least and the most by which a zone's wall time is ahead of the instant, in milliseconds.
pub(super) fn zone_offsets_ms(zone: chrono_tz::Tz) -> (i64, i64) {
    let at = |month| {
        let day = chrono::NaiveDate::from_ymd_opt(2026, month, 1).and_then(|d| d.and_hms_opt(0, 0, 0));
        let day = day.expect("the first of a month exists");
        i64::from(zone.offset_from_utc_datetime(&day).fix().local_minus_utc()) * 1000
    };
    let (winter, summer) = (at(1), at(7));
    (winter.min(summer), winter.max(summer))
}
