//! What the planner hands to the engine: nodes, edges, and how rows travel along them.
//!
//! # Invariants
//! - A node's inputs have smaller ids than the node itself: the graph has no circle and is built in one pass.
//! - `append_only` is proved, not hoped: debug builds check every batch against it (ZS-3).

use crate::OperatorFactory;
use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use freshet_connector_api::{Sink, Source};
use std::sync::Arc;
use std::time::Duration;

/// Position of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// How rows travel along an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// They stay on their worker.
    Forward,
    /// To the worker that owns the key group of these columns.
    Hash(Vec<usize>),
    /// To worker 0.
    Single,
    /// To every worker.
    Broadcast,
}

/// One input of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Where the rows come from.
    pub from: NodeId,
    /// How they travel.
    pub routing: Routing,
}

/// How a source tells event time.
#[derive(Clone)]
pub struct WatermarkSpec {
    /// Gives the watermark that a row stands for (event time less the delay) as a timestamp in milliseconds, over the
    /// node's output schema. The highest value of a split so far is the split's watermark.
    pub expression: Arc<dyn PhysicalExpr>,
    /// After so long without rows a split no longer holds the watermark back; never, when none.
    pub idle_timeout: Option<Duration>,
}

/// A source with what is computed right behind it.
#[derive(Clone)]
pub struct SourceNode {
    /// What it reads.
    pub source: Arc<dyn Source>,
    /// Name of the table, for offsets in checkpoints, dead letters and metrics; unique in the graph.
    pub table: String,
    /// Columns of the table's [`freshet_connector_api::TableSpec`] that are read.
    pub projection: Vec<usize>,
    /// Schema of the columns that are read.
    pub read_schema: SchemaRef,
    /// Expressions over the columns that are read which make the node's output; none when those are the output already.
    pub computed: Option<Vec<Arc<dyn PhysicalExpr>>>,
    /// How event time is told; none when the table declares no watermark.
    pub watermark: Option<WatermarkSpec>,
    /// Whether a record that cannot be decoded stops the job instead of becoming a dead letter.
    pub fail_on_dead_letter: bool,
}

/// What a node does.
#[derive(Clone)]
pub enum NodeKind {
    /// Reads. No inputs.
    Source(SourceNode),
    /// Rows that are there from the start (VALUES), in the first epoch, on worker 0. No inputs.
    Values(Vec<arrow::array::RecordBatch>),
    /// Works. All inputs of an operator with state are routed by its keys, or to a single worker.
    Operator(Arc<dyn OperatorFactory>),
    /// Passes on the changes of all its inputs (UNION ALL).
    Union,
    /// Writes. One input, no outputs.
    Sink {
        /// What it writes to.
        sink: Arc<dyn Sink>,
        /// Name of the table; unique in the graph.
        table: String,
        /// How far event times of its rows may lie behind the watermark, in milliseconds.
        lag_ms: i64,
    },
}

/// One node.
#[derive(Clone)]
pub struct Node {
    /// What it does.
    pub kind: NodeKind,
    /// Where its rows come from.
    pub inputs: Vec<Input>,
    /// Schema of what it gives.
    pub schema: SchemaRef,
    /// Whether it never takes a row back.
    pub append_only: bool,
    /// Name under which its state is kept: stable across restarts of the same statement.
    pub state_id: String,
}

/// A job's dataflow.
#[derive(Clone, Default)]
pub struct Graph {
    /// Nodes in an order in which inputs come first.
    pub nodes: Vec<Node>,
}

impl Graph {
    /// Adds a node and gives its id.
    pub fn add(&mut self, node: Node) -> NodeId {
        for input in &node.inputs {
            assert!(input.from.0 < self.nodes.len(), "an input stands before the node that reads it");
        }
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// The node at `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}
