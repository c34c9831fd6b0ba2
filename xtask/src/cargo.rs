//! Runs cargo, and the steps that a chore is made of.

use std::process::Command;
use std::time::Instant;

/// Runs `cargo` with these variables set.
pub(crate) fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO"));
    // What cargo tells the program that it runs is not for the cargo that this one runs: build scripts that look at it
    // (ring's) would be run again, and everything above them be built again.
    for (name, _) in std::env::vars() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if told.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied());
    let status = command.status().map_err(|e| format!("cargo did not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed", arguments.join(" "))) }
}

/// Runs a part of a chore, and says how long it took.
pub(crate) fn step(name: &str, run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let begun = Instant::now();
    run().map_err(|e| format!("{name}: {e}"))?;
    eprintln!("xtask: {name} passed in {:.0?}", begun.elapsed());
    Ok(())
}
