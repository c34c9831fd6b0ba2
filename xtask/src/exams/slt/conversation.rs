//! A session that goes on from script to script, as a sqllogictest file asks for.

use crate::exams::session::{follow, options, temporary};
use freshet_server::{Session, SessionOptions};
use freshet_types::text::{ColumnText, TextStyle, is_null};
use freshet_types::{ChangeBatch, Error, Result};
use std::path::Path;

/// The session and its folder.
pub(crate) struct ExamSession {
    session: Session,
    folder: tempfile::TempDir,
}

impl ExamSession {
    /// A session over an empty folder.
    pub(crate) fn new() -> Result<Self> {
        let folder = temporary()?;
        let session = Session::new(SessionOptions { is_interactive: true, ..options(folder.path(), 1) })?;
        Ok(Self { session, folder })
    }

    /// Where files of the case may lie.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a script; gives the rows of its last query.
    pub(crate) fn rows(&mut self, script: &str) -> Result<ExamAnswer> {
        let follower = follow(&mut self.session, script)?;
        let rows = std::mem::take(&mut *follower.rows.lock().expect("no writer panicked"));
        Ok(ExamAnswer { rows })
    }

    /// Runs a statement in each of some databases, and returns to the first.
    pub(crate) fn in_each(&mut self, databases: &[&str], statement: &str) -> Result<()> {
        for database in databases {
            self.rows(&format!("USE {database}; {statement}"))?;
        }
        self.rows(&format!("USE {};", databases[0])).map(drop)
    }
}

/// Rows of a query, in their order.
pub(crate) struct ExamAnswer {
    rows: Vec<ChangeBatch>,
}

impl ExamAnswer {
    /// Values as text; none where NULL stands.
    pub(crate) fn texts(&self) -> Result<Vec<Vec<Option<String>>>> {
        let style = TextStyle::default();
        let mut texts = Vec::new();
        for batch in &self.rows {
            let schema = batch.schema();
            for row in 0..batch.row_count() {
                let mut cells = Vec::new();
                for (i, field) in schema.fields().iter().enumerate() {
                    let array = batch.column(i);
                    let mut text = String::new();
                    cells.push(if is_null(array, row) {
                        None
                    } else {
                        ColumnText::new(field, &style).append(array.as_ref(), row, &mut text)?;
                        Some(text)
                    });
                }
                let weight = usize::try_from(batch.weight(row)).map_err(|_| {
                    Error::internal("exam.negative", format!("row {cells:?} is left with a negative weight"))
                })?;
                texts.extend(std::iter::repeat_n(cells, weight));
            }
        }
        Ok(texts)
    }
}
