//! Iceberg's own REST catalog adapter, over SQLite.

use super::Result;
use super::install::{self, Artifact};
use super::process::{self, Running};

const ARTIFACTS: &[Artifact] = &[
    ("org.apache.iceberg", "iceberg-core", "1.11.0", "tests"),
    ("org.apache.iceberg", "iceberg-core", "1.11.0", ""),
    ("org.eclipse.jetty", "jetty-server", "12.1.5", ""),
    ("org.eclipse.jetty.ee10", "jetty-ee10-servlet", "12.1.5", ""),
    ("org.apache.hadoop", "hadoop-client-api", "3.4.2", ""),
    ("org.apache.hadoop", "hadoop-client-runtime", "3.4.2", ""),
    ("org.xerial", "sqlite-jdbc", "3.50.3.0", ""),
    ("org.slf4j", "slf4j-simple", "2.0.17", ""),
];
const PROGRAM: &str = include_str!("../../services/IcebergRest.java");

/// A REST catalog with an empty warehouse on local disk.
pub struct IcebergRest {
    running: Running,
    port: u16,
}

impl IcebergRest {
    /// Starts it.
    pub fn start() -> Result<Self> {
        process::start_on_free_ports(Self::start_once)
    }

    /// Gets what it is made of.
    pub(super) fn install() -> Result<std::path::PathBuf> {
        install::jars("iceberg-rest", ARTIFACTS)
    }

    fn start_once() -> Result<Self> {
        let lib = Self::install()?;
        let folder = process::folder("iceberg-rest")?;
        let port = process::free_port()?;
        let program = folder.path().join("IcebergRest.java");
        std::fs::write(&program, PROGRAM).map_err(|e| e.to_string())?;
        let mut command = process::java(256, &lib, folder.path())?;
        command.arg(&program).arg(folder.path()).arg(port.to_string());
        let is_ready = |_: &std::path::Path| process::answers_http(port, "/v1/config");
        let running = Running::start("iceberg-rest", folder, &command, is_ready)?;
        Ok(Self { running, port })
    }

    /// `http://host:port`.
    pub fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Leaves it running; gives its pid.
    pub fn detach(self) -> u32 {
        self.running.detach()
    }
}
