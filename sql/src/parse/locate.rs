//! Finds the word of a statement that an error is about, for errors that say a name but not where it stands.

use super::script::{Script, is_word};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use freshet_types::error::Span;
use freshet_types::{Error, ErrorKind};

/// Words at which the mend of an error with this code goes in, where the error names nothing that stands there.
const ANCHORS: &[(&str, &str)] = &[
    ("option.missing", "WITH"),
    ("watermark.type", "WATERMARK"),
    ("where.aggregate", "WHERE"),
    ("union.types", "UNION"),
];

/// The place in `statement` of the word that `error` names; none when no word or more than one could be meant.
///
/// ```
/// use freshet_sql::parse::place_of;
/// use freshet_types::Error;
/// let text = "SET 'pipeline.nmae' = 'x'";
/// let place = place_of(&Error::not_found("config.unknown", "no setting named \"pipeline.nmae\""), text).unwrap();
/// assert_eq!(&text[place.start..place.end], "'pipeline.nmae'");
/// assert_eq!(place_of(&Error::invalid("a.b", "column \"a\" is odd"), "SELECT a + a"), None);
/// ```
pub fn place_of(error: &Error, statement: &str) -> Option<Span> {
    let script = Script::read(statement).ok()?;
    let tokens: Vec<&TokenWithSpan> =
        script.tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let words = Words { script: &script, tokens };
    words
        .of_function(error)
        .or_else(|| words.of_names(error))
        .or_else(|| words.of_anchor(error))
        .or_else(|| words.of_places(error))
        .or_else(|| words.of_keywords(error))
}

struct Words<'a> {
    script: &'a Script<'a>,
    tokens: Vec<&'a TokenWithSpan>,
}

impl Words<'_> {
    fn span(&self, index: usize) -> Span {
        let range = self.script.range(self.tokens[index]);
        Span { start: range.start, end: range.end }
    }

    /// `function "F" ...`: the word F before a parenthesis, the nearest one before the place that the error knows.
    fn of_function(&self, error: &Error) -> Option<Span> {
        let rest = error.text().strip_prefix("function ")?;
        let name = quoted(rest).next()?;
        let calls: Vec<usize> = (0..self.tokens.len())
            .filter(|i| is_word(Some(&self.tokens[*i].token), name))
            .filter(|i| self.tokens.get(i + 1).is_some_and(|t| t.token == Token::LParen))
            .collect();
        match (calls.as_slice(), error.span_of()) {
            ([one], _) => Some(self.span(*one)),
            (many, Some(near)) => many.iter().map(|i| self.span(*i)).rfind(|span| span.end <= near.start),
            _ => None,
        }
    }

    /// The names in quotes, the last one first: it is the one that is wrong where there are two.
    fn of_names(&self, error: &Error) -> Option<Span> {
        // A place that is known is made narrower where it holds more than the unknown name.
        let known = error.span_of();
        if known.is_some() && error.kind() != ErrorKind::NotFound {
            return None;
        }
        let is_inside = |i: &usize| known.is_none_or(|k| k.start <= self.span(*i).start && self.span(*i).end <= k.end);
        let clause = error.places().iter().find(|(what, _)| *what == "clause");
        let from = clause.and_then(|(_, words)| self.words(words)).unwrap_or(0);
        // What is unknown is so wherever it stands; a double is meant where it stands again.
        let first = from > 0 || error.kind() == ErrorKind::NotFound;
        let second = error.code().ends_with(".duplicate");
        let names: Vec<&str> = quoted(error.text()).collect();
        names.into_iter().rev().find_map(|name| {
            let found: Vec<usize> =
                (from..self.tokens.len()).filter(is_inside).filter(|i| self.is_name(*i, name)).collect();
            match found.as_slice() {
                [one] => Some(self.span(*one)),
                [_, again, ..] if second => Some(self.span(*again)),
                [one, ..] if first => Some(self.span(*one)),
                _ => None,
            }
        })
    }

    /// The places around, from the inside out: an option, a column, the table.
    fn of_places(&self, error: &Error) -> Option<Span> {
        if error.span_of().is_some() {
            return None;
        }
        error.places().iter().filter(|(what, _)| *what != "clause").find_map(|(what, name)| {
            let mut found = (0..self.tokens.len()).filter(|i| self.is_name(*i, name));
            match (found.next(), found.next()) {
                (Some(one), None) => Some(self.span(one)),
                // The target of an INSERT, or the table that is made, stands first.
                (Some(one), Some(_)) if *what == "table" || *what == "target" => Some(self.span(one)),
                _ => None,
            }
        })
    }

    /// What is not there yet, by its word: `MATCH_RECOGNIZE is not there yet`.
    fn of_keywords(&self, error: &Error) -> Option<Span> {
        if error.span_of().is_some() || error.kind() != ErrorKind::Unsupported {
            return None;
        }
        let is_keyword = |w: &&str| w.len() > 1 && w.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        error.text().split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(is_keyword).find_map(|word| {
            let found = (0..self.tokens.len()).find(|i| is_word(Some(&self.tokens[*i].token), word));
            found.map(|i| self.span(i))
        })
    }

    /// The word at which the mend goes in.
    fn of_anchor(&self, error: &Error) -> Option<Span> {
        let (_, word) = ANCHORS.iter().find(|(code, _)| *code == error.code())?;
        let mut found = (0..self.tokens.len()).filter(|i| is_word(Some(&self.tokens[*i].token), word));
        match (found.next(), found.next()) {
            (Some(one), None) if error.span_of().is_none() => Some(self.span(one)),
            _ => None,
        }
    }

    /// Where the words of a clause stand one after the other: the token behind them.
    fn words(&self, clause: &str) -> Option<usize> {
        let words: Vec<&str> = clause.split(' ').collect();
        let fits =
            |i: &usize| words.iter().enumerate().all(|(k, w)| is_word(self.tokens.get(i + k).map(|t| &t.token), w));
        (0..self.tokens.len()).find(fits).map(|i| i + words.len())
    }

    /// Whether a token is this name, or the last part of it where it is a full name of a table.
    fn is_name(&self, index: usize, name: &str) -> bool {
        let last = name.rsplit('.').next().unwrap_or(name);
        match &self.tokens[index].token {
            Token::Word(word) => word.value == name || word.value == last,
            Token::SingleQuotedString(text) => text == name,
            _ => false,
        }
    }
}

