//! The real binary with a data folder of its own, and a race for a commit.

mod race;

pub(crate) use race::CommitRace;

use std::path::PathBuf;
use std::process::Command;

/// `freshet` with its data folder, which goes when this is dropped.
pub(crate) struct Freshet {
    folder: tempfile::TempDir,
}

impl Freshet {
    /// An empty data folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn output(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let (out, err) = [output.stdout, output.stderr].map(|t| String::from_utf8(t).unwrap()).into();
        assert!(output.status.success(), "freshet {arguments:?}: {:?}\n{out}{err}", output.status.code());
        out
    }

    /// `freshet demo`.
    pub(crate) fn demo(&self, time: &str) {
        self.output(&["demo", "--for", time]);
    }

    /// `freshet run` with a file that always has the same name, so that it's the same job.
    pub(crate) fn run(&self, sql: &str) {
        std::fs::write(self.folder.path().join("job.sql"), sql).unwrap();
        self.output(&["run", "job.sql"]);
    }

    /// The same, stopped after a while as by Ctrl-C.
    pub(crate) fn run_for(&self, sql: &str, time: &str) {
        std::fs::write(self.folder.path().join("job.sql"), sql).unwrap();
        self.output(&["run", "job.sql", "--for", time]);
    }

    /// `freshet sql`.
    pub(crate) fn sql(&self, sql: &str) {
        self.output(&["sql", "-c", sql]);
    }

    /// What is said of statements that must fail.
    pub(crate) fn refused(&self, sql: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
            .args(["sql", "-c", sql, "--data"])
            .arg(self.data())
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{sql}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Rows of a query, sorted.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        sorted(self.output(&["sql", "-o", "tsv", "-c", sql]).lines().map(String::from))
    }

    /// The lines of `freshet lake <question> <table>`.
    pub(crate) fn lake(&self, question: &str, setup: &str, table: &str) -> Vec<String> {
        let mut arguments = vec!["lake", question, table, "-o", "tsv"];
        if !setup.is_empty() {
            arguments.extend(["--setup", setup]);
        }
        self.output(&arguments).lines().map(String::from).collect()
    }

    /// Number of snapshots of a table.
    pub(crate) fn snapshots(&self, setup: &str, table: &str) -> usize {
        self.lake("snapshots", setup, table).len()
    }

    /// The table must be sound and have so many rows.
    pub(crate) fn verify(&self, setup: &str, table: &str, rows: usize) {
        let lines = self.lake("verify", setup, table);
        assert!(lines.contains(&"verdict\tsound".to_string()), "{table}: {lines:?}");
        assert!(lines.contains(&format!("rows\t{rows}")), "{table}: {lines:?}");
    }
}

/// `rows` in order.
pub(crate) fn sorted(rows: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().collect();
    rows.sort();
    rows
}

/// Fails with the first rows that differ; thousands of lines help nobody.
pub(crate) fn same(what: &str, found: &[String], expected: &[String]) {
    let only = |a: &[String], b: &[String]| {
        a.iter().filter(|r| b.binary_search(r).is_err()).take(3).cloned().collect::<Vec<_>>()
    };
    assert!(
        found == expected,
        "{what}: {} rows, {} expected; only found: {:#?}, only expected: {:#?}",
        found.len(),
        expected.len(),
        only(found, expected),
        only(expected, found)
    );
}
