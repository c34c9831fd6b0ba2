//! Floor 6: Apache Iceberg tables: catalogs, commits, the sink, the scan, maintenance.
//!
//! The crate `iceberg` gives the types of metadata and manifests; files, commits and reading are ours.
//!
//! ```text
//!  CREATE CATALOG -> catalog/ (SQLite, REST) -> table -> sink/   writer per worker -> token -> commit/ -> swap in catalog/
//!                                                    -> scan/   manifests -> pruned file list -> DataFusion
//!                                                    -> source  the same scan, file by file, for jobs
//! ```
//!
//! Must never know: the server, pgwire, the terminal.

mod avro_header;
pub mod catalog;
pub mod commit;
mod definition;
mod doors;
mod error;
pub mod files;
pub mod io;
mod lenient_manifest;
pub mod listing;
mod loose;
pub mod maintain;
pub mod metadata;
mod partition;
mod past;
pub mod puffin;
pub mod scan;
pub mod schema;
mod sink;
mod source;
pub mod table;
#[cfg(test)]
mod testing;
mod transform;
pub mod verify;
mod version;
pub mod view;

pub use catalog::ICEBERG;
pub use table::LakeTable;

/// The newest version of the table format that is read and written.
pub const LATEST_VERSION: iceberg::spec::FormatVersion = iceberg::spec::FormatVersion::V3;
