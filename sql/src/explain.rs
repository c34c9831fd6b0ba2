//! EXPLAIN: the logical plan, the dataflow with the changes on each edge, what each sink promises.

use crate::plan::{JobPlan, changelog_mode};
use freshet_engine::{Graph, Input, Node, NodeId, NodeKind, Routing};
use std::fmt::Write;

/// The text of EXPLAIN for a job.
pub fn explain(job: &JobPlan) -> String {
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
        let _ = writeln!(text, "{}: {}{note}", sink.table, sink.guarantee);
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
                    .map(|(e, field)| format!("{} = {e}", field.name()))
                    .collect();
                if !exprs.is_empty() {
                    let _ = write!(text, ", computed [{}]", exprs.join(", "));
                }
            }
            if let Some(watermark) = &source.watermark {
                let _ = write!(text, ", watermark {}", watermark.expression);
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
