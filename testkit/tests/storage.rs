//! Storage on S3 and HDFS, and the file sink on it, against what they promise.
//!
//! S3 is moto here, and MinIO with `FRESHET_S3=minio` (`cargo xtask nightly minio`).

use arrow::array::{Int64Array, RecordBatch};
use freshet_connector_api::conformance::{SinkCase, check_sink};
use freshet_connector_api::connector::Console;
use freshet_connector_api::{
    AssignedSplit, ColumnSpec, Connector, ConnectorEnv, Poll, PollLimit, TableSpec, WriterContext,
};
use freshet_connectors::filesystem::Filesystem;
use freshet_connectors::storage::Storage;
use freshet_testkit::services::{Hdfs, S3};
use freshet_types::{ChangeBatch, CheckpointId, Options, SqlField, SqlType, SystemClock};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

struct Silent;
impl Console for Silent {
    fn write(&self, _: &str) {}
}

#[test]
fn s3_keeps_its_promises() {
    let s3 = S3::start().expect("S3");
    check(&format!("{}/checks", s3.url()), &s3_options(&s3));
}

#[test]
fn hdfs_keeps_its_promises() {
    let hdfs = Hdfs::start().expect("HDFS");
    check(&format!("{}/checks", hdfs.url()), &Options::default());
}

/// Of writers that make the same file, one makes it, and the others are told so; on MinIO also when they write at the same
/// time. moto looks first and writes then, so that two may win there.
#[test]
fn s3_lets_one_of_many_writers_win() {
    let s3 = S3::start().expect("S3");
    let at_once = std::env::var("FRESHET_S3").is_ok_and(|v| v == "minio");
    let one_after_the_other = std::sync::Mutex::new(());
    let (url, options) = (format!("{}/race", s3.url()), s3_options(&s3));
    for file in 0..20 {
        let path = format!("{file}");
        let won: Vec<usize> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let (url, options, path, turn) = (&url, &options, &path, &one_after_the_other);
                    scope.spawn(move || {
                        let _turn = (!at_once).then(|| turn.lock().expect("no writer panics"));
                        let storage = Storage::open(url, options).expect("the URL can be opened");
                        storage.put_if_absent(path, format!("writer {writer}")).expect("an answer").then_some(writer)
                    })
                })
                .collect();
            writers.into_iter().filter_map(|w| w.join().expect("a writer")).collect()
        });
        let storage = Storage::open(&url, &options).expect("the URL can be opened");
        let kept = storage.read_all(&path).expect("the file is there");
        assert!(won.len() == 1 && *kept == *format!("writer {}", won[0]).as_bytes(), "file {file}: {won:?} won");
    }
}

fn s3_options(s3: &S3) -> Options {
    let endpoint = s3.endpoint();
    let options = [
        ("s3.endpoint", endpoint.as_str()),
        ("s3.access-key-id", S3::ACCESS_KEY),
        ("s3.secret-access-key", S3::SECRET_KEY),
        ("s3.region", "us-east-1"),
        ("s3.path-style-access", "true"),
    ];
    options.into_iter().collect()
}

fn check(url: &str, options: &Options) {
    let storage = Storage::open(url, options).expect("the URL can be opened");
    files(&storage);
    staged(&storage, url, options);
    sink(url, options);
}

fn files(storage: &Storage) {
    let bytes: Vec<u8> = (0..20_000_000u32).map(|i| (i % 251) as u8).collect();
    storage.put_durable("a/large", bytes.clone()).expect("a file is written");
    storage.put_durable("a/k=x y%3A/small", "1").expect("a file is written");
    storage.put_durable("a/k=x y%3A/small", "22").expect("a file is written over");
    let listed = storage.list("").expect("a listing");
    let listed: Vec<(&str, u64)> = listed.iter().map(|e| (e.path.as_str(), e.size)).collect();
    assert_eq!(listed, [("a/k=x y%3A/small", 2), ("a/large", 20_000_000)]);
    assert_eq!(storage.list_folder("a").expect("a listing"), ["k=x y%3A/", "large"]);
    assert!(storage.stat("a").expect("a look").is_none(), "a folder is no file");
    assert!(storage.stat("a/none").expect("a look").is_none());
    assert!(storage.list("none").expect("a listing").is_empty());
    assert!(storage.put_if_absent("once", "1").expect("a file is written"));
    assert!(!storage.put_if_absent("once", "2").expect("a look"));
    assert_eq!(&storage.read_all("once").expect("a file")[..], b"1");
    let mut whole = Vec::new();
    storage.open_stream("a/large", 7).expect("a file").read_to_end(&mut whole).expect("its bytes");
    assert!(whole == bytes[7..], "a file is read in order");
    let mut random = storage.open_random("a/large").expect("a file");
    for at in [19_999_999u64, 0, 8_000_000] {
        random.seek(SeekFrom::Start(at)).expect("a position");
        let mut byte = [0];
        random.read_exact(&mut byte).expect("a byte");
        assert_eq!(byte[0], bytes[at as usize]);
    }
    storage.rename_durable("once", "b/twice").expect("a rename");
    assert!(!storage.exists("once").expect("a look") && storage.exists("b/twice").expect("a look"));
    for path in ["b/twice", "b/twice", "a/large", "a/k=x y%3A/small"] {
        storage.delete(path).expect("a file is deleted, or was");
    }
    assert_eq!(storage.read_all("once").expect_err("no file").code(), "storage.not_found");
}

