//! `freshet check FILE.sql`: parse, plan, types and options, without running anything.

use super::shared;
use crate::screen;
use clap::{Arg, ArgMatches, Command, value_parser};
use freshet_types::{Error, Result};
use std::path::PathBuf;

pub(super) fn define() -> Command {
    Command::new("check")
        .about("Check SQL files without running them: syntax, names, types, options, plans")
        .arg(
            Arg::new("files")
                .value_name("FILE.sql")
                .required(true)
                .num_args(1..)
                .value_parser(value_parser!(PathBuf))
                .help("SQL files; - is standard input"),
        )
        .args(shared::session_arguments())
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let files: Vec<&PathBuf> = arguments.get_many("files").expect("clap requires one").collect();
    let mut wrong = 0;
    for file in &files {
        let name = file.display().to_string();
        let text = shared::read_script(arguments, file)?;
        let mut session = shared::open_session(arguments)?;
        match session.check_script(&text, &mut |notice| screen::say_notice(notice)) {
            Ok(count) => screen::say_done(&format!("{name}: {count} statements, all fine")),
            Err(e) if files.len() == 1 => return Err(freshet_server::diagnose(&e, &text, &name)),
            Err(e) => {
                wrong += 1;
                screen::say_error(&freshet_server::diagnose(&e, &text, &name));
            }
        }
    }
    match wrong {
        0 => Ok(()),
        n => Err(Error::invalid("check.failed", format!("{n} of {} files have errors", files.len()))
            .hint("mend them and check again")),
    }
}
