//! Real components for tests: found or installed, started on free loopback ports, ended by pid.
//!
//! Programs of the system (Java, Maven, Python, npm) come by its own installer, when [`install_missing`] is asked to; jars come
//! by `mvn`, Python packages by `pip`, Go programs by `go`, public data by `npm`, all into a cache folder (`FRESHET_CACHE`,
//! else the user's cache). What can't be had fails with the line that installs it; a test never passes without its component.
//! A component ends with the process that started it, whatever becomes of that one: a guard stands between them.

mod dataset;
mod hdfs;
mod install;
mod kafka;
mod peers;
mod process;
mod readers;
mod rest;
mod s3;
mod tool;

pub use dataset::flights;
pub use hdfs::Hdfs;
pub use kafka::{Kafka, PASSWORD as KAFKA_PASSWORD, USER as KAFKA_USER};
pub use peers::Peers;
pub use process::GUARD_NAME;
pub use readers::Readers;
pub use rest::IcebergRest;
pub use s3::S3;
pub use tool::install_missing;

/// Result with a text that a person can act on.
pub type Result<T> = std::result::Result<T, String>;

/// Something that tests need: what people call it, and how to get it.
pub type Part = (&'static str, fn() -> Result<()>);

/// What the tests need, to be had before they start.
pub static PARTS: &[Part] = &[
    ("Kafka", || Kafka::install().map(drop)),
    ("HDFS", || Hdfs::install().map(drop)),
    ("S3 (moto)", || S3::install_moto().map(drop)),
    ("the Iceberg REST catalog", || IcebergRest::install().map(drop)),
    ("DuckDB and PyIceberg", || Readers::get().map(drop)),
    ("PySpark", || Readers::install_spark().map(drop)),
    ("the flights", || flights().map(drop)),
];

/// What the nightly tests need beside [`PARTS`].
pub static NIGHTLY_PARTS: &[Part] = &[("S3 (MinIO)", || S3::install_minio().map(drop))];
