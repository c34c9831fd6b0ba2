//! What the crate's tests share: a lake in a temporary folder, rows in, rows out.

use crate::catalog::IcebergCatalog;
use crate::commit::{AddedFile, TableChange, commit};
use crate::files;
use crate::table::LakeTable;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::util::display::array_value_to_string;
use datafusion::prelude::{SessionConfig, SessionContext};
use freshet_connector_api::connector::Console;
use freshet_connector_api::{Commit, ConnectorEnv, SinkCommitter, SinkWriter, WriterContext};
use freshet_connectors::storage::runtime;
use freshet_sql::catalog::external::{
    ExternalCatalog, ExternalTable, ExternalTableDefinition, PartitionTerm, TableVersion,
};
use freshet_types::{
    ChangeBatch, CheckpointId, Clock, Epoch, Options, SqlField, SqlType, SystemClock, VirtualClock, Watermark,
};
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Operation, Struct};
use parquet::arrow::{ArrowWriter, PARQUET_FIELD_ID_META_KEY};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

struct Nowhere;

impl Console for Nowhere {
    fn write(&self, _lines: &str) {}
}

pub(crate) struct Lake {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) catalog: IcebergCatalog,
}

pub(crate) fn env(folder: &Path, clock: &Arc<VirtualClock>) -> ConnectorEnv {
    ConnectorEnv {
        state_dir: folder.join("state"),
        clock: Arc::clone(clock) as _,
        console: Arc::new(Nowhere),
        time_zone: "UTC".into(),
    }
}

pub(crate) fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().copied().collect()
}

pub(crate) fn term(transform: &str, argument: Option<u32>, column: &str) -> PartitionTerm {
    PartitionTerm { transform: transform.into(), argument, column: column.into() }
}

impl Lake {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(VirtualClock::at(SystemClock.now_ms()));
        let warehouse = folder.path().join("lake").display().to_string();
        let catalog =
            IcebergCatalog::open("lake", &options(&[("warehouse", &warehouse)]), &env(folder.path(), &clock)).unwrap();
        Self { folder, clock, catalog }
    }

    /// A table `default.t` with columns `id BIGINT NOT NULL, name STRING, t TIMESTAMP(3)`.
    pub(crate) fn table(&self, partition_by: Vec<PartitionTerm>, pairs: &[(&str, &str)]) -> LakeTable {
        let columns = vec![
            SqlField::new("id", SqlType::BigInt).not_null(),
            SqlField::new("name", SqlType::STRING),
            SqlField::new("t", SqlType::Timestamp(3)),
        ];
        self.table_of(columns, partition_by, pairs)
    }

    pub(crate) fn table_of(
        &self,
        columns: Vec<SqlField>,
        partition_by: Vec<PartitionTerm>,
        pairs: &[(&str, &str)],
    ) -> LakeTable {
        let definition = ExternalTableDefinition {
            columns,
            column_comments: Vec::new(),
            partition_by,
            primary_key: Vec::new(),
            comment: None,
            options: options(pairs),
        };
        self.catalog.create_table("default", "t", &definition).unwrap();
        self.catalog.lake_table("default", "t").unwrap().unwrap()
    }

    pub(crate) fn env(&self) -> ConnectorEnv {
        env(self.folder.path(), &self.clock)
    }
}