/// What stands in double quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_an_error_names_is_found() {
        let missing = || Error::invalid("option.missing", "option \"path\" is missing").at("table", "c.d.t");
        for (error, text, expected) in [
            (missing(), "CREATE TABLE t (a INT) WITH ('format' = 'json')", Some("WITH")),
            (missing(), "SELECT * FROM t", Some("t")),
            (
                Error::invalid("option.invalid", "option \"n\" is \"many\", which is not a whole number"),
                "CREATE TABLE t (n INT) WITH ('n' = 'many')",
                Some("'many'"),
            ),
            (
                Error::invalid("column.unknown", "no column named \"b\"").at("clause", "PRIMARY KEY"),
                "CREATE TABLE b (a INT, PRIMARY KEY (b) NOT ENFORCED)",
                Some("b"),
            ),
            (Error::unsupported("query.unsupported", "OVER is not there yet"), "SELECT x OVER (y)", Some("OVER")),
            (Error::invalid("operator.types", "INT + TIME has no meaning"), "SELECT CAST(1 AS INT)", None),
        ] {
            let found = place_of(&error, text).map(|s| &text[s.start..s.end]);
            assert_eq!(found, expected, "{error}");
        }
        let text = "SELECT UPPER(a), UPPER(b, 1)";
        let error = Error::invalid("function.arguments", "function \"UPPER\" does not take 2 arguments").span(23, 24);
        assert_eq!(place_of(&error, text).map(|s| s.start), Some(17));
        let text = "SELECT b.idd FROM x.bidd b";
        for (error, from, to) in [
            (Error::not_found("table.unknown", "no table named \"bidd\"").span(18, 26), 20, 24),
            (Error::not_found("column.unknown", "no column named \"b.idd\"").span(7, 12), 9, 12),
        ] {
            assert_eq!(place_of(&error, text).map(|s| (s.start, s.end)), Some((from, to)));
        }
        let twice = Error::invalid("column.duplicate", "column \"a\" stands twice");
        assert_eq!(place_of(&twice, "CREATE TABLE t (a INT, a STRING)").map(|s| s.start), Some(23));
    }
}
