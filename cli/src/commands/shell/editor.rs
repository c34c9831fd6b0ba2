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
            .with_quick_completions(true)
            .with_partial_completions(true)
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
    "ADD",
    "ALL",
    "ALTER",
    "AND",
    "ARRAY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "BY",
    "BYTES",
    "CASE",
    "CAST",
    "CATALOG",
    "CATALOGS",
    "COLUMNS",
    "COMMENT",
    "CONNECTORS",
    "CREATE",
    "CROSS JOIN",
    "CUMULATE",
    "DATABASE",
    "DATABASES",
    "DATE",
    "DECIMAL",
    "DESC",
    "DESCRIBE",
    "DESCRIPTOR",
    "DISTINCT",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "ENFORCED",
    "EXECUTE STATEMENT SET",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FILTER",
    "FLOAT",
    "FROM",
    "FULL JOIN",
    "FUNCTIONS",
    "GROUP BY",
    "HAVING",
    "HOP",
    "IF NOT EXISTS",
    "IN",
    "INNER JOIN",
    "INSERT INTO",
    "INT",
    "INTERVAL",
    "IS NULL",
    "JOBS",
    "JOIN",
    "LEFT JOIN",
    "LIKE",
    "LIMIT",
    "MAP",
    "METADATA",
    "NOT",
    "NULL",
    "ON",
    "OPTIONS",
    "OR",
    "ORDER BY",
    "PARTITIONED BY",
    "PRIMARY KEY",
    "RESET",
    "RIGHT JOIN",
    "ROW",
    "SELECT",
    "SESSION",
    "SET",
    "SHOW",
    "STRING",
    "TABLE",
    "TABLES",
    "TEMPORARY",
    "THEN",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "TRUE",
    "TUMBLE",
    "UNION ALL",
    "USE",
    "USING",
    "VALUES",
    "VARCHAR",
    "VIEW",
    "VIEWS",
    "WATERMARK FOR",
    "WHEN",
    "WHERE",
    "WITH",
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
        // Who types in small letters gets keywords and functions in small letters.
        let is_small = line[start..position].chars().all(|c| !c.is_uppercase());
        let mut found: Vec<String> = Vec::new();
        for name in known.filter(|name| name.to_lowercase().starts_with(&typed)) {
            let is_loud = name.chars().all(|c| !c.is_lowercase());
            let value = if is_small && is_loud { name.to_lowercase() } else { name.to_string() };
            if !found.contains(&value) {
                found.push(value);
            }
        }
        found
            .into_iter()
            .map(|value| Suggestion {
                value,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_tables_and_columns_are_completed() {
        let names = ["orders", "order_id", "SUM"].map(str::to_string).to_vec();
        let mut words = Words(Arc::new(Mutex::new(names)));
        let mut complete =
            |line: &str| -> Vec<String> { words.complete(line, line.len()).into_iter().map(|s| s.value).collect() };
        assert_eq!(complete("SELECT ord"), ["orders", "order_id", "order by"]);
        assert_eq!(complete("SELECT o.ORD"), ["orders", "order_id", "ORDER BY"]);
        assert_eq!(complete("sel"), ["select"]);
        assert_eq!(complete("SELECT su"), ["sum"]);
        assert!(complete("SELECT ").is_empty());
    }
}
