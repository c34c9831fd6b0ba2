//! GROUPING SETS, CUBE and ROLLUP: each row once per set, with NULL for the groups that are not in the set, and the
//! number of the set as one more group.

use super::Lowerer;
use super::flow::{Flow, FlowColumn, Physical, Role, not_there, physical};
use super::union::unite;
use crate::plan::outward;
use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::{enumerate_grouping_sets, grouping_set_to_exprlist};
use datafusion::logical_expr::{Aggregate, Expr, GroupingSet};
use datafusion::physical_expr::expressions::{Column, Literal};
use freshet_types::Result;
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
    let flow = lowerer.lower(&aggregate.input)?.settle(&mut lowerer.builder)?;
    let width = flow.columns.len();
    let fields: Vec<FieldRef> = aggregate.schema.fields().iter().map(Arc::clone).collect();
    let id_type = fields[all.len()].data_type().clone();
    let mut flows = Vec::with_capacity(sets.len());
    for set in &sets {
        let mut one = flow.clone();
        let mut id: u64 = 0;
        for (expr, field) in all.iter().zip(&fields) {
            let is_in = set.contains(expr);
            id = id << 1 | u64::from(!is_in);
            let value: Physical = if is_in {
                flow.substitute(&physical(expr, input)?)
            } else {
                Arc::new(Literal::new(ScalarValue::try_from(field.data_type()).map_err(outward)?))
            };
            one.columns.push(FlowColumn { expr: value, field: Arc::clone(field), role: Role::Plain });
        }
        let id = ScalarValue::UInt64(Some(id)).cast_to(&id_type).map_err(outward)?;
        one.columns.push(FlowColumn {
            expr: Arc::new(Literal::new(id)),
            field: Arc::clone(&fields[all.len()]),
            role: Role::Plain,
        });
        one.key = None;
        flows.push(one);
    }
    let united_fields: Vec<FieldRef> = flows[0].columns.iter().map(|c| Arc::clone(&c.field)).collect();
    let united = unite(lowerer, flows, united_fields)?;
    let groups: Vec<Physical> = (width..united.columns.len())
        .map(|i| Arc::new(Column::new(united.base.field(i).name(), i)) as Physical)
        .collect();
    super::aggregate::up_to_date(lowerer, united, groups, &aggregate.aggr_expr, input, fields)
}
