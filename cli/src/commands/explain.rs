//! `freshet explain FILE.sql`: the plan, changelog mode and guarantee of each INSERT and SELECT of a file.

use super::shared;
use crate::output::output_error;
use crate::screen;
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
    let file = arguments.get_one::<PathBuf>("file").expect("clap requires it");
    let text = shared::read_script(arguments, file)?;
    let mut session = shared::open_session(arguments)?;
    let plans =
        session.explain_script(&text).map_err(|e| freshet_server::diagnose(&e, &text, &file.display().to_string()))?;
    for plan in plans {
        screen::put_rows(format!("{plan}\n").as_bytes()).map_err(output_error)?;
    }
    Ok(())
}
