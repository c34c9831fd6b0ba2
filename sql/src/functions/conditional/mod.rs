//! Choices between values, and checks of them.

pub mod check;
pub mod choose;
pub mod extreme;
