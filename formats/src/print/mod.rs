//! Values to text: what Flink's text formats have in common.

pub(crate) mod number;
pub(crate) mod time;
pub(crate) mod view;

pub(crate) use view::{Prepared, View};
