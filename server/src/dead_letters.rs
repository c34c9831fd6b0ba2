//! The dead-letter table of a job: a lake table that is made with its first row.
//!
//! Shape: `raw BYTES, source STRING, split STRING, offset STRING, reason STRING, time TIMESTAMP_LTZ(3)`.

use freshet_connector_api::{
    AcceptedChanges, Commit, ConnectorEnv, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, WriterContext,
};
use freshet_engine::job::dead_letter_fields;
use freshet_sql::catalog::external::{ExternalCatalog, ExternalTableDefinition};
use freshet_types::{ChangeBatch, CheckpointId, Error, Options, Result};
use std::sync::Arc;

/// Name of the table, in the database of the embedded lake.
pub(crate) const TABLE: &str = "dead_letters";
const DATABASE: &str = "default_database";

/// Writes dead letters to the embedded lake; without any, no table and no folder are made.
#[derive(Clone)]
pub(crate) struct DeadLetters {
    lake: Arc<dyn ExternalCatalog>,
    env: ConnectorEnv,
}

impl DeadLetters {
    pub(crate) fn new(lake: Arc<dyn ExternalCatalog>, env: ConnectorEnv) -> Self {
        Self { lake, env }
    }

    fn existing(&self) -> Result<Option<Arc<dyn Sink>>> {
        match self.lake.table(DATABASE, TABLE)? {
            Some(table) => table.sink(&Options::default(), &self.env).map(Some),
            None => Ok(None),
        }
    }

    /// The sink of the table, made when there is none.
    fn open(&self) -> Result<Arc<dyn Sink>> {
        if let Some(sink) = self.existing()? {
            return Ok(sink);
        }
        let definition = ExternalTableDefinition {
            columns: dead_letter_fields(),
            column_comments: Vec::new(),
            partition_by: Vec::new(),
            primary_key: Vec::new(),
            comment: Some("records that could not be understood".into()),
            options: Options::default(),
        };
        match self.lake.create_table(DATABASE, TABLE, &definition) {
            Err(e) if e.kind() != freshet_types::ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        self.existing()?.ok_or_else(|| Error::internal("dead_letters.missing", "the dead-letter table vanished"))
    }
}

impl Sink for DeadLetters {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::AppendOnly
    }

    fn committer(&self, context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        let inner = match self.existing()? {
            Some(sink) => Some(sink.committer(context)?),
            None => None,
        };
        Ok(Box::new(LazyCommitter { table: self.clone(), context: context.clone(), inner }))
    }

    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(LazyWriter { table: self.clone(), context: context.clone(), inner: None }))
    }
}

struct LazyWriter {
    table: DeadLetters,
    context: WriterContext,
    inner: Option<Box<dyn SinkWriter>>,
}

impl SinkWriter for LazyWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let inner = match &mut self.inner {
            Some(inner) => inner,
            None => self.inner.insert(self.table.open()?.writer(&self.context)?),
        };
        inner.write(changes)
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared> {
        match &mut self.inner {
            Some(inner) => inner.prepare(checkpoint),
            None => Ok(Box::new(|| Ok(Vec::new()))),
        }
    }
}

struct LazyCommitter {
    table: DeadLetters,
    context: WriterContext,
    inner: Option<Box<dyn SinkCommitter>>,
}

impl LazyCommitter {
    /// The same commit without the empty tokens of writers that saw no dead letter.
    fn with_inner(&mut self, commit: &Commit, act: fn(&mut dyn SinkCommitter, &Commit) -> Result<()>) -> Result<()> {
        let tokens: Vec<Vec<u8>> = commit.tokens.iter().filter(|t| !t.is_empty()).cloned().collect();
        if tokens.is_empty() && self.inner.is_none() {
            return Ok(());
        }
        let inner = match &mut self.inner {
            Some(inner) => inner,
            None => self.inner.insert(self.table.open()?.committer(&self.context)?),
        };
        act(inner.as_mut(), &Commit { tokens, ..commit.clone() })
    }
}

impl SinkCommitter for LazyCommitter {
    fn recover(&mut self, last: Option<&Commit>) -> Result<()> {
        match last {
            Some(last) => self.with_inner(last, |inner, commit| inner.recover(Some(commit))),
            None => self.inner.as_mut().map_or(Ok(()), |inner| inner.recover(None)),
        }
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        self.with_inner(commit, |inner, commit| inner.commit(commit))
    }
}
