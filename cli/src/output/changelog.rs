//! Every change as it comes: `+I[...]` and `-D[...]`, consistent at each epoch.

use super::column_texts;
use super::lines::output_error;
use crate::screen;
use freshet_server::{ResultInfo, ResultWriter};
use freshet_types::text::{ColumnText, is_null};
use freshet_types::{ChangeBatch, Result};

/// Writes changes as lines.
#[derive(Default)]
pub(crate) struct ChangelogWriter {
    texts: Vec<ColumnText>,
}

impl ChangelogWriter {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn lines(&self, changes: &ChangeBatch) -> Result<String> {
        let mut out = String::new();
        for row in 0..changes.row_count() {
            let weight = changes.weight(row);
            let mut line = String::from(if weight < 0 { "-D[" } else { "+I[" });
            for (column, text) in self.texts.iter().enumerate() {
                line.push_str(if column > 0 { ", " } else { "" });
                if is_null(changes.column(column), row) {
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
        self.texts = column_texts(&info.visible_schema(), info.zone);
        Ok(())
    }

    fn changes(&mut self, changes: &ChangeBatch) -> Result<()> {
        screen::put_rows(self.lines(changes)?.as_bytes()).map_err(output_error)
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
