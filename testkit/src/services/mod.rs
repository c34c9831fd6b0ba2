//! Real components for tests: found or installed, started on free loopback ports, ended by pid.
//!
//! Jars come by `mvn`, Python packages by `pip`, public data by `npm`, all into a cache folder (`FRESHET_CACHE`, else the
//! user's cache). What can't be had fails with the line that installs it; a test never passes without its component.

mod dataset;
mod hdfs;
mod install;
mod kafka;
mod process;
mod readers;
mod rest;
mod s3;

pub use dataset::flights;
pub use hdfs::Hdfs;
pub use kafka::Kafka;
pub use readers::Readers;
pub use rest::IcebergRest;
pub use s3::S3;

/// Result with a text that a person can act on.
pub type Result<T> = std::result::Result<T, String>;
