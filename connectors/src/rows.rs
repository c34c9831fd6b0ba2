//! Puts columns together to a batch of rows.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use freshet_types::Result;
use std::sync::Arc;

/// A batch that knows its number of rows even without columns, as `SELECT COUNT(*)` asks for.
pub(crate) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, row_count: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(row_count));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
