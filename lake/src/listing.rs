//! What `freshet lake snapshots` and `freshet lake files` show.

use crate::commit::identity;
use crate::files;
use crate::table::LakeTable;
use crate::transform;
use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array,
};
use freshet_types::Result;
use iceberg::spec::{DataContentType, SnapshotRef, TableMetadata};
use std::sync::Arc;

/// The snapshots that were current, each with the time from which on, oldest first.
pub fn history(metadata: &TableMetadata) -> Vec<(i64, SnapshotRef)> {
    let logged: Vec<(i64, SnapshotRef)> = metadata
        .history()
        .iter()
        .filter_map(|entry| Some((entry.timestamp_ms(), Arc::clone(metadata.snapshot_by_id(entry.snapshot_id)?))))
        .collect();
    if !logged.is_empty() {
        return logged;
    }
    // Early writers kept no log: the ancestors of the current snapshot tell the same.
    let mut ancestors = Vec::new();
    let mut next = metadata.current_snapshot().cloned();
    while let Some(snapshot) = next {
        next = snapshot.parent_snapshot_id().and_then(|id| metadata.snapshot_by_id(id).cloned());
        ancestors.push((snapshot.timestamp_ms(), snapshot));
    }
    ancestors.reverse();
    ancestors
}

/// One snapshot, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotLine {
    /// Id.
    pub snapshot_id: i64,
    /// Snapshot that it was made on.
    pub parent_id: Option<i64>,
    /// When, in milliseconds since 1970-01-01 00:00 UTC.
    pub timestamp_ms: i64,
    /// append, overwrite, replace or delete.
    pub operation: String,
    /// Job that wrote it.
    pub job_id: Option<String>,
    /// Checkpoint of that job.
    pub checkpoint_id: Option<u64>,
    /// Rows that came.
    pub added_records: Option<u64>,
    /// Rows after it.
    pub total_records: Option<u64>,
    /// Data files after it.
    pub total_data_files: Option<u64>,
    /// Whether the table stands at it.
    pub is_current: bool,
}

/// All snapshots of a table, oldest first.
pub fn snapshots(table: &LakeTable) -> Vec<SnapshotLine> {
    let metadata = table.metadata();
    let mut snapshots: Vec<&SnapshotRef> = metadata.snapshots().collect();
    snapshots.sort_by_key(|s| (s.sequence_number(), s.timestamp_ms(), s.snapshot_id()));
    snapshots
        .into_iter()
        .map(|snapshot| {
            let summary = &snapshot.summary().additional_properties;
            let number = |key: &str| summary.get(key).and_then(|v| v.parse().ok());
            SnapshotLine {
                snapshot_id: snapshot.snapshot_id(),
                parent_id: snapshot.parent_snapshot_id(),
                timestamp_ms: snapshot.timestamp_ms(),
                operation: snapshot.summary().operation.as_str().to_string(),
                job_id: summary.get(identity::JOB_ID).cloned(),
                checkpoint_id: number(identity::CHECKPOINT_ID),
                added_records: number("added-records"),
                total_records: number("total-records"),
                total_data_files: number("total-data-files"),
                is_current: metadata.current_snapshot_id() == Some(snapshot.snapshot_id()),
            }
        })
        .collect()
}

/// One live file, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLine {
    /// Where it is.
    pub path: String,
    /// data, position deletes or equality deletes.
    pub content: &'static str,
    /// parquet, avro, orc or puffin.
    pub format: String,
    /// Partition, such as `day=2026-01-01`; empty without partitions.
    pub partition: String,
    /// Rows, or deleted positions.
    pub rows: u64,
    /// Bytes.
    pub size: u64,
    /// Sequence number of its rows.
    pub sequence: i64,
    /// Snapshot that added it.
    pub snapshot_id: i64,
}

/// The live files of a table, in the order in which they were added.
pub fn files(table: &LakeTable) -> Result<Vec<FileLine>> {
    let metadata = table.metadata();
    let Some(snapshot) = metadata.current_snapshot() else { return Ok(Vec::new()) };
    let live =
        files::live_files(&table.loaded().io, metadata, snapshot).map_err(|e| e.at("table", table.full_name()))?;
    Ok(live
        .into_iter()
        .map(|entry| {
            let file = &entry.file;
            let spec = metadata.partition_spec_by_id(entry.spec_id);
            let known = spec.filter(|s| !s.is_unpartitioned() && s.partition_type(metadata.current_schema()).is_ok());
            FileLine {
                path: file.file_path().to_string(),
                content: match file.content_type() {
                    DataContentType::Data => "data",
                    DataContentType::PositionDeletes => "position deletes",
                    DataContentType::EqualityDeletes => "equality deletes",
                },
                format: file.file_format().to_string(),
                partition: known
                    .map(|s| transform::folder(s, metadata.current_schema(), file.partition()))
                    .unwrap_or_default(),
                rows: file.record_count(),
                size: file.file_size_in_bytes(),
                sequence: entry.sequence,
                snapshot_id: entry.snapshot_id,
            }
        })
        .collect())
}

/// The lines of [`snapshots`] as rows.
pub fn snapshot_rows(lines: &[SnapshotLine]) -> RecordBatch {
    let numbers =
        |of: fn(&SnapshotLine) -> Option<u64>| Arc::new(lines.iter().map(of).collect::<UInt64Array>()) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("snapshot_id", Arc::new(lines.iter().map(|l| Some(l.snapshot_id)).collect::<Int64Array>())),
        ("parent_id", Arc::new(lines.iter().map(|l| l.parent_id).collect::<Int64Array>())),
        (
            "committed_at",
            Arc::new(
                TimestampMillisecondArray::from_iter_values(lines.iter().map(|l| l.timestamp_ms)).with_timezone("UTC"),
            ),
        ),
        ("operation", Arc::new(StringArray::from_iter_values(lines.iter().map(|l| &l.operation)))),
        ("job_id", Arc::new(lines.iter().map(|l| l.job_id.as_deref()).collect::<StringArray>())),
        ("checkpoint_id", numbers(|l| l.checkpoint_id)),
        ("added_records", numbers(|l| l.added_records)),
        ("total_records", numbers(|l| l.total_records)),
        ("total_data_files", numbers(|l| l.total_data_files)),
        ("is_current", Arc::new(lines.iter().map(|l| Some(l.is_current)).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// The lines of [`files`] as rows.
pub fn file_rows(lines: &[FileLine]) -> RecordBatch {
    let texts = |of: fn(&FileLine) -> &str| Arc::new(StringArray::from_iter_values(lines.iter().map(of))) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("path", texts(|l| &l.path)),
        ("content", texts(|l| l.content)),
        ("format", texts(|l| &l.format)),
        ("partition", texts(|l| &l.partition)),
        ("rows", Arc::new(UInt64Array::from_iter_values(lines.iter().map(|l| l.rows)))),
        ("size_bytes", Arc::new(UInt64Array::from_iter_values(lines.iter().map(|l| l.size)))),
        ("sequence", Arc::new(Int64Array::from_iter_values(lines.iter().map(|l| l.sequence)))),
        ("snapshot_id", Arc::new(Int64Array::from_iter_values(lines.iter().map(|l| l.snapshot_id)))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}
