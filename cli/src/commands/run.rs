//! `freshet run FILE.sql ...`: statements in order; bounded inputs to their end, unbounded ones until Ctrl-C.

use super::shared;
use crate::terminal::{Manner, Terminal};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use freshet_server::JobReport;
use freshet_types::{Error, Result};
use std::path::{Path, PathBuf};

pub(super) fn define() -> Command {
    Command::new("run")
        .about("Run SQL files: bounded inputs to their end, unbounded ones until Ctrl-C")
        .arg(Arg::new("files").value_name("FILE.sql").required(true).num_args(1..).value_parser(value_parser!(PathBuf)).help("SQL files, run in order; - is standard input"))
        .arg(shared::output_argument())
        .args(shared::session_arguments())
        .arg(Arg::new("from-scratch").long("from-scratch").action(ArgAction::SetTrue).help("Forget the state of the job and start over"))
        .arg(Arg::new("report").long("report").value_name("FILE").value_parser(value_parser!(PathBuf)).help("Write counters as JSON when done"))
        .arg(Arg::new("for").long("for").value_name("TIME").value_parser(|t: &str| freshet_types::options::parse_duration(t).ok_or("write a time such as 20s")).help("Stop after so long, as by Ctrl-C"))
        .after_help("${NAME} in a file is replaced by --var NAME=VALUE, else from the environment; ${NAME:-text} has a default.\n\
Ctrl-C (or SIGTERM) stops a job with a last checkpoint, a second one ends it at once.\nA job that was stopped, or that finished, goes on from its last checkpoint when it is run again.")
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let mut options = shared::session_options(arguments);
    options.from_scratch = arguments.get_flag("from-scratch");
    let mut session = freshet_server::Session::new(options)?;
    let mut terminal = Terminal::new(shared::output_form(arguments), Manner::Run);
    if let Some(time) = arguments.get_one::<std::time::Duration>("for") {
        terminal.stop_after(*time);
    }
    let mut outcome = Ok(());
    for file in arguments.get_many::<PathBuf>("files").expect("clap requires one") {
        let name = file.display().to_string();
        outcome = shared::read_script(arguments, file).and_then(|text| {
            session.begin_file(file, job_name(file));
            session.run_script(&text, &mut terminal).map_err(|e| freshet_server::diagnose(&e, &text, &name))
        });
        if outcome.is_err() || session.was_stopped() {
            break;
        }
    }
    if let Some(path) = arguments.get_one::<PathBuf>("report") {
        let written = write_report(path, terminal.reports());
        // What has failed is worth more than that its report cannot be written.
        outcome = outcome.and(written);
    }
    outcome
}

/// The job of `dir/orders.sql` is called `orders`.
fn job_name(file: &Path) -> String {
    file.file_stem()
        .filter(|_| file != Path::new("-"))
        .map_or_else(|| "stdin".into(), |s| s.to_string_lossy().into_owned())
}

fn write_report(path: &Path, reports: &[JobReport]) -> Result<()> {
    let jobs: Vec<serde_json::Value> = reports.iter().map(freshet_server::report_json).collect();
    let text = serde_json::to_string_pretty(&serde_json::json!({ "jobs": jobs })).expect("counters are valid JSON");
    std::fs::write(path, text + "\n").map_err(|e| {
        Error::unavailable("report.unwritable", "the report cannot be written")
            .because(e)
            .at("file", path.display().to_string())
            .hint("check the folder and its permissions")
    })
}
