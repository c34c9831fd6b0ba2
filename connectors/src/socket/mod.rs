//! Connector `socket`: records from a TCP connection, one per line.

mod options;
mod source;
#[cfg(test)]
mod tests;

use freshet_connector_api::{Connector, ConnectorEnv, Source, TableSpec};
use freshet_types::{OptionSpec, Result};
use std::sync::Arc;

/// Connector `socket`.
pub struct Socket;

impl Connector for Socket {
    fn name(&self) -> &'static str {
        "socket"
    }

    fn doc(&self) -> &'static str {
        "lines from a TCP connection; what arrives while the job does not run is lost"
    }

    fn options(&self) -> &'static [OptionSpec] {
        options::OPTIONS
    }

    fn format_prefixes(&self) -> &'static [&'static str] {
        &[""]
    }

    fn source(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(source::SocketSource::new(table).map_err(|e| e.at("table", &table.name))?))
    }
}
