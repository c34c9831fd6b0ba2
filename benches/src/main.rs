//! Figures that need the parts of the engine in one process: the host beside a bare loop, the time an epoch takes, and the
//! loop that decodes and encodes and does nothing else. `cargo xtask bench engine epoch loop` runs it.

mod decode_encode;
mod epoch_time;
mod host_ratio;
mod nexmark;
mod recording;

use std::path::Path;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "usage: freshet-benches engine EVENTS | epoch COUNT | loop FOLDER TARGET";

#[expect(clippy::print_stderr, reason = "a program for the keyboard says what went wrong")]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &str| text.parse::<usize>().ok();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["engine", events] => number(events).map(host_ratio::run),
        ["epoch", count] => number(count).map(epoch_time::run),
        ["loop", folder, target] => Some(decode_encode::run(Path::new(folder), Path::new(target))),
        _ => None,
    };
    match outcome {
        Some(Ok(())) => std::process::ExitCode::SUCCESS,
        Some(Err(e)) => {
            eprintln!("error: {e}");
            std::process::ExitCode::FAILURE
        }
        None => {
            eprintln!("{USAGE}");
            std::process::ExitCode::from(2)
        }
    }
}

/// Seconds of CPU that `work` takes on all threads of this process, in ticks of 10 ms.
fn cpu_seconds<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = cpu_so_far();
    let result = work();
    (result, cpu_so_far() - start)
}

/// User and system time of this process: fields 14 and 15 of its stat file, behind the name in parentheses.
fn cpu_so_far() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
