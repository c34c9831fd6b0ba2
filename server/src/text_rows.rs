//! Answers that are tables of text.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

/// A batch of text columns.
pub(crate) fn text_rows(names: &[&str], values: Vec<Vec<Option<String>>>) -> RecordBatch {
    let fields: Vec<Field> = names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect();
    let columns: Vec<ArrayRef> = (0..names.len())
        .map(|i| Arc::new(values.iter().map(|row| row[i].clone()).collect::<StringArray>()) as ArrayRef)
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(values.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .expect("every row has a value for every column")
}
