//! S3: moto's server in every run, MinIO in the nightly one. Both enforce conditional writes.

use super::Result;
use super::install;
use super::process::{self, Running};
use std::process::Command;

const BUCKET: &str = "lake";
const MOTO: &[&str] = &["moto[server]==5.2.5"];
const MINIO: &str = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c";

/// An object store with one empty bucket.
pub struct S3 {
    running: Running,
    port: u16,
}

impl S3 {
    /// Who may use it.
    pub const ACCESS_KEY: &str = "test";
    /// The password.
    pub const SECRET_KEY: &str = "test-secret";

    /// Starts moto, or MinIO where `FRESHET_S3=minio` asks for it.
    pub fn start() -> Result<Self> {
        if std::env::var("FRESHET_S3").is_ok_and(|v| v == "minio") { Self::minio() } else { Self::moto() }
    }

    /// Starts moto's server.
    pub fn moto() -> Result<Self> {
        let server = Self::install_moto()?.with_file_name("moto_server");
        let s3 = process::start_on_free_ports(|| {
            let port = process::free_port()?;
            let mut command = Command::new(&server);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            let is_ready = |_: &std::path::Path| process::answers_http(port, "/");
            Ok(Self { running: Running::start("s3", process::folder("s3")?, &command, is_ready)?, port })
        })?;
        s3.make_bucket()
    }

    /// Starts MinIO.
    pub fn minio() -> Result<Self> {
        let server = Self::install_minio()?;
        let s3 = process::start_on_free_ports(|| {
            let port = process::free_port()?;
            let folder = process::folder("minio")?;
            let mut command = Command::new(&server);
            command.arg("server").arg(folder.path().join("data")).args(["--address", &format!("127.0.0.1:{port}")]);
            command.args(["--console-address", &format!("127.0.0.1:{}", process::free_port()?)]);
            command.env("MINIO_ROOT_USER", Self::ACCESS_KEY).env("MINIO_ROOT_PASSWORD", Self::SECRET_KEY);
            // Without it, MinIO keeps away from the disk of the system.
            command.env("MINIO_CI_CD", "1").env("MINIO_BROWSER", "off").env("MINIO_UPDATE", "off");
            let is_ready = |_: &std::path::Path| process::answers_http(port, "/minio/health/ready");
            Ok(Self { running: Running::start("minio", folder, &command, is_ready)?, port })
        })?;
        s3.make_bucket()
    }

    /// Gets moto, and a client of S3 with it.
    pub(super) fn install_moto() -> Result<std::path::PathBuf> {
        install::python("s3", MOTO)
    }

    /// Builds MinIO, which is published as source only.
    pub(super) fn install_minio() -> Result<std::path::PathBuf> {
        install::go("minio", MINIO)
    }

    fn make_bucket(self) -> Result<Self> {
        let make = format!(
            "import boto3; boto3.client('s3', endpoint_url='{}', region_name='us-east-1', aws_access_key_id='{}', aws_secret_access_key='{}').create_bucket(Bucket='{BUCKET}')",
            self.endpoint(),
            Self::ACCESS_KEY,
            Self::SECRET_KEY,
        );
        let made = Command::new(Self::install_moto()?).args(["-c", &make]).output().map_err(|e| e.to_string())?;
        if made.status.success() {
            return Ok(self);
        }
        Err(format!("the bucket was not made: {}", String::from_utf8_lossy(&made.stderr)))
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
            "'s3.endpoint' = '{}', 's3.access-key-id' = '{}', 's3.secret-access-key' = '{}', 's3.region' = 'us-east-1', 's3.path-style-access' = 'true'",
            self.endpoint(),
            Self::ACCESS_KEY,
            Self::SECRET_KEY,
        )
    }

    /// Leaves it running; gives its pid.
    pub fn detach(self) -> u32 {
        self.running.detach()
    }
}
