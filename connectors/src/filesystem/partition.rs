//! Partition folders in Hive's form, `key=value/key=value`, written and read.

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field};
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{Error, Result, SqlField};
use std::sync::Arc;

/// Characters that Hive escapes in folder names.
fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7F || b"\"#%'*/:=?\\{[]^".contains(&byte)
}

/// Appends `text` with Hive's escapes.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(byte) if is_escaped(byte) => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(c),
        }
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%')
            .then(|| tail.get(..2).and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok()))
            .flatten();
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

/// Writes partition paths of rows.
pub(super) struct PartitionPath {
    /// Name with escapes, and how values become text.
    columns: Vec<(String, ColumnText)>,
    default_name: String,
}

impl PartitionPath {
    pub(super) fn new(fields: &[Arc<Field>], default_name: &str) -> Self {
        let style = TextStyle { true_text: "true", false_text: "false", ..TextStyle::default() };
        let column = |field: &Arc<Field>| {
            let mut name = String::new();
            escape(field.name(), &mut name);
            (name, ColumnText::new(field, &style))
        };
        Self { columns: fields.iter().map(column).collect(), default_name: default_name.to_string() }
    }

    /// `key=value/key=value` of row `row`.
    pub(super) fn of(&self, columns: &[ArrayRef], row: usize) -> Result<String> {
        let (mut path, mut value) = (String::new(), String::new());
        for ((name, text), column) in self.columns.iter().zip(columns) {
            value.clear();
            text.append(column, row, &mut value)?;
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            path.push('=');
            if value.is_empty() { path.push_str(&self.default_name) } else { escape(&value, &mut path) }
        }
        Ok(path)
    }
}

/// The value of partition column `field` that the path of a file names, as an array of one value.
///
/// # Errors
/// `filesystem.partition` when the path has no such folder, or one whose value is not of the column's type.
pub(super) fn value_of(path: &str, field: &Field, default_name: &str) -> Result<ArrayRef> {
    let mut folders = path.split('/').filter_map(|folder| folder.split_once('='));
    let Some((_, value)) = folders.find(|(key, _)| unescape(key) == *field.name()) else {
        return Err(Error::data(
            "filesystem.partition",
            format!("file \"{path}\" lies in no folder \"{}=...\"", field.name()),
        )
        .hint("move it into a partition folder, or leave PARTITIONED BY out"));
    };
    let value = (value != default_name).then(|| unescape(value));
    let text = StringArray::from(vec![value.as_deref()]);
    let wrong = || {
        Error::data(
            "filesystem.partition",
            format!(
                "partition \"{}={}\" is no {}",
                field.name(),
                value.as_deref().unwrap_or_default(),
                SqlField::from_arrow(field).map_or(field.data_type().to_string(), |f| f.sql_type.to_string())
            ),
        )
        .hint("rename the folder or change the column's type")
    };
    if value.is_none() && !field.is_nullable() {
        return Err(wrong());
    }
    let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
    match field.data_type() {
        DataType::Utf8 => Ok(Arc::new(text)),
        DataType::Binary => Ok(arrow::compute::cast(&text, &DataType::Binary)?),
        data_type => arrow::compute::cast_with_options(&text, data_type, &options).map_err(|_| wrong()),
    }
}

/// Key and value of each folder of a partition path.
pub(super) fn pairs(path: &str) -> Vec<(String, String)> {
    path.split('/').filter_map(|folder| folder.split_once('=')).map(|(k, v)| (unescape(k), unescape(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Date32Array, Int32Array};
    use arrow::datatypes::Int32Type;

    #[test]
    fn values_survive_as_folder_names() {
        let fields: Vec<Arc<Field>> = vec![
            Arc::new(Field::new("a b", DataType::Utf8, true)),
            Arc::new(Field::new("n", DataType::Int32, true)),
            Arc::new(Field::new("day", DataType::Date32, true)),
        ];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("x/y=z:1%é"), None])),
            Arc::new(Int32Array::from(vec![Some(-7), None])),
            Arc::new(Date32Array::from(vec![Some(0), Some(1)])),
        ];
        let paths = PartitionPath::new(&fields, "none");
        let first = paths.of(&columns, 0).unwrap();
        assert_eq!(first, "a b=x%2Fy%3Dz%3A1%25é/n=-7/day=1970-01-01");
        assert_eq!(paths.of(&columns, 1).unwrap(), "a b=none/n=none/day=1970-01-02");
        for (field, column) in fields.iter().zip(&columns) {
            let value = value_of(&format!("{first}/part-0"), field, "none").unwrap();
            assert_eq!(&value, &column.slice(0, 1));
        }
        assert!(value_of("n=none/x", &fields[1], "none").unwrap().as_primitive::<Int32Type>().is_null(0));
        use arrow::array::Array;
    }

    #[test]
    fn folders_that_do_not_fit_are_refused() {
        let field = Field::new("n", DataType::Int32, true);
        assert!(value_of("x", &field, "none").unwrap_err().to_string().contains("lies in no folder"));
        assert!(value_of("n=two/x", &field, "none").unwrap_err().to_string().contains("is no INT"));
    }
}
