//! What happens to a plan between SQL and execution: Flink's typing, then rules that are safe for streams.

use super::error::{inward, outward};
use super::mended_rules;
use crate::rewrite;
use crate::rewrite::types::common_type;
use datafusion::common::Result as DfResult;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::eliminate_join::EliminateJoin;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::rewrite_set_comparison::RewriteSetComparison;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Optimizer, OptimizerContext, OptimizerRule};
use freshet_types::{Error, Result, SqlType};
use std::sync::Arc;

/// Rules that keep the meaning of a plan over inputs that never end and take rows back. Left out are those that count on
/// a bounded input or that trade one aggregate for two (limits pushed into scans, DISTINCT aggregates split).
fn stream_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(RewriteSetComparison::new()),
        Arc::new(OptimizeUnions::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(EliminateJoin::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(PropagateEmptyRelation::new()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// Gives a plan Flink's types.
pub(crate) fn analyze(
    plan: LogicalPlan,
    context: &rewrite::RewriteContext,
    options: &ConfigOptions,
) -> Result<LogicalPlan> {
    let plan = rewrite::apply(plan, context)?;
    Analyzer::new().execute_and_check(plan, options, |_, _| {}).map_err(outward)
}

/// Optimises a plan that runs as a stream.
pub(crate) fn optimize_stream(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
    let mut options = options.clone();
    // A stream has no moment at which a sub-query has been run: its one row is joined.
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    optimize(Optimizer::with_rules(stream_rules()), plan, &options)
}

/// Optimises a plan that runs once, over inputs that end.
pub(crate) fn optimize_batch(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
    optimize(Optimizer::new(), plan, options)
}

fn optimize(mut optimizer: Optimizer, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
    mended_rules::mend(&mut optimizer.rules);
    // Functions of time are ours and never folded: without a start time DataFusion leaves its own alone, too.
    let context =
        OptimizerContext::new_with_config_options(Arc::new(options.clone())).without_query_execution_start_time();
    optimizer.optimize(plan, &context, |_, _| {}).and_then(with_equal_key_types).map_err(outward)
}

/// Brings both sides of each join key to one type: a sub-query that was made a join may compare INT with BIGINT.
fn with_equal_key_types(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    let changed = plan.transform_up(|node| {
        let LogicalPlan::Join(mut join) = node else { return Ok(Transformed::no(node)) };
        let mut any = false;
        for (left, right) in &mut join.on {
            let (l, r) = (left.get_type(join.left.schema())?, right.get_type(join.right.schema())?);
            if l == r {
                continue;
            }
            let common = SqlType::from_data_type(&l)
                .zip(SqlType::from_data_type(&r))
                .and_then(|(l, r)| common_type(&l, &r))
                .ok_or_else(|| {
                    inward(Error::invalid("join.types", format!("{left} and {right} cannot be compared")))
                })?;
            let target = common.to_arrow();
            for (side, own) in [(left, l), (right, r)] {
                if own != target {
                    *side = Expr::Cast(Cast::new(Box::new(side.clone()), target.clone()));
                }
            }
            any = true;
        }
        let join = LogicalPlan::Join(join);
        Ok(if any { Transformed::yes(join) } else { Transformed::no(join) })
    })?;
    Ok(changed.data)
}

/// Settings of DataFusion's planner.
pub(crate) fn planner_options() -> ConfigOptions {
    let mut options = ConfigOptions::default();
    // It would take the NULLs out of a NOT IN, too.
    options.optimizer.filter_null_join_keys = false;
    options.optimizer.skip_failed_rules = false;
    // It refuses `SELECT DISTINCT - COALESCE(MAX(32), COUNT(*))` and names no difference; the rows are right without it.
    options.execution.skip_physical_aggregate_schema_check = true;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.default_null_ordering = "nulls_min".to_string();
    options
}
