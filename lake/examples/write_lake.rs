//! Writes a few tables into a lake, for other programs to read: `cargo run -p freshet-lake --example write_lake FOLDER`.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use freshet_connector_api::connector::Console;
use freshet_connector_api::{Commit, ConnectorEnv, WriterContext};
use freshet_lake::catalog::IcebergCatalog;
use freshet_sql::catalog::external::{ExternalCatalog, ExternalTable, ExternalTableDefinition, PartitionTerm};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, Options, Result, SqlField, SqlType, SystemClock, Watermark};
use std::sync::Arc;

struct Nowhere;

impl Console for Nowhere {
    fn write(&self, _lines: &str) {}
}

fn rows(from: i64, to: i64) -> RecordBatch {
    let ids = from..to;
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())), false),
        (
            "name",
            Arc::new(ids.clone().map(|i| (i % 7 != 0).then(|| format!("n{}", i % 10))).collect::<StringArray>()),
            true,
        ),
        ("price", Arc::new(Float64Array::from_iter_values(ids.clone().map(|i| i as f64 / 4.0))), true),
        (
            "t",
            Arc::new(TimestampMillisecondArray::from_iter_values(ids.map(|i| i * 60_000)).with_timezone("UTC")),
            true,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length")
}

fn write(
    catalog: &IcebergCatalog,
    env: &ConnectorEnv,
    name: &str,
    terms: &[PartitionTerm],
    version: &str,
) -> Result<()> {
    let definition = ExternalTableDefinition {
        columns: vec![
            SqlField::new("id", SqlType::BigInt).not_null(),
            SqlField::new("name", SqlType::STRING),
            SqlField::new("price", SqlType::Double),
            SqlField::new("t", SqlType::TimestampLtz(3)),
        ],
        column_comments: Vec::new(),
        partition_by: terms.to_vec(),
        primary_key: Vec::new(),
        comment: Some("a sample".into()),
        options: [("format-version", version), ("freshet.small-files-max", "4")].into_iter().collect(),
    };
    catalog.create_table("default", name, &definition)?;
    let table = catalog.lake_table("default", name)?.expect("it was just created");
    let context = WriterContext { job_id: format!("write-{name}"), worker: 0, workers: 1, attempt: 1 };
    let sink = table.sink(&Options::default(), env)?;
    let mut committer = sink.committer(&context)?;
    committer.recover(None)?;
    let mut writer = sink.writer(&context)?;
    for checkpoint in 1..=20_u64 {
        let from = (checkpoint as i64 - 1) * 1_000;
        writer.write(&ChangeBatch::inserts(rows(from, from + 1_000)))?;
        let token = writer.prepare(CheckpointId(checkpoint))?()?;
        committer.commit(&Commit {
            job_id: context.job_id.clone(),
            checkpoint: CheckpointId(checkpoint),
            epoch: Epoch(checkpoint),
            offsets: format!("{{\"rows\": {}}}", from + 1_000),
            watermark: Watermark(from),
            tokens: vec![token],
            last: checkpoint == 20,
        })?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "lake".to_string());
    let env = ConnectorEnv {
        state_dir: std::path::Path::new(&folder).join("state"),
        clock: Arc::new(SystemClock),
        console: Arc::new(Nowhere),
        time_zone: "UTC".into(),
    };
    let options: Options = [("warehouse", folder.as_str())].into_iter().collect();
    let catalog = IcebergCatalog::open("lake", &options, &env)?;
    let term = |transform: &str, argument, column: &str| PartitionTerm {
        transform: transform.into(),
        argument,
        column: column.into(),
    };
    write(&catalog, &env, "plain", &[], "2")?;
    write(&catalog, &env, "by_day", &[term("days", None, "t"), term("bucket", Some(4), "id")], "2")?;
    write(&catalog, &env, "by_name", &[term("identity", None, "name"), term("truncate", Some(5_000), "id")], "2")?;
    write(&catalog, &env, "v3", &[term("months", None, "t")], "3")?;
    Ok(())
}
