//! `freshet demo`: this machine's own figures, through windows and a join, into an Iceberg table, watched live.

mod live;

use super::shared;
use crate::output::{Form, OutputForm, output_error};
use crate::screen;
use crate::terminal::{Manner, Terminal};
use clap::{Arg, ArgMatches, Command};
use freshet_server::Session;
use freshet_types::Result;
use freshet_types::options::parse_duration;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// The job: everything that the demo does is in this file, and can be copied from it.
const JOB: &str = include_str!("demo.sql");
/// How the job shows its figures where they cannot be drawn anew, and where they can.
const PRINTED: &str = "WITH ('connector' = 'print');";
const WATCHED: &str = "WITH ('connector' = 'live');";
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
        return screen::put_rows(JOB.as_bytes()).map_err(output_error);
    }
    let data = arguments.get_one::<PathBuf>("data").expect("it has a default").display().to_string();
    let mut options = shared::session_options(arguments);
    options.job_name = Some("demo".into());
    let is_watched = std::io::stdout().is_terminal() && screen::can_draw();
    if is_watched {
        options.extra_connectors.push(live::connector());
    }
    let mut session = Session::new(options)?;
    let mut terminal = Terminal::new(Form::new(OutputForm::Table), Manner::Run);
    let time = arguments.get_one::<Duration>("for").copied();
    let time = time.or_else(|| (!std::io::stdout().is_terminal()).then_some(WITHOUT_TERMINAL));
    if let Some(time) = time {
        terminal.stop_after(time);
    }
    let job = if is_watched {
        terminal.show_live(live::table());
        JOB.replace(PRINTED, WATCHED)
    } else {
        JOB.to_string()
    };
    screen::say_done(&format!(
        "reading this machine's figures every 500 ms into the Iceberg table {data}/lake/default_database/host_load; {}{}",
        if is_watched { "a line comes up when a limit is passed" } else { "a line comes up whenever a window closes" },
        if time.is_some() { "" } else { "; Ctrl-C stops" },
    ));
    session.run_script(&job, &mut terminal).map_err(|e| freshet_server::diagnose(&e, &job, "demo"))?;
    screen::say_done(&format!("committed; now type:\n  {}", next_command(&data)));
    Ok(())
}

/// What to type next; the data folder is named where it isn't the usual one.
fn next_command(data: &str) -> String {
    let folder =
        if data == "./freshet-data" { String::new() } else { format!(" --data '{}'", data.replace('\'', "'\\''")) };
    format!(
        "freshet sql{folder} -c \"SELECT kind, COUNT(*) AS n, MAX(highest) AS highest FROM host_load GROUP BY kind\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_can_be_watched() {
        assert_eq!(JOB.matches(PRINTED).count(), 1);
        assert!(next_command("a b").contains("--data 'a b'"));
        assert!(!next_command("./freshet-data").contains("--data"));
    }
}
