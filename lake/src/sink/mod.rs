//! Writes rows into a lake table, each once.
//!
//! ```text
//!  writer (one per worker): partition -> Parquet files -> token            durable, in no snapshot
//!  committer:               token -> one snapshot per checkpoint that has rows   visible at once
//!                           own small files -> larger ones, in a snapshot of kind "replace"
//! ```
//!
//! # Invariants
//! - LK-3: a file that a token names is durable when the token exists.
//! - LK-4: a rewrite takes files away and adds their rows in one swap; it is given up when one of them is gone.

mod committer;
pub(crate) mod convert;
pub(crate) mod parquet;
mod properties;
mod roll;
mod split;
mod statistics;
pub(crate) mod token;
mod writer;

#[cfg(test)]
mod tests;

use crate::table::LakeTable;
use committer::LakeCommitter;
use freshet_connector_api::{AcceptedChanges, Guarantee, Sink, SinkCommitter, SinkWriter, WriterContext};
use freshet_types::{Error, Options, Result};
pub(crate) use properties::WriteProperties;
pub(crate) use statistics::raised;
pub(crate) use writer::FileMaker;
use writer::LakeWriter;

/// The sink of a lake table.
pub(crate) struct LakeSink {
    table: LakeTable,
    properties: WriteProperties,
}

impl LakeSink {
    /// `options` are the table's own with those of a hint over them.
    ///
    /// # Errors
    /// `lake.upsert` for a table that asks for upserts, `option.*` for options that mean nothing.
    pub(crate) fn new(table: &LakeTable, options: &Options) -> Result<Self> {
        let check = || {
            crate::catalog::check_table_options(options)?;
            if options.bool("write.upsert.enabled")?.unwrap_or(false) {
                return Err(Error::unsupported("lake.upsert", "lake tables do not take upserts yet")
                    .hint("leave 'write.upsert.enabled' out and append, or write into an upsert-kafka topic"));
            }
            WriteProperties::parse(table.metadata(), options)
        };
        let properties = check().map_err(|e| e.at("table", table.full_name()))?;
        Ok(Self { table: table.clone(), properties })
    }
}

/// The table is another than the one that the job wrote to.
fn replaced() -> Error {
    Error::invalid("lake.replaced", "the table was dropped and created again since the job began")
        .hint("start the job over with --from-scratch")
}

impl Sink for LakeSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::AppendOnly
    }

    fn committer(&self, context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(LakeCommitter::new(&self.table, &self.properties, context)))
    }

    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        let writer = LakeWriter::new(&self.table, &self.properties, context);
        Ok(Box::new(writer.map_err(|e| e.at("table", self.table.full_name()))?))
    }
}
