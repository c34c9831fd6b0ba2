//! One row per line: CSV, PostgreSQL's COPY text, JSON.

use super::column_texts;
use super::final_rows::RowsForm;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use chrono_tz::Tz;
use freshet_server::ResultInfo;
use freshet_types::text::ColumnText;
use freshet_types::{Error, Result};
use std::io::Write;

/// What differs between the forms.
pub(crate) trait Lines: Send {
    /// What stands before the first row.
    fn header(&self, schema: &Schema, out: &mut String);
    /// Appends one value; `text` is empty for NULL.
    fn value(&self, place: &Place<'_>, text: &str, out: &mut String);
    /// What stands before and behind each row.
    fn around(&self) -> (&'static str, &'static str) {
        ("", "\n")
    }
}

/// Where a value stands.
pub(crate) struct Place<'a> {
    column: usize,
    name: &'a str,
    data_type: &'a DataType,
    is_null: bool,
}

/// Comma-separated values.
pub(crate) struct CsvLines;

impl Lines for CsvLines {
    fn header(&self, schema: &Schema, out: &mut String) {
        for (column, field) in schema.fields().iter().enumerate() {
            let place = Place { column, name: field.name(), data_type: &DataType::Utf8, is_null: false };
            self.value(&place, field.name(), out);
        }
        out.push('\n');
    }

    fn value(&self, place: &Place<'_>, text: &str, out: &mut String) {
        if place.column > 0 {
            out.push(',');
        }
        // An empty text is quoted, so that it can be told from NULL.
        if text.contains([',', '"', '\n', '\r']) || (text.is_empty() && !place.is_null) {
            out.push('"');
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(text);
        }
    }
}

/// PostgreSQL's COPY text form.
pub(crate) struct TsvLines;

impl Lines for TsvLines {
    fn header(&self, _schema: &Schema, _out: &mut String) {}

    fn value(&self, place: &Place<'_>, text: &str, out: &mut String) {
        if place.column > 0 {
            out.push('\t');
        }
        if place.is_null {
            return out.push_str("\\N");
        }
        match place.data_type {
            DataType::Boolean => return out.push(if text == "true" { 't' } else { 'f' }),
            DataType::Binary | DataType::BinaryView | DataType::FixedSizeBinary(_) => out.push_str("\\\\x"),
            _ => {}
        }
        for c in text.chars() {
            match c {
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\\' => out.push_str("\\\\"),
                c => out.push(c),
            }
        }
    }
}

/// One JSON object per line.
pub(crate) struct JsonLines;

impl Lines for JsonLines {
    fn header(&self, _schema: &Schema, _out: &mut String) {}

    fn value(&self, place: &Place<'_>, text: &str, out: &mut String) {
        let quoted = |text: &str| serde_json::to_string(text).expect("text is always valid JSON");
        out.push_str(if place.column > 0 { "," } else { "" });
        out.push_str(&quoted(place.name));
        out.push(':');
        let is_bare = match place.data_type {
            DataType::Boolean => true,
            t if t.is_integer() || matches!(t, DataType::Decimal128(..)) => true,
            t if t.is_floating() => !text.contains(['N', 'I']),
            _ => false,
        };
        match place.is_null {
            true => out.push_str("null"),
            false if is_bare => out.push_str(text),
            false => out.push_str(&quoted(text)),
        }
    }

    fn around(&self) -> (&'static str, &'static str) {
        ("{", "}\n")
    }
}

/// Writes rows as lines of one form.
pub(crate) struct LineForm<L> {
    lines: L,
    zone: Tz,
    texts: Vec<ColumnText>,
    out: Box<dyn Write + Send>,
}

impl<L: Lines> LineForm<L> {
    pub(crate) fn new(lines: L, zone: Tz) -> Self {
        Self::to(lines, zone, Box::new(std::io::stdout()))
    }

    pub(crate) fn to(lines: L, zone: Tz, out: Box<dyn Write + Send>) -> Self {
        Self { lines, zone, texts: Vec::new(), out }
    }

    fn put(&mut self, text: &str) -> Result<()> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).map_err(output_error)
    }
}

/// The error of a standard output that takes no more.
pub(crate) fn output_error(e: std::io::Error) -> Error {
    Error::unavailable("output.closed", "standard output takes no more rows").because(e)
}

impl<L: Lines> RowsForm for LineForm<L> {
    fn is_streaming(&self) -> bool {
        true
    }

    fn begin(&mut self, info: &ResultInfo) -> Result<()> {
        let schema = info.visible_schema();
        self.texts = column_texts(&schema, self.zone);
        let mut header = String::new();
        self.lines.header(&schema, &mut header);
        self.put(&header)
    }

    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let schema = rows.schema();
        let (before, behind) = self.lines.around();
        let (mut out, mut text) = (String::new(), String::new());
        for row in 0..rows.num_rows() {
            out.push_str(before);
            for (column, field) in schema.fields().iter().enumerate() {
                let array = rows.column(column);
                text.clear();
                self.texts[column].append(array.as_ref(), row, &mut text)?;
                let is_null = array.is_null(row);
                self.lines.value(
                    &Place { column, name: field.name(), data_type: field.data_type(), is_null },
                    &text,
                    &mut out,
                );
            }
            out.push_str(behind);
        }
        self.put(&out)
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_tells_null_from_empty() {
        let write = |lines: &dyn Lines, text: &str, is_null| {
            let mut out = String::new();
            lines.value(&Place { column: 0, name: "a", data_type: &DataType::Utf8, is_null }, text, &mut out);
            out
        };
        assert_eq!(
            [write(&CsvLines, "", true), write(&CsvLines, "", false), write(&CsvLines, "a\"b", false)],
            ["", "\"\"", "\"a\"\"b\""]
        );
        assert_eq!(
            [write(&TsvLines, "", true), write(&TsvLines, "", false), write(&TsvLines, "a\tb\\", false)],
            ["\\N", "", "a\\tb\\\\"]
        );
        assert_eq!([write(&JsonLines, "", true), write(&JsonLines, "a\"", false)], ["\"a\":null", "\"a\":\"a\\\"\""]);
    }
}
