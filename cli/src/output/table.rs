//! Boxes for people: a header with types, numbers on the right, long results cut in the middle.

use super::final_rows::RowsForm;
use super::{column_texts, harmless};
use crate::screen;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use chrono_tz::Tz;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use freshet_server::ResultInfo;
use freshet_types::text::is_null;
use freshet_types::{Result, SqlField};
use std::io::IsTerminal;

/// Rows shown of a long result on a terminal, half from each end.
const ROWS_SHOWN: usize = 200;

/// Gathers rows and draws one box.
#[derive(Default)]
pub(crate) struct BoxTable {
    info: Option<ResultInfo>,
    rows: Vec<RecordBatch>,
}

impl BoxTable {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl RowsForm for BoxTable {
    fn is_streaming(&self) -> bool {
        false
    }

    fn begin(&mut self, info: &ResultInfo) -> Result<()> {
        self.info = Some(info.clone());
        Ok(())
    }

    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows.push(rows.clone());
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let info = self.info.as_ref().expect("a result starts before it ends");
        let rows = concat_batches(&info.visible_schema(), &self.rows)?;
        // A file takes them all; a person looks at both ends.
        let shown = if std::io::stdout().is_terminal() { ROWS_SHOWN } else { usize::MAX };
        let text = draw(&rows, info.zone, shown)?;
        screen::put_rows(text.as_bytes()).map_err(super::output_error)
    }
}

/// Draws rows as a box, with the number of rows below it; of more than `rows_shown` only those at both ends.
pub(crate) fn draw(rows: &RecordBatch, zone: Tz, rows_shown: usize) -> Result<String> {
    let schema = rows.schema();
    let texts = column_texts(&schema, zone);
    let types: Vec<_> = schema.fields().iter().map(|f| SqlField::from_arrow(f).map(|f| f.sql_type)).collect();
    let right = |column: usize| types[column].as_ref().is_some_and(|t| t.is_numeric());
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(schema.fields().iter().zip(&types).map(|(field, sql_type)| {
        let type_name = sql_type.as_ref().map_or_else(|| field.data_type().to_string(), ToString::to_string);
        Cell::new(format!("{}\n{type_name}", field.name())).set_alignment(CellAlignment::Center)
    }));
    let count = rows.num_rows();
    let half = rows_shown / 2;
    let shown: Vec<usize> =
        if count <= rows_shown { (0..count).collect() } else { (0..half).chain(count - half..count).collect() };
    for (i, row) in shown.iter().enumerate() {
        if count > rows_shown && i == half {
            table.add_row(schema.fields().iter().map(|_| Cell::new("...").set_alignment(CellAlignment::Center)));
        }
        let mut cells = Vec::with_capacity(texts.len());
        for (column, text) in texts.iter().enumerate() {
            let mut value = String::new();
            text.append(rows.column(column).as_ref(), *row, &mut value)?;
            if is_null(rows.column(column), *row) {
                value.push_str("NULL");
            }
            cells.push(Cell::new(harmless(&value)).set_alignment(if right(column) {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            }));
        }
        table.add_row(cells);
    }
    let note = match (count, count > rows_shown) {
        (1, _) => "1 row".to_string(),
        (n, false) => format!("{n} rows"),
        (n, true) => format!("{n} rows ({} shown)", 2 * half),
    };
    Ok(format!("{table}\n{note}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use std::sync::Arc;

    #[test]
    fn a_box_shows_names_types_and_null() {
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 22])), Arc::new(StringArray::from(vec![Some("\u{1b}[2J"), None]))];
        let text = draw(&RecordBatch::try_new(Arc::new(schema), columns).unwrap(), Tz::UTC, 9).unwrap();
        for part in ["BIGINT", "STRING", "NULL", "\u{fffd}[2J", "2 rows"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
