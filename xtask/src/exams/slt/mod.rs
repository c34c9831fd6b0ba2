//! The sqllogictest sets: every query runs as a batch over lake tables and as a stream over the same rows, a third of
//! them taken back and given again.
//!
//! `FRESHET_EXAM_EVERY=N` runs each Nth file and each Nth query of it (1 runs all).

mod conversation;
mod different;
mod tables;
mod text;

use super::Outcome;
use super::rows;
use super::session;
use conversation::{ExamAnswer, ExamSession};
use freshet_types::Result;
use md5::{Digest, Md5};
use std::path::Path;
use std::time::Instant;
use tables::{LAKE, STREAMS, Tables, WrittenOut};
use text::{Asked, Record, Sort};

/// How a set writes values and what of it does not apply.
struct Manner {
    /// Each value on a line of its own; else a row on a line.
    value_per_line: bool,
    /// Files and queries are taken by this step unless asked otherwise.
    every: (usize, usize),
    skip: fn(&Asked) -> Option<&'static str>,
}

/// SQLite's files.
pub(crate) fn sqlite(folder: &Path, only: Option<&str>) -> std::result::Result<Vec<(String, Outcome)>, String> {
    let unpacked = std::env::temp_dir().join("freshet-exams-sqlite-slt");
    if !unpacked.join("slt").is_dir() {
        std::fs::create_dir_all(&unpacked).map_err(|e| e.to_string())?;
        let done = std::process::Command::new("tar")
            .arg("xzf")
            .arg(folder.join("slt.tar.gz"))
            .arg("-C")
            .arg(&unpacked)
            .status();
        if !done.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Err("slt.tar.gz cannot be unpacked with tar".into());
        }
    }
    let skip = |asked: &Asked| asked.not_for_us.then_some("AVG of whole numbers is whole in Flink");
    run(&unpacked.join("slt"), ".test", only, &Manner { value_per_line: true, every: (8, 20), skip })
}

/// RisingWave's files.
pub(crate) fn risingwave(folder: &Path, only: Option<&str>) -> std::result::Result<Vec<(String, Outcome)>, String> {
    let skip = |asked: &Asked| {
        let is_of_rows = !(asked.not_for_us || asked.fails);
        if is_of_rows { different::why(&asked.sql, &asked.expected) } else { Some("not a question of rows") }
    };
    run(folder, ".slt", only, &Manner { value_per_line: false, every: (1, 1), skip })
}

fn run(
    folder: &Path,
    extension: &str,
    only: Option<&str>,
    manner: &Manner,
) -> std::result::Result<Vec<(String, Outcome)>, String> {
    let asked = std::env::var("FRESHET_EXAM_EVERY").ok().and_then(|n| n.parse::<usize>().ok());
    let (file_step, query_step) = match (asked, only) {
        (Some(n), _) => (n.max(1), n.max(1)),
        (None, Some(_)) => (1, 1),
        (None, None) => manner.every,
    };
    let is_case = |f: &Path| {
        let name = f.to_string_lossy();
        name.ends_with(extension) || name.ends_with(".slt.part")
    };
    let files = text::roots(text::files(folder, is_case))?;
    let name = |file: &Path| file.strip_prefix(folder).unwrap_or(file).display().to_string();
    let mut outcomes = Vec::new();
    let files: Vec<_> = files.iter().filter(|f| only.is_none_or(|o| name(f).contains(o))).collect();
    for (i, file) in files.iter().enumerate().step_by(file_step) {
        let records = text::read(file)?;
        let begun = Instant::now();
        let outcome = one_file(&records, query_step, i, manner).map_err(|e| format!("{}: {e}", name(file)))?;
        let passed = outcome.iter().filter(|o| matches!(o, Outcome::Pass)).count();
        let wrong = outcome.iter().filter(|o| matches!(o, Outcome::Wrong(_))).count();
        eprintln!(
            "{}: {passed} of {} passed, {wrong} wrong, {:.1} s ({} of {} files)",
            name(file),
            outcome.len(),
            begun.elapsed().as_secs_f64(),
            i + 1,
            files.len()
        );
        outcomes.extend(outcome.into_iter().map(|o| (name(file), o)));
    }
    Ok(outcomes)
}

