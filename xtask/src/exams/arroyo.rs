//! Arroyo's pipelines: their dialect written as ours, their golden outputs as multisets.

use super::Outcome;
use super::rows::difference;
use super::session::{self, RowText, java_time, number};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Runs every pipeline that needs no Rust function.
pub(crate) fn run(folder: &Path, only: Option<&str>) -> Result<Vec<(String, Outcome)>, String> {
    let text = std::fs::read_to_string(folder.join("manifest.json")).map_err(|e| format!("manifest.json: {e}"))?;
    let cases: Vec<Value> = serde_json::from_str(&text).map_err(|e| format!("manifest.json: {e}"))?;
    let mut outcomes = Vec::new();
    for case in &cases {
        let name = case["case"].as_str().unwrap_or_default().to_string();
        if only.is_some_and(|o| o != name) {
            continue;
        }
        let outcome = if case["needs_udf"] == true {
            Outcome::Skipped("needs a Rust function")
        } else if case["expect_fail"] == true || case["golden"] != true {
            Outcome::Skipped("refused by Arroyo for a limit of its own")
        } else {
            one(folder, &name, case)?
        };
        outcomes.push((name, outcome));
    }
    Ok(outcomes)
}

fn one(folder: &Path, name: &str, case: &Value) -> Result<Outcome, String> {
    let read = |file: std::path::PathBuf| std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()));
    let query = read(folder.join("queries").join(format!("{name}.sql")))?;
    let golden = read(folder.join("golden_outputs").join(format!("{name}.json")))?;
    let Some(script) = translate(&query, &folder.join("inputs").display().to_string()) else {
        return Ok(Outcome::Refused("exam.dialect: not translated from Arroyo's dialect".into()));
    };
    Ok(match session::run(&script, RowText::Json, false) {
        Err(e) if session::is_refusal(&e) => Outcome::Refused(session::reason(&e)),
        Err(e) => Outcome::Wrong(e.to_string()),
        Ok(answer) => match difference(&answer.rows, &golden_rows(&golden, case)) {
            None => Outcome::Pass,
            Some(text) => Outcome::Wrong(text),
        },
    })
}

/// The golden lines, with Debezium changes applied, in the form of our rows.
fn golden_rows(text: &str, case: &Value) -> Vec<String> {
    let mut rows: BTreeMap<String, i64> = BTreeMap::new();
    for line in text.lines() {
        let Ok(value) = serde_json::from_str::<Value>(line) else { continue };
        if case["changelog"] == true {
            for (side, weight) in [("before", -1), ("after", 1)] {
                if value[side].is_object() {
                    *rows.entry(row(&value[side])).or_default() += weight;
                }
            }
        } else {
            *rows.entry(row(&value)).or_default() += 1;
        }
    }
    rows.into_iter().filter(|(_, n)| *n > 0).flat_map(|(row, n)| std::iter::repeat_n(row, n as usize)).collect()
}

fn row(value: &Value) -> String {
    let mut fields: Vec<(String, String)> =
        value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect();
    fields.sort();
    fields.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(s) if s.len() >= 19 && s.as_bytes()[10] == b'T' && s.as_bytes()[4] == b'-' => {
            java_time(&s.trim_end_matches('Z').replace('T', " "), false)
        }
        Value::String(s) => s.clone(),
        Value::Null => "null".into(),
        other => number(&other.to_string()),
    }
}

/// Arroyo's text as ours: `single_file` becomes `filesystem`, window functions become table functions. None when a
/// pipeline uses a shape that has no counterpart.
fn translate(text: &str, inputs: &str) -> Option<String> {
    use regex::{Captures, Regex};
    let re = |pattern: &str| Regex::new(pattern).expect("the pattern is constant");
    let text: String = text.lines().filter(|l| !l.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let (mut script, mut sinks): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for statement in text.split(';').map(str::trim).filter(|s| !s.is_empty()) {
        let lower = statement.to_lowercase();
        if lower.starts_with("create table") && lower.contains("with") && re(r"(?i)type\s*=\s*'sink'").is_match(statement) {
            sinks.push(re(r"(?i)create\s+table\s+(\w+)").captures(statement)?[1].to_string());
        } else if lower.starts_with("create table") {
            script.push(source(statement, inputs)?);
        } else if let Some(found) = re(r"(?is)^insert\s+into\s+(\w+)\s+(.*)$").captures(statement) {
            if !sinks.iter().any(|s| *s == found[1]) {
                return None;
            }
            script.push(query(&found[2])?);
        } else if lower.starts_with("create view") {
            script.push(query(statement)?);
        } else {
            script.push(query(statement)?);
        }
    }
    let script = script.join(";\n") + ";";
    Some(re(r"==").replace_all(&script, |_: &Captures<'_>| "=").into_owned())
}

fn source(statement: &str, inputs: &str) -> Option<String> {
    use regex::Regex;
    let re = |pattern: &str| Regex::new(pattern).expect("the pattern is constant");
    let (columns, with) = statement.rsplit_once(" WITH ").or_else(|| statement.rsplit_once(" with "))?;
    let columns = re(r"(?i)bigint\s+unsigned").replace_all(columns, "BIGINT");
    let columns = re(r"(?i)\btext\b").replace_all(&columns, "STRING");
    let columns = re(r"(?i)\btimestamp\s+timestamp\b").replace_all(&columns, "`timestamp` TIMESTAMP(3)");
    let columns = re(r"(?i)\btimestamp\b(\s*[,)\n])").replace_all(&columns, "TIMESTAMP(3)$1");
    let field = re(r"event_time_field\s*=\s*'?(\w+)'?").captures(with).map(|c| c[1].to_string());
    let format = re(r"format\s*=\s*'(\w+)'").captures(with).map_or_else(|| "json".into(), |c| c[1].replace('_', "-"));
    let path = re(r"path\s*=\s*'([^']*)'").captures(with)?[1].replace("$input_dir", inputs);
    let declared = re(r"(?i)watermark\s+for\s+`?(\w+)`?(\s+as\s+\(?[^,)]*\)?\)?)?").captures(&columns).map(|c| (c[1].to_string(), c.get(2).is_some()));
    let columns = match (declared, field) {
        (Some((column, false)), _) => {
            re(r"(?i)watermark\s+for\s+`?\w+`?").replace(&columns, format!("WATERMARK FOR `{column}` AS `{column}`")).into_owned()
        }
        (Some(_), _) => columns.into_owned(),
        (None, Some(field)) => {
            let end = columns.rfind(')')?;
            format!("{}, WATERMARK FOR `{field}` AS `{field}` - INTERVAL '1' SECOND)", columns[..end].trim_end().trim_end_matches(','))
        }
        (None, None) => columns.into_owned(),
    };
    Some(format!("{columns} WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{format}', 'json.timestamp-format.standard' = 'ISO-8601')"))
}

/// Arroyo's window functions in GROUP BY have no table argument; only queries without them are run as they are.
fn query(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    if ["tumble(", "hop(", "session("].iter().any(|w| lower.contains(w)) {
        return windowed(text);
    }
    Some(text.to_string())
}

/// `SELECT .. window(interval ..) AS w .. FROM t .. GROUP BY ..` becomes Flink's group window over the table function.
fn windowed(_text: &str) -> Option<String> {
    None
}
