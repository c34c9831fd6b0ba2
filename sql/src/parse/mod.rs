//! From text to statements: Flink SQL as people write it.
//!
//! ```text
//!  text -> script (tokens, pieces) -> cursor (words, names, types) -> commands, ddl, insert -> Statement
//!                                       sqlparser + dialect        -> normalize           -> Query, Expr
//! ```

mod commands;
mod cursor;
mod ddl;
mod dialect;
mod hints;
mod insert;
mod interval;
mod locate;
mod normalize;
mod script;
mod sql_type;
mod statement;
#[cfg(test)]
mod tests;

pub use dialect::FlinkDialect;
pub use hints::table_options;
pub use locate::place_of;
pub use normalize::{TableArgument, table_factor};
pub use sql_type::{parse_type, type_of};
pub use statement::*;

pub(crate) use script::byte_of;

use cursor::Cursor;
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Query};
use freshet_types::error::Span;
use freshet_types::{Error, Result};
use script::Script;
use std::ops::Range;

/// A statement with its place in the script.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its text, without the semicolon.
    pub text: String,
    /// Its place in the script, in bytes.
    pub span: Span,
    /// What the user should know: hints and spellings that were accepted without effect.
    pub notices: Vec<String>,
}

/// Reads all statements of a script.
///
/// ```
/// use freshet_sql::parse::{Statement, parse_script};
/// let script = "CREATE TABLE t (a INT) WITH ('connector' = 'print'); -- and then\nINSERT INTO t VALUES (1);";
/// let parsed = parse_script(script).unwrap();
/// assert!(matches!(parsed[1].statement, Statement::Insert(_)));
/// assert_eq!(parsed[1].text, "INSERT INTO t VALUES (1)");
/// let error = parse_script("SELECT 1; SELEC 2").unwrap_err();
/// assert_eq!(error.span_of().map(|s| (s.start, s.end)), Some((10, 15)));
/// ```
///
/// # Errors
/// `sql.syntax`, `sql.unsupported`, `sql.too_deep`, `hint.*`, `type.*`, each with its place in `text`.
pub fn parse_script(text: &str) -> Result<Vec<Parsed>> {
    let script = Script::read(text).map_err(|e| e.error)?;
    statements(&script)?.into_iter().map(|unit| unit.parse(&script)).collect()
}

/// Like [`parse_script`], but goes on behind a statement that fails, for a check that reports every error.
pub fn parse_script_all(text: &str) -> Vec<Result<Parsed>> {
    match Script::read(text)
        .map_err(|e| e.error)
        .and_then(|script| Ok(statements(&script)?.into_iter().map(|unit| unit.parse(&script)).collect::<Vec<_>>()))
    {
        Ok(all) => all,
        Err(e) => vec![Err(e)],
    }
}

/// Whether a shell may run `text`: its last statement ends in a semicolon, nothing is open, and no statement set
/// waits for its END. Text without any statement is complete.
///
/// ```
/// use freshet_sql::parse::is_complete;
/// assert!(is_complete("SELECT ';';") && is_complete(" -- nothing\n"));
/// assert!(!is_complete("SELECT 1") && !is_complete("SELECT ';") && !is_complete("BEGIN STATEMENT SET;"));
/// ```
pub fn is_complete(text: &str) -> bool {
    use datafusion::sql::sqlparser::tokenizer::Token;
    match Script::read(text) {
        Err(e) => !e.open,
        Ok(script) => {
            let last = script.tokens.iter().rev().find(|t| !matches!(t.token, Token::Whitespace(_)));
            match last {
                None => true,
                Some(last) => last.token == Token::SemiColon && statements(&script).is_ok(),
            }
        }
    }
}

/// Reads one expression, such as the default of an option that takes SQL.
///
/// # Errors
/// Those of [`parse_script`].
pub fn parse_expression(text: &str) -> Result<Expr> {
    let script = Script::read(text).map_err(|e| e.error)?;
    let mut cursor = Cursor::new(&script, 0..script.tokens.len())?;
    let (expression, _) = cursor.expression()?;
    cursor.end()?;
    Ok(expression)
}

