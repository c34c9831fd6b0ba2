//! What a writer hands to the committer, as JSON: the data files of one checkpoint on one worker.

use crate::commit::AddedFile;
use crate::error::Explain;
use freshet_types::{Error, Result};
use iceberg::spec::{DataFile, TableMetadata, deserialize_data_file_from_json, serialize_data_file_to_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Data files of one checkpoint on one worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Token {
    /// Attempt that wrote them.
    pub(crate) attempt: u64,
    /// Partition spec of the files.
    pub(crate) spec: i32,
    /// Schema of the files.
    pub(crate) schema: i32,
    /// The files, as manifests describe them.
    pub(crate) files: Vec<Value>,
}

impl Token {
    pub(crate) fn new(attempt: u64, metadata: &TableMetadata, files: Vec<DataFile>) -> Result<Self> {
        let mut described = Vec::with_capacity(files.len());
        for file in files {
            let json = serialize_data_file_to_json(file, metadata.default_partition_type(), metadata.format_version())
                .explain("data file")?;
            described.push(serde_json::from_str(&json).expect("the library writes JSON"));
        }
        let (spec, schema) = (metadata.default_partition_spec_id(), metadata.current_schema_id());
        Ok(Self { attempt, spec, schema, files: described })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a token is JSON")
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|e| Error::data("lake.token", format!("the checkpoint's token for the lake is damaged: {e}")))
    }

    /// The files, ready to be added to the table.
    pub(crate) fn files(&self, metadata: &TableMetadata) -> Result<Vec<AddedFile>> {
        let gone = |what: &str, id: i32| {
            Error::invalid("lake.evolved", format!("the table no longer has {what} {id}, with which rows were written"))
                .hint("bring it back, or start the job over with --from-scratch")
        };
        let schema = metadata.schema_by_id(self.schema).ok_or_else(|| gone("schema", self.schema))?;
        let spec = metadata.partition_spec_by_id(self.spec).ok_or_else(|| gone("partition spec", self.spec))?;
        let partition_type = spec.partition_type(schema).explain("partition spec")?;
        self.files
            .iter()
            .map(|file| {
                let file = deserialize_data_file_from_json(&file.to_string(), self.spec, &partition_type, schema)
                    .explain("token")?;
                Ok(AddedFile { file, spec_id: self.spec, sequence: None })
            })
            .collect()
    }
}
