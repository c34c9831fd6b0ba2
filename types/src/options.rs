//! What a user wrote in `WITH (...)`, and what each option may be.
//!
//! Parsing has two steps: [`Options`] keeps what was written; the owner's `options.rs` turns it into what it means, with
//! the typed getters here. [`Options::check`] refuses unknown names with the nearest valid one: nothing is ignored in silence.

use crate::{Error, Result, suggest};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an option's text must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// A span of time such as `10 s`, `200ms`, `1 min`.
    Duration,
    /// A number of bytes such as `64 kb`, `128mb`.
    Size,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// One option of a connector, format or catalog.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Name as it is written; `properties.*` stands for every name with that prefix, `fields.#.kind` for any word in the `#`'s place.
    pub name: &'static str,
    /// What its text must be.
    pub kind: OptionKind,
    /// Whether it must be given.
    pub required: bool,
    /// Value when it is not given.
    pub default: Option<&'static str>,
    /// One sentence for the manual.
    pub doc: &'static str,
    /// Whether it may be given but changes nothing; users are told so, with `doc` as the reason.
    pub without_effect: bool,
}

impl OptionSpec {
    /// An option that may be left out.
    pub const fn optional(name: &'static str, kind: OptionKind, doc: &'static str) -> Self {
        Self { name, kind, required: false, default: None, doc, without_effect: false }
    }

    /// An option that must be given.
    pub const fn required(name: &'static str, kind: OptionKind, doc: &'static str) -> Self {
        Self { name, kind, required: true, default: None, doc, without_effect: false }
    }

    /// An option that is taken so that a text need not be changed, but changes nothing; `reason` says why.
    pub const fn accepted(name: &'static str, kind: OptionKind, reason: &'static str) -> Self {
        Self { name, kind, required: false, default: None, doc: reason, without_effect: true }
    }

    /// An option with a default.
    pub const fn with_default(name: &'static str, kind: OptionKind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, required: false, default: Some(default), doc, without_effect: false }
    }

    /// Whether `written` is this option.
    pub fn matches(&self, written: &str) -> bool {
        if let Some(prefix) = self.name.strip_suffix('*') {
            return written.starts_with(prefix) && written.len() > prefix.len();
        }
        match self.name.split_once('#') {
            None => self.name == written,
            Some((before, after)) => {
                written.len() > before.len() + after.len() && written.starts_with(before) && written.ends_with(after)
            }
        }
    }
}

/// The options of one table, format or catalog, as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl Options {
    /// Text of option `name`, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets an option.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Takes an option out.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Whether no option was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and texts, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The options whose names begin with `prefix`, under what follows it.
    ///
    /// ```
    /// use freshet_types::Options;
    /// let o: Options = [("json.ignore-parse-errors", "true"), ("path", "/x")].into_iter().collect();
    /// assert_eq!(o.with_prefix("json.").get("ignore-parse-errors"), Some("true"));
    /// ```
    pub fn with_prefix(&self, prefix: &str) -> Options {
        self.iter().filter_map(|(k, v)| Some((k.strip_prefix(prefix)?, v))).collect()
    }

    /// Refuses unknown names, missing required ones and texts of the wrong kind.
    ///
    /// # Errors
    /// `option.unknown`, `option.missing`, `option.invalid`, each with the mend.
    pub fn check(&self, specs: &[OptionSpec]) -> Result<()> {
        for (name, text) in self.iter() {
            let Some(spec) = specs.iter().find(|s| s.matches(name)) else {
                return Err(Error::invalid("option.unknown", format!("unknown option \"{name}\""))
                    .hint(suggest::hint(name, "options", specs.iter().map(|s| s.name))));
            };
            spec.kind.check(name, text)?;
        }
        for spec in specs.iter().filter(|s| s.required) {
            if self.get(spec.name).is_none() {
                return Err(Error::invalid("option.missing", format!("option \"{}\" is missing", spec.name))
                    .hint(format!("add '{}' = '...': {}", spec.name, spec.doc)));
            }
        }
        Ok(())
    }

    /// Text of an option that must be there.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| {
            Error::invalid("option.missing", format!("option \"{name}\" is missing"))
                .hint(format!("add '{name}' = '...'"))
        })
    }

    /// `true` or `false`.
    pub fn bool(&self, name: &str) -> Result<Option<bool>> {
        self.get(name).map(|t| parse_bool(t).ok_or_else(|| wrong(name, t, "true or false"))).transpose()
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        self.get(name).map(|t| t.trim().parse().map_err(|_| wrong(name, t, "a whole number"))).transpose()
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<f64>> {
        self.get(name).map(|t| t.trim().parse().map_err(|_| wrong(name, t, "a number"))).transpose()
    }

    /// A span of time.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.get(name).map(|t| parse_duration(t).ok_or_else(|| wrong(name, t, DURATION))).transpose()
    }

    /// A number of bytes.
    pub fn size(&self, name: &str) -> Result<Option<u64>> {
        self.get(name).map(|t| parse_size(t).ok_or_else(|| wrong(name, t, SIZE))).transpose()
    }
}

