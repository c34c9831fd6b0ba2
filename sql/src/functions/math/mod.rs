//! Functions on numbers.

pub mod elementary;
pub mod integer;
pub mod random;
pub mod round;
pub mod text;
