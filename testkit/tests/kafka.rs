//! Connector `kafka` against a real broker.

#![expect(clippy::unwrap_used, reason = "a test panics with what is wrong")]

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use freshet_connector_api::conformance::{SinkCase, check_sink};
use freshet_connector_api::connector::Console;
use freshet_connector_api::{
    AssignedSplit, ColumnSpec, Connector, ConnectorEnv, DeadLetter, Guarantee, Offset, Poll, PollLimit, Sink, Source,
    SplitId, TableSpec, WriterContext,
};
use freshet_connectors::kafka::Kafka as KafkaConnector;
use freshet_testkit::services::{KAFKA_PASSWORD, KAFKA_USER, Kafka};
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{ChangeBatch, CheckpointId, ErrorKind, SqlField, SqlType, SystemClock};
use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// The broker of the tests that run now; it ends with the last of them, for nothing ends what a static holds.
static BROKER: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());

/// Keeps the broker for one test.
fn hold_broker() -> Arc<Kafka> {
    let mut shared = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Kafka::start().unwrap());
        *shared = Arc::downgrade(&started);
        started
    })
}

fn broker() -> String {
    let shared = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().expect("the test holds the broker").address()
}

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker());
    config
}

fn admin() -> AdminClient<DefaultClientContext> {
    client().create().unwrap()
}

/// A topic of its own for each test.
fn topic(partitions: i32) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("topic-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    let made = block_on(admin().create_topics([&new], &AdminOptions::new())).unwrap();
    made.into_iter().for_each(|m| drop(m.unwrap()));
    name
}

/// Appends records to a partition, each a second after the one before, in 1970.
fn produce(topic: &str, partition: i32, first: i64, values: &[Option<&str>]) {
    let producer: ThreadedProducer<_> =
        client().create_with_context(rdkafka::producer::DefaultProducerContext).unwrap();
    for (i, value) in values.iter().enumerate() {
        let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some("v") });
        // A timestamp of zero would mean now.
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to(topic);
        record =
            record.partition(partition).key("{\"k\": 7}").timestamp((first + i as i64) * 1_000 + 1).headers(headers);
        record.payload = *value;
        producer.send(record).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

fn numbers(topic: &str, partition: i32, range: std::ops::Range<i64>) {
    let texts: Vec<String> = range.clone().map(|n| format!("{{\"n\": {n}}}")).collect();
    produce(topic, partition, range.start, &texts.iter().map(|t| Some(t.as_str())).collect::<Vec<_>>());
}

struct Silent;
impl Console for Silent {
    fn write(&self, _: &str) {}
}

fn env(state_dir: &Path) -> ConnectorEnv {
    ConnectorEnv {
        state_dir: state_dir.into(),
        clock: Arc::new(SystemClock),
        console: Arc::new(Silent),
        time_zone: "UTC".into(),
    }
}

/// A table of column `n`, and of those given.
fn table(topic: &str, more: &[(&str, SqlType, Option<&str>)], options: &[(&str, &str)]) -> TableSpec {
    let column = |name: &str, sql_type: SqlType, metadata: Option<&str>| {
        let field = SqlField::new(name, sql_type);
        match metadata {
            None => ColumnSpec::physical(field),
            Some(key) => ColumnSpec::metadata(field, key, false),
        }
    };
    let mut columns = vec![column("n", SqlType::BigInt, None)];
    columns.extend(more.iter().map(|(name, sql_type, metadata)| column(name, sql_type.clone(), *metadata)));
    let mut all: freshet_types::Options = [("connector", "kafka"), ("topic", topic)].into_iter().collect();
    all.set("properties.bootstrap.servers", broker());
    options.iter().for_each(|(k, v)| all.set(*k, *v));
    if all.get("value.format").is_none() {
        all.set("format", "json");
    }
    let table =
        TableSpec { name: "t".into(), columns, options: all, primary_key: Vec::new(), partition_keys: Vec::new() };
    freshet_connector_api::connector::check_options(&KafkaConnector, &table).unwrap();
    table
}

fn source(table: &TableSpec) -> Arc<dyn Source> {
    KafkaConnector.source(table, &env(Path::new("/nowhere"))).unwrap()
}

