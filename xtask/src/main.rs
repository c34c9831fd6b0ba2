//! The project's own chores: `cargo xtask test | nightly | tidy | exams | bench | services`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to a terminal")]

mod bench;
mod cargo;
mod exams;
mod nightly;
mod services;
mod test;
mod tidy;

use std::process::ExitCode;

/// A chore: its name, one sentence, and what it does with its arguments.
struct Chore {
    name: &'static str,
    doc: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

/// Every chore, in the order of the help.
static CHORES: &[Chore] = &[
    Chore { name: "test", doc: "everything that must pass: format, lints, floors, all tests", run: test::run },
    Chore {
        name: "nightly",
        doc: "what is too long for every change: nightly [crash] [flights] [minio] [disk] [properties]",
        run: nightly::run,
    },
    Chore { name: "tidy", doc: "floors, registries, file headers, documents", run: tidy::run },
    Chore { name: "exams", doc: "cases that others wrote: exams [SET ...] [--bless]", run: exams::run },
    Chore { name: "bench", doc: "the release build against DuckDB: bench [--events N] [NAME ...]", run: bench::run },
    Chore {
        name: "services",
        doc: "real components for tests: services up kafka hdfs s3 minio rest readers | down | install",
        run: services::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(chore) = arguments.first().and_then(|name| CHORES.iter().find(|c| c.name == name)) else {
        eprintln!("usage: cargo xtask CHORE ...");
        CHORES.iter().for_each(|c| eprintln!("  {:<9} {}", c.name, c.doc));
        return ExitCode::from(2);
    };
    match (chore.run)(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}