const DURATION: &str = "a span of time such as 10 s, 200 ms or 1 min";
const SIZE: &str = "a size such as 64 kb or 128 mb";

fn wrong(name: &str, text: &str, what: &str) -> Error {
    Error::invalid("option.invalid", format!("option \"{name}\" is \"{text}\", which is not {what}"))
        .hint(format!("write {what}"))
}

impl OptionKind {
    /// Refuses a text that is not of this kind; `name` is for the message.
    ///
    /// # Errors
    /// `option.invalid`
    pub fn check(self, name: &str, text: &str) -> Result<()> {
        check_kind(name, text, self)
    }
}

fn check_kind(name: &str, text: &str, kind: OptionKind) -> Result<()> {
    let fine =
        match kind {
            OptionKind::Text => true,
            OptionKind::Bool => parse_bool(text).is_some(),
            OptionKind::Int => text.trim().parse::<i64>().is_ok(),
            OptionKind::Number => text.trim().parse::<f64>().is_ok(),
            OptionKind::Duration => parse_duration(text).is_some(),
            OptionKind::Size => parse_size(text).is_some(),
            OptionKind::OneOf(words) => {
                return if words.iter().any(|w| w.eq_ignore_ascii_case(text)) {
                    Ok(())
                } else {
                    Err(Error::invalid("option.invalid", format!("option \"{name}\" is \"{text}\""))
                        .hint(suggest::hint(text, "values", words.iter().copied())))
                };
            }
        };
    if fine {
        return Ok(());
    }
    Err(wrong(
        name,
        text,
        match kind {
            OptionKind::Bool => "true or false",
            OptionKind::Int => "a whole number",
            OptionKind::Number => "a number",
            OptionKind::Duration => DURATION,
            _ => SIZE,
        },
    ))
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn split_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim().to_ascii_lowercase()))
}

/// Parses Flink's spelling of a span of time; a bare number counts milliseconds.
///
/// ```
/// use freshet_types::options::parse_duration;
/// use std::time::Duration;
/// assert_eq!(parse_duration("10 s"), Some(Duration::from_secs(10)));
/// assert_eq!(parse_duration("250"), Some(Duration::from_millis(250)));
/// assert_eq!(parse_duration("soon"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (n, unit) = split_unit(text)?;
    Some(match unit.as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Duration::from_millis(n),
        "s" | "sec" | "secs" | "second" | "seconds" => Duration::from_secs(n),
        "m" | "min" | "mins" | "minute" | "minutes" => Duration::from_secs(n.checked_mul(60)?),
        "h" | "hour" | "hours" => Duration::from_secs(n.checked_mul(3_600)?),
        "d" | "day" | "days" => Duration::from_secs(n.checked_mul(86_400)?),
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => Duration::from_micros(n),
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// Parses a number of bytes; units are powers of 1024, as in Flink.
///
/// ```
/// use freshet_types::options::parse_size;
/// assert_eq!(parse_size("64 kb"), Some(65_536));
/// assert_eq!(parse_size("2GiB"), Some(2 << 30));
/// ```
pub fn parse_size(text: &str) -> Option<u64> {
    let (n, unit) = split_unit(text)?;
    let shift = match unit.as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kib" | "kibibytes" => 10,
        "m" | "mb" | "mib" | "mebibytes" => 20,
        "g" | "gb" | "gib" | "gibibytes" => 30,
        "t" | "tb" | "tib" | "tebibytes" => 40,
        _ => return None,
    };
    n.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec::required("path", OptionKind::Text, "where the files are"),
        OptionSpec::optional("fields.#.kind", OptionKind::OneOf(&["random", "sequence"]), "how values come"),
        OptionSpec::optional("properties.*", OptionKind::Text, "passed on"),
        OptionSpec::optional("interval", OptionKind::Duration, "how often"),
    ];

    fn check(pairs: &[(&str, &str)]) -> String {
        match pairs.iter().copied().collect::<Options>().check(SPECS) {
            Ok(()) => "fine".into(),
            Err(e) => format!("{}: {e}", e.code()),
        }
    }

    #[test]
    fn options_are_checked_by_name_and_kind() {
        assert_eq!(check(&[("path", "x"), ("fields.a.kind", "random"), ("properties.acks", "all")]), "fine");
        assert_eq!(check(&[("paht", "x")]), "option.unknown: unknown option \"paht\"; did you mean \"path\"?");
        assert_eq!(check(&[]), "option.missing: option \"path\" is missing; add 'path' = '...': where the files are");
        assert_eq!(
            check(&[("path", "x"), ("fields.a.kind", "randm")]),
            "option.invalid: option \"fields.a.kind\" is \"randm\"; did you mean \"random\"?"
        );
        assert!(check(&[("path", "x"), ("interval", "often")]).starts_with("option.invalid"));
    }
}
