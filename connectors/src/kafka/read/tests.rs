//! The reading end over a broker that is made up: what begins where, what ends where, and what becomes of odd records.

use super::KafkaSource;
use crate::kafka::Kafka;
use crate::kafka::io::{ConsumerSettings, KafkaConsumer, KafkaIo, KafkaProducer, OutRecord, Partition, Record, Seen};
use crate::kafka::options::Topics;
use crate::testing::{table, texts};
use freshet_connector_api::{
    AssignedSplit, Boundedness, ColumnSpec, Offset, Poll, PollLimit, Source, SplitId, TableSpec,
};
use freshet_types::{Error, ErrorKind, Result, SqlField, SqlType};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Partitions with their records; an offset without a record is the mark of a transaction.
type Log = BTreeMap<(String, i32), Vec<Option<OutRecord>>>;

#[derive(Clone, Default)]
struct Broker {
    log: Arc<Mutex<Log>>,
    /// Calls that fail before one succeeds.
    away: Arc<Mutex<u32>>,
    groups: Arc<Mutex<BTreeMap<(String, i32), i64>>>,
}

fn record(value: &str) -> Option<OutRecord> {
    Some(OutRecord { value: Some(value.as_bytes().to_vec()), timestamp_ms: Some(1), ..OutRecord::default() })
}

impl Broker {
    fn with(partitions: &[(&str, i32, &[&str])]) -> Self {
        let broker = Self::default();
        for (topic, number, values) in partitions {
            broker.append(topic, *number, values.iter().map(|v| record(v)));
        }
        broker
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap()
    }

    fn append(&self, topic: &str, number: i32, records: impl IntoIterator<Item = Option<OutRecord>>) {
        self.log().entry((topic.to_string(), number)).or_default().extend(records);
    }

    fn answers(&self) -> Result<()> {
        let mut away = self.away.lock().unwrap();
        if *away == 0 {
            return Ok(());
        }
        *away -= 1;
        Err(Error::unavailable("kafka.unavailable", "kafka does not answer"))
    }
}

impl KafkaIo for Broker {
    fn partitions(&self, topics: &Topics) -> Result<Vec<Partition>> {
        self.answers()?;
        let all = self.log();
        let found = all.keys().filter(|(topic, _)| topics.contain(topic));
        Ok(found.map(|(topic, number)| Partition { topic: topic.clone(), number: *number }).collect())
    }

    fn bounds(&self, partition: &Partition) -> Result<(i64, i64)> {
        self.answers()?;
        Ok((0, self.log()[&(partition.topic.clone(), partition.number)].len() as i64))
    }

    fn offsets_at(&self, partitions: &[Partition], timestamp_ms: i64) -> Result<Vec<Option<i64>>> {
        let log = self.log();
        let find = |p: &Partition| {
            let at = |r: &Option<OutRecord>| r.as_ref().is_some_and(|r| r.timestamp_ms >= Some(timestamp_ms));
            log[&(p.topic.clone(), p.number)].iter().position(at).map(|i| i as i64)
        };
        Ok(partitions.iter().map(find).collect())
    }

    fn group_offsets(&self, partitions: &[Partition]) -> Result<Vec<Option<i64>>> {
        let groups = self.groups.lock().unwrap();
        Ok(partitions.iter().map(|p| groups.get(&(p.topic.clone(), p.number)).copied()).collect())
    }

    fn mark(&self, _group: &str, _partition: &Partition) -> Result<Option<i64>> {
        Ok(None)
    }

    fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn KafkaConsumer>> {
        self.answers()?;
        Ok(Box::new(Consumer { broker: self.clone(), settings, reading: VecDeque::new() }))
    }

    fn producer(&self, _transactional_id: Option<&str>) -> Result<Box<dyn KafkaProducer>> {
        unreachable!("nothing is written here")
    }
}

struct Consumer {
    broker: Broker,
    settings: ConsumerSettings,
    /// Partition, next offset, and the end that was told last.
    reading: VecDeque<(Partition, i64, Option<i64>)>,
}

impl KafkaConsumer for Consumer {
    fn add(&mut self, partitions: &[(Partition, i64)]) -> Result<()> {
        self.reading.extend(partitions.iter().map(|(p, next)| (p.clone(), *next, None)));
        Ok(())
    }

    fn remove(&mut self, partition: &Partition) -> Result<()> {
        self.reading.retain(|(p, ..)| p != partition);
        Ok(())
    }