fn texts(rows: &RecordBatch) -> Vec<String> {
    let schema = rows.schema();
    let writers: Vec<_> = schema.fields().iter().map(|f| ColumnText::new(f, &TextStyle::default())).collect();
    let row = |row| {
        let cell = |(i, writer): (usize, &ColumnText)| {
            let mut text = String::new();
            if rows.column(i).is_null(row) {
                return "NULL".to_string();
            }
            writer.append(rows.column(i), row, &mut text).unwrap();
            text
        };
        writers.iter().enumerate().map(cell).collect::<Vec<_>>().join("|")
    };
    (0..rows.num_rows()).map(row).collect()
}

#[derive(Default)]
struct Read {
    rows: Vec<String>,
    by_split: BTreeMap<String, Vec<String>>,
    offsets: BTreeMap<String, Offset>,
    dead: Vec<DeadLetter>,
    ended: bool,
}

/// Reads until the source ends or `rows` came.
fn read_splits(source: &dyn Source, columns: usize, splits: Vec<AssignedSplit>, rows: usize, at_once: usize) -> Read {
    let mut reader = source.reader(&(0..columns).collect::<Vec<_>>()).unwrap();
    reader.assign(splits).unwrap();
    let mut read = Read::default();
    let mut silent = 0;
    while read.rows.len() < rows {
        match reader.poll(PollLimit { rows: at_once, wait: Duration::from_millis(50) }).unwrap() {
            Poll::Finished => {
                read.ended = true;
                break;
            }
            Poll::Pending => silent += 1,
            Poll::Batch(batch) => {
                silent = 0;
                let found = texts(batch.changes.rows());
                read.by_split.entry(batch.split.to_string()).or_default().extend(found.iter().cloned());
                read.rows.extend(found);
                read.offsets.insert(batch.split.to_string(), batch.next);
                read.dead.extend(batch.dead);
            }
        }
        assert!(silent < 400, "nothing comes any more; so far {:?}", read.rows);
    }
    let offsets: Vec<(SplitId, Offset)> =
        read.offsets.iter().map(|(id, offset)| (id.as_str().into(), offset.clone())).collect();
    reader.committed(&offsets).unwrap();
    read
}

fn all_splits(source: &dyn Source) -> Vec<AssignedSplit> {
    source.discover().unwrap().into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect()
}

fn read(table: &TableSpec) -> Read {
    let source = source(table);
    read_splits(&*source, table.columns.len(), all_splits(&*source), usize::MAX, 1_000)
}

const BOUNDED: (&str, &str) = ("scan.bounded.mode", "latest-offset");
const EARLIEST: (&str, &str) = ("scan.startup.mode", "earliest-offset");

#[test]
fn every_startup_mode_begins_where_it_says() {
    let _broker = hold_broker();
    let topic = topic(1);
    numbers(&topic, 0, 0..10);
    let group = format!("group-of-{topic}");
    let rows = |options: &[(&str, &str)]| {
        let mut all = vec![BOUNDED, ("properties.group.id", group.as_str())];
        all.extend_from_slice(options);
        let read = read(&table(&topic, &[], &all));
        assert!(read.ended);
        read.rows.join(" ")
    };
    // A group without offsets begins at the earliest, and has offsets from then on.
    assert_eq!(rows(&[]), "0 1 2 3 4 5 6 7 8 9");
    assert_eq!(rows(&[]), "");
    numbers(&topic, 0, 10..12);
    assert_eq!(rows(&[("scan.startup.mode", "group-offsets")]), "10 11");
    assert_eq!(rows(&[EARLIEST]), "0 1 2 3 4 5 6 7 8 9 10 11");
    assert_eq!(rows(&[("scan.startup.mode", "latest-offset")]), "");
    let timestamp = ("scan.startup.mode", "timestamp");
    assert_eq!(rows(&[timestamp, ("scan.startup.timestamp-millis", "8500")]), "9 10 11");
    assert_eq!(rows(&[timestamp, ("scan.startup.timestamp-millis", "999999")]), "");
    let specific = ("scan.startup.mode", "specific-offsets");
    assert_eq!(rows(&[specific, ("scan.startup.specific-offsets", "partition:0,offset:7")]), "7 8 9 10 11");
    let until = [
        EARLIEST,
        ("scan.bounded.mode", "specific-offsets"),
        ("scan.bounded.specific-offsets", "partition:0,offset:3"),
    ];
    assert_eq!(rows(&until), "0 1 2");
    let until = [EARLIEST, ("scan.bounded.mode", "timestamp"), ("scan.bounded.timestamp-millis", "4000")];
    assert_eq!(rows(&until), "0 1 2 3");
}

