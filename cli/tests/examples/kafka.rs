//! Examples that read small topics.

use crate::example::{Example, sorted};
use crate::topic;
use freshet_testkit::services::{Hdfs, Kafka};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Final counts of a printed changelog.
fn last_counts(changes: &str) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in changes.lines() {
        let (kind, row) = line.split_at(2);
        let row = row.trim().trim_start_matches('[').trim_end_matches(']');
        let (user, n) = row.split_once(',').unwrap_or_else(|| panic!("not a change: {line}"));
        let held = counts.entry(user.trim().to_string()).or_default();
        let n = n.trim().parse().unwrap();
        if kind.starts_with('+') {
            held.push(n);
        } else {
            held.remove(held.iter().position(|h| *h == n).expect("what is taken back was there"));
        }
    }
    assert!(counts.values().all(|held| held.len() == 1), "a user has one count at last: {counts:?}");
    counts.into_iter().map(|(user, held)| (user, held[0])).collect()
}

#[test]
fn kafka_to_hdfs() {
    let (kafka, hdfs) = (Kafka::shared().unwrap(), Hdfs::shared().unwrap());
    let mut example = Example::new("kafka_to_hdfs");
    example.set("BOOTSTRAP", &kafka.address());
    example.set("HDFS", &format!("{}/kafka_to_hdfs", hdfs.url()));
    topic::make(&kafka.address(), "test_topic", 1);
    topic::fill(&kafka.address(), "test_topic", &example.file("test_topic.jsonl"));
    example.check(&["job.sql"]);
    // Twice: the second run has nothing to add.
    for _ in 0..2 {
        let job = example.start("job.sql");
        let begun = Instant::now();
        while example.try_run("query.sql").is_none_or(|rows| rows != example.expected()) {
            assert!(begun.elapsed() < Duration::from_secs(120), "{:?}\n{}", example.try_run("query.sql"), job.stop().1);
        }
        let (rows, said) = job.stop();
        assert_eq!(rows, "");
        for assumed in ["'format' = 'json' was assumed", "'scan.startup.mode' = 'earliest-offset' was assumed"] {
            assert!(said.contains(assumed), "not said: {assumed}\n{said}");
        }
        assert_eq!(example.run("query.sql").0, example.expected());
    }
}

#[test]
fn purchases() {
    let (kafka, hdfs) = (Kafka::shared().unwrap(), Hdfs::shared().unwrap());
    let mut example = Example::new("purchases");
    example.set("BOOTSTRAP", &kafka.address());
    example.set("HDFS", &format!("{}/purchases", hdfs.url()));
    topic::make(&kafka.address(), "events", 1);
    topic::fill(&kafka.address(), "events", &example.file("events.jsonl"));
    example.check(&["job.sql"]);
    let (changes, _) = example.run("job.sql");
    let expected: BTreeMap<String, u64> = [("1", 3), ("2", 3), ("3", 2)].map(|(user, n)| (user.to_string(), n)).into();
    assert_eq!(last_counts(&changes), expected, "{changes}");
    example.check(&["read.sql"]);
    assert_eq!(example.run("read.sql").0, example.expected());
    let (again, _) = example.run("job.sql");
    assert_eq!(sorted(&again), Vec::<&str>::new(), "a second run has nothing to add");
    assert_eq!(example.run("read.sql").0, example.expected());

    for verb in ["check", "run"] {
        let output = example.command(verb, "refused.sql").output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        let refused = std::fs::read_to_string(example.file("refused.txt")).unwrap();
        assert!(said.contains(refused.trim()), "{verb} said:\n{said}");
    }
}
