//! Connector `print`: shows changes on the console, in Flink's form.

mod sink;
#[cfg(test)]
mod tests;

use freshet_connector_api::{Connector, ConnectorEnv, Sink, TableSpec};
use freshet_types::{OptionKind, OptionSpec, Result};
use std::sync::Arc;

/// Connector `print`.
pub struct Print;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec::optional("print-identifier", OptionKind::Text, "text in front of each line, followed by \"> \""),
    OptionSpec::with_default("standard-error", OptionKind::Bool, "false", "whether to write to standard error"),
];

impl Connector for Print {
    fn name(&self) -> &'static str {
        "print"
    }

    fn doc(&self) -> &'static str {
        "shows each change as a line, such as +I[1, abc]"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn sink(&self, table: &TableSpec, env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(sink::PrintSink::new(table, env)?))
    }
}
