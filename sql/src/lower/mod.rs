//! From the logical plan to the dataflow graph: one file per shape of plan, listed in [`LOWERINGS`].
//!
//! A lowering looks at the root of a plan, lowers its inputs, and gives a [`Flow`]; or nothing, when the shape is not its
//! own. More special shapes stand before more general ones.

mod flow;
mod graph_builder;
mod lineage;

mod aggregate;
mod bound_aggregate;
mod calc;
mod grouping_sets;
mod interval;
mod join;
mod limit;
mod moved;
mod nested;
mod scan;
mod sink;
mod top_n;
mod union;
mod values;
mod window;

pub(crate) use flow::{Flow, field as plain_field};
pub(crate) use graph_builder::GraphBuilder;
pub(crate) use limit::limit_of;
pub(crate) use scan::{Needs, TableRead};
pub(crate) use sink::{SinkTarget, add_sink};
pub(crate) use window::{WindowShift, spec_of as window_spec};

use crate::plan::outward;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use flow::not_there;
use freshet_connector_api::Source;
use freshet_engine::{NodeKind, SourceNode};
use freshet_types::Result;
use std::sync::Arc;

/// Lowers one shape of plan; none when the plan has another.
type Lowering = fn(&mut Lowerer, &LogicalPlan) -> Result<Option<Flow>>;

/// Every lowering with its name, in the order in which they are tried.
pub(crate) static LOWERINGS: &[(&str, Lowering)] = &[
    ("scan", scan::lower),
    ("top_n", top_n::lower),
    ("calc", calc::lower),
    ("window", window::lower),
    ("aggregate", aggregate::lower),
    ("join", join::lower),
    ("union", union::lower),
    ("limit", limit::lower),
    ("values", values::lower),
];

/// What lowering goes by.
pub(crate) struct Lowerer {
    /// The graph so far.
    pub(crate) builder: GraphBuilder,
    /// Columns of each table that some query of the job needs.
    pub(crate) needs: Needs,
    /// Whether any timestamp may tell event time, because the whole input is read before anything is said.
    pub(crate) batch_mode: bool,
    /// Zone of the session.
    pub(crate) time_zone: chrono_tz::Tz,
}

impl Lowerer {
    /// Lowers a plan.
    ///
    /// # Errors
    /// `query.unsupported` with the name of what is not there yet.
    pub(crate) fn lower(&mut self, plan: &LogicalPlan) -> Result<Flow> {
        for (_, lowering) in LOWERINGS {
            if let Some(flow) = lowering(self, plan)? {
                return Ok(flow);
            }
        }
        Err(not_there(match plan {
            LogicalPlan::Window(_) => "OVER".to_string(),
            LogicalPlan::Unnest(_) => "UNNEST".to_string(),
            LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE".to_string(),
            LogicalPlan::Subquery(_) => "this sub-query".to_string(),
            other => other.display().to_string(),
        }))
    }
}

impl Lowerer {
    /// The rows of a query that runs at once, as a source of their own.
    pub(crate) fn batch(&mut self, source: Arc<dyn Source>, schema: SchemaRef, target: &str, place: usize) -> Flow {
        let name = format!("query {place} for {target}");
        let node = self.builder.other(
            NodeKind::Source(SourceNode {
                projection: (0..schema.fields().len()).collect(),
                read_schema: Arc::clone(&schema),
                source,
                table: name.clone(),
                computed: None,
                watermark: None,
                fail_on_dead_letter: true,
            }),
            &format!("source:{name}"),
            None,
            Vec::new(),
            Arc::clone(&schema),
            true,
        );
        Flow::of_node(node, schema, &[], true, true)
    }
}

/// Looks for a plan's shape below names: aliases of tables change nothing.
pub(crate) fn below_names(mut plan: &LogicalPlan) -> &LogicalPlan {
    while let LogicalPlan::SubqueryAlias(alias) = plan {
        plan = &alias.input;
    }
    plan
}

/// Splits a predicate into the parts that must all be true.
pub(crate) fn conjuncts(predicate: &datafusion::logical_expr::Expr) -> Vec<datafusion::logical_expr::Expr> {
    datafusion::logical_expr::utils::split_conjunction(predicate).into_iter().cloned().collect()
}

/// Joins parts into a predicate again.
pub(crate) fn conjunction(parts: Vec<datafusion::logical_expr::Expr>) -> Option<datafusion::logical_expr::Expr> {
    datafusion::logical_expr::utils::conjunction(parts)
}

/// Whether a sub-query was left in an expression: the optimiser could not turn it into a join.
pub(crate) fn refuse_subqueries(plan: &LogicalPlan) -> Result<()> {
    use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
    use datafusion::logical_expr::Expr;
    let mut found = None;
    plan.apply(|node| {
        node.apply_expressions(|e| {
            e.apply(|e| {
                match e {
                    Expr::ScalarSubquery(_) => found = Some("a scalar sub-query of this form"),
                    Expr::InSubquery(_) => found = Some("IN with a sub-query of this form"),
                    Expr::Exists(_) => found = Some("EXISTS with a sub-query of this form"),
                    Expr::SetComparison(_) => found = Some("ANY or ALL with a sub-query of this form"),
                    Expr::OuterReferenceColumn(..) => found = Some("a correlated sub-query of this form"),
                    _ => {}
                }
                Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })
    .map_err(outward)?;
    match found {
        Some(what) => Err(not_there(what).hint("write it as a JOIN")),
        None => Ok(()),
    }
}