#[test]
fn a_job_goes_on_exactly_behind_any_offset() {
    let _broker = hold_broker();
    let topic = topic(3);
    for partition in 0..3 {
        numbers(&topic, partition, i64::from(partition) * 100..i64::from(partition) * 100 + 50);
    }
    let table = table(&topic, &[], &[EARLIEST, BOUNDED]);
    let whole = read(&table);
    assert_eq!(whole.rows.len(), 150);
    for (i, rows) in whole.by_split.values().enumerate() {
        let expected: Vec<String> = (0..50).map(|n| (i * 100 + n).to_string()).collect();
        assert_eq!(rows, &expected, "a partition keeps its order");
    }
    for (stop, at_once) in [(1, 7), (40, 7), (149, 13)] {
        let first_source = source(&table);
        let mut splits = all_splits(&*first_source);
        let first = read_splits(&*first_source, 1, splits.clone(), stop, at_once);
        // What comes after the start of the first attempt is not read by the second either.
        for split in &mut splits {
            if let Some(offset) = first.offsets.get(&*split.id) {
                split.from = offset.clone();
            }
        }
        let second = read_splits(&*source(&table), 1, splits, usize::MAX, at_once);
        let mut all = [first.rows, second.rows].concat();
        let mut expected = whole.rows.clone();
        all.sort();
        expected.sort();
        assert_eq!(all, expected, "stopped after {stop} rows");
    }
    // The end was chosen at the start; a finished job that is started again looks for more.
    let finished = read(&table).offsets;
    numbers(&topic, 1, 150..152);
    let splits = finished.into_iter().map(|(id, from)| AssignedSplit { id: id.as_str().into(), from }).collect();
    assert_eq!(read_splits(&*source(&table), 1, splits, usize::MAX, 10).rows, ["150", "151"]);
}

