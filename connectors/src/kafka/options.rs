//! Options of `kafka`, under Flink's names.

use super::properties;
use freshet_connector_api::{ColumnOrigin, TableSpec};
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::required("properties.bootstrap.servers", OptionKind::Text, "host:port of one or more brokers"),
    OptionSpec::optional("topic", OptionKind::Text, "topic; a source may read several, separated by ;"),
    OptionSpec::optional("topic-pattern", OptionKind::Text, "regular expression that names of topics match wholly"),
    OptionSpec::optional("properties.*", OptionKind::Text, "passed on to the Kafka client"),
    OptionSpec::optional("key.fields", OptionKind::Text, "columns of the record's key, separated by ;"),
    OptionSpec::optional(
        "key.fields-prefix",
        OptionKind::Text,
        "what key columns begin with but the key's fields do not",
    ),
    OptionSpec::with_default(
        "value.fields-include",
        OptionKind::OneOf(&["ALL", "EXCEPT_KEY"]),
        "ALL",
        "whether key columns stand in the record's value, too",
    ),
    OptionSpec::with_default(
        "scan.startup.mode",
        OptionKind::OneOf(&["earliest-offset", "latest-offset", "group-offsets", "timestamp", "specific-offsets"]),
        "group-offsets",
        "where a job that has no checkpoint begins; a group without offsets begins at the earliest",
    ),
    OptionSpec::optional("scan.startup.timestamp-millis", OptionKind::Int, "for mode timestamp"),
    OptionSpec::optional(
        "scan.startup.specific-offsets",
        OptionKind::Text,
        "such as partition:0,offset:42;partition:1,offset:300",
    ),
    OptionSpec::with_default(
        "scan.bounded.mode",
        OptionKind::OneOf(&["unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"]),
        "unbounded",
        "where reading ends",
    ),
    OptionSpec::optional("scan.bounded.timestamp-millis", OptionKind::Int, "for mode timestamp"),
    OptionSpec::optional(
        "scan.bounded.specific-offsets",
        OptionKind::Text,
        "first offset of each partition that is not read",
    ),
    OptionSpec::with_default(
        "scan.topic-partition-discovery.interval",
        OptionKind::Duration,
        "5 min",
        "how often to look for new partitions; 0 for never",
    ),
    OptionSpec::with_default(
        "sink.partitioner",
        OptionKind::Text,
        "default",
        "default (by key), fixed (one partition per worker) or round-robin",
    ),
    OptionSpec::with_default(
        "sink.delivery-guarantee",
        OptionKind::OneOf(&["none", "at-least-once", "exactly-once"]),
        "at-least-once",
        "what becomes of rows at a crash",
    ),
    OptionSpec::optional(
        "sink.transactional-id-prefix",
        OptionKind::Text,
        "for exactly-once: what names of transactions begin with, different for each job",
    ),
    OptionSpec::accepted(
        "sink.transaction-naming-strategy",
        OptionKind::OneOf(&["default", "incrementing", "pooling"]),
        "each sink has one transaction at a time, under one name",
    ),
];

/// Which topics a table stands for.
#[derive(Debug, Clone)]
pub(super) enum Topics {
    Listed(Vec<String>),
    Pattern(regex::Regex),
}

impl Topics {
    /// Whether `topic` is one of them.
    pub(super) fn contain(&self, topic: &str) -> bool {
        match self {
            Topics::Listed(names) => names.iter().any(|n| n == topic),
            Topics::Pattern(pattern) => !topic.starts_with("__") && pattern.is_match(topic),
        }
    }
}

/// A place in partitions, found when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Earliest,
    Latest,
    Group,
    Timestamp(i64),
    /// By partition; others are at the place of the group.
    Specific(BTreeMap<i32, i64>),
}

/// What the source's options say.
#[derive(Debug, Clone)]
pub(super) struct ScanOptions {
    pub(super) topics: Topics,
    pub(super) start: Place,
    pub(super) end: Option<Place>,
    pub(super) discovery_interval: Option<Duration>,
    /// Where a group without an offset begins; none when that is an error.
    pub(super) reset: Option<Place>,
}

