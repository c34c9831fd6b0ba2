//! The short commands of the shell, in psql's and DuckDB's spelling: `\q`, `\d orders`, `.mode csv`.

use crate::output::OutputForm;
use clap::ValueEnum;

/// What a short command asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meta {
    /// Leave.
    Quit,
    /// Say what there is.
    Help,
    /// Clear the screen.
    Clear,
    /// Write rows in this form.
    Output(OutputForm),
    /// The same as this SQL.
    Sql(String),
    /// Run this file.
    File(String),
}

/// What `\?` says.
pub(super) const HELP: &str = "\
\\d          list tables and views      \\d NAME     describe one
\\l          list catalogs              \\dn         list databases
\\df         list functions             \\set        list settings
\\i FILE     run a file                 \\mode FORM  table, csv, tsv, json or changelog
\\clear      clear the screen           \\q          leave
A leading . may stand for the backslash. Statements end with ;  Ctrl-C stops a running query.";

/// A short command in `line`; none when it is SQL.
pub(super) fn parse(line: &str) -> Option<Result<Meta, String>> {
    let line = line.trim().trim_end_matches(';').trim();
    let plain = match line.to_ascii_lowercase().as_str() {
        "quit" | "exit" => Some(Meta::Quit),
        "help" => Some(Meta::Help),
        "clear" => Some(Meta::Clear),
        _ => None,
    };
    if plain.is_some() {
        return plain.map(Ok);
    }
    let rest = line.strip_prefix('\\').or_else(|| line.strip_prefix('.'))?;
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let argument = argument.trim();
    let sql = |text: &str| Ok(Meta::Sql(text.to_string()));
    Some(match (word, argument) {
        ("q" | "quit" | "exit", _) => Ok(Meta::Quit),
        ("?" | "h" | "help", _) => Ok(Meta::Help),
        ("clear", _) => Ok(Meta::Clear),
        ("d" | "dt" | "dv" | "tables", "") => sql("SHOW TABLES"),
        ("d" | "dt" | "dv" | "schema", name) => Ok(Meta::Sql(format!("DESCRIBE {name}"))),
        ("l" | "databases", _) => sql("SHOW CATALOGS"),
        ("dn", _) => sql("SHOW DATABASES"),
        ("df", _) => sql("SHOW FUNCTIONS"),
        ("set", "") => sql("SET"),
        ("i" | "read", file) if !file.is_empty() => Ok(Meta::File(file.to_string())),
        ("mode", form) => match OutputForm::from_str(form, true) {
            Ok(form) => Ok(Meta::Output(form)),
            Err(_) => Err(format!("no form named \"{form}\"; known forms: table, csv, tsv, json, changelog")),
        },
        _ => Err(format!("no short command named \"{word}\"; \\? lists them")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_commands_are_told_from_sql() {
        assert_eq!(parse("\\q"), Some(Ok(Meta::Quit)));
        assert_eq!(parse("exit;"), Some(Ok(Meta::Quit)));
        assert_eq!(parse(".d orders"), Some(Ok(Meta::Sql("DESCRIBE orders".into()))));
        assert_eq!(parse("\\mode json"), Some(Ok(Meta::Output(OutputForm::Json))));
        assert!(matches!(parse("\\mode xml"), Some(Err(_))));
        assert_eq!(parse("SELECT 1;"), None);
    }
}
