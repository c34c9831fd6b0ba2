//! Boxes for people: a header with types, numbers on the right, long results cut in the middle.

use super::column_texts;
use super::final_rows::RowsForm;
use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use chrono_tz::Tz;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use freshet_server::ResultInfo;
use freshet_types::{Result, SqlField};
use std::io::Write;

/// Rows shown of a long result, half from each end.
const ROWS_SHOWN: usize = 200;

/// Gathers rows and draws one box.
pub(crate) struct BoxTable {
    zone: Tz,
    info: Option<ResultInfo>,
    rows: Vec<RecordBatch>,
}

impl BoxTable {
    pub(crate) fn new(zone: Tz) -> Self {
        Self { zone, info: None, rows: Vec::new() }
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
        let text = draw(&rows, self.zone)?;
        std::io::stdout().write_all(text.as_bytes()).map_err(super::lines::output_error)
    }
}

/// Draws rows as a box, with the number of rows below it.
pub(crate) fn draw(rows: &RecordBatch, zone: Tz) -> Result<String> {
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
    let shown: Vec<usize> = if count <= ROWS_SHOWN {
        (0..count).collect()
    } else {
        (0..ROWS_SHOWN / 2).chain(count - ROWS_SHOWN / 2..count).collect()
    };
    for (i, row) in shown.iter().enumerate() {
        if count > ROWS_SHOWN && i == ROWS_SHOWN / 2 {
            table.add_row(schema.fields().iter().map(|_| Cell::new("...").set_alignment(CellAlignment::Center)));
        }
        let mut cells = Vec::with_capacity(texts.len());
        for (column, text) in texts.iter().enumerate() {
            let mut value = String::new();
            text.append(rows.column(column).as_ref(), *row, &mut value)?;
            if rows.column(column).is_null(*row) {
                value.push_str("NULL");
            }
            // A terminal must not obey bytes that came from data.
            let value: String =
                value.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
            cells.push(Cell::new(value).set_alignment(if right(column) {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            }));
        }
        table.add_row(cells);
    }
    let note = match (count, count > ROWS_SHOWN) {
        (1, _) => "1 row".to_string(),
        (n, false) => format!("{n} rows"),
        (n, true) => format!("{n} rows ({ROWS_SHOWN} shown)"),
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
        let text = draw(&RecordBatch::try_new(Arc::new(schema), columns).unwrap(), Tz::UTC).unwrap();
        for part in ["BIGINT", "STRING", "NULL", "\u{fffd}[2J", "2 rows"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
