//! SQL/JSON paths: `[lax|strict] $.a['b'][0][*]..c`.

use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// `.a`, `['a']`
    Key(String),
    /// `[0]`, `[-1]`
    Index(i64),
    /// `.*`, `[*]`
    All,
    /// `..a`
    Deep(String),
    /// `[1:3]`
    Slice(Option<i64>, Option<i64>),
    /// `[0, 2]`, `['a', 'b']`
    Several(Vec<Step>),
}

/// A compiled path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    strict: bool,
    steps: Vec<Step>,
}

/// What a path finds.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<'a> {
    /// One place.
    One(&'a Value),
    /// Any number of places, for paths with wildcards.
    Many(Vec<&'a Value>),
    /// Nothing is there (lax).
    Empty,
    /// Nothing is there (strict).
    Missing,
}

impl Path {
    /// Reads a path; none when it is malformed or asks for filters.
    pub(crate) fn parse(text: &str) -> Option<Path> {
        let text = text.trim();
        // Without a mode a path is strict, as in Flink.
        let (strict, text) = match text.split_once(char::is_whitespace) {
            Some((mode, rest)) if mode.eq_ignore_ascii_case("lax") => (false, rest.trim()),
            Some((mode, rest)) if mode.eq_ignore_ascii_case("strict") => (true, rest.trim()),
            _ => (true, text),
        };
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("..") {
                let (name, after) = name(after)?;
                steps.push(Step::Deep(name));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('.') {
                if let Some(after) = after.strip_prefix('*') {
                    steps.push(Step::All);
                    rest = after;
                } else {
                    let (name, after) = name(after)?;
                    steps.push(Step::Key(name));
                    rest = after;
                }
            } else if let Some(after) = rest.strip_prefix('[') {
                let (step, after) = bracket(after)?;
                steps.push(step);
                rest = after;
            } else {
                return None;
            }
        }
        Some(Path { strict, steps })
    }

    /// What the path finds in a document.
    pub(crate) fn find<'a>(&self, document: &'a Value) -> Found<'a> {
        let mut definite = true;
        let mut now = vec![document];
        for step in &self.steps {
            definite &= matches!(step, Step::Key(_) | Step::Index(_));
            let mut next = Vec::new();
            now.iter().for_each(|value| follow(step, value, &mut next));
            now = next;
        }
        match (definite, now.as_slice()) {
            (true, [one]) => Found::One(one),
            (true, _) if self.strict => Found::Missing,
            (true, _) => Found::Empty,
            (false, _) => Found::Many(now),
        }
    }
}

fn name(text: &str) -> Option<(String, &str)> {
    let end = text.find(['.', '[', ' ']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let valid = !name.is_empty() && !name.contains(['(', ')', '?', '@', '*', ']']);
    valid.then(|| (name.to_string(), rest))
}

/// What stands in brackets; the text begins behind the opening one.
fn bracket(text: &str) -> Option<(Step, &str)> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if let Some(quote @ ('\'' | '"')) = rest.chars().next() {
            let mut key = String::new();
            let mut chars = rest[1..].char_indices();
            let end = loop {
                let (at, c) = chars.next()?;
                match c {
                    '\\' => key.push(chars.next()?.1),
                    c if c == quote => break at + 2,
                    c => key.push(c),
                }
            };
            parts.push(Step::Key(key));
            rest = rest[end..].trim_start();
        } else if let Some(after) = rest.strip_prefix('*') {
            parts.push(Step::All);
            rest = after.trim_start();
        } else {
            let end = rest.find([']', ','])?;
            let inside = rest[..end].trim();
            parts.push(match inside.split_once(':') {
                Some((from, to)) => {
                    let bound =
                        |t: &str| if t.trim().is_empty() { Some(None) } else { t.trim().parse().ok().map(Some) };
                    Step::Slice(bound(from)?, bound(to)?)
                }
                None => Step::Index(inside.parse().ok()?),
            });
            rest = &rest[end..];
        }
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let rest = rest.strip_prefix(']')?;
        return Some((if parts.len() == 1 { parts.remove(0) } else { Step::Several(parts) }, rest));
    }
}

fn follow<'a>(step: &Step, value: &'a Value, out: &mut Vec<&'a Value>) {
    match step {
        Step::Key(key) => out.extend(value.as_object().and_then(|o| o.get(key))),
        Step::Index(index) => {
            if let Some(items) = value.as_array() {
                let place = if *index < 0 { items.len() as i64 + index } else { *index };
                out.extend(usize::try_from(place).ok().and_then(|p| items.get(p)));
            }
        }
        Step::All => match value {
            Value::Array(items) => out.extend(items),
            Value::Object(fields) => out.extend(fields.values()),
            _ => {}
        },
        Step::Deep(key) => {
            out.extend(value.as_object().and_then(|o| o.get(key)));
            match value {
                Value::Array(items) => items.iter().for_each(|v| follow(step, v, out)),
                Value::Object(fields) => fields.values().for_each(|v| follow(step, v, out)),
                _ => {}
            }
        }
        Step::Slice(from, to) => {
            if let Some(items) = value.as_array() {
                let count = items.len() as i64;
                let place = |p: i64| (if p < 0 { count + p } else { p }).clamp(0, count) as usize;
                let (from, to) = (place(from.unwrap_or(0)), place(to.unwrap_or(count)));
                out.extend(items.get(from..to.max(from)).into_iter().flatten());
            }
        }
        Step::Several(steps) => steps.iter().for_each(|s| follow(s, value, out)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_what_they_name() {
        let document: Value =
            serde_json::from_str(r#"{"a": {"b": [1, {"c": "x"}, 3]}, "d e": null, "list": [{"c": 1}, {"c": 2}]}"#)
                .unwrap();
        for (path, found) in [
            ("$.a.b[0]", "One(Number(1))"),
            ("$['a']['b'][1].c", "One(String(\"x\"))"),
            ("$.a.b[-1]", "One(Number(3))"),
            ("$['d e']", "One(Null)"),
            ("$.none", "Missing"),
            ("lax $.none", "Empty"),
            ("$.list[*].c", "Many([Number(1), Number(2)])"),
            ("$..c", "Many([String(\"x\"), Number(1), Number(2)])"),
            ("$.a.b[0:2]", "Many([Number(1), Object {\"c\": String(\"x\")}])"),
            ("$.a.b[0,2]", "Many([Number(1), Number(3)])"),
        ] {
            assert_eq!(format!("{:?}", Path::parse(path).unwrap().find(&document)), found, "{path}");
        }
        for path in ["a.b", "$.", "$[", "$[?(@.a)]", "$.a b"] {
            assert_eq!(Path::parse(path), None, "{path}");
        }
    }
}
