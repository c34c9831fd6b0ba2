//! Builds the graph and shares equal nodes: what is read or computed twice, in one query or across the statements of a
//! set, becomes one node.

use super::flow::{Flow, Physical, loosened};
use super::lineage::Lineage;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use freshet_engine::operators::{Calc, CalcConfig};
use freshet_engine::{Graph, HeldBack, Input, Node, NodeId, NodeKind, OperatorFactory, Routing};
use freshet_types::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What makes a node equal to another.
#[derive(PartialEq)]
struct Likeness {
    what: String,
    exprs: Vec<Physical>,
    inputs: Vec<Input>,
}

/// Builds the graph.
#[derive(Default)]
pub(crate) struct GraphBuilder {
    graph: Graph,
    likeness: Vec<Option<Likeness>>,
    /// By node; none for those that nothing reads.
    lineage: Vec<Option<Lineage>>,
    /// By node: how far times that count as event time lie behind the watermark, in milliseconds.
    lag_ms: Vec<i64>,
    names: BTreeMap<String, usize>,
    /// What the user should know.
    pub(crate) notices: Vec<String>,
}

/// An operator about to become a node.
pub(crate) struct OperatorNode {
    /// It.
    pub(crate) factory: Arc<dyn OperatorFactory>,
    /// Its configuration as text, without names of columns.
    pub(crate) what: String,
    /// The expressions that it runs.
    pub(crate) exprs: Vec<Physical>,
    /// Where its rows come from.
    pub(crate) inputs: Vec<Input>,
    /// What it gives.
    pub(crate) schema: SchemaRef,
    /// Whether it never takes a row back.
    pub(crate) append_only: bool,
}

impl GraphBuilder {
    /// The graph so far.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph, finished.
    pub(crate) fn finish(self) -> (Graph, Vec<String>) {
        (self.graph, self.notices)
    }

    /// Adds an operator, unless there is an equal one.
    pub(crate) fn operator(&mut self, node: OperatorNode) -> NodeId {
        let likeness = node.exprs.iter().all(|e| !is_volatile(e)).then(|| Likeness {
            what: format!("{} {}", node.factory.name(), node.what),
            exprs: node.exprs.clone(),
            inputs: node.inputs.clone(),
        });
        if let Some(new) = &likeness
            && let Some(found) = self.likeness.iter().position(|old| old.as_ref() == Some(new))
        {
            return NodeId(found);
        }
        let (lineage, state_id) = Lineage::of_operator(&node, &self.below(&node.inputs));
        let state_id = self.state_id(&state_id);
        let factory = match self.lag_below(&node.inputs) {
            lag if lag > 0 && node.factory.state_fingerprint().is_some() => Arc::new(HeldBack::new(node.factory, lag)),
            _ => node.factory,
        };
        self.add(
            Node {
                kind: NodeKind::Operator(factory),
                inputs: node.inputs,
                schema: node.schema,
                append_only: node.append_only,
                state_id,
            },
            likeness,
            Some(lineage),
        )
    }

    /// Adds a node of another kind; `what` makes it equal to another with the same inputs, none keeps it apart.
    pub(crate) fn other(
        &mut self,
        kind: NodeKind,
        name: &str,
        what: Option<String>,
        inputs: Vec<Input>,
        schema: SchemaRef,
        append_only: bool,
    ) -> NodeId {
        let likeness = what.map(|what| Likeness { what, exprs: Vec::new(), inputs: inputs.clone() });
        if likeness.is_some()
            && let Some(found) = self.likeness.iter().position(|old| *old == likeness)
        {
            return NodeId(found);
        }
        let lineage = match &kind {
            NodeKind::Source(source) => Some(Lineage::of_source(source, &schema)),
            NodeKind::Values(batches) => Some(Lineage::of_values(batches)),
            NodeKind::Union => Some(Lineage::of_union(&self.below(&inputs))),
            NodeKind::Operator(_) | NodeKind::Sink { .. } => None,
        };
        let state_id = match (&kind, &lineage) {
            (NodeKind::Values(_), Some(lineage)) => self.state_id(&lineage.values_id()),
            _ => self.state_id(name),
        };
        self.add(Node { kind, inputs, schema, append_only, state_id }, likeness, lineage)
    }

