//! Floor 3: operators, the dataflow graph, its host, epochs and checkpoints.
//!
//! A [`Graph`] of [`Operator`]s is made by the planner, checked, and run: under [`bare`] on one thread in unit tests,
//! under [`host`] (timely dataflow) in production. The operators are the same.
//!
//! Must never know: SQL text, a `LogicalPlan`, a concrete connector. Only `host` imports timely.

pub mod bare;
pub mod check;
mod checkpoint;
mod epochs;
pub mod graph;
mod graph_check;
mod held_back;
pub mod host;
pub mod job;
pub mod operator;
pub mod operators;
mod source_driver;

pub use graph::{Graph, Input, Node, NodeId, NodeKind, Routing, SourceNode, WatermarkSpec};
pub use held_back::HeldBack;
pub use job::{JobHandle, JobReport, JobSpec, JobStatus, start};
pub use operator::{
    Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader,
    StateWriter,
};
