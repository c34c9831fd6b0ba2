//! Suites that every connector passes: what a source and a sink promise, as checks that panic with what is broken.
//!
//! They stand in the crate itself, not behind `cfg(test)`, because the connectors' own tests call them.

mod sink;
mod source;

pub use sink::{SinkCase, check_sink};
pub use source::{SourceCase, check_source};
