//! Every change as it comes: `+I[...]` and `-D[...]`, consistent at each epoch.

use super::column_texts;
use super::lines::output_error;
use arrow::array::Array;
use chrono_tz::Tz;
use freshet_server::{ResultInfo, ResultWriter};
use freshet_types::text::ColumnText;
use freshet_types::{ChangeBatch, Result};
use std::io::Write;

/// Writes changes as lines.
pub(crate) struct ChangelogWriter {
    zone: Tz,
    texts: Vec<ColumnText>,
}

impl ChangelogWriter {
    pub(crate) fn new(zone: Tz) -> Self {
        Self { zone, texts: Vec::new() }
    }

    fn lines(&self, changes: &ChangeBatch) -> Result<String> {
        let mut out = String::new();
        for row in 0..changes.row_count() {
            let weight = changes.weight(row);
            let mut line = String::from(if weight < 0 { "-D[" } else { "+I[" });
            for (column, text) in self.texts.iter().enumerate() {
                line.push_str(if column > 0 { ", " } else { "" });
                if changes.column(column).is_null(row) {
                    line.push_str("null");
                }
                text.append(changes.column(column).as_ref(), row, &mut line)?;
            }
            line.push_str("]\n");
            for _ in 0..weight.unsigned_abs() {
                out.push_str(&line);
            }
        }
        Ok(out)
    }
}

impl ResultWriter for ChangelogWriter {
    fn start(&mut self, info: &ResultInfo) -> Result<()> {
        self.texts = column_texts(&info.visible_schema(), self.zone);
        Ok(())
    }

    fn changes(&mut self, changes: &ChangeBatch) -> Result<()> {
        let mut out = std::io::stdout();
        out.write_all(self.lines(changes)?.as_bytes()).and_then(|()| out.flush()).map_err(output_error)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
