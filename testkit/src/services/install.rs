//! Gets jars and Python packages into the cache folder, once.

use super::Result;
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The line that installs what the rig builds on, on Debian and Ubuntu.
const BASE: &str = "apt-get install -y openjdk-17-jre-headless maven python3-venv";

/// The cache folder for `name`, made when missing.
pub(super) fn cache(name: &str) -> Result<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = var("FRESHET_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|c| c.join("freshet/services")))
        .or_else(|| var("HOME").map(|h| h.join(".cache/freshet/services")))
        .ok_or("no folder for the components; set FRESHET_CACHE")?;
    let folder = base.join(name);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// Runs `make` unless `folder/done` is there; only one process at a time.
pub(super) fn once(folder: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let done = folder.join("done");
    if done.exists() {
        return Ok(());
    }
    let lock = File::create(folder.join("lock")).map_err(|e| format!("{}: {e}", folder.display()))?;
    lock.lock().map_err(|e| format!("{}: {e}", folder.display()))?;
    if done.exists() {
        return Ok(());
    }
    make()?;
    std::fs::write(&done, "").map_err(|e| format!("{}: {e}", done.display()))
}

/// A Maven artifact: group, name, version, and `tests` when its test jar is meant (without what that depends on).
pub(super) type Artifact = (&'static str, &'static str, &'static str, &'static str);

/// The folder that holds the jars of `artifacts` and all that they need.
pub(super) fn jars(name: &str, artifacts: &[Artifact]) -> Result<PathBuf> {
    let folder = cache(name)?;
    let lib = folder.join("lib");
    once(&folder, || {
        let mut pom = String::from(
            "<project><modelVersion>4.0.0</modelVersion><groupId>freshet</groupId><artifactId>rig</artifactId><version>1</version><packaging>pom</packaging><dependencies>",
        );
        for (group, artifact, version, classifier) in artifacts {
            let _ = write!(
                pom,
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
            );
            if !classifier.is_empty() {
                let _ = write!(
                    pom,
                    "<classifier>{classifier}</classifier><exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
                );
            }
            pom += "</dependency>";
        }
        pom += "</dependencies></project>";
        let file = folder.join("pom.xml");
        std::fs::write(&file, pom).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new("mvn");
        command.args(["-B", "-q", "-f"]).arg(&file).arg("dependency:copy-dependencies");
        command.arg(format!("-DoutputDirectory={}", lib.display()));
        run(&mut command, BASE)
    })?;
    Ok(lib)
}

/// The Python of a virtual environment that has `packages`.
pub(super) fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = cache(name)?;
    let python = folder.join("venv/bin/python");
    once(&folder, || {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")), BASE)?;
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"];
        run(Command::new(&python).args(pip).args(packages), BASE)
    })?;
    Ok(python)
}

/// Runs `command`; `install` is the line that installs what it needs.
pub(super) fn run(command: &mut Command, install: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name} does not start ({e}); install it: {install}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).trim().to_string()).join("\n");
    Err(format!("{name} failed; is the package registry reachable? if {name} is broken: {install}\n{text}"))
}
