//! Writes Avro files into memory.

use crate::FileWriter;
use crate::adapt::{file_schema, to_file};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use freshet_types::{Error, Options, Result};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The writer.
pub(super) struct Writer {
    schema: SchemaRef,
    out: Output,
    inner: arrow_avro::writer::Writer<Output, AvroOcfFormat>,
    taken: u64,
}

/// Bytes that were written and not taken yet; the library keeps one handle, we the other.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fields without metadata, which would end up in the file's schema.
fn bare(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::List(item) => DataType::List(bare(item)),
        DataType::Map(entries, sorted) => DataType::Map(bare(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(bare).collect()),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()))
}

fn failed(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal("avro.write", "rows could not be written as Avro").because(e)
}

impl Writer {
    pub(super) fn new(schema: &SchemaRef, options: &Options) -> Result<Self> {
        let codec = match options.get("codec").unwrap_or("snappy").to_ascii_lowercase().as_str() {
            "deflate" => Some(CompressionCodec::Deflate),
            "zstandard" | "zstd" => Some(CompressionCodec::ZStandard),
            "null" => None,
            _ => Some(CompressionCodec::Snappy),
        };
        let fields: Vec<FieldRef> = file_schema(schema).fields().iter().map(bare).collect();
        let file_schema = Schema::new(fields);
        let out = Output::default();
        let inner = WriterBuilder::new(file_schema.clone())
            .with_compression(codec)
            .build::<_, AvroOcfFormat>(out.clone())
            .map_err(|e| {
                Error::unsupported("format.type", "a column has a name or a type that Avro cannot hold")
                    .because(e)
                    .hint("rename the column, or CAST it AS STRING")
            })?;
        Ok(Self { schema: Arc::new(file_schema), out, inner, taken: 0 })
    }
}

impl FileWriter for Writer {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.inner.write(&to_file(rows, &self.schema)?).map_err(failed)
    }

    fn take(&mut self) -> Vec<u8> {
        let bytes = self.out.take();
        self.taken += bytes.len() as u64;
        bytes
    }

    fn size(&self) -> u64 {
        self.taken + self.out.len() as u64
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>> {
        self.inner.finish().map_err(failed)?;
        Ok(self.out.take())
    }
}
