//! `socket` over connections of this machine: the one place where a unit test opens a port, because it is what is tested.

use super::Socket;
use crate::testing::{env, table, texts};
use freshet_connector_api::{AssignedSplit, Connector, Offset, Poll, PollLimit, SourceReader, TableSpec};
use freshet_types::{ErrorKind, SqlType};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn lines(port: u16, extra: &[(&str, &str)]) -> TableSpec {
    let mut table = table(&[("a", SqlType::Int), ("b", SqlType::STRING)], extra);
    table.options.set("connector", "socket");
    table.options.set("hostname", "127.0.0.1");
    table.options.set("port", port.to_string());
    table.options.set("format", "csv");
    freshet_connector_api::connector::check_options(&Socket, &table).unwrap();
    table
}

fn reader(table: &TableSpec) -> Box<dyn SourceReader> {
    let folder = tempfile::tempdir().unwrap();
    let source = Socket.source(table, &env(folder.path()).0).unwrap();
    assert!(!source.is_replayable());
    let mut reader = source.reader(&[1, 0]).unwrap();
    let split = source.discover().unwrap().remove(0);
    reader.assign(vec![AssignedSplit { id: split.id, from: Offset("5".into()) }]).unwrap();
    reader
}

/// Rows, dead letters and the last offset, once there are `count` records.
fn read(reader: &mut dyn SourceReader, count: usize) -> (Vec<String>, Vec<String>, String) {
    let (mut rows, mut dead, mut offset) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..500 {
        if let Ok(Poll::Batch(batch)) = reader.poll(PollLimit { rows: 100, wait: Duration::from_millis(20) }) {
            rows.extend(texts(batch.changes.rows()));
            dead.extend(batch.dead.iter().map(|d| String::from_utf8_lossy(&d.raw).into_owned()));
            offset = batch.next.0;
        }
        if rows.len() + dead.len() >= count {
            break;
        }
    }
    (rows, dead, offset)
}

#[test]
fn a_client_reads_lines_and_connects_again() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut reader = reader(&lines(server.local_addr().unwrap().port(), &[]));
    let serving = std::thread::spawn(move || {
        let (mut first, _) = server.accept().unwrap();
        first.write_all(b"1,x\nbad\n2,\"two\nlines\"\n3,end").unwrap();
        drop(first);
        let (mut second, _) = server.accept().unwrap();
        second.write_all(b"4,y\n").unwrap();
        second
    });
    let (rows, dead, offset) = read(&mut *reader, 5);
    assert_eq!(rows, ["x|1", "two\nlines|2", "end|3", "y|4"]);
    assert_eq!((dead, offset.as_str()), (vec!["bad".to_string()], "10"));
    drop(serving.join().unwrap());
}

#[test]
fn nobody_there_is_no_end() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let e = reader(&lines(port, &[])).poll(PollLimit { rows: 1, wait: Duration::ZERO }).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unavailable);
}

#[test]
fn a_server_takes_several_connections() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut reader = reader(&lines(port, &[("mode", "server"), ("byte-delimiter", "59")]));
    assert!(matches!(reader.poll(PollLimit { rows: 1, wait: Duration::ZERO }).unwrap(), Poll::Pending));
    let mut clients: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        write!(client, "{i},x;{i},y;").unwrap();
    }
    let (mut rows, ..) = read(&mut *reader, 4);
    rows.sort();
    assert_eq!(rows, ["x|0", "x|1", "y|0", "y|1"]);
}

#[test]
fn a_server_listens_on_this_machine_only() {
    let mut table = lines(0, &[("mode", "server")]);
    table.options.set("hostname", "0.0.0.0");
    let e = reader(&table).poll(PollLimit { rows: 1, wait: Duration::ZERO }).unwrap_err();
    assert_eq!(e.code(), "socket.exposed");
}
