//! S3: moto's server, which enforces conditional writes.

use super::Result;
use super::install;
use super::process::{self, Running};
use std::process::Command;

const BUCKET: &str = "lake";

/// An object store with one empty bucket.
pub struct S3 {
    running: Running,
    port: u16,
}

impl S3 {
    /// Starts it and makes the bucket.
    pub fn start() -> Result<Self> {
        let python = install::python("s3", &["moto[server]==5.2.5"])?;
        let folder = process::folder("s3")?;
        let port = process::free_port()?;
        let mut command = Command::new(python.with_file_name("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let running = Running::start("s3", folder, &mut command, |_| process::answers(port))?;
        let s3 = Self { running, port };
        let make = format!(
            "import urllib.request as u; u.urlopen(u.Request('{}/{BUCKET}', method='PUT', headers={{'Authorization': 'AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/s3/aws4_request'}}))",
            s3.endpoint()
        );
        let made = Command::new(&python).args(["-c", &make]).output().map_err(|e| e.to_string())?;
        if !made.status.success() {
            return Err(format!("the bucket was not made: {}", String::from_utf8_lossy(&made.stderr)));
        }
        Ok(s3)
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `s3://bucket`.
    pub fn url(&self) -> String {
        format!("s3://{BUCKET}")
    }

    /// Options for a catalog or a table that reach it.
    pub fn options(&self) -> String {
        format!(
            "'s3.endpoint' = '{}', 's3.access-key-id' = 'test', 's3.secret-access-key' = 'test', 's3.region' = 'us-east-1', 's3.path-style-access' = 'true'",
            self.endpoint()
        )
    }

    /// Leaves it running; gives its pid.
    pub fn detach(self) -> u32 {
        self.running.detach()
    }
}
