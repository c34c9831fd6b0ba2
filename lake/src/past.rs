//! A lake table as it was: one snapshot, with the columns that it had.

use crate::definition::definition_of;
use crate::scan::LakeScan;
use crate::source::LakeSource;
use crate::table::LakeTable;
use crate::version::Version;
use datafusion::catalog::TableProvider;
use freshet_connector_api::{ConnectorEnv, Sink, Source};
use freshet_sql::catalog::external::{ExternalTable, ExternalTableDefinition, TableVersion};
use freshet_types::{Error, Options, Result};
use std::sync::Arc;

/// One version of a table.
pub(crate) struct PastTable {
    table: LakeTable,
    version: Version,
}

impl PastTable {
    pub(crate) fn new(table: &LakeTable, version: &TableVersion) -> Result<Self> {
        Ok(Self { table: table.clone(), version: table.version(version)? })
    }
}

impl ExternalTable for PastTable {
    fn definition(&self) -> ExternalTableDefinition {
        definition_of(self.table.metadata(), &self.version.columns)
    }

    fn at(&self, version: &TableVersion) -> Result<Arc<dyn ExternalTable>> {
        Ok(Arc::new(Self::new(&self.table, version)?))
    }

    fn scan(&self) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(LakeScan::of_version(&self.table, &self.version)?))
    }

    fn source(&self, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(LakeSource::of_version(&self.table, &self.version)?))
    }

    fn sink(&self, _options: &Options, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Err(Error::unsupported("lake.past", "a version of a table takes no rows")
            .at("table", self.table.full_name())
            .hint("leave the version out"))
    }
}
