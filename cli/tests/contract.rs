//! What scripts rely on: exit codes, forms of output, counters that add up, going on where a run ended.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::path::Path;
use std::process::{Command, Output};

const JOB: &str = "
CREATE TEMPORARY TABLE orders (id BIGINT, amount DECIMAL(10, 2), at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND)
WITH ('connector' = 'filesystem', 'path' = 'orders', 'format' = 'csv');
CREATE TABLE IF NOT EXISTS kept (id BIGINT, amount DECIMAL(10, 2));
INSERT INTO kept SELECT id, amount FROM orders WHERE amount > 5;
";

fn freshet(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_freshet"))
        .current_dir(folder)
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn orders(folder: &Path, file: &str, lines: &str) {
    std::fs::create_dir_all(folder.join("orders")).unwrap();
    std::fs::write(folder.join("orders").join(file), lines).unwrap();
}

#[test]
fn exit_codes_tell_success_failure_and_usage_apart() {
    let folder = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| freshet(folder.path(), arguments).status.code();
    assert_eq!(code(&["sql", "-c", "SELECT 1"]), Some(0));
    assert_eq!(code(&["sql", "-c", "SELECT nothing"]), Some(1));
    assert_eq!(code(&["run"]), Some(2));
    assert_eq!(code(&["run", "x.sql", "--output", "xml"]), Some(2));
    let missing = freshet(folder.path(), &["run", "x.sql"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("error: file.unreadable: no such file"));
    assert!(!folder.path().join("freshet-data").exists(), "nothing was kept, so no folder is made");
}

#[test]
fn every_form_of_output_writes_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SELECT CAST(1 AS BIGINT) AS n, CAST(1.5 AS DECIMAL(5, 2)) AS d, TIMESTAMP '2026-01-02 03:04:05' AS t, CAST(NULL AS STRING) AS s, TRUE AS b";
    let rows = |form: &str| out(&freshet(folder.path(), &["sql", "-o", form, "-c", sql]));
    assert_eq!(rows("tsv"), "1\t1.50\t2026-01-02 03:04:05\t\\N\tt\n");
    assert_eq!(rows("csv"), "n,d,t,s,b\n1,1.50,2026-01-02 03:04:05,,true\n");
    assert_eq!(rows("json"), "{\"n\":1,\"d\":1.50,\"t\":\"2026-01-02 03:04:05\",\"s\":null,\"b\":true}\n");
    assert_eq!(rows("changelog"), "+I[1, 1.50, 2026-01-02 03:04:05, null, true]\n");
    assert!(rows("table").contains("DECIMAL(5, 2)"));
}

#[test]
fn a_finished_job_takes_only_what_is_new_and_its_counters_add_up() {
    let folder = tempfile::tempdir().unwrap();
    orders(
        folder.path(),
        "a.csv",
        "1,9.50,2026-01-01 10:00:01\n2,1.00,2026-01-01 10:00:02\noops\n3,7.00,2026-01-01 10:00:03\n",
    );
    std::fs::write(folder.path().join("job.sql"), JOB).unwrap();
    let run = |more: &[&str]| -> serde_json::Value {
        let arguments = [&["run", "job.sql", "--report", "report.json"], more].concat();
        out(&freshet(folder.path(), &arguments));
        let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["jobs"][0].clone()
    };
    let kept = || {
        let mut rows: Vec<_> = out(&freshet(folder.path(), &["sql", "-o", "tsv", "-c", "SELECT id FROM kept"]))
            .lines()
            .map(String::from)
            .collect();
        rows.sort();
        rows.join(",")
    };
    let first = run(&[]);
    let count = |report: &serde_json::Value, name: &str| report["run"][name].as_u64().unwrap();
    assert_eq!((count(&first, "rows_in"), count(&first, "rows_out")), (4, 2));
    let left = ["rows_out", "filtered", "late", "dead"].iter().map(|n| count(&first, n)).sum::<u64>();
    assert_eq!(count(&first, "rows_in"), left, "rows in = rows out + filtered + late + dead: {first}");
    assert_eq!(kept(), "1,3");

    orders(folder.path(), "b.csv", "4,20.00,2026-01-01 10:00:09\n");
    let second = run(&["--workers", "3"]);
    assert_eq!((count(&second, "rows_in"), count(&second, "rows_out")), (1, 1));
    assert!(second["resumed_from"].is_u64(), "{second}");
    assert_eq!(kept(), "1,3,4");

    assert_eq!(count(&run(&[]), "rows_in"), 0);
    assert_eq!(kept(), "1,3,4");
    let verify = freshet(folder.path(), &["lake", "verify", "kept"]);
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}

#[test]
fn a_changed_statement_is_refused_where_its_state_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    orders(folder.path(), "a.csv", "1,9.50,2026-01-01 10:00:01\n");
    let job = |key: &str| {
        format!(
            "CREATE TEMPORARY TABLE orders (id BIGINT, amount DECIMAL(10, 2), at TIMESTAMP(3), WATERMARK FOR at AS at)
WITH ('connector' = 'filesystem', 'path' = 'orders', 'format' = 'csv');
CREATE TEMPORARY TABLE shown (n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO shown SELECT COUNT(*) FROM orders GROUP BY {key};"
        )
    };
    let file = folder.path().join("job.sql");
    std::fs::write(&file, job("id")).unwrap();
    out(&freshet(folder.path(), &["run", "job.sql"]));
    std::fs::write(&file, job("amount")).unwrap();
    let refused = freshet(folder.path(), &["run", "job.sql"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("job.changed") && text.contains("--from-scratch"), "{text}");
    out(&freshet(folder.path(), &["run", "job.sql", "--from-scratch"]));
}

#[test]
fn a_query_tells_of_records_that_it_could_not_understand() {
    let folder = tempfile::tempdir().unwrap();
    orders(folder.path(), "a.csv", "oops\n1,9.50,2026-01-01 10:00:01\n");
    let sql = "CREATE TEMPORARY TABLE o (id BIGINT, amount DECIMAL(10, 2), at STRING) WITH ('connector' = 'filesystem', 'path' = 'orders', 'format' = 'csv'); SELECT id FROM o;";
    let output = freshet(folder.path(), &["sql", "-o", "tsv", "-c", sql]);
    assert_eq!(out(&output), "1\n");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("1 record was not understood") && text.contains("\"oops\" is not a value of type BIGINT"),
        "{text}"
    );
    let strict = freshet(folder.path(), &["sql", "-c", &sql.replace("'csv')", "'csv', 'errors' = 'fail')")]);
    assert_eq!(strict.status.code(), Some(1), "{}", String::from_utf8_lossy(&strict.stderr));
}