    fn poll(&mut self, _wait: Duration, see: &mut dyn FnMut(Seen<'_>)) -> Result<bool> {
        self.broker.answers()?;
        for _ in 0..self.reading.len() {
            self.reading.rotate_left(1);
            let Some((partition, next, told)) = self.reading.back_mut() else { break };
            let log = self.broker.log();
            let records = &log[&(partition.topic.clone(), partition.number)];
            while let Some(entry) = records.get(*next as usize) {
                *next += 1;
                let Some(r) = entry else { continue };
                let headers = r.headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
                see(Seen::Record(Record {
                    topic: &partition.topic,
                    partition: partition.number,
                    offset: *next - 1,
                    timestamp_ms: r.timestamp_ms,
                    timestamp_type: if r.timestamp_ms.is_some() { "CreateTime" } else { "NoTimestampType" },
                    key: r.key.as_deref(),
                    value: r.value.as_deref(),
                    headers: if r.headers.iter().any(|(k, _)| k == "unreadable") { None } else { Some(headers) },
                }));
                return Ok(true);
            }
            if self.settings.tells_end && *told != Some(*next) {
                *told = Some(*next);
                see(Seen::End { partition: partition.number });
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn commit(&mut self, offsets: &[(Partition, i64)]) -> Result<()> {
        let mut groups = self.broker.groups.lock().unwrap();
        groups.extend(offsets.iter().map(|(p, next)| ((p.topic.clone(), p.number), *next)));
        Ok(())
    }
}

fn spec(columns: &[(&str, SqlType)], options: &[(&str, &str)]) -> TableSpec {
    let mut table = table(columns, &[("connector", "kafka"), ("properties.bootstrap.servers", "b:1")]);
    for (name, value) in options {
        table.options.set(*name, *value);
    }
    if !options.iter().any(|(name, _)| name.ends_with("format") && !name.starts_with("key")) {
        table.options.set("format", "json");
    }
    freshet_connector_api::connector::check_options(&Kafka, &table).unwrap();
    table
}

fn numbers(options: &[(&str, &str)]) -> TableSpec {
    let mut all = vec![("topic", "t")];
    all.extend(options);
    spec(&[("n", SqlType::Int)], &all)
}

fn source(broker: &Broker, table: &TableSpec) -> KafkaSource {
    KafkaSource::with_io(table, Arc::new(broker.clone())).unwrap()
}

#[derive(Default)]
struct Read {
    rows: Vec<String>,
    dead: Vec<String>,
    offsets: BTreeMap<SplitId, Offset>,
    ignored: u64,
}

/// Reads `splits` until they end, or until nothing comes any more.
fn read(source: &KafkaSource, splits: Vec<AssignedSplit>) -> Read {
    let all: Vec<usize> = (0..source.inner.table.columns.len()).collect();
    let mut reader = source.reader(&all).unwrap();
    let mut read = Read::default();
    for split in &splits {
        read.offsets.insert(Arc::clone(&split.id), split.from.clone());
    }
    while let Err(e) = reader.assign(splits.clone()) {
        assert_eq!(e.kind(), ErrorKind::Unavailable, "{e}");
    }
    let mut silent = 0;
    while silent < 3 {
        match reader.poll(PollLimit { rows: 4, wait: Duration::ZERO }) {
            Ok(Poll::Batch(batch)) => {
                read.rows.extend(texts(batch.changes.rows()));
                read.dead.extend(batch.dead.iter().map(|d| format!("{}: {}", d.offset.0, d.reason)));
                read.offsets.insert(batch.split, batch.next);
                read.ignored += batch.ignored;
            }
            Ok(Poll::Pending) => silent += 1,
            Ok(Poll::Finished) => break,
            Err(e) => assert_eq!(e.kind(), ErrorKind::Unavailable, "{e}"),
        }
    }
    read
}

/// What a job gets that has no checkpoint.
fn fresh(source: &KafkaSource) -> Read {
    let splits = source.discover().unwrap();
    read(source, splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect())
}

/// What a job gets that goes on from `before`, as the engine does it.
fn again(source: &KafkaSource, before: &Read) -> Read {
    source.resume(&before.offsets.keys().cloned().collect::<Vec<_>>());
    let found = source.discover().unwrap();
    let from = |s: freshet_connector_api::Split| {
        let from = before.offsets.get(&s.id).cloned().unwrap_or(s.start);
        AssignedSplit { id: s.id, from }
    };
    read(source, found.into_iter().map(from).collect())
}

#[test]
fn a_job_begins_where_its_mode_says() {
    let broker = Broker::with(&[("t", 0, &["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"])]);
    broker.groups.lock().unwrap().insert(("t".into(), 0), 1);
    let begun = |options: &[(&str, &str)]| fresh(&source(&broker, &numbers(options))).rows.join(" ");
    assert_eq!(begun(&[("scan.startup.mode", "earliest-offset")]), "1 2 3");
    assert_eq!(begun(&[("scan.startup.mode", "latest-offset")]), "");
    assert_eq!(begun(&[("scan.startup.mode", "group-offsets")]), "2 3");
    assert_eq!(begun(&[]), "2 3");
    let specific =
        [("scan.startup.mode", "specific-offsets"), ("scan.startup.specific-offsets", "partition:0,offset:2")];
    assert_eq!(begun(&specific), "3");
    let later = [("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", "2")];
    assert_eq!(begun(&later), "", "no record is that young");
    let time = [("scan.startup.mode", "timestamp"), ("scan.startup.timestamp-millis", "1")];
    assert_eq!(begun(&time), "1 2 3");
}

#[test]
fn a_group_without_offsets_begins_as_asked() {
    let broker = Broker::with(&[("t", 0, &["{\"n\":1}"])]);
    let begun = |reset: &str| {
        let source = source(&broker, &numbers(&[("properties.auto.offset.reset", reset)]));
        source.discover().map(|splits| splits[0].start.0.clone())
    };
    assert_eq!(begun("earliest").unwrap(), "0");
    assert_eq!(begun("latest").unwrap(), "1");
    assert_eq!(begun("none").unwrap_err().code(), "kafka.no_group_offset");
    let wrong = KafkaSource::with_io(&numbers(&[("properties.auto.offset.reset", "soonest")]), Arc::new(broker));
    assert_eq!(wrong.err().unwrap().code(), "option.invalid");
}

#[test]
fn a_partition_made_since_begins_at_its_first_record_also_after_a_restart() {
    let table = numbers(&[("scan.startup.mode", "latest-offset")]);
    let broker = Broker::with(&[("t", 0, &["{\"n\":1}"])]);
    let first = source(&broker, &table);
    let before = fresh(&first);
    assert!(before.rows.is_empty());
    // While it runs.
    broker.append("t", 1, [record("{\"n\":10}")]);
    let found = first.discover().unwrap();
    assert_eq!(found.iter().map(|s| (&*s.id, &*s.start.0)).collect::<Vec<_>>(), [("t-1", "0")]);
    assert!(first.discover().unwrap().is_empty());
    // While it does not.
    broker.append("t", 2, [record("{\"n\":20}")]);
    broker.append("t", 0, [record("{\"n\":2}")]);
    let after = again(&source(&broker, &table), &before);
    assert_eq!(after.rows.len(), 3, "{:?}", after.rows);
    for row in ["2", "10", "20"] {
        assert!(after.rows.iter().any(|r| r == row), "{row} in {:?}", after.rows);
    }
    assert!(again(&source(&broker, &table), &after).rows.is_empty());
    // Also when there was no partition at the first start.
    let empty = Broker::default();
    let waiting = fresh(&source(&empty, &table));
    empty.append("t", 0, [record("{\"n\":7}")]);
    assert_eq!(again(&source(&empty, &table), &waiting).rows, ["7"]);
}

#[test]
fn a_bounded_job_ends_where_the_topic_ended_and_goes_on_from_there() {
    let table = numbers(&[("scan.startup.mode", "earliest-offset"), ("scan.bounded.mode", "latest-offset")]);
    let broker = Broker::with(&[("t", 0, &["{\"n\":1}", "{\"n\":2}"]), ("t", 1, &[])]);
    broker.append("t", 0, [None]);
    let source_of = || source(&broker, &table);
    assert_eq!(source_of().boundedness(), Boundedness::Bounded);
    let first = source_of();
    let splits = first.discover().unwrap();
    broker.append("t", 0, [record("{\"n\":3}")]);
    let before = read(&first, splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect());
    assert_eq!(before.rows, ["1", "2"]);
    assert_eq!(before.offsets["t-0"].0, "3", "the mark of the transaction was passed");
    broker.append("t", 2, [record("{\"n\":4}")]);
    let mut after = again(&source_of(), &before);
    after.rows.sort();
    assert_eq!(after.rows, ["3", "4"]);
    assert!(again(&source_of(), &after).rows.is_empty());
}

#[test]
fn an_end_that_is_still_to_come_is_waited_for() {
    let table = numbers(&[
        ("scan.startup.mode", "earliest-offset"),
        ("scan.bounded.mode", "specific-offsets"),
        ("scan.bounded.specific-offsets", "partition:0,offset:4"),
    ]);
    let broker = Broker::with(&[("t", 0, &["{\"n\":1}"])]);
    let source = source(&broker, &table);
    let mut reader = source.reader(&[0]).unwrap();
    let splits = source.discover().unwrap();
    reader.assign(splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect()).unwrap();
    let mut rows = Vec::new();
    let mut poll = |rows: &mut Vec<String>| match reader.poll(PollLimit { rows: 1, wait: Duration::ZERO }).unwrap() {
        Poll::Batch(batch) => {
            rows.extend(texts(batch.changes.rows()));
            batch.split_finished
        }
        _ => false,
    };
    for _ in 0..5 {
        assert!(!poll(&mut rows));
    }
    assert_eq!(rows, ["1"]);
    // Records come between the news of the end and the question how far the partition reaches.
    broker.append("t", 0, [record("{\"n\":2}"), record("{\"n\":3}"), None, None]);
    assert!((0..20).any(|_| poll(&mut rows)), "it ends behind the marks");
    assert_eq!(rows, ["1", "2", "3"]);
}

#[test]
fn topics_may_be_several_a_pattern_or_none_yet() {
    let broker =
        Broker::with(&[("a", 0, &["{\"n\":1}"]), ("ab", 0, &["{\"n\":2}"]), ("b", 0, &["{\"n\":3}"]), ("__x", 0, &[])]);
    let ids = |topics: (&str, &str)| {
        let found = source(&broker, &spec(&[("n", SqlType::Int)], &[topics])).discover().unwrap();
        found.iter().map(|s| s.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(("topic", "a;b")), ["a-0", "b-0"]);
    assert_eq!(ids(("topic-pattern", "a.*")), ["a-0", "ab-0"]);
    assert_eq!(ids(("topic-pattern", ".*")), ["a-0", "ab-0", "b-0"]);
    assert!(ids(("topic-pattern", "none.*")).is_empty());
    let empty = KafkaSource::with_io(&spec(&[("n", SqlType::Int)], &[("topic", " ; ")]), Arc::new(broker.clone()));
    assert_eq!(empty.err().unwrap().code(), "option.invalid");
    // A checkpoint of another topic is not taken for one of this.
    let other = source(&broker, &spec(&[("n", SqlType::Int)], &[("topic", "b")]));
    let split = AssignedSplit { id: "a-0".into(), from: Offset("1".into()) };
    assert_eq!(other.reader(&[0]).unwrap().assign(vec![split]).unwrap_err().code(), "kafka.topic_changed");
}

#[test]
fn trouble_with_the_broker_loses_and_repeats_nothing() {
    let values: Vec<String> = (0..20).map(|n| format!("{{\"n\":{n}}}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let broker = Broker::with(&[("t", 0, &values)]);
    let source = source(&broker, &numbers(&[("scan.startup.mode", "earliest-offset")]));
    let splits = source.discover().unwrap();
    *broker.away.lock().unwrap() = 3;
    assert_eq!(source.discover().unwrap_err().kind(), ErrorKind::Unavailable);
    let read = read(&source, splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect());
    assert_eq!(read.rows, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

fn out(key: Option<&str>, value: Option<&str>) -> Option<OutRecord> {
    let bytes = |text: Option<&str>| text.map(|t| t.as_bytes().to_vec());
    Some(OutRecord { key: bytes(key), value: bytes(value), ..OutRecord::default() })
}

#[test]
fn records_without_a_value_or_a_key() {
    let broker = Broker::default();
    broker.append(
        "t",
        0,
        [out(Some("1"), Some("{\"v\":\"a\"}")), out(Some("2"), None), out(None, Some("{\"v\":\"b\"}"))],
    );
    let keyed = [
        ("topic", "t"),
        ("scan.startup.mode", "earliest-offset"),
        ("key.format", "raw"),
        ("key.fields", "k"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let columns = [("k", SqlType::STRING), ("v", SqlType::STRING)];
    let read = fresh(&source(&broker, &spec(&columns, &keyed)));
    assert_eq!((read.rows, read.ignored), (vec!["1|a".to_string(), "NULL|b".into()], 1));
    // Where the key must have a value, a record without one is bad, and its neighbours are not.
    let mut strict = spec(&columns, &keyed);
    strict.columns[0].field.nullable = false;
    let read = fresh(&source(&broker, &strict));
    assert_eq!(read.rows, ["1|a"]);
    assert_eq!(read.dead, ["2: the record has no key, and column \"k\" is NOT NULL"]);
    // Raw knows a row for a record without a value.
    let raw = [("topic", "t"), ("scan.startup.mode", "earliest-offset"), ("format", "raw")];
    let read = fresh(&source(&broker, &spec(&[("v", SqlType::STRING)], &raw)));
    assert_eq!(read.rows, ["{\"v\":\"a\"}", "NULL", "{\"v\":\"b\"}"]);
}

#[test]
fn which_columns_are_read_does_not_decide_over_a_record() {
    let broker = Broker::default();
    broker.append(
        "t",
        0,
        [out(Some("1"), Some("{\"v\":1}")), out(Some("one"), Some("{\"v\":2}")), out(Some("3"), Some("{\"v\":\"x\"}"))],
    );
    let options = [
        ("topic", "t"),
        ("scan.startup.mode", "earliest-offset"),
        ("key.format", "csv"),
        ("key.fields", "k"),
        ("value.format", "json"),
        ("value.fields-include", "EXCEPT_KEY"),
    ];
    let source = source(&broker, &spec(&[("k", SqlType::Int), ("v", SqlType::Int)], &options));
    for projection in [&[0, 1][..], &[0], &[1], &[]] {
        let mut reader = source.reader(projection).unwrap();
        reader.assign(vec![AssignedSplit { id: "t-0".into(), from: Offset("0".into()) }]).unwrap();
        let Poll::Batch(batch) = reader.poll(PollLimit { rows: 10, wait: Duration::ZERO }).unwrap() else {
            panic!("there are records")
        };
        assert_eq!(batch.changes.row_count(), 1, "{projection:?}");
        assert_eq!(batch.dead.iter().map(|d| d.offset.0.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    }
}

#[test]
fn metadata_of_records() {
    let broker = Broker::default();
    let with = |timestamp_ms, headers: &[(&str, Option<&str>)]| {
        let headers = headers.iter().map(|(k, v)| (k.to_string(), v.map(|v| v.as_bytes().to_vec()))).collect();
        Some(OutRecord { value: Some(b"{}".to_vec()), timestamp_ms, headers, ..OutRecord::default() })
    };
    broker.append(
        "t",
        3,
        [
            with(Some(1_500), &[("a", Some("x")), ("b", None), ("a", Some("y"))]),
            with(None, &[]),
            with(Some(2), &[("unreadable", None)]),
        ],
    );
    let mut table = spec(&[], &[("topic", "t"), ("scan.startup.mode", "earliest-offset")]);
    let metadata = |name: &str, sql_type| ColumnSpec::metadata(SqlField::new(name, sql_type), name, true);
    let map = SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("value", SqlType::BYTES)));
    table.columns = vec![
        metadata("topic", SqlType::STRING),
        metadata("partition", SqlType::BigInt),
        metadata("offset", SqlType::BigInt),
        metadata("timestamp", SqlType::Timestamp(3)),
        metadata("timestamp-type", SqlType::STRING),
        metadata("leader-epoch", SqlType::Int),
        metadata("headers", map),
    ];
    let read_all = fresh(&source(&broker, &table));
    assert_eq!(read_all.rows.len(), 2, "{:?}", read_all.rows);
    assert!(read_all.rows[0].starts_with("t|3|0|1970-01-01 00:00:01.500|CreateTime|NULL|"), "{}", read_all.rows[0]);
    assert!(read_all.rows[1].starts_with("t|3|1|NULL|NoTimestampType|NULL|"), "{}", read_all.rows[1]);
    assert_eq!(read_all.dead, ["2: the name of a header is not valid UTF-8"]);
    table.columns[3].field.nullable = false;
    let strict = fresh(&source(&broker, &table));
    assert_eq!(strict.dead[0], "1: the record has no timestamp, and column \"timestamp\" is NOT NULL");
}
