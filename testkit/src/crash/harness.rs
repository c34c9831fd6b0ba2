//! The real binary on a job of some pieces: starts it, lets it die, reads its sinks.

use super::input::{Given, Input};
use super::pieces::{Piece, Takes};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that has not died by then is killed: a point that is not passed is a fault of another kind.
const PATIENCE: Duration = Duration::from_secs(4);
/// Time between files that appear while a job watches.
const FEED_EVERY: Duration = Duration::from_millis(120);

/// How a process dies.
#[derive(Debug)]
pub(crate) enum Fault {
    /// `kill -9` so long after its start.
    Kill(Duration),
    /// `kill -9` so long after its next checkpoint has a root file.
    KillAfterCheckpoint(Duration),
    /// By itself, at this pass of this point.
    Point(String),
}

/// Whether the job ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It watches its folders.
    Watch,
    /// It reads what is there.
    ToEnd,
}

pub(crate) struct Harness {
    binary: PathBuf,
    pub(crate) folder: PathBuf,
    pieces: Vec<(&'static Piece, Sink)>,
    checkpoint_ms: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    Lake,
    Files,
    Lines,
}

impl Harness {
    pub(crate) fn new(binary: &Path, folder: &Path, pieces: Vec<&'static Piece>, rng: &mut ChaCha8Rng) -> Self {
        let sink = |piece: &Piece, files: bool| match piece.takes {
            Takes::Lines => Sink::Lines,
            Takes::LakeOrFiles if files => Sink::Files,
            _ => Sink::Lake,
        };
        let pieces = pieces.into_iter().map(|piece| (piece, sink(piece, rng.random_bool(0.5)))).collect();
        let checkpoint_ms = rng.random_range(10..150);
        Self { binary: binary.to_path_buf(), folder: folder.to_path_buf(), pieces, checkpoint_ms }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn catalog(&self) -> String {
        format!("CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://{}');", self.path("lake"))
    }

    fn script(&self, mode: Mode) -> String {
        let watch = if mode == Mode::Watch { ", 'source.monitor-interval' = '40 ms'" } else { "" };
        let mut sql = format!(
            "SET 'execution.checkpointing.interval' = '{} ms';
{}
CREATE DATABASE IF NOT EXISTS lake.d;
CREATE TEMPORARY TABLE events (id BIGINT, k INT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json'{watch});
CREATE TEMPORARY TABLE marks (k INT, m BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json'{watch});
CREATE TEMPORARY TABLE names (k INT, name STRING)
WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');\n",
            self.checkpoint_ms,
            self.catalog(),
            self.path("events"),
            self.path("marks"),
            self.path("names"),
        );
        let mut inserts = String::new();
        for (Piece { name, columns, query, .. }, sink) in &self.pieces {
            let target = match sink {
                Sink::Lake => {
                    sql += &format!("CREATE TABLE IF NOT EXISTS lake.d.{name} ({columns});\n");
                    format!("lake.d.{name}")
                }
                Sink::Files => {
                    let path = self.path(&format!("out/{name}"));
                    sql += &format!(
                        "CREATE TEMPORARY TABLE to_{name} ({columns})
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv');\n"
                    );
                    format!("to_{name}")
                }
                Sink::Lines => {
                    sql += &format!(
                        "CREATE TEMPORARY TABLE to_{name} ({columns}) WITH ('connector' = 'print', 'print-identifier' = '{name}');\n"
                    );
                    format!("to_{name}")
                }
            };
            inserts += &format!("INSERT INTO {target} {query};\n");
        }
        sql + &format!("EXECUTE STATEMENT SET BEGIN\n{inserts}END;\n")
    }

    fn spawn(&self, mode: Mode, workers: usize, point: Option<&str>) -> Result<Child, String> {
        let file = self.folder.join("job.sql");
        std::fs::write(&file, self.script(mode)).map_err(|e| e.to_string())?;
        let mut command = Command::new(&self.binary);
        command.arg("run").arg(file).arg("--data").arg(self.folder.join("state"));
        command.args(["--workers", &workers.to_string()]).stdin(Stdio::null());
        // Files, not pipes: nobody reads while the process runs.
        let file = |name: &str| std::fs::File::create(self.folder.join(name)).map_err(|e| e.to_string());
        command.stdout(file("stdout")?).stderr(file("stderr")?).env("NO_COLOR", "1");
        match point {
            Some(point) => command.env("FRESHET_FAILPOINT", point),
            None => command.env_remove("FRESHET_FAILPOINT"),
        };
        command.spawn().map_err(|e| e.to_string())
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default().trim().to_string()
    }

    /// Number of the newest checkpoint that has a root file.
    fn newest_root(&self) -> u64 {
        let Ok(files) = std::fs::read_dir(self.folder.join("state/jobs/job")) else { return 0 };
        let id = |name: String| name.strip_prefix("root-")?.strip_suffix(".json")?.parse().ok();
        files.flatten().filter_map(|f| id(f.file_name().to_string_lossy().into_owned())).max().unwrap_or(0)
    }

    /// Starts the job and lets the fault happen while files appear. Whether it died of it; it may also come to its end.
    pub(crate) fn die(&self, input: &mut Input, mode: Mode, workers: usize, fault: &Fault) -> Result<bool, String> {
        let point = if let Fault::Point(point) = fault { Some(point.as_str()) } else { None };
        let mut child = self.spawn(mode, workers, point)?;
        let (start, first_root, mut fed) = (Instant::now(), self.newest_root(), Instant::now());
        let mut at = match fault {
            Fault::Kill(after) => Some(start + *after),
            _ => None,
        };
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
                break status;
            }
            if let (Fault::KillAfterCheckpoint(after), None) = (fault, at)
                && self.newest_root() > first_root
            {
                at = Some(Instant::now() + *after);
            }
            if at.is_some_and(|at| at <= Instant::now()) || start.elapsed() > PATIENCE {
                // The process may have ended by itself.
                let _ = child.kill();
                break child.wait().map_err(|e| e.to_string())?;
            }
            if mode == Mode::Watch && fed.elapsed() >= FEED_EVERY {
                input.write_next(&self.folder).map_err(|e| e.to_string())?;
                fed = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // An exit code is a decision of the program; after a kill or an abort there is none.
        match status.code() {
            None => {
                let said = self.said();
                // An abort that nobody asked for is a defect.
                let aborted = !said.is_empty() && said.contains("panicked");
                if aborted { Err(format!("the process died by itself: {said}")) } else { Ok(true) }
            }
            Some(0) if mode == Mode::ToEnd => Ok(false),
            Some(code) => Err(format!("{fault:?}: exit {code}: {}", self.said())),
        }
    }

    /// Runs the job to its end; gives what it printed.
    pub(crate) fn finish(&self, workers: usize) -> Result<String, String> {
        let status = self.spawn(Mode::ToEnd, workers, None)?.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            return Err(format!("a run to the end failed: {}", self.said()));
        }
        std::fs::read_to_string(self.folder.join("stdout")).map_err(|e| e.to_string())
    }

    /// Every sink that keeps its rows against the model.
    pub(crate) fn compare(&self, given: &Given) -> Result<(), String> {
        for (piece, sink) in &self.pieces {
            let want = (piece.model)(given);
            match sink {
                Sink::Lake => self.compare_table(piece, want)?,
                Sink::Files => same(piece.name, self.read_files(piece.name)?, want)?,
                Sink::Lines => {}
            }
        }
        let reads_events = self.pieces.iter().any(|(piece, _)| piece.query.contains("events"));
        if given.bad_lines.is_empty() || !reads_events {
            return Ok(());
        }
        let got = self.sql("SELECT CAST(raw AS STRING) FROM dead_letters;")?;
        same("dead_letters", got, given.bad_lines.clone())
    }

    /// What was printed must take the rows of the model before to those of the model after.
    pub(crate) fn compare_lines(&self, printed: &str, before: &Given, after: &Given) -> Result<(), String> {
        for (piece, sink) in &self.pieces {
            if *sink != Sink::Lines {
                continue;
            }
            let mut sums: BTreeMap<String, i64> = BTreeMap::new();
            (piece.model)(before).into_iter().for_each(|row| *sums.entry(row).or_default() += 1);
            let prefix = format!("{}> ", piece.name);
            for line in printed.lines().filter_map(|line| line.strip_prefix(&prefix)) {
                let row = line.get(3..line.len() - 1).unwrap_or_default().replace(", ", "\t").replace("null", "\\N");
                *sums.entry(row).or_default() += if line.starts_with('+') { 1 } else { -1 };
            }
            (piece.model)(after).into_iter().for_each(|row| *sums.entry(row).or_default() -= 1);
            sums.retain(|_, sum| *sum != 0);
            if let Some((row, sum)) = sums.first_key_value() {
                let count = sums.len();
                return Err(format!("{}: {count} rows differ after one more file; first: {row:?} {sum:+}", piece.name));
            }
        }
        Ok(())
    }

    fn sql(&self, text: &str) -> Result<Vec<String>, String> {
        let output = Command::new(&self.binary)
            .args(["sql", "-o", "tsv", "--data"])
            .arg(self.folder.join("state"))
            .args(["-c", &format!("{} {text}", self.catalog())])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(format!("{text}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
    }

    fn compare_table(&self, piece: &Piece, want: Vec<String>) -> Result<(), String> {
        let Piece { name, .. } = piece;
        same(name, self.sql(&format!("SELECT * FROM lake.d.{name};"))?, want)?;
        let output = Command::new(&self.binary)
            .args(["lake", "verify", &format!("lake.d.{name}"), "--setup", &self.catalog(), "--data"])
            .arg(self.folder.join("state"))
            .output()
            .map_err(|e| e.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).trim().to_string()).join("\n");
        Err(format!("lake verify {name}: {text}"))
    }

    /// Committed files only: what was staged and never committed does not count.
    fn read_files(&self, name: &str) -> Result<Vec<String>, String> {
        let mut rows = Vec::new();
        let mut folders = vec![self.folder.join("out").join(name)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with(['.', '_']) {
                    continue;
                }
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let text = std::fs::read_to_string(entry.path()).map_err(|e| e.to_string())?;
                    rows.extend(text.lines().map(|l| l.replace(',', "\t").replace('"', "")));
                }
            }
        }
        Ok(rows)
    }
}

/// Refuses rows that differ from the model's as multisets.
fn same(what: &str, mut got: Vec<String>, mut want: Vec<String>) -> Result<(), String> {
    got.sort();
    want.sort();
    if got == want {
        return Ok(());
    }
    let first = got.iter().zip(&want).find(|(g, w)| g != w);
    let (mut repeated, mut before) = (0, None);
    for row in &got {
        repeated += usize::from(before == Some(row));
        before = Some(row);
    }
    Err(format!(
        "{what}: {} rows, {} expected, {repeated} repeated; first difference: {first:?}",
        got.len(),
        want.len()
    ))
}
