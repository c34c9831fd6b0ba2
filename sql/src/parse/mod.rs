//! From text to statements: Flink SQL as people write it.

mod statement;

pub use statement::*;

use freshet_types::error::Span;

/// A statement with its place in the script.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub statement: Statement,
    /// Its text, without the semicolon.
    pub text: String,
    /// Its place in the script, in bytes.
    pub span: Span,
    /// What the user should know: hints and spellings that were accepted without effect.
    pub notices: Vec<String>,
}
