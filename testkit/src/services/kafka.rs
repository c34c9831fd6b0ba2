//! One Apache Kafka broker in KRaft mode.

use super::Result;
use super::install::{self, Artifact};
use super::process::{self, Running};
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

const ARTIFACTS: &[Artifact] =
    &[("org.apache.kafka", "kafka_2.13", "4.3.1", ""), ("org.slf4j", "slf4j-simple", "1.7.36", "")];
const CLUSTER_ID: &str = "RnJlc2hldFRlc3RDbHVzdA";

/// ApiVersions, version 0, correlation id 7: the answer repeats the id and has no error.
const ARE_YOU_THERE: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0, 0];
const I_AM: &[u8] = &[0, 0, 0, 7, 0, 0];

/// A broker without data.
pub struct Kafka {
    running: Running,
    port: u16,
}

impl Kafka {
    /// Starts a broker; topics are made when first written.
    pub fn start() -> Result<Self> {
        process::start_on_free_ports(Self::start_once)
    }

    /// The broker that all tests of a process share: it starts with the first of them and ends with the process.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Kafka>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    /// Gets what it is made of.
    pub(super) fn install() -> Result<std::path::PathBuf> {
        install::jars("kafka", ARTIFACTS)
    }

    fn start_once() -> Result<Self> {
        let lib = Self::install()?;
        let folder = process::folder("kafka")?;
        let (port, controller) = (process::free_port()?, process::free_port()?);
        let config = folder.path().join("server.properties");
        std::fs::write(&config, properties(folder.path(), port, controller)).map_err(|e| e.to_string())?;
        let mut format = process::java(128, &lib, folder.path())?;
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]).arg(&config);
        let output = format.stdin(Stdio::null()).output();
        let output = output.map_err(|e| format!("java does not start: {e}"))?;
        if !output.status.success() {
            return Err(format!("kafka's storage was not formatted: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let mut command = process::java(256, &lib, folder.path())?;
        command.arg("kafka.Kafka").arg(&config);
        let running = Running::start("kafka", folder, &command, |_| {
            process::answers(port, ARE_YOU_THERE, |answer| answer.get(4..10) == Some(I_AM))
        })?;
        Ok(Self { running, port })
    }

    /// `host:port` for clients.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Leaves the broker running; gives its pid.
    pub fn detach(self) -> u32 {
        self.running.detach()
    }
}

fn properties(folder: &Path, port: u16, controller: u16) -> String {
    let settings = [
        ("process.roles", "broker,controller".to_string()),
        ("node.id", "1".into()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}")),
        ("controller.listener.names", "CONTROLLER".into()),
        ("log.dirs", folder.join("data").display().to_string()),
        ("num.partitions", "1".into()),
        ("offsets.topic.num.partitions", "4".into()),
        ("offsets.topic.replication.factor", "1".into()),
        ("transaction.state.log.num.partitions", "4".into()),
        ("transaction.state.log.replication.factor", "1".into()),
        ("transaction.state.log.min.isr", "1".into()),
        ("share.coordinator.state.topic.replication.factor", "1".into()),
        ("share.coordinator.state.topic.min.isr", "1".into()),
        ("group.initial.rebalance.delay.ms", "0".into()),
        // The default takes 128 MB of heap.
        ("log.cleaner.dedupe.buffer.size", "4194304".into()),
    ];
    settings.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}
