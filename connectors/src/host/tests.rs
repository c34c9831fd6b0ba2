//! What `host` gives.

use super::Host;
use crate::testing::{env, table, texts};
use freshet_connector_api::{AssignedSplit, Boundedness, Connector, Poll, PollLimit, TableSpec};
use freshet_types::SqlType;
use std::time::Duration;

fn figures(options: &[(&str, &str)]) -> TableSpec {
    table(
        &[
            ("ts", SqlType::Timestamp(3)),
            ("host", SqlType::STRING),
            ("kind", SqlType::STRING),
            ("name", SqlType::STRING),
            ("metric", SqlType::STRING),
            ("value", SqlType::Double),
            ("unit", SqlType::STRING),
        ],
        options,
    )
}

#[test]
fn samples_come_when_they_are_due_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut env, _, clock) = env(folder.path());
    env.time_zone = "Asia/Shanghai".into();
    let source = Host.source(&figures(&[("number-of-samples", "2"), ("process.limit", "3")]), &env).unwrap();
    assert_eq!((source.boundedness(), source.is_replayable()), (Boundedness::Bounded, false));
    let mut reader = source.reader(&[2, 3, 4, 0]).unwrap();
    let split = source.discover().unwrap().remove(0);
    reader.assign(vec![AssignedSplit { id: split.id, from: split.start }]).unwrap();
    let mut poll = || reader.poll(PollLimit { rows: 1_000, wait: Duration::ZERO }).unwrap();
    assert!(matches!(poll(), Poll::Pending));
    clock.advance_ms(200);
    let Poll::Batch(first) = poll() else { panic!("a sample is due") };
    let rows = texts(first.changes.rows());
    assert_eq!(rows[0], "cpu|total|usage|2023-11-15 06:13:20.200");
    assert!(rows.iter().any(|r| r.starts_with("memory|ram|used|")));
    assert_eq!(rows.iter().filter(|r| r.starts_with("process|") && r.contains("|cpu|")).count(), 3);
    assert!(!first.split_finished);
    assert!(matches!(poll(), Poll::Pending));
    clock.advance_ms(1_000);
    let Poll::Batch(second) = poll() else { panic!("a sample is due") };
    assert!(second.split_finished && second.next.0 == "2");
    assert!(matches!(poll(), Poll::Finished));
}

#[test]
fn columns_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = |columns: &[(&str, SqlType)]| Host.source(&table(columns, &[]), &env(folder.path()).0).err().unwrap();
    assert!(wrong(&[("hots", SqlType::STRING)]).to_string().contains("did you mean \"host\"?"));
    assert!(wrong(&[("value", SqlType::STRING)]).to_string().contains("is declared as STRING"));
}
