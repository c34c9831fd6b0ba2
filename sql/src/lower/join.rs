//! Joins of every kind. Keys become columns first; what the watermark lets go is told to the operator.

use super::Lowerer;
use super::flow::{Flow, FlowColumn, Physical, Role, RoleWindow, column_index, map_columns, not_there, physical};
use super::graph_builder::OperatorNode;
use super::interval::{TimeBounds, bounds_between};
use super::union::unite;
use crate::plan::{WindowShape, outward};
use arrow::datatypes::FieldRef;
use datafusion::common::{JoinType, NullEquality, ScalarValue};
use datafusion::logical_expr::{Join as LogicalJoin, LogicalPlan};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, IsNullExpr, Literal};
use freshet_engine::operators::{ExpireBy, Join, JoinConfig, JoinKind, UnmatchedRows};
use freshet_engine::{Input, Routing};
use freshet_types::{Error, Result};
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    let LogicalPlan::Join(join) = plan else { return Ok(None) };
    let left = lowerer.lower(&join.left)?;
    let right = lowerer.lower(&join.right)?;
    let sides = sides(join, left, right)?;
    let fields: Vec<FieldRef> = join.schema.fields().iter().map(Arc::clone).collect();
    let flow = match join.join_type {
        JoinType::Inner => run(lowerer, sides, JoinKind::Inner)?,
        JoinType::Left => run(lowerer, sides, JoinKind::Left)?,
        JoinType::Right => run(lowerer, sides, JoinKind::Right)?,
        JoinType::Full => run(lowerer, sides, JoinKind::Full)?,
        JoinType::LeftSemi => run(lowerer, sides, JoinKind::LeftSemi)?,
        JoinType::LeftAnti if join.null_aware => run(lowerer, null_aware(sides)?, JoinKind::LeftAnti)?,
        JoinType::LeftAnti => run(lowerer, sides, JoinKind::LeftAnti)?,
        JoinType::RightSemi => run(lowerer, swapped(sides), JoinKind::LeftSemi)?,
        JoinType::RightAnti => run(lowerer, swapped(sides), JoinKind::LeftAnti)?,
        JoinType::LeftMark => mark(lowerer, sides, &fields)?,
        JoinType::RightMark => return Err(not_there("this form of EXISTS")),
    };
    let mut flow = flow;
    for (column, field) in flow.columns.iter_mut().zip(fields) {
        column.field = field;
    }
    Ok(Some(flow))
}

/// Both sides of a join, keys and condition over their columns.
#[derive(Clone)]
struct Sides {
    left: Flow,
    right: Flow,
    /// Pairs of equal expressions, each over its own side.
    keys: Vec<(Physical, Physical)>,
    /// What else must hold, over the left columns and then the right.
    condition: Option<Physical>,
    /// What the condition and the keys say about the distance of two times.
    bounds: Vec<TimeBounds>,
    null_equals_null: bool,
}

fn sides(join: &LogicalJoin, left: Flow, right: Flow) -> Result<Sides> {
    let both = join.left.schema().join(join.right.schema()).map_err(outward)?;
    let mut keys = Vec::with_capacity(join.on.len());
    for (l, r) in &join.on {
        let (left_key, right_key) = (physical(l, join.left.schema())?, physical(r, join.right.schema())?);
        let types = (
            left_key.data_type(join.left.schema().as_arrow()).map_err(outward)?,
            right_key.data_type(join.right.schema().as_arrow()).map_err(outward)?,
        );
        if types.0 != types.1 {
            return Err(Error::internal("join.types", format!("\"{l}\" is {} and \"{r}\" is {}", types.0, types.1)));
        }
        keys.push((left_key, right_key));
    }
    let condition = join.filter.as_ref().map(|f| physical(f, &both)).transpose()?;
    let bounds = join
        .filter
        .as_ref()
        .map(|f| bounds_between(&super::conjuncts(f), &both, join.left.schema().fields().len()))
        .unwrap_or_default();
    Ok(Sides {
        left,
        right,
        keys,
        condition,
        bounds,
        null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
    })
}

