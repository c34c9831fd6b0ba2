//! What a job says and does when its files are damaged, gone, or held by another process: one clear line, exit 1, and what
//! was written stays as it is.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A job that keeps state, in a folder of its own.
struct Place(tempfile::TempDir);

const KEYED: &str = "SELECT DISTINCT k, v FROM t";

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.path("in")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn give(&self, name: &str, lines: std::ops::Range<u32>) {
        let text: String = lines.map(|i| format!("{},{i}\n", i % 7)).collect();
        std::fs::write(self.path("in").join(name), text).unwrap();
    }

    fn command(&self, watch: bool) -> Command {
        let watch = if watch { ", 'source.monitor-interval' = '50 ms'" } else { "" };
        let sql = format!(
            "SET 'execution.checkpointing.interval' = '20 ms';
CREATE TEMPORARY TABLE t (k INT, v INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv'{watch});
CREATE TABLE IF NOT EXISTS kept (k INT, v INT);
INSERT INTO kept {KEYED};",
            self.path("in").display()
        );
        std::fs::write(self.path("job.sql"), sql).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_freshet"));
        command.args(["run", "job.sql", "--data", "data", "--workers", "2"]).current_dir(self.0.path());
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    fn run(&self) -> Output {
        self.command(false).output().unwrap()
    }

    fn succeed(&self) {
        let output = self.run();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The line with which a run fails.
    fn fail(&self) -> String {
        let output = self.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty(), "stdout is for rows");
        said.lines()
            .find(|line| line.starts_with("error: "))
            .unwrap_or_else(|| panic!("no error line: {said}"))
            .to_owned()
    }

    fn rows(&self) -> usize {
        let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
            .args(["sql", "-o", "tsv", "--data", "data", "-c", "SELECT * FROM kept;"])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout.iter().filter(|b| **b == b'\n').count()
    }

    /// Files of the job that begin with `prefix`, sorted by the number behind it.
    fn files(&self, prefix: &str) -> Vec<PathBuf> {
        let folder = self.path("data/jobs/job");
        let number = |path: &Path| -> u64 {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name[prefix.len()..].split(['-', '.']).next().unwrap().parse().unwrap()
        };
        let all = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
        let mut found: Vec<PathBuf> =
            all.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with(prefix)).collect();
        found.sort_by_key(|path| number(path));
        found
    }
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

/// Two runs, so that there is a checkpoint behind the newest one.
fn twice() -> Place {
    let place = Place::new();
    place.give("a.csv", 0..300);
    place.succeed();
    place.give("b.csv", 300..500);
    place.succeed();
    assert_eq!(place.rows(), 500);
    place
}

#[test]
fn a_damaged_root_file_is_named_with_what_is_left() {
    let place = twice();
    let newest = place.files("root-").pop().unwrap();
    flip(&newest);
    let line = place.fail();
    assert!(line.starts_with("error: state.corrupt: "), "{line}");
    let name = newest.file_name().unwrap().to_string_lossy();
    assert!(line.contains(&*name) && line.contains("checkpoint"), "{line}");
    assert_eq!(place.fail(), line, "a second look says the same: nothing was deleted");
    assert_eq!(place.rows(), 500, "what was written stays");
}

#[test]
fn a_damaged_or_missing_state_file_is_named() {
    for (code, harm) in [
        ("state.corrupt", flip as fn(&Path)),
        ("state.corrupt", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() - 7]).unwrap();
        }),
        ("state.missing", |path| std::fs::remove_file(path).unwrap()),
    ] {
        let place = twice();
        let segment = place.files("segment-").pop().unwrap();
        harm(&segment);
        let line = place.fail();
        assert!(line.starts_with(&format!("error: {code}: ")), "{line}");
        assert!(line.contains(&*segment.file_name().unwrap().to_string_lossy()), "{line}");
        assert!(line.contains("--from-scratch"), "{line}");
        assert_eq!(place.rows(), 500);
    }
}

#[test]
fn going_on_from_an_older_checkpoint_repeats_nothing_in_silence() {
    let place = Place::new();
    place.give("a.csv", 0..300);
    place.succeed();
    let files = || std::fs::read_dir(place.path("data/jobs/job")).unwrap().map(|f| f.unwrap().path());
    let kept: Vec<_> = files().map(|path| (std::fs::read(&path).unwrap(), path)).collect();
    place.give("b.csv", 300..500);
    place.succeed();
    // The job's files are those of the first run again, as after a backup was played back; the table is ahead of them.
    files().for_each(|path| std::fs::remove_file(path).unwrap());
    kept.iter().for_each(|(bytes, path)| std::fs::write(path, bytes).unwrap());
    place.give("c.csv", 500..600);
    let line = place.fail();
    assert!(line.starts_with("error: lake.ahead: "), "{line}");
    assert_eq!(place.rows(), 500);
}

#[test]
fn a_second_process_is_refused_by_name() {
    let place = Place::new();
    place.give("a.csv", 0..100);
    let mut first = place.command(true).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while place.path("data/jobs/job").read_dir().map_or(0, |files| {
        files.filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().starts_with("root-")).count()
    }) == 0
    {
        assert!(since.elapsed() < Duration::from_secs(60), "the first process makes no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    let line = place.fail();
    assert!(line.starts_with("error: state.locked: job \"job\" is already running"), "{line}");
    first.kill().unwrap();
    first.wait().unwrap();
    place.succeed();
    assert_eq!(place.rows(), 100);
}
