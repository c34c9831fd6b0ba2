//! Nexmark in Flink SQL, against the rows that Flink 2.3 produced.

use super::Outcome;
use super::session::{self, RowText};
use std::path::Path;
use std::process::Command;

const EVENTS: &str = "100000";

/// Runs every query of the set whose rows are known.
pub(crate) fn run(folder: &Path, only: Option<&str>) -> Result<Vec<(String, Outcome)>, String> {
    let data = data(folder)?;
    let sql = |name: &str| std::fs::read_to_string(folder.join("sql").join(format!("{name}.sql"))).unwrap_or_default();
    let text =
        std::fs::read_to_string(folder.join("golden/manifest.json")).map_err(|e| format!("manifest.json: {e}"))?;
    let golden: serde_json::Value = serde_json::from_str(&text).map_err(|e| format!("manifest.json: {e}"))?;
    let mut outcomes = Vec::new();
    for (query, entry) in golden.as_object().into_iter().flatten() {
        if only.is_some_and(|o| o != query) {
            continue;
        }
        let script = format!("{};\n{};\n{};\n{};", sql("ddl_json"), sql("ddl_views"), sql("ddl_side"), sql(query));
        let outcome = match session::run(&script.replace("${DATA}", &data), RowText::Tsv, false) {
            Err(e) if session::is_refusal(&e) => Outcome::Refused(session::reason(&e)),
            Err(e) => Outcome::Wrong(e.to_string()),
            Ok(answer) => compare(answer.rows, entry),
        };
        outcomes.push((query.clone(), outcome));
    }
    Ok(outcomes)
}

/// The generated events, made once per machine by the set's own generator.
fn data(folder: &Path) -> Result<String, String> {
    let target = std::env::temp_dir().join(format!("freshet-exams-nexmark-{EVENTS}"));
    if !target.join("manifest.json").exists() {
        let python = std::env::var("FRESHET_PYTHON").unwrap_or_else(|_| "python3".into());
        let done = Command::new(&python)
            .arg(folder.join("nexmark_gen.py"))
            .args(["--events", EVENTS, "--rate", "1000", "--formats", "ndjson,csv,parquet", "--out"])
            .arg(&target)
            .status();
        if !done.as_ref().is_ok_and(std::process::ExitStatus::success) {
            return Err(
                "the Nexmark generator needs Python with numpy and pyarrow; set FRESHET_PYTHON to one that has them"
                    .into(),
            );
        }
    }
    Ok(target.display().to_string())
}

fn compare(mut rows: Vec<String>, entry: &serde_json::Value) -> Outcome {
    use sha2::{Digest, Sha256};
    rows.sort();
    let mut digest = Sha256::new();
    for row in &rows {
        digest.update(row.as_bytes());
        digest.update(b"\n");
    }
    let hash: String = digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
    if entry["sha256"].as_str() == Some(&hash) {
        return Outcome::Pass;
    }
    Outcome::Wrong(format!("{} rows, {} expected; first: {:?}", rows.len(), entry["rows"], rows.first()))
}