/// The same join seen from the other side.
fn swapped(sides: Sides) -> Sides {
    let (old_left, old_right) = (sides.left.columns.len(), sides.right.columns.len());
    let condition = sides.condition.map(|c| {
        map_columns(&c, |i| {
            let new = if i < old_left { i + old_right } else { i - old_left };
            Arc::new(Column::new("swapped", new))
        })
    });
    Sides {
        left: sides.right,
        right: sides.left,
        keys: sides.keys.into_iter().map(|(l, r)| (r, l)).collect(),
        condition,
        bounds: sides.bounds.into_iter().map(TimeBounds::swapped).collect(),
        null_equals_null: sides.null_equals_null,
    }
}

/// NOT IN: no row of the right side is equal or, because of a NULL, might be.
///
/// Its one key is what IN compares; a sub-query that names columns of the query around it became NOT EXISTS before.
fn null_aware(sides: Sides) -> Result<Sides> {
    use datafusion::logical_expr::Operator::{And, Eq, Or};
    let [(left, right)] = sides.keys.as_slice() else {
        return Err(not_there("NOT IN with a sub-query of this form").hint("write it as NOT EXISTS"));
    };
    let width = sides.left.columns.len();
    let right = map_columns(right, |i| Arc::new(Column::new("right", i + width)));
    let equal: Physical = Arc::new(BinaryExpr::new(Arc::clone(left), Eq, Arc::clone(&right)));
    let any_null: Physical =
        Arc::new(BinaryExpr::new(Arc::new(IsNullExpr::new(Arc::clone(left))), Or, Arc::new(IsNullExpr::new(right))));
    let might: Physical = Arc::new(BinaryExpr::new(equal, Or, any_null));
    let condition = match sides.condition {
        Some(old) => Arc::new(BinaryExpr::new(old, And, might)),
        None => might,
    };
    Ok(Sides { keys: Vec::new(), condition: Some(condition), bounds: Vec::new(), ..sides })
}

/// Left rows with a column that tells whether the right side has a match.
fn mark(lowerer: &mut Lowerer, sides: Sides, fields: &[FieldRef]) -> Result<Flow> {
    let marked = |mut flow: Flow, value: bool| {
        flow.columns.push(FlowColumn {
            expr: Arc::new(Literal::new(ScalarValue::Boolean(Some(value)))),
            field: Arc::clone(&fields[fields.len() - 1]),
            role: Role::Plain,
        });
        flow
    };
    let with = marked(run(lowerer, sides.clone(), JoinKind::LeftSemi)?, true);
    let without = marked(run(lowerer, sides, JoinKind::LeftAnti)?, false);
    unite(lowerer, vec![with, without], fields.to_vec())
}

/// One side as a node: its columns, then keys that are more than a column.
struct Prepared {
    flow: Flow,
    keys: Vec<usize>,
    /// Number of columns of the plan; keys may stand behind them.
    width: usize,
}

fn prepare(lowerer: &mut Lowerer, flow: Flow, keys: Vec<Physical>) -> Result<Prepared> {
    let width = flow.columns.len();
    let schema = flow.schema();
    let mut exprs: Vec<Physical> = (0..width).map(|i| super::flow::column(&schema, i)).collect();
    let mut fields: Vec<FieldRef> = flow.columns.iter().map(|c| Arc::clone(&c.field)).collect();
    let mut places = Vec::with_capacity(keys.len());
    for key in keys {
        places.push(match column_index(&key) {
            Some(column) => column,
            None => {
                let data_type = key.data_type(&schema).map_err(outward)?;
                fields.push(super::flow::field(&key.to_string(), data_type));
                exprs.push(key);
                exprs.len() - 1
            }
        });
    }
    let flow = flow.take(&mut lowerer.builder, exprs, fields)?.settle(&mut lowerer.builder)?;
    Ok(Prepared { flow, keys: places, width })
}

