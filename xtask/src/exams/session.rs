//! Runs a script in a session of its own and gives the final rows of its last query.

use arrow::array::Array;
use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
use arrow::datatypes::{DataType, SchemaRef};
use freshet_server::{Control, JobStatus, Observer, ResultInfo, ResultWriter, Session, SessionOptions};
use freshet_types::text::{ColumnText, TextStyle, is_null};
use freshet_types::{ChangeBatch, Error, ErrorKind, Result};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How values of a set are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowText {
    /// PostgreSQL's COPY text: tabs, `\N`.
    Tsv,
    /// Flink's `Row.toString`: commas, `null`, ISO timestamps without zero seconds.
    FlinkRow,
    /// One JSON object, with sorted keys.
    Json,
}

/// What a script gave.
pub(crate) struct Answer {
    /// Final rows of the last query.
    pub(crate) rows: Vec<String>,
    /// Schema of what it shows, where it ran as a stream.
    pub(crate) schema: Option<SchemaRef>,
    /// What the session told beside them.
    pub(crate) notices: Vec<String>,
}

/// Runs `script`; the session keeps what it needs in a temporary folder.
pub(crate) fn run(script: &str, form: RowText, one_by_one: bool) -> Result<Answer> {
    run_on(script, form, one_by_one, 1)
}

/// The same on `workers` workers.
pub(crate) fn run_on(script: &str, form: RowText, one_by_one: bool, workers: usize) -> Result<Answer> {
    let folder = temporary()?;
    let follower = follow(&mut session(folder.path(), one_by_one, workers)?, script)?;
    let kept = std::mem::take(&mut *follower.rows.lock().expect("no writer panicked"));
    let schema = follower.schema.lock().expect("no writer panicked").take();
    Ok(Answer { rows: texts(kept, form)?, schema, notices: follower.notices })
}

/// Runs the INSERT at the end of `script` again and again, as long as its sources fail, each time on the next of `workers`;
/// gives the rows that the connector `collect` has of `name`, and how often a source failed.
pub(crate) fn run_until_it_ends(
    script: &str,
    name: &str,
    form: RowText,
    workers: &[usize],
) -> Result<(Vec<String>, usize)> {
    let folder = temporary()?;
    for failures in 0..16 {
        match follow(&mut session(folder.path(), true, workers[failures % workers.len()])?, script) {
            Ok(_) => {
                let changes = freshet_testkit::collect::take(name);
                let rows = match changes.first() {
                    Some(first) => texts(vec![ChangeBatch::concat(&first.schema(), &changes)?.consolidate()?], form)?,
                    None => Vec::new(),
                };
                return Ok((rows, failures));
            }
            Err(e) if e.code() == freshet_testkit::events::FAILED => {}
            Err(e) => return Err(e),
        }
    }
    Err(Error::internal("exam.failing", "the sources of the case never stop failing"))
}

/// A folder for what a session keeps.
pub(super) fn temporary() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|e| Error::unavailable("exam.folder", "no temporary folder").because(e))
}

fn session(folder: &Path, one_by_one: bool, workers: usize) -> Result<Session> {
    Session::new(SessionOptions { epoch_rows: one_by_one.then_some(1), ..options(folder, workers) })
}

/// The options of a session that keeps what it needs in `folder`.
pub(super) fn options(folder: &Path, workers: usize) -> SessionOptions {
    SessionOptions {
        data_dir: folder.to_path_buf(),
        workers: Some(workers),
        extra_connectors: vec![&freshet_testkit::events::Events, &freshet_testkit::collect::Collect],
        ..SessionOptions::default()
    }
}

/// Runs a script; what its last query gave stays with the follower.
pub(super) fn follow(session: &mut Session, script: &str) -> Result<Follower> {
    let mut follower = Follower {
        notices: Vec::new(),
        rows: Arc::default(),
        schema: Arc::default(),
        deadline: Instant::now() + Duration::from_secs(60),
        is_late: false,
    };
    session.run_script(script, &mut follower)?;
    if follower.is_late {
        return Err(Error::internal("exam.slow", "the case did not end within 60 s"));
    }
    Ok(follower)
}

/// Each row as text, as often as its weight says.
fn texts(batches: Vec<ChangeBatch>, form: RowText) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.row_count() {
            let text = row_text(batch.rows(), row, form)?;
            let weight = usize::try_from(batch.weight(row)).map_err(|_| {
                Error::internal("exam.negative", format!("row \"{text}\" is left with a negative weight"))
            })?;
            rows.extend(std::iter::repeat_n(text, weight));
        }
    }
    Ok(rows)
}

/// Whether an error refuses the statement, or is our fault.
pub(crate) fn is_refusal(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::Invalid | ErrorKind::NotFound)
}

/// The text of an error, without what is particular to the case.
pub(crate) fn reason(e: &Error) -> String {
    let text: String = e.text().chars().take(110).collect();
    format!("{}: {}", e.code(), text.replace('\n', " "))
}

/// Keeps what a session tells.
pub(super) struct Follower {
    notices: Vec<String>,
    /// Rows of the last query, in their order where it asks for one.
    pub(super) rows: Arc<Mutex<Vec<ChangeBatch>>>,
    schema: Arc<Mutex<Option<SchemaRef>>>,
    deadline: Instant,
    is_late: bool,
}

