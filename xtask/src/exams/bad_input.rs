//! Bad and odd input: JSON and CSV records, Parquet and Avro files that must, must not or may be read.

use super::Outcome;
use super::rows::difference;
use super::session::{self, RowText};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use freshet_formats::json;
use freshet_types::Options;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Outcomes = Vec<(String, Outcome)>;

/// Runs the files for which there is a format.
pub(crate) fn run(folder: &Path, only: Option<&str>) -> Result<Outcomes, String> {
    let mut outcomes = json_records(&folder.join("json/test_parsing"))?;
    outcomes.extend(own_csv(&folder.join("csv/own_cases.json"))?);
    outcomes.extend(spectrum(&folder.join("csv/spectrum"))?);
    outcomes.extend(strings(&folder.join("strings/blns.json"))?);
    for (sub, extension) in [("parquet/bad_data", "parquet"), ("parquet/good_data", "parquet"), ("avro", "avro")] {
        outcomes.extend(whole_files(folder, sub, extension)?);
    }
    outcomes.retain(|(name, _)| only.is_none_or(|o| name == o));
    Ok(outcomes)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.is_file()).collect();
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs `f`; a panic is a wrong outcome.
fn caught(f: impl FnOnce() -> Outcome + std::panic::UnwindSafe) -> Outcome {
    std::panic::catch_unwind(f).unwrap_or_else(|_| Outcome::Wrong("it panics".into()))
}

/// `y_*` must be accepted, `n_*` refused, `i_*` either; as a value between two other records, which must stay.
fn json_records(folder: &Path) -> Result<Outcomes, String> {
    let schema: SchemaRef =
        Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::Int32, true)]));
    let mut outcomes = Vec::new();
    for file in files(folder)? {
        let name = name_of(&file);
        if !name.ends_with(".json") {
            continue;
        }
        let text = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let outcome = caught(|| match (name.as_bytes()[0], json::validate(&text).is_ok(), as_field(&schema, &text)) {
            (_, _, Err(e)) => Outcome::Wrong(e),
            (b'y', true, Ok(true)) | (b'n', false, Ok(false)) => Outcome::Pass,
            // A value that stands alone may differ from one in an object only where either is allowed.
            (b'i', _, Ok(_)) => Outcome::Pass,
            (_, alone, Ok(inside)) => {
                Outcome::Wrong(format!("accepted alone: {alone}, as the value of a field: {inside}"))
            }
        });
        outcomes.push((format!("json/{name}"), outcome));
    }
    Ok(outcomes)
}

/// Whether a value is accepted as the field of a record; an error when a neighbour suffers.
fn as_field(schema: &SchemaRef, value: &[u8]) -> Result<bool, String> {
    let format = freshet_formats::find("json").map_err(|e| e.to_string())?;
    let mut decoder = format.decoder(schema, schema, &Options::default()).map_err(|e| e.to_string())?;
    let before = br#"{"a": "before", "b": 1}"#.as_slice();
    let record = [br#"{"a": "#.as_slice(), value, br#", "b": 2}"#.as_slice()].concat();
    let after = br#"{"a": "after", "b": 3}"#.as_slice();
    decoder.push(before).map_err(|e| e.reason)?;
    let accepted = decoder.push(&record).is_ok();
    decoder.push(after).map_err(|e| e.reason)?;
    let rows = decoder.finish().map_err(|e| e.to_string())?;
    let numbers: Vec<i32> =
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Int32Type>(rows.column(1)).values().to_vec();
    let wanted: &[i32] = if accepted { &[1, 2, 3] } else { &[1, 3] };
    if numbers == wanted { Ok(accepted) } else { Err(format!("the records became {numbers:?}")) }
}

/// Runs a SELECT over a CSV file with `types` as columns `c0`, `c1`, ..
fn select_csv(bytes: &[u8], types: &[String], options: &str) -> freshet_types::Result<Vec<String>> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let file = folder.path().join("data.csv");
    std::fs::write(&file, bytes).expect("the temporary folder can be written");
    let columns: Vec<String> = types.iter().enumerate().map(|(i, t)| format!("c{i:04} {t}")).collect();
    let script = format!(
        "CREATE TEMPORARY TABLE t ({}) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv'{options});\n\
         SELECT * FROM t;",
        columns.join(", "),
        file.display()
    );
    session::run(&script, RowText::Json, false).map(|answer| answer.rows)
}