fn run(lowerer: &mut Lowerer, sides: Sides, kind: JoinKind) -> Result<Flow> {
    let Sides { left, right, keys, condition, bounds, null_equals_null } = sides;
    let (left_roles, right_roles) = (left.roles(), right.roles());
    let (left_key, right_key) = (left.key.clone(), right.key.clone());
    let (left_keys, right_keys): (Vec<Physical>, Vec<Physical>) = keys.into_iter().unzip();
    let left = prepare(lowerer, left, left_keys)?;
    let right = prepare(lowerer, right, right_keys)?;
    let expiry = expiry(lowerer, &left, &right, &left_roles, &right_roles, &bounds);
    let shift = left.flow.columns.len() as isize - left.width as isize;
    let filter = condition.map(|c| {
        map_columns(&c, |i| {
            let new = if i < left.width { i } else { (i as isize + shift) as usize };
            let name = match new.checked_sub(left.flow.columns.len()) {
                None => left.flow.base.field(new).name(),
                Some(right_column) => right.flow.base.field(right_column).name(),
            };
            Arc::new(Column::new(name, new))
        })
    });
    let inputs_append_only = left.flow.append_only && right.flow.append_only;
    let only_left = matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
    let routing = |keys: &[usize]| if keys.is_empty() { Routing::Single } else { Routing::Hash(keys.to_vec()) };
    let inputs = vec![
        Input { from: left.flow.node, routing: routing(&left.keys) },
        Input { from: right.flow.node, routing: routing(&right.keys) },
    ];
    let (left_expire, right_expire) = expiry.as_ref().map_or((None, None), |e| (Some(e.left), Some(e.right)));
    // Where rows expire, those without a pair can wait until it is certain that none comes: nothing is taken back.
    let waits = inputs_append_only && expiry.is_some() && !matches!(kind, JoinKind::Inner | JoinKind::LeftSemi);
    let unmatched = if waits { UnmatchedRows::AtExpiry } else { UnmatchedRows::AtOnce };
    let append_only = waits || (inputs_append_only && matches!(kind, JoinKind::Inner | JoinKind::LeftSemi));
    let what = format!(
        "{kind:?} {:?} {:?} {null_equals_null} {left_expire:?} {right_expire:?} {unmatched:?}",
        left.keys, right.keys
    );
    let factory = Join::new(JoinConfig {
        left: Arc::clone(&left.flow.base),
        right: Arc::clone(&right.flow.base),
        left_keys: left.keys.clone(),
        right_keys: right.keys.clone(),
        kind,
        residual: filter.clone(),
        null_equals_null,
        left_expire,
        right_expire,
        unmatched,
    })?;
    let schema = factory.schema();
    let node = lowerer.builder.operator(OperatorNode {
        what,
        factory: Arc::new(factory),
        exprs: filter.into_iter().collect(),
        inputs,
        schema,
        append_only,
    });
    if let Some(expiry) = &expiry {
        lowerer.builder.lags(node, expiry.lag_ms);
    }
    let base = Arc::clone(&lowerer.builder.graph().node(node).schema);
    let bounded = left.flow.bounded && right.flow.bounded;
    let all = Flow::of_node(node, base, &[], append_only, bounded);
    let mut columns: Vec<FlowColumn> = all.columns[..left.width].to_vec();
    if !only_left {
        let from = left.flow.columns.len();
        columns.extend_from_slice(&all.columns[from..from + right.width]);
    }
    if let Some(expiry) = expiry.filter(|e| append_only && e.keeps_times) {
        // Times that are NULL in rows without a pair are no event time any more.
        let padded = |i: usize| match kind {
            JoinKind::Left => i >= left.width,
            JoinKind::Right => i < left.width,
            JoinKind::Full => true,
            _ => false,
        };
        for (i, role) in left_roles.iter().chain(&right_roles).enumerate().take(columns.len()) {
            columns[i].role = if expiry.is_interval && padded(i) { Role::Plain } else { *role };
        }
    }
    let covers =
        |key: &Option<Vec<usize>>, by: &[usize]| key.as_ref().is_some_and(|k| k.iter().all(|c| by.contains(c)));
    let key = match kind {
        JoinKind::LeftSemi | JoinKind::LeftAnti => left_key,
        JoinKind::Inner | JoinKind::Left if covers(&right_key, &right.keys) => left_key,
        JoinKind::Inner | JoinKind::Right if covers(&left_key, &left.keys) => {
            right_key.map(|k| k.iter().map(|c| c + left.width).collect())
        }
        JoinKind::Inner => left_key.zip(right_key).map(|(mut l, r)| {
            l.extend(r.iter().map(|c| c + left.width));
            l
        }),
        _ => None,
    };
    Ok(Flow { columns, key, ..all })
}

