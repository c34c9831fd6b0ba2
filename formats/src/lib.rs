//! Floor 1: bytes to rows and back.
//!
//! A [`Format`] is the static part: name, manual, options. Records one by one (a line, a Kafka payload) go through a
//! [`RecordDecoder`] and a [`RecordEncoder`]; formats that own the whole file (Parquet, Avro files) go through a
//! [`FileReader`] and a [`FileWriter`].
//!
//! Must never know: where bytes come from.

pub mod json;

pub mod csv;

pub mod raw;

pub mod parquet;

pub mod avro;

mod adapt;
mod column;
#[cfg(test)]
mod conformance;
mod file;
#[cfg(test)]
mod mutation;
mod parse;
mod print;
mod refused;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use freshet_types::{Error, OptionSpec, Options, Result, suggest};
use std::io::{Read, Seek};

/// How records of a format lie in a file or a byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One record per line, ended by `\n` or `\r\n`; no record holds a line break.
    Lines,
    /// One record per line, but a quoted field may hold line breaks; the byte is the quote (0 when quoting is off).
    QuotedLines(u8),
    /// The format owns the whole file.
    File,
}

/// Why a record could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    /// What is wrong, with the place inside the record.
    pub reason: String,
}

/// A kind of encoding.
pub trait Format: Send + Sync {
    /// Name as it stands in `'format' = '...'`.
    fn name(&self) -> &'static str;

    /// One sentence for the manual.
    fn doc(&self) -> &'static str;

    /// How names of its files end, for `SELECT * FROM 'file'`.
    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    /// Options, without the prefix `<name>.` under which users write them.
    fn options(&self) -> &'static [OptionSpec];

    /// How records lie in a file.
    fn framing(&self, options: &Options) -> Framing;

    /// Whether fields of a ROW are found by their names, so that a reader may leave out those that nobody wants.
    fn finds_fields_by_name(&self) -> bool {
        false
    }

    /// Whether a file may get more records once it is written.
    fn files_grow(&self) -> bool {
        true
    }

    /// A decoder for single records into `schema`: names decide which field goes where. The other columns of `full_schema`
    /// are checked and not kept, so that a record is good or bad whatever is read of it; likewise the other fields of a ROW,
    /// where [`Format::finds_fields_by_name`].
    fn decoder(&self, schema: &SchemaRef, full_schema: &SchemaRef, options: &Options)
    -> Result<Box<dyn RecordDecoder>>;

    /// An encoder of rows into single records.
    fn encoder(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn RecordEncoder>>;

    /// A reader of whole files, for [`Framing::File`].
    fn open(&self, _file: Box<dyn RandomRead>, _schema: &SchemaRef, _options: &Options) -> Result<Box<dyn FileReader>> {
        Err(Error::internal("format.not_a_file", format!("format \"{}\" does not own whole files", self.name())))
    }

    /// A writer of whole files, for [`Framing::File`].
    fn create(&self, _schema: &SchemaRef, _options: &Options) -> Result<Box<dyn FileWriter>> {
        Err(Error::internal("format.not_a_file", format!("format \"{}\" does not own whole files", self.name())))
    }

    /// Finds the schema of a file from its first bytes or its footer, for `SELECT * FROM 'file'`.
    fn infer(&self, _file: Box<dyn RandomRead>, _options: &Options) -> Result<SchemaRef> {
        Err(Error::unsupported("format.no_schema", format!("format \"{}\" does not tell its columns", self.name()))
            .hint("declare the table with CREATE TABLE"))
    }
}

/// Bytes that can be read from any position.
pub trait RandomRead: Read + Seek + Send {}
impl<T: Read + Seek + Send> RandomRead for T {}

/// Turns single records into rows.
pub trait RecordDecoder: Send {
    /// Decodes one record and appends its row (some formats: rows). A record that fails leaves no trace in the columns.
    fn push(&mut self, record: &[u8]) -> std::result::Result<(), RecordError>;

    /// Takes a record without a value, such as a tombstone of Kafka: no row, unless the format knows one for it.
    fn push_null(&mut self) -> std::result::Result<(), RecordError> {
        Ok(())
    }

    /// Rows that wait.
    fn row_count(&self) -> usize;

    /// Records left out so far because `ignore-parse-errors` asks for it; they gave no row and no error.
    fn ignored_count(&self) -> u64 {
        0
    }

    /// Hands out the rows and starts anew.
    fn finish(&mut self) -> Result<RecordBatch>;
}

/// Turns rows into single records.
pub trait RecordEncoder: Send {
    /// Whether the record of row `row` has no value at all, where the outside system knows such records.
    fn is_null(&self, _rows: &RecordBatch, _row: usize) -> bool {
        false
    }

    /// Appends the record of row `row` of `rows`, without a line break behind it.
    fn append(&mut self, rows: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<()>;

    /// Bytes that a new file begins with, such as a header line.
    fn preamble(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// A row of a file that does not fit the asked columns: a number that is too large, a NULL where none may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// Its values, as JSON text.
    pub raw: Vec<u8>,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a whole file in order; position = number of rows before.
pub trait FileReader: Send {
    /// The next rows, at most `rows`; none at the end of the file. They end before a row that is refused, and are empty
    /// when that comes first.
    ///
    /// # Errors
    /// Why the rest of the file cannot be read, or why a row is refused that [`FileReader::take_refused`] did not take.
    fn next(&mut self, rows: usize) -> Result<Option<RecordBatch>>;

    /// The row behind those that were given, when it is refused; it is passed.
    fn take_refused(&mut self) -> Option<RefusedRow>;

    /// Goes on behind the first `rows` rows, without decoding more of them than the format forces it to.
    fn skip(&mut self, rows: u64) -> Result<()>;
}

/// Writes a whole file into memory; the owner takes the bytes away as they come.
pub trait FileWriter: Send {
    /// Appends rows.
    fn write(&mut self, rows: &RecordBatch) -> Result<()>;

    /// Takes the bytes that are ready.
    fn take(&mut self) -> Vec<u8>;

    /// Bytes of the file so far, those included that are not ready yet (an estimate).
    fn size(&self) -> u64;

    /// Ends the file and gives its last bytes.
    fn finish(self: Box<Self>) -> Result<Vec<u8>>;
}

/// Every format of this build, in the order the manual lists them.
pub static FORMATS: &[&dyn Format] = &[&json::Json, &csv::Csv, &raw::Raw, &parquet::Parquet, &avro::Avro];

/// The options of format `format_name` among those of a table, under their own names; `prefix` is `value.`, `key.` or
/// empty, as it stands before `format`.
///
/// ```
/// use freshet_types::Options;
/// let table: Options = [("value.format", "json"), ("value.json.ignore-parse-errors", "true")].into_iter().collect();
/// let options = freshet_formats::split_options(&table, "value.", "json");
/// assert_eq!(options.get("ignore-parse-errors"), Some("true"));
/// ```
pub fn split_options(table_options: &Options, prefix: &str, format_name: &str) -> Options {
    table_options.with_prefix(&format!("{prefix}{format_name}."))
}

/// The format named `name`.
///
/// # Errors
/// `format.unknown` with the nearest name.
pub fn find(name: &str) -> Result<&'static dyn Format> {
    FORMATS.iter().find(|f| f.name() == name).copied().ok_or_else(|| {
        Error::invalid("format.unknown", format!("no format named \"{name}\"")).hint(suggest::hint(
            name,
            "formats",
            FORMATS.iter().map(|f| f.name()),
        ))
    })
}
