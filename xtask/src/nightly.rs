//! `cargo xtask nightly`: what is too long for every change, each part by its name.

use crate::cargo::{cargo, step};
use crate::services;
use freshet_testkit::services::{NIGHTLY_PARTS, PARTS};

/// One part: tests of the daily run with more to do.
struct Part {
    name: &'static str,
    doc: &'static str,
    /// What makes it long.
    variables: &'static [(&'static str, &'static str)],
    /// Arguments of each `cargo test`.
    tests: &'static [&'static [&'static str]],
}

static NIGHTLY: &[Part] = &[
    Part {
        name: "crash",
        doc: "60 seeds of the crash loop",
        variables: &[("FRESHET_CRASH_SEEDS", "60")],
        tests: &[&["--workspace", "--test", "crash"]],
    },
    Part {
        name: "flights",
        doc: "all three million flights, killed five times at 1, 2 and 4 workers",
        variables: &[("FRESHET_FLIGHTS", "full")],
        tests: &[&["--workspace", "--test", "examples", "flights"]],
    },
    Part {
        name: "minio",
        doc: "tables, files and conditional writes on MinIO instead of moto",
        variables: &[("FRESHET_S3", "minio")],
        tests: &[&["--workspace", "--test", "storage", "s3"], &["--workspace", "--test", "lake", "s3"]],
    },
    Part {
        name: "disk",
        doc: "a disk that is full, and has room again",
        variables: &[],
        tests: &[&["--workspace", "--test", "disk_full"]],
    },
    Part {
        name: "properties",
        doc: "ten times as many cases of every property, and 600 random queries beside DuckDB",
        variables: &[("PROPTEST_CASES", "2560"), ("FRESHET_QUERIES", "600")],
        tests: &[&["--workspace", "--lib"], &["--workspace", "--test", "duckdb"]],
    },
];

/// Runs the parts that are named, or all; tells at the end which failed.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.iter().find(|a| !NIGHTLY.iter().any(|p| p.name == **a)) {
        let names: Vec<String> = NIGHTLY.iter().map(|p| format!("{} ({})", p.name, p.doc)).collect();
        return Err(format!("no part \"{unknown}\"; there are: {}", names.join(", ")));
    }
    step("components", || {
        services::install(PARTS)?;
        services::install(NIGHTLY_PARTS)
    })?;
    let mut failed = Vec::new();
    for part in NIGHTLY.iter().filter(|p| arguments.is_empty() || arguments.iter().any(|a| a == p.name)) {
        for tests in part.tests {
            let arguments = [&["test", "--locked"][..], tests, &["--", "--nocapture"]].concat();
            if let Err(text) = step(part.name, || cargo(&arguments, part.variables)) {
                eprintln!("xtask: {text}");
                failed.push(part.name);
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}
