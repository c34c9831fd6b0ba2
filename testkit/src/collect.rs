//! A sink whose rows a test can look at, also when the job that wrote them is gone: each change is there once.
//!
//! Connector `collect`: `name` says which collection; [`take`] gives its changes. It outlives jobs, not the process.

use freshet_connector_api::{
    AcceptedChanges, Commit, Connector, ConnectorEnv, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, TableSpec,
    WriterContext,
};
use freshet_types::{ChangeBatch, CheckpointId, OptionKind, OptionSpec, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connector.
pub struct Collect;

const OPTIONS: &[OptionSpec] = &[OptionSpec::required("name", OptionKind::Text, "name of the collection")];

#[derive(Default)]
struct Collection {
    /// What was prepared, by token.
    staged: BTreeMap<String, Vec<ChangeBatch>>,
    visible: Vec<ChangeBatch>,
    /// Last checkpoint that is visible.
    checkpoint: CheckpointId,
}

static COLLECTIONS: Mutex<BTreeMap<String, Collection>> = Mutex::new(BTreeMap::new());

fn collections() -> MutexGuard<'static, BTreeMap<String, Collection>> {
    COLLECTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the visible changes of a collection, which is gone then.
pub fn take(name: &str) -> Vec<ChangeBatch> {
    collections().remove(name).map(|collection| collection.visible).unwrap_or_default()
}

impl Connector for Collect {
    fn name(&self) -> &'static str {
        "collect"
    }

    fn doc(&self) -> &'static str {
        "rows that a test looks at"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn sink(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(CollectSink { name: table.options.required("name")?.to_string() }))
    }
}

#[derive(Clone)]
struct CollectSink {
    name: String,
}

impl Sink for CollectSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(self.clone()))
    }

    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(CollectWriter { name: self.name.clone(), context: context.clone(), changes: Vec::new() }))
    }
}

impl SinkCommitter for CollectSink {
    fn recover(&mut self, last: Option<&Commit>) -> Result<()> {
        if let Some(commit) = last {
            self.commit(commit)?;
        }
        collections().entry(self.name.clone()).or_default().staged.clear();
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let mut all = collections();
        let collection = all.entry(self.name.clone()).or_default();
        if collection.checkpoint >= commit.checkpoint {
            return Ok(());
        }
        for token in &commit.tokens {
            let staged = collection.staged.remove(String::from_utf8_lossy(token).as_ref());
            collection.visible.extend(staged.into_iter().flatten());
        }
        collection.checkpoint = commit.checkpoint;
        Ok(())
    }
}

struct CollectWriter {
    name: String,
    context: WriterContext,
    changes: Vec<ChangeBatch>,
}

impl SinkWriter for CollectWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.changes.push(changes.clone());
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared> {
        let token = format!("{checkpoint}-{}-{}", self.context.attempt, self.context.worker);
        let (name, changes) = (self.name.clone(), std::mem::take(&mut self.changes));
        Ok(Box::new(move || {
            collections().entry(name).or_default().staged.insert(token.clone(), changes);
            Ok(token.into_bytes())
        }))
    }
}
