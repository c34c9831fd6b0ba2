//! Examples that read files.

use crate::example::Example;
use freshet_testkit::services::Hdfs;
use std::path::Path;

/// Gives the only file of `folder` the name `to`.
fn rename_only_file(folder: &Path, to: &Path) {
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    std::fs::rename(&files[0], to).unwrap();
}

#[test]
fn parquet_filter() {
    let mut example = Example::new("parquet_filter");
    example.set("DIR", "data_lake");
    example.check(&["make.sql"]);
    example.run("make.sql");
    let lake = example.work().join("data_lake");
    for form in ["parquet", "avro"] {
        rename_only_file(&lake.join(form), &lake.join(format!("data.{form}")));
    }
    // The columns come from the files: without them there is nothing to check against.
    example.check(&["job.sql"]);
    assert_eq!(example.run("job.sql").0, example.expected());
}

#[test]
fn csv_count_on_hdfs() {
    let hdfs = Hdfs::shared().unwrap();
    let mut example = Example::new("csv_count_on_hdfs");
    example.set("HDFS", &format!("{}/csv_count", hdfs.url()));
    let input = example.file("input").display().to_string();
    example.set("FROM", &input);
    example.check(&["load.sql", "job.sql"]);
    example.run("load.sql");
    assert_eq!(example.run("job.sql").0, example.expected());
    assert_eq!(example.run("job.sql").0, example.expected(), "a second run has nothing to add");
}
