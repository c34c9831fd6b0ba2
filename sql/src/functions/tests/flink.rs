//! Flink's recorded answers: each expression runs through the batch and the stream execution, once as it is written and
//! once with its arguments as values of columns, and must give the type and the value that Flink gave.
//!
//! `flink_answers.txt` says at its head how it was recorded and how its lines read.

use crate::testing::{Session, query, run_job, without_lengths};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::SchemaRef;
use freshet_types::{Error, ErrorKind, Result, SqlField};

const ANSWERS: &str = include_str!("flink_answers.txt");

/// Expressions that go into one query, as long as none of them fails.
const TOGETHER: usize = 40;

/// What an expression gave.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Value {
        sql_type: String,
        text: String,
    },
    /// It is not run at all.
    Refused(String),
    /// It fails while it runs.
    Failed(String),
}

/// What a line says beside Flink's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ours {
    /// The same.
    Same,
    /// Refused by name.
    Refused,
    /// Answered, where Flink refuses.
    Answered,
    /// Another answer, for a reason that stands above the line.
    Differs,
}

struct Line {
    template: &'static str,
    ours: Ours,
    /// Type and text; none where Flink gives an error.
    literal: Option<(&'static str, &'static str)>,
    columns: Option<(&'static str, &'static str)>,
}

fn lines(zone_wanted: &str) -> Vec<Line> {
    let mut zone = "";
    let mut lines = Vec::new();
    for line in ANSWERS.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            zone = heading.split_once(" in ").map_or("UTC", |(_, zone)| zone);
            continue;
        }
        if line.is_empty() || line.starts_with('#') || zone != zone_wanted {
            continue;
        }
        let mut fields = line.split('\t');
        let mark = fields.next().expect("split gives a part");
        let template = fields.next().expect("a line has an expression");
        let mut answer = || match fields.next() {
            None => None,
            Some("error") => Some(None),
            Some(sql_type) => Some(Some((sql_type, fields.next().expect("a type is followed by a value")))),
        };
        let literal = answer().expect("a line has an answer");
        let columns = answer().unwrap_or(literal);
        let ours = match mark {
            "=" => Ours::Same,
            "-" => Ours::Refused,
            "+" => Ours::Answered,
            "!" => Ours::Differs,
            other => panic!("mark {other:?} in {line}"),
        };
        lines.push(Line { template, ours, literal, columns });
    }
    lines
}

/// The expression of a template; with `columns` each argument between tildes hides behind a column.
fn expression(template: &str, columns: bool) -> String {
    if !columns {
        return template.replace('~', "");
    }
    let parts = template.split('~').enumerate();
    parts
        .map(|(i, part)| if i % 2 == 0 { part.to_string() } else { format!("(CASE WHEN x THEN {part} END)") })
        .collect()
}

fn session(zone: &str) -> Session {
    let scope = format!("flink_answers_{}", zone.replace('/', "_"));
    let mut session = Session::new(&scope);
    session.run(&format!(
        "SET 'table.local-time-zone' = '{zone}';
         CREATE TABLE one (x BOOLEAN) WITH ('connector' = 'rows', 'data' = '$S.one');"
    ));
    session.rows("one", "{\"x\": true}");
    session
}

fn run(session: &Session, expressions: &[String], stream: bool) -> Result<Vec<Answer>> {
    let items: Vec<String> =
        expressions.iter().enumerate().map(|(i, e)| format!("{e} AS `e{i}`, CAST({e} AS STRING) AS `s{i}`")).collect();
    // A query without a table has nothing to stream; reading one also keeps the optimiser from answering alone.
    let sql = format!("SELECT {} FROM one", items.join(", "));
    let (schema, columns) = if stream {
        let (job, _) = session.plan(&sql)?;
        let changes = run_job(&job, 1)?.remove(0);
        let batch = changes.iter().find(|c| c.row_count() == 1).expect("one row comes out");
        (batch.schema(), batch.rows().columns().to_vec())
    } else {
        let (schema, batches) = crate::batch::run(&session.planner(), &*query(&sql)?)?;
        let batch = batches.iter().find(|b| b.num_rows() == 1).expect("one row comes out");
        (schema, batch.columns().to_vec())
    };
    Ok((0..expressions.len()).map(|i| answer(&schema, &columns, 2 * i)).collect())
}

