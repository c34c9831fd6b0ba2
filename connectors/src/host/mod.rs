//! Connector `host`: this machine's own figures as rows.

mod options;
mod sample;
mod source;
#[cfg(test)]
mod tests;

use freshet_connector_api::{Connector, ConnectorEnv, Source, TableSpec};
use freshet_types::{OptionSpec, Result};
use std::sync::Arc;

/// Connector `host`.
pub struct Host;

impl Connector for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn doc(&self) -> &'static str {
        "this machine's processors, memory, disks, networks and busiest processes, one row per figure"
    }

    fn options(&self) -> &'static [OptionSpec] {
        options::OPTIONS
    }

    fn source(&self, table: &TableSpec, env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(source::HostSource::new(table, env).map_err(|e| e.at("table", &table.name))?))
    }
}
