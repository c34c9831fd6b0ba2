//! How the rows of a SELECT look on standard output.
//!
//! Every form but `changelog` gives the final rows; the forms that can do so write append-only rows as they come.

mod changelog;
mod final_rows;
mod lines;
mod table;

pub(crate) use changelog::ChangelogWriter;
pub(crate) use final_rows::FinalRows;
pub(crate) use lines::{CsvLines, JsonLines, LineForm, TsvLines};
pub(crate) use table::BoxTable;

use arrow::datatypes::Schema;
use chrono_tz::Tz;
use freshet_server::ResultWriter;
use freshet_types::text::{ColumnText, TextStyle};

/// The forms of `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputForm {
    /// Boxes for people
    Table,
    /// Comma-separated, with a header line
    Csv,
    /// PostgreSQL's COPY text form: tabs, \N for NULL, no header
    Tsv,
    /// One JSON object per line
    Json,
    /// Every change with its kind: +I and -D
    Changelog,
}

/// A writer of `form` to standard output.
pub(crate) fn writer(form: OutputForm, zone: Tz) -> Box<dyn ResultWriter> {
    match form {
        OutputForm::Table => Box::new(FinalRows::new(Box::new(BoxTable::new(zone)))),
        OutputForm::Csv => Box::new(FinalRows::new(Box::new(LineForm::new(CsvLines, zone)))),
        OutputForm::Tsv => Box::new(FinalRows::new(Box::new(LineForm::new(TsvLines, zone)))),
        OutputForm::Json => Box::new(FinalRows::new(Box::new(LineForm::new(JsonLines, zone)))),
        OutputForm::Changelog => Box::new(ChangelogWriter::new(zone)),
    }
}

/// Column writers in the style of a terminal: `true`, `NULL`, a blank between date and time.
fn column_texts(schema: &Schema, zone: Tz) -> Vec<ColumnText> {
    let style = TextStyle { true_text: "true", false_text: "false", zone, ..TextStyle::default() };
    schema.fields().iter().map(|field| ColumnText::new(field, &style)).collect()
}
