//! What a graph must hold before it is run.

use crate::{Graph, Node, NodeKind, Routing};
use freshet_types::{Error, Result};
use std::collections::BTreeSet;

fn wrong(i: usize, why: impl std::fmt::Display) -> Error {
    Error::internal("graph.invalid", format!("node {i}: {why}"))
        .hint("report this query, it is a defect of the planner")
}

impl Graph {
    /// Checks what the engine takes for granted: inputs stand before their readers and are as many as the node takes,
    /// routing columns exist, tables and state ids are unique, nothing reads from a sink, and state is not kept behind a
    /// broadcast.
    ///
    /// # Errors
    /// `graph.invalid` with the node.
    pub fn check(&self) -> Result<()> {
        let (mut state_ids, mut sources, mut sinks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        if self.nodes.is_empty() {
            return Err(Error::internal("graph.invalid", "a graph has no nodes"));
        }
        for (i, node) in self.nodes.iter().enumerate() {
            if !state_ids.insert(&node.state_id) {
                return Err(wrong(i, format!("state id \"{}\" comes twice", node.state_id)));
            }
            self.check_inputs(i, node)?;
            match &node.kind {
                NodeKind::Source(source) if !sources.insert(&source.table) => {
                    return Err(wrong(i, format!("source table \"{}\" comes twice", source.table)));
                }
                NodeKind::Sink { table, .. } if !sinks.insert(table) => {
                    return Err(wrong(i, format!("sink table \"{table}\" comes twice")));
                }
                NodeKind::Source(source) => match &source.computed {
                    Some(computed) if computed.len() != node.schema.fields().len() => {
                        return Err(wrong(i, "as many expressions as columns are computed"));
                    }
                    None if source.read_schema.fields().len() != node.schema.fields().len() => {
                        return Err(wrong(i, "a source gives the columns that it reads"));
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        Ok(())
    }

    fn check_inputs(&self, i: usize, node: &Node) -> Result<()> {
        let takes = match &node.kind {
            NodeKind::Source(_) | NodeKind::Values(_) => 0..=0,
            NodeKind::Sink { .. } => 1..=1,
            NodeKind::Operator(_) | NodeKind::Union => 1..=usize::MAX,
        };
        if !takes.contains(&node.inputs.len()) {
            return Err(wrong(i, format!("it has {} inputs", node.inputs.len())));
        }
        let keeps_state = matches!(&node.kind, NodeKind::Operator(factory) if factory.state_fingerprint().is_some());
        for input in &node.inputs {
            if input.from.0 >= i {
                return Err(wrong(i, "an input stands before the node that reads it"));
            }
            let from = self.node(input.from);
            if matches!(from.kind, NodeKind::Sink { .. }) {
                return Err(wrong(i, "a sink gives no rows"));
            }
            match &input.routing {
                Routing::Hash(columns) if columns.iter().any(|c| *c >= from.schema.fields().len()) => {
                    return Err(wrong(i, "a routing column is not there"));
                }
                Routing::Broadcast if keeps_state => {
                    return Err(wrong(i, "state is kept by key, so its input cannot go to every worker"));
                }
                _ => {}
            }
            if matches!(node.kind, NodeKind::Union) && from.schema.fields().len() != node.schema.fields().len() {
                return Err(wrong(i, "the inputs of a union have the same columns"));
            }
        }
        Ok(())
    }

    /// For each node whether its rows are all on worker 0: it reads from a single worker, directly or forwarded.
    pub(crate) fn single_nodes(&self) -> Vec<bool> {
        let mut single: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let is_single = match &node.kind {
                NodeKind::Values(_) => true,
                NodeKind::Source(_) => false,
                _ => node.inputs.iter().all(|input| match input.routing {
                    Routing::Single => true,
                    Routing::Forward => single[input.from.0],
                    Routing::Hash(_) | Routing::Broadcast => false,
                }),
            };
            single.push(is_single);
        }
        single
    }
}
