//! `cargo xtask bench`: the release build against DuckDB on the same files, ratios printed (`benches/`).

use freshet_testkit::services::Readers;
use std::process::Command;

/// `bench [--events N] [NAME ...]`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (mut events, mut names) = ("1000000".to_string(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--events" => events = rest.next().ok_or("--events needs a number")?.clone(),
            name => names.push(name.to_string()),
        }
    }
    let cargo = |arguments: &[&str]| {
        let status = Command::new(env!("CARGO")).args(arguments).status().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed", arguments.join(" "))) }
    };
    for (name, package, example) in
        [("ceiling", "freshet-engine", "ceiling"), ("decode", "freshet-formats", "decode_speed")]
    {
        if let Some(at) = names.iter().position(|n| n == name) {
            names.remove(at);
            cargo(&["run", "--release", "--locked", "-p", package, "--example", example])?;
            if names.is_empty() {
                return Ok(());
            }
        }
    }
    cargo(&["build", "--release", "--locked", "-p", "freshet-cli"])?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    let python = Readers::get()?;
    let status = Command::new(python.python())
        .args(["benches/run.py", &format!("{target}/release/freshet"), &events])
        .args(&names)
        .status()
        .map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err("a benchmark failed".into()) }
}
