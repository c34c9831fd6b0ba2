//! What `print` shows.

use super::Print;
use crate::testing::{env, table};
use arrow::array::{Float64Array, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use freshet_connector_api::{Connector, WriterContext};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, SqlType, Watermark};
use std::sync::Arc;

fn show(key: Vec<usize>, options: &[(&str, &str)], weights: Option<Vec<i64>>) -> String {
    let columns = [("k", SqlType::Int), ("s", SqlType::STRING), ("d", SqlType::Double), ("t", SqlType::Timestamp(3))];
    let mut table = table(&columns, options);
    table.primary_key = key;
    let rows = RecordBatch::try_new(
        table.schema(),
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 1])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("b")])),
            Arc::new(Float64Array::from(vec![1.0, 1e10, -0.5])),
            Arc::new(TimestampMillisecondArray::from(vec![0, 1, 1_500])),
        ],
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (env, console, _) = env(folder.path());
    let context = WriterContext { job_id: "job".into(), worker: 0, workers: 1, attempt: 1 };
    let mut writer = Print.sink(&table, &env).unwrap().writer(&context).unwrap();
    writer.write(&ChangeBatch::new(rows, weights.map(Into::into))).unwrap();
    writer.flush_epoch(Epoch(1), Watermark::MIN).unwrap();
    assert!(writer.prepare(CheckpointId(1)).unwrap()().unwrap().is_empty());
    console.0.lock().unwrap().clone()
}

#[test]
fn inserts_look_as_in_flink() {
    assert_eq!(
        show(vec![], &[], None),
        "+I[1, a, 1.0, 1970-01-01T00:00:00.000]\n\
         +I[2, null, 1.0E10, 1970-01-01T00:00:00.001]\n\
         +I[1, b, -0.5, 1970-01-01T00:00:01.500]\n"
    );
}

#[test]
fn a_key_pairs_old_and_new_rows() {
    let shown = show(vec![0], &[("print-identifier", "out")], Some(vec![1, -1, -1]));
    let signs: Vec<&str> = shown.lines().map(|l| &l[..9]).collect();
    assert_eq!(signs, ["out> -U[1", "out> +U[1", "out> -D[2"]);
    let without = show(vec![], &[], Some(vec![1, -1, -1]));
    assert_eq!(without.lines().map(|l| &l[..4]).collect::<Vec<_>>(), ["+I[1", "-D[2", "-D[1"]);
}

#[test]
fn weights_repeat_lines() {
    let shown = show(vec![], &[], Some(vec![2, -3, 1]));
    assert_eq!(shown.lines().map(|l| &l[..2]).collect::<Vec<_>>(), ["+I", "+I", "-D", "-D", "-D", "+I"]);
}
