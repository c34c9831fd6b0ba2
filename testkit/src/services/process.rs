//! A component's process: it answers on a port, and ends with its owner, also when the owner panics or is killed.

use super::Result;
use super::tool;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long a component may take to answer.
const PATIENCE: Duration = Duration::from_secs(180);

/// How often a component is started anew on other ports, when somebody took one of them meanwhile.
const ATTEMPTS: u32 = 3;

/// The shell script between a component and its owner.
const GUARD: &str = include_str!("../../services/guard.sh");

/// Name of the guard, by which `cargo xtask services down` knows it.
pub const GUARD_NAME: &str = "freshet-guard";

/// A running component; dropping it ends the process by its pid and takes its folder away.
pub(super) struct Running {
    guard: Child,
    name: &'static str,
    /// Keeps the component's data until it has ended.
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts `command` with its output in `folder/log`, and waits until `is_ready` says so.
    pub(super) fn start(
        name: &'static str,
        folder: tempfile::TempDir,
        command: &Command,
        mut is_ready: impl FnMut(&Path) -> bool,
    ) -> Result<Self> {
        let log = folder.path().join("log");
        let file =
            || File::options().append(true).create(true).open(&log).map_err(|e| format!("{}: {e}", log.display()));
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, GUARD_NAME]).arg(folder.path()).arg(command.get_program()).args(command.get_args());
        guard.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        // In a group of its own, Ctrl-C at the terminal does not end the guard before it has cleaned up.
        guard.stdin(Stdio::piped()).stdout(file()?).stderr(file()?).process_group(0);
        let guard = guard.spawn().map_err(|e| format!("sh does not start: {e}"))?;
        let mut running = Self { guard, name, folder };
        let begun = Instant::now();
        loop {
            if is_ready(running.folder.path()) {
                return Ok(running);
            }
            let ended = running.guard.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(20).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                return Err(format!("{name} did not come up ({ended:?}):\n{}", tail.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Leaves the process and its data; gives the pid of its guard, which ends both when it is told to end.
    pub(super) fn detach(self) -> u32 {
        let mut running = std::mem::ManuallyDrop::new(self);
        // A guard that is gone has nothing to be told.
        let _ = running.guard.stdin.take().map(|mut pipe| pipe.write_all(b"stay\n"));
        running.folder.disable_cleanup(true);
        running.guard.id()
    }
}

#[expect(clippy::print_stderr, reason = "a drop cannot return its error")]
impl Drop for Running {
    fn drop(&mut self) {
        // The guard sees the end of its input, and ends the component.
        drop(self.guard.stdin.take());
        if let Err(e) = self.guard.wait() {
            eprintln!("{} (pid {}) did not end: {e}", self.name, self.guard.id());
        }
    }
}

/// Starts a component, on other ports again when one of them was taken between our look and its own.
pub(super) fn start_on_free_ports<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    let was_taken = |text: &str| text.contains("in use") || text.contains("BindException");
    for _ in 1..ATTEMPTS {
        match start() {
            Err(text) if was_taken(&text) => {}
            done => return done,
        }
    }
    start()
}

/// A port that was free a moment ago. Below those that the system gives to outgoing connections, and never one that this
/// process has had before.
pub(super) fn free_port() -> Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let random = std::hash::RandomState::new().hash_one(std::process::id());
        AtomicU16::new((random % u64::from(COUNT)) as u16)
    });
    for _ in 0..COUNT {
        let port = FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port on loopback".into())
}

/// Whether what listens on `port` answers `request` with bytes that `is_right` for.
pub(super) fn answers(port: u16, request: &[u8], is_right: impl Fn(&[u8]) -> bool) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let patience = Duration::from_millis(500);
        let mut stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(request)?;
        let mut answer = [0; 64];
        let length = stream.read(&mut answer)?;
        Ok(answer[..length].to_vec())
    };
    ask().is_ok_and(|answer| is_right(&answer))
}

/// Whether an HTTP server on `port` answers a GET of `path` with 200.
pub(super) fn answers_http(port: u16, path: &str) -> bool {
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    answers(port, request.as_bytes(), |answer| answer.starts_with(b"HTTP/1.") && answer.get(8..12) == Some(b" 200"))
}

/// `java` with flags for a quick start and little memory.
pub(super) fn java(heap_mb: u32, lib: &Path, folder: &Path) -> Result<Command> {
    let mut command = Command::new(tool::java()?);
    command.args([format!("-Xmx{heap_mb}m"), "-XX:+UseSerialGC".into(), "-XX:TieredStopAtLevel=1".into()]);
    command.arg(format!("-Djava.io.tmpdir={}", folder.display()));
    command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
    command.arg("-cp").arg(lib.join("*"));
    Ok(command)
}

/// A temporary folder for a component.
pub(super) fn folder(name: &str) -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("freshet-{name}-"))
        .tempdir()
        .map_err(|e| format!("no temporary folder: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component that only waits.
    fn sleeper() -> (Running, std::path::PathBuf, String) {
        let folder = folder("sleeper").unwrap();
        let path = folder.path().to_path_buf();
        let mut command = Command::new("sleep");
        command.arg("1000");
        let is_ready = |folder: &Path| std::fs::read_to_string(folder.join("pid")).is_ok_and(|p| p.ends_with('\n'));
        let running = Running::start("sleeper", folder, &command, is_ready).unwrap();
        let pid = std::fs::read_to_string(path.join("pid")).unwrap().trim().to_string();
        (running, path, pid)
    }

    fn is_alive(pid: &str) -> bool {
        Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
    }

    #[test]
    fn a_component_ends_with_its_owner() {
        let (running, path, pid) = sleeper();
        assert!(is_alive(&pid));
        drop(running);
        assert!(!is_alive(&pid));
        assert!(!path.exists());
    }

    #[test]
    fn a_component_ends_when_its_owner_is_killed() {
        let (running, path, pid) = sleeper();
        // What the system does for a process that was killed: it closes its end of the pipe, and runs no destructor.
        let mut running = std::mem::ManuallyDrop::new(running);
        drop(running.guard.stdin.take());
        running.guard.wait().unwrap();
        assert!(!is_alive(&pid));
        assert!(!path.exists(), "the guard takes the folder away");
    }

    #[test]
    fn a_component_that_was_left_running_ends_when_its_guard_is_told_to() {
        let (running, path, pid) = sleeper();
        let guard = running.detach().to_string();
        // The guard is no child of this process's children; give it the time to hear.
        std::thread::sleep(Duration::from_millis(200));
        assert!(is_alive(&pid));
        assert!(Command::new("kill").arg(&guard).status().unwrap().success());
        let begun = Instant::now();
        while path.exists() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!is_alive(&pid));
        assert!(!path.exists());
    }

    #[test]
    fn what_does_not_come_up_tells_its_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'the port is in use'; exit 3"]);
        let mut tries = 0;
        let failed = start_on_free_ports(|| {
            tries += 1;
            Running::start("broken", folder("broken")?, &command, |_| false).map(drop)
        });
        assert!(failed.unwrap_err().contains("the port is in use"));
        assert_eq!(tries, ATTEMPTS);
    }

    #[test]
    fn ports_are_never_given_twice() {
        let mut ports: Vec<u16> = (0..100).map(|_| free_port().unwrap()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 100);
    }
}
