//! Kills a process at every failpoint, starts it again, and compares what is visible with what should be.
//!
//! The process is this test program, told to run one test only: [`child`].

use super::outside::{Row, Table, Topic};
use super::{counting, end, expected, numbers, spec};
use crate::host::tests::operators::Count;
use crate::job::{JobSpec, start};
use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use freshet_connector_api::*;
use freshet_types::failpoint::FAILPOINTS;
use freshet_types::{ChangeBatch, CheckpointId, Result, env};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const FOLDER: &str = "FRESHET_TEST_CRASH_FOLDER";
/// How the names of points begin that every job passes; others belong to one kind of sink.
const OWN_POINTS: &[&str] = &["source.", "op.", "segment.", "sink.", "root.", "commit.", "gc.", "recover."];

const WORKERS: &str = "FRESHET_TEST_CRASH_WORKERS";

/// A table whose staged and visible rows are files.
struct Files(PathBuf);

impl Sink for Files {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(FilesCommitter(self.0.clone())))
    }

    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(FilesWriter { folder: self.0.clone(), context: context.clone(), rows: Vec::new() }))
    }
}

struct FilesWriter {
    folder: PathBuf,
    context: WriterContext,
    rows: Vec<(Row, i64)>,
}

impl SinkWriter for FilesWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        let int = |c: usize| changes.column(c).as_primitive::<Int64Type>();
        let sums = changes.column(2).as_primitive::<TimestampMillisecondType>();
        for i in 0..changes.row_count() {
            self.rows.push(((int(0).value(i), int(1).value(i), sums.value(i)), changes.weight(i)));
        }
        Ok(())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Prepared> {
        let name = format!("staged-{}-{}-{checkpoint}", self.context.attempt, self.context.worker);
        let (path, rows) = (self.folder.join(&name), std::mem::take(&mut self.rows));
        Ok(Box::new(move || {
            fs::write(path, serde_json::to_vec(&rows).unwrap()).unwrap();
            Ok(name.into_bytes())
        }))
    }
}

struct FilesCommitter(PathBuf);

impl SinkCommitter for FilesCommitter {
    fn recover(&mut self, last: Option<&Commit>) -> Result<()> {
        if let Some(last) = last {
            self.commit(last)?;
        }
        for name in names(&self.0, "staged-") {
            fs::remove_file(self.0.join(name)).unwrap();
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let visible = self.0.join(format!("visible-{}", commit.checkpoint));
        if visible.exists() {
            return Ok(());
        }
        let mut rows: Vec<(Row, i64)> = Vec::new();
        for token in &commit.tokens {
            let staged = self.0.join(String::from_utf8(token.clone()).unwrap());
            rows.extend(read(&staged));
        }
        let temporary = self.0.join("tmp");
        fs::write(&temporary, serde_json::to_vec(&rows).unwrap()).unwrap();
        fs::rename(temporary, visible).unwrap();
        for token in &commit.tokens {
            fs::remove_file(self.0.join(String::from_utf8(token.clone()).unwrap())).unwrap();
        }
        Ok(())
    }
}

fn names(folder: &Path, prefix: &str) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    all.filter(|name| name.starts_with(prefix)).collect()
}

fn read(path: &Path) -> Vec<(Row, i64)> {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Reads no further than a little beyond what is committed, so that there are many checkpoints on any machine.
fn topic() -> Topic {
    let splits = [("a", numbers(0, 300)), ("b", numbers(1, 200)), ("c", numbers(2, 100))];
    Topic { ahead_max: 30, ..Topic::new(Boundedness::Bounded, splits) }
}

/// Runs the job, when this program was started for it.
#[test]
fn child() {
    let Some(folder) = env::var(FOLDER).map(PathBuf::from) else { return };
    let workers = env::var(WORKERS).unwrap().parse().unwrap();
    let mut graph = counting(&topic(), &Count::default(), &Table::default());
    let crate::NodeKind::Sink { sink, .. } = &mut graph.nodes[2].kind else { unreachable!() };
    *sink = Arc::new(Files(folder.clone()));
    let spec = JobSpec {
        state_dir: Some(folder.join("state")),
        checkpoint_interval: Some(Duration::ZERO),
        ..spec(graph, workers)
    };
    assert!(end(&start(spec).unwrap()).unwrap().finished);
}

/// Runs the child. Whether it came to its end.
fn run(folder: &Path, workers: usize, failpoint: Option<String>) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["host::tests::crash::child", "--exact"]).stdout(Stdio::null()).stderr(Stdio::piped());
    child.env(FOLDER, folder).env(WORKERS, workers.to_string()).env_remove("FRESHET_FAILPOINT");
    if let Some(failpoint) = &failpoint {
        child.env("FRESHET_FAILPOINT", failpoint);
    }
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let aborted =
        failpoint.is_some_and(|f| said.contains(&format!("failpoint {}: aborting", f.split(':').next().unwrap())));
    assert!(output.status.success() || aborted, "the child ended by itself: {said}");
    output.status.success()
}

#[test]
fn a_process_that_dies_at_any_failpoint_loses_and_repeats_nothing() {
    // The rows are what the process would have made without any trouble.
    let expected = expected(&topic());

    let own = FAILPOINTS.iter().filter(|point| OWN_POINTS.iter().any(|own| point.starts_with(own)));
    for (i, point) in own.enumerate() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        let mut crashes = 0;
        // Dies at several passes of the point, then while it recovers from that, then not at all.
        let passes = if point.starts_with("recover.") { [1, 1, 1] } else { [3, 1, 2] };
        for (j, pass) in passes.into_iter().enumerate() {
            crashes += usize::from(!run(folder.path(), [1, 2, 4][(i + j) % 3], Some(format!("{point}:{pass}"))));
        }
        crashes += usize::from(!run(folder.path(), 2, Some("recover.after_sinks".to_owned())));
        assert!(crashes >= 3, "{point} is passed");
        assert!(run(folder.path(), 1 + i % 4, None));
        let mut sums: BTreeMap<Row, i64> = BTreeMap::new();
        for name in names(folder.path(), "visible-") {
            for (row, weight) in read(&folder.path().join(name)) {
                *sums.entry(row).or_default() += weight;
            }
        }
        sums.retain(|_, weight| *weight != 0);
        assert_eq!(sums, expected, "{point}");
        assert!(names(folder.path(), "staged-").is_empty(), "{point}");
    }
}
