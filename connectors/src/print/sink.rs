//! Writes the changes of an epoch at its end, in one piece, so that workers do not mix their lines.

use arrow::row::{OwnedRow, RowConverter, SortField};
use freshet_connector_api::connector::Console;
use freshet_connector_api::sink::NothingToCommit;
use freshet_connector_api::{
    AcceptedChanges, ConnectorEnv, Guarantee, Prepared, Sink, SinkCommitter, SinkWriter, TableSpec, WriterContext,
};
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, Result, Watermark};
use std::collections::HashMap;
use std::sync::Arc;

/// Lines are written when so many bytes of them wait, even within an epoch.
const WAITING_BYTES_MAX: usize = 4 << 20;

pub(super) struct PrintSink {
    /// `identifier> `, or nothing.
    prefix: String,
    to_error: bool,
    console: Arc<dyn Console>,
    key: Vec<usize>,
}

impl PrintSink {
    pub(super) fn new(table: &TableSpec, env: &ConnectorEnv) -> Result<Self> {
        Ok(Self {
            prefix: table.options.get("print-identifier").map_or(String::new(), |id| format!("{id}> ")),
            to_error: table.options.bool("standard-error")?.unwrap_or(false),
            console: Arc::clone(&env.console),
            key: table.primary_key.clone(),
        })
    }
}

impl Sink for PrintSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn guarantee_note(&self) -> Option<String> {
        Some("lines that were shown before a crash are shown again".into())
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(NothingToCommit))
    }

    fn writer(&self, _context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(PrintWriter {
            prefix: self.prefix.clone(),
            to_error: self.to_error,
            console: Arc::clone(&self.console),
            key: self.key.clone(),
            lines: String::new(),
        }))
    }
}

struct PrintWriter {
    prefix: String,
    to_error: bool,
    console: Arc<dyn Console>,
    key: Vec<usize>,
    lines: String,
}

/// What a line begins with.
fn sign(weight: i64, updates: bool) -> &'static str {
    match (weight > 0, updates) {
        (true, false) => "+I",
        (true, true) => "+U",
        (false, false) => "-D",
        (false, true) => "-U",
    }
}

impl PrintWriter {
    /// Rows in the order in which they are shown, and whether each is half of an update: with a key the old row stands
    /// right before the new one.
    fn order(&self, changes: &ChangeBatch) -> Result<Vec<(usize, bool)>> {
        let rows = changes.row_count();
        if self.key.is_empty()
            || changes.is_append_only()
            || self.key.iter().any(|i| *i >= changes.rows().num_columns())
        {
            return Ok((0..rows).map(|row| (row, false)).collect());
        }
        let columns: Vec<_> = self.key.iter().map(|i| Arc::clone(changes.column(*i))).collect();
        let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
        let keys = RowConverter::new(fields)?.convert_columns(&columns)?;
        let mut groups: HashMap<OwnedRow, usize> = HashMap::new();
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let group = *groups.entry(key.owned()).or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            members[group].push(row);
        }
        let mut order = Vec::with_capacity(rows);
        for mut rows in members {
            // What is taken back comes before what takes its place.
            rows.sort_by_key(|row| changes.weight(*row) > 0);
            let updates = changes.weight(rows[0]) < 0 && changes.weight(rows[rows.len() - 1]) > 0;
            order.extend(rows.into_iter().map(|row| (row, updates)));
        }
        Ok(order)
    }

    fn show(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        match self.to_error {
            true => self.console.write_error(&self.lines),
            false => self.console.write(&self.lines),
        }
        self.lines.clear();
    }
}

impl SinkWriter for PrintWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        let style = TextStyle {
            true_text: "true",
            false_text: "false",
            null_text: "null",
            between: 'T',
            instant_suffix: "Z",
            ..TextStyle::default()
        };
        let schema = changes.schema();
        let texts: Vec<ColumnText> = schema.fields().iter().map(|f| ColumnText::new(f, &style)).collect();
        for (row, updates) in self.order(changes)? {
            let weight = changes.weight(row);
            if weight == 0 {
                continue;
            }
            let start = self.lines.len();
            self.lines.push_str(&self.prefix);
            self.lines.push_str(sign(weight, updates));
            self.lines.push('[');
            for (i, text) in texts.iter().enumerate() {
                self.lines.push_str(if i == 0 { "" } else { ", " });
                let column = changes.column(i);
                match column.is_null(row) {
                    true => self.lines.push_str("null"),
                    false => text.append(column, row, &mut self.lines)?,
                }
            }
            self.lines.push_str("]\n");
            if weight.unsigned_abs() > 1 {
                let line = self.lines[start..].to_string();
                for _ in 1..weight.unsigned_abs() {
                    self.lines.push_str(&line);
                    if self.lines.len() > WAITING_BYTES_MAX {
                        self.show();
                    }
                }
            }
            if self.lines.len() > WAITING_BYTES_MAX {
                self.show();
            }
        }
        Ok(())
    }

    fn flush_epoch(&mut self, _epoch: Epoch, _watermark: Watermark) -> Result<()> {
        self.show();
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        self.show();
        Ok(Box::new(|| Ok(Vec::new())))
    }
}
