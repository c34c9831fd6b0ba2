//! Rules of DataFusion's optimiser that give wrong rows as they are.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use std::sync::Arc;

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// Puts the mended rules in the place of DataFusion's.
pub(super) fn mend(rules: &mut [Rule]) {
    let mended: [Rule; 2] = [Arc::new(PushDownFilters::default()), Arc::new(PropagateEmptyRelations::default())];
    for rule in rules {
        if let Some(ours) = mended.iter().find(|ours| ours.name() == rule.name()) {
            *rule = Arc::clone(ours);
        }
    }
}

/// A condition without columns stays above an aggregate that gives a row of no rows: below, it would drop the rows and
/// not the one row. DataFusion moves it, as it names no column that is not grouped by.
#[derive(Debug, Default)]
struct PushDownFilters(PushDownFilter);

impl OptimizerRule for PushDownFilters {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if goes_too_far(&plan) {
            return Ok(Transformed::no(plan));
        }
        self.0.rewrite(plan, config)
    }
}

/// Filters above each other count as one: DataFusion makes one of them, and moves on at once.
fn goes_too_far(plan: &LogicalPlan) -> bool {
    let (mut node, mut names_no_column) = (plan, false);
    while let LogicalPlan::Filter(filter) = node {
        names_no_column |= split_conjunction(&filter.predicate).iter().any(|part| !part.any_column_refs());
        node = &filter.input;
    }
    match node {
        LogicalPlan::Aggregate(aggregate) => {
            names_no_column && aggregate.group_expr.iter().all(|e| matches!(e, Expr::GroupingSet(_)))
        }
        _ => false,
    }
}

/// A UNION of which one input is left becomes that input under the union's names. DataFusion names `c.id` only `id`, and
/// then moves conditions on it to whatever `id` stands below.
#[derive(Debug, Default)]
struct PropagateEmptyRelations(PropagateEmptyRelation);

impl OptimizerRule for PropagateEmptyRelations {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Union(union) = &plan {
            let is_empty = |input: &LogicalPlan| matches!(input, LogicalPlan::EmptyRelation(e) if !e.produce_one_row);
            let left: Vec<_> = union.inputs.iter().filter(|input| !is_empty(input)).collect();
            if let [input] = left.as_slice()
                && union.inputs.len() > 1
            {
                let named = input.schema().iter().zip(union.schema.iter()).map(|(column, (qualifier, field))| {
                    Expr::Column(Column::from(column)).alias_qualified(qualifier.cloned(), field.name())
                });
                let projection = Projection::try_new(named.collect(), Arc::clone(input))?;
                return Ok(Transformed::yes(LogicalPlan::Projection(projection)));
            }
        }
        self.0.rewrite(plan, config)
    }
}
