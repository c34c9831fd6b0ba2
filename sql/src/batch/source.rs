//! A batch query as a source: a job that writes the final rows of inputs that end.
//!
//! # Invariant
//! - All rows come in one batch, so that a checkpoint holds all of them or none: run again, the query may give its rows in
//!   another order.

use super::BatchQuery;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use freshet_connector_api::{
    AssignedSplit, Boundedness, Offset, Poll, PollLimit, Source, SourceBatch, SourceReader, Split, SplitId,
};
use freshet_types::{ChangeBatch, Error, Result};
use std::sync::Arc;

const SPLIT: &str = "rows";
const START: &str = "start";
const END: &str = "end";

/// A batch query as a source.
pub(crate) struct BatchSource(Arc<BatchQuery>);

impl BatchSource {
    /// A source of the rows of `query`.
    pub(crate) fn new(query: BatchQuery) -> Self {
        Self(Arc::new(query))
    }

    /// Columns of the rows.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.0.schema()
    }
}

impl Source for BatchSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: SPLIT.into(), start: Offset(START.to_string()) }])
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Reader { query: Arc::clone(&self.0), projection: projection.to_vec(), assigned: None }))
    }
}

struct Reader {
    query: Arc<BatchQuery>,
    projection: Vec<usize>,
    assigned: Option<SplitId>,
}

impl SourceReader for Reader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        for split in splits {
            match split.from.0.as_str() {
                START => self.assigned = Some(split.id),
                END => {}
                other => return Err(Error::invalid("source.offset", format!("\"{other}\" is no position of a query"))),
            }
        }
        Ok(())
    }

    fn poll(&mut self, _: PollLimit) -> Result<Poll> {
        let Some(split) = self.assigned.take() else { return Ok(Poll::Finished) };
        let rows = concat_batches(&self.query.schema(), &self.query.collect()?)?.project(&self.projection)?;
        Ok(Poll::Batch(SourceBatch {
            split,
            changes: ChangeBatch::inserts(rows),
            next: Offset(END.to_string()),
            dead: Vec::new(),
            ignored: 0,
            split_finished: true,
            bytes: 0,
        }))
    }
}
