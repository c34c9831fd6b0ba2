//! `freshet lake ...`: what a lake table is made of, the proof that it is whole, and the chores that keep it good to read.

use super::shared;
use crate::output;
use crate::terminal::{Manner, Terminal};
use clap::{Arg, ArgAction, ArgMatches, Command};
use freshet_server::{LakeQuestion, ResultInfo, lake_chores};
use freshet_types::{ChangeBatch, Error, Options, Result};

pub(super) fn define() -> Command {
    let table = || Arg::new("table").value_name("TABLE").required(true).help("[catalog.][database.]table");
    let catalog = || {
        Arg::new("setup")
            .long("setup")
            .value_name("SQL")
            .action(ArgAction::Append)
            .allow_hyphen_values(true)
            .help("Statements to run first, such as CREATE CATALOG, for tables outside of the embedded lake")
    };
    let sub = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .arg(table())
            .arg(catalog())
            .arg(shared::output_argument())
            .args(shared::session_arguments())
    };
    let chores = lake_chores().map(|(name, about, options)| {
        let set = Arg::new("set").long("set").value_name("OPTION=VALUE").action(ArgAction::Append);
        let lines = options.iter().map(|o| format!("  {}: {}", o.name, o.doc));
        sub(name, about)
            .arg(set.help("An option of this run"))
            .after_help(format!("Options to set:\n{}", lines.collect::<Vec<_>>().join("\n")))
    });
    Command::new("lake")
        .about("Look into lake tables, verify them, keep them good to read")
        .subcommand_required(true)
        .subcommand(sub(
            "verify",
            "Prove that no file is referenced twice, all files are there, checkpoints are consecutive",
        ))
        .subcommand(sub("snapshots", "List the snapshots of a table"))
        .subcommand(sub("files", "List the data files of a table's current snapshot"))
        .subcommands(chores)
}

fn chore_options(arguments: &ArgMatches) -> Result<Options> {
    let mut options = Options::default();
    for text in arguments.get_many::<String>("set").unwrap_or_default() {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Error::invalid("argument.invalid", format!("\"{text}\" is no option with a value"))
                .hint("write --set OPTION=VALUE")
        })?;
        options.set(name.trim(), value.trim());
    }
    Ok(options)
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let (name, arguments) = arguments.subcommand().expect("clap requires a subcommand");
    let question = match name {
        "verify" => LakeQuestion::Verify,
        "snapshots" => LakeQuestion::Snapshots,
        "files" => LakeQuestion::Files,
        chore => LakeQuestion::Chore { name: chore.to_string(), options: chore_options(arguments)? },
    };
    let mut session = shared::open_session(arguments)?;
    let form = shared::output_form(arguments);
    let mut terminal = Terminal::new(form, Manner::Run);
    for text in arguments.get_many::<String>("setup").unwrap_or_default() {
        session.run_script(text, &mut terminal).map_err(|e| freshet_server::diagnose(&e, text, "--setup"))?;
    }
    let table = arguments.get_one::<String>("table").expect("clap requires it");
    let answer = session.ask_lake(question, table)?;
    let mut writer = output::writer(form);
    writer.start(&ResultInfo::of_rows(answer.rows.schema(), session.time_zone()))?;
    writer.changes(&ChangeBatch::inserts(answer.rows))?;
    writer.finish()?;
    match answer.problems {
        0 => Ok(()),
        n => Err(Error::data("lake.broken", format!("table \"{table}\" has {n} problems"))
            .hint("the rows above name them; restore the files or roll the table back")),
    }
}
