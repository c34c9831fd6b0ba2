//! The crash loop on the real binary: 12 seeds here, more with `FRESHET_CRASH_SEEDS` (the nightly target takes 60).

use std::path::Path;

#[test]
fn every_row_is_there_once_whatever_happens() {
    let seeds: u64 = std::env::var("FRESHET_CRASH_SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(12);
    let first: u64 = std::env::var("FRESHET_CRASH_FIRST").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut failed = Vec::new();
    for seed in first..first + seeds {
        match freshet_testkit::crash::run(Path::new(env!("CARGO_BIN_EXE_freshet")), seed) {
            Ok(text) => println!("{text}"),
            Err(text) => failed.push(text),
        }
    }
    assert!(failed.is_empty(), "{} of {seeds} seeds failed:\n{}", failed.len(), failed.join("\n"));
}
