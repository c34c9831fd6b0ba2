//! `${NAME}` in a script, replaced before it is read.

use freshet_types::{Error, Result};
use std::borrow::Cow;

/// Replaces each `${NAME}` by what `lookup` gives for it; `${NAME:-text}` falls back to `text`. `$${` stands for `${`.
///
/// Comments are left as they are: a name in them need not exist.
///
/// ```
/// use freshet_sql::variables::replace_variables;
/// let lookup = |name: &str| (name == "DATA").then(|| "/tmp/in".to_string());
/// let text = replace_variables("'path' = '${DATA}/a${EXT:-.csv}' -- not ${THIS}", &lookup).unwrap();
/// assert_eq!(text, "'path' = '/tmp/in/a.csv' -- not ${THIS}");
/// let error = replace_variables("SELECT\n '${DATE}'", &lookup).unwrap_err();
/// assert_eq!((error.code(), error.span_of().unwrap().start), ("variable.missing", 9));
/// ```
///
/// # Errors
/// `variable.missing`, `variable.syntax`, with the place in `text`.
pub fn replace_variables(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut scan = Scan::default();
    while let Some(found) = scan.next(text) {
        out.push_str(&text[at..found.start]);
        if found.is_escaped {
            out.push_str("${");
            at = found.start + 3;
            scan.at = at;
            continue;
        }
        let inside = found.start + 2;
        let Some(end) = text[inside..].find('}').map(|i| inside + i) else {
            return Err(Error::invalid("variable.syntax", "\"${\" is not closed")
                .span(found.start, inside)
                .hint("write ${NAME}, or $${ for the characters themselves"));
        };
        let (name, default) = match text[inside..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&text[inside..end], None),
        };
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !is_name {
            return Err(Error::invalid("variable.syntax", format!("\"{name}\" is not the name of a variable"))
                .span(found.start, end + 1)
                .hint("use letters, digits and underscores, or write $${ for the characters themselves"));
        }
        let value: Cow<'_, str> = match (lookup(name), default) {
            (Some(value), _) => Cow::Owned(value),
            (None, Some(default)) => Cow::Borrowed(default),
            (None, None) => {
                return Err(Error::invalid("variable.missing", format!("variable \"{name}\" is not set"))
                    .span(found.start, end + 1)
                    .hint(format!("give --var {name}=VALUE, or set {name} in the environment")));
            }
        };
        out.push_str(&value);
        at = end + 1;
        scan.at = at;
    }
    out.push_str(&text[at..]);
    Ok(out)
}

struct Found {
    start: usize,
    is_escaped: bool,
}

/// Follows quotes and comments through a text, once from its start to its end.
#[derive(Default)]
struct Scan {
    at: usize,
    quote: Option<u8>,
}

impl Scan {
    /// The next `${` that stands in no comment; variables in quotes count.
    fn next(&mut self, text: &str) -> Option<Found> {
        let bytes = text.as_bytes();
        while self.at < bytes.len() {
            let start = self.at;
            let rest = &bytes[start..];
            match self.quote {
                None if rest.starts_with(b"--") => {
                    self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                    continue;
                }
                None if rest.starts_with(b"/*") && !rest.starts_with(b"/*+") => {
                    self.at += text[start + 2..].find("*/").map_or(rest.len(), |end| end + 4);
                    continue;
                }
                None if matches!(rest[0], b'\'' | b'`') => self.quote = Some(rest[0]),
                Some(open) if rest[0] == open => self.quote = None,
                _ => {}
            }
            let is_escaped = rest.starts_with(b"$${");
            if is_escaped || rest.starts_with(b"${") {
                return Some(Found { start, is_escaped });
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_outside_of_comments() {
        let lookup = |name: &str| match name {
            "A" => Some("x".to_string()),
            "job.name" => Some("${A}".to_string()),
            _ => None,
        };
        for (text, expected) in [
            ("${A}${A}", "xx"),
            ("'it''s ${A}' -- ${B}\n${A}", "'it''s x' -- ${B}\nx"),
            ("/* ${B} */ ${A} /*+ OPTIONS('a' = '${A}') */", "/* ${B} */ x /*+ OPTIONS('a' = 'x') */"),
            ("'--${A}'", "'--x'"),
            ("$${A} $5 ${B:-} ${B:-a b}", "${A} $5  a b"),
            ("${job.name}", "${A}"),
            ("/* open ${B}", "/* open ${B}"),
            ("é${A}é", "éxé"),
        ] {
            assert_eq!(replace_variables(text, &lookup).unwrap(), expected, "{text}");
        }
        for (text, code, start) in [
            ("${B}", "variable.missing", 0),
            ("ü ${A", "variable.syntax", 3),
            ("${}", "variable.syntax", 0),
            ("${a b}", "variable.syntax", 0),
        ] {
            let error = replace_variables(text, &lookup).unwrap_err();
            assert_eq!((error.code(), error.span_of().unwrap().start), (code, start), "{text}");
        }
    }
}
