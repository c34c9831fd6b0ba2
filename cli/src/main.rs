//! `freshet`: arguments in, rows on standard output, everything else on standard error.

mod commands;
mod interrupt;
mod output;
mod progress;
mod screen;
mod terminal;

use freshet_types::{Error, ErrorKind};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    start_log();
    let matches = match commands::command_line().try_get_matches() {
        Ok(matches) => matches,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
        }
    };
    match commands::run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.code() == "output.closed" => ExitCode::SUCCESS,
        Err(e) => {
            screen::say_error(&e);
            ExitCode::from(if is_usage(&e) { 2 } else { 1 })
        }
    }
}

fn is_usage(e: &Error) -> bool {
    e.kind() == ErrorKind::Invalid && e.code() == "usage"
}

/// Logs go to standard error, by `FRESHET_LOG` (such as `freshet=debug`); warnings and errors without it.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("FRESHET_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
