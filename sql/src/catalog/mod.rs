//! What names mean: catalogs, databases, tables, views.

pub mod external;
