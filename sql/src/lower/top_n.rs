//! `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..) AS rn` with `rn <= n`: Top-N, and deduplication where `rn = 1` is
//! ordered by time.

use super::flow::{Flow, FlowColumn, Physical, Role, column_index, not_there, physical};
use super::graph_builder::OperatorNode;
use super::{Lowerer, conjunction, conjuncts};
use crate::plan::{columns_place, outward};
use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Window};
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use freshet_engine::operators::{
    CollectWindows, CollectWindowsConfig, Deduplicate, DeduplicateConfig, Keep, SortColumn, TopN, TopNConfig,
};
use freshet_engine::{Input, Routing};
use freshet_types::Result;
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let LogicalPlan::Filter(filter) = projection.input.as_ref() else { return Ok(None) };
            let Some(found) = find(&filter.predicate, &filter.input) else { return Ok(None) };
            let rank = filter.input.schema().qualified_field(found.column);
            let rank = datafusion::common::Column::from(rank);
            let shows = |e: &Expr| e.column_refs().contains(&rank);
            let needed = projection.expr.iter().any(shows) || found.rest.iter().any(shows);
            let flow = filtered(lowerer, &filter.input, found, needed)?;
            let flow =
                flow.project(&mut lowerer.builder, &projection.expr, filter.input.schema(), &projection.schema)?;
            Ok(Some(flow))
        }
        LogicalPlan::Filter(filter) => match find(&filter.predicate, &filter.input) {
            Some(found) => filtered(lowerer, &filter.input, found, true).map(Some),
            None => Ok(None),
        },
        LogicalPlan::Window(window) => {
            let is_rank = window.window_expr.iter().any(|e| row_number(e).is_some());
            let refused = if is_rank {
                not_there("ROW_NUMBER() without a bound")
                    .hint("keep the first n rows of each partition: SELECT * FROM (SELECT *, ROW_NUMBER() OVER (...) AS rn FROM t) WHERE rn <= 3")
            } else {
                let names: Vec<String> = window.window_expr.iter().map(|e| e.schema_name().to_string()).collect();
                not_there(format!("OVER ({})", names.join(", "))).hint("use a window aggregate (TUMBLE, HOP, SESSION)")
            };
            Err(match columns_place(&window.window_expr) {
                Some((start, end)) => refused.span(start, end),
                None => refused,
            })
        }
        _ => Ok(None),
    }
}

/// Ranks that a filter keeps, and what else it asks for.
struct Found {
    /// The rank, as a column of the filter's input.
    column: usize,
    from: usize,
    to: usize,
    rest: Vec<Expr>,
}

/// Looks for a bound on a ROW_NUMBER() below.
fn find(predicate: &Expr, input: &LogicalPlan) -> Option<Found> {
    let parts = conjuncts(predicate);
    let mut found: Option<Found> = None;
    let mut rest = Vec::new();
    for part in parts {
        match bound(&part, input) {
            Some((column, from, to)) if found.as_ref().is_none_or(|f| f.column == column) && ranks(input, column) => {
                let known = found.get_or_insert(Found { column, from: 1, to: usize::MAX, rest: Vec::new() });
                known.from = known.from.max(from);
                known.to = known.to.min(to);
            }
            _ => rest.push(part),
        }
    }
    let mut found = found?;
    found.rest = rest;
    (found.to < usize::MAX).then_some(found)
}

/// A comparison of a column with a whole number, as the ranks from .. to that it keeps.
fn bound(expr: &Expr, input: &LogicalPlan) -> Option<(usize, usize, usize)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
    let (column, op, number) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(c), Expr::Literal(value, _)) => (c, *op, value),
        (Expr::Literal(value, _), Expr::Column(c)) => (c, op.swap()?, value),
        _ => return None,
    };
    let column = input.schema().index_of_column(column).ok()?;
    let ScalarValue::Int64(Some(n)) = number.cast_to(&arrow::datatypes::DataType::Int64).ok()? else { return None };
    let at = |n: i64| usize::try_from(n.max(0)).unwrap_or(usize::MAX);
    Some(match op {
        Operator::LtEq => (column, 1, at(n)),
        Operator::Lt => (column, 1, at(n - 1)),
        Operator::Eq => (column, at(n), at(n)),
        Operator::GtEq => (column, at(n).max(1), usize::MAX),
        Operator::Gt => (column, at(n.saturating_add(1)).max(1), usize::MAX),
        _ => return None,
    })
}

/// Whether a column of a plan is the ROW_NUMBER() of a window below.
fn ranks(plan: &LogicalPlan, column: usize) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => ranks(&alias.input, column),
        LogicalPlan::Projection(projection) => match projection.expr[column].clone().unalias() {
            Expr::Column(c) => projection.input.schema().index_of_column(&c).is_ok_and(|i| ranks(&projection.input, i)),
            _ => false,
        },
        LogicalPlan::Window(window) => {
            let width = window.input.schema().fields().len();
            window.window_expr.len() == 1 && column == width && row_number(&window.window_expr[0]).is_some()
        }
        _ => false,
    }
}

