//! Arguments that several commands share, and the session that they open.

use crate::output::OutputForm;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use freshet_server::{Session, SessionOptions};
use freshet_types::options::parse_size;
use freshet_types::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// `--data`, `--workers`, `--memory`, `--var`.
pub(super) fn session_arguments() -> Vec<Arg> {
    vec![
        Arg::new("data")
            .long("data")
            .value_name("DIR")
            .default_value("./freshet-data")
            .value_parser(value_parser!(PathBuf))
            .help("Where jobs keep their state and the embedded lake its tables; made when something needs keeping"),
        Arg::new("workers")
            .long("workers")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=256))
            .help("Threads that run operators [default: one per core, unless 'parallelism.default' is set]"),
        Arg::new("memory")
            .long("memory")
            .value_name("SIZE")
            .value_parser(|text: &str| parse_size(text).ok_or("write a size such as 512mb or 2GiB"))
            .help("Limit for the state that a job holds in memory"),
        Arg::new("var")
            .long("var")
            .value_name("NAME=VALUE")
            .action(ArgAction::Append)
            .help("Replaces ${NAME} in the text; other names are taken from the environment"),
    ]
}

/// `--output`.
pub(super) fn output_argument() -> Arg {
    Arg::new("output")
        .long("output")
        .short('o')
        .value_name("FORM")
        .value_parser(value_parser!(OutputForm))
        .help("How rows of a SELECT are written [default: table on a terminal, else csv]")
}

/// The form that was asked for, or the one that fits where standard output goes.
pub(super) fn output_form(arguments: &ArgMatches) -> OutputForm {
    use std::io::IsTerminal;
    arguments
        .get_one::<OutputForm>("output")
        .copied()
        .unwrap_or_else(|| if std::io::stdout().is_terminal() { OutputForm::Table } else { OutputForm::Csv })
}

/// Options of a session from the shared arguments.
pub(super) fn session_options(arguments: &ArgMatches) -> SessionOptions {
    SessionOptions {
        data_dir: arguments.get_one::<PathBuf>("data").expect("it has a default").clone(),
        workers: arguments.get_one::<u16>("workers").map(|n| usize::from(*n)),
        memory_limit: arguments.get_one::<u64>("memory").copied(),
        ..SessionOptions::default()
    }
}

/// A session from the shared arguments.
pub(super) fn open_session(arguments: &ArgMatches) -> Result<Session> {
    Session::new(session_options(arguments))
}

/// Reads a file and replaces its variables.
pub(super) fn read_script(arguments: &ArgMatches, file: &Path) -> Result<String> {
    let text =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.map_err(|e| {
        let kind = if e.kind() == std::io::ErrorKind::NotFound { "no such file" } else { "the file cannot be read" };
        Error::not_found("file.unreadable", kind)
            .because(e)
            .at("file", file.display().to_string())
            .hint("check the path")
    })?;
    replace_variables(arguments, &text).map_err(|e| e.at("file", file.display().to_string()))
}

/// Replaces `${NAME}` by `--var`, then by the environment.
pub(super) fn replace_variables(arguments: &ArgMatches, text: &str) -> Result<String> {
    let mut given = HashMap::new();
    for pair in arguments.get_many::<String>("var").unwrap_or_default() {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| super::usage(format!("--var {pair} is not NAME=VALUE")))?;
        given.insert(name, value);
    }
    freshet_server::replace_variables(text, &|name| {
        given.get(name).map(|v| (*v).to_string()).or_else(|| std::env::var(name).ok())
    })
}
