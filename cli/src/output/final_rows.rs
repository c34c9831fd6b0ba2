//! Keeps what is left after all changes, and hands append-only rows on at once where that is the same.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
use freshet_server::{ResultInfo, ResultWriter};
use freshet_types::{ChangeBatch, Error, Result, take_rows};
use std::sync::Arc;

/// Shows final rows.
pub(crate) trait RowsForm: Send {
    /// Whether rows can be shown before all are known.
    fn is_streaming(&self) -> bool;
    /// Called once, before the first row.
    fn begin(&mut self, info: &ResultInfo) -> Result<()>;
    /// Rows to show, each as often as it stands there.
    fn rows(&mut self, rows: &RecordBatch) -> Result<()>;
    /// Called once, behind the last row.
    fn end(&mut self) -> Result<()>;
}

/// Changes above which a running result is consolidated again.
const CONSOLIDATE_AT: usize = 1 << 18;

/// Applies changes and shows what is left.
pub(crate) struct FinalRows {
    form: Box<dyn RowsForm>,
    info: Option<ResultInfo>,
    pending: Vec<ChangeBatch>,
    pending_rows: usize,
}

impl FinalRows {
    pub(crate) fn new(form: Box<dyn RowsForm>) -> Self {
        Self { form, info: None, pending: Vec::new(), pending_rows: 0 }
    }

    fn info(&self) -> &ResultInfo {
        self.info.as_ref().expect("a result starts before its rows come")
    }

    fn passes_through(&self) -> bool {
        let info = self.info();
        self.form.is_streaming()
            && info.append_only
            && info.order_by.is_empty()
            && info.visible == info.schema.fields().len()
    }

    /// Folds what is pending into one batch.
    fn fold(&mut self) -> Result<ChangeBatch> {
        let pending = std::mem::take(&mut self.pending);
        let all = ChangeBatch::concat(&self.info().schema, &pending)?;
        let folded = if self.info().append_only { all } else { all.consolidate()? };
        self.pending_rows = folded.row_count();
        Ok(folded)
    }
}

impl ResultWriter for FinalRows {
    fn start(&mut self, info: &ResultInfo) -> Result<()> {
        self.info = Some(info.clone());
        self.form.begin(info)
    }

    fn changes(&mut self, changes: &ChangeBatch) -> Result<()> {
        if self.passes_through() {
            return self.form.rows(&expand(changes)?);
        }
        self.pending_rows += changes.row_count();
        self.pending.push(changes.clone());
        if self.pending_rows > CONSOLIDATE_AT && !self.info().append_only {
            let before = self.pending_rows;
            let folded = self.fold()?;
            self.pending_rows = if folded.row_count() * 2 > before { 0 } else { folded.row_count() };
            self.pending.push(folded);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            let rows = self.snapshot()?;
            self.form.rows(&rows)?;
        }
        self.form.end()
    }
}

impl FinalRows {
    /// The rows that are left of all changes so far, in the order that was asked for.
    pub(crate) fn snapshot(&mut self) -> Result<RecordBatch> {
        let info = self.info().clone();
        let folded = self.fold()?;
        self.pending.push(folded.clone());
        let mut rows = expand(&folded)?;
        if !info.order_by.is_empty() {
            let columns: Vec<SortColumn> = info
                .order_by
                .iter()
                .map(|term| SortColumn {
                    values: Arc::clone(rows.column(term.column)),
                    options: Some(SortOptions { descending: !term.ascending, nulls_first: term.nulls_first }),
                })
                .collect();
            rows = take_rows(&rows, &lexsort_to_indices(&columns, None)?)?;
        }
        let shown: Vec<usize> = (0..info.visible).collect();
        Ok(rows.project(&shown)?)
    }
}

/// Each row as often as its weight says.
fn expand(changes: &ChangeBatch) -> Result<RecordBatch> {
    if changes.weights().is_none_or(|w| w.values().iter().all(|w| *w == 1)) {
        return Ok(changes.rows().clone());
    }
    let mut indices: Vec<u32> = Vec::with_capacity(changes.row_count());
    for row in 0..changes.row_count() {
        let weight = usize::try_from(changes.weight(row)).map_err(|_| {
            Error::internal("result.negative", "a row was taken back more often than it was given")
                .hint("please report this with the query")
        })?;
        indices.extend(std::iter::repeat_n(row as u32, weight));
    }
    take_rows(changes.rows(), &UInt32Array::from(indices))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{LineForm, TsvLines};
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use freshet_server::OrderTerm;
    use std::sync::Mutex;

    #[test]
    fn what_is_left_is_shown_in_the_order_that_was_asked_for() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("name", DataType::Utf8, true),
            Field::new("n", DataType::Int64, true),
        ]));
        let batch = |names: [&str; 3], ns: [i64; 3], weights: [i64; 3]| {
            let columns: Vec<arrow::array::ArrayRef> =
                vec![Arc::new(StringArray::from(names.to_vec())), Arc::new(Int64Array::from(ns.to_vec()))];
            let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
            ChangeBatch::new(rows, Some(weights.to_vec().into()))
        };
        let out = Arc::new(Mutex::new(Vec::new()));
        let form = LineForm::to(TsvLines, Box::new(SharedBytes(Arc::clone(&out))));
        let mut writer = FinalRows::new(Box::new(form));
        let order_by = vec![OrderTerm { column: 1, ascending: false, nulls_first: false }];
        let info =
            ResultInfo { append_only: false, order_by, ..ResultInfo::of_rows(Arc::clone(&schema), chrono_tz::Tz::UTC) };
        writer.start(&info).unwrap();
        writer.changes(&batch(["a", "b", "c"], [1, 2, 3], [1, 1, 2])).unwrap();
        writer.changes(&batch(["a", "a", "b"], [1, 5, 2], [-1, 1, -1])).unwrap();
        writer.finish().unwrap();
        assert_eq!(String::from_utf8(out.lock().unwrap().clone()).unwrap(), "a\t5\nc\t3\nc\t3\n");
    }

    struct SharedBytes(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for SharedBytes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
}