#[test]
fn metadata_keys_tombstones_and_poison_records() {
    let _broker = hold_broker();
    let topic = topic(1);
    produce(&topic, 0, 1, &[Some("{\"n\": 1}"), None, Some("{\"n\": "), Some("{\"n\": 4}")]);
    let bytes = SqlField::new("value", SqlType::BYTES);
    let columns = [
        ("key_k", SqlType::Int, None),
        ("topic", SqlType::STRING, Some("topic")),
        ("partition", SqlType::BigInt, Some("partition")),
        ("offset", SqlType::BigInt, Some("offset")),
        ("at", SqlType::TimestampLtz(3), Some("timestamp")),
        ("kind", SqlType::STRING, Some("timestamp-type")),
        ("headers", SqlType::Map(Box::new(SqlType::STRING), Box::new(bytes)), Some("headers")),
        ("epoch", SqlType::Int, Some("leader-epoch")),
    ];
    let options = [
        EARLIEST,
        BOUNDED,
        ("value.format", "json"),
        ("key.format", "json"),
        ("key.fields", "key_k"),
        ("key.fields-prefix", "key_"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let read = read(&table(&topic, &columns, &options));
    let row = |n: i64, offset: i64| {
        format!("{n}|7|{topic}|0|{offset}|1970-01-01 00:00:0{n}.000Z|CreateTime|{{h=[118]}}|NULL")
    };
    let plain = |rows: &[String]| -> Vec<Vec<String>> {
        let cells = |row: &String| {
            row.split('|').enumerate().filter(|(i, _)| ![5, 7].contains(i)).map(|(_, c)| c.to_string()).collect()
        };
        rows.iter().map(cells).collect()
    };
    assert_eq!(plain(&read.rows), plain(&[row(1, 0), row(4, 3)]), "{:?}", read.rows);
    assert!(read.rows[1].contains("00:00:04"), "{:?}", read.rows);
    assert_eq!(read.dead.len(), 1);
    assert_eq!((read.dead[0].raw.as_slice(), read.dead[0].offset.0.as_str()), (&b"{\"n\": "[..], "2"));
    assert!(!read.dead[0].reason.is_empty());
}

#[test]
fn new_partitions_are_found_and_begin_at_their_first_record() {
    let _broker = hold_broker();
    let topic = topic(1);
    numbers(&topic, 0, 0..3);
    let table = table(
        &topic,
        &[],
        &[("scan.startup.mode", "latest-offset"), ("scan.topic-partition-discovery.interval", "1 s")],
    );
    let source = source(&table);
    assert_eq!(source.discovery_interval(), Some(Duration::from_secs(1)));
    let first = all_splits(&*source);
    assert_eq!(first.len(), 1);
    let grown = NewPartitions::new(&topic, 2);
    block_on(admin().create_partitions([&grown], &AdminOptions::new())).unwrap()[0].as_ref().unwrap();
    numbers(&topic, 1, 10..13);
    let mut found = Vec::new();
    for _ in 0..100 {
        found = all_splits(&*source);
        if !found.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(found.iter().map(|s| s.id.to_string()).collect::<Vec<_>>(), [format!("{topic}-1")]);
    // Both in one reader, the new one later.
    let mut reader = source.reader(&[0]).unwrap();
    reader.assign(first).unwrap();
    assert!(matches!(reader.poll(PollLimit { rows: 10, wait: Duration::from_millis(200) }).unwrap(), Poll::Pending));
    reader.assign(found).unwrap();
    numbers(&topic, 0, 3..5);
    let mut rows = Vec::new();
    for _ in 0..200 {
        if let Poll::Batch(batch) = reader.poll(PollLimit { rows: 10, wait: Duration::from_millis(50) }).unwrap() {
            rows.extend(texts(batch.changes.rows()));
        }
        if rows.len() == 5 {
            break;
        }
    }
    rows.sort();
    assert_eq!(rows, ["10", "11", "12", "3", "4"]);
}

#[test]
fn several_topics_are_read_to_their_ends() {
    let _broker = hold_broker();
    let (a, b) = (topic(2), topic(1));
    numbers(&a, 0, 0..2);
    numbers(&a, 1, 2..4);
    numbers(&b, 0, 4..6);
    let mut rows = read(&table(&format!("{a};{b}"), &[], &[EARLIEST, BOUNDED])).rows;
    rows.sort();
    assert_eq!(rows, ["0", "1", "2", "3", "4", "5"]);
    let mut pattern = table(&a, &[], &[EARLIEST, BOUNDED]);
    pattern.options.remove("topic");
    pattern.options.set("topic-pattern", format!("{a}|no-such-.*"));
    assert_eq!(read(&pattern).rows.len(), 4);
}

#[test]
fn trouble_is_told_by_kind() {
    let _broker = hold_broker();
    let mut away = table("nobody", &[], &[BOUNDED]);
    away.options.set("properties.bootstrap.servers", "127.0.0.1:1");
    let error = source(&away).discover().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "kafka.unavailable"));
    assert!(error.to_string().starts_with("kafka at \"127.0.0.1:1\" does not answer"), "{error}");
    // An offset that is no longer there is an error.
    let topic = topic(1);
    numbers(&topic, 0, 0..3);
    let table = table(&topic, &[], &[]);
    let source = source(&table);
    let mut reader = source.reader(&[0]).unwrap();
    reader.assign(vec![AssignedSplit { id: format!("{topic}-0").into(), from: Offset("99".into()) }]).unwrap();
    let error = (0..200)
        .find_map(|_| reader.poll(PollLimit { rows: 10, wait: Duration::from_millis(50) }).err())
        .expect("the offset is out of range");
    assert_eq!(error.code(), "kafka.offset_gone", "{error}");
}

#[test]
fn tls_and_sasl_by_the_properties_of_javas_client() {
    let broker = Kafka::start_secured().unwrap();
    let (address, certificate) = broker.secured();
    let mut plain = ClientConfig::new();
    plain.set("bootstrap.servers", broker.address());
    let admin: AdminClient<DefaultClientContext> = plain.create().unwrap();
    let new = NewTopic::new("secured", 1, TopicReplication::Fixed(1));
    block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
    let login = |module: &str, password: &str| {
        format!("org.apache.kafka.common.security.{module} required username=\"{KAFKA_USER}\" password=\"{password}\";")
    };
    let table = |mechanism: &str, jaas: &str, trust: &str| {
        let columns = vec![ColumnSpec::physical(SqlField::new("n", SqlType::BigInt))];
        let options = [
            ("connector", "kafka"),
            ("topic", "secured"),
            ("format", "json"),
            ("scan.startup.mode", "earliest-offset"),
            BOUNDED,
            ("properties.bootstrap.servers", address.as_str()),
            ("properties.security.protocol", "SASL_SSL"),
            ("properties.sasl.mechanism", mechanism),
            ("properties.sasl.jaas.config", jaas),
            ("properties.ssl.truststore.type", "PEM"),
            ("properties.ssl.truststore.location", trust),
        ];
        let options = options.into_iter().collect();
        let table =
            TableSpec { name: "t".into(), columns, options, primary_key: Vec::new(), partition_keys: Vec::new() };
        freshet_connector_api::connector::check_options(&KafkaConnector, &table).unwrap();
        table
    };
    let trust = certificate.to_str().unwrap();
    for (i, (mechanism, module)) in
        [("PLAIN", "plain.PlainLoginModule"), ("SCRAM-SHA-256", "scram.ScramLoginModule")].into_iter().enumerate()
    {
        let secured = table(mechanism, &login(module, KAFKA_PASSWORD), trust);
        let folder = tempfile::tempdir().unwrap();
        let mut writer = sink(&secured, folder.path()).writer(&context(0)).unwrap();
        let first = i as i64 * 3;
        writer.write(&ChangeBatch::inserts(rows(&secured, first..first + 3))).unwrap();
        writer.prepare(CheckpointId(1)).unwrap()().unwrap();
        assert_eq!(read(&secured).rows.len(), i * 3 + 3, "{mechanism}");
        let wrong = source(&table(mechanism, &login(module, "guess"), trust)).discover().unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Denied, "{wrong}");
    }
    // A certificate that nobody vouches for.
    let mut untrusted = table("PLAIN", &login("plain.PlainLoginModule", KAFKA_PASSWORD), trust);
    untrusted.options.remove("properties.ssl.truststore.location");
    let error = source(&untrusted).discover().unwrap_err();
    assert!(error.kind() == ErrorKind::Denied && error.to_string().contains("certificate"), "{error}");
}

