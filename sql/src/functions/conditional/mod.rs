//! Choices between values, and checks of them.

pub mod check;
pub mod choose;
pub mod extreme;

use super::Function;

/// The functions of this family, file by file.
pub static FUNCTIONS: &[&[Function]] = &[choose::FUNCTIONS, extreme::FUNCTIONS, check::FUNCTIONS];