impl ScanOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        let place = |kind: &str, default: &str| -> Result<Option<Place>> {
            let option = format!("scan.{kind}.mode");
            let mode = options.get(&option).unwrap_or(default).to_ascii_lowercase();
            let needs = |detail: &str| {
                let name = format!("scan.{kind}.{detail}");
                match options.get(&name) {
                    Some(text) => Ok((name.clone(), text.to_string())),
                    None => Err(Error::invalid("option.missing", format!("option \"{name}\" is missing"))
                        .hint(format!("add '{name}' = '...', which '{option}' = '{mode}' needs"))),
                }
            };
            Ok(Some(match mode.as_str() {
                "unbounded" => return Ok(None),
                "earliest-offset" => Place::Earliest,
                "latest-offset" => Place::Latest,
                "group-offsets" => Place::Group,
                "timestamp" => {
                    let (name, _) = needs("timestamp-millis")?;
                    Place::Timestamp(options.int(&name)?.unwrap_or_default())
                }
                _ => {
                    let (name, text) = needs("specific-offsets")?;
                    Place::Specific(specific_offsets(&name, &text)?)
                }
            }))
        };
        let start = place("startup", "group-offsets")?.unwrap_or(Place::Group);
        let end = place("bounded", "unbounded")?;
        let interval = options.duration("scan.topic-partition-discovery.interval")?.unwrap_or(Duration::from_secs(300));
        let discovers = end.is_none() && !interval.is_zero();
        let reset = match options.get("properties.auto.offset.reset") {
            None | Some("earliest" | "smallest" | "beginning") => Some(Place::Earliest),
            Some("latest" | "largest" | "end") => Some(Place::Latest),
            Some("none" | "error") => None,
            Some(other) => {
                return Err(Error::invalid(
                    "option.invalid",
                    format!("option \"properties.auto.offset.reset\" is \"{other}\""),
                )
                .hint(freshet_types::suggest::hint(other, "values", ["earliest", "latest", "none"])));
            }
        };
        Ok(Self { topics: topics(options)?, start, end, discovery_interval: discovers.then_some(interval), reset })
    }
}

fn topics(options: &Options) -> Result<Topics> {
    match (options.get("topic"), options.get("topic-pattern")) {
        (Some(_), Some(_)) => Err(Error::invalid("kafka.topic", "both a topic and a topic pattern are given")
            .hint("leave either topic or topic-pattern out")),
        (Some(list), None) => {
            let names: Vec<String> =
                list.split(';').map(str::trim).filter(|n| !n.is_empty()).map(str::to_string).collect();
            if names.is_empty() {
                return Err(Error::invalid("option.invalid", "option \"topic\" is empty").hint("write a topic's name"));
            }
            Ok(Topics::Listed(names))
        }
        (None, Some(pattern)) => {
            let whole = regex::Regex::new(&format!("^(?:{pattern})$"));
            Ok(Topics::Pattern(whole.map_err(|e| {
                Error::invalid("option.invalid", format!("option \"topic-pattern\" is no regular expression: {e}"))
                    .hint("write a regular expression such as orders-.*")
            })?))
        }
        (None, None) => Err(Error::invalid("option.missing", "option \"topic\" is missing")
            .hint("add 'topic' = '...', or 'topic-pattern' = '...' for a source")),
    }
}

fn specific_offsets(name: &str, text: &str) -> Result<BTreeMap<i32, i64>> {
    let wrong = || {
        Error::invalid("option.invalid", format!("option \"{name}\" is \"{text}\""))
            .hint("write it as partition:0,offset:42;partition:1,offset:300")
    };
    let mut offsets = BTreeMap::new();
    for pair in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let (partition, offset) = pair.split_once(',').ok_or_else(wrong)?;
        let partition = partition.trim().strip_prefix("partition:").and_then(|n| n.trim().parse().ok());
        let offset = offset.trim().strip_prefix("offset:").and_then(|n| n.trim().parse().ok());
        let (Some(partition), Some(offset)) = (partition, offset) else { return Err(wrong()) };
        if partition < 0 || offset < 0 || offsets.insert(partition, offset).is_some() {
            return Err(wrong());
        }
    }
    if offsets.is_empty() { Err(wrong()) } else { Ok(offsets) }
}

/// What the sink promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Never,
    AtLeastOnce,
    ExactlyOnce,
}

/// Which partition a row goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partitioner {
    /// By the key, else wherever the client finds it good.
    Client,
    /// One per worker.
    Fixed,
    RoundRobin,
}

/// What the sink's options say.
#[derive(Debug, Clone)]
pub(super) struct SinkOptions {
    pub(super) topic: String,
    pub(super) delivery: Delivery,
    pub(super) partitioner: Partitioner,
    /// Names transactions begin with it.
    pub(super) transactional_prefix: String,
}

impl SinkOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        let topic = match topics(options)? {
            Topics::Listed(names) if names.len() == 1 => names.into_iter().next().unwrap_or_default(),
            _ => {
                return Err(Error::unsupported("kafka.topics", "rows are written to one topic only")
                    .hint("name one topic in 'topic'"));
            }
        };
        let delivery =
            match options.get("sink.delivery-guarantee").unwrap_or("at-least-once").to_ascii_lowercase().as_str() {
                "none" => Delivery::Never,
                "exactly-once" => Delivery::ExactlyOnce,
                _ => Delivery::AtLeastOnce,
            };
        let transactional_prefix = match (delivery, options.get("sink.transactional-id-prefix")) {
            (Delivery::ExactlyOnce, None | Some("")) => {
                return Err(Error::invalid("option.missing", "option \"sink.transactional-id-prefix\" is missing")
                    .hint(
                        "add 'sink.transactional-id-prefix' = '...', different for each job that writes exactly once",
                    ));
            }
            (_, prefix) => prefix.unwrap_or_default().to_string(),
        };
        let partitioner = match options.get("sink.partitioner").unwrap_or("default").to_ascii_lowercase().as_str() {
            "default" | "" => Partitioner::Client,
            "fixed" => Partitioner::Fixed,
            "round-robin" => Partitioner::RoundRobin,
            other => {
                return Err(Error::unsupported("kafka.partitioner", format!("there is no partitioner \"{other}\""))
                    .hint("use default, fixed or round-robin; Java classes are not loaded"));
            }
        };
        Ok(Self { topic, delivery, partitioner, transactional_prefix })
    }
}