fn staged(storage: &Storage, url: &str, options: &Options) {
    let mut upload = storage.stage("p=1/part", "t1").expect("a file is begun");
    let block = vec![7u8; 1 << 20];
    (0..19).for_each(|_| upload.write(&block).expect("bytes are taken"));
    let token = serde_json::to_string(&upload.finish_as("t2").expect("the file is durable")).expect("a token");
    assert!(!storage.exists("p=1/part").expect("a look"), "a staged file is invisible");
    // Another process finishes what this one began.
    let other = Storage::open(url, options).expect("the URL can be opened");
    let staged = serde_json::from_str(&token).expect("a token");
    other.publish(&staged).expect("the file appears");
    other.publish(&staged).expect("publishing may be repeated");
    assert_eq!(storage.stat("p=1/part").expect("a look").expect("a file").size, 19 << 20);
    let lost = storage.stage("lost", "t1").expect("a file is begun").finish().expect("the file is durable");
    storage.discard(&lost).expect("a staged file goes away");
    storage.discard(&lost).expect("discarding may be repeated");
    // moto answers 500 where S3 says that there is no such upload.
    let e = storage.publish(&lost).expect_err("it is lost");
    assert!(["storage.staged_lost", "storage.unavailable"].contains(&e.code()), "{e:?}");
    storage.stage("given up", "t1").expect("a file is begun").abandon().expect("it is given up");
    storage.delete("p=1/part").expect("a file is deleted");
    let left = storage.list("").expect("a listing");
    assert!(left.is_empty(), "nothing stays: {left:?}");
}

fn sink(url: &str, options: &Options) {
    let state = tempfile::tempdir().expect("a folder");
    let env = ConnectorEnv {
        state_dir: state.path().into(),
        clock: Arc::new(SystemClock),
        console: Arc::new(Silent),
        time_zone: "UTC".into(),
    };
    let mut options = options.clone();
    for (name, value) in [("connector", "filesystem"), ("path", url), ("format", "json")] {
        options.set(name, value);
    }
    let field = SqlField::new("a", SqlType::BigInt);
    let table = TableSpec {
        name: "check".into(),
        columns: vec![ColumnSpec::physical(field)],
        options,
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
    };
    let text = |rows: &RecordBatch| -> Vec<String> {
        let numbers = rows.column(0).as_any().downcast_ref::<Int64Array>().expect("numbers");
        numbers.values().iter().map(ToString::to_string).collect()
    };
    let visible = || {
        let mut watched = table.clone();
        watched.options.set("source.monitor-interval", "1 s");
        let source = Filesystem.source(&watched, &env).expect("a source");
        let mut reader = source.reader(&[0]).expect("a reader");
        let splits = source.discover().expect("splits");
        reader.assign(splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect()).expect("taken");
        let mut rows = Vec::new();
        while let Poll::Batch(batch) = reader.poll(PollLimit { rows: 100, wait: Duration::ZERO }).expect("rows") {
            rows.extend(text(batch.changes.rows()));
        }
        rows
    };
    let batch = |numbers: Vec<i64>| {
        RecordBatch::try_new(table.schema(), vec![Arc::new(Int64Array::from(numbers))]).expect("a batch")
    };
    check_sink(&SinkCase {
        make: &|| Filesystem.sink(&table, &env).expect("a sink"),
        visible: &visible,
        text: &text,
        batches: (0..4).map(|i| batch((i * 10..i * 10 + 10).collect())).collect(),
    });
    // A writer that dies in the middle of a file leaves nothing behind the next start.
    let context = |attempt| WriterContext { job_id: "dies".into(), worker: 0, workers: 1, attempt };
    let sink = Filesystem.sink(&table, &env).expect("a sink");
    let mut writer = sink.writer(&context(1)).expect("a writer");
    writer.write(&ChangeBatch::inserts(batch(vec![1]))).expect("rows are taken");
    writer.prepare(CheckpointId(1)).expect("a checkpoint")().expect("durable");
    writer.write(&ChangeBatch::inserts(batch(vec![2]))).expect("rows are taken");
    drop(writer);
    sink.committer(&context(2)).expect("a committer").recover(None).expect("recovery");
    let storage = Storage::open(url, &table.options).expect("the URL can be opened");
    let left = storage.list("").expect("a listing");
    assert!(left.iter().all(|e| !e.path.contains("dies") && !e.path.contains(".staged")), "nothing stays: {left:?}");
}
