//! What the connectors' tests share: a table from a few lines, an environment with a clock that stands still.

use freshet_connector_api::{ColumnSpec, ConnectorEnv, TableSpec};
use freshet_types::{SqlField, SqlType, VirtualClock};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A console that keeps what it is told.
#[derive(Default)]
pub(crate) struct KeptConsole(pub(crate) Mutex<String>);

impl freshet_connector_api::connector::Console for KeptConsole {
    fn write(&self, lines: &str) {
        self.0.lock().unwrap().push_str(lines);
    }
}

pub(crate) fn env(state_dir: &Path) -> (ConnectorEnv, Arc<KeptConsole>, Arc<VirtualClock>) {
    let console = Arc::new(KeptConsole::default());
    let clock = Arc::new(VirtualClock::at(1_700_000_000_000));
    let env = ConnectorEnv {
        state_dir: state_dir.to_path_buf(),
        clock: Arc::clone(&clock) as _,
        console: Arc::clone(&console) as _,
        time_zone: "UTC".into(),
    };
    (env, console, clock)
}

pub(crate) fn table(columns: &[(&str, SqlType)], options: &[(&str, &str)]) -> TableSpec {
    let column = |(name, sql_type): &(&str, SqlType)| ColumnSpec::physical(SqlField::new(*name, sql_type.clone()));
    TableSpec {
        name: "test".into(),
        columns: columns.iter().map(column).collect(),
        options: options.iter().copied().collect(),
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
    }
}

/// Each row as text, columns separated by `|`.
pub(crate) fn texts(batch: &arrow::array::RecordBatch) -> Vec<String> {
    let style = freshet_types::text::TextStyle::default();
    let schema = batch.schema();
    let writers: Vec<_> = schema.fields().iter().map(|f| freshet_types::text::ColumnText::new(f, &style)).collect();
    (0..batch.num_rows())
        .map(|row| {
            let mut text = String::new();
            for (i, writer) in writers.iter().enumerate() {
                text.push_str(if i == 0 { "" } else { "|" });
                if batch.column(i).is_null(row) {
                    text.push_str("NULL");
                }
                writer.append(batch.column(i), row, &mut text).unwrap();
            }
            text
        })
        .collect()
}
