//! Floor 4: the Flink dialect, catalog, functions, planning, lowering to the graph, batch queries.
//!
//! Must never know: a concrete connector, pgwire.

pub mod catalog;
pub mod config;
pub mod diagnose;
pub mod parse;
pub mod variables;

pub use datafusion::sql::sqlparser::ast::Query;
