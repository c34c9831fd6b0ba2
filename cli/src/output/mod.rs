//! How the rows of a SELECT look on standard output.
//!
//! Every form but `changelog` gives the final rows; the forms that can do so write append-only rows as they come.

mod changelog;
mod expanded;
mod final_rows;
mod lines;
mod live;
mod table;

pub(crate) use changelog::ChangelogWriter;
pub(crate) use expanded::Expanded;
pub(crate) use final_rows::FinalRows;
pub(crate) use lines::{CsvLines, JsonLines, LineForm, TsvLines, output_error};
pub(crate) use live::LiveTable;
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

/// A form, and what a shell has changed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// One of those of `--output`.
    pub(crate) output: OutputForm,
    /// Whether tables are written with one line per value.
    pub(crate) is_expanded: bool,
}

impl Form {
    pub(crate) fn new(output: OutputForm) -> Self {
        Self { output, is_expanded: false }
    }

    pub(crate) fn changelog() -> Self {
        Self::new(OutputForm::Changelog)
    }

    pub(crate) fn is_table(self) -> bool {
        self.output == OutputForm::Table
    }
}

/// A writer of `form` to standard output.
pub(crate) fn writer(form: Form) -> Box<dyn ResultWriter> {
    match form.output {
        OutputForm::Table if form.is_expanded => Box::new(FinalRows::new(Box::new(Expanded::new()))),
        OutputForm::Table => Box::new(FinalRows::new(Box::new(BoxTable::new()))),
        OutputForm::Csv => Box::new(FinalRows::new(Box::new(LineForm::new(CsvLines)))),
        OutputForm::Tsv => Box::new(FinalRows::new(Box::new(LineForm::new(TsvLines)))),
        OutputForm::Json => Box::new(FinalRows::new(Box::new(LineForm::new(JsonLines)))),
        OutputForm::Changelog => Box::new(ChangelogWriter::new()),
    }
}

/// The text of a terminal: `true`, `NULL`, a blank between date and time.
fn style(zone: Tz) -> TextStyle {
    TextStyle { true_text: "true", false_text: "false", zone, ..TextStyle::default() }
}

/// Column writers in the style of a terminal.
fn column_texts(schema: &Schema, zone: Tz) -> Vec<ColumnText> {
    let style = style(zone);
    schema.fields().iter().map(|field| ColumnText::new(field, &style)).collect()
}

/// Text that a terminal shows and does not obey: control characters came from data.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
