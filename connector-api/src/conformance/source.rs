//! What a replayable source promises: going on from any offset gives exactly the rows that are left.

use crate::{AssignedSplit, DeadLetter, Offset, Poll, PollLimit, Source, SourceReader, Split, SplitId};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{Schema, SchemaRef};
use std::sync::Arc;
use std::time::Duration;

/// A source to be checked.
pub struct SourceCase<'a> {
    /// Makes the same source anew, as a restart does.
    pub make: &'a dyn Fn() -> Arc<dyn Source>,
    /// Schema of all columns of its table.
    pub schema: SchemaRef,
    /// Columns that are read.
    pub projection: Vec<usize>,
    /// Stop after so many rows of a split; for sources that do not end.
    pub rows_max: usize,
}

/// Rows and dead letters of one split, and the offsets between its batches.
struct Reading {
    rows: RecordBatch,
    dead: Vec<DeadLetter>,
    /// Offset, rows before it, dead letters before it.
    boundaries: Vec<(Offset, usize, usize)>,
    finished: bool,
}

const POLLS_WITHOUT_ROWS_MAX: usize = 10_000;

fn limit(rows: usize) -> PollLimit {
    PollLimit { rows, wait: Duration::ZERO }
}

fn read(reader: &mut dyn SourceReader, split: &SplitId, schema: &SchemaRef, step: usize, rows_max: usize) -> Reading {
    let mut batches = Vec::new();
    let mut reading =
        Reading { rows: RecordBatch::new_empty(Arc::clone(schema)), dead: vec![], boundaries: vec![], finished: false };
    let (mut rows, mut silent) = (0, 0);
    while rows < rows_max {
        match reader.poll(limit(step)).expect("a poll succeeds") {
            Poll::Batch(batch) => {
                assert_eq!(&batch.split, split, "a batch names the split that it comes from");
                assert!(!reading.finished, "nothing follows the end of a split");
                assert!(batch.changes.is_append_only() || batch.changes.weights().is_some());
                assert_eq!(types(&batch.changes.schema()), types(schema), "rows come in the schema that was asked for");
                silent = if batch.changes.is_empty() && batch.dead.is_empty() { silent + 1 } else { 0 };
                rows += batch.changes.row_count();
                batches.push(batch.changes.rows().clone());
                reading.dead.extend(batch.dead);
                reading.boundaries.push((batch.next, rows, reading.dead.len()));
                reading.finished = batch.split_finished;
            }
            Poll::Pending => silent += 1,
            Poll::Finished => {
                assert!(reading.finished, "a reader is finished only after its splits are");
                break;
            }
        }
        assert!(silent < POLLS_WITHOUT_ROWS_MAX, "split \"{split}\" gives nothing and does not end");
    }
    let batches: Vec<RecordBatch> =
        batches.into_iter().map(|b| b.with_schema(Arc::clone(schema)).expect("the types were compared")).collect();
    reading.rows = concat_batches(schema, &batches).expect("batches of one schema");
    reading
}

fn types(schema: &Schema) -> Vec<(String, arrow::datatypes::DataType)> {
    schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
}

fn reader_at(case: &SourceCase<'_>, split: &SplitId, from: &Offset) -> Box<dyn SourceReader> {
    let mut reader = (case.make)().reader(&case.projection).expect("a reader");
    reader.assign(vec![AssignedSplit { id: Arc::clone(split), from: from.clone() }]).expect("a split is taken");
    reader
}

