//! Connector `datagen`: rows made up from the table's types.

mod column;
mod options;
mod source;
#[cfg(test)]
mod tests;

use freshet_connector_api::{Connector, ConnectorEnv, Source, TableSpec};
use freshet_types::{OptionSpec, Result};
use std::sync::Arc;

/// Connector `datagen`.
pub struct Datagen;

impl Connector for Datagen {
    fn name(&self) -> &'static str {
        "datagen"
    }

    fn doc(&self) -> &'static str {
        "rows made up from the types of the columns; the same seed gives the same rows"
    }

    fn options(&self) -> &'static [OptionSpec] {
        options::OPTIONS
    }

    fn source(&self, table: &TableSpec, env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(source::DatagenSource::new(table, env)?))
    }
}
