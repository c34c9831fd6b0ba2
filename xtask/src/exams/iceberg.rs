//! Iceberg tables, metadata files and deletion vectors of other writers, read by our lake.

use super::Outcome;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::prelude::SessionContext;
use freshet_lake::files;
use freshet_lake::metadata;
use freshet_lake::table::LakeTable;
use freshet_sql::catalog::external::ExternalTable;
use freshet_types::{Clock, SystemClock};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Outcomes = Vec<(String, Outcome)>;

/// Reads every table, metadata file and bitmap.
pub(crate) fn run(folder: &Path, only: Option<&str>) -> Result<Outcomes, String> {
    // Places in the metadata are compared with the lake's folder as they are written.
    let folder = &folder.canonicalize().map_err(|e| format!("{}: {e}", folder.display()))?;
    let file = folder.join("expected_tables.json");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let tables: Vec<Value> = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut outcomes: Outcomes = tables
        .iter()
        .map(|t| {
            let found = match open(folder, t).and_then(|table| listed(&table, t)) {
                Ok(found) => outcome(check_table(folder, t, found)),
                Err(e) => Outcome::Refused(e),
            };
            (t["table"].as_str().unwrap_or("?").to_string(), found)
        })
        .collect();
    outcomes.extend(metadata_files(folder));
    outcomes.retain(|(name, _)| only.is_none_or(|o| name == o));
    Ok(outcomes)
}

fn outcome(found: Result<String, String>) -> Outcome {
    match found {
        Ok(_) => Outcome::Pass,
        Err(why) => Outcome::Wrong(why),
    }
}

