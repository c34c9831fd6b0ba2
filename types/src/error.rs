//! The one error type: what went wrong, where, and how to mend it.
//!
//! The kind says who must act; the code is stable and can be searched for; the hint is an instruction.

use std::fmt;

/// Result of everything that can go wrong in Freshet.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who must act when an error comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What the user wrote is wrong: edit it.
    Invalid,
    /// A named thing does not exist.
    NotFound,
    /// A named thing is there already.
    AlreadyExists,
    /// Not allowed by configuration or by the outside system.
    Denied,
    /// An outside system does not answer: try again.
    Unavailable,
    /// Someone else committed first: redo the commit.
    Conflict,
    /// Bytes that cannot be understood: the dead-letter policy decides.
    Data,
    /// A limit was reached: raise it or free something.
    Exhausted,
    /// Valid, but not there in this version.
    Unsupported,
    /// Our bug.
    Internal,
}

impl ErrorKind {
    /// Name as it stands in reports and tests.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Invalid => "invalid",
            ErrorKind::NotFound => "not found",
            ErrorKind::AlreadyExists => "already exists",
            ErrorKind::Denied => "denied",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Conflict => "conflict",
            ErrorKind::Data => "data",
            ErrorKind::Exhausted => "exhausted",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Internal => "internal",
        }
    }
}

/// A part of a statement's text that an error is about, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

struct Inner {
    kind: ErrorKind,
    code: &'static str,
    text: String,
    places: Vec<(&'static str, String)>,
    hint: Option<String>,
    span: Option<Span>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// An error: kind, stable code, text, places from the inside out, hint.
///
/// ```
/// use freshet_types::Error;
/// let e = Error::invalid("connector.unknown", "no connector named \"kafak\"")
///     .at("table", "orders")
///     .hint("did you mean \"kafka\"?");
/// assert_eq!(e.to_string(), "no connector named \"kafak\" (table orders); did you mean \"kafka\"?");
/// assert_eq!(e.code(), "connector.unknown");
/// ```
pub struct Error(Box<Inner>);

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Error {$(
            $(#[$doc])*
            pub fn $name(code: &'static str, text: impl Into<String>) -> Self { Self::new(ErrorKind::$kind, code, text) }
        )*}
    };
}
constructors! {
    /// What the user wrote is wrong.
    invalid => Invalid,
    /// A named thing does not exist.
    not_found => NotFound,
    /// A named thing is there already.
    already_exists => AlreadyExists,
    /// Not allowed.
    denied => Denied,
    /// An outside system does not answer.
    unavailable => Unavailable,
    /// Someone else committed first.
    conflict => Conflict,
    /// Bytes that cannot be understood.
    data => Data,
    /// A limit was reached.
    exhausted => Exhausted,
    /// Valid, but not there in this version.
    unsupported => Unsupported,
    /// Our bug.
    internal => Internal,
}

impl Error {
    /// An error of `kind`; prefer the constructor named after the kind.
    pub fn new(kind: ErrorKind, code: &'static str, text: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            code,
            text: text.into(),
            places: Vec::new(),
            hint: None,
            span: None,
            source: None,
        }))
    }

    /// Adds a place, from the inside out: a column, then its table, then the statement. A place said twice counts once.
    #[must_use]
    pub fn at(mut self, what: &'static str, name: impl Into<String>) -> Self {
        let place = (what, name.into());
        if !self.0.places.contains(&place) {
            self.0.places.push(place);
        }
        self
    }

    /// Says how to mend it, as an instruction. The first hint stays: it is the nearest to the cause.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert(hint.into());
        self
    }

    /// Names the part of the statement's text that is meant.
    #[must_use]
    pub fn span(mut self, start: usize, end: usize) -> Self {
        self.0.span.get_or_insert(Span { start, end });
        self
    }

    /// Forgets the part of the text that is meant, because it is a part of another text.
    #[must_use]
    pub fn without_span(mut self) -> Self {
        self.0.span = None;
        self
    }

    /// Keeps the error of a library as the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Who must act.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code, such as `connector.unknown`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What went wrong, without place and hint.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Places from the inside out.
    pub fn places(&self) -> &[(&'static str, String)] {
        &self.0.places
    }

    /// How to mend it.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The part of the statement's text that is meant.
    pub fn span_of(&self) -> Option<Span> {
        self.0.span
    }

    /// Whether trying the same again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Conflict)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        if !self.0.places.is_empty() {
            f.write_str(" (")?;
            for (i, (what, name)) in self.0.places.iter().enumerate() {
                write!(f, "{}{what} {name}", if i == 0 { "" } else { ", " })?;
            }
            f.write_str(")")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]: {self}", self.0.kind.name(), self.0.code)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

impl From<arrow::error::ArrowError> for Error {
    /// An arrow kernel failed on data: overflow, division by zero, a cast without a result.
    fn from(e: arrow::error::ArrowError) -> Self {
        match e {
            arrow::error::ArrowError::DivideByZero => Error::data("value.division_by_zero", "division by zero")
                .hint("guard the divisor, as in `a / NULLIF(b, 0)`"),
            other => Error::data("value.invalid", other.to_string()),
        }
    }
}
