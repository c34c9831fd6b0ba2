//! `freshet demo`: this machine's own figures, through windows and a join, into an Iceberg table, watched live.

use super::run::Terminal;
use super::shared;
use crate::output::OutputForm;
use crate::screen;
use clap::{Arg, ArgMatches, Command};
use freshet_server::Session;
use freshet_types::Result;
use freshet_types::options::parse_duration;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// The job: everything that the demo does is in this file, and can be copied from it.
const JOB: &str = include_str!("demo.sql");
/// How long it runs without a terminal.
const WITHOUT_TERMINAL: Duration = Duration::from_secs(20);

pub(super) fn define() -> Command {
    Command::new("demo")
        .about("Watch this machine: its figures in event-time windows, joined, into an Iceberg table")
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("TIME")
                .value_parser(|t: &str| parse_duration(t).ok_or("write a time such as 20s"))
                .help("Stop after so long [default: until Ctrl-C on a terminal, else 20s]"),
        )
        .arg(Arg::new("show").long("show").action(clap::ArgAction::SetTrue).help("Print the SQL of the demo and leave"))
        .args(shared::session_arguments())
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    if arguments.get_flag("show") {
        use std::io::Write;
        // A reader that closes early has seen enough.
        let _ = std::io::stdout().write_all(JOB.as_bytes());
        return Ok(());
    }
    let data = arguments.get_one::<PathBuf>("data").expect("it has a default").display().to_string();
    let mut options = shared::session_options(arguments);
    options.job_name = Some("demo".into());
    let mut session = Session::new(options)?;
    let mut terminal = Terminal::new(OutputForm::Table, session.time_zone());
    let time = arguments.get_one::<Duration>("for").copied();
    let time = time.or_else(|| (!std::io::stdout().is_terminal()).then_some(WITHOUT_TERMINAL));
    if let Some(time) = time {
        terminal.stop_after(time);
    }
    screen::say_done(&format!(
        "reading this machine's figures every 500 ms into {data}/lake; a line comes up whenever a window closes or a limit is passed{}",
        if time.is_some() { "" } else { "; Ctrl-C stops" },
    ));
    session.run_script(JOB, &mut terminal).map_err(|e| freshet_server::diagnose(&e, JOB, "demo"))?;
    screen::say_done(&format!(
        "stopped and committed; now type:\n  freshet sql --data {data} -c \"SELECT kind, COUNT(*) AS n, MAX(highest) AS highest FROM host_load GROUP BY kind\""
    ));
    Ok(())
}