/// Rows `(id, "n<id % 10>", id seconds)`; every seventh name is NULL.
pub(crate) fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let names = ids.clone().map(|i| (i % 7 != 0).then(|| format!("n{}", i % 10)));
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())), false),
        ("name", Arc::new(names.collect::<StringArray>()), true),
        ("t", Arc::new(TimestampMillisecondArray::from_iter_values(ids.map(|i| i * 1_000))), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(crate) fn context(attempt: u64) -> WriterContext {
    WriterContext { job_id: "job".into(), worker: 0, workers: 1, attempt }
}

/// A job that writes into a table: one worker, and the committer.
pub(crate) struct Job {
    pub(crate) writer: Box<dyn SinkWriter>,
    pub(crate) committer: Box<dyn SinkCommitter>,
}

impl Job {
    pub(crate) fn start(table: &LakeTable, lake: &Lake, attempt: u64, last: Option<&Commit>) -> Self {
        let sink = table.sink(&Options::default(), &lake.env()).unwrap();
        let mut committer = sink.committer(&context(attempt)).unwrap();
        committer.recover(last).unwrap();
        Self { writer: sink.writer(&context(attempt)).unwrap(), committer }
    }

    pub(crate) fn prepare(&mut self, checkpoint: u64, batches: &[RecordBatch]) -> Commit {
        for batch in batches {
            self.writer.write(&ChangeBatch::inserts(batch.clone())).unwrap();
        }
        let token = self.writer.prepare(CheckpointId(checkpoint)).unwrap()().unwrap();
        commit_of(checkpoint, token)
    }

    pub(crate) fn checkpoint(&mut self, checkpoint: u64, batches: &[RecordBatch]) -> Commit {
        let commit = self.prepare(checkpoint, batches);
        self.committer.commit(&commit).unwrap();
        commit
    }
}

pub(crate) fn commit_of(checkpoint: u64, token: Vec<u8>) -> Commit {
    Commit {
        job_id: "job".into(),
        checkpoint: CheckpointId(checkpoint),
        epoch: Epoch(checkpoint * 10),
        offsets: format!("{{\"source\": {{\"0\": \"{}\"}}}}", checkpoint * 100),
        watermark: Watermark::MIN,
        tokens: vec![token],
        last: false,
    }
}

/// A session that sees the table as `t`.
pub(crate) fn session(table: &LakeTable, version: Option<TableVersion>) -> SessionContext {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
    session.register_table("t", Arc::new(table.refresh().unwrap().lake_scan(version.as_ref()).unwrap())).unwrap();
    session
}

/// The answer of a query, one text for each row.
pub(crate) fn query_in(session: SessionContext, sql: &str) -> Vec<String> {
    let sql = sql.to_string();
    let batches = runtime().block_on(async move { session.sql(&sql).await.unwrap().collect().await.unwrap() });
    let mut lines = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let values: Vec<String> = batch
                .columns()
                .iter()
                .map(|c| if c.is_null(row) { "NULL".into() } else { array_value_to_string(c, row).unwrap() })
                .collect();
            lines.push(values.join("|"));
        }
    }
    lines
}

pub(crate) fn query(table: &LakeTable, sql: &str) -> Vec<String> {
    query_in(session(table, None), sql)
}

/// Count and sum of the ids.
pub(crate) fn summary(table: &LakeTable) -> String {
    query(table, "SELECT count(*), sum(id) FROM t").remove(0)
}

/// What [`summary`] gives for these ids.
pub(crate) fn expected(ids: impl IntoIterator<Item = i64>) -> String {
    let ids: Vec<i64> = ids.into_iter().collect();
    if ids.is_empty() { "0|NULL".into() } else { format!("{}|{}", ids.len(), ids.iter().sum::<i64>()) }
}

pub(crate) fn live(table: &LakeTable) -> Vec<files::FileEntry> {
    let table = table.refresh().unwrap();
    match table.metadata().current_snapshot() {
        Some(snapshot) => files::live_files(&table.loaded().io, table.metadata(), snapshot).unwrap(),
        None => Vec::new(),
    }
}

pub(crate) fn apply(table: &LakeTable, change: &TableChange) -> LakeTable {
    commit(table, &mut |_| Ok(Some(change.clone()))).unwrap()
}

fn write_parquet(table: &LakeTable, name: &str, columns: Vec<(&str, i32, ArrayRef)>) -> (String, u64) {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns
        .into_iter()
        .map(|(name, id, array)| {
            let ids = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_string(), id.to_string())]);
            (arrow::datatypes::Field::new(name, array.data_type().clone(), true).with_metadata(ids), array)
        })
        .unzip();
    write_batch(table, name, &RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), arrays).unwrap())
}

