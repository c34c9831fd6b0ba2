//! Functions on JSON text.
//!
//! SQL's clauses arrive as arguments, as [`crate::parse`] writes them:
//!
//! - `JSON_VALUE(json, path DEFAULT a ON EMPTY ERROR ON ERROR)` is `json_value(json, path, 'DEFAULT', a, 'ERROR', NULL)`,
//!   with behaviours `NULL`, `ERROR` and `DEFAULT`; RETURNING is a TRY_CAST around it;
//! - `JSON_QUERY(json, path WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON EMPTY NULL ON ERROR)` is
//!   `json_query(json, path, 'CONDITIONAL', 'EMPTY ARRAY', 'NULL')`, with wrappers `WITHOUT`, `CONDITIONAL` and
//!   `UNCONDITIONAL`, behaviours `NULL`, `EMPTY ARRAY`, `EMPTY OBJECT` and `ERROR`;
//! - `JSON_EXISTS(json, path TRUE ON ERROR)` is `json_exists(json, path, 'TRUE')`, with `TRUE`, `FALSE`, `UNKNOWN`, `ERROR`;
//! - `text IS JSON OBJECT` is `is_json(text, 'OBJECT')`, with `VALUE`, `SCALAR`, `ARRAY`, `OBJECT`;
//! - `JSON_OBJECT(KEY k VALUE v ABSENT ON NULL)` is `json_object('ABSENT', k, v)`, else `'NULL'`;
//! - `JSON_ARRAY(v NULL ON NULL)` is `json_array('NULL', v)`, else `'ABSENT'`.

pub mod build;
pub mod check;
mod path;
pub mod query;

use super::function::Function;

/// The functions of this family, file by file.
pub static FUNCTIONS: &[&[Function]] = &[query::FUNCTIONS, check::FUNCTIONS, build::FUNCTIONS];

/// Metadata key of fields that hold JSON which goes into other JSON as it is.
pub(crate) const JSON_KEY: &str = "freshet.json";

/// Whether a function makes JSON that goes into other JSON as it is.
pub(crate) fn builds(function: &Function) -> bool {
    matches!(function.name, "json_object" | "json_array")
}
