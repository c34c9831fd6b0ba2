//! The doors of a lake table: its scan, its source, its sink, and itself as it was.

use crate::definition::definition_of;
use crate::past::PastTable;
use crate::scan::LakeScan;
use crate::sink::LakeSink;
use crate::source::LakeSource;
use crate::table::LakeTable;
use datafusion::catalog::TableProvider;
use freshet_connector_api::{ConnectorEnv, Sink, Source};
use freshet_sql::catalog::external::{ExternalTable, ExternalTableDefinition, TableVersion};
use freshet_types::{Options, Result};
use std::sync::Arc;

impl LakeTable {
    /// The scan behind [`ExternalTable::scan`], or that of a version.
    pub fn lake_scan(&self, version: Option<&TableVersion>) -> Result<LakeScan> {
        match version {
            None => LakeScan::new(self),
            Some(version) => LakeScan::of_version(self, &self.version(version)?),
        }
    }
}

impl ExternalTable for LakeTable {
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn definition(&self) -> ExternalTableDefinition {
        definition_of(self.metadata(), self.metadata().current_schema())
    }

    fn at(&self, version: &TableVersion) -> Result<Arc<dyn ExternalTable>> {
        Ok(Arc::new(PastTable::new(self, version)?))
    }

    fn scan(&self) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(LakeScan::new(self)?))
    }

    fn source(&self, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(LakeSource::new(self)?))
    }

    fn sink(&self, options: &Options, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(LakeSink::new(self, options)?))
    }
}
