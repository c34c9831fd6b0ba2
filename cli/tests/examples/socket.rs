//! The example that reads a TCP port.

use crate::example::Example;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Waits until a new second has just begun, so that what follows at once is of one second.
#[expect(clippy::disallowed_methods, reason = "the real binary counts by the real clock")]
fn next_second() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    std::thread::sleep(Duration::from_millis(1_050 - u64::from(now.subsec_millis())));
}

#[test]
fn socket_lines() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut example = Example::new("socket_lines");
    example.set("PORT", &listener.local_addr().unwrap().port().to_string());
    example.check(&["job.sql"]);
    let counts: Vec<u64> = example.expected().lines().map(|n| n.parse().unwrap()).collect();

    let mut child = example
        .command("run", "job.sql")
        .args(["--output", "tsv", "--for", "120s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (send, rows) = mpsc::channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || stdout.lines().for_each(|l| send.send(l.unwrap()).unwrap()));
    let (mut connection, _) = listener.accept().unwrap();
    let mut sent = 0;
    let mut counted = 0;
    for n in counts.iter().copied().chain([1]) {
        next_second();
        let lines: String = (0..n).map(|i| format!("line {i}\n")).collect();
        connection.write_all(lines.as_bytes()).unwrap();
        // What came before is counted now, while the job runs. A busy machine may have spread it over two seconds.
        while counted < sent {
            let row = rows.recv_timeout(Duration::from_secs(30)).expect("counts come out while the job runs");
            let cells: Vec<&str> = row.split('\t').collect();
            assert_eq!(cells.len(), 3, "{row}");
            assert!(cells[0] < cells[1] && cells[1].ends_with(".000"), "not an interval: {row}");
            counted += cells[2].parse::<u64>().unwrap();
        }
        assert_eq!(counted, sent);
        assert!(child.try_wait().unwrap().is_none(), "the job goes on");
        sent += n;
    }
    // As Ctrl-C does.
    let stopped = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let status = child.wait().unwrap();
    assert!(matches!(status.code(), Some(0 | 130)), "{status:?}");
    reader.join().unwrap();
    assert!(rows.try_iter().next().is_none(), "the interval that was open is not written");
}
