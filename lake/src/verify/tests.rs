//! Every kind of damage, made on purpose, and what verify says of it.

use super::*;
use crate::commit::{AddedFile, TableChange};
use crate::testing::{Job, Lake, added, apply, foreign_data, live, rows};
use arrow::array::Int64Array;
use serde_json::json;
use std::sync::Arc;

/// A table with two checkpoints of a job.
fn table(lake: &Lake) -> LakeTable {
    let table = lake.table(vec![], &[("freshet.small-files-max", "0")]);
    let mut job = Job::start(&table, lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    job.checkpoint(2, &[rows(10..20)]);
    table.refresh().unwrap()
}

fn problems(table: &LakeTable) -> Vec<String> {
    verify(&table.refresh().unwrap()).unwrap().problems
}

/// The only problem has these words in it.
fn finds(table: &LakeTable, words: &str) {
    let found = problems(table);
    assert!(!found.is_empty() && found.iter().all(|p| p.contains(words)), "\"{words}\" in {found:?}");
}

fn data(table: &LakeTable, name: &str) -> AddedFile {
    added(foreign_data(table, name, vec![("id", 1, Arc::new(Int64Array::from_iter_values(0..5)))]))
}

fn summary_of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect()
}

#[test]
fn files_that_are_gone_or_changed_are_named() {
    let lake = Lake::new();
    let table = table(&lake);
    assert_eq!(problems(&table), Vec::<String>::new());
    let io = &table.loaded().io;
    let snapshot = Arc::clone(table.metadata().current_snapshot().unwrap());
    let manifest = files::manifests(io, table.metadata(), &snapshot).unwrap().remove(0).manifest_path;
    let file = live(&table)[0].file.file_path().to_string();
    for (path, gone) in
        [(file.as_str(), "is missing"), (manifest.as_str(), "no file at"), (snapshot.manifest_list(), "no file at")]
    {
        let whole = io.read(path).unwrap();
        io.delete(path).unwrap();
        finds(&table, gone);
        io.write(path, whole.slice(..whole.len() - 1)).unwrap();
        let found = problems(&table);
        assert!(!found.is_empty(), "a cut file is found: {path}");
        io.write(path, whole).unwrap();
        assert_eq!(problems(&table), Vec::<String>::new());
    }
}

#[test]
fn files_that_count_twice_are_named() {
    let lake = Lake::new();
    let table = table(&lake);
    let twice = data(&table, "twice.parquet");
    let once = apply(&table, &TableChange { added: vec![twice.clone()], ..TableChange::default() });
    assert_eq!(problems(&once), Vec::<String>::new());
    apply(&once, &TableChange { added: vec![twice], ..TableChange::default() });
    let found = problems(&table);
    assert!(found.iter().any(|p| p.contains("was added twice, by snapshots")), "{found:?}");
    assert!(found.iter().any(|p| p.contains("counts file") && p.contains("twice")), "{found:?}");
}

#[test]
fn totals_that_are_not_true_are_named() {
    let lake = Lake::new();
    let table = table(&lake);
    let change = TableChange {
        added: vec![data(&table, "a.parquet")],
        summary: summary_of(&[("total-records", "7")]),
        ..TableChange::default()
    };
    apply(&table, &change);
    finds(&table, "\"total-records\" is 7, the manifests say 25");
}

#[test]
fn checkpoints_that_do_not_follow_each_other_are_named() {
    for (summary, words) in [
        (vec![(CHECKPOINT_ID, "2"), (PREVIOUS_CHECKPOINT_ID, "2")], "checkpoint 2 of job \"job\" follows 2"),
        (vec![(CHECKPOINT_ID, "5"), (PREVIOUS_CHECKPOINT_ID, "4")], "follows 2, but was made after 4"),
        (vec![], "names no checkpoint"),
        (
            vec![(CHECKPOINT_ID, "3"), (PREVIOUS_CHECKPOINT_ID, "2"), (OFFSETS, "{\"source\": {\"0\": \"150\"}}")],
            "offset of \"source.0\" of job \"job\" went back",
        ),
        (vec![(CHECKPOINT_ID, "3"), (PREVIOUS_CHECKPOINT_ID, "2")], "says 2, its last snapshot 3"),
    ] {
        let lake = Lake::new();
        let table = table(&lake);
        let mut pairs = vec![(JOB_ID, "job")];
        pairs.extend(summary);
        let checkpoint = pairs.iter().find(|(key, _)| *key == CHECKPOINT_ID).map(|(_, value)| *value);
        let in_step = !words.contains("its last snapshot");
        let property =
            checkpoint.filter(|_| in_step).map(|c| (format!("{}job", identity::CHECKPOINT_PREFIX), c.into()));
        let change = TableChange {
            added: vec![data(&table, "a.parquet")],
            summary: summary_of(&pairs),
            set_properties: property.into_iter().collect(),
            ..TableChange::default()
        };
        apply(&table, &change);
        finds(&table, words);
    }
}

#[test]
fn a_version_that_the_catalog_does_not_know_is_named() {
    let lake = Lake::new();
    let table = table(&lake);
    let loaded = table.loaded();
    let later = crate::metadata::next_location(&loaded.metadata, Some(&loaded.location));
    loaded.io.write(&later, crate::metadata::encode(&loaded.metadata).unwrap()).unwrap();
    finds(&table, "have a later version than the catalog's");
    // The next process of the job clears it away.
    let sink = freshet_sql::catalog::external::ExternalTable::sink(&table, &Default::default(), &lake.env()).unwrap();
    let mut committer = sink.committer(&crate::testing::context(2)).unwrap();
    committer.recover(None).unwrap();
    drop(committer);
    assert_eq!(problems(&table), Vec::<String>::new());
}

#[test]
fn deletion_vectors_must_be_blobs_of_their_file() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[("format-version", "3")]);
    Job::start(&table, &lake, 1, None).checkpoint(1, &[rows(0..10)]);
    let of = live(&table)[0].file.file_path().to_string();
    let vector = crate::testing::deletion_vector(&table, "d.puffin", &of, &[1, 2]);
    let path = vector.file_path().to_string();
    apply(&table, &crate::testing::deletes(vec![vector]));
    assert_eq!(problems(&table), Vec::<String>::new());
    let io = &table.loaded().io;
    let whole = io.read(&path).unwrap();
    let mut broken = whole.to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    io.write(&path, broken).unwrap();
    finds(&table, "magic bytes");
}

#[test]
fn offsets_that_go_back_are_seen() {
    let before = json!({"t": {"0": "10", "1": "5"}});
    assert_eq!(went_back(&before, &json!({"t": {"0": "10", "1": "6", "2": "0"}}), ""), None);
    assert_eq!(went_back(&before, &json!({"t": {"0": "9", "1": "6"}}), ""), Some("t.0".into()));
    assert_eq!(went_back(&json!({"f": "a:3"}), &json!({"f": "a:2"}), ""), None, "text has no order that we know");
}
