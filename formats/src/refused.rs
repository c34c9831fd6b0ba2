//! Rows of a file in the columns that are asked for; a row that does not fit is told by itself, so that it costs no other.

use crate::RefusedRow;
use crate::adapt::select;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use freshet_types::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use std::collections::VecDeque;

/// What was read and not handed out yet.
#[derive(Default)]
pub(crate) struct Converted {
    ready: VecDeque<std::result::Result<RecordBatch, (Error, Vec<u8>)>>,
    /// Whether the row in front, which is refused, was announced.
    announced: bool,
}

impl Converted {
    /// Adds rows as the file holds them.
    ///
    /// # Errors
    /// What is no fault of a row.
    pub(crate) fn add(&mut self, rows: &RecordBatch, asked: &SchemaRef) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        match select(rows, asked) {
            Ok(rows) => self.ready.push_back(Ok(rows)),
            Err(e) if e.kind() != ErrorKind::Data => return Err(e),
            Err(e) if rows.num_rows() == 1 => self.ready.push_back(Err((e, shown(rows)))),
            Err(_) => {
                let half = rows.num_rows() / 2;
                self.add(&rows.slice(0, half), asked)?;
                self.add(&rows.slice(half, rows.num_rows() - half), asked)?;
            }
        }
        Ok(())
    }

    /// At most `rows` rows, as [`crate::FileReader::next`] gives them; none when nothing is left.
    ///
    /// # Errors
    /// Why a row is refused that nobody took.
    pub(crate) fn next(&mut self, rows: usize, asked: &SchemaRef) -> Result<Option<RecordBatch>> {
        match self.ready.pop_front() {
            None => Ok(None),
            Some(Ok(batch)) if batch.num_rows() > rows => {
                self.ready.push_front(Ok(batch.slice(rows, batch.num_rows() - rows)));
                Ok(Some(batch.slice(0, rows)))
            }
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err((e, _))) if self.announced => {
                self.announced = false;
                Err(e)
            }
            Some(refused) => {
                self.announced = true;
                self.ready.push_front(refused);
                Ok(Some(RecordBatch::new_empty(SchemaRef::clone(asked))))
            }
        }
    }

    /// The refused row in front.
    pub(crate) fn take_refused(&mut self) -> Option<RefusedRow> {
        let (e, raw) = self.ready.pop_front_if(|front| front.is_err())?.err()?;
        self.announced = false;
        Some(RefusedRow { raw, reason: e.to_string() })
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The values of a row as JSON text: the file's own bytes hold them in many places.
fn shown(row: &RecordBatch) -> Vec<u8> {
    let mut values = Map::new();
    for (field, column) in row.schema().fields().iter().zip(row.columns()) {
        let options = FormatOptions::default();
        let text = match ArrayFormatter::try_new(column, &options) {
            Ok(formatter) if !column.is_empty() && column.is_valid(0) => Value::String(formatter.value(0).to_string()),
            _ => Value::Null,
        };
        values.insert(field.name().clone(), text);
    }
    serde_json::to_vec(&values).unwrap_or_default()
}
