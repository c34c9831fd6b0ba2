//! Floor 5: one folder per outside system.
//!
//! Must never know: engine internals, SQL.

pub mod storage;
