//! The client on librdkafka.

use super::trouble::{self, Trouble};
use super::{ConsumerSettings, KafkaConsumer, KafkaIo, KafkaProducer, OutRecord, Partition, Record, Seen};
use crate::kafka::options::Topics;
use freshet_types::caught::caught;
use freshet_types::{Error, ErrorKind, Result};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How long a step of a transaction may take.
const WRITE_WAIT: Duration = Duration::from_secs(60);
/// After so long a flush looks whether a delivery has failed.
const FLUSH_WAIT: Duration = Duration::from_secs(1);
/// At most so many things that a client tells are listened to at once.
const TOLD_MAX: usize = 1_000;
/// Pause while the producer's buffer is full.
const FULL_WAIT: Duration = Duration::from_millis(5);
/// Group of readers that have none: librdkafka wants a name, nothing is stored under it.
const NO_GROUP: &str = "freshet";

/// The client for one table.
pub(in crate::kafka) struct Librdkafka {
    settings: BTreeMap<String, String>,
    /// Asks for metadata and offsets; made when first needed.
    asking: OnceLock<Result<Arc<BaseConsumer<Quiet>>, String>>,
    /// What the asking client tells.
    context: Quiet,
}

impl Librdkafka {
    pub(in crate::kafka) fn new(settings: BTreeMap<String, String>) -> Self {
        Self { settings, asking: OnceLock::new(), context: Quiet::default() }
    }

    /// The same client in another group.
    fn in_group(&self, group: &str) -> Self {
        let mut settings = self.settings.clone();
        settings.insert("group.id".into(), group.into());
        Self::new(settings)
    }

    fn brokers(&self) -> String {
        self.settings.get("bootstrap.servers").cloned().unwrap_or_default()
    }

    fn error(&self, what: &str, e: &KafkaError) -> Error {
        // What the client has to tell waits until somebody listens.
        if let Some(Ok(consumer)) = self.asking.get() {
            (0..TOLD_MAX).take_while(|_| consumer.poll(Duration::ZERO).is_some()).for_each(drop);
        }
        self.context.explain(what, &self.brokers(), e)
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", "freshet").set("log.connection.close", "false");
        for (name, value) in &self.settings {
            config.set(name, value);
        }
        // Errors come back from calls; librdkafka's own lines would only repeat them.
        config.set_log_level(RDKafkaLogLevel::Critical);
        config
    }

    fn consumer_config(&self) -> ClientConfig {
        let mut config = self.config();
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        // An offset that is gone is an error: rows were lost, and nobody should find that out later.
        config.set("auto.offset.reset", "error");
        if !self.settings.contains_key("group.id") {
            config.set("group.id", NO_GROUP);
        }
        for name in
            ["acks", "batch.size", "linger.ms", "compression.type", "enable.idempotence", "transaction.timeout.ms"]
        {
            config.remove(name);
        }
        config
    }

    fn asking(&self) -> Result<&BaseConsumer<Quiet>> {
        let made = self.asking.get_or_init(|| {
            let made = self.consumer_config().create_with_context(self.context.clone()).map(Arc::new);
            made.map_err(|e| self.error("a setting of the Kafka client is refused", &e).text().to_string())
        });
        match made {
            Ok(consumer) => Ok(consumer),
            Err(text) => Err(Error::invalid("kafka.setting", text.clone()).hint("check the properties of the table")),
        }
    }

    fn list(partitions: &[(Partition, Offset)]) -> Result<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (partition, offset) in partitions {
            list.add_partition_offset(&partition.topic, partition.number, *offset)
                .map_err(|e| trouble::error("an offset is refused", "", &e))?;
        }
        Ok(list)
    }

    /// Offsets of `partitions` in a list that was given back.
    fn found(&self, what: &str, partitions: &[Partition], list: &TopicPartitionList) -> Result<Vec<Option<i64>>> {
        let find = |p: &Partition| {
            let Some(element) = list.find_partition(&p.topic, p.number) else { return Ok(None) };
            element.error().map_err(|e| self.error(what, &e))?;
            Ok(match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
        };
        partitions.iter().map(find).collect()
    }
}

