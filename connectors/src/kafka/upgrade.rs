//! Old spellings of Kafka's options, mended with a notice each.

use crate::spelling::{self, rename};
use freshet_types::Options;

/// Spellings that were renamed without a change of meaning.
const RENAMED: &[(&str, &str)] = &[
    ("startup-mode", "scan.startup.mode"),
    ("connector.startup-mode", "scan.startup.mode"),
    ("connector.startup-timestamp-millis", "scan.startup.timestamp-millis"),
    ("connector.specific-offsets", "scan.startup.specific-offsets"),
    ("connector.topic", "topic"),
    ("connector.sink-partitioner", "sink.partitioner"),
    ("bootstrap.servers", "properties.bootstrap.servers"),
    ("group.id", "properties.group.id"),
    ("sink.semantic", "sink.delivery-guarantee"),
    ("key.fields.prefix", "key.fields-prefix"),
];

/// Mends `options`; each returned line is a notice.
pub(super) fn upgrade(options: &mut Options) -> Vec<String> {
    let mut notices = Vec::new();
    rename_listed_properties(options, &mut notices);
    for (old, new) in RENAMED {
        rename(options, old, new, &mut notices);
    }
    let properties: Vec<String> =
        options.iter().filter_map(|(k, _)| k.strip_prefix("connector.properties.").map(str::to_string)).collect();
    for property in properties {
        let (old, new) = (format!("connector.properties.{property}"), format!("properties.{property}"));
        rename(options, &old, &new, &mut notices);
    }
    spelling::mend(options, &mut notices);
    let ignored: Vec<&str> = options
        .iter()
        .map(|(name, _)| name)
        .filter(|name| name.strip_prefix("properties.").is_some_and(super::properties::is_ignored))
        .collect();
    if !ignored.is_empty() {
        notices.push(format!("options without effect here: {}", ignored.join(", ")));
    }
    if options.get("scan.startup.mode") == Some("specific-offset") {
        options.set("scan.startup.mode", "specific-offsets");
    }
    if options.get("format").is_none() && options.get("value.format").is_none() {
        options.set("format", "json");
        notices.push("no format is named: 'format' = 'json' was assumed".into());
    }
    notices
}

/// `connector.properties.0.key` with `connector.properties.0.value`, as Flink 1.9 wrote it.
fn rename_listed_properties(options: &mut Options, notices: &mut Vec<String>) {
    let listed: Vec<String> = options
        .iter()
        .filter_map(|(k, _)| k.strip_prefix("connector.properties.")?.strip_suffix(".key"))
        .filter(|n| n.bytes().all(|b| b.is_ascii_digit()))
        .map(str::to_string)
        .collect();
    for number in listed {
        let value_name = format!("connector.properties.{number}.value");
        let Some(value) = options.remove(&value_name) else { continue };
        if let Some(key) = options.remove(&format!("connector.properties.{number}.key")) {
            notices.push(format!("option '{value_name}' is an old spelling: 'properties.{key}' was assumed"));
            options.set(format!("properties.{key}"), value);
        }
    }
}
