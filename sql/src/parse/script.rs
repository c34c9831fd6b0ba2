//! The text of a script and its tokens: where each stands, where statements end, what is rewritten before parsing.
//!
//! Rewritten, because sqlparser would drop or misread it:
//! - `>>` becomes two `>`, so that nested types close (Flink has no shift operator);
//! - a hint behind a table name becomes one more part of that name (see [`super::hints`]);
//! - `FOR SYSTEM_VERSION AS OF` becomes `VERSION AS OF`.
//!
//! Tokens carry their place as one number: byte `n` of the script stands as line 1, column `n + 1`. So a place that comes
//! back from sqlparser or DataFusion, however it got there, is a place in the script (see [`byte_of`]).

use super::dialect::FlinkDialect;
use super::hints;
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};
use freshet_types::{Error, Result};
use std::ops::Range;

/// Table functions of Flink that are not there yet; their arguments are no SQL that sqlparser reads.
const TABLE_FUNCTIONS: &[&str] = &["ML_PREDICT", "ML_EVALUATE", "VECTOR_SEARCH", "TO_CHANGELOG", "FROM_CHANGELOG"];

/// The one instance of the dialect.
pub(super) static DIALECT: FlinkDialect = FlinkDialect;

/// A text with its tokens.
pub(super) struct Script<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// All tokens, whitespace and comments too.
    pub(super) tokens: Vec<TokenWithSpan>,
}

/// Why a text has no tokens.
pub(super) struct Unfinished {
    /// Whether more text could mend it: an open quote or comment.
    pub(super) open: bool,
    /// What is wrong.
    pub(super) error: Error,
}

impl<'a> Script<'a> {
    /// Splits `text` into tokens.
    pub(super) fn read(text: &'a str) -> std::result::Result<Self, Unfinished> {
        let mut script = Self { text, tokens: Vec::new() };
        if let Some(at) = text.find('\0') {
            let error = Error::invalid("sql.syntax", "a NUL character has no place in SQL").span(at, at + 1);
            return Err(Unfinished { open: false, error: error.hint("remove it") });
        }
        let dialect: &dyn Dialect = &DIALECT;
        match Tokenizer::new(dialect, text).tokenize_with_location() {
            Ok(mut tokens) => {
                let mut walk = Walk::new(text);
                for token in &mut tokens {
                    token.span.start = at_byte(walk.to(token.span.start));
                    token.span.end = at_byte(walk.to(token.span.end));
                }
                script.tokens = tokens;
            }
            Err(e) => return Err(script.unfinished(&e)),
        }
        Ok(script)
    }

    fn unfinished(&self, e: &TokenizerError) -> Unfinished {
        let at = Walk::new(self.text).to(e.location);
        let [what, close] = match e.message.as_str() {
            m if m.starts_with("Unterminated") => ["a text literal is not closed", "'"],
            m if m.contains("close delimiter") => ["a name in backticks is not closed", "`"],
            m if m.contains("comment") => ["a comment is not closed", "*/"],
            other => {
                let error = Error::invalid("sql.syntax", lower_first(other)).span(at, at + 1);
                return Unfinished { open: false, error };
            }
        };
        let error = Error::invalid("sql.syntax", what).span(at, at + 1).hint(format!("add {close} where it ends"));
        Unfinished { open: true, error }
    }

    /// Byte position of a token's place; the end of the text for one that has none.
    pub(super) fn byte(&self, location: Location) -> usize {
        byte_of(location.line, location.column).map_or(self.text.len(), |byte| byte.min(self.text.len()))
    }

    /// Byte range of a token.
    pub(super) fn range(&self, token: &TokenWithSpan) -> Range<usize> {
        self.byte(token.span.start)..self.byte(token.span.end)
    }

    /// Byte range from the first to the last of some tokens.
    pub(super) fn range_of(&self, tokens: &[TokenWithSpan]) -> Range<usize> {
        match (tokens.first(), tokens.last()) {
            (Some(first), Some(last)) => self.byte(first.span.start)..self.byte(last.span.end),
            _ => self.text.len()..self.text.len(),
        }
    }