fn context(worker: usize) -> WriterContext {
    WriterContext { job_id: "job".into(), worker, workers: 1, attempt: 1 }
}

fn sink(table: &TableSpec, state_dir: &Path) -> Arc<dyn Sink> {
    KafkaConnector.sink(table, &env(state_dir)).unwrap()
}

fn rows(table: &TableSpec, numbers: std::ops::Range<i64>) -> RecordBatch {
    let n = Int64Array::from_iter_values(numbers.clone());
    let mut columns: Vec<Arc<dyn Array>> = vec![Arc::new(n)];
    if table.columns.len() > 1 {
        columns.push(Arc::new(StringArray::from_iter_values(numbers.map(|n| format!("s{n}")))));
    }
    RecordBatch::try_new(table.schema(), columns).unwrap()
}

#[test]
fn rows_are_written_at_least_once_with_keys_and_partitioners() {
    let _broker = hold_broker();
    let dir = tempfile::tempdir().unwrap();
    let name = topic(3);
    let keyed = [("key.format", "json"), ("key.fields", "n"), ("value.format", "json"), EARLIEST, BOUNDED];
    let table_of = |more: &[(&str, &str)]| {
        let options = [&keyed[..], more].concat();
        table(&name, &[("s", SqlType::STRING, None)], &options)
    };
    let write = |table: &TableSpec, numbers: std::ops::Range<i64>| {
        let sink = sink(table, dir.path());
        assert_eq!(sink.guarantee(), Guarantee::AtLeastOnce);
        sink.committer(&context(0)).unwrap().recover(None).unwrap();
        let mut writer = sink.writer(&context(0)).unwrap();
        writer.write(&ChangeBatch::inserts(rows(table, numbers))).unwrap();
        writer.prepare(CheckpointId(1)).unwrap()().unwrap();
    };
    write(&table_of(&[]), 0..100);
    let by_key = read(&table_of(&[]));
    assert_eq!(by_key.rows.len(), 100);
    assert_eq!(by_key.by_split.values().filter(|rows| !rows.is_empty()).count(), 3, "keys spread");
    assert!(by_key.rows.contains(&"42|s42".to_string()));
    write(&table_of(&[("sink.partitioner", "round-robin")]), 100..103);
    for rows in read(&table_of(&[])).by_split.values() {
        assert!(rows.last().unwrap().starts_with("10"), "each partition got one: {rows:?}");
    }
}

