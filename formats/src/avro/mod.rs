//! Avro object container files.
//!
//! Columns are found by name; the file's own schema says how it is read. A row whose value does not fit its column is
//! refused by itself; a damaged block ends the file. Enumerations become STRING; unions of more than
//! NULL and one type are refused.
//!
//! Source: Apache Avro specification, "Object Container Files"; Flink documentation, "Avro Format".

mod binary;
mod container;
mod layout;
mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::{FileReader, FileWriter, Format, Framing, RandomRead, RecordDecoder, RecordEncoder};
use arrow::datatypes::SchemaRef;
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

/// The format.
pub struct Avro;

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default(
        "codec",
        OptionKind::OneOf(&["snappy", "deflate", "zstandard", "zstd", "null"]),
        "snappy",
        "how blocks are compressed",
    ),
    OptionSpec::with_default("encoding", OptionKind::OneOf(&["binary"]), "binary", "how records are encoded"),
    OptionSpec::accepted(
        "timestamp_mapping.legacy",
        OptionKind::Bool,
        "local times and instants are told apart in the file's schema",
    ),
];

fn not_records() -> Error {
    Error::unsupported("format.whole_files", "format \"avro\" reads and writes whole files and not single records")
        .hint("use connector 'filesystem', or another format such as json")
}

impl Format for Avro {
    fn name(&self) -> &'static str {
        "avro"
    }

    fn doc(&self) -> &'static str {
        "Apache Avro object container files"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["avro"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn framing(&self, _options: &Options) -> Framing {
        Framing::File
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
