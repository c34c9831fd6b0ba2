//! Connector `blackhole`: takes every change and keeps none.

use freshet_connector_api::sink::NothingToCommit;
use freshet_connector_api::{
    AcceptedChanges, Connector, ConnectorEnv, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, TableSpec,
    WriterContext,
};
use freshet_types::{ChangeBatch, CheckpointId, OptionSpec, Result};
use std::sync::Arc;

/// Connector `blackhole`.
pub struct Blackhole;

impl Connector for Blackhole {
    fn name(&self) -> &'static str {
        "blackhole"
    }

    fn doc(&self) -> &'static str {
        "takes every change and keeps none, for measuring and trying out"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn sink(&self, _table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(BlackholeSink))
    }
}

struct BlackholeSink;

impl Sink for BlackholeSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn guarantee_note(&self) -> Option<String> {
        Some("nothing is kept".into())
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(NothingToCommit))
    }

    fn writer(&self, _context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(BlackholeWriter))
    }
}

struct BlackholeWriter;

impl SinkWriter for BlackholeWriter {
    fn write(&mut self, _changes: &ChangeBatch) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        Ok(Box::new(|| Ok(Vec::new())))
    }
}
