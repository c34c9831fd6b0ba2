//! Commits against the embedded catalog: conflicts, manifests, totals, branches.

use super::*;
use crate::testing::{Job, Lake, added, apply, expected, foreign_data, live, rows, summary};
use arrow::array::{ArrayRef, Int64Array};
use std::sync::Arc;

fn ids(table: &LakeTable, name: &str, ids: std::ops::Range<i64>) -> AddedFile {
    let array: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
    added(foreign_data(table, name, vec![("id", 1, array)]))
}

fn append(files: Vec<AddedFile>) -> TableChange {
    TableChange { added: files, ..TableChange::default() }
}

#[test]
fn a_lost_race_is_decided_anew_and_loses_nothing() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut calls = 0;
    let mine = ids(&table, "mine.parquet", 0..10);
    let other = table.clone();
    commit(&table, &mut |now| {
        calls += 1;
        if calls == 1 {
            // Between our look and our swap someone else commits.
            apply(&other, &append(vec![ids(&other, "other.parquet", 10..30)]));
        } else {
            assert!(now.metadata().current_snapshot().is_some(), "the second look sees the other commit");
        }
        Ok(Some(append(vec![mine.clone()])))
    })
    .unwrap();
    assert_eq!(calls, 2);
    assert_eq!(summary(&table), expected(0..30));
    assert!(crate::verify::verify(&table.refresh().unwrap()).unwrap().is_sound());
}

#[test]
fn writers_at_the_same_time_all_get_through() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    std::thread::scope(|scope| {
        for writer in 0..4_i64 {
            let table = table.clone();
            scope.spawn(move || {
                for i in 0..3_i64 {
                    let from = (writer * 3 + i) * 10;
                    apply(&table, &append(vec![ids(&table, &format!("{from}.parquet"), from..from + 10)]));
                }
            });
        }
    });
    assert_eq!(summary(&table), expected(0..120));
    let report = crate::verify::verify(&table.refresh().unwrap()).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.snapshots, report.rows), (12, 120));
}

#[test]
fn manifests_stay_few_and_totals_right() {
    let lake = Lake::new();
    for (version, name) in [("2", "two"), ("3", "three")] {
        let table = lake.table(vec![], &[("format-version", version), ("commit.manifest.min-count-to-merge", "4")]);
        let mut now = table.clone();
        for i in 0..30 {
            now = apply(&now, &append(vec![ids(&table, &format!("{name}{i}.parquet"), i * 10..i * 10 + 10)]));
        }
        let snapshot = std::sync::Arc::clone(now.metadata().current_snapshot().unwrap());
        let manifests = crate::files::manifests(&now.loaded().io, now.metadata(), &snapshot).unwrap();
        assert!(manifests.len() <= 12, "{}", manifests.len());
        let totals = &snapshot.summary().additional_properties;
        assert_eq!((totals["total-records"].as_str(), totals["total-data-files"].as_str()), ("300", "30"));
        assert_eq!(summary(&table), expected(0..300));
        assert_eq!(crate::verify::verify(&now).unwrap().problems, Vec::<String>::new());
        lake.catalog_drop();
    }
}

#[test]
fn files_are_replaced_and_a_file_that_is_gone_is_a_refusal() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let now = apply(&table, &append(vec![ids(&table, "a.parquet", 0..10), ids(&table, "b.parquet", 10..20)]));
    let old = live(&now)[0].file.file_path().to_string();
    let change = TableChange {
        operation: iceberg::spec::Operation::Overwrite,
        added: vec![ids(&table, "c.parquet", 100..110)],
        removed: BTreeSet::from([old]),
        ..TableChange::default()
    };
    let now = apply(&now, &change);
    assert_eq!(summary(&table), expected((10..20).chain(100..110)));
    let again = commit(&now, &mut |_| Ok(Some(change.clone()))).unwrap_err();
    assert_eq!(again.code(), "lake.not_live");
    assert_eq!(crate::verify::verify(&now).unwrap().problems, Vec::<String>::new());
}

#[test]
fn a_branch_moves_without_the_table() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let now = apply(&table, &append(vec![ids(&table, "a.parquet", 0..10)]));
    let branch = TableChange { branch: Some("audit".into()), ..append(vec![ids(&table, "b.parquet", 10..20)]) };
    let now = apply(&now, &branch);
    assert_eq!(summary(&table), expected(0..10));
    assert!(now.metadata().snapshot_for_ref("audit").is_some());
    assert_ne!(
        now.metadata().snapshot_for_ref("audit").unwrap().snapshot_id(),
        now.metadata().current_snapshot_id().unwrap()
    );
}

#[test]
fn metadata_names_sort_as_their_versions() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[("write.metadata.previous-versions-max", "5")]);
    let mut job = Job::start(&table, &lake, 1, None);
    for checkpoint in 1..=20 {
        job.checkpoint(checkpoint, &[rows(0..10)]);
    }
    let table = table.refresh().unwrap();
    let folder = format!("{}/metadata", table.metadata().location());
    let mut names: Vec<String> = table.loaded().io.list(&folder).unwrap().into_iter().map(|f| f.path).collect();
    names.retain(|n| n.ends_with(".metadata.json"));
    names.sort();
    assert_eq!(names.last(), Some(&table.loaded().location));
    assert!(names.len() <= 6, "{names:?}");
}