/// How columns lie in key and value.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// Format of the value and its prefix.
    pub(super) value_format: String,
    pub(super) value_prefix: &'static str,
    /// Columns in the value, as indices into the table's.
    pub(super) value_columns: Vec<usize>,
    /// Format of the key, when there is one.
    pub(super) key_format: Option<String>,
    /// Columns in the key, as indices into the table's.
    pub(super) key_columns: Vec<usize>,
    /// What stands before the names of key columns.
    pub(super) key_name_prefix: String,
}

impl Layout {
    pub(super) fn parse(table: &TableSpec) -> Result<Self> {
        let options = &table.options;
        let (value_format, value_prefix) = match (options.get("format"), options.get("value.format")) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("kafka.format", "both format and value.format are given")
                    .hint("leave either of them out"));
            }
            (Some(format), None) => (format, ""),
            (None, Some(format)) => (format, "value."),
            (None, None) => {
                return Err(
                    Error::invalid("option.missing", "option \"format\" is missing").hint("add 'format' = 'json'")
                );
            }
        };
        let key_name_prefix = options.get("key.fields-prefix").unwrap_or_default().to_string();
        let key_format = options.get("key.format").map(str::to_string);
        let except_key = options.get("value.fields-include").is_some_and(|v| v.eq_ignore_ascii_case("EXCEPT_KEY"));
        let physical = table.physical();
        let mut key_columns = Vec::new();
        let names = options.get("key.fields").unwrap_or_default();
        for name in names.split(';').map(str::trim).filter(|n| !n.is_empty()) {
            let found = physical.iter().copied().find(|i| table.columns[*i].field.name == name).ok_or_else(|| {
                let known = physical.iter().map(|i| table.columns[*i].field.name.as_str());
                Error::invalid(
                    "kafka.key_fields",
                    format!("key.fields names \"{name}\", which is no column of the record"),
                )
                .hint(freshet_types::suggest::hint(name, "columns", known))
            })?;
            if !name.starts_with(&key_name_prefix) {
                return Err(Error::invalid(
                    "kafka.key_fields",
                    format!("key column \"{name}\" does not begin with \"{key_name_prefix}\""),
                )
                .hint("let the names of all key columns begin with key.fields-prefix"));
            }
            key_columns.push(found);
        }
        match (&key_format, key_columns.is_empty()) {
            (Some(_), true) => {
                return Err(Error::invalid("kafka.key_fields", "key.format is given, but no column is in the key")
                    .hint("add 'key.fields' = '...'"));
            }
            (None, false) => {
                return Err(Error::invalid("kafka.key_fields", "key.fields is given, but key.format is missing")
                    .hint("add 'key.format' = '...'"));
            }
            _ => {}
        }
        if !key_name_prefix.is_empty() && !except_key {
            return Err(Error::invalid("kafka.key_fields", "key.fields-prefix needs a value without the key columns")
                .hint("add 'value.fields-include' = 'EXCEPT_KEY'"));
        }
        let value_columns =
            physical.into_iter().filter(|i| !(except_key && key_columns.contains(i))).collect::<Vec<_>>();
        Ok(Self {
            value_format: value_format.into(),
            value_prefix,
            value_columns,
            key_format,
            key_columns,
            key_name_prefix,
        })
    }

    /// Name of a key column inside the key.
    pub(super) fn key_name<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(self.key_name_prefix.as_str()).unwrap_or(name)
    }
}

/// Refuses metadata columns that do not exist.
pub(super) fn check_metadata(table: &TableSpec, known: &[&str], written: bool) -> Result<()> {
    for column in &table.columns {
        if let ColumnOrigin::Metadata { key, read_only } = &column.origin {
            if written && *read_only {
                continue;
            }
            if !known.contains(&key.as_str()) {
                let hint = freshet_types::suggest::hint(key, "metadata", known.iter().copied());
                return Err(Error::invalid("kafka.metadata", format!("metadata \"{key}\" cannot be used here"))
                    .at("column", &column.field.name)
                    .hint(if written {
                        "declare the column VIRTUAL: it cannot be written".to_string()
                    } else {
                        hint
                    }));
            }
        }
    }
    Ok(())
}

/// Settings of the client.
pub(super) fn client_settings(options: &Options) -> Result<BTreeMap<String, String>> {
    properties::settings(&options.with_prefix("properties."))
}
