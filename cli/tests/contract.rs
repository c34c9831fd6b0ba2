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
fn nested_values_and_control_characters_have_their_form() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SELECT ARRAY[1, 2] AS a, MAP['k', CAST(NULL AS INT)] AS m, ROW(1, 'x\"') AS r, x'00ff' AS b, U&'\\000B\\0008' AS c";
    let rows = |form: &str| out(&freshet(folder.path(), &["sql", "-o", form, "-c", sql]));
    assert_eq!(rows("tsv"), "[1, 2]\t{k=NULL}\t(1, x\")\t\\\\x00ff\t\\v\\b\n");
    let json: serde_json::Value = serde_json::from_str(&rows("json")).unwrap();
    assert_eq!(json["a"], serde_json::json!([1, 2]));
    assert_eq!(json["m"], serde_json::json!({ "k": null }));
    assert_eq!(json["r"].as_object().unwrap().values().next_back().unwrap(), "x\"");
}

#[test]
fn instants_are_shown_in_the_zone_that_the_script_sets() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "SET 'table.local-time-zone' = 'Asia/Shanghai'; SELECT TO_TIMESTAMP_LTZ(0, 3) AS t;";
    assert_eq!(out(&freshet(folder.path(), &["sql", "-o", "tsv", "-c", sql])), "1970-01-01 08:00:00.000\n");
}

#[test]
fn a_script_that_cannot_be_read_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let run = |bytes: &[u8]| {
        std::fs::write(folder.path().join("s.sql"), bytes).unwrap();
        freshet(folder.path(), &["sql", "-o", "tsv", "s.sql"])
    };
    let error = |bytes: &[u8]| {
        let output = run(bytes);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert_eq!(out(&run(b"\xef\xbb\xbfSELECT 1")), "1\n", "a byte order mark is no part of the text");
    let text = error(b"SELECT 1;\nSELECT '\xff'");
    assert!(text.contains("error: file.encoding: byte ff at position 18 is not UTF-8 (line s.sql:2)"), "{text}");
    assert!(error(b"\xff\xfeS\0").contains("UTF-16"));
    let text = error(b"SELECT 1;\nSELECT '${MISSING_HERE}'");
    assert!(text.contains("variable.missing") && text.contains("--> s.sql:2:9"), "{text}");
    let output = freshet(folder.path(), &["sql", "-o", "tsv", "--var", "A=7", "-c", "SELECT ${A}, '${B:-b}'"]);
    assert_eq!(out(&output), "7\tb\n");
}

#[test]
fn empty_results_and_several_queries_keep_their_headers() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "-- nothing\nSELECT 1 AS a WHERE 1 = 0; /* two */ SELECT 2 AS b;;\nSELECT 3 AS c";
    assert_eq!(out(&freshet(folder.path(), &["sql", "-o", "csv", "-c", sql])), "a\nb\n2\nc\n3\n");
    assert!(
        out(&freshet(folder.path(), &["sql", "-o", "table", "-c", "SELECT 1 AS a WHERE 1 = 0"])).contains("0 rows")
    );
    assert_eq!(out(&freshet(folder.path(), &["sql", "-c", "-- nothing"])), "");
}

#[test]
fn a_limit_ends_a_query_over_rows_that_do_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE TEMPORARY TABLE endless (n INT) WITH ('connector' = 'datagen', 'fields.n.min' = '7', 'fields.n.max' = '7');
               SELECT n FROM endless LIMIT 3;
               SELECT m + 1 AS next FROM (SELECT n AS m FROM endless WHERE n > 1 LIMIT 4 OFFSET 2) LIMIT 2;
               SELECT 1 AS one;";
    let shown = out(&freshet(folder.path(), &["sql", "-o", "tsv", "-c", sql]));
    assert_eq!(shown, "7\n7\n7\n8\n8\n1\n");
}

#[test]
fn short_commands_work_without_a_terminal() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .current_dir(folder.path())
        .arg("sql")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let text = "CREATE TEMPORARY VIEW v AS SELECT 1 AS one;\n\\d\n.mode json\nSELECT one\n  FROM v;\n\\x\n.mode table\nSELECT one FROM v;\n\\q\nSELECT 2;";
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    assert_eq!(out(&output), "table name\nv\n{\"one\":1}\n-[ RECORD 1 ]---\none | 1\n");
    let wrong = freshet(folder.path(), &["sql", "-c", "\\nothing"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("error: shell.command: no short command named"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_ends_the_work_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE TEMPORARY TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000');";
    let printed = "CREATE TEMPORARY TABLE p (id BIGINT) WITH ('connector' = 'print');";
    for work in [format!("{sql} SELECT id FROM g;"), format!("{sql} {printed} INSERT INTO p SELECT id FROM g;")] {
        let script = "\"$0\" sql -o csv -c \"$1\" 2>err | head -n 3 | wc -l; cat err";
        let output = Command::new("timeout")
            .args(["60", "bash", "-c", script, env!("CARGO_BIN_EXE_freshet"), &work])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "3", "{work}");
    }
    let full = Command::new("bash")
        .args(["-c", "\"$0\" sql -c 'SELECT 1' > /dev/full", env!("CARGO_BIN_EXE_freshet")])
        .output()
        .unwrap();
    if std::path::Path::new("/dev/full").exists() {
        assert_eq!(full.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&full.stderr).contains("error: output.failed: "));
    }
}

#[test]
fn a_job_that_fails_is_reported_and_keeps_what_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    orders(folder.path(), "a.csv", "1,9.50,2026-01-01 10:00:01\n");
    let strict = JOB.replace("'csv')", "'csv', 'errors' = 'fail')");
    std::fs::write(folder.path().join("job.sql"), &strict).unwrap();
    out(&freshet(folder.path(), &["run", "job.sql"]));
    orders(folder.path(), "b.csv", "oops\n");
    let output = freshet(folder.path(), &["run", "job.sql", "--report", "report.json"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("all that belongs to checkpoint 1 of job \"job\" is kept"), "{text}");
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("report.json")).unwrap()).unwrap();
    assert!(report["jobs"][0]["failure"].as_str().unwrap().contains("oops"), "{report}");
    orders(folder.path(), "b.csv", "2,8.00,2026-01-01 10:00:02\n");
    out(&freshet(folder.path(), &["run", "job.sql"]));
    assert_eq!(out(&freshet(folder.path(), &["sql", "-o", "tsv", "-c", "SELECT id FROM kept ORDER BY id"])), "1\n2\n");
}

#[test]
fn too_little_memory_says_what_to_raise() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE TEMPORARY TABLE g (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '200000', 'rows-per-second' = '1000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '200000');
CREATE TEMPORARY TABLE b (id BIGINT, n BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO b SELECT id, COUNT(*) FROM g GROUP BY id;";
    std::fs::write(folder.path().join("job.sql"), sql).unwrap();
    let output = freshet(folder.path(), &["run", "job.sql", "--memory", "1mb"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: job.memory: ") && text.contains("raise --memory"), "{text}");
    out(&freshet(folder.path(), &["run", "job.sql", "--memory", "1GiB", "--from-scratch"]));
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
