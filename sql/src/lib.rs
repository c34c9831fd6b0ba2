//! Floor 4: the Flink dialect, catalog, functions, planning, lowering to the graph, batch queries.
//!
//! Must never know: a concrete connector, pgwire.

pub mod batch;
pub mod catalog;
pub mod config;
pub mod diagnose;
pub mod explain;
pub mod functions;
pub mod parse;
pub mod plan;
pub mod rewrite;
pub mod variables;

mod lower;
#[cfg(test)]
mod testing;

pub use datafusion::sql::sqlparser::ast::Query;
