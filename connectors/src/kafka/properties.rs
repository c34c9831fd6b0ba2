//! From properties of Java's Kafka client to those of librdkafka, which knows most of them under the same name.
//!
//! Only listed properties go through: some of librdkafka's load code or files of the user's choice.

use freshet_types::{Error, Options, Result, suggest};
use std::collections::BTreeMap;

/// Properties that both clients know under one name.
const SAME: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "api.version.request",
    "batch.num.messages",
    "batch.size",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "check.crcs",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "connections.max.idle.ms",
    "delivery.timeout.ms",
    "enable.idempotence",
    "enable.sparse.connections",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.max.age.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.curves.list",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "ssl.sigalgs.list",
    "sticky.partitioning.linger.ms",
    "topic.metadata.refresh.interval.ms",
    "transaction.timeout.ms",
];

/// Properties with another name in librdkafka.
const RENAMED: &[(&str, &str)] = &[
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("max.request.size", "message.max.bytes"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
];

/// Properties that mean nothing here, or what the source does anyway; users are told so.
const IGNORED: &[&str] = &[
    "auto.commit.interval.ms",
    "buffer.memory",
    "client.id.prefix",
    "commit.offsets.on.checkpoint",
    "default.api.timeout.ms",
    "enable.auto.commit",
    "enable.metrics.push",
    "exclude.internal.topics",
    "flink.partition-discovery.interval-millis",
    "key.deserializer",
    "key.serializer",
    "max.block.ms",
    "max.poll.records",
    "metadata.max.idle.ms",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partition.assignment.strategy",
    "partition.discovery.interval.ms",
    "register.consumer.metrics",
    "sasl.kerberos.kinit.cmd",
    "ssl.enabled.protocols",
    "ssl.keystore.type",
    "ssl.protocol",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "transaction.two.phase.commit.enable",
    "value.deserializer",
    "value.serializer",
    "zookeeper.connect",
];

/// Whether a property is left out.
pub(super) fn is_ignored(name: &str) -> bool {
    IGNORED.contains(&name)
}

/// Settings for librdkafka.
///
/// # Errors
/// `kafka.property` for what is not known or not allowed.
pub(super) fn settings(properties: &Options) -> Result<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    for (name, value) in properties.iter() {
        if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == name) {
            settings.insert((*new).to_string(), value.to_string());
        } else if SAME.contains(&name) {
            settings.insert(name.to_string(), value.to_string());
        } else if !is_ignored(name) && name != "auto.offset.reset" {
            special(name, value, properties, &mut settings)?;
        }
    }
    if let Some(mechanism) = properties.get("sasl.mechanism").or(properties.get("sasl.mechanisms"))
        && !matches!(mechanism, "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512")
    {
        return Err(Error::unsupported("kafka.property", format!("sasl.mechanism \"{mechanism}\" is not there"))
            .hint("use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"));
    }
    Ok(settings)
}

fn special(name: &str, value: &str, all: &Options, settings: &mut BTreeMap<String, String>) -> Result<()> {
    let kind = |name: &str| all.get(name).unwrap_or("JKS").to_ascii_uppercase();
    let unsupported = |text: &str, hint: &str| Err(Error::unsupported("kafka.property", text).hint(hint));
    match name {
        "sasl.jaas.config" => {
            let login = |field| jaas_value(value, field);
            match (login("username"), login("password")) {
                (Some(user), Some(password)) => {
                    settings.insert("sasl.username".into(), user);
                    settings.insert("sasl.password".into(), password);
                    Ok(())
                }
                _ => unsupported(
                    "sasl.jaas.config has no username and password",
                    "write username=\"...\" password=\"...\" of PlainLoginModule or ScramLoginModule",
                ),
            }
        }
        "ssl.truststore.location" if kind("ssl.truststore.type") == "PEM" => {
            settings.insert("ssl.ca.location".into(), value.into());
            Ok(())
        }
        // Key and certificates stand in one file.
        "ssl.keystore.location" if kind("ssl.keystore.type") == "PEM" => {
            settings.insert("ssl.certificate.location".into(), value.into());
            settings.insert("ssl.key.location".into(), value.into());
            Ok(())
        }
        "ssl.truststore.certificates" => {
            settings.insert("ssl.ca.pem".into(), value.into());
            Ok(())
        }
        "ssl.keystore.location" if kind("ssl.keystore.type") == "PKCS12" => {
            settings.insert("ssl.keystore.location".into(), value.into());
            Ok(())
        }
        "ssl.keystore.certificate.chain" => {
            settings.insert("ssl.certificate.pem".into(), value.into());
            Ok(())
        }
        "ssl.keystore.key" => {
            settings.insert("ssl.key.pem".into(), value.into());
            Ok(())
        }
        "ssl.truststore.location" | "ssl.keystore.location" => unsupported(
            "Java key stores cannot be read",
            "use PEM files: properties.ssl.ca.location, .ssl.certificate.location and .ssl.key.location",
        ),
        "ssl.endpoint.identification.algorithm" => {
            let value = if value.is_empty() { "none" } else { value };
            settings.insert(name.into(), value.into());
            Ok(())
        }
        _ => {
            let known = SAME.iter().chain(RENAMED.iter().map(|(old, _)| old)).copied();
            Err(Error::invalid(
                "kafka.property",
                format!("no property named \"{name}\" is passed on to the Kafka client"),
            )
            .hint(suggest::hint(name, "properties", known)))
        }
    }
}

/// The value of `field` in a login configuration such as `...PlainLoginModule required username="a" password="b";`.
fn jaas_value(text: &str, field: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let at = rest.find(field)?;
        let starts_word = at == 0 || rest[..at].ends_with(|c: char| c.is_whitespace());
        let behind = rest[at + field.len()..].trim_start();
        if starts_word && let Some(value) = behind.strip_prefix('=') {
            let value = value.trim_start();
            let quote = value.chars().next().filter(|c| *c == '"' || *c == '\'');
            let Some(quote) = quote else {
                return Some(
                    value.split(|c: char| c.is_whitespace() || c == ';').next().unwrap_or_default().to_string(),
                );
            };
            let mut out = String::new();
            let mut chars = value[1..].chars();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => out.extend(chars.next()),
                    c if c == quote => return Some(out),
                    c => out.push(c),
                }
            }
            return None;
        }
        rest = &rest[at + field.len()..];
    }
}