fn answer(schema: &SchemaRef, columns: &[ArrayRef], at: usize) -> Answer {
    let text = columns[at + 1].as_string::<i32>();
    let text = if text.is_null(0) { "\\N".to_string() } else { escaped(text.value(0)) };
    let field = SqlField::from_arrow(schema.field(at)).expect("a column has a type of SQL");
    Answer::Value { sql_type: field.sql_type.to_string(), text }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

/// Answers to all expressions; those that fail are looked for by halves.
fn solve(session: &Session, expressions: &[String], stream: bool, answers: &mut Vec<Answer>) {
    match run(session, expressions, stream) {
        Ok(all) => answers.extend(all),
        Err(e) if expressions.len() == 1 => answers.push(match e.kind() {
            ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::NotFound => Answer::Refused(told(&e)),
            _ => Answer::Failed(told(&e)),
        }),
        Err(_) => {
            let (left, right) = expressions.split_at(expressions.len() / 2);
            solve(session, left, stream, answers);
            solve(session, right, stream, answers);
        }
    }
}

fn told(error: &Error) -> String {
    format!("{}: {}", error.code(), error.text())
}

/// What differs between ours and Flink's; none when nothing does.
fn difference(ours: &Answer, flink: Option<(&str, &str)>, mark: Ours) -> Option<String> {
    let fits = match (ours, flink, mark) {
        (Answer::Value { sql_type, text }, Some((flink_type, flink_text)), Ours::Same) => {
            text == flink_text && without_lengths(sql_type) == without_lengths(flink_type)
        }
        (Answer::Refused(_) | Answer::Failed(_), None, Ours::Same)
        | (Answer::Refused(_) | Answer::Failed(_), Some(_), Ours::Refused)
        | (Answer::Value { .. }, None, Ours::Answered) => true,
        (Answer::Value { sql_type, text }, Some((flink_type, flink_text)), Ours::Differs) => {
            text != flink_text || without_lengths(sql_type) != without_lengths(flink_type)
        }
        _ => false,
    };
    if fits {
        return None;
    }
    let flink = flink.map_or("an error".to_string(), |(t, v)| format!("{t}  {v}"));
    let ours = match ours {
        Answer::Value { sql_type, text } => format!("{sql_type}  {text}"),
        Answer::Refused(why) => format!("refused  {why}"),
        Answer::Failed(why) => format!("failed  {why}"),
    };
    Some(format!("Flink: {flink}\n    ours:  {ours}"))
}

fn check(zone: &str, columns: bool, stream: bool) {
    let session = session(zone);
    let answer_of = |line: &Line| if columns { line.columns } else { line.literal };
    // What fails in Flink is run alone, and once is enough.
    let (good, bad): (Vec<Line>, Vec<Line>) = lines(zone)
        .into_iter()
        .filter(|l| !columns || l.template.contains('~'))
        .partition(|l| answer_of(l).is_some() && l.ours == Ours::Same);
    let bad = if stream { Vec::new() } else { bad };
    assert!(!good.is_empty());
    let mut answers = Vec::new();
    for (lines, together) in [(&good, TOGETHER), (&bad, 1)] {
        let expressions: Vec<String> = lines.iter().map(|l| expression(l.template, columns)).collect();
        for chunk in expressions.chunks(together) {
            solve(&session, chunk, stream, &mut answers);
        }
    }
    let mut wrong = Vec::new();
    for (line, ours) in good.iter().chain(&bad).zip(&answers) {
        if let Some(text) = difference(ours, answer_of(line), line.ours) {
            wrong.push(format!("{}\n    {text}", line.template));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
}

#[test]
fn literals() {
    check("UTC", false, false);
}

#[test]
fn columns_in_a_batch() {
    check("UTC", true, false);
}

#[test]
fn columns_in_a_stream() {
    check("UTC", true, true);
}

#[test]
fn another_zone() {
    for (columns, stream) in [(false, false), (true, false), (true, true)] {
        check("America/New_York", columns, stream);
    }
}
