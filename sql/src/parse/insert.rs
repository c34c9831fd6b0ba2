//! INSERT and statement sets.

use super::cursor::Cursor;
use super::script::Script;
use super::statement::Insert;
use datafusion::sql::sqlparser::tokenizer::Token;
use freshet_types::{Error, Result};
use std::ops::Range;

/// Whether a piece begins a statement set. Gives the token behind its head, and the first token of the INSERT that
/// stands in the same piece (the spelling `... BEGIN INSERT ...`; `BEGIN STATEMENT SET;` has none).
pub(super) fn set_begins(script: &Script, piece: &Range<usize>) -> Option<(usize, Option<usize>)> {
    let words = script.words(piece, 12);
    let plain: Vec<&str> = words.iter().map(String::as_str).collect();
    let details = |w: &&&str| {
        ["EXPLAIN", "ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE", "PLAN", "FOR"].contains(w)
    };
    let skip = if plain.first() == Some(&"EXPLAIN") { plain.iter().take_while(details).count() } else { 0 };
    let count = match &plain[skip..] {
        ["EXECUTE", "STATEMENT", "SET", "BEGIN", ..] => skip + 4,
        ["STATEMENT", "SET", "BEGIN", ..] | ["BEGIN", "STATEMENT", "SET", ..] => skip + 3,
        _ => return None,
    };
    let mut significant =
        piece.clone().filter(|i| !matches!(script.tokens[*i].token, Token::Whitespace(_) | Token::Comma));
    let last = significant.nth(count - 1)?;
    Some((last + 1, significant.next()))
}

/// `INSERT INTO [TABLE] t [hint] [PARTITION (...)] [(columns)] query`.
pub(super) fn insert(cursor: &mut Cursor) -> Result<Insert> {
    let start = cursor.position();
    cursor.expect("INSERT")?;
    if cursor.accept("OVERWRITE") {
        return Err(cursor
            .unsupported(start, "INSERT OVERWRITE")
            .hint("use INSERT INTO, or drop and create the table"));
    }
    cursor.expect("INTO")?;
    cursor.accept("TABLE");
    let (table, hints) = cursor.table()?;
    let mut partition = Vec::new();
    if cursor.accept("PARTITION") {
        partition = cursor.list(|c| {
            let column = c.identifier("a column of PARTITIONED BY")?;
            c.expect_token(&Token::Eq)?;
            Ok((column, c.expression()?.0))
        })?;
    }
    let mut columns = Vec::new();
    let opens = cursor.sees_token(0, &Token::LParen);
    if opens && !cursor.begins_query_in_parentheses() {
        let range = cursor.next_range();
        columns = cursor.identifiers("a column")?;
        if let Some(twice) = columns.iter().enumerate().find(|(i, c)| columns[..*i].contains(c)) {
            return Err(Error::invalid("column.duplicate", format!("column \"{}\" is named twice", twice.1))
                .span(range.start, cursor.behind())
                .hint("name each column once"));
        }
    }
    let (source, _) = cursor.query()?;
    let text = cursor.text(start..cursor.behind()).to_string();
    Ok(Insert { table, hints, columns, partition, source, text })
}
