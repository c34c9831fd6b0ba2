//! Window functions: kept pending for an aggregate to take over, or else rows are copied into their windows.

use super::Lowerer;
use super::flow::{
    Flow, FlowColumn, PendingWindow, Physical, Role, column_index, map_columns, not_there, physical, references,
};
use super::graph_builder::{GraphBuilder, OperatorNode};
use crate::functions::FunctionContext;
use crate::functions::cast::{OnFailure, cast_expr};
use crate::plan::{WindowShape, WindowTvf, outward};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use chrono::{Offset, TimeZone};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{LogicalPlan, col};
use datafusion::physical_expr::expressions::{CastExpr, Column};
use freshet_engine::operators::{AssignWindows, AssignWindowsConfig, WindowSpec};
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
    let shape = in_zone(tvf.shape, is_instant, lowerer.time_zone)?;
    let pending = PendingWindow {
        shape,
        time: base(time),
        partition: partition.iter().map(|p| base(*p)).collect(),
        zone: lowerer.time_zone,
    };
    let width = flow.base.fields().len();
    let roles = [Role::WindowStart(tvf.shape), Role::WindowEnd(tvf.shape), Role::WindowTime(tvf.shape)];
    let fields = tvf.input.schema().fields().len();
    for (i, role) in roles.into_iter().enumerate() {
        let field = tvf_field(tvf, fields + i);
        flow.columns.push(FlowColumn { expr: Arc::new(Column::new(field.name(), width + i)), field, role });
    }
    // Time attributes of the input no longer speak for the rows: window_time does.
    for column in &mut flow.columns[..fields] {
        if column.role.is_event_time() {
            column.role = Role::Plain;
        }
    }
    flow.window = Some(pending);
    flow.key = None;
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

/// Windows of instants are aligned to the session's zone: the grid is shifted by its distance from UTC.
fn in_zone(shape: WindowShape, is_instant: bool, zone: chrono_tz::Tz) -> Result<WindowShape> {
    if !is_instant || zone == chrono_tz::Tz::UTC {
        return Ok(shape);
    }
    let at = |month| {
        let day = chrono::NaiveDate::from_ymd_opt(2026, month, 1).and_then(|d| d.and_hms_opt(0, 0, 0));
        let day = day.expect("the first of a month exists");
        i64::from(zone.offset_from_utc_datetime(&day).fix().local_minus_utc()) * 1000
    };
    let (winter, summer) = (at(1), at(7));
    let grid = match shape {
        WindowShape::Tumble { size_ms, .. } | WindowShape::Cumulate { size_ms, .. } => size_ms,
        WindowShape::Hop { slide_ms, .. } => slide_ms,
        WindowShape::Session { .. } => return Ok(shape),
    };
    if (winter - summer) % grid != 0 {
        return Err(not_there(format!("{} over TIMESTAMP_LTZ in a zone with summer time", shape.name()))
            .hint("set 'table.local-time-zone' to a zone without summer time, or choose windows that divide an hour"));
    }
    Ok(match shape {
        WindowShape::Tumble { size_ms, offset_ms } => WindowShape::Tumble { size_ms, offset_ms: offset_ms - winter },
        WindowShape::Hop { slide_ms, size_ms, offset_ms } => {
            WindowShape::Hop { slide_ms, size_ms, offset_ms: offset_ms - winter }
        }
        WindowShape::Cumulate { step_ms, size_ms, offset_ms } => {
            WindowShape::Cumulate { step_ms, size_ms, offset_ms: offset_ms - winter }
        }
        session => session,
    })
}

/// A window on the grid of the session's zone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowShift {
    /// The window, shifted.
    pub(crate) shape: WindowShape,
    zone: chrono_tz::Tz,
}

impl WindowShift {
    /// A window over instants or over wall time.
    pub(crate) fn new(shape: WindowShape, is_instant: bool, zone: chrono_tz::Tz) -> Result<Self> {
        Ok(Self { shape: in_zone(shape, is_instant, zone)?, zone })
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

/// Copies the rows of a flow into their windows.
///
/// # Errors
/// `query.unsupported` for a session: its windows exist only once they are closed.
pub(super) fn assign(builder: &mut GraphBuilder, flow: Flow) -> Result<Flow> {
    let Some(window) = flow.window.clone() else { return Ok(flow) };
    let Some(windows) = spec_of(window.shape) else {
        return Err(not_there("SESSION without an aggregate over its windows")
            .hint("GROUP BY the PARTITION BY columns, window_start and window_end"));
    };
    let width = flow.base.fields().len();
    let mut used: BTreeSet<usize> = BTreeSet::from([window.time]);
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
    let config = AssignWindowsConfig { input: Arc::clone(&below.base), time, windows };
    let factory = AssignWindows::new(config)?;
    let schema = factory.schema();
    let node = builder.operator(OperatorNode {
        what: format!("{time} {windows:?}"),
        factory: Arc::new(factory),
        exprs: Vec::new(),
        inputs: vec![Input { from: below.node, routing: Routing::Forward }],
        schema: Arc::clone(&schema),
        append_only: flow.append_only,
    });
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
    Ok(Flow { node, base: schema, window: None, filter: None, columns, ..flow })
}

/// Start and end of a window as wall time, whatever the kind of the time column.
pub(super) fn to_wall(expr: Physical, schema: &Schema, zone: chrono_tz::Tz) -> Physical {
    let wall = DataType::Timestamp(TimeUnit::Millisecond, None);
    match expr.data_type(schema) {
        Ok(DataType::Timestamp(_, Some(_))) => {}
        _ => return expr,
    }
    if zone == chrono_tz::Tz::UTC {
        return Arc::new(CastExpr::new(expr, wall, None));
    }
    let from = SqlField::new("w", SqlType::TimestampLtz(3)).not_null();
    let context = FunctionContext { time_zone: zone, ..FunctionContext::default() };
    let over = DFSchema::try_from(Schema::new(vec![from.to_arrow()])).expect("one column has no double");
    let cast = cast_expr(col("w"), &from, &SqlType::Timestamp(3), OnFailure::Fail, &context)
        .and_then(|cast| physical(&cast, &over))
        .expect("an instant can be cast to wall time");
    map_columns(&cast, |_| Arc::clone(&expr))
}
