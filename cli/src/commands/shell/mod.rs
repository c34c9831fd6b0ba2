//! `freshet sql`: statements typed by a person, given by `-c`, in files, or through a pipe.

mod editor;
mod meta;

use super::shared;
use crate::output::{Form, output_error};
use crate::progress::span;
use crate::screen;
use crate::terminal::{Manner, Terminal};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use editor::{Line, LineEditor};
use freshet_server::Session;
use freshet_types::{Error, Result};
use meta::Meta;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) fn define() -> Command {
    Command::new("sql")
        .about("Open the SQL shell, or run statements from -c, files or a pipe")
        .arg(
            Arg::new("files")
                .value_name("FILE.sql")
                .num_args(0..)
                .value_parser(value_parser!(PathBuf))
                .help("SQL files to run instead of opening the shell; - is standard input"),
        )
        .arg(
            Arg::new("command")
                .long("command")
                .short('c')
                .value_name("SQL")
                .action(ArgAction::Append)
                // A statement may begin with a comment: -- such as this.
                .allow_hyphen_values(true)
                .help("Statements, or a short command such as '\\d', to run instead of opening the shell"),
        )
        .arg(shared::output_argument())
        .args(shared::session_arguments())
        .after_help(
            "In the shell: end a statement with ; and leave with \\q or Ctrl-D. \\? lists the short commands.\n\
             Each INSERT is a job of its own that is not gone on with; freshet run keeps the state of jobs.",
        )
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let mut options = shared::session_options(arguments);
    options.is_interactive = true;
    let form = shared::output_form(arguments);
    let commands: Vec<&String> = arguments.get_many("command").unwrap_or_default().collect();
    let files: Vec<&PathBuf> = arguments.get_many("files").unwrap_or_default().collect();
    let is_asked = commands.is_empty() && files.is_empty() && std::io::stdin().is_terminal();
    let manner = if is_asked { Manner::Shell } else { Manner::Run };
    let mut shell =
        Shell { arguments, session: Session::new(options)?, terminal: Terminal::new(form, manner), says_time: false };
    if is_asked {
        return shell.interact();
    }
    for text in &commands {
        let text = shared::replace_variables(arguments, text, "-c")?;
        shell.script(&text, "-c")?;
    }
    let piped = PathBuf::from("-");
    let files = if commands.is_empty() && files.is_empty() { vec![&piped] } else { files };
    for file in files {
        shell.file(file)?;
    }
    Ok(())
}

/// A conversation.
struct Shell<'a> {
    arguments: &'a ArgMatches,
    session: Session,
    terminal: Terminal,
    says_time: bool,
}

impl Shell<'_> {
    fn file(&mut self, file: &Path) -> Result<()> {
        let text = shared::read_script(self.arguments, file)?;
        let name = if file == Path::new("-") { "stdin".to_string() } else { file.display().to_string() };
        self.script(&text, &name)
    }

    /// Runs statements and the short commands that stand on lines of their own between them.
    fn script(&mut self, text: &str, name: &str) -> Result<()> {
        // What has been run stays as blank lines, so that places behind it are places in the text.
        let mut part = String::new();
        let mut holds_sql = false;
        for line in text.split_inclusive('\n') {
            let meta = if line.trim_start().starts_with(['\\', '.']) { meta::parse(line) } else { None };
            match meta {
                Some(meta) if !holds_sql || freshet_server::is_complete(&part) => {
                    self.sql(&part, name)?;
                    part = "\n".repeat(part.matches('\n').count() + 1);
                    holds_sql = false;
                    match meta.map_err(|text| Error::invalid("shell.command", text))? {
                        Meta::Quit => return Ok(()),
                        meta => self.meta(meta)?,
                    }
                }
                _ => {
                    holds_sql |= !line.trim().is_empty();
                    part.push_str(line);
                }
            }
        }
        self.sql(&part, name)
    }

    /// Runs statements; an error is drawn with its place in the text.
    fn sql(&mut self, text: &str, name: &str) -> Result<()> {
        self.terminal.reset();
        let begun = Instant::now();
        let outcome =
            self.session.run_script(text, &mut self.terminal).map_err(|e| freshet_server::diagnose(&e, text, name));
        if self.says_time && !text.trim().is_empty() {
            let elapsed = begun.elapsed();
            let ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
            let text = if ms < 1_000 { format!("{:.3} ms", elapsed.as_secs_f64() * 1e3) } else { span(ms) };
            screen::say_done(&format!("time: {text}"));
        }
        outcome
    }

    fn meta(&mut self, meta: Meta) -> Result<()> {
        let said =
            |what: &str, is_on: bool| screen::say_done(&format!("{what} is {}", if is_on { "on" } else { "off" }));
        match meta {
            Meta::Quit => {}
            Meta::Clear => screen::put("\u{1b}[H\u{1b}[2J"),
            Meta::Help => screen::say_done(meta::HELP),
            Meta::Output(form) => {
                let is_expanded = self.terminal.form().is_expanded;
                *self.terminal.form() = Form { is_expanded, ..Form::new(form) };
            }
            Meta::Expanded(wanted) => {
                let form = self.terminal.form();
                form.is_expanded = wanted.unwrap_or(!form.is_expanded);
                said("expanded display", form.is_expanded);
            }
            Meta::Timing(wanted) => {
                self.says_time = wanted.unwrap_or(!self.says_time);
                said("timing", self.says_time);
            }
            Meta::Echo(text) => screen::put_rows(format!("{text}\n").as_bytes()).map_err(output_error)?,
            Meta::Sql(text) => self.sql(&text, "shell")?,
            Meta::File(path) => self.file(Path::new(&path))?,
        }
        Ok(())
    }

    fn interact(mut self) -> Result<()> {
        self.terminal.is_chatty = true;
        screen::say_done(&format!(
            "freshet {}; statements end with ;  help: \\?  leave: \\q",
            env!("CARGO_PKG_VERSION")
        ));
        let mut editor = LineEditor::new()?;
        loop {
            let outcome = match editor.read(&self.session.names())? {
                Line::End => return Ok(()),
                Line::Cancelled => Ok(()),
                Line::Text(line) if line.trim().is_empty() => Ok(()),
                Line::Text(line) => match meta::parse(&line) {
                    Some(Ok(Meta::Quit)) => return Ok(()),
                    Some(Ok(Meta::Clear)) => editor.clear(),
                    Some(Ok(meta)) => self.meta(meta),
                    Some(Err(text)) => {
                        screen::say_notice(&text);
                        Ok(())
                    }
                    None => shared::replace_variables(self.arguments, &line, "shell")
                        .and_then(|text| self.sql(&text, "shell")),
                },
            };
            if let Err(e) = outcome {
                screen::say_error(&e);
            }
        }
    }
}
