//! Whole queries with Flink's recorded answers: aggregates and their types, sets, joins, ranks; windows and joins over
//! event time.
//!
//! Each query runs as a batch and as a stream; those without event time also as a stream in which other rows come and go
//! and some rows come twice and go once. The files say at their heads how they were recorded; `flink_queries.txt` says
//! how their lines read.

use crate::testing::{Session, query, without_lengths};
use freshet_types::{Error, ErrorKind, Result, SqlField};
use std::collections::BTreeMap;
use std::fmt::Write;

const QUERIES: &str = include_str!("flink_queries.txt");
const EVENT_QUERIES: &str = include_str!("flink_event_queries.txt");

/// One query and what Flink said to it.
struct Case {
    sql: &'static str,
    /// Refused by name, at least where rows are taken back.
    is_refused: bool,
    /// Answered, where Flink refuses.
    is_answered: bool,
    /// None where Flink gives an error.
    types: Option<&'static str>,
    rows: Vec<String>,
}

/// The rows of each table, as JSON, and the queries.
fn read(answers: &'static str) -> (BTreeMap<&'static str, Vec<&'static str>>, Vec<Case>) {
    let (mut tables, mut cases): (BTreeMap<&str, Vec<&str>>, Vec<Case>) = (BTreeMap::new(), Vec::new());
    for line in answers.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (word, rest) = line.split_once('\t').unwrap_or((line, ""));
        let last = cases.last_mut();
        if let Some(name) = word.strip_prefix("table ") {
            tables.entry(name).or_default().push(rest);
            continue;
        }
        match (word, last) {
            ("=" | "-" | "+", _) => cases.push(Case {
                sql: rest,
                is_refused: word == "-",
                is_answered: word == "+",
                types: None,
                rows: Vec::new(),
            }),
            ("types", Some(case)) => case.types = Some(rest),
            ("row", Some(case)) => case.rows.push(rest.to_string()),
            ("error", Some(_)) => {}
            _ => panic!("{word:?} in {line}"),
        }
    }
    (tables, cases)
}

const COLUMNS: &[(&str, &str)] = &[
    ("k", "STRING"),
    ("b", "BOOLEAN"),
    ("ti", "TINYINT"),
    ("si", "SMALLINT"),
    ("i", "INT"),
    ("l", "BIGINT"),
    ("f", "FLOAT"),
    ("d", "DOUBLE"),
    ("n", "DECIMAL(10, 2)"),
    ("w", "DECIMAL(38, 4)"),
    ("s", "STRING"),
    ("dt", "DATE"),
    ("ts", "TIMESTAMP(3)"),
];

/// A session with the table as a view `t` that gives the columns their types.
fn session(scope: &str, rows: &str, is_changing: bool) -> Session {
    let mut session = Session::new(scope);
    let raw: Vec<String> = COLUMNS.iter().map(|(name, _)| format!("{name} STRING")).collect();
    let typed: Vec<String> = COLUMNS.iter().map(|(name, t)| format!("CAST({name} AS {t}) AS {name}")).collect();
    session.run(&format!(
        "CREATE TABLE t_raw ({}) WITH ('connector' = 'rows', 'data' = '$S.t_raw', 'changelog' = '{is_changing}');
         CREATE VIEW t AS SELECT {} FROM t_raw;",
        raw.join(", "),
        typed.join(", ")
    ));
    session.rows("t_raw", rows);
    session
}

/// The rows among others that come and go.
fn changing(table: &[&str]) -> String {
    let mut lines = String::new();
    let mut add = |row: &str, weight: i32| {
        let open = row.strip_suffix('}').expect("a row is an object");
        let _ = writeln!(lines, "{open},\"_w\":{weight}}}");
    };
    // Other values under the same keys, smaller and larger than all that stay.
    let noise = |row: &str, i: usize| {
        row.replace("\"i\":\"", "\"i\":\"1")
            .replace("\"i\":\"12147483647", "\"i\":\"12")
            .replace("\"i\":\"1-", "\"i\":\"-1")
            .replace("\"s\":\"", &format!("\"s\":\"{}", ["~", " "][i % 2]))
    };
    for (i, row) in table.iter().enumerate() {
        add(&noise(row, i), 1);
        add(row, 1);
        if i % 2 == 0 {
            add(row, 1);
        }
    }
    for (i, row) in table.iter().enumerate() {
        if i % 2 == 0 {
            add(row, -1);
        }
        add(&noise(row, i), -1);
    }
    lines
}

