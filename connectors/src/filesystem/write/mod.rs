//! The writing end: files are written hidden (local disk, HDFS) or as open uploads (S3) and appear at the commit.
//!
//! ```text
//!  writer    .part-...<tag>.staged          rolled by size and age, one per open partition
//!  prepare   .part-...<tag>-c7.staged       durable; named in the token of checkpoint 7
//!  commit    part-...                       renamed, or the upload completed
//! ```
//! A tag carries the job and the attempt, so that recovery finds what a crash left behind: files of later checkpoints,
//! and unfinished files of earlier attempts.

mod committer;
mod journal;
mod token;
mod writer;

use super::options::{self, SinkOptions};
use crate::storage::Storage;
use freshet_connector_api::{
    AcceptedChanges, ColumnOrigin, ConnectorEnv, Guarantee, Sink, SinkCommitter, SinkWriter, TableSpec, WriterContext,
};
use freshet_types::{Error, Result};
use std::sync::Arc;

pub(super) struct FileSink {
    target: Arc<Target>,
}

/// What writers and committer share.
struct Target {
    table: TableSpec,
    env: ConnectorEnv,
    storage: Storage,
    options: SinkOptions,
}

impl FileSink {
    pub(super) fn new(table: &TableSpec, env: &ConnectorEnv) -> Result<Self> {
        let path = table.options.required("path")?;
        if path.contains(['*', '?', '[', '{']) {
            return Err(Error::invalid("filesystem.glob", format!("path \"{path}\" names many files"))
                .hint("write into a folder without wildcards"));
        }
        if let Some(column) =
            table.columns.iter().find(|c| matches!(&c.origin, ColumnOrigin::Metadata { read_only: false, .. }))
        {
            return Err(Error::invalid("connector.metadata", "metadata of files cannot be written")
                .at("column", &column.field.name)
                .hint("declare the column as METADATA VIRTUAL"));
        }
        let target = Target {
            storage: Storage::open(path, &table.options)?,
            options: SinkOptions::parse(&table.options)?,
            table: table.clone(),
            env: env.clone(),
        };
        if target.storage.is_local() && target.storage.stat("")?.is_some() {
            return Err(Error::invalid("filesystem.not_a_folder", format!("path \"{path}\" is a file"))
                .hint("write into a folder"));
        }
        // A format that cannot write these columns says so now.
        let sink = Self { target: Arc::new(target) };
        writer::FileSinkWriter::new(
            &sink.target,
            &WriterContext { job_id: String::new(), worker: 0, workers: 1, attempt: 0 },
        )?;
        Ok(sink)
    }
}

impl Sink for FileSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn guarantee_note(&self) -> Option<String> {
        Some("files appear at checkpoints; a checkpoint ends every open file".into())
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::AppendOnly
    }

    fn committer(&self, context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(committer::FileCommitter::new(&self.target, context)?))
    }

    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(writer::FileSinkWriter::new(&self.target, context)?))
    }
}

impl Target {
    fn format(&self) -> Result<(&'static dyn freshet_formats::Format, freshet_types::Options)> {
        options::format(&self.table.options)
    }
}
