//! Every concrete part of this build: the only place that names them.

use freshet_connector_api::ConnectorRegistry;
use freshet_connector_api::connector::Console;
use freshet_sql::catalog::external::CatalogFactory;
use std::io::Write;

/// Every connector.
pub(crate) fn connectors() -> ConnectorRegistry {
    ConnectorRegistry::new(freshet_connectors::CONNECTORS.iter().copied())
}

/// What opens the embedded lake and `CREATE CATALOG ... WITH ('type' = 'iceberg')`.
pub(crate) fn lake_factory() -> &'static dyn CatalogFactory {
    &freshet_lake::ICEBERG
}

/// Every kind of catalog.
pub(crate) fn catalog_factories() -> Vec<&'static dyn CatalogFactory> {
    vec![lake_factory()]
}

/// The process's own standard output and error, for `print` sinks.
pub(crate) struct ProcessConsole;

impl Console for ProcessConsole {
    fn write(&self, lines: &str) {
        let mut out = std::io::stdout();
        if let Err(e) = out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
            tracing::debug!(error = %e, "standard output is closed");
        }
    }

    fn write_error(&self, lines: &str) {
        if let Err(e) = std::io::stderr().write_all(lines.as_bytes()) {
            tracing::debug!(error = %e, "standard error is closed");
        }
    }
}
