//! EXPLAIN: the logical plan, the dataflow with the changes on each edge, what each sink promises, and on demand the
//! dataflow as JSON and what could be better.

use crate::parse::ExplainDetail;
use crate::plan::{JobPlan, changelog_mode};
use freshet_engine::operators::expression_text;
use freshet_engine::{Graph, Input, Node, NodeId, NodeKind, Routing};
use freshet_types::{Error, Result};
use std::fmt::Write;

/// The text of EXPLAIN for a job; the changelog mode is always shown.
///
/// # Errors
/// `explain.detail` for what is not there: no rows are estimated.
pub fn explain_with(job: &JobPlan, details: &[ExplainDetail]) -> Result<String> {
    let mut text = explain(job);
    for detail in details {
        match detail {
            ExplainDetail::ChangelogMode => {}
            ExplainDetail::EstimatedCost => {
                return Err(Error::unsupported(
                    "explain.detail",
                    "ESTIMATED_COST is not there yet: no rows are estimated",
                )
                .hint("leave it out; the plan shows operators, changelog modes and guarantees"));
            }
            ExplainDetail::JsonExecutionPlan => {
                let plan = serde_json::to_string_pretty(&json(&job.graph)).expect("texts and numbers are JSON");
                let _ = writeln!(text, "\n== Execution Plan as JSON ==\n{plan}");
            }
            ExplainDetail::PlanAdvice => {
                text.push_str("\n== Advice ==\n");
                for advice in advice(job) {
                    let _ = writeln!(text, "{advice}");
                }
            }
        }
    }
    Ok(text)
}

/// The dataflow in the shape of Flink's JSON plan: nodes with the nodes that their rows come from.
fn json(graph: &Graph) -> serde_json::Value {
    let nodes: Vec<serde_json::Value> = (0..graph.nodes.len())
        .map(|i| {
            let node = graph.node(NodeId(i));
            let pact = match node.kind {
                NodeKind::Source(_) | NodeKind::Values(_) => "Data Source",
                NodeKind::Sink { .. } => "Data Sink",
                NodeKind::Operator(_) | NodeKind::Union => "Operator",
            };
            let predecessors: Vec<serde_json::Value> = node
                .inputs
                .iter()
                .map(|input| {
                    let strategy = match &input.routing {
                        Routing::Forward => "FORWARD",
                        Routing::Hash(_) => "HASH",
                        Routing::Single => "GLOBAL",
                        Routing::Broadcast => "BROADCAST",
                    };
                    serde_json::json!({"id": input.from.0, "ship_strategy": strategy})
                })
                .collect();
            serde_json::json!({
                "id": i,
                "type": what(node),
                "pact": pact,
                "changelog_mode": changelog_mode(node.append_only),
                "predecessors": predecessors,
            })
        })
        .collect();
    serde_json::json!({ "nodes": nodes })
}

/// Operators whose state has no bound although rows come for ever.
fn advice(job: &JobPlan) -> Vec<String> {
    if job.bounded {
        return vec!["nothing: every input ends, and all state with it".to_string()];
    }
    let mut all = Vec::new();
    for (i, node) in job.graph.nodes.iter().enumerate() {
        let NodeKind::Operator(factory) = &node.kind else { continue };
        let text = factory.describe();
        all.extend(match factory.name() {
            "join" if !text.contains(" kept ") => Some(format!(
                "{i}: join keeps every row of both sides for ever: bound the time between them, or join windows"
            )),
            "aggregate" => Some(format!("{i}: aggregate keeps every group for ever: group by a window where one ends")),
            "deduplicate" => {
                Some(format!("{i}: deduplicate keeps every key for ever: do it per window where one ends"))
            }
            _ => None,
        });
    }
    if all.is_empty() {
        all.push("nothing: all state is bounded by windows or time".to_string());
    }
    all
}

/// The text of EXPLAIN for a job.
pub(crate) fn explain(job: &JobPlan) -> String {
    let mut text = String::from("== Logical Plan ==\n");
    for (table, plan) in &job.plans {
        let _ = writeln!(text, "{table}:");
        for line in plan.display_indent().to_string().lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text.push_str("\n== Dataflow ==\n");
    for i in 0..job.graph.nodes.len() {
        let _ = writeln!(text, "{}", line(&job.graph, NodeId(i)));
    }
    text.push_str("\n== Guarantees ==\n");
    for sink in &job.sinks {
        let note = sink.note.as_ref().map(|n| format!(" ({n})")).unwrap_or_default();
        let _ = writeln!(text, "{}: {}, changelogMode=[{}]{note}", sink.table, sink.guarantee, sink.changelog_mode);
    }
    if !job.notices.is_empty() {
        text.push_str("\n== Notices ==\n");
        for notice in &job.notices {
            let _ = writeln!(text, "{notice}");
        }
    }
    text
}

/// One line for each node: number, what it does, where its rows come from and how they travel, which changes it emits.
fn line(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let inputs: Vec<String> = node.inputs.iter().map(|input| edge(graph, input)).collect();
    let from = if inputs.is_empty() { String::new() } else { format!(" <- {}", inputs.join(", ")) };
    format!("{}: {}{from}, changelogMode=[{}]", id.0, what(node), changelog_mode(node.append_only))
}

fn what(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(source) => {
            let columns: Vec<&str> = source.read_schema.fields().iter().map(|f| f.name().as_str()).collect();
            let mut text = format!("source {} [{}]", source.table, columns.join(", "));
            if let Some(computed) = &source.computed {
                let exprs: Vec<String> = computed
                    .iter()
                    .zip(node.schema.fields())
                    .filter(|(e, field)| {
                        e.downcast_ref::<datafusion::physical_expr::expressions::Column>()
                            .is_none_or(|c| c.name() != field.name())
                    })
                    .map(|(e, field)| format!("{} = {}", field.name(), expression_text(e)))
                    .collect();
                if !exprs.is_empty() {
                    let _ = write!(text, ", computed [{}]", exprs.join(", "));
                }
            }
            if let Some(watermark) = &source.watermark {
                let _ = write!(text, ", watermark {}", expression_text(&watermark.expression));
                if let Some(idle) = watermark.idle_timeout {
                    let _ = write!(text, ", idle after {idle:?}");
                }
            }
            text
        }
        NodeKind::Values(batches) => format!("values, {} rows", batches.iter().map(|b| b.num_rows()).sum::<usize>()),
        NodeKind::Operator(factory) => format!("{} {}", factory.name(), factory.describe()),
        NodeKind::Union => "union".to_string(),
        NodeKind::Sink { table, .. } => format!("sink {table}"),
    }
}

fn edge(graph: &Graph, input: &Input) -> String {
    let names = |columns: &[usize]| {
        let schema = &graph.node(input.from).schema;
        columns.iter().map(|c| schema.field(*c).name().as_str()).collect::<Vec<_>>().join(", ")
    };
    match &input.routing {
        Routing::Forward => input.from.0.to_string(),
        Routing::Hash(columns) => format!("{} by hash [{}]", input.from.0, names(columns)),
        Routing::Single => format!("{} to one worker", input.from.0),
        Routing::Broadcast => format!("{} to all workers", input.from.0),
    }
}
