//! The only door to the process's environment variables.

/// The variable named `name`, when it is set to readable, non-empty text.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
