//! DataFusion's rule that moves conditions towards the tables, kept from moving one too far.

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// A condition without columns stays above an aggregate that gives a row of no rows: below, it would drop the rows and
/// not the one row. DataFusion moves it, as it names no column that is not grouped by.
#[derive(Debug, Default)]
pub(super) struct PushDownFilters(PushDownFilter);

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
