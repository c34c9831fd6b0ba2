//! `freshet sql`: statements typed by a person, given by `-c`, in files, or through a pipe.

mod editor;
mod meta;

use super::run::Terminal;
use super::shared;
use crate::screen;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use editor::{Line, LineEditor};
use freshet_server::Session;
use freshet_types::Result;
use std::io::IsTerminal;
use std::path::PathBuf;

pub(super) fn define() -> Command {
    Command::new("sql")
        .about("Open the SQL shell, or run statements from -c, files or a pipe")
        .arg(
            Arg::new("files")
                .value_name("FILE.sql")
                .num_args(0..)
                .value_parser(value_parser!(PathBuf))
                .help("SQL files to run instead of opening the shell"),
        )
        .arg(
            Arg::new("command")
                .long("command")
                .short('c')
                .value_name("SQL")
                .action(ArgAction::Append)
                .help("Statements to run instead of opening the shell"),
        )
        .arg(shared::output_argument())
        .args(shared::session_arguments())
        .after_help("In the shell: end a statement with ; and leave with \\q or Ctrl-D. \\? lists the short commands.")
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let mut options = shared::session_options(arguments);
    options.is_interactive = true;
    let mut session = Session::new(options)?;
    let mut terminal = Terminal::new(shared::output_form(arguments), session.time_zone());
    let commands: Vec<&String> = arguments.get_many("command").unwrap_or_default().collect();
    let files: Vec<&PathBuf> = arguments.get_many("files").unwrap_or_default().collect();
    for text in &commands {
        execute(&mut session, &mut terminal, &shared::replace_variables(arguments, text)?, "-c")?;
    }
    for file in &files {
        let text = shared::read_script(arguments, file)?;
        execute(&mut session, &mut terminal, &text, &file.display().to_string())?;
    }
    if !commands.is_empty() || !files.is_empty() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let text = shared::read_script(arguments, std::path::Path::new("-"))?;
        return execute(&mut session, &mut terminal, &text, "stdin");
    }
    terminal.is_chatty = true;
    interact(&mut session, &mut terminal)
}

/// Runs a script; an error is drawn with its place in the text.
fn execute(session: &mut Session, terminal: &mut Terminal, text: &str, name: &str) -> Result<()> {
    terminal.reset();
    session.run_script(text, terminal).map_err(|e| freshet_server::diagnose(&e, text, name))
}

fn interact(session: &mut Session, terminal: &mut Terminal) -> Result<()> {
    screen::say_done(&format!("freshet {}; statements end with ;  help: \\?  leave: \\q", env!("CARGO_PKG_VERSION")));
    let mut editor = LineEditor::new()?;
    loop {
        match editor.read(&session.names())? {
            Line::End => return Ok(()),
            Line::Cancelled => {}
            Line::Text(line) if line.trim().is_empty() => {}
            Line::Text(line) => match meta::parse(&line) {
                Some(Ok(meta::Meta::Quit)) => return Ok(()),
                Some(Ok(meta::Meta::Help)) => screen::say_done(meta::HELP),
                Some(Ok(meta::Meta::Clear)) => editor.clear()?,
                Some(Ok(meta::Meta::Output(form))) => terminal.set_form(form),
                Some(Ok(meta::Meta::Sql(text))) => say(execute(session, terminal, &text, "shell")),
                Some(Ok(meta::Meta::File(path))) => {
                    let text = std::fs::read_to_string(&path);
                    match text {
                        Ok(text) => say(execute(session, terminal, &text, &path)),
                        Err(e) => screen::say_notice(&format!("\"{path}\" cannot be read: {e}")),
                    }
                }
                Some(Err(text)) => screen::say_notice(&text),
                None => say(execute(session, terminal, &line, "shell")),
            },
        }
    }
}

fn say(outcome: Result<()>) {
    if let Err(e) = outcome {
        screen::say_error(&e);
    }
}
