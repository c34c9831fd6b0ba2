//! Connector `live`, of the demo on a terminal only: the rows of the newest window as a table that is drawn anew.

use crate::output::{Form, LiveTable, OutputForm};
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use chrono_tz::Tz;
use freshet_connector_api::sink::NothingToCommit;
use freshet_connector_api::{
    AcceptedChanges, Connector, ConnectorEnv, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, TableSpec,
    WriterContext,
};
use freshet_server::{OrderTerm, ResultInfo, ResultWriter};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, OptionSpec, Result, Watermark};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The one table of this process.
static TABLE: LazyLock<LiveTable> = LazyLock::new(|| LiveTable::new(Form::new(OutputForm::Table)));

/// The table that is drawn.
pub(super) fn table() -> LiveTable {
    TABLE.clone()
}

/// The connector.
pub(super) fn connector() -> &'static dyn Connector {
    &Live
}

struct Live;

impl Connector for Live {
    fn name(&self) -> &'static str {
        "live"
    }

    fn doc(&self) -> &'static str {
        "draws the rows of the newest window"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn sink(&self, spec: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        let ascending = |column| OrderTerm { column, ascending: true, nulls_first: false };
        let order_by = (1..spec.columns.len()).map(ascending).collect();
        table().start(&ResultInfo { append_only: false, order_by, ..ResultInfo::of_rows(spec.schema(), Tz::UTC) })?;
        Ok(Arc::new(NewestWindow(Arc::default())))
    }
}

/// Shows the rows with the highest first column, the end of their window.
#[derive(Clone)]
struct NewestWindow(Arc<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    end: Option<i64>,
    rows: Vec<RecordBatch>,
}

impl Sink for NewestWindow {
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

impl Shown {
    /// The changes that make `rows` shown, when they belong to the newest window.
    fn take(&mut self, rows: &RecordBatch) -> Result<Vec<ChangeBatch>> {
        let ends = cast(rows.column(0), &DataType::Int64)?;
        let ends = ends.as_primitive::<Int64Type>();
        let Some(newest) = arrow::compute::max(ends).max(self.end) else { return Ok(Vec::new()) };
        let mut changes = Vec::new();
        if self.end.replace(newest) != Some(newest) {
            for old in self.rows.drain(..) {
                let weights = vec![-1; old.num_rows()];
                changes.push(ChangeBatch::new(old, Some(weights.into())));
            }
        }
        let is_newest: BooleanArray = ends.iter().map(|end| Some(end == Some(newest))).collect();
        let new = filter_record_batch(rows, &is_newest)?;
        changes.push(ChangeBatch::inserts(new.clone()));
        self.rows.push(new);
        Ok(changes)
    }
}

impl SinkWriter for NewestWindow {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in shown.take(changes.rows())? {
            table().changes(&change)?;
        }
        Ok(())
    }

    fn flush_epoch(&mut self, _epoch: Epoch, watermark: Watermark) -> Result<()> {
        table().epoch(watermark)
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        Ok(Box::new(|| Ok(Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};

    #[test]
    fn only_the_newest_window_is_shown() {
        let rows = |ends: &[i64], names: &[&str]| {
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("end", Arc::new(TimestampMillisecondArray::from(ends.to_vec()))),
                ("name", Arc::new(StringArray::from(names.to_vec()))),
            ];
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let mut shown = Shown::default();
        let mut take = |rows: RecordBatch| -> Vec<(usize, bool)> {
            let changes = shown.take(&rows).unwrap();
            changes.iter().map(|c| (c.row_count(), c.is_append_only())).collect()
        };
        assert_eq!(take(rows(&[10, 10], &["a", "b"])), [(2, true)]);
        assert_eq!(take(rows(&[10], &["c"])), [(1, true)]);
        assert_eq!(take(rows(&[10, 20], &["d", "a"])), [(2, false), (1, false), (1, true)]);
        assert_eq!(take(rows(&[10], &["late"])), [(0, true)]);
    }
}
