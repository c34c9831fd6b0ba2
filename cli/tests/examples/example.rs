//! One example's folder, and runs of the real binary in it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The folder of all examples: Cargo runs tests in the folder of their crate.
pub(crate) fn root() -> PathBuf {
    Path::new("../examples").canonicalize().unwrap()
}

/// An example with its variables and a working folder of its own.
pub(crate) struct Example {
    folder: PathBuf,
    work: tempfile::TempDir,
    variables: Vec<String>,
}

impl Example {
    /// The example in `examples/name`.
    pub(crate) fn new(name: &str) -> Self {
        Self { folder: root().join(name), work: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// Gives `${name}` a value.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push(format!("{name}={value}"));
    }

    /// A file of the example.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder in which it runs.
    pub(crate) fn work(&self) -> &Path {
        self.work.path()
    }

    /// Its SQL files.
    pub(crate) fn sql_files(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|n| n.ends_with(".sql")).collect();
        names.sort();
        names
    }

    /// What the example should give.
    pub(crate) fn expected(&self) -> String {
        std::fs::read_to_string(self.file("expected.tsv")).unwrap()
    }

    /// `freshet VERB FILE` in the working folder.
    pub(crate) fn command(&self, verb: &str, file: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
        command.current_dir(self.work.path()).arg(verb).arg(self.file(file)).args(["--data", "state"]);
        for variable in &self.variables {
            command.args(["--var", variable]);
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// `freshet check` finds nothing in `files`.
    pub(crate) fn check(&self, files: &[&str]) {
        for file in files {
            succeeded(&self.command("check", file).output().unwrap());
        }
    }

    /// Starts `file`, which ends when it is told to.
    pub(crate) fn start(&self, file: &str) -> Running {
        let mut command = self.command("run", file);
        Running(command.args(["--output", "tsv"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The rows of `file`; none when it cannot be run yet.
    pub(crate) fn try_run(&self, file: &str) -> Option<String> {
        let output = self.command("run", file).args(["--output", "tsv"]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Runs `file` to its end: what it wrote to standard output and to standard error.
    pub(crate) fn run(&self, file: &str) -> (String, String) {
        succeeded(&self.command("run", file).args(["--output", "tsv"]).output().unwrap())
    }
}

/// A job that runs; dropping it kills it.
pub(crate) struct Running(Child);

impl Running {
    /// Stops it as Ctrl-C does: what it wrote to standard output and to standard error.
    pub(crate) fn stop(mut self) -> (String, String) {
        assert!(self.0.try_wait().unwrap().is_none(), "the job ended by itself: {:?}", self.0.wait());
        let told = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        assert!(told.success());
        let mut texts = [String::new(), String::new()];
        self.0.stdout.take().unwrap().read_to_string(&mut texts[0]).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut texts[1]).unwrap();
        let status = self.0.wait().unwrap();
        let [rows, said] = texts;
        assert!(status.success(), "{status:?}:\n{said}");
        (rows, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// The output of a run that must have gone well.
pub(crate) fn succeeded(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (rows, said) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{:?}:\n{said}", output.status);
    assert!(!said.contains("error"), "it went well, and spoke of errors:\n{said}");
    (rows, said)
}

/// The lines of `text` in order.
pub(crate) fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}
