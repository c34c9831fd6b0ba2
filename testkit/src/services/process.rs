//! A child process that answers on a port, and ends with its owner.

use super::Result;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a component may take to answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running component; dropping it ends the process by its pid.
pub(super) struct Running {
    child: Child,
    name: &'static str,
    /// Keeps the component's data until it has ended.
    _folder: tempfile::TempDir,
}

impl Running {
    /// Starts `command` with its output in `folder/log`, and waits until `is_ready` says so.
    pub(super) fn start(
        name: &'static str,
        folder: tempfile::TempDir,
        command: &mut Command,
        mut is_ready: impl FnMut(&Path) -> bool,
    ) -> Result<Self> {
        let log = folder.path().join("log");
        let file =
            || File::options().append(true).create(true).open(&log).map_err(|e| format!("{}: {e}", log.display()));
        let child = command.stdin(Stdio::null()).stdout(file()?).stderr(file()?).spawn();
        let child = child.map_err(|e| {
            format!("{name} does not start ({e}); install Java: apt-get install -y openjdk-17-jre-headless")
        })?;
        let mut running = Self { child, name, _folder: folder };
        let begun = Instant::now();
        loop {
            if is_ready(running._folder.path()) {
                return Ok(running);
            }
            let ended = running.child.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(20).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                return Err(format!("{name} did not come up ({ended:?}):\n{}", tail.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Leaves the process running; its data stays too.
    pub(super) fn detach(self) -> u32 {
        let pid = self.pid();
        let mut running = std::mem::ManuallyDrop::new(self);
        running._folder.disable_cleanup(true);
        pid
    }
}

#[expect(clippy::print_stderr, reason = "a drop cannot return its error")]
impl Drop for Running {
    fn drop(&mut self) {
        if let Err(e) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("{} (pid {}) did not end: {e}", self.name, self.child.id());
        }
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    listener.map(|a| a.port()).map_err(|e| format!("no free port on loopback: {e}"))
}

/// Whether something listens on `port`.
pub(super) fn answers(port: u16) -> bool {
    TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_millis(200)).is_ok()
}

/// `java` with flags for a quick start and little memory.
pub(super) fn java(heap_mb: u32, lib: &Path, folder: &Path) -> Command {
    let mut command = Command::new("java");
    command.args([format!("-Xmx{heap_mb}m"), "-XX:+UseSerialGC".into(), "-XX:TieredStopAtLevel=1".into()]);
    command.arg(format!("-Djava.io.tmpdir={}", folder.display()));
    command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
    command.arg("-cp").arg(lib.join("*"));
    command
}

/// A temporary folder for a component.
pub(super) fn folder(name: &str) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("freshet-{name}-"))
        .tempdir()
        .map_err(|e| format!("no temporary folder: {e}"))
}
