//! GROUPING SETS, CUBE and ROLLUP: each row once per set, with NULL for the groups that are not in the set, and the
//! number of the set as one more group.

use super::Lowerer;
use super::flow::{Flow, FlowColumn, PendingWindow, Physical, Role, column_index, not_there, physical};
use super::union::unite;
use crate::plan::{WindowShape, outward};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::{enumerate_grouping_sets, grouping_set_to_exprlist};
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet};
use datafusion::physical_expr::expressions::{Column, Literal};
use freshet_types::Result;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn lower(lowerer: &mut Lowerer, aggregate: &Aggregate) -> Result<Flow> {
    let input = aggregate.input.schema();
    let merged = enumerate_grouping_sets(aggregate.group_expr.clone()).map_err(outward)?;
    let [Expr::GroupingSet(set)] = merged.as_slice() else {
        return Err(not_there("GROUP BY with more than one GROUPING SETS"));
    };
    let all: Vec<Expr> = grouping_set_to_exprlist(&merged).map_err(outward)?.into_iter().cloned().collect();
    let sets: Vec<Vec<Expr>> = match set {
        GroupingSet::GroupingSets(sets) => sets.clone(),
        GroupingSet::Rollup(exprs) => (0..=exprs.len()).rev().map(|n| exprs[..n].to_vec()).collect(),
        GroupingSet::Cube(exprs) => (0..1_usize << exprs.len())
            .map(|mask| (0..exprs.len()).filter(|i| mask & (1 << i) == 0).map(|i| exprs[i].clone()).collect())
            .collect(),
    };
    let flow = lowerer.lower(&aggregate.input)?;
    let groups = all.iter().map(|e| physical(e, input)).collect::<Result<Vec<_>>>()?;
    // A window that is part of every set stays a window: its columns are put back behind the union.
    let in_every_set = |i: usize| sets.iter().all(|set| set.contains(&all[i]));
    let role = |i: usize| column_index(&groups[i]).map_or(Role::Plain, |c| flow.columns[c].role);
    let keeps_window = flow.append_only && (0..all.len()).all(|i| !role(i).is_window() || in_every_set(i));
    let pending = if keeps_window && !is_session(&flow) { flow.window.clone() } else { None };
    let mut flow = match &pending {
        Some(_) => flow,
        None => flow.settle(&mut lowerer.builder)?,
    };
    let width = flow.columns.len();
    let base_width = flow.base.fields().len();
    let place_in_window =
        |expr: &Physical| column_index(expr).and_then(|i| i.checked_sub(base_width)).filter(|_| pending.is_some());
    let group_roles: Vec<Role> = (0..all.len())
        .map(|i| match column_index(&groups[i]) {
            Some(c) if keeps_window && flow.columns[c].role.is_window() => flow.columns[c].role,
            _ => Role::Plain,
        })
        .collect();
    let group_windows: Vec<Option<usize>> = groups.iter().map(|g| place_in_window(&flow.substitute(g))).collect();
    let column_windows: Vec<Option<usize>> = flow.columns.iter().map(|c| place_in_window(&c.expr)).collect();
    let column_roles = flow.roles();
    flow.window = None;
    for (column, place) in flow.columns.iter_mut().zip(&column_windows) {
        if place.is_some() {
            column.expr = Arc::new(Literal::new(null_of(column.field.data_type())?));
        }
    }
    let fields: Vec<FieldRef> = aggregate.schema.fields().iter().map(Arc::clone).collect();
    let id_type = fields[all.len()].data_type().clone();
    let mut flows = Vec::with_capacity(sets.len());
    let mut seen: HashMap<u64, u64> = HashMap::new();
    for set in &sets {
        let mut one = flow.clone();
        let mut id: u64 = 0;
        for (i, (expr, field)) in all.iter().zip(&fields).enumerate() {
            let is_in = set.contains(expr);
            id = id << 1 | u64::from(!is_in);
            let value: Physical = if is_in && group_windows[i].is_none() {
                flow.substitute(&groups[i])
            } else {
                Arc::new(Literal::new(null_of(field.data_type())?))
            };
            one.columns.push(FlowColumn { expr: value, field: Arc::clone(field), role: Role::Plain });
        }
        // A set that stands there twice gives its rows twice: above the bits of the groups is how often it stood before,
        // as DataFusion numbers them, whose GROUPING() leaves it out.
        let before = seen.entry(id).or_default();
        let id = *before << all.len() | id;
        *before += 1;
        let id = ScalarValue::UInt64(Some(id)).cast_to(&id_type).map_err(outward)?;
        one.columns.push(FlowColumn {
            expr: Arc::new(Literal::new(id)),
            field: Arc::clone(&fields[all.len()]),
            role: Role::Plain,
        });
        if let Some(pending) = &pending {
            one.columns.push(FlowColumn {
                expr: super::flow::column(&flow.base, pending.time),
                field: Arc::new(flow.base.field(pending.time).clone()),
                role: Role::Plain,
            });
        }
        one.key = None;
        flows.push(one);
    }
    let united_fields: Vec<FieldRef> = flows[0].columns.iter().map(|c| Arc::clone(&c.field)).collect();
    let mut united = unite(lowerer, flows, united_fields)?;
    let united_width = united.columns.len();
    for (i, role) in group_roles.iter().enumerate() {
        united.columns[width + i].role = *role;
    }
    if let Some(pending) = pending {
        let mut put_back = |column: usize, place: usize, role: Role| {
            let name = united.columns[column].field.name().clone();
            united.columns[column].expr = Arc::new(Column::new(&name, united_width + place));
            united.columns[column].role = role;
        };
        for (i, place) in column_windows.iter().enumerate() {
            place.iter().for_each(|p| put_back(i, *p, column_roles[i]));
        }
        for (i, place) in group_windows.iter().enumerate() {
            place.iter().for_each(|p| put_back(width + i, *p, group_roles[i]));
        }
        united.window = Some(PendingWindow { time: united_width - 1, ..pending });
    }
    let schema = united.schema();
    let groups: Vec<Physical> = (width..=width + all.len()).map(|i| super::flow::column(&schema, i)).collect();
    match super::aggregate::window_of(&united, &groups) {
        Some(window) => super::aggregate::by_window(lowerer, united, groups, window, aggregate),
        None => super::aggregate::up_to_date(lowerer, united, groups, &aggregate.aggr_expr, input, fields),
    }
}

fn is_session(flow: &Flow) -> bool {
    matches!(flow.window, Some(PendingWindow { shape: WindowShape::Session { .. }, .. }))
}

fn null_of(data_type: &DataType) -> Result<ScalarValue> {
    ScalarValue::try_from(data_type).map_err(outward)
}
