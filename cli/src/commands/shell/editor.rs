//! The line editor: history, completion, statements over several lines.

use freshet_types::{Error, Result};
use reedline::{
    ColumnarMenu, Completer, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Prompt, PromptEditMode,
    PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion, ValidationResult, Validator,
    default_emacs_keybindings,
};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What was typed.
pub(super) enum Line {
    /// A statement or a short command.
    Text(String),
    /// Ctrl-C: forget the line.
    Cancelled,
    /// Ctrl-D: leave.
    End,
}

/// Reads statements from a person.
pub(super) struct LineEditor {
    editor: Reedline,
    names: Arc<Mutex<Vec<String>>>,
}

const HISTORY_LINES: usize = 10_000;

impl LineEditor {
    pub(super) fn new() -> Result<Self> {
        let names = Arc::new(Mutex::new(Vec::new()));
        let mut keys = default_emacs_keybindings();
        let complete = vec![ReedlineEvent::Menu("completion".into()), ReedlineEvent::MenuNext];
        keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(complete));
        let mut editor = Reedline::create()
            .with_validator(Box::new(EndsWithSemicolon))
            .with_completer(Box::new(Words(Arc::clone(&names))))
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(ColumnarMenu::default().with_name("completion"))))
            .with_edit_mode(Box::new(Emacs::new(keys)));
        if let Some(file) = history_file()
            && let Ok(history) = FileBackedHistory::with_file(HISTORY_LINES, file)
        {
            editor = editor.with_history(Box::new(history));
        }
        Ok(Self { editor, names })
    }

    /// The next statement; `names` are what a table or a function may be called.
    pub(super) fn read(&mut self, names: &[String]) -> Result<Line> {
        *self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = names.to_vec();
        match self.editor.read_line(&SqlPrompt) {
            Ok(Signal::Success(line)) => Ok(Line::Text(line)),
            Ok(Signal::CtrlD) => Ok(Line::End),
            Ok(_) => Ok(Line::Cancelled),
            Err(e) => Err(terminal_error(e)),
        }
    }

    pub(super) fn clear(&mut self) -> Result<()> {
        self.editor.clear_screen().map_err(terminal_error)
    }
}

fn terminal_error(e: std::io::Error) -> Error {
    Error::unavailable("terminal.failed", "the terminal cannot be read").because(e).hint("use -c or a file instead")
}

fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?.join("freshet");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

/// A line is complete when its last statement is, or when it is a short command.
struct EndsWithSemicolon;

impl Validator for EndsWithSemicolon {
    fn validate(&self, line: &str) -> ValidationResult {
        if line.trim().is_empty() || super::meta::parse(line).is_some() || freshet_server::is_complete(line) {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}

struct Words(Arc<Mutex<Vec<String>>>);

const KEYWORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "LIMIT",
    "JOIN",
    "LEFT JOIN",
    "INSERT INTO",
    "VALUES",
    "CREATE TABLE",
    "CREATE TEMPORARY VIEW",
    "CREATE CATALOG",
    "CREATE DATABASE",
    "DROP TABLE",
    "SHOW TABLES",
    "DESCRIBE",
    "EXPLAIN",
    "WATERMARK FOR",
    "PRIMARY KEY",
    "NOT ENFORCED",
    "PARTITIONED BY",
    "WITH",
    "TUMBLE",
    "HOP",
    "CUMULATE",
    "SESSION",
    "DESCRIPTOR",
    "INTERVAL",
    "EXECUTE STATEMENT SET BEGIN",
    "SET",
    "RESET",
    "USE CATALOG",
];

impl Completer for Words {
    fn complete(&mut self, line: &str, position: usize) -> Vec<Suggestion> {
        let start = line[..position].rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |i| i + 1);
        let typed = line[start..position].to_lowercase();
        if typed.is_empty() {
            return Vec::new();
        }
        let names = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let known = names.iter().map(String::as_str).chain(KEYWORDS.iter().copied());
        known
            .filter(|name| name.to_lowercase().starts_with(&typed))
            .map(|name| Suggestion {
                value: name.to_string(),
                span: Span::new(start, position),
                append_whitespace: true,
                ..Suggestion::default()
            })
            .collect()
    }
}

struct SqlPrompt;

impl Prompt for SqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "freshet".into()
    }
    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }
    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }
    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "    ...> ".into()
    }
    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        format!("(search: {}) ", search.term).into()
    }
}
