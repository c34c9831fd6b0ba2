//! What names mean: catalogs, databases, tables, views.

mod definition;
pub mod external;

pub use definition::*;