/// Reads one query.
///
/// # Errors
/// Those of [`parse_script`].
pub fn parse_query(text: &str) -> Result<Box<Query>> {
    let script = Script::read(text).map_err(|e| e.error)?;
    let mut cursor = Cursor::new(&script, 0..script.tokens.len())?;
    let (query, _) = cursor.query()?;
    cursor.end()?;
    Ok(query)
}

/// What a name in FROM says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableName {
    /// Parts of the name of a table.
    Parts(Vec<String>),
    /// A file or folder, in quotes.
    File(String),
}

impl TableName {
    /// Reads a name in FROM.
    pub fn from_ast(name: &ObjectName) -> Self {
        let idents: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        match idents.as_slice() {
            [file] if file.quote_style == Some('\'') => TableName::File(file.value.clone()),
            parts => TableName::Parts(parts.iter().map(|ident| ident.value.clone()).collect()),
        }
    }
}

/// A statement before it is read: one piece of the script, or the pieces of a statement set.
enum Unit {
    One(Range<usize>),
    Set {
        /// From the first word to END.
        whole: Range<usize>,
        /// Whether EXPLAIN stands before it.
        explain: Option<Range<usize>>,
        /// The INSERTs.
        inserts: Vec<Range<usize>>,
    },
}

/// Finds statements and statement sets.
fn statements(script: &Script) -> Result<Vec<Unit>> {
    let pieces = script.pieces();
    let mut units = Vec::new();
    let mut i = 0;
    while i < pieces.len() {
        let Some((head, first)) = insert::set_begins(script, &pieces[i]) else {
            units.push(Unit::One(pieces[i].clone()));
            i += 1;
            continue;
        };
        let is_end = |piece: &Range<usize>| script.words(piece, 2) == ["END"];
        let Some(end) = (i..pieces.len()).find(|j| is_end(&pieces[*j])) else {
            let range = script.range_of(&script.tokens[pieces[i].start..head]);
            return Err(Error::invalid("sql.syntax", "the statement set is not closed")
                .span(range.start, range.end)
                .hint("write END; behind its last INSERT"));
        };
        let begun = first.map(|first| first..pieces[i].end).into_iter();
        let inserts = begun.chain(pieces[i + 1..end].iter().cloned()).collect();
        let explain = script.words(&pieces[i], 1).first().is_some_and(|w| w == "EXPLAIN");
        units.push(Unit::Set {
            whole: pieces[i].start..pieces[end].end,
            explain: explain.then(|| pieces[i].start..head),
            inserts,
        });
        i = end + 1;
    }
    Ok(units)
}

impl Unit {
    fn parse(self, script: &Script) -> Result<Parsed> {
        let (whole, statement, notices) = match self {
            Unit::One(piece) => {
                let mut cursor = Cursor::new(script, piece.clone())?;
                let statement = commands::statement(&mut cursor)?;
                cursor.end()?;
                (piece, statement, cursor.notices)
            }
            Unit::Set { whole, explain, inserts } => {
                let mut all = Vec::new();
                let mut notices = Vec::new();
                for piece in inserts {
                    let mut cursor = Cursor::new(script, piece)?;
                    all.push(insert::insert(&mut cursor)?);
                    cursor.end()?;
                    notices.append(&mut cursor.notices);
                }
                if all.is_empty() {
                    let range = script.range_of(&script.tokens[whole]);
                    return Err(Error::invalid("sql.syntax", "the statement set is empty")
                        .span(range.start, range.end)
                        .hint("add an INSERT INTO"));
                }
                let set = Statement::StatementSet(all);
                let statement = match explain {
                    None => set,
                    Some(head) => {
                        let mut cursor = Cursor::new(script, head)?;
                        cursor.expect("EXPLAIN")?;
                        Statement::Explain { details: commands::details(&mut cursor)?, statement: Box::new(set) }
                    }
                };
                (whole, statement, notices)
            }
        };
        let range = script.range_of(&script.tokens[whole]);
        Ok(Parsed {
            statement,
            text: script.text[range.clone()].to_string(),
            span: Span { start: range.start, end: range.end },
            notices,
        })
    }
}
