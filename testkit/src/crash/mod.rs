//! The crash harness: a seeded random job, killed again and again, compared row for row with a model computed in batch.
//!
//! One seed decides the input, the job, the faults and the worker counts. The model ([`model`]) is plain Rust over sorted
//! vectors: it shares no code with the engine. After the last run every sink must hold the model's rows exactly once,
//! `freshet lake verify` must find nothing, and one run more must change nothing.

mod input;
mod model;

use input::Input;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the job does with its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Filter and projection.
    Stateless,
    /// Count, sum and maximum per key and tumbling window.
    Windows,
    /// Two inputs joined by key.
    Join,
    /// All of them in one statement set.
    Set,
}

/// Runs the real binary at `binary` through the faults of `seed`.
///
/// # Errors
/// A text that says which invariant was broken, with the faults that led there.
pub fn run(binary: &Path, seed: u64) -> Result<String, String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let job = *[Job::Stateless, Job::Windows, Job::Join, Job::Set].choose(&mut rng).expect("the list is not empty");
    let rows = rng.random_range(2_000..20_000);
    let input = Input::generate(&mut rng, rows);
    input.write(folder.path()).map_err(|e| e.to_string())?;
    let harness = Harness { binary: binary.to_path_buf(), folder: folder.path().to_path_buf(), job };
    harness.write_script(rng.random_range(20..200))?;

    let mut faults = String::new();
    let kills = rng.random_range(3..8);
    for _ in 0..kills {
        let workers = *[1, 2, 4].choose(&mut rng).expect("the list is not empty");
        let fault = if rng.random_bool(0.5) {
            let name = *freshet_types::failpoint::FAILPOINTS.choose(&mut rng).expect("there are failpoints");
            Fault::Point(format!("{name}:{}", rng.random_range(1..6)))
        } else {
            Fault::Kill(Duration::from_millis(rng.random_range(5..900)))
        };
        let _ = write!(faults, "{fault:?} at {workers} workers; ");
        harness.start(workers, &fault).map_err(|e| format!("seed {seed} ({job:?}): {e}\n  after {faults}"))?;
    }
    let tell = |e: String| format!("seed {seed} ({job:?}): {e}\n  after {faults}");
    harness.finish(2).map_err(tell)?;
    harness.compare(&input).map_err(tell)?;
    harness.finish(1).map_err(tell)?;
    harness.compare(&input).map_err(|e| tell(format!("a run that had nothing to do changed something: {e}")))?;
    Ok(format!("seed {seed}: {job:?}, {} rows, {kills} faults", input.events.len()))
}

#[derive(Debug)]
enum Fault {
    /// `kill -9` after so long.
    Kill(Duration),
    /// The process dies by itself at this pass of this point.
    Point(String),
}

struct Harness {
    binary: PathBuf,
    folder: PathBuf,
    job: Job,
}

impl Harness {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn write_script(&self, checkpoint_ms: u32) -> Result<(), String> {
        let mut sql = format!(
            "SET 'execution.checkpointing.interval' = '{checkpoint_ms} ms';
CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://{lake}');
CREATE DATABASE IF NOT EXISTS lake.d;
CREATE TEMPORARY TABLE events (id BIGINT, k INT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'filesystem', 'path' = '{events}', 'format' = 'json');
CREATE TEMPORARY TABLE names (k INT, name STRING)
WITH ('connector' = 'filesystem', 'path' = '{names}', 'format' = 'csv');
CREATE TABLE IF NOT EXISTS lake.d.plain (id BIGINT, v BIGINT);
CREATE TABLE IF NOT EXISTS lake.d.windows (k INT, s TIMESTAMP(3), n BIGINT, total BIGINT, highest BIGINT);
CREATE TABLE IF NOT EXISTS lake.d.joined (id BIGINT, name STRING);
CREATE TEMPORARY TABLE copy (id BIGINT, v BIGINT)
WITH ('connector' = 'filesystem', 'path' = '{copy}', 'format' = 'csv');\n",
            lake = self.path("lake"),
            events = self.path("events"),
            names = self.path("names"),
            copy = self.path("copy"),
        );
        let plain = "INSERT INTO lake.d.plain SELECT id, v * 2 FROM events WHERE v >= 0;\n";
        let copy = "INSERT INTO copy SELECT id, v * 2 FROM events WHERE v >= 0;\n";
        let windows = "INSERT INTO lake.d.windows SELECT k, window_start, COUNT(*), SUM(v), MAX(v)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;\n";
        let joined = "INSERT INTO lake.d.joined SELECT e.id, n.name FROM events e JOIN names n ON e.k = n.k;\n";
        sql += &match self.job {
            Job::Stateless => format!("EXECUTE STATEMENT SET BEGIN\n{plain}{copy}END;\n"),
            Job::Windows => windows.to_string(),
            Job::Join => joined.to_string(),
            Job::Set => format!("EXECUTE STATEMENT SET BEGIN\n{plain}{copy}{windows}{joined}END;\n"),
        };
        std::fs::write(self.folder.join("job.sql"), sql).map_err(|e| e.to_string())
    }