fn row_number(expr: &Expr) -> Option<&WindowFunctionParams> {
    match expr {
        Expr::Alias(alias) => row_number(&alias.expr),
        Expr::WindowFunction(function) => {
            let WindowFunction { fun, params } = function.as_ref();
            (fun.name() == "row_number").then_some(params)
        }
        _ => None,
    }
}

fn filtered(lowerer: &mut Lowerer, input: &LogicalPlan, found: Found, rank_needed: bool) -> Result<Flow> {
    let flow = ranked(lowerer, input, &found, rank_needed)?;
    match conjunction(found.rest) {
        Some(rest) => flow.keep(&mut lowerer.builder, &rest, input.schema()),
        None => Ok(flow),
    }
}

/// Lowers the names and projections above the window, and the window as Top-N.
fn ranked(lowerer: &mut Lowerer, plan: &LogicalPlan, found: &Found, rank_needed: bool) -> Result<Flow> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let mut flow = ranked(lowerer, &alias.input, found, rank_needed)?;
            for (column, field) in flow.columns.iter_mut().zip(alias.schema.fields()) {
                column.field = Arc::clone(field);
            }
            Ok(flow)
        }
        LogicalPlan::Projection(projection) => {
            let flow = ranked(lowerer, &projection.input, found, rank_needed)?;
            flow.project(&mut lowerer.builder, &projection.expr, projection.input.schema(), &projection.schema)
        }
        LogicalPlan::Window(window) => top_n(lowerer, window, found, rank_needed),
        _ => unreachable!("the shape was checked before"),
    }
}

fn top_n(lowerer: &mut Lowerer, window: &Window, found: &Found, rank_needed: bool) -> Result<Flow> {
    let params = row_number(&window.window_expr[0]).expect("it was found by this test");
    let schema = window.input.schema();
    let flow = lowerer.lower(&window.input)?;
    let partition = params.partition_by.iter().map(|e| physical(e, schema)).collect::<Result<Vec<_>>>()?;
    let order = params
        .order_by
        .iter()
        .map(|s| Ok((physical(&s.expr, schema)?, s.asc, s.nulls_first)))
        .collect::<Result<Vec<_>>>()?;
    let rank_field = Arc::clone(window.schema.field(schema.fields().len()));
    let ranks = Ranks { from: found.from, to: found.to, rank: rank_needed.then(|| Arc::clone(&rank_field)) };
    let mut flow = keep_ranks(lowerer, flow, partition, order, ranks)?;
    if !rank_needed || found.from == found.to {
        let value = ScalarValue::Int64(Some(found.from as i64)).cast_to(rank_field.data_type()).map_err(outward)?;
        flow.columns.push(FlowColumn { expr: Arc::new(Literal::new(value)), field: rank_field, role: Role::Plain });
    }
    Ok(flow)
}

/// Ranks to keep, and the field of the rank when it is to be shown.
pub(super) struct Ranks {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) rank: Option<FieldRef>,
}

