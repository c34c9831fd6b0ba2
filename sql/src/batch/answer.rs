//! The rows of a batch query as they come: whoever asks may look away, wait, or go.

use super::{BatchQuery, as_declared};
use crate::plan::outward;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::execute_stream;
use freshet_types::{Error, Result};
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Batches that wait to be taken.
const WAITING: usize = 4;
/// How often a query looks whether anybody still wants its rows.
const LOOK: Duration = Duration::from_millis(50);

/// What has come.
#[derive(Debug)]
pub enum Next {
    /// Rows.
    Rows(RecordBatch),
    /// Nothing yet.
    Nothing,
    /// All rows were given.
    End,
}

/// A query that is being answered. Dropping it ends the query.
pub struct Answer {
    schema: SchemaRef,
    rows: Receiver<Result<Option<RecordBatch>>>,
    is_unwanted: Arc<AtomicBool>,
}

impl Answer {
    pub(super) fn begin(query: BatchQuery) -> Result<Self> {
        let (sender, rows) = sync_channel(WAITING);
        let is_unwanted = Arc::new(AtomicBool::new(false));
        let (schema, flag) = (query.schema(), Arc::clone(&is_unwanted));
        let work = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("freshet-batch").build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(e) => return drop(sender.send(Err(no_threads(e)))),
            };
            runtime.block_on(async {
                tokio::select! {
                    () = unwanted(&flag) => {}
                    () = answer(&query, &sender) => {}
                }
            });
            // Threads that are still at work end with their next batch.
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name("query".into()).spawn(work).map_err(no_threads)?;
        Ok(Self { schema, rows, is_unwanted })
    }

    /// Columns of the rows.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next rows; waits for them so long.
    ///
    /// # Errors
    /// What fails while rows are computed; `batch.panic`.
    pub fn next(&self, wait: Duration) -> Result<Next> {
        match self.rows.recv_timeout(wait) {
            Ok(rows) => rows.map(|rows| rows.map_or(Next::End, Next::Rows)),
            Err(RecvTimeoutError::Timeout) => Ok(Next::Nothing),
            Err(RecvTimeoutError::Disconnected) => Err(Error::internal("batch.panic", "the query's thread panicked")),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.is_unwanted.store(true, Ordering::Release);
    }
}

fn no_threads(e: std::io::Error) -> Error {
    Error::exhausted("batch.threads", "no threads can be started for the query").because(e)
}

async fn unwanted(flag: &AtomicBool) {
    while !flag.load(Ordering::Acquire) {
        tokio::time::sleep(LOOK).await;
    }
}

async fn answer(query: &BatchQuery, sender: &SyncSender<Result<Option<RecordBatch>>>) {
    if let Err(e) = rows(query, sender).await {
        // Nobody waits for it any more.
        let _ = sender.send(Err(e));
    }
}

async fn rows(query: &BatchQuery, sender: &SyncSender<Result<Option<RecordBatch>>>) -> Result<()> {
    let physical = query.physical().await?;
    let mut stream = execute_stream(physical, query.state.task_ctx()).map_err(outward)?;
    while let Some(rows) = stream.next().await {
        let rows = as_declared(&rows.map_err(outward)?, &query.schema)?;
        if rows.num_rows() > 0 && sender.send(Ok(Some(rows))).is_err() {
            return Ok(());
        }
    }
    let _ = sender.send(Ok(None));
    Ok(())
}
