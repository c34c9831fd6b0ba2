//! Parquet files.
//!
//! Columns are found by name; only those that are read are looked at, so that damage in others goes unseen. A row whose
//! value does not fit its column is refused by itself; damaged pages end the file. Page checksums are not verified;
//! encrypted files are refused. Times are UTC, whatever `utc-timezone` says; 96-bit timestamps are read with microseconds.
//!
//! Source: Flink documentation, "Parquet Format"; Apache Parquet, "Logical Type Definitions".

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use write::writer_properties;

use crate::{FileReader, FileWriter, Format, Framing, RandomRead, RecordDecoder, RecordEncoder};
use arrow::datatypes::SchemaRef;
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result, suggest};
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

/// The format.
pub struct Parquet;

const COMPRESSIONS: &[&str] = &["zstd", "snappy", "gzip", "lz4", "lz4_raw", "brotli", "uncompressed", "none"];

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default("compression", OptionKind::OneOf(COMPRESSIONS), "zstd", "how pages are compressed"),
    OptionSpec::accepted("utc-timezone", OptionKind::Bool, "times are read and written as UTC"),
    OptionSpec::accepted("write.int64.timestamp", OptionKind::Bool, "timestamps are written as 64-bit numbers"),
    OptionSpec::accepted(
        "timestamp.time.unit",
        OptionKind::OneOf(&["nanos", "micros", "millis"]),
        "the precision of a column decides the unit of its timestamps",
    ),
    OptionSpec::accepted("batch-size", OptionKind::Int, "the engine decides how many rows are read at once"),
    OptionSpec::with_default("block.size", OptionKind::Size, "128 mb", "bytes after which a row group ends"),
    OptionSpec::with_default("page.size", OptionKind::Size, "1 mb", "bytes after which a page ends"),
    OptionSpec::optional(
        "enable.dictionary",
        OptionKind::Bool,
        "whether columns have dictionaries; without it the first rows of each column decide",
    ),
];

/// The compression named `name`.
///
/// # Errors
/// `option.invalid` with the nearest name.
pub fn compression(name: &str) -> Result<Compression> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "zstd" => Compression::ZSTD(ZstdLevel::default()),
        "snappy" => Compression::SNAPPY,
        "gzip" => Compression::GZIP(GzipLevel::default()),
        "lz4" | "lz4_raw" => Compression::LZ4_RAW,
        "brotli" => Compression::BROTLI(BrotliLevel::default()),
        "uncompressed" | "none" => Compression::UNCOMPRESSED,
        _ => {
            return Err(Error::invalid("option.invalid", format!("no Parquet compression named \"{name}\""))
                .hint(suggest::hint(name, "compressions", COMPRESSIONS.iter().copied())));
        }
    })
}

fn not_records() -> Error {
    Error::unsupported("format.whole_files", "format \"parquet\" holds whole files and not single records")
        .hint("use connector 'filesystem', or another format such as json")
}

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn doc(&self) -> &'static str {
        "Apache Parquet files"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["parquet"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn framing(&self, _options: &Options) -> Framing {
        Framing::File
    }

    fn files_grow(&self) -> bool {
        false
    }

    fn decoder(&self, _schema: &SchemaRef, _full: &SchemaRef, _options: &Options) -> Result<Box<dyn RecordDecoder>> {
        Err(not_records())
    }

    fn encoder(&self, _schema: &SchemaRef, _options: &Options) -> Result<Box<dyn RecordEncoder>> {
        Err(not_records())
    }

    fn open(&self, file: Box<dyn RandomRead>, schema: &SchemaRef, options: &Options) -> Result<Box<dyn FileReader>> {
        options.check(OPTIONS)?;
        Ok(Box::new(read::Reader::open(file, schema)?))
    }

    fn create(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn FileWriter>> {
        options.check(OPTIONS)?;
        Ok(Box::new(write::Writer::new(schema, options)?))
    }

    fn infer(&self, file: Box<dyn RandomRead>, _options: &Options) -> Result<SchemaRef> {
        read::infer(file)
    }
}
