//! Functions on text.

pub mod case;
pub mod characters;
pub mod concat;
pub mod encode;
pub mod format;
pub mod pad;
pub mod pattern;
pub mod regexp;
pub mod replace;
pub mod search;
pub mod split;
pub mod substring;
pub mod trim;
pub mod url;

use super::Function;

/// The functions of this family, file by file.
pub static FUNCTIONS: &[&[Function]] = &[
    case::FUNCTIONS,
    concat::FUNCTIONS,
    trim::FUNCTIONS,
    substring::FUNCTIONS,
    search::FUNCTIONS,
    pad::FUNCTIONS,
    split::FUNCTIONS,
    replace::FUNCTIONS,
    regexp::FUNCTIONS,
    characters::FUNCTIONS,
    encode::FUNCTIONS,
    url::FUNCTIONS,
    format::FUNCTIONS,
];

/// Byte offset of character `index` (0-based); the length when the text is shorter.
pub(crate) fn offset(text: &str, index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// Number of characters.
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The most bytes that a function may make of one value.
pub(crate) const MOST_BYTES: usize = 64 * 1024 * 1024;
