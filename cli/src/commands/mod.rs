//! The commands of `freshet`, one file each.

mod check;
mod completions;
mod demo;
mod explain;
mod lake;
mod run;
mod shared;
mod shell;

use clap::{ArgMatches, Command};
use freshet_types::{Error, Result};

/// One command: how it is written, and what it does.
struct CliCommand {
    define: fn() -> Command,
    run: fn(&ArgMatches) -> Result<()>,
}

/// Every command, in the order of the help.
static COMMANDS: &[CliCommand] = &[
    CliCommand { define: run::define, run: run::run },
    CliCommand { define: shell::define, run: shell::run },
    CliCommand { define: check::define, run: check::run },
    CliCommand { define: explain::define, run: explain::run },
    CliCommand { define: demo::define, run: demo::run },
    CliCommand { define: lake::define, run: lake::run },
    CliCommand { define: completions::define, run: completions::run },
];

/// The whole command line.
pub(crate) fn command_line() -> Command {
    Command::new("freshet")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Flink SQL on streams, and the Iceberg lake behind it, in one program")
        .after_help("Start with: freshet demo    or: freshet run job.sql    or: freshet sql")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(COMMANDS.iter().map(|c| (c.define)()))
}

/// Runs the command that was typed.
pub(crate) fn run(matches: &ArgMatches) -> Result<()> {
    let (name, arguments) = matches.subcommand().ok_or_else(|| usage("no command"))?;
    let command = COMMANDS.iter().find(|c| (c.define)().get_name() == name).ok_or_else(|| usage("unknown command"))?;
    (command.run)(arguments)
}

/// An error in how the command was typed: exit code 2.
fn usage(text: impl Into<String>) -> Error {
    Error::invalid("usage", text).hint("see freshet --help")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_well_formed_and_every_command_is_documented() {
        let mut command = super::command_line();
        command.build();
        for sub in command.get_subcommands() {
            assert!(sub.get_about().is_some(), "{} says nothing about itself", sub.get_name());
            for argument in sub.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {} says nothing", sub.get_name(), argument.get_id());
            }
        }
        command.debug_assert();
    }
}
