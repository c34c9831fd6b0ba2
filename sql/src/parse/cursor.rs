//! Reads a statement word by word on top of sqlparser's parser, and turns its errors into ours.

use super::hints;
use super::normalize;
use super::script::{DIALECT, Script, is_word, lower_first};
use super::sql_type;
use datafusion::sql::sqlparser::ast::{Expr, Query, SetExpr};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use freshet_types::{Error, Options, Result, SqlType, suggest};
use std::ops::Range;

/// Levels of nesting that a statement may have.
const DEPTH_MAX: usize = 128;

/// Words between the parts of a query, for a mistyped one that was taken for an alias.
const CLAUSES: &[&str] =
    &["SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "JOIN", "VALUES", "WINDOW", "PARTITION"];

/// Queries in parentheses that are looked at again after an error.
const QUERIES_MAX: usize = 64;

/// Begins the text of an error that has kind and hint of its own; fields follow, parted by the same character.
const OWN: char = '\u{1}';

/// A `ParserError` that says that something is not there yet.
pub(super) fn refuse<T>(at: Location, what: &str) -> std::result::Result<T, ParserError> {
    Err(ParserError::ParserError(format!("{OWN}not there yet{OWN}{what} is not there yet{OWN}{at}")))
}

/// A `ParserError` with a hint.
pub(super) fn fail<T>(at: Location, text: &str, hint: &str) -> std::result::Result<T, ParserError> {
    Err(ParserError::ParserError(format!("{OWN}{hint}{OWN}{text}{OWN}{at}")))
}

fn parser_of(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&DIALECT).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens)
}

/// A place in a statement.
pub(super) struct Cursor<'s> {
    script: &'s Script<'s>,
    parser: Parser<'static>,
    /// The tokens of the parser, for a second look after an error.
    tokens: Vec<TokenWithSpan>,
    /// Byte behind the statement.
    end: usize,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

impl<'s> Cursor<'s> {
    /// At the beginning of a piece of the script.
    pub(super) fn new(script: &'s Script<'s>, piece: Range<usize>) -> Result<Self> {
        let end = script.range_of(&script.tokens[piece.clone()]).end;
        let mut notices = Vec::new();
        let tokens = script.rewritten(piece, &mut notices)?;
        let parser = parser_of(tokens.clone());
        Ok(Self { script, parser, tokens, end, notices })
    }

    /// Byte at which the next token begins.
    pub(super) fn position(&self) -> usize {
        let token = self.parser.peek_token_ref();
        if token.token == Token::EOF { self.end } else { self.script.byte(token.span.start) }
    }

    /// Byte behind the last token that was read.
    pub(super) fn behind(&self) -> usize {
        self.script.byte(self.parser.get_current_token().span.end).min(self.end)
    }

