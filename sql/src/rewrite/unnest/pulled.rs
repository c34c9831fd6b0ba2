//! The rows of a sub-query in LATERAL whose only tie to the query around it are conditions in a line of filters: they
//! become the condition of the join, without a domain.

use crate::rewrite::outer::is_correlated;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result as PlanResult};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection};
use std::sync::Arc;

/// A sub-query without the conditions that name outer columns.
pub(super) struct Pulled {
    /// Its columns, and those that the conditions compare, under names of their own.
    pub(super) rows: LogicalPlan,
    /// Over these columns and the outer ones.
    pub(super) conditions: Vec<Expr>,
}

impl Pulled {
    /// Takes the conditions out of `plan`, unless something other than a condition ties it. New names begin with `prefix`.
    pub(super) fn out_of(plan: &LogicalPlan, prefix: &str) -> PlanResult<Option<Self>> {
        if !is_correlated(plan) {
            return Ok(Some(Self { rows: plan.clone(), conditions: Vec::new() }));
        }
        match plan {
            LogicalPlan::Filter(filter) => {
                let Some(mut pulled) = Self::out_of(&filter.input, prefix)? else { return Ok(None) };
                let (outer, own): (Vec<&Expr>, Vec<&Expr>) =
                    split_conjunction(&filter.predicate).into_iter().partition(|part| part.contains_outer());
                pulled.conditions.extend(outer.into_iter().cloned());
                if let Some(own) = conjunction(own.into_iter().cloned()) {
                    pulled.rows = LogicalPlan::Filter(Filter::try_new(own, Arc::new(pulled.rows))?);
                }
                Ok(Some(pulled))
            }
            LogicalPlan::Projection(projection) if !plan.contains_outer_reference() => {
                let Some(pulled) = Self::out_of(&projection.input, prefix)? else { return Ok(None) };
                pulled.below(projection.expr.clone(), prefix).map(Some)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let Some(pulled) = Self::out_of(&alias.input, prefix)? else { return Ok(None) };
                let names = alias.input.schema().columns().into_iter().zip(alias.schema.iter());
                let columns = names.map(|(column, (qualifier, field))| {
                    Expr::Column(column).alias_qualified(qualifier.cloned(), field.name())
                });
                pulled.below(columns.collect(), prefix).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The rows below `exprs`, with what the conditions compare beside them.
    fn below(self, mut exprs: Vec<Expr>, prefix: &str) -> PlanResult<Self> {
        let mut beside: Vec<(Column, Column)> = Vec::new();
        let conditions = self.conditions.into_iter().map(|condition| {
            let renamed = condition.transform_up(|e| {
                let Expr::Column(column) = e else { return Ok(Transformed::no(e)) };
                let name = match beside.iter().find(|(known, _)| *known == column) {
                    Some((_, name)) => name.clone(),
                    None => {
                        let name = Column::new_unqualified(format!("{prefix}{}", beside.len()));
                        beside.push((column, name.clone()));
                        name
                    }
                };
                Ok(Transformed::yes(Expr::Column(name)))
            });
            Ok(renamed?.data)
        });
        let conditions = conditions.collect::<PlanResult<_>>()?;
        exprs.extend(beside.into_iter().map(|(column, name)| Expr::Column(column).alias(name.name)));
        let rows = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(self.rows))?);
        Ok(Self { rows, conditions })
    }
}