    /// Says that the times in a node's rows lie behind the watermark by up to `ms` more than those in its inputs.
    pub(crate) fn lags(&mut self, node: NodeId, ms: i64) {
        let lag = self.lag_below(&self.graph.node(node).inputs) + ms;
        self.lag_ms[node.0] = lag;
    }

    /// How far times in the rows of these inputs may lie behind the watermark.
    pub(crate) fn lag_below(&self, inputs: &[Input]) -> i64 {
        inputs.iter().map(|input| self.lag_ms[input.from.0]).max().unwrap_or(0)
    }

    fn add(&mut self, node: Node, likeness: Option<Likeness>, lineage: Option<Lineage>) -> NodeId {
        self.likeness.push(likeness);
        self.lineage.push(lineage);
        self.lag_ms.push(self.lag_below(&node.inputs));
        self.graph.add(node)
    }

    fn below(&self, inputs: &[Input]) -> Vec<&Lineage> {
        let of = |input: &Input| self.lineage[input.from.0].as_ref().expect("nothing reads a sink");
        inputs.iter().map(of).collect()
    }

    /// Makes a name unique: nodes that are alike in everything are counted.
    fn state_id(&mut self, name: &str) -> String {
        let count = self.names.entry(name.to_string()).or_default();
        *count += 1;
        if *count == 1 { name.to_string() } else { format!("{name}-{count}") }
    }

    /// Makes a calc node of a flow without a window.
    pub(crate) fn calc(&mut self, flow: Flow) -> Result<Flow> {
        assert!(flow.window.is_none(), "windows are assigned before columns are computed");
        let schema = calc_schema(&flow)?;
        let projection: Vec<(Physical, String)> =
            flow.columns.iter().map(|c| (Arc::clone(&c.expr), c.field.name().clone())).collect();
        let types: Vec<String> = schema.fields().iter().map(|f| f.data_type().to_string()).collect();
        let exprs = projection.iter().map(|(e, _)| Arc::clone(e)).chain(flow.filter.clone()).collect();
        let what = format!("{} -> {}", if flow.filter.is_some() { "filter" } else { "all" }, types.join(","));
        let factory = Calc::new(CalcConfig {
            input: Arc::clone(&flow.base),
            filter: flow.filter.clone(),
            projection: Some(projection),
        })?
        .with_schema(Arc::clone(&schema))?;
        let node = self.operator(OperatorNode {
            factory: Arc::new(factory),
            what,
            exprs,
            inputs: vec![Input { from: flow.node, routing: Routing::Forward }],
            schema,
            append_only: flow.append_only,
        });
        let base = Arc::clone(&self.graph.node(node).schema);
        let mut settled = Flow::of_node(node, base, &flow.roles(), flow.append_only, flow.bounded);
        settled.key = flow.key;
        settled.whole_windows = flow.whole_windows;
        Ok(settled)
    }
}

/// Names of the flow, types of the expressions; everything may be NULL.
fn calc_schema(flow: &Flow) -> Result<SchemaRef> {
    let mut fields = Vec::with_capacity(flow.columns.len());
    for column in &flow.columns {
        let data_type = column.expr.data_type(&flow.base).map_err(crate::plan::outward)?;
        let field = loosened(&column.field);
        fields.push(if *field.data_type() == data_type {
            field
        } else {
            Arc::new(field.as_ref().clone().with_data_type(data_type))
        });
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Whether an expression gives something else each time it runs.
pub(crate) fn is_volatile(expr: &Physical) -> bool {
    let mut found = false;
    expr.apply(|e| {
        found |= e.is_volatile_node();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .expect("looking has no way to fail");
    found
}