    /// Text between two bytes.
    pub(super) fn text(&self, range: Range<usize>) -> &'s str {
        self.script.text[range.start.min(range.end)..range.end].trim()
    }

    /// Text from here to the end; nothing is left after it.
    pub(super) fn rest(&mut self) -> &'s str {
        let text = self.text(self.position()..self.end);
        while self.parser.next_token().token != Token::EOF {}
        text
    }

    /// Whether the next words are these, unquoted.
    pub(super) fn sees(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(i, word)| is_word(Some(&self.parser.peek_nth_token_ref(i).token), word))
    }

    /// Whether the token after `skip` others is this one.
    pub(super) fn sees_token(&self, skip: usize, token: &Token) -> bool {
        self.parser.peek_nth_token_ref(skip).token == *token
    }

    /// Whether a parenthesis follows in which a query stands.
    pub(super) fn begins_query_in_parentheses(&self) -> bool {
        let inside = (0..).find(|i| !self.sees_token(*i, &Token::LParen)).unwrap_or(0);
        let inside = &self.parser.peek_nth_token_ref(inside).token;
        ["SELECT", "WITH", "VALUES"].iter().any(|word| is_word(Some(inside), word))
    }

    /// Whether nothing follows.
    pub(super) fn is_at_end(&self) -> bool {
        self.sees_token(0, &Token::EOF)
    }

    /// Reads these words if they follow.
    pub(super) fn accept(&mut self, words: &str) -> bool {
        let fits = self.sees(words);
        if fits {
            words.split(' ').for_each(|_| self.parser.advance_token());
        }
        fits
    }

    /// Reads these words.
    pub(super) fn expect(&mut self, words: &str) -> Result<()> {
        for word in words.split(' ') {
            if !self.accept(word) {
                return Err(self.expected(words));
            }
        }
        Ok(())
    }

    /// Reads a token if it follows.
    pub(super) fn accept_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    /// Reads a token.
    pub(super) fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.accept_token(token) { Ok(()) } else { Err(self.expected(&token.to_string())) }
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.expected("the end of the statement")) }
    }

    /// Range of the next token, for errors about it.
    pub(super) fn next_range(&self) -> Range<usize> {
        let token = self.parser.peek_token_ref();
        if token.token == Token::EOF { self.end..self.end } else { self.script.range(token) }
    }

    /// The error that something else should follow.
    pub(super) fn expected(&self, what: &str) -> Error {
        let range = self.next_range();
        let found = if range.is_empty() { "the end" } else { &self.script.text[range.clone()] };
        let error = Error::invalid("sql.syntax", format!("expected {what}, found {found}"));
        self.with_misspelling(error, range.start).span(range.start, range.end)
    }

    /// Adds the keyword that the word before byte `at`, or the one at it, may have been meant to be.
    fn with_misspelling(&self, error: Error, at: usize) -> Error {
        let behind = self.tokens.partition_point(|t| self.script.byte(t.span.start) <= at);
        let words = self.tokens[..behind].iter().rev().filter(|t| !matches!(t.token, Token::Whitespace(_))).take(2);
        let near = words.into_iter().find_map(|t| match &t.token {
            Token::Word(w) if w.quote_style.is_none() && w.value.len() > 3 && !is_keyword(&w.value) => {
                suggest::nearest(&w.value, CLAUSES.iter().copied())
            }
            _ => None,
        });
        match near {
            Some(word) => error.hint(format!("did you mean {word}?")),
            None => error,
        }
    }

    /// The error that what was read from byte `start` on is not there yet.
    pub(super) fn unsupported(&self, start: usize, what: &str) -> Error {
        let end = self.behind().max(start);
        Error::unsupported("sql.unsupported", format!("{what} is not there yet")).span(start, end)
    }

    /// A name: `a`, `a.b`, `a.b.c`.
    pub(super) fn name(&mut self) -> Result<Vec<String>> {
        let start = self.position();
        let (name, hints) = self.table()?;
        if !hints.is_empty() {
            return Err(Error::invalid("hint.place", "a hint has no meaning here")
                .span(start, self.behind())
                .hint("remove it"));
        }
        Ok(name)
    }

    /// A name with the options of a hint behind it.
    pub(super) fn table(&mut self) -> Result<(Vec<String>, Options)> {
        let start = self.position();
        if !matches!(self.parser.peek_token_ref().token, Token::Word(_)) {
            return Err(self.expected("a name"));
        }
        let mut name = self.parse(|p| p.parse_object_name(false))?;
        let options = hints::split_name(&mut name);
        let name: Vec<String> = name.0.iter().filter_map(|p| p.as_ident().map(|i| i.value.clone())).collect();
        if name.len() > 3 {
            return Err(Error::invalid("name.parts", "a name has at most three parts: catalog, database, table")
                .span(start, self.behind()));
        }
        Ok((name, options))
    }

    /// A name of one part.
    pub(super) fn identifier(&mut self, what: &str) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) => {
                let name = word.value.clone();
                self.parser.advance_token();
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Names in parentheses.
    pub(super) fn identifiers(&mut self, what: &str) -> Result<Vec<String>> {
        self.list(|cursor| cursor.identifier(what))
    }

    /// Things in parentheses, parted by commas.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let mut all = vec![one(self)?];
        while self.accept_token(&Token::Comma) {
            all.push(one(self)?);
        }
        if !self.accept_token(&Token::RParen) {
            return Err(self.expected(", or )"));
        }
        Ok(all)
    }

    /// A text literal.
    pub(super) fn string(&mut self, what: &str) -> Result<String> {
        match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text) | Token::UnicodeStringLiteral(text) => {
                let text = text.clone();
                self.parser.advance_token();
                Ok(text)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self) -> Result<u64> {
        if !matches!(self.parser.peek_token_ref().token, Token::Number(..)) {
            return Err(self.expected("a whole number"));
        }
        self.parse(|p| p.parse_literal_uint())
    }

    /// `('key' = 'text', ...)`.
    pub(super) fn options(&mut self) -> Result<Options> {
        let mut options = Options::default();
        if self.sees_token(0, &Token::LParen) && self.sees_token(1, &Token::RParen) {
            self.expect_token(&Token::LParen)?;
            self.expect_token(&Token::RParen)?;
            return Ok(options);
        }
        self.list(|cursor| {
            let range = cursor.next_range();
            let key = cursor.string("an option in quotes, such as 'connector'")?;
            cursor.expect_token(&Token::Eq)?;
            let text = cursor.string("the option's text in quotes")?;
            if options.get(&key).is_some() {
                return Err(Error::invalid("option.duplicate", format!("option \"{key}\" is given twice"))
                    .span(range.start, range.end)
                    .hint("remove one of them"));
            }
            options.set(key, text);
            Ok(())
        })?;
        Ok(options)
    }

    /// A type with its `NOT NULL`.
    pub(super) fn sql_type(&mut self) -> Result<(SqlType, bool)> {
        self.parse(sql_type::parse_from)
    }

    /// An expression and its text.
    pub(super) fn expression(&mut self) -> Result<(Expr, String)> {
        let start = self.position();
        let mut expression = self.parse(|p| p.parse_expr())?;
        normalize::expression(&mut expression).map_err(|e| e.span(start, self.behind()))?;
        Ok((expression, self.text(start..self.behind()).to_string()))
    }

    /// A query and its text.
    pub(super) fn query(&mut self) -> Result<(Box<Query>, String)> {
        let start = self.position();
        let mut query = self.parse(|p| p.parse_query())?;
        let text = self.text(start..self.behind()).to_string();
        if matches!(*query.body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)) {
            let error = match query.with {
                Some(_) => Error::invalid("sql.syntax", "WITH stands behind INSERT INTO, not before it")
                    .hint("write INSERT INTO t WITH ... SELECT ..."),
                None => Error::invalid("sql.syntax", "expected a query").hint("write SELECT or VALUES"),
            };
            return Err(error.span(start, self.behind()));
        }
        normalize::query(&mut query).map_err(|e| e.span(start, self.behind()))?;
        Ok((query, text))
    }

    /// Runs a parser function of sqlparser.
    pub(super) fn parse<T>(
        &mut self,
        f: impl FnOnce(&mut Parser<'static>) -> std::result::Result<T, ParserError>,
    ) -> Result<T> {
        f(&mut self.parser).map_err(|e| self.error(self.innermost(e)))
    }

    /// The error of the innermost query that does not parse, or `e`.
    ///
    /// sqlparser takes a failing query in parentheses back and then complains about something that comes of that.
    fn innermost(&self, e: ParserError) -> ParserError {
        if matches!(e, ParserError::RecursionLimitExceeded) {
            return e;
        }
        let significant: Vec<usize> =
            (0..self.tokens.len()).filter(|i| !matches!(self.tokens[*i].token, Token::Whitespace(_))).collect();
        let opens: Vec<usize> = significant
            .windows(2)
            .filter(|pair| {
                self.tokens[pair[0]].token == Token::LParen
                    && ["SELECT", "WITH"].iter().any(|word| is_word(Some(&self.tokens[pair[1]].token), word))
            })
            .map(|pair| pair[1])
            .collect();
        if opens.len() > QUERIES_MAX {
            return e;
        }
        for start in opens.into_iter().rev() {
            let mut parser = parser_of(self.tokens[start..].to_vec());
            match parser.parse_query() {
                Err(inner) => return inner,
                Ok(_) if parser.peek_token_ref().token == Token::RParen => {}
                Ok(_) => {
                    return match parser.expected_ref::<()>(")", parser.peek_token_ref()) {
                        Err(inner) => inner,
                        Ok(()) => e,
                    };
                }
            }
        }
        e
    }

    fn error(&self, e: ParserError) -> Error {
        let message = match e {
            ParserError::RecursionLimitExceeded => {
                let range = self.next_range();
                return Error::new(
                    freshet_types::ErrorKind::Exhausted,
                    "sql.too_deep",
                    format!("the statement is nested deeper than {DEPTH_MAX} levels"),
                )
                .span(range.start, range.end)
                .hint("break it up with views or WITH");
            }
            ParserError::TokenizerError(m) | ParserError::ParserError(m) => m,
        };
        let (message, range) = self.locate(&message);
        let at = |e: Error| e.span(range.start, range.end);
        if let Some(own) = message.strip_prefix(OWN) {
            let mut parts = own.split(OWN);
            let (hint, text) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            return if hint == "not there yet" {
                at(Error::unsupported("sql.unsupported", text))
            } else {
                at(Error::invalid("sql.syntax", text).hint(hint))
            };
        }
        let parts = message.strip_prefix("Expected").and_then(|m| m.split_once(", found: "));
        let Some((expected, found)) = parts else {
            return at(Error::invalid("sql.syntax", lower_first(message)));
        };
        let expected = lower_first(expected.trim_start_matches([':', ' ']));
        let found = if range.is_empty() || found == "EOF" { "the end" } else { &self.script.text[range.clone()] };
        if expected == "DEFINE" && found.eq_ignore_ascii_case("WITHIN") {
            return at(Error::unsupported("sql.unsupported", "WITHIN of MATCH_RECOGNIZE is not there yet"));
        }
        let error = Error::invalid("sql.syntax", format!("expected {expected}, found {found}"));
        if expected.contains("identifier") && is_keyword(found) {
            return at(error.hint(format!("put a name that is a keyword in backticks: `{found}`")));
        }
        if expected == "an expression" && self.begins_behind_comma_from(range.start) {
            return at(error.hint("remove the comma before FROM"));
        }
        if expected == "an expression" && is_keyword(found) && self.before(range.start) == Some(&Token::Comma) {
            return at(error.hint("remove the comma before it"));
        }
        at(self.with_misspelling(error, range.start))
    }

    /// Whether `, FROM` stands before byte `at`: sqlparser takes FROM for a column then.
    fn begins_behind_comma_from(&self, at: usize) -> bool {
        let before = self.tokens.partition_point(|t| self.script.byte(t.span.start) < at);
        let mut words =
            self.tokens[..before].iter().rev().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_)));
        is_word(words.next(), "FROM") && words.next() == Some(&Token::Comma)
    }

    /// The token before byte `at`.
    fn before(&self, at: usize) -> Option<&Token> {
        let before = self.tokens.partition_point(|t| self.script.byte(t.span.start) < at);
        self.tokens[..before].iter().rev().map(|t| &t.token).find(|t| !matches!(t, Token::Whitespace(_)))
    }

    /// Parts a message of sqlparser from the place that it ends with.
    fn locate<'m>(&self, message: &'m str) -> (&'m str, Range<usize>) {
        let place = message.rfind(" at Line: ").and_then(|i| {
            let (line, column) = message[i + " at Line: ".len()..].split_once(", Column: ")?;
            Some((i, Location { line: line.parse().ok()?, column: column.trim().parse().ok()? }))
        });
        let Some((i, location)) = place else {
            let range = if message.contains("found: EOF") { self.end..self.end } else { self.next_range() };
            return (message, range);
        };
        let start = self.script.byte(location);
        let token = self.script.tokens.iter().find(|t| t.span.start == location);
        let end = token.map_or(start, |t| self.script.byte(t.span.end));
        (&message[..i], start..end.max(start))
    }
}

fn is_keyword(text: &str) -> bool {
    matches!(Token::make_word(text, None), Token::Word(w) if w.keyword != datafusion::sql::sqlparser::keywords::Keyword::NoKeyword)
}
