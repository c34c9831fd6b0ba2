//! Random queries over small tables, as a stream and as a batch, give the rows that DuckDB gives. What DataFusion's
//! optimiser does wrong shows here only: streams and batches share it. `FRESHET_QUERIES` says how many, and
//! `FRESHET_QUERIES_FIRST` with which seed to begin.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests: a panic is their answer, figures are for the reader"
)]

mod generator;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "this test needs a part of it")]
mod support;

use freshet_testkit::services::Readers;
use generator::{Generator, TABLES};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use support::Freshet;

/// Rows of a table as lines of JSON.
fn rows(rng: &mut ChaCha8Rng, count: usize) -> String {
    let mut lines = String::new();
    for id in 0..count {
        let mut number = |sides: i32| match rng.random_range(0..7) {
            0 => "null".to_string(),
            _ => (rng.random_range(0..sides) - 1).to_string(),
        };
        let (k, v) = (number(5), number(7));
        let s = ["null", r#""a""#, r#""b""#, r#""bb""#, r#""""#, r#""Zz""#][rng.random_range(0..6)];
        let _ = writeln!(lines, r#"{{"k":{k},"v":{v},"s":{s},"id":{id}}}"#);
    }
    lines
}

#[test]
fn random_queries_give_the_rows_of_duckdb() {
    let set = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let (first, count) = (set("FRESHET_QUERIES_FIRST").unwrap_or(1), set("FRESHET_QUERIES").unwrap_or(40));
    let mut rng = ChaCha8Rng::seed_from_u64(first);
    let folder = tempfile::tempdir().unwrap();
    let (mut ours, mut theirs) = (String::new(), String::new());
    for (table, count) in TABLES.iter().zip([8, 10, 3]) {
        let file = folder.path().join(format!("{table}.json"));
        std::fs::write(&file, rows(&mut rng, count)).unwrap();
        let file = file.display();
        let columns = "k INT, v INT, s STRING, id INT";
        let _ = writeln!(
            ours,
            "CREATE TEMPORARY TABLE {table} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{file}', 'format' = 'json');"
        );
        let types = "{k: 'INT', v: 'INT', s: 'VARCHAR', id: 'INT'}";
        let _ = writeln!(theirs, "CREATE TABLE {table} AS SELECT * FROM read_json('{file}', columns = {types});");
    }
    let mut generator = Generator::new(rng);
    let queries: Vec<String> = (0..count).map(|_| generator.query(2).replace('\n', " ")).collect();
    let expected = Readers::get().unwrap().duckdb_queries(&theirs, &queries).unwrap();
    let freshet = Freshet::new();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (query, expected) in queries.iter().zip(&expected) {
        // DuckDB has not all of it.
        let Some(expected) = expected else { continue };
        compared += 1;
        for mode in ["streaming", "batch"] {
            let got = freshet.rows(&format!("SET 'execution.runtime-mode' = '{mode}'; {ours} {query}"));
            if got != *expected {
                wrong.push(format!("{mode}: {query}\n  ours   {got:?}\n  DuckDB {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "first {first}: {} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared * 5 >= count as usize * 4, "DuckDB answered only {compared} of {count} queries");
}
