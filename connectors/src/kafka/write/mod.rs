//! Writes a topic: at least once as rows come, or exactly once in one transaction per checkpoint.
//!
//! ```text
//!  at least once:  write -> producer -> broker      prepare waits until the broker has everything
//!  exactly once:   write -> staged file             prepare makes the file durable
//!                  commit: one transaction holds the records of all files, and the checkpoint's number as the offset
//!                  of a private group; a commit that finds its number (or a later one) there was done before.
//! ```
//!
//! librdkafka cannot take up the open transaction of another process, hence the staged files: a transaction is begun and
//! ended within one commit, and can be repeated whole.

mod commit;
mod direct;
mod encode;
mod folder;
mod staged;

use super::io::{KafkaIo, Librdkafka, Partition};
use super::options::{self, Delivery, Layout, Partitioner, SinkOptions, Topics};
use crate::draw::fnv;
use freshet_connector_api::sink::NothingToCommit;
use freshet_connector_api::{
    AcceptedChanges, ConnectorEnv, Guarantee, Sink, SinkCommitter, SinkWriter, TableSpec, WriterContext,
};
use freshet_types::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

const METADATA: &[&str] = &["timestamp", "headers"];

/// One table, written.
pub(super) struct KafkaSink(Arc<Target>);

/// What writers and committer share.
struct Target {
    table: TableSpec,
    layout: Layout,
    options: SinkOptions,
    io: Arc<dyn KafkaIo>,
    state_dir: PathBuf,
}

impl KafkaSink {
    pub(super) fn new(table: &TableSpec, env: &ConnectorEnv) -> Result<Self> {
        options::check_metadata(table, METADATA, true)?;
        let layout = Layout::parse(table)?;
        let options = SinkOptions::parse(&table.options)?;
        let io = Arc::new(Librdkafka::new(options::client_settings(&table.options)?));
        encode::RowEncoder::new(table, &layout)?;
        let state_dir = env.state_dir.join("kafka");
        Ok(Self(Arc::new(Target { table: table.clone(), layout, options, io, state_dir })))
    }
}

impl Target {
    /// Name under which a job's output to this table is known; the same at every start.
    fn identity(&self, job_id: &str) -> String {
        let text = format!("{job_id}\n{}\n{}", self.table.name, self.options.topic);
        format!("{}-{:016x}", self.options.transactional_prefix, fnv(text.as_bytes()))
    }

    /// Folder of the staged files.
    fn folder(&self, job_id: &str) -> PathBuf {
        let text = format!("{}\n{}", self.identity(job_id), self.options.transactional_prefix);
        self.state_dir.join(format!("{:016x}", fnv(text.as_bytes())))
    }
}

impl Sink for KafkaSink {
    fn guarantee(&self) -> Guarantee {
        match self.0.options.delivery {
            Delivery::Never => Guarantee::AtMostOnce,
            Delivery::AtLeastOnce => Guarantee::AtLeastOnce,
            Delivery::ExactlyOnce => Guarantee::ExactlyOnce,
        }
    }

    fn guarantee_note(&self) -> Option<String> {
        (self.0.options.delivery == Delivery::ExactlyOnce).then(|| {
            "records are staged on this machine and written in one transaction per checkpoint; readers need \
             isolation.level read_committed; the client speaks the older transaction protocol of Kafka, in which a \
             delayed request of a lost connection can touch the next transaction (see KIP-890)"
                .into()
        })
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::AppendOnly
    }

    fn committer(&self, context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        match self.0.options.delivery {
            Delivery::ExactlyOnce => Ok(Box::new(commit::TransactionCommitter::new(&self.0, context))),
            _ => Ok(Box::new(NothingToCommit)),
        }
    }

    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        match self.0.options.delivery {
            Delivery::ExactlyOnce => Ok(Box::new(staged::StagedWriter::new(&self.0, context)?)),
            _ => Ok(Box::new(direct::DirectWriter::new(&self.0, context)?)),
        }
    }
}

/// Chooses partitions for the rows of one worker.
struct Chooser {
    /// Number of partitions, when it matters.
    partitions: Option<i32>,
    advances: bool,
    next: i32,
}

impl Chooser {
    fn new(target: &Target, worker: usize) -> Result<Self> {
        let partitioner = target.options.partitioner;
        if partitioner == Partitioner::Client {
            return Ok(Self { partitions: None, advances: false, next: 0 });
        }
        let found = target.io.partitions(&Topics::Listed(vec![target.options.topic.clone()]))?;
        let count = i32::try_from(found.len()).unwrap_or(i32::MAX);
        if count == 0 {
            return Err(Error::unavailable(
                "kafka.topic_unknown",
                format!("topic \"{}\" has no partitions", target.options.topic),
            )
            .hint("create the topic"));
        }
        let next = worker as i32 % count;
        Ok(Self { partitions: Some(count), advances: partitioner == Partitioner::RoundRobin, next })
    }

    fn choose(&mut self) -> Option<i32> {
        let count = self.partitions?;
        let chosen = self.next;
        if self.advances {
            self.next = (chosen + 1) % count;
        }
        Some(chosen)
    }
}

/// The partition in whose name a group keeps the mark of the last transaction.
fn mark_partition(target: &Target) -> Partition {
    Partition { topic: target.options.topic.clone(), number: 0 }
}