    fn command(&self, workers: usize) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("run").arg(self.folder.join("job.sql")).arg("--data").arg(self.folder.join("state"));
        command.args(["--workers", &workers.to_string()]).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Starts the job and lets the fault happen; a run that ends before its fault is fine.
    fn start(&self, workers: usize, fault: &Fault) -> Result<(), String> {
        let mut command = self.command(workers);
        command.stderr(Stdio::piped());
        if let Fault::Point(point) = fault {
            command.env("FRESHET_FAILPOINT", point);
        }
        let mut child = command.spawn().map_err(|e| e.to_string())?;
        if let Fault::Kill(after) = fault {
            std::thread::sleep(*after);
            // The process may have ended by itself.
            let _ = child.kill();
        }
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        // An exit code is a decision of the program; after a kill or an abort there is none.
        match output.status.code() {
            None | Some(0) => Ok(()),
            Some(code) => Err(format!("exit {code}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    fn finish(&self, workers: usize) -> Result<(), String> {
        let output = self.command(workers).stderr(Stdio::piped()).output().map_err(|e| e.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("the last run failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Every sink against the model.
    fn compare(&self, input: &Input) -> Result<(), String> {
        let all = self.job == Job::Set;
        if all || self.job == Job::Stateless {
            self.compare_table("plain", "id, v", model::plain(input))?;
            same("files", self.read_copy()?, model::plain(input))?;
        }
        if all || self.job == Job::Windows {
            self.compare_table("windows", "k, s, n, total, highest", model::windows(input))?;
        }
        if all || self.job == Job::Join {
            self.compare_table("joined", "id, name", model::joined(input))?;
        }
        self.compare_dead_letters(input)
    }

    fn sql(&self, text: &str) -> Result<Vec<String>, String> {
        let setup =
            format!("CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://{}');", self.path("lake"));
        let output = Command::new(&self.binary)
            .args(["sql", "-o", "tsv", "--data"])
            .arg(self.folder.join("state"))
            .args(["-c", &format!("{setup} {text}")])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| e.to_string())?;
        if !output.status.success() {
            return Err(format!("{text}: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
    }

    fn compare_table(&self, table: &str, columns: &str, want: Vec<String>) -> Result<(), String> {
        same(table, self.sql(&format!("SELECT {columns} FROM lake.d.{table};"))?, want)?;
        let output = Command::new(&self.binary)
            .args(["lake", "verify", &format!("lake.d.{table}"), "--setup"])
            .arg(format!(
                "CREATE CATALOG lake WITH ('type' = 'iceberg', 'warehouse' = 'file://{}');",
                self.path("lake")
            ))
            .arg("--data")
            .arg(self.folder.join("state"))
            .output()
            .map_err(|e| e.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].map(|t| String::from_utf8_lossy(&t).trim().to_string()).join("\n");
        Err(format!("lake verify {table}: {text}"))
    }

    /// Committed files only: what was staged and never committed does not count.
    fn read_copy(&self) -> Result<Vec<String>, String> {
        let mut rows = Vec::new();
        let mut folders = vec![self.folder.join("copy")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(|e| e.to_string())?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with(['.', '_']) {
                    continue;
                }
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let text = std::fs::read_to_string(entry.path()).map_err(|e| e.to_string())?;
                    rows.extend(text.lines().map(|l| l.replace(',', "\t")));
                }
            }
        }
        Ok(rows)
    }

    /// Records that could not be understood are in the dead-letter table once, with their bytes.
    fn compare_dead_letters(&self, input: &Input) -> Result<(), String> {
        if input.bad_lines.is_empty() {
            return Ok(());
        }
        let got = self.sql("SELECT CAST(raw AS STRING) FROM dead_letters;")?;
        same("dead_letters", got, input.bad_lines.clone())
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