fn csv_row<'a>(fields: impl Iterator<Item = &'a Value>) -> String {
    let fields = fields.enumerate().map(|(i, v)| format!("c{i:04}={}", v.as_str().unwrap_or("null")));
    fields.collect::<Vec<_>>().join(" ")
}

fn own_csv(file: &Path) -> Result<Outcomes, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let cases: Vec<Value> = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    let one = |case: &Value| {
        let bytes = match (case["text"].as_str(), case["hex"].as_str()) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, hex) => unhex(hex.unwrap_or_default()),
        };
        let rows: Vec<&Vec<Value>> =
            case["rows"].as_array().into_iter().flatten().filter_map(Value::as_array).collect();
        let lines = bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count();
        let commas = |line: &[u8]| line.iter().filter(|b| **b == b',').count() + 1;
        let width = case["columns"].as_u64().map(|n| n as usize).or(rows.first().map(|r| r.len()));
        let width = width.unwrap_or_else(|| commas(bytes.split(|b| *b == b'\n').next().unwrap_or_default()));
        let types: Vec<String> = match case["types"].as_array() {
            Some(types) => types.iter().filter_map(|t| t.as_str().map(String::from)).collect(),
            None => vec!["STRING".into(); width],
        };
        let options =
            case["delimiter"].as_str().map(|d| format!(", 'csv.field-delimiter' = '{d}'")).unwrap_or_default();
        match (case["expect"].as_str().unwrap_or_default(), select_csv(&bytes, &types, &options)) {
            ("accept", Ok(got)) => {
                let want: Vec<String> = rows.iter().map(|row| csv_row(row.iter())).collect();
                difference(&got, &want).map_or(Outcome::Pass, Outcome::Wrong)
            }
            ("accept", Err(e)) => Outcome::Wrong(e.to_string()),
            ("reject", Err(e)) if !session::is_refusal(&e) => Outcome::Wrong(e.to_string()),
            ("reject", Ok(got)) if got.len() >= lines => Outcome::Wrong(format!("nothing is refused: {got:?}")),
            (_, Err(e)) if e.kind() == freshet_types::ErrorKind::Internal => Outcome::Wrong(e.to_string()),
            _ => Outcome::Pass,
        }
    };
    Ok(cases
        .iter()
        .map(|case| {
            let outcome = caught(std::panic::AssertUnwindSafe(|| one(case)));
            (format!("csv/{}", case["name"].as_str().unwrap_or_default()), outcome)
        })
        .collect())
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("the case is written in hexadecimal");
    (0..text.len() / 2).map(|i| digits(2 * i)).collect()
}

/// CSV files with a header, and their meaning as JSON.
fn spectrum(folder: &Path) -> Result<Outcomes, String> {
    let mut outcomes = Vec::new();
    for file in files(&folder.join("csvs"))? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let meaning = folder.join("json").join(format!("{stem}.json"));
        let bytes = std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let text = std::fs::read_to_string(&meaning).map_err(|e| format!("{}: {e}", meaning.display()))?;
        let meant: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", meaning.display()))?;
        // A file of one row may stand as that row alone.
        let objects = match meant {
            Value::Array(objects) => objects,
            one => vec![one],
        };
        let header = String::from_utf8_lossy(bytes.split(|b| *b == b'\n').next().unwrap_or_default()).into_owned();
        let names: Vec<&str> = header.trim_end().split(',').map(|n| n.trim_matches('"')).collect();
        let start = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| i + 1);
        let want: Vec<String> = objects.iter().map(|o| csv_row(names.iter().map(|n| &o[*n]))).collect();
        let contradicts = ["location_coordinates", "newlines_crlf"].contains(&stem.as_str());
        let outcome = caught(std::panic::AssertUnwindSafe(|| {
            match select_csv(&bytes[start..], &vec!["STRING".to_string(); names.len()], "") {
                Err(e) => Outcome::Wrong(e.to_string()),
                // Another telephone number, and `\r\n` for a `\n` of the file.
                Ok(_) if contradicts => Outcome::Skipped("the meaning tells another value than the file holds"),
                Ok(got) => difference(&got, &want).map_or(Outcome::Pass, Outcome::Wrong),
            }
        }));
        outcomes.push((format!("spectrum/{stem}"), outcome));
    }
    Ok(outcomes)
}

