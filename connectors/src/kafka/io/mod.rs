//! What the connector needs of a Kafka client, so that another client can be put in.

mod librdkafka;
mod trouble;

pub(super) use librdkafka::Librdkafka;

use super::options::Topics;
use freshet_types::Result;
use std::time::Duration;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Partition {
    pub(super) topic: String,
    pub(super) number: i32,
}

impl Partition {
    /// Name of the split.
    pub(super) fn split_id(&self) -> String {
        format!("{}-{}", self.topic, self.number)
    }

    /// The partition that a split's name means.
    pub(super) fn of_split(id: &str) -> Option<Self> {
        let (topic, number) = id.rsplit_once('-')?;
        Some(Self { topic: topic.into(), number: number.parse().ok()? })
    }
}

/// Names and values.
pub(super) type Headers<'a> = Vec<(&'a str, Option<&'a [u8]>)>;

/// A record that was read.
pub(super) struct Record<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_ms: Option<i64>,
    pub(super) timestamp_type: &'static str,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// Only when they were asked for; none when one of them cannot be read.
    pub(super) headers: Option<Headers<'a>>,
}

/// What a consumer came across.
pub(super) enum Seen<'a> {
    Record(Record<'a>),
    /// Everything was read that a partition holds now.
    End {
        partition: i32,
    },
}

/// A record to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OutRecord {
    pub(super) partition: Option<i32>,
    pub(super) timestamp_ms: Option<i64>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A Kafka client. Everything fails with `Unavailable` when brokers do not answer.
pub(super) trait KafkaIo: Send + Sync {
    /// The partitions that exist now, in order.
    fn partitions(&self, topics: &Topics) -> Result<Vec<Partition>>;
    /// First offset, and the one behind the last.
    fn bounds(&self, partition: &Partition) -> Result<(i64, i64)>;
    /// First offset at or behind a time; none when there is no such record.
    fn offsets_at(&self, partitions: &[Partition], timestamp_ms: i64) -> Result<Vec<Option<i64>>>;
    /// Where the group stands, if anywhere.
    fn group_offsets(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>>;
    /// The mark that a producer left with its last transaction in `group`.
    fn mark(&self, group: &str, partition: &Partition) -> Result<Option<i64>>;
    /// A consumer without partitions.
    fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn KafkaConsumer>>;
    /// A producer; with an id it writes in transactions, and ends those of earlier producers of that id.
    fn producer(&self, transactional_id: Option<&str>) -> Result<Box<dyn KafkaProducer>>;
}

/// How a consumer reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConsumerSettings {
    /// Whether it tells the ends of partitions.
    pub(super) tells_end: bool,
    pub(super) with_headers: bool,
}

/// Reads partitions.
pub(super) trait KafkaConsumer: Send {
    /// Takes more partitions, each from an offset.
    fn add(&mut self, partitions: &[(Partition, i64)]) -> Result<()>;
    /// Reads a partition no more.
    fn remove(&mut self, partition: &Partition) -> Result<()>;
    /// Waits for one record or end and shows it. Whether there was one.
    fn poll(&mut self, wait: Duration, see: &mut dyn FnMut(Seen<'_>)) -> Result<bool>;
    /// Stores where the group stands.
    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<()>;
}

/// Writes records.
pub(super) trait KafkaProducer: Send {
    /// Takes a record; it is sent soon.
    fn send(&mut self, topic: &str, record: &OutRecord) -> Result<()>;
    /// Waits until everything that was taken is written.
    fn flush(&mut self) -> Result<()>;
    /// Begins a transaction.
    fn begin(&mut self) -> Result<()>;
    /// Ends the transaction: its records become visible together with the mark, which `group` keeps as its offset.
    fn commit(&mut self, group: &str, partition: &Partition, mark: i64) -> Result<()>;
}