impl Observer for Follower {
    fn notice(&mut self, text: &str) {
        self.notices.push(text.to_string());
    }

    fn listing(&mut self, rows: &RecordBatch) -> Result<()> {
        *self.rows.lock().expect("no writer panicked") = vec![ChangeBatch::inserts(rows.clone())];
        Ok(())
    }

    fn text(&mut self, _text: &str) -> Result<()> {
        Ok(())
    }

    fn result_writer(&mut self, info: &ResultInfo) -> Box<dyn ResultWriter> {
        self.rows.lock().expect("no writer panicked").clear();
        *self.schema.lock().expect("no writer panicked") = Some(info.visible_schema());
        Box::new(Keeper { rows: Arc::clone(&self.rows), pending: Vec::new(), info: None })
    }

    fn tick(&mut self, _status: &JobStatus) -> Control {
        self.is_late = Instant::now() > self.deadline;
        if self.is_late { Control::Stop } else { Control::Continue }
    }
}

struct Keeper {
    rows: Arc<Mutex<Vec<ChangeBatch>>>,
    pending: Vec<ChangeBatch>,
    info: Option<ResultInfo>,
}

impl ResultWriter for Keeper {
    fn start(&mut self, info: &ResultInfo) -> Result<()> {
        self.info = Some(info.clone());
        Ok(())
    }

    fn changes(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.pending.push(changes.clone());
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        let (Some(first), Some(info)) = (self.pending.first(), &self.info) else { return Ok(()) };
        let mut all = ChangeBatch::concat(&first.schema(), &self.pending)?;
        // Consolidating sorts: rows that are all there stay in the order in which they came.
        if !info.append_only {
            all = all.consolidate()?;
        }
        if !info.order_by.is_empty() {
            let columns: Vec<SortColumn> = info
                .order_by
                .iter()
                .map(|term| SortColumn {
                    values: Arc::clone(all.column(term.column)),
                    options: Some(SortOptions { descending: !term.ascending, nulls_first: term.nulls_first }),
                })
                .collect();
            all = all.take(&lexsort_to_indices(&columns, None)?)?;
        }
        // Behind the columns that the query asked for stand others to sort by.
        let shown: Vec<usize> = (0..info.visible.min(all.rows().num_columns())).collect();
        *self.rows.lock().expect("no writer panicked") = vec![all.with_rows(all.rows().project(&shown)?)];
        Ok(())
    }
}

fn row_text(rows: &RecordBatch, row: usize, form: RowText) -> Result<String> {
    let schema = rows.schema();
    if form == RowText::Json {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (i, field) in schema.fields().iter().enumerate() {
            fields.push((field.name().clone(), json_value(rows.column(i).as_ref(), field, row)?));
        }
        fields.sort();
        return Ok(fields.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" "));
    }
    let style = TextStyle { true_text: "true", false_text: "false", null_text: "null", ..TextStyle::default() };
    let mut out = String::new();
    for (i, field) in schema.fields().iter().enumerate() {
        let array = rows.column(i);
        if i > 0 {
            out.push(if form == RowText::Tsv { '\t' } else { ',' });
        }
        if is_null(array, row) {
            out.push_str(if form == RowText::Tsv { "\\N" } else { "null" });
            continue;
        }
        let mut text = String::new();
        ColumnText::new(field, &style).append(array.as_ref(), row, &mut text)?;
        match (form, field.data_type()) {
            (RowText::FlinkRow, DataType::Timestamp(_, zone)) => out.push_str(&java_time(&text, zone.is_some())),
            (RowText::Tsv, DataType::Utf8 | DataType::Utf8View) => {
                out.push_str(
                    &text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r"),
                );
            }
            _ => out.push_str(&text),
        }
    }
    Ok(out)
}

/// `LocalDateTime.toString`: seconds only when not zero, fractions in groups of three without zero groups.
pub(crate) fn java_time(text: &str, instant: bool) -> String {
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut fraction = fraction;
    while fraction.ends_with("000") {
        fraction = &fraction[..fraction.len() - 3];
    }
    let clock = if clock.ends_with(":00") && fraction.is_empty() && !instant { &clock[..5] } else { clock };
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{date}T{clock}{dot}{fraction}{}", if instant { "Z" } else { "" })
}

fn json_value(array: &dyn Array, field: &arrow::datatypes::Field, row: usize) -> Result<String> {
    if is_null(array, row) {
        return Ok("null".into());
    }
    let style = TextStyle { true_text: "true", false_text: "false", ..TextStyle::default() };
    let mut text = String::new();
    ColumnText::new(field, &style).append(array, row, &mut text)?;
    Ok(match field.data_type() {
        DataType::Timestamp(..) => java_time(&text, false),
        t if t.is_floating() || t.is_integer() || matches!(t, DataType::Decimal128(..)) => number(&text),
        _ => text,
    })
}

/// A number without what is only a matter of spelling: `1.0` is `1`.
pub(crate) fn number(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(n) if n.fract() == 0.0 && n.abs() < 9e15 => format!("{}", n as i64),
        Ok(n) => format!("{n:.9e}"),
        Err(_) => text.to_string(),
    }
}
