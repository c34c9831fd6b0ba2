//! What happens to a batch between its reader and the dataflow: computed columns, event time, dead letters, counters.

use crate::SourceNode;
use crate::job::status::SourceCounters;
use crate::source_driver::assign::Assigned;
use crate::source_driver::progress::{SourceProgress, Standing, Told};
use crate::source_driver::reader::{FromReader, ToReader, heard};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute;
use arrow::datatypes::{
    DataType, SchemaRef, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use crossbeam_channel::{Receiver, Sender};
use datafusion::error::DataFusionError;
use datafusion::physical_expr::PhysicalExpr;
use freshet_connector_api::{DeadLetter, SourceBatch};
use freshet_state::SplitRoot;
use freshet_types::{ChangeBatch, Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One source as one worker sees it.
pub(crate) struct SourceSeat {
    pub(crate) progress: SourceProgress,
    pub(crate) batches: Receiver<FromReader>,
    pub(crate) assigned: Receiver<Assigned>,
    pub(crate) orders: Sender<ToReader>,
    /// For each worker how many splits it reads.
    pub(crate) loads: Arc<Vec<AtomicUsize>>,
    /// Whether there can be more splits than those of the start.
    pub(crate) more_may_come: bool,
}

/// A source on one worker, on the worker's own thread.
pub(crate) struct SourceFeed {
    node: SourceNode,
    schema: SchemaRef,
    worker: usize,
    seat: SourceSeat,
    ended: bool,
    counters: SourceCounters,
}

/// What a batch has become.
pub(crate) struct Arrival {
    pub(crate) changes: ChangeBatch,
    pub(crate) dead: Vec<DeadLetter>,
}

impl SourceFeed {
    pub(crate) fn new(node: SourceNode, schema: SchemaRef, worker: usize, seat: SourceSeat) -> Self {
        Self { node, schema, worker, seat, ended: false, counters: SourceCounters::default() }
    }

    pub(crate) fn table(&self) -> &str {
        &self.node.table
    }

    /// Takes splits that discovery has given to this worker, and passes them to the reader.
    pub(crate) fn take_assignments(&mut self, now_ms: i64) {
        let assigned: Vec<Assigned> = self.seat.assigned.try_iter().collect();
        if assigned.is_empty() {
            return;
        }
        for split in &assigned {
            self.seat.progress.assign(split, now_ms);
        }
        // A reader that is gone has failed the job or is about to.
        let _ = self.seat.orders.send(ToReader::Assign(assigned.into_iter().map(|a| a.split).collect()));
    }

    /// Splits that have ended.
    pub(crate) fn finished(&self) -> usize {
        self.seat.progress.finished()
    }

    /// Whether nothing more will come on this worker; says so once.
    pub(crate) fn ends_now(&mut self) -> bool {
        let ends =
            !self.ended && !self.seat.more_may_come && self.seat.progress.finished() == self.seat.progress.assigned();
        self.ended |= ends;
        ends
    }

    /// The next batch that waits, with its columns computed; an empty one when only positions have moved.
    pub(crate) fn next(&mut self, now_ms: i64) -> Result<Option<Arrival>> {
        loop {
            match heard(&self.seat.batches) {
                None => return Ok(None),
                Some(FromReader::Finished { assigned }) => {
                    if assigned == self.seat.progress.assigned() {
                        let unsaid = self.seat.progress.finish_all();
                        self.seat.loads[self.worker].fetch_sub(unsaid, Ordering::Relaxed);
                    }
                }
                Some(FromReader::Batch(batch)) => {
                    return self.arrive(*batch, now_ms).map(Some).map_err(|e| e.at("table", &self.node.table));
                }
            }
        }
    }

    fn arrive(&mut self, batch: SourceBatch, now_ms: i64) -> Result<Arrival> {
        let SourceBatch { split, changes, next, dead, ignored, split_finished, bytes } = batch;
        if let (true, Some(letter)) = (self.node.fail_on_dead_letter, dead.first()) {
            return Err(Error::data("source.dead_letter", format!("a record cannot be decoded: {}", letter.reason))
                .at("split", letter.split.to_string())
                .at("offset", letter.offset.0.clone())
                .hint("mend the record, or let it become a dead letter with 'errors' = 'dead-letter'"));
        }
        let rows = changes.row_count();
        let changes = self.compute(changes)?;
        let highest_ms = match &self.node.watermark {
            Some(spec) if rows > 0 => highest_ms(&evaluate(&spec.expression, changes.rows())?)?,
            _ => None,
        };
        self.seat.progress.advance(&split, next, highest_ms, rows > 0, now_ms)?;
        if split_finished && self.seat.progress.finish(&split)? {
            self.seat.loads[self.worker].fetch_sub(1, Ordering::Relaxed);
        }
        self.counters.rows_in += (rows + dead.len()) as u64 + ignored;
        self.counters.ignored_rows += ignored;
        self.counters.dead_rows += dead.len() as u64;
        self.counters.bytes_in += bytes;
        Ok(Arrival { changes, dead })
    }

    fn compute(&self, changes: ChangeBatch) -> Result<ChangeBatch> {
        let Some(expressions) = &self.node.computed else { return Ok(changes) };
        let columns = expressions.iter().map(|e| evaluate(e, changes.rows())).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(changes.row_count()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|e| Error::internal("source.computed", "computed columns do not fit the table").because(e))?;
        Ok(changes.with_rows(rows))
    }

    /// Marks silent splits idle. Whether that may move the watermark.
    pub(crate) fn check_idle(&mut self, now_ms: i64) -> bool {
        // Rows that wait in the channel were heard of, only not taken yet: while a reader is ahead, a split that seems silent
        // may only stand behind the backlog of another, and its rows must not become late for that.
        self.seat.batches.is_empty() && self.seat.progress.check_idle(now_ms)
    }

    pub(crate) fn until_idle(&self, now_ms: i64) -> Option<std::time::Duration> {
        self.seat.progress.until_idle(now_ms)
    }

    pub(crate) fn tell(&mut self, ended: bool) -> Told {
        let told = self.seat.progress.tell(ended);
        let real =
            (!ended && told.standing == Standing::Active).then(|| self.seat.progress.known_watermark()).flatten();
        self.counters.watermark = if ended { Some(told.watermark) } else { real };
        told
    }

    pub(crate) fn positions(&self) -> Vec<SplitRoot> {
        self.seat.progress.positions()
    }

    /// Its watermark from data, as a checkpoint keeps it.
    pub(crate) fn saved_watermark(&self) -> Option<freshet_types::Watermark> {
        self.seat.progress.saved_watermark()
    }

    pub(crate) fn counters(&self) -> SourceCounters {
        let finished = self.seat.progress.finished();
        SourceCounters {
            splits_active: self.seat.progress.assigned() - finished,
            splits_finished: finished,
            ..self.counters
        }
    }
}

/// Evaluates `expression` over `rows`.
fn evaluate(expression: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef> {
    expression.evaluate(rows).and_then(|value| value.into_array(rows.num_rows())).map_err(|e| {
        let text = match e.find_root() {
            DataFusionError::ArrowError(inner, _) => inner.to_string(),
            other => other.to_string(),
        };
        Error::data("value.invalid", text)
    })
}

/// The highest of some timestamps, in milliseconds; none when all are NULL.
fn highest_ms(times: &ArrayRef) -> Result<Option<i64>> {
    Ok(match times.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            compute::max(times.as_primitive::<TimestampSecondType>()).map(|v| v.saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => compute::max(times.as_primitive::<TimestampMillisecondType>()),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            compute::max(times.as_primitive::<TimestampMicrosecondType>()).map(|v| v.div_euclid(1_000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            compute::max(times.as_primitive::<TimestampNanosecondType>()).map(|v| v.div_euclid(1_000_000))
        }
        DataType::Null => None,
        other => {
            let text = format!("a watermark has type {other}, not TIMESTAMP or TIMESTAMP_LTZ");
            return Err(Error::internal("source.watermark", text));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{TimestampMicrosecondArray, TimestampSecondArray};

    #[test]
    fn watermarks_are_rounded_down_to_milliseconds() {
        let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(-1_500)]));
        assert_eq!(highest_ms(&micros).unwrap(), Some(-1));
        let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(2), None]));
        assert_eq!(highest_ms(&seconds).unwrap(), Some(2_000));
        let none: ArrayRef = Arc::new(TimestampSecondArray::from(vec![None, None]));
        assert_eq!(highest_ms(&none).unwrap(), None);
    }
}
