//! Regular expressions in Java's dialect, with a bound on backtracking.

use crate::functions::call::{Call, TextColumn};
use crate::functions::function::{Arg, Arguments, Family, Function, Returns, SqlType0};
use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use fancy_regex::{Regex, RegexBuilder};
use freshet_types::Result;
use std::collections::HashMap;
use std::sync::Arc;

const TWO_TEXTS: Arguments = Arguments::exactly(&[Arg::Text, Arg::Text]);
const STRING: Returns = Returns::Is(SqlType0::String);

/// Steps that one match may go back, after which it counts as no match.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// REGEXP and its kin.
pub static FUNCTIONS: &[Function] = &[
    Function::new(
        "regexp",
        Family::String,
        ("REGEXP(text, pattern)", "Whether a part of the text matches."),
        TWO_TEXTS,
        Returns::Is(SqlType0::Boolean),
        regexp,
    )
    .aliases(&["rlike"]),
    Function::new(
        "regexp_extract",
        Family::String,
        ("REGEXP_EXTRACT(text, pattern[, group])", "The first match, or one group of it; NULL when nothing matches."),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Long]),
        STRING,
        regexp_extract,
    ),
    Function::new(
        "regexp_extract_all",
        Family::String,
        ("REGEXP_EXTRACT_ALL(text, pattern[, group])", "One group (1) of every match, as an array."),
        Arguments::with_optional(&[Arg::Text, Arg::Text], &[Arg::Long]),
        Returns::Is(SqlType0::Strings),
        regexp_extract_all,
    ),
    Function::new(
        "regexp_replace",
        Family::String,
        ("REGEXP_REPLACE(text, pattern, other)", "The text with every match replaced by another text."),
        Arguments::exactly(&[Arg::Text, Arg::Text, Arg::Text]),
        STRING,
        regexp_replace,
    ),
    Function::new(
        "regexp_count",
        Family::String,
        ("REGEXP_COUNT(text, pattern)", "Number of matches."),
        TWO_TEXTS,
        Returns::Is(SqlType0::Int),
        |call| {
            let (text, mut patterns) = (call.text(0)?, Patterns::new(call.text(1)?));
            call.ints(|row| {
                let text = text.get(row)?;
                Some(patterns.get(row)?.find_iter(text).take_while(std::result::Result::is_ok).count() as i32)
            })
        },
    ),
    Function::new(
        "regexp_instr",
        Family::String,
        ("REGEXP_INSTR(text, pattern)", "Where the first match begins, counted from 1; 0 when nothing matches."),
        TWO_TEXTS,
        Returns::Is(SqlType0::Int),
        |call| {
            let (text, mut patterns) = (call.text(0)?, Patterns::new(call.text(1)?));
            call.ints(|row| {
                let text = text.get(row)?;
                let found = patterns.get(row)?.find(text).ok().flatten();
                Some(found.map_or(0, |m| super::length(&text[..m.start()]) as i32 + 1))
            })
        },
    ),
    Function::new(
        "regexp_substr",
        Family::String,
        ("REGEXP_SUBSTR(text, pattern)", "The first match; NULL when nothing matches."),
        TWO_TEXTS,
        STRING,
        |call| {
            let (text, mut patterns) = (call.text(0)?, Patterns::new(call.text(1)?));
            call.slices(|row| {
                let text = text.get(row)?;
                Some(patterns.get(row)?.find(text).ok()??.as_str())
            })
        },
    ),
];

/// Compiled patterns of a column: one for a constant, else each text once.
struct Patterns<'a> {
    column: TextColumn<'a>,
    compiled: HashMap<&'a str, Option<Regex>>,
}

impl<'a> Patterns<'a> {
    fn new(column: TextColumn<'a>) -> Self {
        Self { column, compiled: HashMap::new() }
    }

    /// The pattern of a row; none when it is NULL or no pattern.
    fn get(&mut self, row: usize) -> Option<&Regex> {
        let text = self.column.get(row)?;
        if self.compiled.len() > 1_000 {
            self.compiled.clear();
        }
        self.compiled.entry(text).or_insert_with(|| compile(text)).as_ref()
    }
}

/// A Java pattern; none when it is malformed.
pub(crate) fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&from_java(pattern)).backtrack_limit(BACKTRACK_LIMIT).build().ok()
}

