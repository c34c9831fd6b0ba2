//! Floor 3: operators, the dataflow graph, its host, epochs and checkpoints.
//!
//! A [`Graph`] of [`Operator`]s is made by the planner, checked, and run: under [`bare`] on one thread in unit tests,
//! under [`host`] (timely dataflow) in production. The operators are the same.
//!
//! Must never know: SQL text, a `LogicalPlan`, a concrete connector. Only `host` imports timely.

pub mod graph;
pub mod operator;

pub use graph::{Graph, Input, Node, NodeId, NodeKind, Routing, SourceNode, WatermarkSpec};
pub use operator::{
    Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader,
    StateWriter,
};
