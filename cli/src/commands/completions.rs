//! `freshet completions SHELL`: a script that completes commands and options.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use freshet_types::Result;

pub(super) fn define() -> Command {
    Command::new("completions")
        .about("Print a completion script for a shell")
        .arg(Arg::new("shell").required(true).value_parser(value_parser!(Shell)).help("Which shell"))
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let shell = *arguments.get_one::<Shell>("shell").expect("clap requires it");
    clap_complete::generate(shell, &mut super::command_line(), "freshet", &mut std::io::stdout());
    Ok(())
}
