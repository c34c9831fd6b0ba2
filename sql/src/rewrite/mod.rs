//! Gives a logical plan Flink's meaning before DataFusion's own type coercion sees it.
//!
//! DataFusion plans SQL with its own types: every whole number is BIGINT, text wins over numbers, decimals follow other
//! rules. [`apply`] runs [`RULES`] in their order; afterwards operands agree in type everywhere, so that DataFusion's
//! type coercion, which must still run, finds nothing to do.
//!
//! All rules are analysis: each must run, exactly in this order, on every plan, before any optimiser rule. Names of
//! columns stay as they are; expressions whose text changed get an alias, also those in aggregates and windows.
//!
//! Of DataFusion's optimiser, these rules do not fit: `simplify_expressions` of a plan with `query_time_ms` set for a
//! *stream* (NOW() would be frozen; without it the functions of the clock are volatile and stay), and any rule that
//! reads file statistics through [`crate::functions::cast::FlinkCast`], which it cannot see through (it does not try).
//! Boolean CASE with branches that can fail is shielded from `simplify_expressions` by [`guards`].

pub mod types;

mod casts;
mod coercion;
mod correlated_limit;
mod guards;
mod like;
mod literals;
mod null_in;
mod operands;
mod outer;
mod ranks;
mod subquery_columns;
mod unify;
mod unnest;

use crate::functions::{FunctionContext, from_datafusion};
use crate::plan::columns_place;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result as PlanResult};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};
use freshet_types::Result;

/// What the rules know of the session.
#[derive(Debug, Clone, Default)]
pub struct RewriteContext {
    /// What functions know.
    pub functions: FunctionContext,
}

/// Rewrites one expression whose parts have been rewritten.
type ExpressionRule = fn(Expr, &DFSchema, &RewriteContext) -> Result<Expr>;

/// Rewrites one plan node whose inputs and expressions have been rewritten.
type PlanRule = fn(LogicalPlan, &RewriteContext) -> Result<LogicalPlan>;

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Name, for traces.
    pub name: &'static str,
    /// On each expression, from the inside out.
    expression: Option<ExpressionRule>,
    /// On each plan node, after its expressions.
    plan: Option<PlanRule>,
}

/// The rules, in their order.
pub static RULES: &[Rule] = &[
    Rule { name: "flink_literals", expression: Some(literals::rewrite), plan: None },
    Rule { name: "flink_casts", expression: Some(casts::rewrite), plan: None },
    Rule { name: "flink_outer_columns", expression: None, plan: Some(outer::refresh) },
    Rule { name: "flink_coercion", expression: Some(coercion::rewrite), plan: Some(unify::rewrite) },
    // Types of outer columns may have changed: once more, which changes nothing where they have not.
    Rule { name: "flink_outer_columns", expression: None, plan: Some(outer::refresh) },
    Rule { name: "flink_coercion", expression: Some(coercion::rewrite), plan: Some(unify::rewrite) },
    Rule { name: "flink_correlated_limit", expression: None, plan: Some(correlated_limit::rewrite) },
    Rule { name: "flink_null_in", expression: None, plan: Some(null_in::rewrite) },
    Rule { name: "flink_subquery_columns", expression: None, plan: Some(subquery_columns::rewrite) },
    Rule { name: "flink_unnest", expression: None, plan: Some(unnest::rewrite) },
    Rule { name: "flink_guards", expression: Some(guards::rewrite), plan: None },
];

/// Gives `plan` Flink's types and operators.
///
/// # Errors
/// `cast.unsupported`, `operator.types`, `function.arguments` and the like, when Flink would refuse the query.
pub fn apply(plan: LogicalPlan, context: &RewriteContext) -> Result<LogicalPlan> {
    RULES.iter().try_fold(plan, |plan, rule| run(rule, plan, context))
}

/// The same for an expression over `schema` that stands outside a plan, such as a computed column.
pub fn apply_to_expression(expr: Expr, schema: &DFSchema, context: &RewriteContext) -> Result<Expr> {
    RULES
        .iter()
        .filter_map(|rule| rule.expression)
        .try_fold(expr, |expr, rewrite| rewrite_expression(expr, rewrite, schema, context).map_err(from_datafusion))
}

fn run(rule: &Rule, plan: LogicalPlan, context: &RewriteContext) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        if is_no_query(&plan) {
            return Ok(Transformed::no(plan));
        }
        let mut plan = plan;
        // The expressions of a LIMIT are counts of rows, no values of the query.
        if let Some(rewrite) = rule.expression
            && !matches!(plan, LogicalPlan::Limit(_))
        {
            let schema = merge_schema(&plan.inputs());
            let names = NamePreserver::new(&plan);
            plan = plan
                .map_expressions(|expr| {
                    let name = names.save(&expr);
                    let rewritten = rewrite_expression(expr, rewrite, &schema, context)?;
                    Ok(Transformed::yes(name.restore(rewritten)))
                })?
                .data;
        }
        if let Some(rewrite) = rule.plan {
            plan = rewrite(plan, context).map_err(crate::functions::to_datafusion)?;
        }
        // A VALUES knows its types only after its rows agree, a UNION after its inputs do.
        Ok(Transformed::yes(match plan {
            LogicalPlan::Values(_) | LogicalPlan::Union(_) => plan,
            other => other.recompute_schema()?,
        }))
    });
    Ok(rewritten.map_err(from_datafusion)?.data)
}

/// Nodes whose expressions are not values of the query: filters pushed to a source, statements.
fn is_no_query(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::TableScan(_) | LogicalPlan::Statement(_) | LogicalPlan::Ddl(_))
}

fn rewrite_expression(
    expr: Expr,
    rewrite: ExpressionRule,
    schema: &DFSchema,
    context: &RewriteContext,
) -> PlanResult<Expr> {
    let rewritten = expr.transform_up(|expr| {
        let place = columns_place([&expr]);
        let rewritten = rewrite(expr, schema, context).map_err(|e| match place {
            Some((start, end)) => e.span(start, end),
            None => e,
        });
        rewritten.map(Transformed::yes).map_err(crate::functions::to_datafusion)
    })?;
    Ok(rewritten.data)
}

#[cfg(test)]
mod tests;
