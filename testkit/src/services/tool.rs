//! Programs of the system that the rig stands on: found, or installed by the system's own installer where that is asked for.

use super::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Versions of Java that all components run on: Kafka needs 17, Hadoop stops at 23.
const JAVA: std::ops::RangeInclusive<u32> = 17..=23;

/// A program of the system.
struct Tool {
    name: &'static str,
    is_there: fn() -> bool,
    /// Debian's and Ubuntu's packages: the first that the release has is taken.
    debian: &'static [&'static str],
    /// Homebrew's formula.
    brew: &'static str,
}

static TOOLS: &[Tool] = &[
    Tool {
        name: "Java 17 to 23",
        is_there: || find_java().is_some(),
        debian: &["openjdk-17-jre-headless", "openjdk-21-jre-headless"],
        brew: "openjdk@17",
    },
    Tool { name: "Maven", is_there: || works("mvn", &["--version"]), debian: &["maven"], brew: "maven" },
    Tool {
        name: "Python with venv",
        is_there: || works("python3", &["-c", "import venv, ensurepip"]),
        debian: &["python3-venv"],
        brew: "python",
    },
    Tool { name: "npm", is_there: || works("npm", &["--version"]), debian: &["npm"], brew: "node" },
];

/// The line that installs all of them.
pub(super) fn install_line() -> String {
    if cfg!(target_os = "macos") {
        let formulas: Vec<&str> = TOOLS.iter().map(|t| t.brew).collect();
        format!("brew install {}", formulas.join(" "))
    } else {
        let packages: Vec<&str> = TOOLS.iter().map(|t| t.debian[0]).collect();
        format!("apt-get install -y {}", packages.join(" "))
    }
}

/// Installs what is missing of them, by `apt-get` or `brew`; says what it does.
///
/// # Errors
/// The line that installs it, when this cannot.
#[expect(clippy::print_stderr, reason = "whoever waits for an installation is told of it")]
pub fn install_missing() -> Result<()> {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|t| !(t.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|t| t.name).collect();
    let cannot = |why: &str| format!("missing: {}; {why}; type: {}", names.join(", "), install_line());
    let mut install = if works("apt-get", &["--version"]) {
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
        if !is_root && !works("sudo", &["--version"]) {
            return Err(cannot("not root, and no sudo"));
        }
        let as_root = |program: &str| {
            let mut command = Command::new(if is_root { program } else { "sudo" });
            command.args((!is_root).then_some(program));
            command
        };
        // An old list of packages may do.
        let _ = as_root("apt-get").args(["update", "-qq"]).stdout(Stdio::null()).status();
        let is_known = |package: &&str| works("apt-cache", &["show", package]);
        let packages = missing.iter().map(|t| *t.debian.iter().find(|p| is_known(p)).unwrap_or(&t.debian[0]));
        let mut command = as_root("env");
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends"]);
        command.args(["-o", "DPkg::Lock::Timeout=300"]).args(packages);
        command
    } else if works("brew", &["--version"]) {
        let mut command = Command::new("brew");
        command.args(["install", "--quiet"]).args(missing.iter().map(|t| t.brew));
        command
    } else {
        return Err(cannot("neither apt-get nor brew is here"));
    };
    eprintln!("services: installing {} ({install:?})", names.join(", "));
    let installed = install.stdin(Stdio::null()).stdout(Stdio::null()).status().map_err(|e| cannot(&e.to_string()))?;
    match missing.iter().find(|t| !(t.is_there)()) {
        None => Ok(()),
        Some(tool) => Err(cannot(&format!("{} is not there after the installation ({installed})", tool.name))),
    }
}

/// Java.
pub(super) fn java() -> Result<&'static Path> {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    match find_java() {
        Some(found) => Ok(FOUND.get_or_init(|| found)),
        None => Err(format!("no Java {} to {}; install it: {}", JAVA.start(), JAVA.end(), install_line())),
    }
}

/// Tells `command` which Java to take, when it is not the first on the path.
pub(super) fn with_java(command: &mut Command) -> Result<()> {
    let java = java()?;
    if let Some(home) = java.parent().and_then(Path::parent).filter(|_| java.is_absolute()) {
        command.env("JAVA_HOME", home);
    }
    Ok(())
}

fn find_java() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> =
        std::env::var_os("JAVA_HOME").map(|h| Path::new(&h).join("bin/java")).into_iter().collect();
    places.push("java".into());
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/jvm")
        .map(|entries| entries.flatten().map(|e| e.path().join("bin/java")).collect())
        .unwrap_or_default();
    installed.sort();
    places.extend(installed);
    places.extend(["/opt/homebrew", "/usr/local"].map(|b| Path::new(b).join("opt/openjdk@17/bin/java")));
    places.into_iter().find(|java| {
        let output = Command::new(java).arg("-version").stdin(Stdio::null()).output();
        output.is_ok_and(|o| java_version(&String::from_utf8_lossy(&o.stderr)).is_some_and(|v| JAVA.contains(&v)))
    })
}

/// The 17 of `openjdk version "17.0.15" ...`.
fn java_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("version \"")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Whether a program can be started and ends well.
pub(super) fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let status = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|s| s.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_java() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK ..."), Some(17));
        assert_eq!(java_version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(java_version("java version \"1.8.0_392\""), Some(1));
        assert_eq!(java_version("The operation couldn't be completed. Unable to locate a Java Runtime."), None);
    }

    #[test]
    fn the_install_line_names_every_tool() {
        let line = install_line();
        let is_named = |t: &Tool| line.contains(t.brew) || t.debian.iter().any(|p| line.contains(p));
        assert!(TOOLS.iter().all(is_named), "{line}");
    }
}
