//! `freshet explain FILE.sql`: the plan, changelog mode and guarantee of each INSERT and SELECT of a file.

use super::shared;
use clap::{Arg, ArgMatches, Command, value_parser};
use freshet_types::Result;
use std::path::PathBuf;

pub(super) fn define() -> Command {
    Command::new("explain")
        .about("Show plans: operators, changelog modes, guarantee of each sink")
        .arg(
            Arg::new("file")
                .value_name("FILE.sql")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("SQL file; - is standard input"),
        )
        .args(shared::session_arguments())
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    use std::io::Write;
    let file = arguments.get_one::<PathBuf>("file").expect("clap requires it");
    let text = shared::read_script(arguments, file)?;
    let mut session = shared::open_session(arguments)?;
    let plans =
        session.explain_script(&text).map_err(|e| freshet_server::diagnose(&e, &text, &file.display().to_string()))?;
    let mut out = std::io::stdout();
    for plan in plans {
        if writeln!(out, "{plan}").is_err() {
            break;
        }
    }
    Ok(())
}