/// Each string must come back byte for byte from JSON lines through a table to a format and from there.
fn strings(file: &Path) -> Result<Outcomes, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let all: Vec<String> = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    let one = |format: &str| {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let lines: Vec<String> =
            all.iter().enumerate().map(|(i, s)| serde_json::json!({ "i": i, "s": s }).to_string()).collect();
        std::fs::write(folder.path().join("in.json"), lines.join("\n")).expect("the temporary folder can be written");
        let table = |name: &str, path: &str, format: &str| {
            format!(
                "CREATE TEMPORARY TABLE {name} (i INT, s STRING) WITH ('connector' = 'filesystem', \
                 'path' = '{}', 'format' = '{format}');\n",
                folder.path().join(path).display()
            )
        };
        let first = table("a", "in.json", "json") + &table("b", "out", format) + "INSERT INTO b SELECT i, s FROM a;";
        if let Err(e) = session::run(&first, RowText::Json, false) {
            return Outcome::Wrong(e.to_string());
        }
        let second = table("b", "out", format) + "SELECT i, s FROM b;";
        match session::run(&second, RowText::Json, false) {
            Err(e) => Outcome::Wrong(e.to_string()),
            Ok(answer) => {
                let want: Vec<String> = all.iter().enumerate().map(|(i, s)| format!("i={i} s={s}")).collect();
                difference(&answer.rows, &want).map_or(Outcome::Pass, Outcome::Wrong)
            }
        }
    };
    let caught_one = |format| caught(std::panic::AssertUnwindSafe(|| one(format)));
    Ok(["json", "csv", "parquet", "avro"].map(|f| (format!("strings/{f}"), caught_one(f))).into())
}

/// Files that a format owns whole, read by `SELECT * FROM 'file'`.
fn whole_files(folder: &Path, sub: &str, extension: &str) -> Result<Outcomes, String> {
    let work = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut outcomes = Vec::new();
    for file in files(&folder.join(sub))? {
        let name = name_of(&file);
        if !name.contains(&format!(".{extension}")) || name.ends_with(".json") {
            continue;
        }
        let copy = work.path().join(format!("{}.{extension}", name.replace('.', "_")));
        std::fs::copy(&file, &copy).map_err(|e| format!("{}: {e}", file.display()))?;
        let script = format!("SELECT * FROM '{}';", copy.display());
        let must_fail = sub.ends_with("bad_data");
        let is_damaged = name.contains("corrupt") || name.contains("malformed");
        let outcome = caught(|| match session::run(&script, RowText::Json, false) {
            // Checksums of pages are not verified: a damaged file may be read.
            Ok(_) if is_damaged => Outcome::Skipped("damaged; what its reader does not verify is not refused"),
            Ok(_) if name == "ARROW-GH-43605.parquet" => {
                Outcome::Skipped("indices of zero bits name the first entry: readers differ, and ours reads them so")
            }
            // A stream goes on after a file that cannot be read, and says so.
            Ok(answer) if must_fail && answer.notices.iter().any(|n| n.contains("not understood")) => Outcome::Pass,
            Ok(answer) if must_fail => Outcome::Wrong(format!("it gives {} rows", answer.rows.len())),
            Ok(_) => Outcome::Pass,
            Err(e) if e.kind() == freshet_types::ErrorKind::Internal => Outcome::Wrong(e.to_string()),
            Err(_) if must_fail || is_damaged => Outcome::Pass,
            Err(e) => Outcome::Refused(session::reason(&e).replace(&work.path().display().to_string(), "")),
        });
        outcomes.push((format!("{sub}/{name}"), outcome));
    }
    Ok(outcomes)
}