    /// Token ranges of the pieces between semicolons, without whitespace and comments around them; empty ones are left out.
    pub(super) fn pieces(&self) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for end in
            (0..=self.tokens.len()).filter(|i| *i == self.tokens.len() || self.tokens[*i].token == Token::SemiColon)
        {
            let is_blank = |i: &usize| match &self.tokens[*i].token {
                Token::Whitespace(Whitespace::MultiLineComment(comment)) => !comment.starts_with('+'),
                token => matches!(token, Token::Whitespace(_)),
            };
            let first = (start..end).find(|i| !is_blank(i));
            if let Some(first) = first {
                let last = (first..end).rev().find(|i| !is_blank(i)).unwrap_or(first);
                pieces.push(first..last + 1);
            }
            start = end + 1;
        }
        pieces
    }

    /// The first words of a piece, in upper case, for telling statements apart; commas are skipped.
    pub(super) fn words(&self, piece: &Range<usize>, count: usize) -> Vec<String> {
        self.tokens[piece.clone()]
            .iter()
            .filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::Comma))
            .map_while(|t| match &t.token {
                Token::Word(w) if w.quote_style.is_none() => Some(w.value.to_uppercase()),
                _ => None,
            })
            .take(count)
            .collect()
    }

    /// The tokens of a piece, rewritten for the parser. Hints that are not for tables go to `notices`.
    pub(super) fn rewritten(&self, piece: Range<usize>, notices: &mut Vec<String>) -> Result<Vec<TokenWithSpan>> {
        let tokens = &self.tokens[piece];
        let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
        let mut before = Token::EOF;
        for (i, token) in tokens.iter().enumerate() {
            match &token.token {
                Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.starts_with('+') => {
                    let range = self.range(token);
                    let place = match &before {
                        Token::Word(w) if w.keyword == Keyword::SELECT && w.quote_style.is_none() => {
                            hints::Place::Select
                        }
                        Token::Word(_) => hints::Place::Name,
                        _ => hints::Place::Elsewhere,
                    };
                    let at = |e: Error| e.span(range.start, range.end);
                    if let Some(part) = hints::read(&comment[1..], place, notices).map_err(at)? {
                        out.push(TokenWithSpan { token: Token::Period, span: token.span });
                        out.push(TokenWithSpan { token: part, span: token.span });
                    }
                    continue;
                }
                Token::Whitespace(_) => {
                    out.push(token.clone());
                    continue;
                }
                Token::ShiftRight => {
                    let mut middle = token.span.start;
                    middle.column += 1;
                    let [mut left, mut right] = [token.span, token.span];
                    left.end = middle;
                    right.start = middle;
                    out.push(TokenWithSpan { token: Token::Gt, span: left });
                    out.push(TokenWithSpan { token: Token::Gt, span: right });
                }
                Token::Word(w) if w.keyword == Keyword::FOR && is_word(following(tokens, i), "SYSTEM_VERSION") => {}
                Token::Word(w) if w.value.eq_ignore_ascii_case("SYSTEM_VERSION") && is_word(Some(&before), "FOR") => {
                    out.push(TokenWithSpan { token: Token::make_keyword("VERSION"), span: token.span });
                }
                Token::DoubleQuotedString(text) => {
                    let range = self.range(token);
                    return Err(Error::invalid("sql.syntax", "double quotes have no meaning in Flink SQL")
                        .span(range.start, range.end)
                        .hint(format!("write `{text}` for a name or '{text}' for a text")));
                }
                Token::Word(w)
                    if TABLE_FUNCTIONS.iter().any(|f| w.value.eq_ignore_ascii_case(f))
                        && following(tokens, i) == Some(&Token::LParen) =>
                {
                    let range = self.range(token);
                    return Err(Error::unsupported(
                        "sql.unsupported",
                        format!("{} is not there yet", w.value.to_uppercase()),
                    )
                    .span(range.start, range.end));
                }
                Token::DoubleColon => {
                    let range = self.range(token);
                    return Err(Error::invalid("sql.syntax", "\"::\" has no meaning in Flink SQL")
                        .span(range.start, range.end)
                        .hint("write CAST(x AS type)"));
                }
                _ => out.push(token.clone()),
            }
            before = token.token.clone();
        }
        Ok(out)
    }
}

/// Byte `byte` of the script as a place.
fn at_byte(byte: usize) -> Location {
    Location { line: 1, column: byte as u64 + 1 }
}

/// The byte of the script that a place of a token stands for; none for a place that is not known.
pub(crate) fn byte_of(line: u64, column: u64) -> Option<usize> {
    if line == 0 { None } else { usize::try_from(column).ok()?.checked_sub(1) }
}

/// Follows the places of the tokenizer, which counts lines and characters from one, through a text; never goes back.
struct Walk<'a> {
    rest: std::str::CharIndices<'a>,
    line: u64,
    column: u64,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.char_indices(), line: 1, column: 1 }
    }

    /// Byte of a place.
    fn to(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            match self.rest.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => break,
            }
        }
        self.rest.offset()
    }
}

fn following(tokens: &[TokenWithSpan], i: usize) -> Option<&Token> {
    tokens[i + 1..].iter().map(|t| &t.token).find(|t| !matches!(t, Token::Whitespace(_)))
}

/// Whether a token is this word, unquoted.
pub(super) fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(w)) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// A text that begins in lower case, as all our messages do; words in capitals stay.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_string(),
    }
}
