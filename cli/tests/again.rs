//! A job that is started once more: it goes on where it ended, also when its file has changed, or says why it cannot.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const ORDERS: &str = "CREATE TEMPORARY TABLE orders (id BIGINT, customer STRING, city STRING, amount BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'orders', 'format' = 'csv');
";
const SHOWN: &str =
    "CREATE TEMPORARY TABLE shown (k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'print');
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.orders("a.csv", "1,ann,rome,10\n2,bob,oslo,20\n3,ann,oslo,30\n");
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn orders(&self, file: &str, lines: &str) {
        std::fs::create_dir_all(self.path().join("orders")).unwrap();
        std::fs::write(self.path().join("orders").join(file), lines).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
        command.current_dir(self.path()).args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    fn freshet(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs this text as the file `job.sql`: what was printed, sorted, and what was said.
    fn run(&self, sql: &str) -> (Vec<String>, String) {
        let output = self.try_run(sql, &[]);
        assert!(output.status.success(), "{}", said(&output));
        let mut rows: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect();
        rows.sort();
        (rows, said(&output))
    }

    fn try_run(&self, sql: &str, more: &[&str]) -> Output {
        std::fs::write(self.path().join("job.sql"), sql).unwrap();
        self.freshet(&[&["run", "job.sql"], more].concat())
    }

    fn refused(&self, sql: &str) -> String {
        let output = self.try_run(sql, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        said(&output)
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        let output = self.freshet(&["sql", "-o", "tsv", "-c", sql]);
        assert!(output.status.success(), "{}", said(&output));
        let mut rows: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect();
        rows.sort();
        rows
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_grouping_by_something_else_is_refused_also_when_its_type_is_the_same() {
    let folder = Folder::new();
    let count =
        |key: &str| format!("{ORDERS}{SHOWN}INSERT INTO shown SELECT {key}, COUNT(*) FROM orders GROUP BY {key};");
    folder.run(&count("customer"));
    let text = folder.refused(&count("city"));
    assert!(text.contains("error: job.changed: ") && text.contains("--from-scratch"), "{text}");
    // Other sums are other state too.
    let sum = |column: &str| {
        format!("{ORDERS}{SHOWN}INSERT INTO shown SELECT customer, SUM({column}) FROM orders GROUP BY customer;")
    };
    let over = folder.try_run(&sum("amount"), &["--from-scratch"]);
    assert!(over.status.success(), "{}", said(&over));
    assert!(folder.refused(&sum("id")).contains("job.changed"));
    let (rows, _) = folder.run(&sum("amount"));
    assert!(rows.is_empty(), "{rows:?}");
}

#[test]
fn another_filter_other_names_and_more_statements_go_on() {
    let folder = Folder::new();
    let (rows, _) = folder.run(&format!(
        "{ORDERS}{SHOWN}INSERT INTO shown SELECT customer AS who, COUNT(*) AS n FROM orders WHERE amount > 5 GROUP BY customer;"
    ));
    assert_eq!(rows.last().unwrap(), "+I[bob, 1]", "{rows:?}");
    std::fs::create_dir(folder.path().join("others")).unwrap();
    std::fs::write(folder.path().join("others/a.csv"), "x\nx\ny\n").unwrap();
    folder.orders("b.csv", "4,bob,rome,7\n5,bob,rome,100\n");
    // A statement before it that counts another table, other names, another literal in the filter.
    let (rows, text) = folder.run(&format!(
        "{ORDERS}{SHOWN}
CREATE TEMPORARY TABLE others (x STRING) WITH ('connector' = 'filesystem', 'path' = 'others', 'format' = 'csv');
CREATE TEMPORARY TABLE counted (x STRING, n BIGINT, PRIMARY KEY (x) NOT ENFORCED) WITH ('connector' = 'print', 'print-identifier' = 'o');
INSERT INTO counted SELECT x, COUNT(*) FROM others GROUP BY x;
INSERT INTO shown SELECT c, COUNT(*) AS many FROM (SELECT customer AS c FROM orders WHERE amount > 50) GROUP BY c;"
    ));
    assert!(text.contains("job \"job\" goes on from checkpoint 1"), "{text}");
    assert!(rows.contains(&"+U[bob, 2]".to_string()), "{rows:?}");
    assert!(rows.contains(&"o> +I[y, 1]".to_string()), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.contains("ann")).count(), 0, "{rows:?}");
}

#[test]
fn a_new_count_over_rows_that_are_read_already_is_refused() {
    let folder = Folder::new();
    let kept = "CREATE TABLE IF NOT EXISTS kept (id BIGINT);\n";
    folder.run(&format!("{ORDERS}{kept}INSERT INTO kept SELECT id FROM orders;"));
    let text = folder.refused(&format!(
        "{ORDERS}{SHOWN}{kept}INSERT INTO kept SELECT id FROM orders;
INSERT INTO shown SELECT customer, COUNT(*) FROM orders GROUP BY customer;"
    ));
    assert!(text.contains("orders\" that it needs have been read already"), "{text}");
    assert_eq!(folder.rows("SELECT id FROM kept"), ["1", "2", "3"]);
}

#[test]
fn fixed_rows_come_once_and_new_ones_are_new() {
    let folder = Folder::new();
    let kept = "CREATE TABLE IF NOT EXISTS kept (id BIGINT);\n";
    let insert = |id: i32| format!("INSERT INTO kept VALUES ({id});\n");
    folder.run(&format!("{kept}{}", insert(1)));
    let (_, text) = folder.run(&format!("{kept}{}", insert(1)));
    assert!(text.contains("nothing new has come since"), "{text}");
    folder.run(&format!("{kept}{}{}", insert(2), insert(1)));
    assert_eq!(folder.rows("SELECT id FROM kept"), ["1", "2"]);
}

#[test]
fn tables_that_an_earlier_run_has_made_are_gone_on_with() {
    let folder = Folder::new();
    let job = format!(
        "{ORDERS}CREATE TABLE big AS SELECT id, amount FROM orders WHERE amount > 15;
CREATE TABLE ids (id BIGINT);
INSERT INTO ids SELECT id FROM orders;"
    );
    folder.run(&job);
    folder.orders("b.csv", "4,bob,rome,7\n5,bob,rome,100\n");
    let (_, text) = folder.run(&job);
    assert!(text.contains("table \"big\" is there already, as it is written here: going on with it"), "{text}");
    assert_eq!(folder.rows("SELECT id FROM big"), ["2", "3", "5"]);
    assert_eq!(folder.rows("SELECT id FROM ids"), ["1", "2", "3", "4", "5"]);
    // Somebody else's rows are not gone on with, nor another table of the name.
    for (name, sql) in [
        ("other", format!("{ORDERS}CREATE TABLE big AS SELECT id, amount FROM orders;")),
        ("job", format!("{ORDERS}CREATE TABLE ids (id INT);")),
    ] {
        std::fs::write(folder.path().join(format!("{name}.sql")), sql).unwrap();
        let output = folder.freshet(&["run", &format!("{name}.sql")]);
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        assert!(said(&output).contains("error: table.exists: "), "{name}: {}", said(&output));
    }
    let over = folder.try_run(&job, &["--from-scratch"]);
    assert!(said(&over).contains("error: table.exists: "), "{}", said(&over));
}

#[test]
fn each_file_has_its_job_and_a_shared_name_is_numbered() {
    let folder = Folder::new();
    let kept = "CREATE TABLE IF NOT EXISTS kept (id BIGINT);\n";
    std::fs::write(
        folder.path().join("a.sql"),
        format!("SET 'pipeline.name' = 'p';\n{kept}INSERT INTO kept VALUES (1);"),
    )
    .unwrap();
    std::fs::write(folder.path().join("b.sql"), "INSERT INTO kept VALUES (2);").unwrap();
    for _ in 0..2 {
        let output = folder.freshet(&["run", "a.sql", "b.sql"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(folder.rows("SELECT id FROM kept"), ["1", "2"]);
    }
    let jobs = folder.rows("SHOW JOBS");
    let shown: Vec<String> = jobs.iter().map(|row| row.split('\t').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(shown, ["p finished 2", "p-2 finished 2"], "{jobs:?}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_with_a_checkpoint_and_the_next_run_goes_on() {
    let folder = Folder::new();
    std::fs::write(
        folder.path().join("job.sql"),
        "CREATE TEMPORARY TABLE ids (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '200', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '100000000');
CREATE TABLE IF NOT EXISTS kept (id BIGINT);
INSERT INTO kept SELECT id FROM ids;
SELECT COUNT(*) FROM kept;",
    )
    .unwrap();
    for (i, signal) in ["-INT", "-TERM"].into_iter().enumerate() {
        let mut job = folder.command(&["run", "job.sql", "--report", "report.json"]);
        let child = job.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let wanted = folder.path().join("freshet-data/jobs/job/job.json");
        let deadline = Instant::now() + Duration::from_secs(30);
        while !wanted.exists() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        std::thread::park_timeout(Duration::from_millis(1500));
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(0), "{signal}: {text}");
        assert!(text.contains("job \"job\" stopped after checkpoint"), "{signal}: {text}");
        assert!(text.contains("the statement behind it was not executed"), "{signal}: {text}");
        assert_eq!(text.contains("goes on from checkpoint"), i > 0, "{signal}: {text}");
        let report = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let rows = report["jobs"][0]["total"]["rows_in"].as_u64().unwrap();
        assert!(rows > 0, "{report}");
        assert_eq!(
            folder.rows("SELECT COUNT(*), COUNT(DISTINCT id), MAX(id) FROM kept"),
            [format!("{rows}\t{rows}\t{}", rows - 1)]
        );
    }
}

#[test]
fn a_damaged_checkpoint_is_named_with_what_can_be_done() {
    let folder = Folder::new();
    let job = format!("{ORDERS}CREATE TABLE IF NOT EXISTS kept (id BIGINT);\nINSERT INTO kept SELECT id FROM orders;");
    folder.run(&job);
    let root = folder.path().join("freshet-data/jobs/job/root-1.json");
    let mut bytes = std::fs::read(&root).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&root, bytes).unwrap();
    let text = folder.refused(&job);
    assert!(text.contains("error: state.corrupt: ") && text.contains("root-1.json"), "{text}");
    assert!(text.contains("--from-scratch"), "{text}");
    assert!(folder.rows("SHOW JOBS")[0].starts_with("job\tstate.corrupt\t"));
    assert_eq!(folder.rows("SELECT id FROM kept"), ["1", "2", "3"], "what was committed is intact");
}
