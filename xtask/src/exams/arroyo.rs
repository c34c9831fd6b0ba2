//! Arroyo's pipelines against their golden outputs, as multisets.

use super::Outcome;
use super::arroyo_dialect::translate;
use super::rows::difference;
use super::session::{self, RowText, java_time, number};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Runs every pipeline that needs no Rust function.
pub(crate) fn run(folder: &Path, only: Option<&str>) -> Result<Vec<(String, Outcome)>, String> {
    let text = std::fs::read_to_string(folder.join("manifest.json")).map_err(|e| format!("manifest.json: {e}"))?;
    let cases: Vec<Value> = serde_json::from_str(&text).map_err(|e| format!("manifest.json: {e}"))?;
    let inputs = plain_inputs(&folder.join("inputs"))?;
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
            one(folder, inputs.path(), &name, case)?
        };
        outcomes.push((name, outcome));
    }
    Ok(outcomes)
}

/// The inputs with their times in UTC without saying so: they are read as TIMESTAMP, which has no zone.
fn plain_inputs(folder: &Path) -> Result<tempfile::TempDir, String> {
    let target = tempfile::tempdir().map_err(|e| e.to_string())?;
    let zone = regex::Regex::new(r#"(\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|\+00:00)""#).expect("the pattern is constant");
    for entry in std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?.flatten() {
        let text = std::fs::read_to_string(entry.path()).map_err(|e| format!("{}: {e}", entry.path().display()))?;
        let text = zone.replace_all(&text, "$1\"");
        std::fs::write(target.path().join(entry.file_name()), text.as_bytes()).map_err(|e| e.to_string())?;
    }
    Ok(target)
}

fn one(folder: &Path, inputs: &Path, name: &str, case: &Value) -> Result<Outcome, String> {
    let read =
        |file: std::path::PathBuf| std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()));
    let query = read(folder.join("queries").join(format!("{name}.sql")))?;
    let golden = read(folder.join("golden_outputs").join(format!("{name}.json")))?;
    let Some(script) = translate(&query, &inputs.display().to_string()) else {
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
