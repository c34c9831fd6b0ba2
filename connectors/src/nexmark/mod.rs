//! Connector `nexmark`: people, auctions and bids of the public Nexmark benchmark, made in memory.

mod generator;
mod options;
mod source;
#[cfg(test)]
mod tests;
mod text;

use freshet_connector_api::{Connector, ConnectorEnv, Source, TableSpec};
use freshet_types::{OptionSpec, Result};
use std::sync::Arc;

/// Connector `nexmark`.
pub struct Nexmark;

impl Connector for Nexmark {
    fn name(&self) -> &'static str {
        "nexmark"
    }

    fn doc(&self) -> &'static str {
        "people, auctions and bids of the Nexmark benchmark; the same seed gives the same events"
    }

    fn options(&self) -> &'static [OptionSpec] {
        options::OPTIONS
    }

    fn gives_wanted_fields(&self) -> bool {
        true
    }

    fn source(&self, table: &TableSpec, env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(source::NexmarkSource::new(table, env)?))
    }
}
