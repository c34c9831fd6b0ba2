//! One row per line: CSV, PostgreSQL's COPY text, JSON.

use super::final_rows::RowsForm;
use super::{column_texts, style};
use crate::screen;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use freshet_server::ResultInfo;
use freshet_types::text::{ColumnText, TextStyle, is_null};
use freshet_types::{Error, Result};
use std::io::Write;

/// What differs between the forms.
pub(crate) trait Lines: Send {
    /// What stands before the first row.
    fn header(&self, schema: &Schema, out: &mut String);
    /// Appends one value.
    ///
    /// # Errors
    /// `text.type` for a type that cannot be written.
    fn value(&self, value: &Value<'_>, out: &mut String) -> Result<()>;
    /// What stands before and behind each row.
    fn around(&self) -> (&'static str, &'static str) {
        ("", "\n")
    }
}

/// A value, and where it stands.
pub(crate) struct Value<'a> {
    column: usize,
    field: &'a Field,
    array: &'a dyn Array,
    row: usize,
    text: &'a ColumnText,
    style: &'a TextStyle,
}

impl Value<'_> {
    fn is_null(&self) -> bool {
        is_null(self.array, self.row)
    }

    /// Its text; empty for NULL.
    fn text(&self) -> Result<String> {
        let mut text = String::new();
        self.text.append(self.array, self.row, &mut text)?;
        Ok(text)
    }
}

/// Comma-separated values.
pub(crate) struct CsvLines;

impl CsvLines {
    fn field(column: usize, text: &str, is_null: bool, out: &mut String) {
        if column > 0 {
            out.push(',');
        }
        // An empty text is quoted, so that it can be told from NULL.
        if text.contains([',', '"', '\n', '\r']) || (text.is_empty() && !is_null) {
            out.push('"');
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(text);
        }
    }
}

impl Lines for CsvLines {
    fn header(&self, schema: &Schema, out: &mut String) {
        for (column, field) in schema.fields().iter().enumerate() {
            Self::field(column, field.name(), false, out);
        }
        out.push('\n');
    }

    fn value(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        Self::field(value.column, &value.text()?, value.is_null(), out);
        Ok(())
    }
}

/// PostgreSQL's COPY text form.
pub(crate) struct TsvLines;

impl Lines for TsvLines {
    fn header(&self, _schema: &Schema, _out: &mut String) {}

    fn value(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        if value.column > 0 {
            out.push('\t');
        }
        if value.is_null() {
            out.push_str("\\N");
            return Ok(());
        }
        let text = value.text()?;
        match value.field.data_type() {
            DataType::Boolean => {
                out.push(if text == "true" { 't' } else { 'f' });
                return Ok(());
            }
            t if is_binary(t) => out.push_str("\\\\x"),
            _ => {}
        }
        for c in text.chars() {
            match c {
                '\u{8}' => out.push_str("\\b"),
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                '\r' => out.push_str("\\r"),
                '\\' => out.push_str("\\\\"),
                c => out.push(c),
            }
        }
        Ok(())
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// One JSON object per line: numbers bare, ARRAY as array, ROW and MAP as objects, everything else as text.
pub(crate) struct JsonLines;

impl Lines for JsonLines {
    fn header(&self, _schema: &Schema, _out: &mut String) {}

    fn value(&self, value: &Value<'_>, out: &mut String) -> Result<()> {
        out.push_str(if value.column > 0 { "," } else { "" });
        json_text(value.field.name(), out);
        out.push(':');
        json(value.array, value.row, value.text, value.style, out)
    }

    fn around(&self) -> (&'static str, &'static str) {
        ("{", "}\n")
    }
}

fn json_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("text is always valid JSON"));
}

fn json(array: &dyn Array, row: usize, text: &ColumnText, style: &TextStyle, out: &mut String) -> Result<()> {
    if is_null(array, row) {
        out.push_str("null");
        return Ok(());
    }
    let of = |field: &Field| ColumnText::new(field, style);
    match array.data_type() {
        DataType::List(item) => {
            let (values, item) = (array.as_list::<i32>().value(row), of(item));
            out.push('[');
            for i in 0..values.len() {
                out.push_str(if i > 0 { "," } else { "" });
                json(values.as_ref(), i, &item, style, out)?;
            }
            out.push(']');
        }
        DataType::Struct(fields) => {
            out.push('{');
            for (i, (field, part)) in fields.iter().zip(array.as_struct().columns()).enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                json_text(field.name(), out);
                out.push(':');
                json(part.as_ref(), row, &of(field), style, out)?;
            }
            out.push('}');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let [key, item] = [0, 1].map(|i| of(&entries.fields()[i]));
            out.push('{');
            for i in 0..entries.len() {
                out.push_str(if i > 0 { "," } else { "" });
                let mut name = String::new();
                key.append(entries.column(0).as_ref(), i, &mut name)?;
                json_text(&name, out);
                out.push(':');
                json(entries.column(1).as_ref(), i, &item, style, out)?;
            }
            out.push('}');
        }
        data_type => {
            let mut plain = String::new();
            text.append(array, row, &mut plain)?;
            let is_bare = match data_type {
                DataType::Boolean => true,
                t if t.is_integer() || matches!(t, DataType::Decimal128(..)) => true,
                t if t.is_floating() => !plain.contains(['N', 'I']),
                _ => false,
            };
            if is_bare {
                out.push_str(&plain);
            } else {
                json_text(&plain, out);
            }
        }
    }
    Ok(())
}

