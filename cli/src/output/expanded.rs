//! One line per value, for rows that are too wide for a box: psql's `\x`.

use super::final_rows::RowsForm;
use super::{column_texts, harmless, output_error};
use crate::screen;
use arrow::array::RecordBatch;
use freshet_server::ResultInfo;
use freshet_types::Result;
use freshet_types::text::{ColumnText, is_null};
use std::fmt::Write;

/// Writes records one below the other.
#[derive(Default)]
pub(crate) struct Expanded {
    names: Vec<String>,
    texts: Vec<ColumnText>,
    count: usize,
}

impl Expanded {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn draw(&mut self, rows: &RecordBatch) -> Result<String> {
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        let mut out = String::new();
        for row in 0..rows.num_rows() {
            self.count += 1;
            writeln!(out, "-[ RECORD {} ]{}", self.count, "-".repeat(width)).expect("a String takes every text");
            for ((name, text), array) in self.names.iter().zip(&self.texts).zip(rows.columns()) {
                let mut value = String::new();
                if is_null(array, row) {
                    value.push_str("NULL");
                }
                text.append(array.as_ref(), row, &mut value)?;
                let gap = " ".repeat(width - name.chars().count());
                writeln!(out, "{name}{gap} | {}", harmless(&value)).expect("a String takes every text");
            }
        }
        Ok(out)
    }
}

impl RowsForm for Expanded {
    fn is_streaming(&self) -> bool {
        true
    }

    fn begin(&mut self, info: &ResultInfo) -> Result<()> {
        let schema = info.visible_schema();
        self.names = schema.fields().iter().map(|field| field.name().clone()).collect();
        self.texts = column_texts(&schema, info.zone);
        Ok(())
    }

    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let text = self.draw(rows)?;
        screen::put_rows(text.as_bytes()).map_err(output_error)
    }

    fn end(&mut self) -> Result<()> {
        if self.count == 0 {
            return screen::put_rows(b"0 rows\n").map_err(output_error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, StringArray};
    use std::sync::Arc;

    #[test]
    fn values_stand_beside_their_names() {
        let column = |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let rows = RecordBatch::try_from_iter([("a", column(Some("x\u{1b}"))), ("long", column(None))]).unwrap();
        let mut form = Expanded::new();
        form.begin(&ResultInfo::of_rows(rows.schema(), chrono_tz::Tz::UTC)).unwrap();
        assert_eq!(form.draw(&rows).unwrap(), "-[ RECORD 1 ]----\na    | x\u{fffd}\nlong | NULL\n");
    }
}
