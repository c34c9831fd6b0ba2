//! Engines of others that benchmarks run beside ours: DuckDB and DataFusion, in one Python of their own.

use super::{Result, install};
use std::path::PathBuf;

const PACKAGES: &[&str] = &["pyarrow", "duckdb==1.5.5", "datafusion==54.1.0"];

/// The peers of the benchmarks.
pub struct Peers;

impl Peers {
    /// Finds or installs them; gives the Python that has them.
    pub fn python() -> Result<PathBuf> {
        install::python("peers", PACKAGES)
    }
}