impl KafkaIo for Librdkafka {
    fn partitions(&self, topics: &Topics) -> Result<Vec<Partition>> {
        let asking = self.asking()?;
        // Trouble that has passed explains nothing.
        self.context.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut found = Vec::new();
        let mut ask = |name: Option<&str>, wanted: &dyn Fn(&str) -> bool| {
            let what = format!("the partitions of topic \"{}\" were not found", name.unwrap_or("*"));
            let metadata = asking.fetch_metadata(name, ANSWER_WAIT).map_err(|e| self.error(&what, &e))?;
            for topic in metadata.topics().iter().filter(|t| wanted(t.name())) {
                if let Some(e) = topic.error() {
                    return Err(trouble::from_code(&what, &self.brokers(), Some(e.into()), ""));
                }
                let numbers = topic.partitions().iter().map(rdkafka::metadata::MetadataPartition::id);
                found.extend(numbers.map(|number| Partition { topic: topic.name().into(), number }));
            }
            Ok(())
        };
        match topics {
            Topics::Listed(names) => {
                for name in names {
                    ask(Some(name), &|n| n == name)?;
                }
            }
            Topics::Pattern(_) => ask(None, &|n| topics.contain(n))?,
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn bounds(&self, partition: &Partition) -> Result<(i64, i64)> {
        self.asking()?
            .fetch_watermarks(&partition.topic, partition.number, ANSWER_WAIT)
            .map_err(|e| self.error(&format!("the offsets of \"{}\" were not found", partition.split_id()), &e))
    }

    fn offsets_at(&self, partitions: &[Partition], timestamp_ms: i64) -> Result<Vec<Option<i64>>> {
        const WHAT: &str = "no offsets for a time were found";
        let wanted: Vec<_> = partitions.iter().map(|p| (p.clone(), Offset::Offset(timestamp_ms))).collect();
        let list =
            self.asking()?.offsets_for_times(Self::list(&wanted)?, ANSWER_WAIT).map_err(|e| self.error(WHAT, &e))?;
        self.found(WHAT, partitions, &list)
    }

    fn group_offsets(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>> {
        const WHAT: &str = "the offsets of the group were not found";
        if !self.settings.contains_key("group.id") {
            return Ok(vec![None; partitions.len()]);
        }
        let wanted: Vec<_> = partitions.iter().map(|p| (p.clone(), Offset::Invalid)).collect();
        let list =
            self.asking()?.committed_offsets(Self::list(&wanted)?, ANSWER_WAIT).map_err(|e| self.error(WHAT, &e))?;
        self.found(WHAT, partitions, &list)
    }

    fn mark(&self, group: &str, partition: &Partition) -> Result<Option<i64>> {
        let mut keeper = self.in_group(group);
        // Waits for a transaction that is being ended.
        keeper.settings.insert("isolation.level".into(), "read_committed".into());
        Ok(keeper.group_offsets(std::slice::from_ref(partition))?[0])
    }

    fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn KafkaConsumer>> {
        let mut config = self.consumer_config();
        if settings.tells_end {
            config.set("enable.partition.eof", "true");
        }
        let context = Quiet::default();
        let consumer = config.create_with_context(context.clone());
        let consumer = consumer.map_err(|e| self.error("a setting of the Kafka client is refused", &e))?;
        let stores = self.settings.contains_key("group.id");
        let brokers = self.brokers();
        Ok(Box::new(Reading { consumer, context, brokers, with_headers: settings.with_headers, stores }))
    }

    fn producer(&self, transactional_id: Option<&str>) -> Result<Box<dyn KafkaProducer>> {
        let mut config = self.config();
        for name in ["group.id", "isolation.level", "session.timeout.ms", "max.poll.interval.ms"] {
            config.remove(name);
        }
        if !self.settings.contains_key("enable.idempotence") || transactional_id.is_some() {
            config.set("enable.idempotence", "true");
        }
        // The same partition for a key as Java's client chooses.
        config.set("partitioner", "murmur2_random");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        let context = Deliveries::default();
        let failed = Arc::clone(&context.failed);
        let producer: ThreadedProducer<Deliveries> = config
            .create_with_context(context)
            .map_err(|e| self.error("a setting of the Kafka client is refused", &e))?;
        if transactional_id.is_some() {
            let begun = producer.init_transactions(WRITE_WAIT);
            begun.map_err(|e| self.error("transactions cannot be begun", &e))?;
        }
        Ok(Box::new(Writing { producer, failed, brokers: self.brokers(), client: self.in_group(NO_GROUP) }))
    }
}

/// Takes no notice of what clients log, but keeps the last trouble that they tell: calls only say that they had no answer.
#[derive(Clone, Default)]
struct Quiet {
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Quiet {
    /// The error of a call, with the trouble behind it.
    fn explain(&self, what: &str, brokers: &str, e: &KafkaError) -> Error {
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(trouble) => trouble.error(what, brokers, e),
            None => trouble::error(what, brokers, e),
        }
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
        if let Some(trouble) = Trouble::of(&error, reason) {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        }
    }
}

impl ConsumerContext for Quiet {}

struct Reading {
    consumer: BaseConsumer<Quiet>,
    context: Quiet,
    brokers: String,
    with_headers: bool,
    /// Whether the user named a group.
    stores: bool,
}

impl Reading {
    fn error(&self, what: &str, e: &KafkaError) -> Error {
        self.context.explain(what, &self.brokers, e)
    }
}

impl KafkaConsumer for Reading {
    fn add(&mut self, partitions: &[(Partition, i64)]) -> Result<()> {
        let wanted: Vec<_> = partitions.iter().map(|(p, offset)| (p.clone(), Offset::Offset(*offset))).collect();
        let list = Librdkafka::list(&wanted)?;
        self.consumer.incremental_assign(&list).map_err(|e| self.error("partitions were not taken", &e))
    }

    fn remove(&mut self, partition: &Partition) -> Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.number);
        self.consumer.incremental_unassign(&list).map_err(|e| self.error("a partition was not given back", &e))
    }

    fn poll(&mut self, wait: Duration, see: &mut dyn FnMut(Seen<'_>)) -> Result<bool> {
        let record = match self.consumer.poll(wait) {
            None => return Ok(false),
            Some(Ok(record)) => record,
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                see(Seen::End { partition });
                return Ok(true);
            }
            Some(Err(e)) => return Err(self.error("records cannot be read", &e)),
        };
        let (timestamp_ms, timestamp_type) = match record.timestamp() {
            Timestamp::NotAvailable => (None, "NoTimestampType"),
            Timestamp::CreateTime(ms) => (Some(ms), "CreateTime"),
            Timestamp::LogAppendTime(ms) => (Some(ms), "LogAppendTime"),
        };
        let headers = match record.headers() {
            // The library panics over a name that is not UTF-8.
            Some(all) if self.with_headers => caught(|| all.iter().map(|h| (h.key, h.value)).collect()).ok(),
            _ => Some(Vec::new()),
        };
        see(Seen::Record(Record {
            topic: record.topic(),
            partition: record.partition(),
            offset: record.offset(),
            timestamp_ms,
            timestamp_type,
            key: record.key(),
            value: record.payload(),
            headers,
        }));
        Ok(true)
    }

    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<()> {
        if !self.stores || offsets.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = offsets.iter().map(|(p, offset)| (p.clone(), Offset::Offset(*offset))).collect();
        let list = Librdkafka::list(&wanted)?;
        self.consumer.commit(&list, CommitMode::Sync).map_err(|e| self.error("the group's offsets were not stored", &e))
    }
}

/// Keeps the first failed delivery.
#[derive(Default)]
struct Deliveries {
    failed: Arc<Mutex<Option<KafkaError>>>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "kafka client");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((e, _)) = result {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e.clone());
        }
    }
}