#[test]
fn exactly_once_survives_every_crash_of_the_protocol() {
    let _broker = hold_broker();
    let dir = tempfile::tempdir().unwrap();
    let name = topic(2);
    let table = table(
        &name,
        &[],
        &[
            ("sink.delivery-guarantee", "exactly-once"),
            ("sink.transactional-id-prefix", &format!("tx-{name}")),
            ("properties.isolation.level", "read_committed"),
            EARLIEST,
            BOUNDED,
        ],
    );
    let text = |rows: &RecordBatch| {
        rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().iter().map(ToString::to_string).collect()
    };
    check_sink(&SinkCase {
        make: &|| sink(&table, dir.path()),
        visible: &|| read(&table).rows,
        text: &text,
        batches: (0..6).map(|i| rows(&table, i * 10..i * 10 + 10)).collect(),
    });
    assert_eq!(sink(&table, dir.path()).guarantee(), Guarantee::ExactlyOnce);
}

#[test]
fn a_commit_whose_answer_was_lost_is_not_repeated() {
    let _broker = hold_broker();
    let dir = tempfile::tempdir().unwrap();
    let name = topic(1);
    let prefix = format!("tx-{name}");
    let options = [
        ("sink.delivery-guarantee", "exactly-once"),
        ("sink.transactional-id-prefix", prefix.as_str()),
        EARLIEST,
        BOUNDED,
    ];
    let table = table(&name, &[], &options);
    let sink_once = sink(&table, dir.path());
    let mut committer = sink_once.committer(&context(0)).unwrap();
    committer.recover(None).unwrap();
    let mut writer = sink_once.writer(&context(0)).unwrap();
    writer.write(&ChangeBatch::inserts(rows(&table, 0..5))).unwrap();
    let token = writer.prepare(CheckpointId(1)).unwrap()().unwrap();
    let commit = freshet_connector_api::Commit {
        job_id: "job".into(),
        checkpoint: CheckpointId(1),
        epoch: freshet_types::Epoch(1),
        offsets: "{}".into(),
        watermark: freshet_types::Watermark::MIN,
        tokens: vec![token],
        last: false,
    };
    // The state folder as it was just before the files were removed: the process died behind the transaction.
    let kept = tempfile::tempdir().unwrap();
    copy(dir.path(), kept.path());
    committer.commit(&commit).unwrap();
    drop((committer, writer));
    let after = sink(&table, kept.path());
    after.committer(&context(0)).unwrap().recover(Some(&commit)).unwrap();
    assert_eq!(read(&table).rows, ["0", "1", "2", "3", "4"]);
    // A job that starts anew counts its checkpoints from one again, and nothing of it is taken for done.
    let mut committer = after.committer(&context(0)).unwrap();
    committer.recover(None).unwrap();
    let mut writer = after.writer(&context(0)).unwrap();
    writer.write(&ChangeBatch::inserts(rows(&table, 5..6))).unwrap();
    let token = writer.prepare(CheckpointId(1)).unwrap()().unwrap();
    committer.commit(&freshet_connector_api::Commit { tokens: vec![token], ..commit }).unwrap();
    assert_eq!(read(&table).rows, ["0", "1", "2", "3", "4", "5"]);
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
