//! Options and spellings; what needs a broker is tested in the test kit.

use super::Kafka;
use super::options::{Layout, Place, ScanOptions, SinkOptions, client_settings};
use crate::testing::table;
use freshet_connector_api::Connector;
use freshet_types::{Options, Result, SqlType};
use std::collections::BTreeMap;

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().copied().collect()
}

fn said<T>(result: Result<T>) -> String {
    result.err().map_or_else(|| "fine".into(), |e| e.to_string())
}

#[test]
fn old_spellings_are_mended_with_a_notice() {
    let mut old = options(&[
        ("connector", "kafka"),
        ("startup-mode", "earliest-offset"),
        ("connector.topic", "t"),
        ("connector.version", "universal"),
        ("connector.properties.0.key", "bootstrap.servers"),
        ("connector.properties.0.value", "b:1"),
        ("connector.properties.group.id", "g"),
    ]);
    let notices = Kafka.upgrade_options(&mut old);
    assert_eq!(
        old,
        options(&[
            ("connector", "kafka"),
            ("scan.startup.mode", "earliest-offset"),
            ("topic", "t"),
            ("properties.bootstrap.servers", "b:1"),
            ("properties.group.id", "g"),
            ("format", "json"),
        ])
    );
    assert_eq!(notices.len(), 6, "{notices:?}");
    assert!(notices.contains(&"no format is named: 'format' = 'json' was assumed".to_string()));
}

#[test]
fn places_are_read() {
    let start = |pairs: &[(&str, &str)]| {
        let mut all = options(pairs);
        all.set("topic", "a;b");
        ScanOptions::parse(&all).map(|s| s.start)
    };
    assert_eq!(start(&[]).unwrap(), Place::Group);
    assert_eq!(start(&[("scan.startup.mode", "latest-offset")]).unwrap(), Place::Latest);
    let specific = [
        ("scan.startup.mode", "specific-offsets"),
        ("scan.startup.specific-offsets", "partition:0,offset:42;partition:1,offset:300"),
    ];
    assert_eq!(start(&specific).unwrap(), Place::Specific(BTreeMap::from([(0, 42), (1, 300)])));
    assert!(said(start(&[("scan.startup.mode", "timestamp")])).contains("scan.startup.timestamp-millis"));
    let wrong = [("scan.startup.mode", "specific-offsets"), ("scan.startup.specific-offsets", "0:42")];
    assert!(said(start(&wrong)).contains("write it as partition:0,offset:42"));
}

#[test]
fn properties_are_translated_or_refused() {
    let jaas = r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="ann" password='p"w';"#;
    let settings = client_settings(&options(&[
        ("properties.sasl.jaas.config", jaas),
        ("properties.sasl.mechanism", "PLAIN"),
        ("properties.value.deserializer", "X"),
        ("properties.fetch.max.wait.ms", "5"),
    ]))
    .unwrap();
    let pairs: Vec<_> = settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let expected =
        [("fetch.wait.max.ms", "5"), ("sasl.mechanism", "PLAIN"), ("sasl.password", "p\"w"), ("sasl.username", "ann")];
    assert_eq!(pairs, expected);
    for refused in ["plugin.library.paths", "ssl.engine.location", "debug", "bootstrap.server"] {
        let error = client_settings(&options(&[(&format!("properties.{refused}"), "x")]));
        assert!(said(error).starts_with(&format!("no property named \"{refused}\"")));
    }
    assert!(said(client_settings(&options(&[("properties.ssl.truststore.location", "a.jks")]))).contains("PEM"));
}

#[test]
fn columns_are_split_between_key_and_value() {
    let columns = [("k_id", SqlType::BigInt), ("name", SqlType::STRING)];
    let layout = |pairs: &[(&str, &str)]| {
        Layout::parse(&table(&columns, pairs)).map(|l| (l.key_columns.clone(), l.value_columns.clone()))
    };
    let keyed = [("value.format", "json"), ("key.format", "json"), ("key.fields", "k_id")];
    assert_eq!(layout(&keyed).unwrap(), (vec![0], vec![0, 1]));
    let mut apart = keyed.to_vec();
    apart.extend([("value.fields-include", "EXCEPT_KEY"), ("key.fields-prefix", "k_")]);
    assert_eq!(layout(&apart).unwrap(), (vec![0], vec![1]));
    assert!(said(layout(&[("format", "json"), ("key.fields", "k_id")])).contains("key.format"));
    assert!(said(layout(&[("format", "json"), ("key.format", "raw"), ("key.fields", "x")])).contains("\"x\""));
}

#[test]
fn exactly_once_needs_a_prefix() {
    let once = [("topic", "t"), ("sink.delivery-guarantee", "exactly-once")];
    assert!(said(SinkOptions::parse(&options(&once))).contains("sink.transactional-id-prefix"));
    assert!(said(SinkOptions::parse(&options(&[("topic", "a;b")]))).contains("one topic"));
}