fn open(folder: &Path, expected: &Value) -> Result<LakeTable, String> {
    let file = folder.join("tables").join(expected["metadata"].as_str().ok_or("no metadata")?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let table = LakeTable::in_folder(&file.display().to_string(), &clock).map_err(|e| e.to_string())?;
    table.ok_or_else(|| format!("{} is no metadata file", file.display()))
}

/// The rows of a table; none where its data files lie elsewhere, and only their list can be read.
fn listed(table: &LakeTable, expected: &Value) -> Result<Option<Vec<RecordBatch>>, String> {
    if expected["pyiceberg_error"].as_str().is_some_and(|reason| reason.contains("remote")) {
        if let Some(snapshot) = table.metadata().current_snapshot() {
            files::live_files(&table.loaded().io, table.metadata(), snapshot).map_err(|e| e.to_string())?;
        }
        return Ok(None);
    }
    read(table).map(Some)
}

fn check_table(folder: &Path, expected: &Value, rows: Option<Vec<RecordBatch>>) -> Result<String, String> {
    let Some(rows) = rows else { return Ok("listed".into()) };
    let count = rows.iter().map(RecordBatch::num_rows).sum::<usize>();
    let Some(wanted) = expected.get("row_count").and_then(Value::as_u64) else {
        let name = expected["table"].as_str().unwrap_or_default();
        return match of_duckdb(&folder.join("duckdb_tests"), name) {
            Some((columns, lines)) => compare_text(&rows, &columns, lines).map(|()| format!("{count} rows")),
            None => Err(format!("{count} rows, and nothing to compare them with")),
        };
    };
    if count as u64 != wanted {
        return Err(format!("{count} rows, expected {wanted}"));
    }
    if let Some(sums) = expected.get("sum_check").and_then(Value::as_object) {
        for (column, sum) in sums {
            let found = sum_of(&rows, column);
            let sum = sum.as_str().unwrap_or_default();
            if found != sum && !(sum == "None" && found == "0") {
                return Err(format!("sum of \"{column}\" is {found}, expected {sum}"));
            }
        }
    }
    if let Some(lines) = expected.get("rows").and_then(Value::as_array) {
        compare(&rows, lines)?;
    }
    Ok(format!("{count} rows"))
}

fn read(table: &LakeTable) -> Result<Vec<RecordBatch>, String> {
    let provider = table.scan().map_err(|e| e.to_string())?;
    let runtime = freshet_connectors::storage::runtime();
    runtime.block_on(async {
        let session = SessionContext::new();
        let frame = session.read_table(provider).map_err(|e| e.to_string())?;
        frame.collect().await.map_err(|e| e.to_string())
    })
}

fn sum_of(rows: &[RecordBatch], column: &str) -> String {
    let mut sum: i128 = 0;
    let mut scale = 0;
    for batch in rows {
        let Some(array) = batch.column_by_name(column) else { return "no such column".into() };
        match array.data_type() {
            DataType::Decimal128(_, s) => {
                scale = *s as usize;
                sum += array.as_primitive::<arrow::datatypes::Decimal128Type>().iter().flatten().sum::<i128>();
            }
            _ => {
                let wide = arrow::compute::cast(array, &DataType::Int64).expect("the column is a number");
                let wide = wide.as_primitive::<arrow::datatypes::Int64Type>();
                sum += wide.iter().flatten().map(i128::from).sum::<i128>();
            }
        }
    }
    if scale == 0 {
        return sum.to_string();
    }
    let digits = format!("{:0>width$}", sum.abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{part}", if sum < 0 { "-" } else { "" })
}

fn compare(rows: &[RecordBatch], lines: &[Value]) -> Result<(), String> {
    let mut found = Vec::new();
    for batch in rows {
        for row in 0..batch.num_rows() {
            let schema = batch.schema();
            let fields = schema.fields().iter().zip(batch.columns());
            let object = fields.map(|(f, c)| (f.name().clone(), canonical(c, row))).collect::<serde_json::Map<_, _>>();
            found.push(Value::Object(object));
        }
    }
    let mut wanted: Vec<String> = lines.iter().map(|l| normal(l).to_string()).collect();
    let mut found: Vec<String> = found.iter().map(|l| normal(l).to_string()).collect();
    wanted.sort();
    found.sort();
    match found.iter().zip(&wanted).find(|(f, w)| f != w) {
        None => Ok(()),
        Some((f, w)) => Err(format!("\n   found    {f}\n   expected {w}")),
    }
}

/// The same value in one spelling, whoever wrote it.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: std::collections::BTreeMap<&String, Value> =
                fields.iter().map(|(k, v)| (k, normal(v))).collect();
            Value::Object(sorted.into_iter().map(|(k, v)| (k.clone(), v)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        Value::Number(n) => n.as_f64().map_or(Value::Null, |f| Value::String(format!("{f}"))),
        Value::String(text) => {
            let text = text.trim_end_matches("+00:00").trim_end_matches('Z');
            let text = text.strip_prefix("hex:").unwrap_or(text).replace(' ', "T");
            // A UUID is bytes to us.
            let plain: String = text.chars().filter(|c| *c != '-').collect();
            let uuid = text.len() == 36 && plain.len() == 32 && plain.chars().all(|c| c.is_ascii_hexdigit());
            Value::String(if uuid { plain } else { text })
        }
        other => other.clone(),
    }
}

fn canonical(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            Value::Object(fields.iter().zip(columns).map(|(f, c)| (f.name().clone(), canonical(c, row))).collect())
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|i| canonical(&items, i)).collect())
        }
        DataType::Map(..) => {
            let pairs = array.as_map().value(row);
            let (keys, values) = (pairs.column(0), pairs.column(1));
            Value::Array(
                (0..pairs.len()).map(|i| Value::Array(vec![canonical(keys, i), canonical(values, i)])).collect(),
            )
        }
        DataType::Binary => {
            Value::String(array.as_binary::<i32>().value(row).iter().map(|b| format!("{b:02x}")).collect())
        }
        DataType::Float32 => {
            serde_json::json!(f64::from(array.as_primitive::<arrow::datatypes::Float32Type>().value(row)))
        }
        DataType::Float64 => serde_json::json!(array.as_primitive::<arrow::datatypes::Float64Type>().value(row)),
        DataType::Int32 => serde_json::json!(array.as_primitive::<arrow::datatypes::Int32Type>().value(row)),
        DataType::Int64 => serde_json::json!(array.as_primitive::<arrow::datatypes::Int64Type>().value(row)),
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        _ => Value::String(arrow::util::display::array_value_to_string(array, row).unwrap_or_default()),
    }
}