/// Keeps the rows of some ranks per partition: the columns of `flow`, then the rank when it is shown and not constant.
pub(super) fn keep_ranks(
    lowerer: &mut Lowerer,
    flow: Flow,
    partition: Vec<Physical>,
    order: Vec<(Physical, bool, bool)>,
    ranks: Ranks,
) -> Result<Flow> {
    let width = flow.columns.len();
    let roles = flow.roles();
    let (append_only, bounded) = (flow.append_only, flow.bounded);
    // Rows of a window that come all at once are ranked once and for good. Cumulating windows and sessions may share their
    // start and end at different times.
    let is_window = |k: &Physical| {
        use crate::plan::WindowShape::{Hop, Tumble};
        match column_index(k).map(|i| roles[i]) {
            Some(Role::WindowStart(window)) => matches!(window.shape, Tumble { .. } | Hop { .. }),
            Some(Role::WindowEnd(_) | Role::WindowTime(_)) => true,
            _ => false,
        }
    };
    let of_window =
        |wanted: fn(Role) -> bool| partition.iter().filter_map(column_index).find(|column| wanted(roles[*column]));
    // Rows that carry their windows, straight from the table function, are held until their window is complete.
    let start = of_window(|role| matches!(role, Role::WindowStart(_)));
    let end = of_window(|role| matches!(role, Role::WindowEnd(_)));
    let held = (append_only && !flow.whole_windows && start.is_some()).then_some(end).flatten();
    let for_good = append_only && (held.is_some() || flow.whole_windows && partition.iter().any(is_window));
    let names = flow.schema();
    let mut exprs: Vec<Physical> = (0..width).map(|i| super::flow::column(&names, i)).collect();
    let mut fields: Vec<FieldRef> = flow.columns.iter().map(|c| Arc::clone(&c.field)).collect();
    let mut place = |expr: Physical| -> Result<usize> {
        if let Some(column) = column_index(&expr) {
            return Ok(column);
        }
        let data_type = expr.data_type(&names).map_err(outward)?;
        fields.push(super::flow::field(&expr.to_string(), data_type));
        exprs.push(expr);
        Ok(exprs.len() - 1)
    };
    let keys = partition.into_iter().map(&mut place).collect::<Result<Vec<usize>>>()?;
    let order = order
        .into_iter()
        .map(|(expr, ascending, nulls_first)| Ok(SortColumn { column: place(expr)?, ascending, nulls_first }))
        .collect::<Result<Vec<_>>>()?;
    let held = match held {
        Some(column) => match roles[column] {
            Role::WindowEnd(window) => {
                Some(place(super::window::from_wall(&super::flow::column(&names, column), window, lowerer.time_zone))?)
            }
            _ => Some(column),
        },
        None => None,
    };
    let below = flow.take(&mut lowerer.builder, exprs, fields)?.settle(&mut lowerer.builder)?;
    let routing = if keys.is_empty() { Routing::Single } else { Routing::Hash(keys.clone()) };
    let mut inputs = vec![Input { from: below.node, routing: routing.clone() }];
    if let Some(end) = held {
        let config = CollectWindowsConfig { input: Arc::clone(&below.base), keys: keys.clone(), end };
        let node = lowerer.builder.operator(OperatorNode {
            what: format!("{keys:?} {end}"),
            factory: Arc::new(CollectWindows::new(config)?),
            exprs: Vec::new(),
            inputs,
            schema: Arc::clone(&below.base),
            append_only: true,
        });
        inputs = vec![Input { from: node, routing }];
    }
    let time_role = match order.as_slice() {
        [one] => roles.get(one.column).copied().unwrap_or(Role::Plain),
        _ => Role::Plain,
    };
    let is_time = time_role.is_event_time() || time_role == Role::Proctime;
    let one = ranks.from == 1 && ranks.to == 1;
    let shows_rank = ranks.rank.is_some() && ranks.from != ranks.to;
    let mut flow = if one && is_time && append_only && !keys.is_empty() && !for_good {
        let keep = if order[0].ascending { Keep::First } else { Keep::Last };
        let by_arrival = time_role == Role::Proctime;
        let stays = by_arrival && keep == Keep::First;
        let time = (!by_arrival).then_some(order[0].column);
        let factory = Deduplicate::new(DeduplicateConfig {
            input: Arc::clone(&below.base),
            keys: keys.clone(),
            time,
            keep,
            append_only,
        })?;
        let schema = factory.schema();
        let node = lowerer.builder.operator(OperatorNode {
            what: format!("{keys:?} {keep:?} {time:?}"),
            factory: Arc::new(factory),
            exprs: Vec::new(),
            inputs,
            schema: Arc::clone(&schema),
            append_only: stays,
        });
        Flow::of_node(node, schema, &roles, stays, bounded)
    } else {
        // Of a window's rows of the latest time, the last to arrive is the last one.
        let last_wins = for_good && one && is_time && !order[0].ascending;
        // Without an order rows are ranked as they come, and what comes later takes no rank away.
        let stays = for_good || (append_only && order.is_empty());
        let factory = TopN::new(TopNConfig {
            input: Arc::clone(&below.base),
            keys: keys.clone(),
            order: order.clone(),
            from: ranks.from as u64,
            to: ranks.to as u64,
            rank: if shows_rank { ranks.rank.clone() } else { None },
            append_only,
            whole_keys: for_good,
            last_wins,
        })?;
        let schema = factory.schema();
        let node = lowerer.builder.operator(OperatorNode {
            what: format!(
                "{keys:?} {order:?} {}..={} {shows_rank} {append_only} {for_good} {last_wins}",
                ranks.from, ranks.to
            ),
            factory: Arc::new(factory),
            exprs: Vec::new(),
            inputs,
            schema: Arc::clone(&schema),
            append_only: stays,
        });
        let mut kept = Flow::of_node(node, schema, if for_good { &roles } else { &[] }, stays, bounded);
        kept.whole_windows = for_good;
        kept
    };
    let node_width = below.columns.len();
    let mut columns: Vec<FlowColumn> = flow.columns[..width].to_vec();
    if shows_rank && let Some(field) = &ranks.rank {
        let mut rank = flow.columns[node_width].clone();
        if rank.field.data_type() != field.data_type() {
            rank.expr = Arc::new(CastExpr::new(rank.expr, field.data_type().clone(), None));
        }
        rank.field = Arc::clone(field);
        columns.push(rank);
    }
    flow.columns = columns;
    if one && keys.iter().all(|k| *k < width) {
        flow.key = Some(keys);
    } else if shows_rank && keys.iter().all(|k| *k < width) {
        flow.key = Some(keys.into_iter().chain([width]).collect());
    }
    Ok(flow)
}
