//! Storage on a local disk; S3 and HDFS are tested against real services by the service rig.

use super::*;
use std::io::SeekFrom;

fn open(folder: &tempfile::TempDir) -> Storage {
    Storage::open(folder.path().to_str().unwrap(), &Options::default()).unwrap()
}

#[test]
fn urls_have_one_normal_form() {
    for (url, normal) in [
        ("file:///a/b/", "file:///a/b"),
        ("/a//b/../c", "file:///a/c"),
        ("file:/a/b", "file:///a/b"),
        ("s3a://bucket/x//y/", "s3://bucket/x/y"),
        ("s3://bucket", "s3://bucket"),
        ("hdfs://node:9000/x", "hdfs://node:9000/x"),
    ] {
        assert_eq!(Location::parse(url).unwrap().url(), normal);
    }
    let here = std::env::current_dir().unwrap();
    assert_eq!(Location::parse("x/y").unwrap().url(), format!("file://{}/x/y", here.display()));
}

#[test]
fn wrong_urls_are_refused_without_their_secrets() {
    for (url, code) in [
        ("s3://", "storage.url"),
        ("gs://bucket/x", "storage.scheme"),
        ("file://host/x", "storage.url"),
        ("hdfs://node/a/../b", "storage.url"),
        ("", "storage.url"),
        ("s3://key:hunter2@bucket/x", "storage.url"),
    ] {
        let e = Storage::open(url, &Options::default()).unwrap_err();
        assert_eq!(e.code(), code, "{url}");
        assert!(!e.to_string().contains("hunter2"));
    }
}

#[test]
fn files_are_written_listed_read_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    storage.put_durable("b/two.txt", "22").unwrap();
    storage.put_durable("a.txt", "old").unwrap();
    storage.put_durable("a.txt", "1").unwrap();
    let listed = storage.list("").unwrap();
    assert_eq!(listed.iter().map(|e| (e.path.as_str(), e.size)).collect::<Vec<_>>(), [("a.txt", 1), ("b/two.txt", 2)]);
    assert_eq!(storage.list_folder("").unwrap(), ["a.txt", "b/"]);
    assert_eq!(storage.list("b").unwrap()[0].path, "b/two.txt");
    assert!(storage.list("nothing").unwrap().is_empty());
    assert_eq!(&storage.read_all("b/two.txt").unwrap()[..], b"22");
    let mut random = storage.open_random("b/two.txt").unwrap();
    random.seek(SeekFrom::End(-1)).unwrap();
    let mut byte = [0];
    random.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"2");
    storage.rename_durable("a.txt", "c/d/a.txt").unwrap();
    assert!(!storage.exists("a.txt").unwrap() && storage.exists("c/d/a.txt").unwrap());
    storage.delete("c/d/a.txt").unwrap();
    storage.delete("c/d/a.txt").unwrap();
    assert_eq!(storage.read_all("a.txt").unwrap_err().code(), "storage.not_found");
}

#[test]
fn put_if_absent_lets_one_win() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    assert!(storage.put_if_absent("x", "first").unwrap());
    assert!(!storage.put_if_absent("x", "second").unwrap());
    assert_eq!(&storage.read_all("x").unwrap()[..], b"first");
    assert_eq!(storage.list("").unwrap().len(), 1, "no temporary file stays");
}

#[test]
fn paths_do_not_leave_the_storage() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    for path in ["../x", "a/../../x", "a//b", "./x", "a\0b"] {
        assert_eq!(storage.read_all(path).unwrap_err().code(), "storage.path", "{path}");
        assert_eq!(storage.put_durable(path, "").unwrap_err().code(), "storage.path", "{path}");
    }
}

#[test]
fn full_urls_become_relative_paths() {
    let storage = Storage::open("/lake/house", &Options::default()).unwrap();
    assert_eq!(storage.relative("file:///lake/house/t/x.parquet").as_deref(), Some("t/x.parquet"));
    assert_eq!(storage.relative("/lake/house").as_deref(), Some(""));
    assert_eq!(storage.relative("/lake/housekeeping/x"), None);
    assert_eq!(storage.relative("s3://lake/house/x"), None);
    assert_eq!(storage.url_of("t/x"), "file:///lake/house/t/x");
}

#[test]
fn staged_files_appear_once_and_publishing_is_idempotent() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let mut upload = storage.stage("p=1/part-0", "7").unwrap();
    upload.write(b"abc").unwrap();
    let staged = upload.finish().unwrap();
    assert!(!storage.exists("p=1/part-0").unwrap());
    let token = serde_json::to_vec(&staged).unwrap();
    let staged: StagedFile = serde_json::from_slice(&token).unwrap();
    storage.publish(&staged).unwrap();
    storage.publish(&staged).unwrap();
    storage.discard(&staged).unwrap();
    assert_eq!(&storage.read_all("p=1/part-0").unwrap()[..], b"abc");

    let lost = storage.stage("lost", "8").unwrap().finish().unwrap();
    storage.discard(&lost).unwrap();
    assert_eq!(storage.publish(&lost).unwrap_err().code(), "storage.staged_lost");
}

#[test]
fn range_reader_gives_the_bytes_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    storage.put_durable("x", bytes.clone()).unwrap();
    for in_order in [true, false] {
        let mut reader = storage.range_reader("x").unwrap();
        if in_order {
            reader = reader.in_order();
        }
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        for at in [2_999_999u64, 0, 1_500_000, 700_000, 700_100] {
            reader.seek(SeekFrom::Start(at)).unwrap();
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], bytes[at as usize]);
        }
    }
}

#[test]
fn pipes_and_folders_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    assert_eq!(open(&folder).read_all("sub").unwrap_err().code(), "storage.not_a_file");
}
