//! Reads a bounded table through its source into a batch plan, on a thread of its own.

use crate::lower::TableRead;
use crate::plan::{Table, inward};
use arrow::array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use freshet_connector_api::{AssignedSplit, Boundedness, ConnectorEnv, Poll, PollLimit, Source};
use freshet_types::{ChangeBatch, Error, Result};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Rows of a table, with the wanted columns.
pub(super) struct SourceRows {
    table: String,
    source: Arc<dyn Source>,
    read: Arc<TableRead>,
    output: SchemaRef,
}

impl SourceRows {
    /// The columns `wanted` of a table.
    ///
    /// # Errors
    /// `query.unbounded` when the table never ends.
    pub(super) fn new(table: &Table, wanted: &[usize], env: &ConnectorEnv) -> Result<Self> {
        let source = table.source(env)?;
        if source.boundedness() == Boundedness::Unbounded {
            return Err(Error::invalid("query.unbounded", format!("table \"{}\" never ends", table.id))
                .hint("run the query as a stream: SET 'execution.runtime-mode' = 'streaming'"));
        }
        let read = TableRead::new(table, &table.spec, wanted)?;
        let output = Arc::new(Schema::new(
            wanted.iter().map(|i| table.schema.field(*i).clone().with_nullable(true)).collect::<Vec<_>>(),
        ));
        Ok(Self { table: table.id.clone(), source, read: Arc::new(read), output })
    }

    /// Schema of the rows.
    pub(super) fn output(&self) -> &SchemaRef {
        &self.output
    }
}

impl fmt::Debug for SourceRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceRows({})", self.table)
    }
}

impl PartitionStream for SourceRows {
    fn schema(&self) -> &SchemaRef {
        &self.output
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.output), 4);
        let sender = builder.tx();
        let (source, read, output) = (Arc::clone(&self.source), Arc::clone(&self.read), Arc::clone(&self.output));
        builder.spawn_blocking(move || {
            let mut give = |rows: RecordBatch| {
                let rows = shape(&read, &rows, &output)?;
                // A receiver that is gone wants no more rows.
                Ok(sender.blocking_send(Ok(rows)).is_ok())
            };
            read_all(source.as_ref(), &read, &mut give).map_err(inward)?;
            Ok::<(), DataFusionError>(())
        });
        builder.build()
    }
}

/// The output columns of rows as they were read.
fn shape(read: &TableRead, rows: &RecordBatch, output: &SchemaRef) -> Result<RecordBatch> {
    let columns = read
        .exprs
        .iter()
        .map(|e| e.evaluate(rows).and_then(|v| v.into_array(rows.num_rows())).map_err(crate::plan::outward))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(output), columns, &options)?)
}

/// Reads all splits; stops early when `give` says that no more is wanted.
fn read_all(source: &dyn Source, read: &TableRead, give: &mut dyn FnMut(RecordBatch) -> Result<bool>) -> Result<()> {
    let mut reader = source.reader(&read.projection)?;
    let splits = source.discover()?.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect();
    reader.assign(splits)?;
    let limit = PollLimit { rows: 8192, wait: Duration::from_millis(100) };
    let mut changes: Vec<ChangeBatch> = Vec::new();
    loop {
        match reader.poll(limit)? {
            Poll::Finished => break,
            Poll::Pending => {}
            Poll::Batch(batch) if !batch.dead.is_empty() => {
                let dead = &batch.dead[0];
                return Err(Error::data(
                    "record.invalid",
                    format!("a record cannot be read: {} ({} in all so far)", dead.reason, batch.dead.len()),
                )
                .at("split", dead.split.to_string())
                .at("offset", dead.offset.0.clone())
                .hint(
                    "a stream puts such records into the dead-letter table: SET 'execution.runtime-mode' = 'streaming'",
                ));
            }
            Poll::Batch(batch) if source.is_append_only() => {
                if batch.changes.row_count() > 0 && !give(batch.changes.rows().clone())? {
                    return Ok(());
                }
            }
            Poll::Batch(batch) => changes.push(batch.changes),
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    // A changelog is read to its end: what is left of it are the rows.
    let schema = changes[0].schema();
    let left = ChangeBatch::concat(&schema, &changes)?.consolidate()?;
    let times = (0..left.row_count()).flat_map(|i| std::iter::repeat_n(i as u32, left.weight(i).max(0) as usize));
    give(left.take(&UInt32Array::from_iter_values(times))?.rows().clone())?;
    Ok(())
}
