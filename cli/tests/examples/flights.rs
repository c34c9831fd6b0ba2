//! The flights: a job that is killed again and again gives the rows of the batch query.
//!
//! The first days of the file here; with `FRESHET_FLIGHTS=full` all three million rows (for a release build, at night).

use crate::example::{Example, sorted, succeeded};
use crate::topic;
use freshet_testkit::services::{self, Kafka};
use std::hash::{BuildHasher, RandomState};
use std::process::Stdio;
use std::time::{Duration, Instant};

const KILLS: u32 = 5;

#[test]
fn flights() {
    let full = std::env::var("FRESHET_FLIGHTS").is_ok_and(|v| v == "full");
    let file = services::flights().unwrap();
    let kafka = Kafka::start().unwrap();
    topic::make(&kafka.address(), "flights", 4);
    let example = |lake: &str| {
        let mut example = Example::new("flights");
        example.set("FILE", file.to_str().unwrap());
        example.set("UNTIL", if full { "2002-01-01" } else { "2001-01-07" });
        example.set("BOOTSTRAP", &kafka.address());
        example.set("TOPIC", "flights");
        let folder = example.work().join(lake).display().to_string();
        example.set("LAKE", &folder);
        example
    };
    let first = example("lake");
    first.check(&["load.sql", "job.sql", "batch.sql"]);
    first.run("load.sql");
    let batch = first.run("batch.sql").0;
    let batch = sorted(&batch);

    let begun = Instant::now();
    first.run("job.sql");
    let undisturbed = begun.elapsed();
    compare(&first, &batch, "undisturbed");
    first.check(&["read.sql", "top.sql"]);
    if !full {
        assert_eq!(first.run("top.sql").0, first.expected());
    }

    for workers in ["1", "2", "4"] {
        let example = example("lake");
        let mut landed = 0;
        let mut told = String::new();
        for _ in 0..KILLS {
            // Any moment of the first half: there is something left to kill at the fifth time.
            let share = (RandomState::new().hash_one(workers) % 1000) as f64 / 1000.0;
            let after = Duration::from_millis(20) + undisturbed.mul_f64(share / 2.0);
            let mut child = example
                .command("run", "job.sql")
                .args(["--workers", workers])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(after);
            let alive = child.try_wait().unwrap().is_none();
            child.kill().unwrap();
            child.wait().unwrap();
            landed += u32::from(alive);
            told += &format!("{} ms, ", after.as_millis());
        }
        succeeded(&example.command("run", "job.sql").args(["--workers", workers]).output().unwrap());
        compare(&example, &batch, &format!("{workers} workers, killed after {told}"));
        println!(
            "{workers} workers: {landed} of {KILLS} kills while it ran ({told}undisturbed {undisturbed:.1?}), {} rows",
            batch.len()
        );
    }
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