struct Writing {
    producer: ThreadedProducer<Deliveries>,
    failed: Arc<Mutex<Option<KafkaError>>>,
    brokers: String,
    /// Of which groups are made that keep marks.
    client: Librdkafka,
}

impl Writing {
    /// Unlike a reader, a writer that gives up ends its job: what was handed over may be half written.
    fn error(&self, what: &str, e: &KafkaError) -> Error {
        let error = trouble::error(what, &self.brokers, e);
        match error.kind() {
            ErrorKind::Unavailable => Error::unavailable(error.code(), error.text()).hint(
                "check properties.bootstrap.servers and that the broker runs; a job that has stopped goes on from its \
                 last checkpoint when it is started again (properties.delivery.timeout.ms says how long it waits)",
            ),
            _ => error,
        }
    }

    /// Refuses to go on once a record was lost: what follows it must not be taken for complete.
    fn check(&self) -> Result<()> {
        match &*self.failed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(e) => Err(self.error("a record was not written", e)),
            None => Ok(()),
        }
    }
}

impl KafkaProducer for Writing {
    fn send(&mut self, topic: &str, record: &OutRecord) -> Result<()> {
        self.check()?;
        let mut out: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        out.partition = record.partition;
        out.timestamp = record.timestamp_ms;
        out.key = record.key.as_deref();
        out.payload = record.value.as_deref();
        if !record.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
            for (key, value) in &record.headers {
                headers = headers.insert(Header { key, value: value.as_deref() });
            }
            out.headers = Some(headers);
        }
        loop {
            match self.producer.send(out) {
                Ok(()) => return Ok(()),
                // Waits as long as the client tries to deliver: then a delivery fails, or there is room.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.check()?;
                    std::thread::sleep(FULL_WAIT);
                    out = back;
                }
                Err((e, _)) => return Err(self.error("a record was not taken", &e)),
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        loop {
            match self.producer.flush(FLUSH_WAIT) {
                Ok(()) => return self.check(),
                // The client still tries; a record that it gives up is a failed delivery.
                Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) => self.check()?,
                Err(e) => return Err(self.error("records were not written", &e)),
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        self.producer.begin_transaction().map_err(|e| self.error("a transaction was not begun", &e))
    }

    fn commit(&mut self, group: &str, partition: &Partition, mark: i64) -> Result<()> {
        self.flush()?;
        let keeper = self.client.in_group(group);
        let keeper = keeper.asking()?;
        let group = keeper.group_metadata().ok_or_else(|| Error::internal("kafka.group", "a client has no group"))?;
        let list = Librdkafka::list(&[(partition.clone(), Offset::Offset(mark))])?;
        let sent = self.producer.send_offsets_to_transaction(&list, &group, WRITE_WAIT);
        sent.map_err(|e| self.error("the mark of a transaction was not written", &e))?;
        let committed = self.producer.commit_transaction(WRITE_WAIT);
        committed.map_err(|e| self.error("a transaction was not committed", &e))
    }
}
