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
    /// Write tables with one line per value, or no longer; the other way round when it is not said.
    Expanded(Option<bool>),
    /// Say how long statements take, or no longer; the other way round when it is not said.
    Timing(Option<bool>),
    /// Say this.
    Echo(String),
    /// The same as this SQL.
    Sql(String),
    /// Run this file.
    File(String),
}

/// What `\?` says.
pub(super) const HELP: &str = "\
\\d          list tables and views      \\d NAME     describe one
\\dt, \\dv    list tables, views         \\sf NAME    show how a table was made
\\l          list catalogs              \\dn         list databases
\\df         list functions             \\c NAME     use a database
\\i FILE     run a file                 \\mode FORM  table, csv, tsv, json or changelog
\\x          one line per value         \\timing     say how long statements take
\\set        list settings              \\set K V    the same as SET 'K' = 'V'
\\echo TEXT  say it                     \\clear      clear the screen
\\q          leave
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
    let rest =
        line.strip_prefix('\\').or_else(|| line.strip_prefix('.').filter(|r| r.starts_with(char::is_alphabetic)))?;
    let (word, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let argument = argument.trim();
    let sql = |text: String| Ok(Meta::Sql(text));
    let switch = |make: fn(Option<bool>) -> Meta| match argument {
        "" => Ok(make(None)),
        "on" => Ok(make(Some(true))),
        "off" => Ok(make(Some(false))),
        other => Err(format!("\\{word} is on or off, not \"{other}\"")),
    };
    Some(match (word, argument) {
        ("q" | "quit" | "exit", _) => Ok(Meta::Quit),
        ("?" | "h" | "help", _) => Ok(Meta::Help),
        ("clear", _) => Ok(Meta::Clear),
        ("d" | "d+" | "dt" | "dt+" | "tables", "") => sql("SHOW TABLES".into()),
        ("dt" | "dt+" | "tables", pattern) => sql(format!("SHOW TABLES LIKE '{}'", like(pattern))),
        ("dv" | "dv+", "") => sql("SHOW VIEWS".into()),
        ("d" | "d+" | "dv" | "dv+" | "describe", name) => sql(format!("DESCRIBE {name}")),
        ("schema" | "sf" | "sv", name) if !name.is_empty() => sql(format!("SHOW CREATE TABLE {name}")),
        ("schema", _) => sql("SHOW TABLES".into()),
        ("l" | "l+" | "databases", _) => sql("SHOW CATALOGS".into()),
        ("dn" | "dn+", _) => sql("SHOW DATABASES".into()),
        ("df" | "df+" | "functions", "") => sql("SHOW FUNCTIONS".into()),
        ("df" | "df+" | "functions", pattern) => sql(format!("SHOW FUNCTIONS LIKE '{}'", like(pattern))),
        ("c" | "connect" | "use", name) if !name.is_empty() => sql(format!("USE {name}")),
        ("set" | "show", "") => sql("SET".into()),
        ("set", assignment) => match assignment.split_once(char::is_whitespace) {
            Some((key, value)) => {
                let [key, value] = [key, value.trim()].map(|t| t.trim_matches('\'').replace('\'', "''"));
                sql(format!("SET '{key}' = '{value}'"))
            }
            None => Err("\\set takes a key and a value, such as \\set parallelism.default 2".into()),
        },
        ("i" | "include" | "read", file) if !file.is_empty() => Ok(Meta::File(file.trim_matches('\'').to_string())),
        ("echo" | "print" | "qecho", text) => Ok(Meta::Echo(text.trim_matches('\'').to_string())),
        ("x", _) => switch(Meta::Expanded),
        ("timing" | "timer", _) => switch(Meta::Timing),
        ("mode", form) => match OutputForm::from_str(form, true) {
            Ok(form) => Ok(Meta::Output(form)),
            Err(_) => Err(format!("no form named \"{form}\"; known forms: table, csv, tsv, json, changelog")),
        },
        ("sf" | "sv" | "c" | "connect" | "use" | "i" | "include" | "read", _) => {
            Err(format!("\\{word} takes a name; \\? lists the short commands"))
        }
        _ => Err(format!("no short command named \"{word}\"; \\? lists them")),
    })
}

/// psql's pattern as one of LIKE.
fn like(pattern: &str) -> String {
    pattern.replace('\'', "''").replace('*', "%").replace('?', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_commands_are_told_from_sql() {
        let sql = |text: &str| Some(Ok(Meta::Sql(text.to_string())));
        assert_eq!(parse("\\q"), Some(Ok(Meta::Quit)));
        assert_eq!(parse("exit;"), Some(Ok(Meta::Quit)));
        assert_eq!(parse(".d orders"), sql("DESCRIBE orders"));
        assert_eq!(parse("\\dt"), sql("SHOW TABLES"));
        assert_eq!(parse("\\dt o*"), sql("SHOW TABLES LIKE 'o%'"));
        assert_eq!(parse("\\set pipeline.name it's"), sql("SET 'pipeline.name' = 'it''s'"));
        assert_eq!(parse(".schema orders"), sql("SHOW CREATE TABLE orders"));
        assert_eq!(parse("\\mode json"), Some(Ok(Meta::Output(OutputForm::Json))));
        assert_eq!(parse("\\x"), Some(Ok(Meta::Expanded(None))));
        assert_eq!(parse(".timer on"), Some(Ok(Meta::Timing(Some(true)))));
        for wrong in ["\\mode xml", "\\nothing", "\\x maybe", "\\c", "\\set key"] {
            assert!(matches!(parse(wrong), Some(Err(_))), "{wrong}");
        }
        assert_eq!(parse("SELECT 1;"), None);
        assert_eq!(parse(".5 + 1"), None);
    }
}
