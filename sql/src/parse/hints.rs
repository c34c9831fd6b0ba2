//! Hints: `/*+ OPTIONS('k' = 'v') */` behind a table, and those that only advise the planner.
//!
//! sqlparser reads a hint as a comment. So the script turns one behind a name into a further part of that name,
//! [`super::normalize`] takes that part off again and leaves `TableFactor::Table::with_hints`, each entry an
//! `Expr::BinaryOp` `'key' = 'text'`; [`table_options`] reads them.

use super::script::DIALECT;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Ident, ObjectName, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};
use freshet_types::{Error, Options, Result, suggest};

/// What a name part begins with when it is a hint; no script holds this character.
const MARK: char = '\0';

/// Hints that steer Flink's planner or its lookup calls; rows are the same without them.
const ADVICE: &[&str] =
    &["BROADCAST", "SHUFFLE_HASH", "SHUFFLE_MERGE", "NEST_LOOP", "LOOKUP", "STATE_TTL", "MULTI_JOIN"];

/// Where a hint stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind SELECT.
    Select,
    /// Behind a name.
    Name,
    /// Anywhere else.
    Elsewhere,
}

/// Reads the inside of a hint. Gives the name part that carries its options.
pub(super) fn read(text: &str, place: Place, notices: &mut Vec<String>) -> Result<Option<Token>> {
    let tokens = Tokenizer::new(&DIALECT, text)
        .tokenize()
        .map_err(|e| syntax(&e.message))?
        .into_iter()
        .filter(|t| !matches!(t, Token::Whitespace(_)))
        .collect::<Vec<_>>();
    let mut options = Options::default();
    let mut rest = tokens.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let Token::Word(word) = first else {
            if *first == Token::Comma {
                rest = after;
                continue;
            }
            return Err(syntax(&format!("a hint begins with its name, not with {first}")));
        };
        let name = word.value.to_uppercase();
        let end = closing(after);
        let inside = if end == 0 { &after[..0] } else { &after[1..end - 1] };
        rest = &after[end..];
        if name == "OPTIONS" {
            if place != Place::Name {
                return Err(Error::invalid("hint.place", "an OPTIONS hint stands behind the name of a table")
                    .hint("write SELECT ... FROM t /*+ OPTIONS('key' = 'text') */"));
            }
            read_options(inside, &mut options)?;
        } else if ADVICE.contains(&name.as_str()) {
            notices.push(format!("hint {name} was accepted without effect"));
        } else {
            return Err(Error::unsupported("hint.unknown", format!("no hint named \"{}\"", word.value))
                .hint(suggest::hint(&name, "hints", ADVICE.iter().copied().chain(["OPTIONS"]))));
        }
    }
    if options.is_empty() {
        return Ok(None);
    }
    let value = std::iter::once(MARK.to_string())
        .chain(options.iter().flat_map(|(k, v)| [k.to_string(), v.to_string()]))
        .collect::<Vec<_>>()
        .join("\0");
    Ok(Some(Token::Word(Word { value, quote_style: Some('`'), keyword: Keyword::NoKeyword })))
}

fn syntax(text: &str) -> Error {
    Error::invalid("hint.syntax", text).hint("write /*+ OPTIONS('key' = 'text') */")
}

/// Number of tokens up to and with the parenthesis that closes the one at the beginning; zero when none opens.
fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate() {
        match token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return i + 1,
            Token::RParen => depth -= 1,
            _ if depth == 0 => return 0,
            _ => {}
        }
    }
    0
}

fn read_options(tokens: &[Token], options: &mut Options) -> Result<()> {
    for pair in tokens.split(|t| *t == Token::Comma) {
        match pair {
            [Token::SingleQuotedString(key), Token::Eq, Token::SingleQuotedString(text)] => options.set(key, text),
            _ => return Err(syntax("an OPTIONS hint holds pairs of texts")),
        }
    }
    Ok(())
}

/// Takes the hint part off a name.
pub(super) fn split(name: &mut Vec<Ident>) -> Options {
    let is_mark = |ident: &Ident| ident.value.starts_with(MARK);
    let mut options = Options::default();
    while let Some(part) = name.pop_if(|ident| is_mark(ident)) {
        let texts: Vec<&str> = part.value.split('\0').skip(2).collect();
        for pair in texts.chunks_exact(2) {
            if options.get(pair[0]).is_none() {
                options.set(pair[0], pair[1]);
            }
        }
    }
    options
}

/// Takes the hint part off a name.
pub(super) fn split_name(name: &mut ObjectName) -> Options {
    let mut idents: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
    let options = split(&mut idents);
    if !options.is_empty() {
        *name = ObjectName::from(idents);
    }
    options
}

/// The form in which options stand in `TableFactor::Table::with_hints`.
pub(super) fn to_exprs(options: &Options) -> Vec<Expr> {
    let text = |t: &str| Box::new(Expr::Value(Value::SingleQuotedString(t.to_string()).into()));
    options.iter().map(|(k, v)| Expr::BinaryOp { left: text(k), op: BinaryOperator::Eq, right: text(v) }).collect()
}

/// The options of an OPTIONS hint, from `TableFactor::Table::with_hints`.
///
/// # Errors
/// `hint.syntax` when it is something else (`WITH (...)` behind a table in a query).
pub fn table_options(with_hints: &[Expr]) -> Result<Options> {
    let text = |e: &Expr| match e {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(t) => Some(t.clone()),
            _ => None,
        },
        _ => None,
    };
    with_hints
        .iter()
        .map(|hint| match hint {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => text(left).zip(text(right)),
            _ => None,
        })
        .map(|pair| pair.ok_or_else(|| syntax("WITH has no meaning behind a table of a query")))
        .collect()
}
