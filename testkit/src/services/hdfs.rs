//! HDFS: a name node and a data node in one JVM.

use super::Result;
use super::install::{self, Artifact};
use super::process::{self, Running};
use std::sync::OnceLock;

const ARTIFACTS: &[Artifact] = &[
    ("org.apache.hadoop", "hadoop-client-minicluster", "3.4.2", ""),
    ("org.apache.hadoop", "hadoop-client-api", "3.4.2", ""),
    ("org.apache.hadoop", "hadoop-client-runtime", "3.4.2", ""),
    // WebHDFS answers 500 on Java 17 without it.
    ("javax.xml.bind", "jaxb-api", "2.3.1", ""),
];
const PROGRAM: &str = include_str!("../../services/Hdfs.java");

/// An empty file system.
pub struct Hdfs {
    running: Running,
    port: u16,
}

impl Hdfs {
    /// Starts it.
    pub fn start() -> Result<Self> {
        process::start_on_free_ports(Self::start_once)
    }

    /// The file system that all tests of a process share, each in a folder of its own: it starts with the first of them and
    /// ends with the process.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<Hdfs>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    /// Gets what it is made of.
    pub(super) fn install() -> Result<std::path::PathBuf> {
        install::jars("hdfs", ARTIFACTS)
    }

    fn start_once() -> Result<Self> {
        let lib = Self::install()?;
        let folder = process::folder("hdfs")?;
        let port = process::free_port()?;
        let program = folder.path().join("Hdfs.java");
        std::fs::write(&program, PROGRAM).map_err(|e| e.to_string())?;
        let mut command = process::java(384, &lib, folder.path())?;
        command.arg(&program).arg(folder.path()).arg(port.to_string());
        let running = Running::start("hdfs", folder, &command, |folder| folder.join("ready").exists())?;
        Ok(Self { running, port })
    }

    /// `hdfs://host:port`.
    pub fn url(&self) -> String {
        format!("hdfs://127.0.0.1:{}", self.port)
    }

    /// Leaves it running; gives its pid.
    pub fn detach(self) -> u32 {
        self.running.detach()
    }
}
