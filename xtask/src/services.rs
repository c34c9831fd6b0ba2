//! `cargo xtask services up NAME ...`: real components on loopback for a session at the keyboard; `down` ends them;
//! `install` gets what the tests need.

use freshet_testkit::services::{self, GUARD_NAME, Hdfs, IcebergRest, Kafka, NIGHTLY_PARTS, PARTS, Part, Readers, S3};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Starts a component: gives the pid, if one stays, and what to export.
type Up = fn() -> Result<(Option<u32>, String), String>;

/// A component: its name, and how it is started.
struct Component {
    name: &'static str,
    up: Up,
}

static COMPONENTS: &[Component] = &[
    Component {
        name: "kafka",
        up: || {
            let kafka = Kafka::start()?;
            let line = format!("BOOTSTRAP={}", kafka.address());
            Ok((Some(kafka.detach()), line))
        },
    },
    Component {
        name: "hdfs",
        up: || {
            let hdfs = Hdfs::start()?;
            let line = format!("HDFS={}", hdfs.url());
            Ok((Some(hdfs.detach()), line))
        },
    },
    Component { name: "s3", up: || Ok(object_store(S3::moto()?)) },
    Component { name: "minio", up: || Ok(object_store(S3::minio()?)) },
    Component {
        name: "rest",
        up: || {
            let rest = IcebergRest::start()?;
            let line = format!("ICEBERG_REST={}", rest.uri());
            Ok((Some(rest.detach()), line))
        },
    },
    Component { name: "readers", up: || Ok((None, format!("READERS_PYTHON={}", Readers::get()?.python().display()))) },
];

fn object_store(s3: S3) -> (Option<u32>, String) {
    let line = format!("S3={}\nS3_ENDPOINT={}\nS3_OPTIONS=\"{}\"", s3.url(), s3.endpoint(), s3.options());
    (Some(s3.detach()), line)
}

/// `up NAME ...`, `down`, or `install`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.split_first() {
        Some((verb, names)) if verb == "up" && !names.is_empty() => names.iter().try_for_each(|name| up(name)),
        Some((verb, [])) if verb == "down" => down(),
        Some((verb, [])) if verb == "install" => {
            install(PARTS)?;
            install(NIGHTLY_PARTS)
        }
        _ => {
            let names: Vec<&str> = COMPONENTS.iter().map(|c| c.name).collect();
            Err(format!("usage: cargo xtask services up NAME ... | down | install; names: {}", names.join(" ")))
        }
    }
}

/// Gets parts that are not there yet, and the programs of the system that they stand on.
pub(crate) fn install(parts: &[Part]) -> Result<(), String> {
    services::install_missing()?;
    parts.iter().try_for_each(|(name, get)| {
        let begun = Instant::now();
        get().map_err(|e| format!("{name}: {e}"))?;
        if begun.elapsed().as_secs() > 1 {
            println!("{name} fetched in {:.0?}", begun.elapsed());
        }
        Ok(())
    })
}

/// Where the pids of components that were left running are kept.
fn pid_file() -> PathBuf {
    std::env::temp_dir().join("freshet-services.pids")
}

fn up(name: &str) -> Result<(), String> {
    let component =
        COMPONENTS.iter().find(|c| c.name == name).ok_or_else(|| format!("no component named \"{name}\""))?;
    services::install_missing()?;
    let (pid, line) = (component.up)()?;
    println!("{line}");
    if let Some(pid) = pid {
        let mut pids = std::fs::read_to_string(pid_file()).unwrap_or_default();
        pids += &format!("{pid} {name}\n");
        std::fs::write(pid_file(), pids).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// What runs under a pid; nothing when nothing does.
fn command_of(pid: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_else(|_| {
        let output = Command::new("ps").args(["-o", "args=", "-p", pid]).output();
        output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
    })
}

/// Ends what `up` started, by the pid of its guard, when that still belongs to one.
fn down() -> Result<(), String> {
    for line in std::fs::read_to_string(pid_file()).unwrap_or_default().lines() {
        let Some((pid, name)) = line.split_once(' ') else { continue };
        if command_of(pid).contains(GUARD_NAME) {
            let ended = Command::new("kill").arg(pid).status().is_ok_and(|s| s.success());
            println!("{name} (pid {pid}) {}", if ended { "ended" } else { "could not be ended" });
        }
    }
    match std::fs::remove_file(pid_file()) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.to_string()),
        _ => Ok(()),
    }
}
