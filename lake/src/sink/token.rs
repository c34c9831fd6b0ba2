//! What a writer hands to the committer, as JSON: the data files of one checkpoint on one worker.

use crate::commit::AddedFile;
use crate::error::Explain;
use crate::files;
use freshet_types::{Error, Result};
use iceberg::spec::{
    DataFile, Datum, Literal, PrimitiveLiteral, PrimitiveType, Struct, StructType, TableMetadata,
    deserialize_data_file_from_json, serialize_data_file_to_json,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Data files of one checkpoint on one worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    /// Attempt that wrote them.
    pub(crate) attempt: u64,
    /// The table that they were written for.
    pub(crate) table: String,
    /// Partition spec of the files.
    pub(crate) spec: i32,
    /// Schema of the files.
    pub(crate) schema: i32,
    /// The files, as manifests describe them but for their partitions.
    pub(crate) files: Vec<Value>,
    /// The partition of each file: its values in hexadecimal, in the form that bounds have. JSON has no bytes and no NaN.
    pub(crate) partitions: Vec<Vec<Option<String>>>,
}

impl Token {
    pub(crate) fn new(attempt: u64, metadata: &TableMetadata, files: Vec<DataFile>) -> Result<Self> {
        let spec = metadata.default_partition_spec_id();
        let (mut described, mut partitions) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        for file in files {
            partitions.push(encode_partition(file.partition(), metadata.default_partition_type())?);
            let bare = files::with_partition(&file, Struct::empty(), spec)?;
            let json = serialize_data_file_to_json(bare, &StructType::new(vec![]), metadata.format_version())
                .explain("data file")?;
            described.push(serde_json::from_str(&json).expect("the library writes JSON"));
        }
        let (table, schema) = (metadata.uuid().to_string(), metadata.current_schema_id());
        Ok(Self { attempt, table, spec, schema, files: described, partitions })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a token is JSON")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|e| Error::data("lake.token", format!("the checkpoint's token for the lake is damaged: {e}")))
    }

    /// The files, ready to be added to the table.
    ///
    /// # Errors
    /// `lake.replaced` for a table that is not the one they were written for, `lake.evolved` when it no longer knows
    /// their columns or partitions.
    pub(crate) fn files(&self, metadata: &TableMetadata) -> Result<Vec<AddedFile>> {
        if self.table != metadata.uuid().to_string() {
            return Err(super::replaced());
        }
        let gone = |what: &str, id: i32| {
            Error::invalid("lake.evolved", format!("the table no longer has {what} {id}, with which rows were written"))
                .hint("bring it back, or start the job over with --from-scratch")
        };
        let schema = metadata.schema_by_id(self.schema).ok_or_else(|| gone("schema", self.schema))?;
        let spec = metadata.partition_spec_by_id(self.spec).ok_or_else(|| gone("partition spec", self.spec))?;
        let partition_type = spec.partition_type(schema).explain("partition spec")?;
        self.files
            .iter()
            .zip(&self.partitions)
            .map(|(file, partition)| {
                let bare =
                    deserialize_data_file_from_json(&file.to_string(), self.spec, &StructType::new(vec![]), schema)
                        .explain("token")?;
                let partition = decode_partition(partition, &partition_type)?;
                let file = files::with_partition(&bare, partition, self.spec)?;
                Ok(AddedFile { file, spec_id: self.spec, sequence: None })
            })
            .collect()
    }
}

fn primitive_of(field: &iceberg::spec::NestedField) -> Result<&PrimitiveType> {
    field
        .field_type
        .as_primitive_type()
        .ok_or_else(|| Error::internal("lake.partition", format!("partition field \"{}\" is nested", field.name)))
}

fn encode_partition(values: &Struct, partition_type: &StructType) -> Result<Vec<Option<String>>> {
    let encoded = values.iter().zip(partition_type.fields()).map(|(value, field)| {
        let Some(value) = value.and_then(Literal::as_primitive_literal) else { return Ok(None) };
        let bytes: Vec<u8> = match value {
            PrimitiveLiteral::Boolean(v) => vec![u8::from(v)],
            PrimitiveLiteral::Int(v) => v.to_le_bytes().to_vec(),
            PrimitiveLiteral::Long(v) => v.to_le_bytes().to_vec(),
            PrimitiveLiteral::Float(v) => v.0.to_le_bytes().to_vec(),
            PrimitiveLiteral::Double(v) => v.0.to_le_bytes().to_vec(),
            PrimitiveLiteral::String(v) => v.into_bytes(),
            PrimitiveLiteral::Binary(v) => v,
            PrimitiveLiteral::Int128(v) => v.to_be_bytes().to_vec(),
            PrimitiveLiteral::UInt128(v) => v.to_be_bytes().to_vec(),
            PrimitiveLiteral::AboveMax | PrimitiveLiteral::BelowMin => {
                return Err(Error::internal("lake.partition", format!("\"{}\" has no value", field.name)));
            }
        };
        Ok(Some(bytes.iter().map(|b| format!("{b:02x}")).collect()))
    });
    encoded.collect()
}

fn decode_partition(values: &[Option<String>], partition_type: &StructType) -> Result<Struct> {
    let damaged = || Error::data("lake.token", "the checkpoint's token for the lake names a damaged partition");
    if values.len() != partition_type.fields().len() {
        return Err(damaged());
    }
    let decoded = values.iter().zip(partition_type.fields()).map(|(value, field)| {
        let Some(text) = value else { return Ok(None) };
        let pairs = text.as_bytes().chunks(2);
        let bytes = pairs
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|p| u8::from_str_radix(p, 16).ok()))
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(damaged)?;
        let datum = Datum::try_from_bytes(&bytes, primitive_of(field)?.clone()).map_err(|_| damaged())?;
        Ok(Some(Literal::Primitive(datum.literal().clone())))
    });
    Ok(Struct::from_iter(decoded.collect::<Result<Vec<_>>>()?))
}
