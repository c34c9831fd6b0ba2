//! The operators: one folder each, with its factory, the operator, and a naive twin that property tests compare it with.
//!
//! A factory's constructor checks its config and is what the planner calls; `schema()` is the schema of the output. Inputs
//! refer to columns by position: the planner puts a [`calc`] before to compute what is not a column yet. An operator with
//! keys is routed by [`crate::Routing::Hash`] over those keys in the same order, one without by [`crate::Routing::Single`].

pub mod aggregate;
pub mod aggregate_call;
pub mod assign_sessions;
pub mod assign_windows;
pub mod calc;
pub mod collect_windows;
pub mod deduplicate;
pub mod expression_text;
pub mod join;
pub mod top_n;
pub mod window_aggregate;
pub mod windows;

mod accumulators;
#[cfg(test)]
mod bounded;
pub mod fault;
mod key_table;
#[cfg(test)]
mod proving;
mod row_store;
mod segment;

pub use aggregate::{Aggregate, AggregateConfig};
pub use aggregate_call::{AggregateCall, AggregateFunction};
pub use assign_sessions::{AssignSessions, AssignSessionsConfig};
pub use assign_windows::{AssignWindows, AssignWindowsConfig};
pub use calc::{Calc, CalcConfig};
pub use collect_windows::{CollectWindows, CollectWindowsConfig};
pub use deduplicate::{Deduplicate, DeduplicateConfig, Keep};
pub use expression_text::expression_text;
pub use join::{ExpireBy, Join, JoinConfig, JoinKind, UnmatchedRows};
pub use top_n::{SortColumn, TopN, TopNConfig};
pub use window_aggregate::{WindowAggregate, WindowAggregateConfig, WindowKind};
pub use windows::WindowSpec;

/// An operator of this build: its name and what it does, for SHOW and the docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorDefinition {
    /// Name, as in EXPLAIN and metrics.
    pub name: &'static str,
    /// One sentence.
    pub says: &'static str,
}

/// Every operator of this build, in the order the docs list them.
pub static OPERATORS: &[OperatorDefinition] = &[
    OperatorDefinition { name: "calc", says: "Keeps the rows for which a condition holds and computes columns." },
    OperatorDefinition { name: "assign_windows", says: "Copies each row into every window that it belongs to." },
    OperatorDefinition {
        name: "assign_sessions",
        says: "Holds rows until their session is over, and gives them with its start and end.",
    },
    OperatorDefinition {
        name: "window_aggregate",
        says: "Aggregates rows by key and window; a window leaves when it is complete.",
    },
    OperatorDefinition {
        name: "collect_windows",
        says: "Holds the rows of each window until it is complete; late rows are dropped.",
    },
    OperatorDefinition { name: "aggregate", says: "Keeps one up-to-date row of aggregates per key." },
    OperatorDefinition { name: "join", says: "Pairs rows of two changing inputs." },
    OperatorDefinition { name: "top_n", says: "Keeps the rows of the lowest ranks per key." },
    OperatorDefinition { name: "deduplicate", says: "Keeps the first or the last row per key." },
];
