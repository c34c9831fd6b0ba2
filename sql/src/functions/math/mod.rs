//! Functions on numbers.

pub mod elementary;
pub mod integer;
pub mod random;
pub mod round;
pub mod text;

use super::Function;

/// The functions of this family, file by file.
pub static FUNCTIONS: &[&[Function]] =
    &[elementary::FUNCTIONS, round::FUNCTIONS, integer::FUNCTIONS, random::FUNCTIONS, text::FUNCTIONS];