/// Writes rows as lines of one form.
pub(crate) struct LineForm<L> {
    lines: L,
    style: TextStyle,
    texts: Vec<ColumnText>,
    out: Option<Box<dyn Write + Send>>,
}

impl<L: Lines> LineForm<L> {
    /// Lines to standard output.
    pub(crate) fn new(lines: L) -> Self {
        Self { lines, style: TextStyle::default(), texts: Vec::new(), out: None }
    }

    #[cfg(test)]
    pub(crate) fn to(lines: L, out: Box<dyn Write + Send>) -> Self {
        Self { out: Some(out), ..Self::new(lines) }
    }

    fn put(&mut self, text: &str) -> Result<()> {
        let put = match &mut self.out {
            Some(out) => out.write_all(text.as_bytes()),
            None => screen::put_rows(text.as_bytes()),
        };
        put.map_err(output_error)
    }
}

/// The error of a standard output that takes no more.
pub(crate) fn output_error(e: std::io::Error) -> Error {
    let error = Error::unavailable("output.closed", "standard output takes no more rows");
    match e.kind() {
        std::io::ErrorKind::BrokenPipe => error.because(e),
        _ => Error::unavailable("output.failed", "the rows cannot be written")
            .because(e)
            .hint("free some space, or write somewhere else"),
    }
}

impl<L: Lines> RowsForm for LineForm<L> {
    fn is_streaming(&self) -> bool {
        true
    }

    fn begin(&mut self, info: &ResultInfo) -> Result<()> {
        let schema = info.visible_schema();
        self.style = style(info.zone);
        self.texts = column_texts(&schema, info.zone);
        let mut header = String::new();
        self.lines.header(&schema, &mut header);
        self.put(&header)
    }

    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let schema = rows.schema();
        let (before, behind) = self.lines.around();
        let mut out = String::new();
        for row in 0..rows.num_rows() {
            out.push_str(before);
            for (column, field) in schema.fields().iter().enumerate() {
                let array = rows.column(column).as_ref();
                let (text, style) = (&self.texts[column], &self.style);
                self.lines.value(&Value { column, field, array, row, text, style }, &mut out)?;
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
    use arrow::array::{BinaryArray, StringArray};

    fn write(lines: &dyn Lines, array: &dyn Array) -> String {
        let field = Field::new("a", array.data_type().clone(), true);
        let style = style(chrono_tz::Tz::UTC);
        let text = ColumnText::new(&field, &style);
        let mut out = String::new();
        lines.value(&Value { column: 0, field: &field, array, row: 0, text: &text, style: &style }, &mut out).unwrap();
        out
    }

    #[test]
    fn each_form_tells_null_from_empty() {
        let text = |text: Option<&str>| StringArray::from(vec![text]);
        let (null, empty) = (text(None), text(Some("")));
        assert_eq!(
            [write(&CsvLines, &null), write(&CsvLines, &empty), write(&CsvLines, &text(Some("a\"b")))],
            ["", "\"\"", "\"a\"\"b\""]
        );
        assert_eq!([write(&TsvLines, &null), write(&TsvLines, &empty)], ["\\N", ""]);
        let untyped = arrow::array::NullArray::new(1);
        assert_eq!(
            [write(&CsvLines, &untyped), write(&TsvLines, &untyped), write(&JsonLines, &untyped)],
            ["", "\\N", "\"a\":null"]
        );
        assert_eq!(
            [write(&JsonLines, &null), write(&JsonLines, &text(Some("a\"")))],
            ["\"a\":null", "\"a\":\"a\\\"\""]
        );
    }

    #[test]
    fn copy_text_escapes_what_postgresql_escapes() {
        let text = StringArray::from(vec![Some("a\tb\\c\nd\re\u{8}f\u{b}g\u{c}h")]);
        assert_eq!(write(&TsvLines, &text), "a\\tb\\\\c\\nd\\re\\bf\\vg\\fh");
        assert_eq!(write(&TsvLines, &BinaryArray::from(vec![Some(&b"\x00\xff"[..])])), "\\\\x00ff");
    }
}
