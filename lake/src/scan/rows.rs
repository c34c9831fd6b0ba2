//! Reads rows of data files from a thread without a runtime, file by file, in order.

use super::plan::{Planned, ReadTask, Request, plan};
use crate::files::FileEntry;
use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use freshet_connectors::storage::wait;
use freshet_types::{Error, Result};
use futures::StreamExt;
use std::collections::BTreeMap;

/// Rows of one file, batch by batch.
pub(crate) struct FileRows(Option<SendableRecordBatchStream>);

impl Iterator for FileRows {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut stream = self.0.take()?;
        // The stream travels to the runtime and back, so that reading never runs ahead of who takes the rows.
        let pulled = wait(async move {
            let batch = stream.next().await;
            (batch, stream)
        });
        match pulled {
            Ok((None, _)) => None,
            Ok((Some(Ok(batch)), stream)) => {
                self.0 = Some(stream);
                Some(Ok(batch))
            }
            Ok((Some(Err(e)), _)) => Some(Err(read_error(e))),
            Err(e) => Some(Err(e)),
        }
    }
}

fn read_error(e: datafusion::error::DataFusionError) -> Error {
    use datafusion::error::DataFusionError as E;
    match e {
        E::ObjectStore(e) => Error::unavailable("storage.unavailable", format!("data file: {e}")),
        e => Error::data("lake.data_file", format!("data file: {e}")),
    }
}

/// The rows of a task that were not deleted.
pub(crate) fn read_task(request: &Request, task: ReadTask) -> Result<FileRows> {
    let session = SessionContext::new();
    let Planned { plan, stores } = plan(request, vec![task])?;
    for (url, store) in stores {
        session.runtime_env().register_object_store(url.as_ref(), store);
    }
    let context = session.task_ctx();
    let stream = plan.execute(0, context).map_err(read_error)?;
    Ok(FileRows(Some(stream)))
}

/// All rows of a file, deleted or not: delete files themselves, for one.
pub(crate) fn read_file(request: &Request, entry: &FileEntry) -> Result<FileRows> {
    let task = ReadTask { entry: entry.clone(), deleted: None, keys: Vec::new(), constants: BTreeMap::new() };
    read_task(request, task)
}