/// Checks that splits are stable, that a split is read the same in batches of any size, that going on from every offset
/// gives what is left, and that offsets survive as text. Returns the rows of all splits, for the caller to look at.
pub fn check_source(case: &SourceCase<'_>) -> Vec<RecordBatch> {
    let schema: SchemaRef = Arc::new(case.schema.project(&case.projection).expect("the projection fits"));
    let splits: Vec<Split> = (case.make)().discover().expect("splits are found");
    assert_eq!(splits, (case.make)().discover().expect("splits are found"), "splits are the same after a restart");
    let mut ids: Vec<&SplitId> = splits.iter().map(|s| &s.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), splits.len(), "names of splits are unique");
    let mut all = Vec::new();
    for split in &splits {
        let whole = read(&mut *reader_at(case, &split.id, &split.start), &split.id, &schema, 1 << 14, case.rows_max);
        let total = whole.rows.num_rows();
        let steps = read(&mut *reader_at(case, &split.id, &split.start), &split.id, &schema, 7, total.max(1));
        compare(&whole, &steps, 0, 0, total, "in batches of 7 rows");
        for (offset, rows, dead) in steps.boundaries.iter().step_by((steps.boundaries.len() / 48).max(1)) {
            if *rows >= total {
                continue;
            }
            let text = serde_json::to_string(offset).expect("an offset is text");
            let offset: Offset = serde_json::from_str(&text).expect("an offset is text");
            let mut reader = reader_at(case, &split.id, &offset);
            let rest = read(&mut *reader, &split.id, &schema, 1 << 10, total - rows);
            compare(&whole, &rest, *rows, *dead, total, &format!("from offset {}", offset.0));
        }
        if whole.finished {
            let (end, ..) = whole.boundaries.last().expect("a finished split has a batch");
            let again = read(&mut *reader_at(case, &split.id, end), &split.id, &schema, 1 << 10, usize::MAX);
            assert_eq!(again.rows.num_rows(), 0, "nothing follows the end of split \"{}\"", split.id);
            assert!(again.dead.is_empty() && again.finished, "the end of split \"{}\" is an offset, too", split.id);
        }
        all.push(whole.rows);
    }
    several_splits_on_one_reader(case, &splits, &all, &schema);
    all
}

fn compare(whole: &Reading, part: &Reading, rows: usize, dead: usize, total: usize, how: &str) {
    // The last batch may overshoot where the source does not end.
    let count = part.rows.num_rows().min(total - rows);
    assert_eq!(count, total - rows, "no row is left out {how}");
    assert_eq!(part.rows.slice(0, count), whole.rows.slice(rows, count), "the same rows come {how}");
    if whole.finished && part.finished {
        assert_eq!(part.rows.num_rows(), total - rows, "no row is repeated {how}");
        assert_eq!(part.dead, whole.dead[dead..], "the same dead letters come {how}");
    }
}

fn several_splits_on_one_reader(case: &SourceCase<'_>, splits: &[Split], all: &[RecordBatch], schema: &SchemaRef) {
    let mut reader = (case.make)().reader(&case.projection).expect("a reader");
    let assigned = splits.iter().map(|s| AssignedSplit { id: Arc::clone(&s.id), from: s.start.clone() }).collect();
    reader.assign(assigned).expect("splits are taken");
    let mut read: Vec<Vec<RecordBatch>> = vec![Vec::new(); splits.len()];
    let mut silent = 0;
    while silent < POLLS_WITHOUT_ROWS_MAX {
        match reader.poll(limit(100)).expect("a poll succeeds") {
            Poll::Batch(batch) => {
                let at = splits.iter().position(|s| s.id == batch.split).expect("a batch of an assigned split");
                read[at]
                    .push(batch.changes.rows().clone().with_schema(Arc::clone(schema)).expect("the schema asked for"));
            }
            Poll::Pending => silent += 1,
            Poll::Finished => break,
        }
        let counts = read.iter().map(|b| b.iter().map(RecordBatch::num_rows).sum::<usize>());
        if counts.zip(all).all(|(count, whole)| count >= whole.num_rows() && case.rows_max <= whole.num_rows()) {
            break;
        }
    }
    for (read, whole) in read.iter().zip(all) {
        let read = concat_batches(schema, read).expect("batches of one schema");
        let count = whole.num_rows();
        assert!(read.num_rows() >= count, "a reader of all splits leaves no row out");
        assert_eq!(&read.slice(0, count), whole, "a reader of all splits keeps the order of each");
    }
}
