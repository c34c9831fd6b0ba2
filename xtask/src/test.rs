//! `cargo xtask test`: everything that must pass, cheapest first.

use std::process::Command;
use std::time::Instant;

/// Runs format, lints, tidy and all tests; stops at the first that fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let quick = arguments.iter().any(|a| a == "--quick");
    step("tidy", || crate::tidy::run(&[]))?;
    step("format", || cargo(&["fmt", "--all", "--check"]))?;
    if !quick {
        step("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    }
    step("one crypto stack", no_second_crypto_stack)?;
    step("tests", || cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]))
}

fn step(name: &str, run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let begun = Instant::now();
    run().map_err(|e| format!("{name}: {e}"))?;
    eprintln!("xtask: {name} passed in {:.0?}", begun.elapsed());
    Ok(())
}

fn cargo(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO"));
    // What cargo tells the program that it runs is not for the cargo that this one runs: build scripts that look at it
    // (ring's) would be run again, and everything above them be built again.
    for (name, _) in std::env::vars() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if told.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    let status = command.args(arguments).status().map_err(|e| format!("cargo did not start: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}` failed", arguments.join(" "))) }
}

/// rustls goes with ring everywhere; a second stack costs minutes of build and megabytes of binary.
fn no_second_crypto_stack() -> Result<(), String> {
    let lock = std::fs::read_to_string("Cargo.lock").map_err(|e| format!("Cargo.lock: {e}"))?;
    match lock.lines().find(|l| l.contains("\"aws-lc-sys\"")) {
        None => Ok(()),
        Some(_) => Err("aws-lc-sys is in Cargo.lock; turn off the default features that bring it in".into()),
    }
}
