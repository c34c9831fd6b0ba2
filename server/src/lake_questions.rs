//! What `freshet lake` asks: snapshots, files, the proof that a table is whole, and chores that keep it good to read.

use crate::text_rows::text_rows;
use arrow::array::RecordBatch;
use freshet_lake::maintain::{self, CHORES};
use freshet_lake::{LakeTable, listing, verify};
use freshet_sql::catalog::{Catalog, ResolvedTable};
use freshet_types::{Error, OptionSpec, Options, Result, Watermark};

/// A question about a lake table.
#[derive(Debug, Clone)]
pub enum LakeQuestion {
    /// Is every file there once, and are checkpoints consecutive?
    Verify,
    /// Which snapshots are there?
    Snapshots,
    /// Which data files has the current snapshot?
    Files,
    /// Do one of [`lake_chores`].
    Chore {
        /// Its name.
        name: String,
        /// Options of this run.
        options: Options,
    },
}

/// The chores of lake tables: name, one sentence, options.
pub fn lake_chores() -> impl Iterator<Item = (&'static str, &'static str, &'static [OptionSpec])> {
    CHORES.iter().map(|chore| (chore.name(), chore.doc(), chore.options()))
}

/// Rows for a person, and how many of them name a problem.
#[derive(Debug, Clone)]
pub struct LakeAnswer {
    /// The rows.
    pub rows: RecordBatch,
    /// Number of problems found.
    pub problems: usize,
}

/// Answers `question` about the table of this name.
pub(crate) fn answer(catalog: &Catalog, question: &LakeQuestion, name: &[String]) -> Result<LakeAnswer> {
    let not_lake = || {
        Error::invalid("lake.not_a_lake_table", format!("\"{}\" is not a lake table", name.join(".")))
            .hint("name a table of a lake; SHOW TABLES lists them")
    };
    let ResolvedTable::External { table, .. } = catalog.resolve(name)? else { return Err(not_lake()) };
    let table: &LakeTable = table.as_any().and_then(|t| t.downcast_ref()).ok_or_else(not_lake)?;
    match question {
        LakeQuestion::Verify => verified(table),
        LakeQuestion::Snapshots => Ok(LakeAnswer { rows: snapshots(table), problems: 0 }),
        LakeQuestion::Files => Ok(LakeAnswer { rows: files(table)?, problems: 0 }),
        LakeQuestion::Chore { name, options } => Ok(LakeAnswer { rows: done(table, name, options)?, problems: 0 }),
    }
}

fn text(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

fn verified(table: &LakeTable) -> Result<LakeAnswer> {
    let report = verify::verify(table)?;
    let checked = [
        ("snapshots", report.snapshots.to_string()),
        ("manifests", report.manifests.to_string()),
        ("files", report.files.to_string()),
        ("rows", report.rows.to_string()),
        ("bytes", report.bytes.to_string()),
    ];
    let mut lines: Vec<_> = checked.into_iter().map(|(what, n)| vec![text(what), text(n)]).collect();
    lines.extend(report.problems.iter().map(|p| vec![text("problem"), text(p)]));
    if report.is_sound() {
        lines.push(vec![text("verdict"), text("sound")]);
    }
    Ok(LakeAnswer { rows: text_rows(&["checked", "found"], lines), problems: report.problems.len() })
}

fn done(table: &LakeTable, name: &str, options: &Options) -> Result<RecordBatch> {
    let report = maintain::find(name)?.run(table, options).map_err(|e| e.at("table", table.full_name()))?;
    let counted = [
        ("files added", report.files_added.to_string()),
        ("files removed", report.files_removed.to_string()),
        ("bytes removed", report.bytes_removed.to_string()),
        ("snapshots removed", report.snapshots_removed.to_string()),
    ];
    Ok(text_rows(&["done", "count"], counted.into_iter().map(|(what, n)| vec![text(what), text(n)]).collect()))
}

fn snapshots(table: &LakeTable) -> RecordBatch {
    let lines = listing::snapshots(table).into_iter().map(|s| {
        vec![
            text(s.snapshot_id),
            text(Watermark(s.timestamp_ms)),
            text(&s.operation),
            s.job_id,
            s.checkpoint_id.map(|n| n.to_string()),
            s.added_records.map(|n| n.to_string()),
            s.total_records.map(|n| n.to_string()),
            s.total_data_files.map(|n| n.to_string()),
            text(if s.is_current { "current" } else { "" }),
        ]
    });
    let names = ["snapshot", "time", "operation", "job", "checkpoint", "added rows", "rows", "data files", "is"];
    text_rows(&names, lines.collect())
}

fn files(table: &LakeTable) -> Result<RecordBatch> {
    let lines = listing::files(table)?.into_iter().map(|f| {
        vec![
            text(f.path),
            text(f.content),
            text(f.format),
            text(f.partition),
            text(f.rows),
            text(f.size),
            text(f.snapshot_id),
        ]
    });
    Ok(text_rows(&["file", "content", "format", "partition", "rows", "bytes", "snapshot"], lines.collect()))
}
