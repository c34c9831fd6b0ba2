//! Old spellings of options, mended with a notice each.

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
    ("format.type", "format"),
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
    for ignored in ["connector.version", "format.derive-schema", "update-mode", "connector.property-version"] {
        if options.remove(ignored).is_some() {
            notices.push(format!("option '{ignored}' has no meaning any more and is left out"));
        }
    }
    if let Some(format) = options.get("format").map(str::to_string) {
        for (old, new) in [
            ("format.ignore-parse-errors".to_string(), format!("{format}.ignore-parse-errors")),
            ("format.fail-on-missing-field".into(), format!("{format}.fail-on-missing-field")),
            ("format.field-delimiter".into(), format!("{format}.field-delimiter")),
        ] {
            rename(options, &old, &new, &mut notices);
        }
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

fn rename(options: &mut Options, old: &str, new: &str, notices: &mut Vec<String>) {
    let Some(value) = options.remove(old) else { return };
    if options.get(new).is_some() {
        notices.push(format!("option '{old}' is an old spelling of '{new}', which is there too: it is left out"));
    } else {
        notices.push(format!("option '{old}' is an old spelling: '{new}' = '{value}' was assumed"));
        options.set(new, value);
    }
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
