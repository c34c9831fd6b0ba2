//! One Apache Kafka broker in KRaft mode.

use super::Result;
use super::install::{self, Artifact};
use super::process::{self, Running};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const ARTIFACTS: &[Artifact] =
    &[("org.apache.kafka", "kafka_2.13", "4.3.1", ""), ("org.slf4j", "slf4j-simple", "1.7.36", "")];
const CLUSTER_ID: &str = "RnJlc2hldFRlc3RDbHVzdA";

/// ApiVersions, version 0, correlation id 7: the answer repeats the id and has no error.
const ARE_YOU_THERE: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0, 0];
const I_AM: &[u8] = &[0, 0, 0, 7, 0, 0];

/// User of the secured port, with SASL mechanism PLAIN as with SCRAM.
pub const USER: &str = "ann";
/// Their password, with a character that a login configuration must quote.
pub const PASSWORD: &str = "s3cret;word";
/// Opens the broker's own key store.
const STORE_PASSWORD: &str = "changeit";

/// A broker without data.
pub struct Kafka {
    running: Running,
    port: u16,
    secured: Option<Secured>,
}

/// The port that wants TLS and a login.
#[derive(Clone)]
struct Secured {
    port: u16,
    /// The broker's certificate as PEM.
    certificate: PathBuf,
}

impl Kafka {
    /// Starts a broker; topics are made when first written.
    pub fn start() -> Result<Self> {
        process::start_on_free_ports(|| Self::start_once(false))
    }

    /// Starts a broker that has a second port with TLS and SASL.
    pub fn start_secured() -> Result<Self> {
        process::start_on_free_ports(|| Self::start_once(true))
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

    fn start_once(is_secured: bool) -> Result<Self> {
        let lib = Self::install()?;
        let folder = process::folder("kafka")?;
        let (port, controller) = (process::free_port()?, process::free_port()?);
        let config = folder.path().join("server.properties");
        let secured = if is_secured {
            Some(Secured { port: process::free_port()?, certificate: certificate(&lib, folder.path())? })
        } else {
            None
        };
        std::fs::write(&config, properties(folder.path(), port, controller, secured.as_ref()))
            .map_err(|e| e.to_string())?;
        let mut format = process::java(128, &lib, folder.path())?;
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]).arg(&config);
        if is_secured {
            format.args(["--add-scram", &format!("SCRAM-SHA-256=[name={USER},password={PASSWORD}]")]);
        }
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
        Ok(Self { running, port, secured })
    }

    /// `host:port` for clients.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `host:port` that wants TLS and a login, and the file with the certificate that it shows.
    ///
    /// # Panics
    /// When the broker was not started with such a port.
    pub fn secured(&self) -> (String, PathBuf) {
        let Secured { port, certificate } = self.secured.clone().expect("the broker was started with a secured port");
        (format!("127.0.0.1:{port}"), certificate)
    }

    /// Leaves the broker running; gives its pid.
    pub fn detach(self) -> u32 {
        self.running.detach()
    }
}

/// Makes a key for 127.0.0.1 in `folder/store.p12`; gives its certificate as a PEM file.
fn certificate(lib: &Path, folder: &Path) -> Result<PathBuf> {
    let (store, pem) = (folder.join("store.p12"), folder.join("broker.pem"));
    // It lies beside java.
    let program = Path::new(process::java(64, lib, folder)?.get_program()).with_file_name("keytool");
    let keytool = |args: &[&str]| -> Result<Vec<u8>> {
        let mut command = Command::new(&program);
        command.args(args).arg("-keystore").arg(&store);
        command.args(["-storetype", "PKCS12", "-storepass", STORE_PASSWORD, "-alias", "broker"]);
        let output = command.stdin(Stdio::null()).output().map_err(|e| format!("keytool does not start: {e}"))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(format!("keytool failed: {}", String::from_utf8_lossy(&output.stdout)))
    };
    let names = ["-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1"];
    keytool(&[&["-genkeypair", "-keyalg", "RSA", "-validity", "30"][..], &names].concat())?;
    std::fs::write(&pem, keytool(&["-exportcert", "-rfc"])?).map_err(|e| e.to_string())?;
    Ok(pem)
}

fn properties(folder: &Path, port: u16, controller: u16, secured: Option<&Secured>) -> String {
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
    let mut more = Vec::new();
    if let Some(Secured { port, .. }) = secured {
        listeners.push_str(&format!(",SASL_SSL://127.0.0.1:{port}"));
        let protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL";
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule";
        more = vec![
            ("listener.security.protocol.map", protocols.to_string()),
            ("ssl.keystore.location", folder.join("store.p12").display().to_string()),
            ("ssl.keystore.type", "PKCS12".into()),
            ("ssl.keystore.password", STORE_PASSWORD.into()),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256".into()),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", format!("{plain} required user_{USER}=\"{PASSWORD}\";")),
            ("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config", format!("{scram} required;")),
        ];
    }
    let settings = [
        ("process.roles", "broker,controller".to_string()),
        ("node.id", "1".into()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("listeners", listeners),
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
    settings.iter().chain(&more).map(|(key, value)| format!("{key}={value}\n")).collect()
}