/// Java's classes are ASCII where Rust's are Unicode, and some escapes have other names.
fn from_java(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut depth = 0usize;
    let mut chars = pattern.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '[' => {
                depth += 1;
                out.push(c);
            }
            ']' => {
                depth = depth.saturating_sub(1);
                out.push(c);
            }
            '\\' => {
                let Some((_, escaped)) = chars.next() else {
                    out.push('\\');
                    break;
                };
                let inside = depth > 0;
                match escaped {
                    'd' => out.push_str(if inside { "0-9" } else { "[0-9]" }),
                    'w' => out.push_str(if inside { "a-zA-Z0-9_" } else { "[a-zA-Z0-9_]" }),
                    's' => out.push_str(if inside { " \\t\\n\\x0B\\f\\r" } else { "[ \\t\\n\\x0B\\f\\r]" }),
                    'D' => out.push_str("[^0-9]"),
                    'W' => out.push_str("[^a-zA-Z0-9_]"),
                    'S' => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
                    'h' => out.push_str(if inside { " \\t\\xA0" } else { "[ \\t\\xA0]" }),
                    'e' => out.push_str("\\x1B"),
                    'R' => out.push_str("(?:\\r\\n|[\\n\\x0B\\f\\r\\x85])"),
                    'Z' => out.push_str("(?=\\n?\\z)"),
                    'Q' => {
                        let rest = &pattern[at + 2..];
                        let quoted = rest.split_once("\\E").map_or(rest, |(quoted, _)| quoted);
                        out.push_str(&fancy_regex::escape(quoted));
                        let end = at + 2 + quoted.len() + 2;
                        while chars.peek().is_some_and(|(i, _)| *i < end) {
                            chars.next();
                        }
                    }
                    'p' | 'P' => {
                        let rest = &pattern[at + 2..];
                        let name = rest.strip_prefix('{').and_then(|r| r.split_once('}')).map(|(name, _)| name);
                        let class = name.and_then(|name| {
                            Some(match name {
                                "Lower" => "a-z",
                                "Upper" => "A-Z",
                                "ASCII" => "\\x00-\\x7F",
                                "Alpha" => "a-zA-Z",
                                "Digit" => "0-9",
                                "Alnum" => "a-zA-Z0-9",
                                "Punct" => "!-/:-@\\[-`{-~",
                                "Graph" => "!-~",
                                "Print" => " -~",
                                "Blank" => " \\t",
                                "Cntrl" => "\\x00-\\x1F\\x7F",
                                "XDigit" => "0-9a-fA-F",
                                "Space" => " \\t\\n\\x0B\\f\\r",
                                _ => return None,
                            })
                        });
                        match (class, name) {
                            (Some(class), Some(name)) => {
                                match (escaped, inside) {
                                    ('p', true) => out.push_str(class),
                                    ('p', false) => out.push_str(&format!("[{class}]")),
                                    _ => out.push_str(&format!("[^{class}]")),
                                }
                                let end = at + 2 + name.len() + 2;
                                while chars.peek().is_some_and(|(i, _)| *i < end) {
                                    chars.next();
                                }
                            }
                            _ => {
                                out.push('\\');
                                out.push(escaped);
                                // Java writes blocks and scripts as IsGreek, InGreek.
                                if let Some(script) = name.and_then(|n| n.strip_prefix("Is")) {
                                    out.push_str(&format!("{{{script}}}"));
                                    let end = at + 2 + script.len() + 4;
                                    while chars.peek().is_some_and(|(i, _)| *i < end) {
                                        chars.next();
                                    }
                                }
                            }
                        }
                    }
                    other => {
                        out.push('\\');
                        out.push(other);
                    }
                }
            }
            other => out.push(other),
        }
    }
    out
}

fn regexp(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut patterns) = (call.text(0)?, Patterns::new(call.text(1)?));
    call.booleans(|row| {
        let text = text.get(row)?;
        // An empty or malformed pattern matches nothing.
        let pattern = patterns.column.get(row)?;
        if pattern.is_empty() {
            return Some(false);
        }
        Some(patterns.get(row).is_some_and(|p| p.is_match(text).unwrap_or(false)))
    })
}

fn regexp_extract(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut patterns, group) = (call.text(0)?, Patterns::new(call.text(1)?), call.long_opt(2)?);
    call.slices(|row| {
        let text = text.get(row)?;
        let group = group.as_ref().map_or(Some(0), |g| g.get(row))?;
        let group = usize::try_from(group).ok()?;
        Some(patterns.get(row)?.captures(text).ok()??.get(group)?.as_str())
    })
}

fn regexp_extract_all(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut patterns, group) = (call.text(0)?, Patterns::new(call.text(1)?), call.long_opt(2)?);
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let group = group.as_ref().map_or(Some(1), |g| g.get(row)).and_then(|g| usize::try_from(g).ok());
        match (text.get(row), group, patterns.get(row)) {
            (Some(text), Some(group), Some(pattern)) if group < pattern.captures_len() => {
                for found in pattern.captures_iter(text).map_while(std::result::Result::ok) {
                    lists.values().append_option(found.get(group).map(|m| m.as_str()));
                }
                lists.append(true);
            }
            _ => lists.append(false),
        }
    }
    Ok(Arc::new(lists.finish()))
}

fn regexp_replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut patterns, other) = (call.text(0)?, Patterns::new(call.text(1)?), call.text(2)?);
    call.build_text(|row, out| {
        let (text, other) = (text.get(row)?, other.get(row)?);
        if text.is_empty() {
            patterns.column.get(row)?;
            return Some(());
        }
        // The other text is taken as it is: `$1` is a dollar and a one.
        let mut last = 0;
        for found in patterns.get(row)?.find_iter(text) {
            let found = found.ok()?;
            out.push_str(&text[last..found.start()]);
            out.push_str(other);
            last = found.end();
        }
        out.push_str(&text[last..]);
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_patterns_mean_what_java_means() {
        for (pattern, text, matches) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"[\w.]+@x", "a.b@x", true),
            (r"\Qa.b\E", "axb", false),
            (r"\Qa.b\Ec", "a.bc", true),
            (r"(?<=a)b", "ab", true),
            (r"(?<!a)b", "ab", false),
            (r"a++b", "aaab", true),
            (r"\p{Alpha}+", "ä", false),
            (r"[\p{Upper}\d]", "a1", true),
            (r"(a)\1", "aa", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text).unwrap(), matches, "{pattern} {text}");
        }
        assert!(compile("(").is_none());
    }
}
