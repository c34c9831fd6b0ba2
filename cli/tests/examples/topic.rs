//! Topics of a real broker, made and filled by librdkafka itself.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::path::Path;
use std::time::Duration;

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// Makes `topic` with so many partitions.
pub(crate) fn make(bootstrap: &str, topic: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config(bootstrap).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let topics = [NewTopic::new(topic, partitions, TopicReplication::Fixed(1))];
    let results = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).unwrap();
    for result in results {
        result.unwrap();
    }
}

/// Number of records of `topic`.
pub(crate) fn length(bootstrap: &str, topic: &str) -> i64 {
    let consumer: BaseConsumer = config(bootstrap).create().unwrap();
    let patience = Duration::from_secs(30);
    let metadata = consumer.fetch_metadata(Some(topic), patience).unwrap();
    let ends = metadata.topics()[0].partitions().iter().map(|p| {
        let (first, end) = consumer.fetch_watermarks(topic, p.id(), patience).unwrap();
        end - first
    });
    ends.sum()
}

/// Writes each line of `file` into `topic`.
pub(crate) fn fill(bootstrap: &str, topic: &str, file: &Path) {
    let producer: BaseProducer = config(bootstrap).create().unwrap();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        producer.send(BaseRecord::<(), str>::to(topic).payload(line)).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}