fn write_batch(table: &LakeTable, name: &str, batch: &RecordBatch) -> (String, u64) {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    let location = format!("{}/data/{name}", table.metadata().location());
    let size = bytes.len() as u64;
    table.loaded().io.write(&location, bytes).unwrap();
    (location, size)
}

fn builder(content: DataContentType, format: DataFileFormat, file: (String, u64), rows: u64) -> DataFileBuilder {
    let mut builder = DataFileBuilder::default();
    builder
        .content(content)
        .file_path(file.0)
        .file_format(format)
        .partition(Struct::empty())
        .partition_spec_id(0)
        .record_count(rows)
        .file_size_in_bytes(file.1);
    builder
}

/// A data file of any columns, as another writer may have made it.
pub(crate) fn foreign_data(table: &LakeTable, name: &str, columns: Vec<(&str, i32, ArrayRef)>) -> DataFile {
    let rows = columns[0].2.len() as u64;
    let file = write_parquet(table, name, columns);
    builder(DataContentType::Data, DataFileFormat::Parquet, file, rows).build().unwrap()
}

/// A data file whose columns carry no field ids.
pub(crate) fn data_without_ids(table: &LakeTable, name: &str, columns: Vec<(&str, ArrayRef)>) -> DataFile {
    let rows = columns[0].1.len() as u64;
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = write_batch(table, name, &batch);
    builder(DataContentType::Data, DataFileFormat::Parquet, file, rows).build().unwrap()
}

pub(crate) fn position_deletes(table: &LakeTable, name: &str, of: &[(&str, i64)]) -> DataFile {
    let id = i32::MAX;
    let file = write_parquet(
        table,
        name,
        vec![
            ("file_path", id - 101, Arc::new(StringArray::from_iter_values(of.iter().map(|d| d.0)))),
            ("pos", id - 102, Arc::new(Int64Array::from_iter_values(of.iter().map(|d| d.1)))),
        ],
    );
    builder(DataContentType::PositionDeletes, DataFileFormat::Parquet, file, of.len() as u64).build().unwrap()
}

pub(crate) fn equality_deletes(table: &LakeTable, name: &str, column: (&str, i32, ArrayRef)) -> DataFile {
    let (rows, id) = (column.2.len() as u64, column.1);
    let file = write_parquet(table, name, vec![column]);
    builder(DataContentType::EqualityDeletes, DataFileFormat::Parquet, file, rows)
        .equality_ids(Some(vec![id]))
        .build()
        .unwrap()
}

pub(crate) fn deletion_vector(table: &LakeTable, name: &str, of: &str, positions: &[u64]) -> DataFile {
    let blob = crate::scan::encode_vector(&positions.iter().copied().collect());
    let bytes = crate::puffin::encode(&[(&blob, None)]);
    let location = format!("{}/data/{name}", table.metadata().location());
    let size = bytes.len() as u64;
    table.loaded().io.write(&location, bytes).unwrap();
    builder(DataContentType::PositionDeletes, DataFileFormat::Puffin, (location, size), positions.len() as u64)
        .referenced_data_file(Some(of.to_string()))
        .content_offset(Some(4))
        .content_size_in_bytes(Some(blob.len() as i64))
        .build()
        .unwrap()
}

pub(crate) fn added(file: DataFile) -> AddedFile {
    AddedFile { file, spec_id: 0, sequence: None }
}

pub(crate) fn deletes(files: Vec<DataFile>) -> TableChange {
    TableChange {
        operation: Operation::Delete,
        deletes: files.into_iter().map(added).collect(),
        ..TableChange::default()
    }
}

pub(crate) fn long(datum: Option<&Datum>) -> String {
    datum.map_or_else(|| "-".into(), ToString::to_string)
}

impl Lake {
    /// Drops `default.t`.
    pub(crate) fn catalog_drop(&self) {
        self.catalog.drop_table("default", "t").unwrap();
    }
}
