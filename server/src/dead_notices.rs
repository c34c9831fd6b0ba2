//! Dead letters of a SELECT: it keeps no table, so they are counted and the first reasons are told.

use arrow::array::AsArray;
use freshet_connector_api::{
    AcceptedChanges, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, WriterContext, sink::NothingToCommit,
};
use freshet_types::{ChangeBatch, CheckpointId, Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Reasons that are told; the others are only counted.
const REASONS_TOLD: usize = 3;

/// Counts dead letters and keeps the first reasons.
#[derive(Clone, Default)]
pub(crate) struct DeadNotices(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    count: usize,
    reasons: Vec<String>,
}

impl DeadNotices {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to tell the user; nothing when every record was understood.
    pub(crate) fn notices(&self) -> Vec<String> {
        let kept = self.kept();
        if kept.count == 0 {
            return Vec::new();
        }
        let records = if kept.count == 1 { "1 record was".to_string() } else { format!("{} records were", kept.count) };
        let mut notices = vec![format!(
            "{records} not understood and left out of the rows; an INSERT keeps them in the table dead_letters, 'errors' = 'fail' stops instead"
        )];
        notices.extend(kept.reasons.iter().cloned());
        notices
    }
}

impl Sink for DeadNotices {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtMostOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::AppendOnly
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(NothingToCommit))
    }

    fn writer(&self, _context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(self.clone()))
    }
}

impl SinkWriter for DeadNotices {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        let text = |row: usize, name: &str| -> Result<String> {
            let column = changes.rows().column_by_name(name);
            let column =
                column.ok_or_else(|| Error::internal("dead_letters.columns", format!("no column \"{name}\"")))?;
            Ok(column.as_string::<i32>().value(row).to_string())
        };
        let mut kept = self.kept();
        kept.count += changes.row_count();
        for row in 0..changes.row_count().min(REASONS_TOLD.saturating_sub(kept.reasons.len())) {
            kept.reasons.push(format!("{} at {}: {}", text(row, "split")?, text(row, "offset")?, text(row, "reason")?));
        }
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        Ok(Box::new(|| Ok(Vec::new())))
    }
}