/// What an error says.
struct Told {
    is_refusal: bool,
    text: String,
}

impl From<&Error> for Told {
    fn from(error: &Error) -> Self {
        let is_refusal = matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Invalid | ErrorKind::NotFound);
        Self { is_refusal, text: format!("{}: {}", error.code(), error.text()) }
    }
}

/// The types of a query, and the query with its columns as texts.
fn typed(session: &Session, case: &Case) -> Result<(String, String)> {
    let (schema, _) = crate::batch::run(&session.planner(), &*query(case.sql)?)?;
    let fields = schema.fields().iter().map(|f| SqlField::from_arrow(f).expect("a column has a type of SQL"));
    let fields: Vec<SqlField> = fields.collect();
    let types: Vec<String> = fields.iter().map(|f| f.sql_type.to_string()).collect();
    let texts: Vec<String> = fields.iter().map(|f| format!("CAST(`{}` AS STRING)", f.name)).collect();
    Ok((types.join("; "), format!("SELECT {} FROM ({})", texts.join(", "), case.sql)))
}

fn run(session: &Session, sql: &str, how: How) -> Result<Vec<String>> {
    match how {
        How::Batch => session.batch(sql),
        How::Stream(step) => session.stream(sql, step),
    }
}

#[derive(Debug, Clone, Copy)]
enum How {
    Batch,
    Stream(usize),
}

/// The queries whose answers differ from Flink's in one of the ways, with both.
fn differences(cases: &[Case], ways: &[(&str, &Session, How)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases {
        let mut want = case.rows.clone();
        want.sort();
        let typed = typed(ways[0].1, case);
        for (name, session, how) in ways {
            let answer = match &typed {
                Ok((types, sql)) => run(session, sql, *how).map(|rows| (types, rows)).map_err(|e| Told::from(&e)),
                Err(e) => Err(Told::from(e)),
            };
            let text = match (answer, case.types) {
                (Err(told), _) if case.is_refused && told.is_refusal => continue,
                (Err(told), None) if told.is_refusal => continue,
                (Ok(_), None) if case.is_answered => continue,
                (Err(told), _) => told.text,
                (Ok((types, rows)), Some(flink))
                    if without_lengths(types) == without_lengths(flink) && rows == want =>
                {
                    continue;
                }
                (Ok((types, rows)), _) => format!("{types}\n      {rows:?}"),
            };
            wrong.push(format!(
                "{}\n  Flink: {}\n      {want:?}\n  {name}: {text}",
                case.sql,
                case.types.unwrap_or("an error")
            ));
            break;
        }
    }
    wrong
}

#[test]
fn queries_give_what_flink_gives() {
    let (tables, cases) = read(QUERIES);
    let table = &tables["t"];
    let plain = session("flink_queries", &table.join("\n"), false);
    let changing = session("flink_queries_changing", &changing(table), true);
    let ways = [
        ("batch", &plain, How::Batch),
        ("stream", &plain, How::Stream(1)),
        ("stream of changes", &changing, How::Stream(1)),
        ("stream of changes, many at once", &changing, How::Stream(1000)),
    ];
    let wrong = differences(&cases, &ways);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn event_time_gives_what_flink_gives() {
    let (tables, cases) = read(EVENT_QUERIES);
    let mut session = Session::new("flink_event_queries");
    for (name, rows) in &tables {
        session.run(&format!(
            "CREATE TABLE {name} (id INT, k STRING, v INT, ts TIMESTAMP(3),
             WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'rows', 'data' = '$S.{name}');"
        ));
        session.rows(name, &rows.join("\n"));
    }
    let ways = [
        ("batch", &session, How::Batch),
        ("stream", &session, How::Stream(1)),
        ("stream, many at once", &session, How::Stream(1000)),
    ];
    let wrong = differences(&cases, &ways);
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
