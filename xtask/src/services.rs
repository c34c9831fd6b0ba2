//! `cargo xtask services up NAME ...`: real components on loopback for a session at the keyboard; `down` ends them.

use freshet_testkit::services::{Hdfs, IcebergRest, Kafka, Readers, S3};
use std::path::PathBuf;
use std::process::Command;

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
    Component {
        name: "s3",
        up: || {
            let s3 = S3::start()?;
            let line = format!("S3={}\nS3_ENDPOINT={}", s3.url(), s3.endpoint());
            Ok((Some(s3.detach()), line))
        },
    },
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

/// `up NAME ...`, or `down`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    match arguments.split_first() {
        Some((verb, names)) if verb == "up" && !names.is_empty() => names.iter().try_for_each(|name| up(name)),
        Some((verb, [])) if verb == "down" => down(),
        _ => {
            let names: Vec<&str> = COMPONENTS.iter().map(|c| c.name).collect();
            Err(format!("usage: cargo xtask services up NAME ... | down; names: {}", names.join(" ")))
        }
    }
}

/// Where the pids of components that were left running are kept.
fn pid_file() -> PathBuf {
    std::env::temp_dir().join("freshet-services.pids")
}

fn up(name: &str) -> Result<(), String> {
    let component =
        COMPONENTS.iter().find(|c| c.name == name).ok_or_else(|| format!("no component named \"{name}\""))?;
    let (pid, line) = (component.up)()?;
    println!("{line}");
    if let Some(pid) = pid {
        let mut pids = std::fs::read_to_string(pid_file()).unwrap_or_default();
        pids += &format!("{pid} {name}\n");
        std::fs::write(pid_file(), pids).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Ends what `up` started, by pid, when the pid still belongs to a Java or Python process.
fn down() -> Result<(), String> {
    for line in std::fs::read_to_string(pid_file()).unwrap_or_default().lines() {
        let Some((pid, name)) = line.split_once(' ') else { continue };
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if command.contains("java") || command.contains("moto") {
            let ended = Command::new("kill").arg(pid).status().is_ok_and(|s| s.success());
            println!("{name} (pid {pid}) {}", if ended { "ended" } else { "could not be ended" });
        }
    }
    match std::fs::remove_file(pid_file()) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.to_string()),
        _ => Ok(()),
    }
}
