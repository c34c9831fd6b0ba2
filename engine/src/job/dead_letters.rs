//! Records that could not be decoded, as rows.

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{Schema, SchemaRef};
use freshet_connector_api::DeadLetter;
use freshet_types::{ChangeBatch, Result, SqlField, SqlType};
use std::sync::{Arc, LazyLock};

/// Columns of the dead-letter table: the record as it came, where it came from, what is wrong with it, when it came.
pub fn dead_letter_fields() -> Vec<SqlField> {
    vec![
        SqlField::new("raw", SqlType::BYTES),
        SqlField::new("source", SqlType::STRING),
        SqlField::new("split", SqlType::STRING),
        SqlField::new("offset", SqlType::STRING),
        SqlField::new("reason", SqlType::STRING),
        SqlField::new("time", SqlType::TimestampLtz(3)),
    ]
}

static SCHEMA: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(dead_letter_fields().iter().map(SqlField::to_arrow).collect::<Vec<_>>())));

/// The rows that stand for `dead` records of `table`.
pub(crate) fn rows(table: &str, dead: &[DeadLetter], now_ms: i64) -> Result<ChangeBatch> {
    let texts = |text: &dyn Fn(&DeadLetter) -> String| -> ArrayRef {
        Arc::new(dead.iter().map(|letter| Some(text(letter))).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(dead.iter().map(|letter| Some(letter.raw.as_slice())).collect::<BinaryArray>()),
        texts(&|_| table.to_owned()),
        texts(&|letter| letter.split.to_string()),
        texts(&|letter| letter.offset.0.clone()),
        texts(&|letter| letter.reason.clone()),
        Arc::new(TimestampMillisecondArray::from(vec![now_ms; dead.len()]).with_timezone("UTC")),
    ];
    Ok(ChangeBatch::inserts(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?))
}
