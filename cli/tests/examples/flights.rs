//! The flights: a job that is killed again and again gives the rows of the batch query.
//!
//! The first days of the file here; with `FRESHET_FLIGHTS=full` all three million rows (`cargo xtask nightly flights`).
//! The kills go by progress, not by time: each comes when the job has committed another random part of the records. At that
//! time the last days are not in the topic yet, so that the job is never done before the fifth.

use crate::example::{Example, sorted, succeeded};
use crate::topic;
use freshet_testkit::services::{self, Kafka};
use std::hash::{BuildHasher, RandomState};
use std::process::Stdio;
use std::time::{Duration, Instant};

const KILLS: usize = 5;
const WORKERS: [&str; 3] = ["1", "2", "4"];
/// How long a job may take to get to the place of its next kill.
const PATIENCE: Duration = Duration::from_secs(900);

/// Days to take, the day from which on they come when the kills are over, and the time between checkpoints.
struct Size {
    until: &'static str,
    held_back_from: &'static str,
    checkpoints: &'static str,
}

const SMALL: Size = Size { until: "2001-01-07", held_back_from: "2001-01-06", checkpoints: "100 ms" };
const FULL: Size = Size { until: "2002-01-01", held_back_from: "2001-06-01", checkpoints: "1 s" };

#[test]
fn flights() {
    let full = std::env::var("FRESHET_FLIGHTS").is_ok_and(|v| v == "full");
    let size = if full { FULL } else { SMALL };
    let file = services::flights().unwrap();
    let kafka = Kafka::shared().unwrap();
    topic::make(&kafka.address(), "flights", 4);
    let example = |from: &str, until: &str| {
        let mut example = Example::new("flights");
        example.set("FILE", file.to_str().unwrap());
        example.set("FROM", from);
        example.set("UNTIL", until);
        example.set("BOOTSTRAP", &kafka.address());
        example.set("TOPIC", "flights");
        example.set("CHECKPOINTS", size.checkpoints);
        let folder = example.work().join("lake").display().to_string();
        example.set("LAKE", &folder);
        example
    };
    let whole = || example("2001-01-01", size.until);
    let first = whole();
    first.check(&["load.sql", "job.sql", "batch.sql"]);
    let batch = first.run("batch.sql").0;
    let batch = sorted(&batch);

    example("2001-01-01", size.held_back_from).run("load.sql");
    let begun = topic::length(&kafka.address(), "flights");
    let killed = WORKERS.map(|workers| {
        let example = whole();
        let at = kill_again_and_again(&example, workers, begun);
        (workers, example, at)
    });
    example(size.held_back_from, size.until).run("load.sql");
    let all = topic::length(&kafka.address(), "flights");
    assert!(begun < all, "the last days are still to come while the job is killed");

    for (workers, example, at) in killed {
        succeeded(&example.command("run", "job.sql").args(["--workers", workers]).output().unwrap());
        let told: Vec<String> = at.iter().map(|n| format!("{:.0} %", *n as f64 / all as f64 * 100.0)).collect();
        let told = format!("{workers} workers, killed when {} were committed", told.join(", "));
        compare(&example, &batch, &told);
        println!("{told} of {all} records: {} rows, as in the batch query", batch.len());
    }

    first.run("job.sql");
    compare(&first, &batch, "undisturbed");
    first.check(&["read.sql", "top.sql"]);
    if !full {
        assert_eq!(first.run("top.sql").0, first.expected());
    }
}

/// Starts the job without an end and kills it when it has committed a random part of `records`, more each time. Gives how
/// many were committed after each kill.
fn kill_again_and_again(example: &Example, workers: &str, records: i64) -> Vec<i64> {
    let mut parts: Vec<f64> = (0..KILLS).map(|_| 0.9 * random()).collect();
    parts.sort_by(f64::total_cmp);
    let mut landed = Vec::new();
    for part in parts {
        let mut child = example
            .command("run", "job.sql")
            .args(["--workers", workers, "--var", "BOUNDED=unbounded"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        // At least a little more than last time, as long as there is more.
        let enough = landed.last().copied().unwrap_or(0).max((part * records as f64) as i64).min(records - 1);
        while committed(example) <= enough && child.try_wait().unwrap().is_none() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Any moment until about the next checkpoint: also midway through one.
        std::thread::sleep(Duration::from_millis(100).mul_f64(random()));
        let is_alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        let reached = committed(example);
        assert!(is_alive, "{workers} workers: the job ended before kill {} of {KILLS}:\n{said}", landed.len() + 1);
        assert!(reached > enough, "{workers} workers: {reached} records committed, not {enough}, in time:\n{said}");
        landed.push(reached);
    }
    assert_eq!(landed.len(), KILLS);
    landed
}

/// A number from 0 to 1.
fn random() -> f64 {
    (RandomState::new().hash_one("a flight") % 10_000) as f64 / 10_000.0
}

/// Records before the offsets of the last checkpoint (`state/FORMAT.md`).
fn committed(example: &Example) -> i64 {
    let Ok(files) = std::fs::read_dir(example.work().join("state/jobs/job")) else { return 0 };
    let number = |name: &str| name.strip_prefix("root-")?.strip_suffix(".json")?.parse::<u64>().ok();
    let roots = files.flatten().filter_map(|f| Some((number(f.file_name().to_str()?)?, f.path())));
    // The newest may take the place of the one before while we look.
    let Some(text) = roots.max().and_then(|(_, path)| std::fs::read_to_string(path).ok()) else { return 0 };
    let root: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sources = root["root"]["sources"].as_object().unwrap();
    let splits = sources.values().flat_map(|source| source["splits"].as_array().unwrap());
    splits.map(|split| split["offset"].as_str().unwrap().parse::<i64>().unwrap_or(0)).sum()
}

/// The lake holds the rows of the batch query, each once.
fn compare(example: &Example, batch: &[&str], when: &str) {
    let lake = example.run("read.sql").0;
    let lake = sorted(&lake);
    let missing = batch.iter().filter(|r| lake.binary_search(r).is_err()).count();
    let more = lake.iter().filter(|r| batch.binary_search(r).is_err()).count();
    assert!(
        lake == batch,
        "{when}: {} rows, not {}; {missing} are missing, {more} are not right",
        lake.len(),
        batch.len()
    );
}
