//! A job on a disk that is too small stops with what was committed intact, and goes on when there is space.
//!
//! The disk is a file system in memory, mounted in a namespace of its own, which not every system lets everyone do:
//! `cargo xtask nightly disk` runs this, and `cargo test` only when it is named.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use std::process::Command;

const ROWS: usize = 200_000;

/// Runs the job on 6 MB, reads its table, makes room, and runs it again.
const STORY: &str = r#"
mkdir disk
mount -t tmpfs -o size=6m tmpfs disk || exit 77
run() { "$FRESHET" run job.sql --data disk/data; }
rows() { "$FRESHET" sql -o tsv --data disk/data -c 'SELECT id FROM t;'; }
run > full.out 2> full.err; echo $? > full.code
rows > full.rows || exit 1
mount -o remount,size=256m disk || exit 77
run > roomy.out || exit 1
rows > roomy.rows || exit 1
"$FRESHET" lake verify t -o tsv --data disk/data > roomy.verify
"#;

#[test]
fn a_job_goes_on_when_the_full_disk_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let last = ROWS - 1;
    let job = format!(
        "SET 'execution.checkpointing.interval' = '200 ms';
CREATE TEMPORARY TABLE ids (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '40000',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '{last}');
CREATE TABLE IF NOT EXISTS t (id BIGINT, digest STRING);
INSERT INTO t SELECT id, SHA256(CAST(id AS STRING)) FROM ids;"
    );
    std::fs::write(folder.path().join("job.sql"), job).unwrap();
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", STORY])
        .env("FRESHET", env!("CARGO_BIN_EXE_freshet"))
        .env("NO_COLOR", "1")
        .current_dir(folder.path())
        .output()
        .expect("unshare (util-linux, on Linux) is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);

    assert_eq!(text("full.code").trim(), "1", "{}", text("full.err"));
    let line = text("full.err").lines().find(|l| l.starts_with("error: ")).unwrap().to_owned();
    assert!(line.starts_with("error: storage.full: "), "{line}");
    assert!(line.contains("free some space"), "{line}");
    let committed = ids(&text("full.rows"), "on the full disk");
    assert!(!committed.is_empty() && committed.len() < ROWS, "{} rows fit on the small disk", committed.len());
    eprintln!("the disk was full after {} of {ROWS} rows: {line}", committed.len());

    let all = ids(&text("roomy.rows"), "with room again");
    assert_eq!(all, (0..ROWS).collect::<Vec<_>>());
    assert!(text("roomy.verify").lines().any(|l| l == "verdict\tsound"), "{}", text("roomy.verify"));
}

/// The numbers, in order; none may stand there twice.
fn ids(rows: &str, when: &str) -> Vec<usize> {
    let mut ids: Vec<usize> = rows.lines().map(|line| line.parse().unwrap()).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "rows stand there twice {when}");
    ids
}
