//! `cargo xtask test`: everything that must pass, cheapest first.

use crate::cargo::{cargo, step};
use crate::services;
use freshet_testkit::services::PARTS;

/// Runs format, lints, tidy and all tests; stops at the first that fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let quick = arguments.iter().any(|a| a == "--quick");
    step("tidy", || crate::tidy::run(&[]))?;
    step("format", || cargo(&["fmt", "--all", "--check"], &[]))?;
    step("one crypto stack", no_second_crypto_stack)?;
    // What the tests need is fetched while the lints compile.
    let components = std::thread::spawn(|| step("components", || services::install(PARTS)));
    if !quick {
        step("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[]))?;
    }
    components.join().map_err(|_| "components: their installation panicked")??;
    step("tests", || cargo(&["test", "--workspace", "--locked", "--no-fail-fast"], &[]))
}

/// rustls goes with ring everywhere; a second stack costs minutes of build and megabytes of binary.
fn no_second_crypto_stack() -> Result<(), String> {
    let lock = std::fs::read_to_string("Cargo.lock").map_err(|e| format!("Cargo.lock: {e}"))?;
    match lock.lines().find(|l| l.contains("\"aws-lc-sys\"")) {
        None => Ok(()),
        Some(_) => Err("aws-lc-sys is in Cargo.lock; turn off the default features that bring it in".into()),
    }
}
