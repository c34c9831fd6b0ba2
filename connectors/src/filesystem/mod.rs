//! Connector `filesystem`: files, folders and globs on local disk, S3 and HDFS, read and written.

mod options;
mod partition;
mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::spelling;
use freshet_connector_api::connector::MetadataColumn;
use freshet_connector_api::{Connector, ConnectorEnv, Sink, Source, TableSpec};
use freshet_types::{OptionSpec, Options, Result, SqlType};
use std::sync::Arc;

/// Connector `filesystem`.
pub struct Filesystem;

impl Connector for Filesystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn doc(&self) -> &'static str {
        "files on local disk, S3 and HDFS, bounded or watched; written exactly once"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &options::OPTIONS
    }

    fn format_prefixes(&self) -> &'static [&'static str] {
        &[""]
    }

    fn metadata(&self) -> Vec<MetadataColumn> {
        let column = |key, sql_type, doc| MetadataColumn { key, sql_type, read_only: true, doc };
        vec![
            column("file.path", SqlType::STRING, "full URL of the file"),
            column("file.name", SqlType::STRING, "name of the file without its folders"),
            column("file.size", SqlType::BigInt, "size of the file in bytes"),
            column("file.modification-time", SqlType::TimestampLtz(3), "time of the last change of the file"),
        ]
    }

    fn upgrade_options(&self, options: &mut Options) -> Vec<String> {
        let mut notices = Vec::new();
        spelling::rename(options, "connector.path", "path", &mut notices);
        spelling::mend(options, &mut notices);
        notices
    }

    fn source(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(read::FileSource::new(table).map_err(|e| e.at("table", &table.name))?))
    }

    fn sink(&self, table: &TableSpec, env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(write::FileSink::new(table, env).map_err(|e| e.at("table", &table.name))?))
    }
}