fn one_file(records: &[Record], step: usize, at: usize, manner: &Manner) -> std::result::Result<Vec<Outcome>, String> {
    let mut session = ExamSession::new().map_err(|e| e.to_string())?;
    let folder = session.folder().to_path_buf();
    session.rows(&format!("CREATE DATABASE {STREAMS};")).map_err(|e| e.to_string())?;
    let mut tables = Tables::new(WrittenOut { nulls_are_great: !manner.value_per_line });
    let mut outcomes = Vec::new();
    let mut lost: Option<String> = None;
    // Views that show an AVG: which of them are of whole numbers cannot be told from here.
    let mut means: Vec<String> = Vec::new();
    // Each file begins its count elsewhere, so that files made by one recipe are asked different things.
    let mut count = at;
    for record in records {
        match record {
            Record::Statement { sql, fails } => {
                if averages(sql, &means) {
                    means.extend(view_name(sql));
                }
                if let Err(e) = tables.execute(sql, &mut session, &folder)
                    && !fails
                    && !tables.forget(sql, &mut session)
                {
                    lost.get_or_insert_with(|| session::reason(&e));
                }
            }
            Record::Query(asked) if is_change(&asked.sql) => {
                tables.forget(&asked.sql, &mut session);
            }
            Record::Query(asked) => {
                count += 1;
                if !count.is_multiple_of(step) {
                    continue;
                }
                outcomes.push(match ((manner.skip)(asked), &lost) {
                    (Some(why), _) => Outcome::Skipped(why),
                    // What came before a statement that is not there may be missing: no answer can be compared.
                    (None, Some(reason)) => Outcome::Refused(format!("statement before: {reason}")),
                    (None, None) => match ask(asked, &mut tables, &mut session, &folder, manner) {
                        Outcome::Wrong(_) if !manner.value_per_line && averages(&asked.sql, &means) => {
                            Outcome::Skipped("AVG of whole numbers is whole in Flink")
                        }
                        outcome => outcome,
                    },
                });
            }
        }
    }
    Ok(outcomes)
}

/// Whether a text has an AVG of its own or of one of the views `means`.
fn averages(sql: &str, means: &[String]) -> bool {
    let sql = sql.to_lowercase();
    let mut words = sql.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| word == "avg" || means.iter().any(|view| view == word))
}

/// The name of the view that a statement makes.
fn view_name(sql: &str) -> Option<String> {
    let sql = sql.to_lowercase();
    let mut words = sql.split_whitespace().skip_while(|word| *word != "view").skip(1);
    words.next().map(|name| name.trim_matches('"').to_string())
}

/// A statement with RETURNING is written as a query.
fn is_change(sql: &str) -> bool {
    let word = sql.split_whitespace().next().unwrap_or_default().to_lowercase();
    matches!(word.as_str(), "insert" | "update" | "delete")
}

fn ask(asked: &Asked, tables: &mut Tables, session: &mut ExamSession, folder: &Path, manner: &Manner) -> Outcome {
    if let Err(e) = tables.show(session, folder) {
        return Outcome::Wrong(format!("the tables cannot be made: {e}"));
    }
    let written = tables.written_out(&asked.sql);
    let sql = written.trim().trim_end_matches(';');
    for database in [LAKE, STREAMS] {
        match session.rows(&format!("USE {database}; {sql};")) {
            Err(e) if session::is_refusal(&e) => return Outcome::Refused(session::reason(&e)),
            // PostgreSQL reads 'inf' and 'nan' in any case, and numbers as instants.
            Err(e) if !manner.value_per_line && e.code().starts_with("cast.") => {
                return Outcome::Skipped("a text that is no value in Flink");
            }
            Err(e) if e.code() == "value.division_by_zero" => {
                return Outcome::Skipped("a division by zero fails in Flink");
            }
            Err(e) => return Outcome::Wrong(format!("{database}: {e}: {sql}")),
            Ok(answer) => match compare(asked, &answer, manner) {
                Ok(None) => {}
                Ok(Some(text)) => return Outcome::Wrong(format!("{database}: {text}: {sql}")),
                Err(e) => return Outcome::Wrong(format!("{database}: {e}: {sql}")),
            },
        }
    }
    Outcome::Pass
}

