//! `cargo xtask bench`: the release build against its peers and its own ceilings on the same rows, ratios printed (`benches/`).

use crate::cargo::cargo;
use freshet_testkit::services::{Kafka, Peers};
use std::process::Command;

/// What `benches/run.py` measures, in the order in which it is shown.
const NAMES: &[&str] =
    &["ingest", "q0", "q1", "q2", "q3", "q5", "q7", "q8", "memory", "kafka", "engine", "epoch", "start"];
/// Programs that measure one crate alone: name, example.
const EXAMPLES: &[(&str, &str)] = &[("ceiling", "ceiling"), ("decode", "decode_speed")];
/// All that is measured, in one build: crates that are built alone have other features, and everything below them is built
/// again.
const BUILD: &[&str] = &[
    "build",
    "--release",
    "--locked",
    "-p",
    "freshet-cli",
    "-p",
    "freshet-benches",
    "-p",
    "freshet-engine",
    "-p",
    "freshet-formats",
    "--bins",
    "--example",
    "ceiling",
    "--example",
    "decode_speed",
];

/// `bench [--events N] [NAME ...]`; everything without a name.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (mut events, mut names) = ("1000000".to_string(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--events" => events = rest.next().ok_or("--events needs a number")?.clone(),
            name => names.push(name),
        }
    }
    let known = || NAMES.iter().copied().chain(EXAMPLES.iter().map(|e| e.0));
    if let Some(unknown) = names.iter().find(|name| !known().any(|k| k == **name)) {
        return Err(format!("no benchmark named \"{unknown}\"; there are {}", known().collect::<Vec<_>>().join(", ")));
    }
    if names.is_empty() {
        names = known().collect();
    }
    cargo(BUILD, &[])?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into());
    for (name, example) in EXAMPLES {
        if names.contains(name) {
            run_to_end(&mut Command::new(format!("{target}/release/examples/{example}")))?;
        }
    }
    names.retain(|name| NAMES.contains(name));
    if names.is_empty() {
        return Ok(());
    }
    let kafka = names.contains(&"kafka").then(Kafka::start).transpose()?;
    let mut command = Command::new(Peers::python()?);
    command.arg("benches/run.py").arg(format!("{target}/release/freshet"));
    command.arg(format!("{target}/release/freshet-benches")).arg(&events).args(&names);
    if let Some(kafka) = &kafka {
        command.env("FRESHET_BENCH_KAFKA", kafka.address());
    }
    run_to_end(&mut command)
}

fn run_to_end(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err("a benchmark failed".into()) }
}
