//! The sqllogictest sets: every query runs as a batch over lake tables and as a stream over the same rows, a third of
//! them taken back and given again.
//!
//! `FRESHET_EXAM_EVERY=N` runs each Nth file and each Nth query of it (1 runs all).

use super::Outcome;
use super::session;
use super::slt::{self, Asked, Record, Sort};
use super::slt_session::{ExamAnswer, ExamSession};
use super::slt_tables::{LAKE, STREAMS, Tables};
use freshet_types::Result;
use md5::{Digest, Md5};
use std::path::{Path, PathBuf};

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
    run(&unpacked.join("slt"), "test", only, &Manner { value_per_line: true, every: (8, 20), skip })
}

/// RisingWave's files.
pub(crate) fn risingwave(folder: &Path, only: Option<&str>) -> std::result::Result<Vec<(String, Outcome)>, String> {
    let skip = |asked: &Asked| (asked.not_for_us || asked.fails).then_some("not a question of rows");
    run(folder, "slt", only, &Manner { value_per_line: false, every: (1, 1), skip })
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) || path.to_string_lossy().ends_with(".slt.part")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
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
    let files = files(folder, extension);
    let name = |file: &Path| file.strip_prefix(folder).unwrap_or(file).display().to_string();
    let mut outcomes = Vec::new();
    let chosen = files.iter().filter(|f| only.is_none_or(|o| name(f).contains(o)));
    for (i, file) in chosen.enumerate() {
        if i % file_step != 0 {
            continue;
        }
        let records = slt::read(file)?;
        let outcome = one_file(&records, query_step, i, manner).map_err(|e| format!("{}: {e}", name(file)))?;
        outcomes.extend(outcome.into_iter().map(|o| (name(file), o)));
    }
    Ok(outcomes)
}

fn one_file(records: &[Record], step: usize, at: usize, manner: &Manner) -> std::result::Result<Vec<Outcome>, String> {
    let mut session = ExamSession::new().map_err(|e| e.to_string())?;
    let folder = session.folder().to_path_buf();
    session.rows(&format!("CREATE DATABASE {STREAMS};")).map_err(|e| e.to_string())?;
    let mut tables = Tables::default();
    let mut outcomes = Vec::new();
    let mut lost: Option<String> = None;
    // Each file begins its count elsewhere, so that files made by one recipe are asked different things.
    let mut count = at;
    for record in records {
        match record {
            Record::Statement { sql, fails } => {
                if let Err(e) = tables.execute(sql, &mut session, &folder)
                    && !fails
                {
                    lost.get_or_insert_with(|| session::reason(&e));
                }
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
                    (None, None) => ask(asked, &mut tables, &mut session, &folder, manner),
                });
            }
        }
    }
    Ok(outcomes)
}

fn ask(asked: &Asked, tables: &mut Tables, session: &mut ExamSession, folder: &Path, manner: &Manner) -> Outcome {
    if let Err(e) = tables.show(session, folder) {
        return Outcome::Wrong(format!("the tables cannot be made: {e}"));
    }
    for database in [LAKE, STREAMS] {
        let sql = asked.sql.trim().trim_end_matches(';');
        match session.rows(&format!("USE {database}; {sql};")) {
            Err(e) if session::is_refusal(&e) => return Outcome::Refused(session::reason(&e)),
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
    let line = |words: &mut dyn Iterator<Item = &str>| words.map(session::number).collect::<Vec<_>>().join(" ");
    let mut got: Vec<String> = rows.iter().map(|r| line(&mut r.join(" ").split_whitespace())).collect();
    let mut want: Vec<String> = expected.iter().map(|l| line(&mut l.split_whitespace())).collect();
    got.sort();
    want.sort();
    super::rows::difference(&got, &want)
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
            // PostgreSQL writes no fraction that is zero.
            time if time.len() > 19 && time.as_bytes()[10] == b' ' && time.contains('.') => {
                time.trim_end_matches('0').trim_end_matches('.').to_string()
            }
            other => other.to_string(),
        };
    }
    match (letter, text) {
        ('I', "TRUE") => "1".into(),
        ('I', "FALSE") => "0".into(),
        ('I', text) => text.parse::<f64>().map_or_else(
            |_| text.to_string(),
            |n| {
                if text.contains(['.', 'E']) { format!("{}", n as i64) } else { text.to_string() }
            },
        ),
        ('R', text) => text.parse::<f64>().map_or_else(|_| text.to_string(), |n| format!("{n:.3}")),
        (_, text) => text.to_string(),
    }
}
