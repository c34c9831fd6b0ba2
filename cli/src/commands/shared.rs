//! Arguments that several commands share, and the session that they open.

use crate::output::{Form, OutputForm};
use crate::terminal::TerminalConsole;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use freshet_server::{Session, SessionOptions};
use freshet_types::options::parse_size;
use freshet_types::{Error, Result};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
pub(super) fn output_form(arguments: &ArgMatches) -> Form {
    use std::io::IsTerminal;
    let usual = || if std::io::stdout().is_terminal() { OutputForm::Table } else { OutputForm::Csv };
    Form::new(arguments.get_one::<OutputForm>("output").copied().unwrap_or_else(usual))
}

/// Options of a session from the shared arguments.
pub(super) fn session_options(arguments: &ArgMatches) -> SessionOptions {
    SessionOptions {
        data_dir: arguments.get_one::<PathBuf>("data").expect("it has a default").clone(),
        workers: arguments.get_one::<u16>("workers").map(|n| usize::from(*n)),
        memory_limit: arguments.get_one::<u64>("memory").copied(),
        console: Arc::new(TerminalConsole),
        ..SessionOptions::default()
    }
}

/// A session from the shared arguments.
pub(super) fn open_session(arguments: &ArgMatches) -> Result<Session> {
    Session::new(session_options(arguments))
}

/// Reads a file and replaces its variables.
pub(super) fn read_script(arguments: &ArgMatches, file: &Path) -> Result<String> {
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    let read = match name.as_str() {
        "-" => std::io::stdin().read_to_end(&mut bytes).map(|_| ()),
        _ => std::fs::read(file).map(|read| bytes = read),
    };
    read.map_err(|e| {
        let kind = if e.kind() == std::io::ErrorKind::NotFound { "no such file" } else { "the file cannot be read" };
        Error::not_found("file.unreadable", kind).because(e).at("file", &name).hint("check the path")
    })?;
    replace_variables(arguments, &decode(bytes, &name)?, &name)
}

/// The text of a script, without the mark that some editors put before it.
fn decode(bytes: Vec<u8>, name: &str) -> Result<String> {
    let text = String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let bytes = e.as_bytes();
        let line = bytes[..good].iter().filter(|b| **b == b'\n').count() + 1;
        let what = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16, not UTF-8".to_string(),
            _ => format!("byte {:02x} at position {good} is not UTF-8", bytes[good]),
        };
        Error::data("file.encoding", what).at("line", format!("{name}:{line}")).hint("save the file as UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_string(),
        None => text,
    })
}

/// Replaces `${NAME}` by `--var`, then by the environment. `name` is what the text is called in errors.
pub(super) fn replace_variables(arguments: &ArgMatches, text: &str, name: &str) -> Result<String> {
    let mut given = HashMap::new();
    for pair in arguments.get_many::<String>("var").unwrap_or_default() {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| super::usage(format!("--var {pair} is not NAME=VALUE")))?;
        given.insert(name, value);
    }
    let lookup = |name: &str| given.get(name).map(|v| (*v).to_string()).or_else(|| std::env::var(name).ok());
    freshet_server::replace_variables(text, &lookup).map_err(|e| freshet_server::diagnose(&e, text, name))
}