/// The rows that a test of DuckDB expects of a whole table, with the columns that it asks for (none: all).
fn of_duckdb(folder: &Path, table: &str) -> Option<(Vec<String>, Vec<String>)> {
    let mut tests = files_below(folder);
    tests.retain(|path| path.extension().is_some_and(|e| e == "test"));
    for path in tests {
        let text = std::fs::read_to_string(path).ok()?;
        let mut records = text.split("\n\n");
        let found = records.find_map(|record| {
            let (_, query) = record.split_once("\nquery ").or_else(|| record.split_once("query "))?;
            let (query, rows) = query.split_once("\n----")?;
            let query = query.split_once('\n')?.1.replace('\n', " ").to_lowercase();
            let (columns, rest) = query.trim().strip_prefix("select ")?.split_once(" from iceberg_scan(")?;
            let (scanned, rest) = rest.split_once(')')?;
            let whole = matches!(rest.trim().trim_end_matches(';').trim(), "" | "order by id" | "order by all");
            let of_table = scanned.trim().trim_matches('\'').ends_with(&table.to_lowercase());
            let columns: Vec<String> = columns.split(',').map(|c| c.trim().to_string()).filter(|c| c != "*").collect();
            (whole && of_table).then(|| (columns, rows.trim().lines().map(str::to_string).collect()))
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

fn compare_text(rows: &[RecordBatch], columns: &[String], mut wanted: Vec<String>) -> Result<(), String> {
    let mut found = Vec::new();
    for batch in rows {
        let asked: Vec<ArrayRef> = match columns {
            [] => batch.columns().to_vec(),
            names => names.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect(),
        };
        for row in 0..batch.num_rows() {
            let text = |c: &ArrayRef| match c.is_null(row) {
                true => "NULL".to_string(),
                false => arrow::util::display::array_value_to_string(c, row).unwrap_or_default().replace('T', " "),
            };
            found.push(asked.iter().map(text).collect::<Vec<_>>().join("\t"));
        }
    }
    wanted.sort();
    found.sort();
    if wanted == found { Ok(()) } else { Err(format!("\n   found    {found:?}\n   expected {wanted:?}")) }
}

/// All files below a folder, in the order of their paths.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

/// Metadata of tables and views, answers of REST catalogs, manifest lists, Puffin files, bitmaps of positions.
fn metadata_files(folder: &Path) -> Outcomes {
    let mut outcomes = Vec::new();
    for set in ["metadata_rust", "metadata_java"] {
        for path in files_below(&folder.join(set)) {
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
            let bytes = std::fs::read(&path).expect("the file can be read");
            let inside = |part: &str| name.contains(&format!("/{part}"));
            let outcome = match path.extension().and_then(|e| e.to_str()) {
                Some("json") if file.starts_with("avro_schema") => continue,
                Some("json") if inside("view") => must(&file, freshet_lake::view::parse(&bytes, &file)),
                Some("json") if inside("rest") => {
                    let answer: Value = serde_json::from_slice(&bytes).expect("an answer is JSON");
                    must(&file, metadata::parse(answer["metadata"].to_string().as_bytes(), &file))
                }
                Some("json") => must(&file, metadata::parse(&bytes, &file)),
                Some("avro") => manifest_list(&file, &bytes),
                Some("bin") if inside("puffin") => outcome(puffin(&bytes)),
                Some("bin") => outcome(bitmap(&file, &bytes)),
                _ => continue,
            };
            outcomes.push((name, outcome));
        }
    }
    outcomes
}

/// Whether a file is loaded or refused as its name says; a refusal names a field.
fn must<T>(file: &str, parsed: freshet_types::Result<T>) -> Outcome {
    let bad = ["Missing", "NotFound", "Unsupported", "Invalid", "NoValid"].iter().any(|w| file.contains(w));
    outcome(match (parsed, bad) {
        (Ok(_), false) => Ok("loads".to_string()),
        (Err(e), true) if e.text().contains("field \"") => Ok(e.text().to_string()),
        (Err(e), true) => Err(format!("the refusal names no field: {e}")),
        (Ok(_), true) => Err("was not refused".to_string()),
        (Err(e), false) => Err(e.to_string()),
    })
}

fn manifest_list(file: &str, bytes: &[u8]) -> Outcome {
    let parsed = files::manifest_list(bytes, freshet_lake::LATEST_VERSION, file);
    outcome(match parsed {
        Err(e) if file.contains("encrypted") && e.code() == "lake.encrypted" => Ok(e.text().to_string()),
        Ok(_) if file.contains("encrypted") => Err("an encrypted list was read".to_string()),
        Ok(manifests) => {
            // Avro does not say how many blocks a file has: cut behind one it reads as a shorter list, never as the whole.
            let cut = (0..bytes.len()).find(|n| {
                files::manifest_list(&bytes[..*n], freshet_lake::LATEST_VERSION, file)
                    .is_ok_and(|part| part.len() >= manifests.len())
            });
            match cut {
                None => Ok(format!("{} manifests", manifests.len())),
                Some(cut) => Err(format!("cut to {cut} of {} bytes it reads as a whole", bytes.len())),
            }
        }
        Err(e) => Err(e.to_string()),
    })
}

fn puffin(bytes: &[u8]) -> Result<String, String> {
    use freshet_lake::puffin;
    let blobs = puffin::blobs(bytes).map_err(|e| e.to_string())?;
    for blob in &blobs {
        puffin::read(bytes, blob).map_err(|e| e.to_string())?;
    }
    match (0..bytes.len()).find(|cut| puffin::blobs(&bytes[..*cut]).is_ok()) {
        None => Ok(format!("{} blobs", blobs.len())),
        Some(cut) => Err(format!("cut to {cut} of {} bytes it is still read", bytes.len())),
    }
}

/// The positions must be such as the name tells, and no cut may decode.
fn bitmap(name: &str, bytes: &[u8]) -> Result<String, String> {
    let decode = |bytes: &[u8]| freshet_lake::scan::decode_positions(bytes);
    let positions = match decode(bytes) {
        // Its keys are beyond what a position may be, so that Iceberg refuses it as well.
        Err(e) if name.contains("highvals") => return Ok(e.to_string()),
        other => other.map_err(|e| e.to_string())?,
    };
    let above = |limit: u64| positions.iter().any(|p| *p >= limit);
    let told = [
        ("empty", positions.is_empty()),
        ("32bitvals", !positions.is_empty() && !above(1 << 32)),
        ("highvals", false),
        ("spreadvals", above(1 << 32) && positions.iter().any(|p| *p < 1 << 32)),
        ("alternating", positions.len() > 1 && positions.windows(2).all(|p| p[1] - p[0] == 2)),
        ("small-and-large", above(1 << 31) && positions.iter().any(|p| *p < 1 << 16)),
        ("all-container-types", positions.len() > 100_000),
    ];
    if let Some((what, _)) = told.iter().find(|(what, holds)| name.contains(what) && !holds) {
        return Err(format!("{} positions, which are not \"{what}\"", positions.len()));
    }
    match (0..bytes.len()).find(|cut| decode(&bytes[..*cut]).is_ok()) {
        None => Ok(format!("{} positions", positions.len())),
        Some(cut) => Err(format!("cut to {cut} of {} bytes it still decodes", bytes.len())),
    }
}
