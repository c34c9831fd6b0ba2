//! Draws an error into the text that it is about.

use freshet_types::Error;
use std::fmt::Write;

/// The same error with its place drawn below its first line; unchanged when it has no place.
///
/// ```
/// use freshet_sql::{diagnose::diagnose, parse::parse_script};
/// let text = "SELECT 1;\nSELECT a FORM t";
/// let error = diagnose(&parse_script(text).unwrap_err(), text, "job.sql");
/// assert_eq!(error.to_string(), "\
/// expected the end of the statement, found t; did you mean FROM?
///   --> job.sql:2:15
///    |
///  2 | SELECT a FORM t
///    |               ^");
/// ```
pub fn diagnose(error: &Error, text: &str, name: &str) -> Error {
    let mut drawn = error.to_string();
    if let Some(place) = draw(error, text, name) {
        drawn.push('\n');
        drawn.push_str(&place);
    }
    Error::new(error.kind(), error.code(), drawn)
}

/// Line and column of a byte, counted from one; columns are characters.
pub fn position(text: &str, byte: usize) -> (usize, usize) {
    let byte = floor_boundary(text, byte);
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

fn floor_boundary(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

fn draw(error: &Error, text: &str, name: &str) -> Option<String> {
    let span = error.span_of()?;
    let start = floor_boundary(text, span.start);
    let (line, column) = position(text, start);
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let end = floor_boundary(text, span.end).max(start);
    // A place of several lines is marked on its first one.
    let marked = text[start..end].lines().next().unwrap_or_default().chars().count().max(1);
    // Tabs stay tabs in the gap, so that the mark stands below its place however wide they are shown.
    let gap: String = source.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let width = line.to_string().len();
    let blank = " ".repeat(width);
    let mut out = String::new();
    write!(
        out,
        " {blank}--> {name}:{line}:{column}\n {blank} |\n {line} | {source}\n {blank} | {gap}{}",
        "^".repeat(marked)
    )
    .expect("a String takes every text");
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_its_place() {
        let text = "SELECT 'ü',\n\tfoo bar\nFROM t";
        for (start, end, place, mark) in [
            (0, 6, "x:1:1", "1 | SELECT 'ü',\n   | ^^^^^^"),
            (14, 17, "x:2:2", "2 | \tfoo bar\n   | \t^^^"),
            (14, 30, "x:2:2", "2 | \tfoo bar\n   | \t^^^^^^^"),
            (29, 29, "x:3:7", "3 | FROM t\n   |       ^"),
            (99, 200, "x:3:7", "3 | FROM t\n   |       ^"),
        ] {
            let drawn = diagnose(&Error::invalid("a.b", "wrong").span(start, end), text, "x").to_string();
            assert!(drawn.starts_with("wrong\n") && drawn.contains(place) && drawn.contains(mark), "{drawn}");
        }
        assert_eq!(diagnose(&Error::invalid("a.b", "wrong"), text, "x").to_string(), "wrong");
    }
}