/// When rows may go, and what the watermark still says about their times.
struct Expiry {
    left: ExpireBy,
    right: ExpireBy,
    /// Whether event time and windows of the inputs are those of the pairs.
    keeps_times: bool,
    /// Whether it is the distance of two times that lets rows go, not the end of a window.
    is_interval: bool,
    /// How far the times of a pair may lie behind the watermark.
    lag_ms: i64,
}

fn expiry(
    lowerer: &Lowerer,
    left: &Prepared,
    right: &Prepared,
    left_roles: &[Role],
    right_roles: &[Role],
    bounds: &[TimeBounds],
) -> Option<Expiry> {
    window_expiry(lowerer, left, right, left_roles, right_roles)
        .or_else(|| interval_expiry(left_roles, right_roles, bounds))
}

/// Both sides carry the same windows and are joined on them: rows of a window go once it is closed.
fn window_expiry(
    lowerer: &Lowerer,
    left: &Prepared,
    right: &Prepared,
    left_roles: &[Role],
    right_roles: &[Role],
) -> Option<Expiry> {
    if !left.flow.append_only || !right.flow.append_only {
        return None;
    }
    let mut start: Option<(RoleWindow, usize, usize)> = None;
    let mut end: Option<(RoleWindow, usize, usize)> = None;
    for (l, r) in left.keys.iter().zip(&right.keys) {
        match (left_roles.get(*l)?, right_roles.get(*r)?) {
            (Role::WindowStart(a), Role::WindowStart(b)) if a == b => start = Some((*a, *l, *r)),
            (Role::WindowEnd(a), Role::WindowEnd(b)) if a == b => end = Some((*a, *l, *r)),
            _ => {}
        }
    }
    let (window, l, r, mut delay_ms) = match (start, end) {
        (_, Some((window, l, r))) => (window, l, r, -1),
        (Some((window, l, r)), None) => match window.shape {
            WindowShape::Tumble { size_ms, .. } | WindowShape::Hop { size_ms, .. } => (window, l, r, size_ms - 1),
            _ => return None,
        },
        _ => return None,
    };
    let shares_ends = matches!(window.shape, WindowShape::Session { .. } | WindowShape::Cumulate { .. });
    let mut whole = end.is_some() && start.is_some() || !shares_ends;
    if window.is_shifted {
        // The watermark speaks of instants: in a zone with summer time rows are kept up to an hour longer than they must.
        let (least, most) = super::window::zone_offsets_ms(lowerer.time_zone);
        delay_ms -= least;
        whole &= least == most;
    }
    Some(Expiry {
        left: ExpireBy { column: l, delay_ms },
        right: ExpireBy { column: r, delay_ms },
        keeps_times: whole,
        is_interval: false,
        lag_ms: 0,
    })
}

/// The times of both sides are at most so far apart: a row goes once no partner can come any more.
fn interval_expiry(left_roles: &[Role], right_roles: &[Role], bounds: &[TimeBounds]) -> Option<Expiry> {
    bounds.iter().find_map(|b| {
        let (lower, upper) = (b.lower_ms?, b.upper_ms?);
        if !left_roles.get(b.left)?.is_event_time() || !right_roles.get(b.right)?.is_event_time() {
            return None;
        }
        Some(Expiry {
            left: ExpireBy { column: b.left, delay_ms: -lower },
            right: ExpireBy { column: b.right, delay_ms: upper },
            keeps_times: true,
            is_interval: true,
            // A pair comes out when its later row comes in, so that the earlier one may lie that far behind.
            lag_ms: upper.max(-lower).max(0),
        })
    })
}
