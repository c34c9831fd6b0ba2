//! Floor 4: the Flink dialect, catalog, functions, planning, lowering to the graph, batch queries.
//!
//! Must never know: a concrete connector, pgwire.

pub mod parse;
pub mod catalog;
