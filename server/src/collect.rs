//! The sink behind a SELECT: hands changes to a [`ResultWriter`], epoch by epoch.

use crate::{ResultInfo, ResultWriter};
use freshet_connector_api::{
    AcceptedChanges, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, WriterContext, sink::NothingToCommit,
};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, Result, Watermark};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where all workers put their rows.
#[derive(Clone)]
pub(crate) struct Collector {
    writer: Arc<Mutex<Box<dyn ResultWriter>>>,
    /// Rows that are still to come, where their number is known.
    left: Option<Arc<AtomicUsize>>,
}

impl Collector {
    /// A collector that has told `writer` that the query starts.
    pub(crate) fn new(mut writer: Box<dyn ResultWriter>, info: &ResultInfo) -> Result<Self> {
        writer.start(info)?;
        let left = info.ends_after.map(|rows| Arc::new(AtomicUsize::new(rows)));
        Ok(Self { writer: Arc::new(Mutex::new(writer)), left })
    }

    /// Whether all rows are there that the query can give.
    pub(crate) fn has_all(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.load(Ordering::Acquire) == 0)
    }

    /// Tells the writer that the query has ended.
    pub(crate) fn finish(&self) -> Result<()> {
        self.with(|writer| writer.finish())
    }

    fn with<T>(&self, act: impl FnOnce(&mut dyn ResultWriter) -> T) -> T {
        act(self.writer.lock().unwrap_or_else(PoisonError::into_inner).as_mut())
    }
}

impl Sink for Collector {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtMostOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(NothingToCommit))
    }

    fn writer(&self, _context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(self.clone()))
    }
}

impl SinkWriter for Collector {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.with(|writer| writer.changes(changes))?;
        if let Some(left) = &self.left {
            let count = changes.row_count();
            let _ = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| Some(n.saturating_sub(count)));
        }
        Ok(())
    }

    fn flush_epoch(&mut self, _epoch: Epoch, watermark: Watermark) -> Result<()> {
        self.with(|writer| writer.epoch(watermark))
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        Ok(Box::new(|| Ok(Vec::new())))
    }
}
