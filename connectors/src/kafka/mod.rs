//! Connector `kafka`: topics of Apache Kafka, read by partition and written at least once or in transactions.

mod io;
mod options;
mod properties;
mod read;
#[cfg(test)]
mod tests;
mod upgrade;
mod write;

use freshet_connector_api::connector::MetadataColumn;
use freshet_connector_api::{Connector, ConnectorEnv, Sink, Source, TableSpec};
use freshet_types::{OptionSpec, Options, Result, SqlField, SqlType};
use std::sync::Arc;

/// Connector `kafka`.
pub struct Kafka;

impl Connector for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn doc(&self) -> &'static str {
        "topics of Apache Kafka, bounded or followed; written at least once or in transactions"
    }

    fn options(&self) -> &'static [OptionSpec] {
        options::OPTIONS
    }

    fn format_prefixes(&self) -> &'static [&'static str] {
        &["", "key.", "value."]
    }

    fn metadata(&self) -> Vec<MetadataColumn> {
        let column = |key, sql_type, read_only, doc| MetadataColumn { key, sql_type, read_only, doc };
        let header = SqlField::new("value", SqlType::BYTES);
        let headers = SqlType::Map(Box::new(SqlType::STRING), Box::new(header));
        vec![
            column("topic", SqlType::STRING, true, "topic of the record"),
            column("partition", SqlType::Int, true, "partition of the record"),
            column("offset", SqlType::BigInt, true, "offset of the record in its partition"),
            column("timestamp", SqlType::TimestampLtz(3), false, "timestamp of the record"),
            column("timestamp-type", SqlType::STRING, true, "NoTimestampType, CreateTime or LogAppendTime"),
            column("headers", headers, false, "headers of the record; of equal keys the last counts"),
            column("leader-epoch", SqlType::Int, true, "always NULL: the client does not tell it"),
        ]
    }

    fn upgrade_options(&self, options: &mut Options) -> Vec<String> {
        upgrade::upgrade(options)
    }

    fn source(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(read::KafkaSource::new(table).map_err(|e| e.at("table", &table.name))?))
    }

    fn sink(&self, table: &TableSpec, env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(write::KafkaSink::new(table, env).map_err(|e| e.at("table", &table.name))?))
    }
}
