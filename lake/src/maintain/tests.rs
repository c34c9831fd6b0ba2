//! Chores against the embedded catalog: rows never change, files get fewer.

use super::find;
use crate::commit::TableChange;
use crate::testing::{
    Job, Lake, apply, deletes, equality_deletes, expected, live, options, position_deletes, rows, summary, term,
};
use crate::verify::verify;
use arrow::array::{ArrayRef, Int64Array};
use freshet_types::Options;
use std::sync::Arc;

fn sound(table: &crate::LakeTable) {
    assert_eq!(verify(&table.refresh().unwrap()).unwrap().problems, Vec::<String>::new());
}

#[test]
fn compaction_keeps_the_rows() {
    let lake = Lake::new();
    for terms in [vec![], vec![term("bucket", Some(2), "id")]] {
        let table = lake.table(terms, &[]);
        let mut job = Job::start(&table, &lake, 1, None);
        for checkpoint in 1..=5_u64 {
            let from = checkpoint as i64 * 10;
            job.checkpoint(checkpoint, &[rows(from..from + 10)]);
        }
        let report = find("compact").unwrap().run(&table, &Options::default()).unwrap();
        assert!(report.files_removed >= 5 && report.files_added <= 2, "{report:?}");
        assert_eq!(live(&table).len(), report.files_added);
        assert_eq!(summary(&table), expected(10..60));
        job.checkpoint(6, &[rows(60..70)]);
        assert_eq!(summary(&table), expected(10..70));
        sound(&table);
        lake.catalog_drop();
    }
}

#[test]
fn compaction_makes_deletes_final() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    job.checkpoint(2, &[rows(10..20)]);
    let first = live(&table)[0].file.file_path().to_string();
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![15]));
    let table = apply(
        &table,
        &deletes(vec![
            position_deletes(&table, "p.parquet", &[(&first, 3)]),
            equality_deletes(&table, "e.parquet", ("id", 1, keys)),
        ]),
    );
    job.checkpoint(3, &[rows(15..16)]);
    let left = || (0..20).filter(|i| *i != 3);
    assert_eq!(summary(&table), expected(left()));
    find("compact").unwrap().run(&table, &Options::default()).unwrap();
    assert_eq!(summary(&table), expected(left()));
    sound(&table);
}

#[test]
fn expiry_deletes_what_only_old_snapshots_needed() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    for checkpoint in 1..=4_u64 {
        lake.clock.advance_ms(5_000);
        let from = checkpoint as i64 * 10;
        job.checkpoint(checkpoint, &[rows(from..from + 10)]);
    }
    find("compact").unwrap().run(&table, &Options::default()).unwrap();
    lake.clock.advance_ms(5_000);
    let report = find("expire").unwrap().run(&table, &options(&[("older-than", "1 s")])).unwrap();
    assert_eq!(report.snapshots_removed, 4);
    let table = table.refresh().unwrap();
    let data = table.loaded().io.list(&format!("{}/data", table.metadata().location())).unwrap();
    assert_eq!(data.len(), 1, "the merged file is left: {data:?}");
    assert_eq!(summary(&table), expected(10..50));
    sound(&table);
    // The job goes on: the table property still tells its last checkpoint.
    let commit = job.checkpoint(5, &[rows(50..60)]);
    job.committer.commit(&commit).unwrap();
    assert_eq!(summary(&table), expected(10..60));
    sound(&table);
}

#[test]
fn orphans_go_and_nothing_else() {
    let lake = Lake::new();
    let table = lake.table(vec![], &[]);
    let mut job = Job::start(&table, &lake, 1, None);
    job.checkpoint(1, &[rows(0..10)]);
    job.prepare(2, &[rows(10..20)]);
    let table = table.refresh().unwrap();
    // The files are as old as the machine's clock says, which the virtual one is ahead of.
    let report = find("orphans").unwrap().run(&table, &options(&[("older-than", "0")])).unwrap();
    let expected_removed = usize::from(report.files_removed > 0);
    assert_eq!(report.files_removed, expected_removed);
    assert_eq!(summary(&table), expected(0..10));
    sound(&table);
    assert!(find("orphan").is_err());
    apply(&table, &TableChange::default());
}
