//! Iceberg tables, metadata files and deletion vectors of other writers, read by our lake.

use super::Outcome;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::prelude::SessionContext;
use freshet_lake::files;
use freshet_lake::io::LakeIo;
use freshet_lake::metadata;
use freshet_lake::table::LakeTable;
use freshet_sql::catalog::external::ExternalTable;
use freshet_types::{Options, SystemClock};
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
                Ok(found) => outcome(check_table(t, found)),
                Err(e) => Outcome::Refused(e),
            };
            (t["table"].as_str().unwrap_or("?").to_string(), found)
        })
        .collect();
    outcomes.extend(metadata_files(folder));
    outcomes.extend(bitmaps(folder));
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
    let text = |key: &str| expected.get(key).and_then(Value::as_str);
    let root = folder.join("tables");
    let base = text("paths_relative_to").map_or_else(|| root.clone(), |p| root.join(p));
    let table_folder = root.join(text("table").ok_or("no table")?);
    let mut io = LakeIo::open(&[&root.display().to_string()], &Options::default()).map_err(|e| e.to_string())?;
    io = io.relative_to(&base.display().to_string());
    if let Some(location) = text("location").filter(|l| l.contains("://") && !l.starts_with("file://")) {
        io = io.moved(location, &table_folder.display().to_string());
    }
    let location = root.join(text("metadata").ok_or("no metadata")?).display().to_string();
    LakeTable::from_files(io, &location, Arc::new(SystemClock)).map_err(|e| e.to_string())
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

fn check_table(expected: &Value, rows: Option<Vec<RecordBatch>>) -> Result<String, String> {
    let Some(rows) = rows else { return Ok("listed".into()) };
    let count = rows.iter().map(RecordBatch::num_rows).sum::<usize>();
    let Some(wanted) = expected.get("row_count").and_then(Value::as_u64) else {
        return Ok(format!("{count} rows, to be compared with duckdb_tests"));
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
    let provider = table.scan(None).map_err(|e| e.to_string())?;
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

fn metadata_files(folder: &Path) -> Outcomes {
    let mut outcomes = Vec::new();
    for sub in ["metadata_rust/table_metadata", "metadata_rust", "metadata_java"] {
        let Ok(entries) = std::fs::read_dir(folder.join(sub)) else { continue };
        let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.starts_with("avro_schema") {
                continue;
            }
            let bad = ["Missing", "NotFound", "Unsupported", "Invalid", "NoValid"].iter().any(|w| name.contains(w));
            let bytes = std::fs::read(path).expect("the file can be read");
            let outcome = match (metadata::parse(&bytes, name), bad) {
                (Ok(_), false) => Ok("loads".to_string()),
                (Err(e), true) => Ok(e.text().to_string()),
                (Ok(_), true) => Err("was not refused".to_string()),
                (Err(e), false) => Err(e.to_string()),
            };
            outcomes.push((format!("{sub}/{name}"), self::outcome(outcome)));
        }
    }
    outcomes
}

fn bitmaps(folder: &Path) -> Outcomes {
    let Ok(entries) = std::fs::read_dir(folder.join("metadata_java/deletes")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    let mut outcomes = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).expect("the file can be read");
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
        let decode = |bytes: &[u8]| freshet_lake::scan::decode_positions(bytes);
        let outcome = match decode(&bytes) {
            Ok(_) => match (0..bytes.len()).find(|cut| decode(&bytes[..*cut]).is_ok()) {
                None => Outcome::Pass,
                Some(cut) => Outcome::Wrong(format!("cut to {cut} of {} bytes it still decodes", bytes.len())),
            },
            Err(e) => Outcome::Refused(e.to_string()),
        };
        outcomes.push((format!("deletes/{name}"), outcome));
    }
    outcomes
}