fn compare(asked: &Asked, answer: &ExamAnswer, manner: &Manner) -> Result<Option<String>> {
    let mut rows: Vec<Vec<String>> = answer
        .texts()?
        .into_iter()
        .map(|row| {
            row.into_iter()
                .enumerate()
                .map(|(i, cell)| value_text(cell.as_deref(), asked.types.chars().nth(i).unwrap_or('T'), manner))
                .collect()
        })
        .collect();
    if asked.sort == Sort::Rows {
        rows.sort();
    }
    if !manner.value_per_line {
        return Ok(compare_rows(&rows, &asked.expected));
    }
    let mut values: Vec<String> = rows.into_iter().flatten().collect();
    if asked.sort == Sort::Values {
        values.sort();
    }
    if let [line] = asked.expected.as_slice()
        && let Some((count, hash)) = line.split_once(" values hashing to ")
    {
        let mut md5 = Md5::new();
        for value in &values {
            md5.update(value.as_bytes());
            md5.update(b"\n");
        }
        let got: String = md5.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let fits = got == hash && values.len().to_string() == count;
        return Ok((!fits).then(|| format!("{} values like {:?} for {line}", values.len(), head(&values))));
    }
    let fits = values == asked.expected;
    Ok((!fits).then(|| format!("{:?} for {:?}", head(&values), head(&asked.expected))))
}

/// Rows on lines: NULLs stand elsewhere in PostgreSQL's order, so that only the multiset is compared.
fn compare_rows(rows: &[Vec<String>], expected: &[String]) -> Option<String> {
    let line = |words: &mut dyn Iterator<Item = &str>| words.map(word).collect::<Vec<_>>().join(" ");
    let mut got: Vec<String> = rows.iter().map(|r| line(&mut r.join(" ").split_whitespace())).collect();
    let mut want: Vec<String> = expected.iter().map(|l| line(&mut l.split_whitespace())).collect();
    got.sort();
    want.sort();
    rows::difference(&got, &want)
}

/// A number to seven digits, because quotients of decimals have fewer digits here; a time without zeros at its end.
fn word(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(n) => format!("{n:.6e}"),
        Err(_) if text.contains(':') && text.contains('.') => text.trim_end_matches('0').trim_end_matches('.').into(),
        Err(_) => text.to_string(),
    }
}

fn head(values: &[String]) -> Vec<&String> {
    values.iter().take(6).collect()
}

fn value_text(cell: Option<&str>, letter: char, manner: &Manner) -> String {
    let Some(text) = cell else { return "NULL".into() };
    if text.is_empty() {
        return "(empty)".into();
    }
    if !manner.value_per_line {
        return match text {
            "TRUE" => "t".into(),
            "FALSE" => "f".into(),
            array if array.starts_with('[') => {
                let text = array.replace('[', "{").replace(']', "}").replace(", ", ",");
                text.replace("TRUE", "t").replace("FALSE", "f")
            }
            other => other.to_string(),
        };
    }
    match (letter, text) {
        ('I', "TRUE") => "1".into(),
        ('I', "FALSE") => "0".into(),
        // SQLite reads a text that is no number as 0.
        ('I', text) => text.parse::<f64>().map_or_else(
            |_| "0".to_string(),
            |n| {
                if text.contains(['.', 'E']) { format!("{}", n as i64) } else { text.to_string() }
            },
        ),
        ('R', text) => text.parse::<f64>().map_or_else(|_| text.to_string(), |n| format!("{n:.3}")),
        (_, text) => text.to_string(),
    }
}
