//! Lake tables and files, written by the real binary to local disk, S3, HDFS and a REST catalog, read by programs of others.
//!
//! Rows are compared as text, one line each: `freshet sql -o tsv` beside DuckDB, PyIceberg and Spark.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests: a panic is their answer, figures are for the reader"
)]

mod support;

use freshet_testkit::services::{Hdfs, IcebergRest, Readers, S3};
use support::{CommitRace, Freshet, sorted};

/// Rows that [`SOURCE`] gives.
const ROWS: i64 = 3_000;

/// Every third id has NULLs; nothing in it is random, so that the expected rows are arithmetic.
const SOURCE: &str = "CREATE TEMPORARY TABLE ids (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '3000',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '2999');
SET 'execution.checkpointing.interval' = '150 ms';\n";

/// A table of plain columns, partitioned by text (with NULL) and date, in the catalog `l`.
const PARTED: &str = "CREATE TABLE IF NOT EXISTS l.d.parted (id BIGINT, name STRING, region STRING, `day` DATE) PARTITIONED BY (region, `day`);\n";
const PARTED_ROWS: &str = "SELECT id, CASE WHEN id % 3 <> 0 THEN 'name ' || CAST(id AS STRING) END,
  CASE id % 4 WHEN 0 THEN 'north' WHEN 1 THEN 'a b/ü=%' WHEN 2 THEN '' END,
  DATE '2024-02-28' + INTERVAL '1' DAY * CAST(id % 3 AS INT) FROM ids";

/// What [`PARTED_ROWS`] must give.
fn parted_rows() -> Vec<String> {
    let row = |id: i64| {
        let name = if id % 3 != 0 { format!("name {id}") } else { "\\N".to_string() };
        let region = ["north", "a b/ü=%", "", "\\N"][(id % 4) as usize];
        let day = ["2024-02-28", "2024-02-29", "2024-03-01"][(id % 3) as usize];
        format!("{id}\t{name}\t{region}\t{day}")
    };
    sorted((0..ROWS).map(row))
}

#[test]
fn others_read_the_rows_that_were_written() {
    let freshet = Freshet::new();
    freshet.demo("6s");
    let types = "CREATE TABLE IF NOT EXISTS types (id BIGINT, i INT, t STRING, good BOOLEAN, x DOUBLE, f FLOAT, price DECIMAL(20, 4),
  `day` DATE, ts TIMESTAMP(6), `at` TIMESTAMP_LTZ(6), b BYTES, numbers ARRAY<BIGINT>, m MAP<STRING, INT>, r ROW<a INT, b STRING>);\n";
    let values = "SELECT id, CAST(id - 1500 AS INT), CASE WHEN id % 3 <> 0 THEN 'tëxt ' || CAST(id AS STRING) END, CASE WHEN id % 5 <> 0 THEN id % 2 = 0 END,
  CASE WHEN id % 7 <> 0 THEN id / CAST(4 AS DOUBLE) END, CAST(id AS FLOAT) / 2, CASE WHEN id % 2 = 0 THEN CAST(id AS DECIMAL(20, 4)) / 8 END,
  DATE '1969-12-30' + INTERVAL '1' DAY * CAST(id AS INT), TIMESTAMP '1969-12-31 23:59:00.123456' + INTERVAL '1' SECOND * CAST(id AS INT),
  CAST(TIMESTAMP '2024-02-29 00:00:00.000001' AS TIMESTAMP_LTZ(6)), CAST('b' || CAST(id AS STRING) AS BYTES),
  CASE WHEN id % 3 <> 0 THEN ARRAY[id, id + 1] END, MAP['k', CAST(id AS INT)], ROW(CAST(id AS INT), CASE WHEN id % 2 = 0 THEN 'r' END) FROM ids";
    let parted = PARTED.replace("l.d.", "");
    let job = format!(
        "{SOURCE}{types}{parted}EXECUTE STATEMENT SET BEGIN\nINSERT INTO types {values};\nINSERT INTO parted {PARTED_ROWS};\nEND;\n"
    );
    freshet.run(&job);
    assert_eq!(freshet.rows("SELECT * FROM parted"), parted_rows());
    assert_eq!(
        freshet.rows("SELECT COUNT(*), COUNT(t), COUNT(numbers), COUNT(DISTINCT id) FROM types"),
        ["3000\t2000\t2000\t3000"]
    );
    let tables = [
        ("types", "SELECT * FROM types".to_string()),
        ("parted", "SELECT * FROM parted".to_string()),
        (
            "host_load",
            "SELECT CAST(window_start AS TIMESTAMP(6)), CAST(window_end AS TIMESTAMP(6)), host, kind, name, title, samples, average, highest FROM host_load"
                .to_string(),
        ),
    ];
    let readers = Readers::get().unwrap();
    let warehouse = freshet.data().join("lake");
    let names: Vec<String> = tables.iter().map(|(name, _)| format!("default_database.{name}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let spark = readers.spark(&warehouse, "freshet", &names).unwrap();
    assert_eq!(spark.len(), tables.len());
    for ((name, query), of_spark) in tables.iter().zip(&spark) {
        let ours = freshet.rows(query);
        let snapshots = freshet.snapshots("", name);
        println!("{name}: {} rows in {snapshots} snapshots", ours.len());
        // On a busy machine the few seconds of the demo may hold one checkpoint only.
        let enough = if *name == "host_load" { 1 } else { 2 };
        assert!(!ours.is_empty() && snapshots >= enough, "{name}: {} rows, {snapshots} snapshots", ours.len());
        let folder = warehouse.join("default_database").join(name);
        support::same(&format!("{name} in PyIceberg"), &readers.pyiceberg(&folder).unwrap(), &ours);
        support::same(&format!("{name} in DuckDB"), &readers.duckdb(&folder).unwrap(), &ours);
        support::same(&format!("{name} in Spark"), of_spark, &ours);
        freshet.verify("", name, ours.len());
    }
}

#[test]
fn a_table_is_read_as_it_was_and_by_jobs_only_what_is_new() {
    let freshet = Freshet::new();
    freshet.sql("CREATE TABLE a (id BIGINT); INSERT INTO a VALUES (1), (2);");
    let job = "CREATE TABLE IF NOT EXISTS b (id BIGINT);\nINSERT INTO b SELECT id * 10 FROM a;\n";
    freshet.run(job);
    freshet.sql("INSERT INTO a VALUES (3);");
    for attempt in ["second run", "third run"] {
        freshet.run(job);
        assert_eq!(freshet.rows("SELECT id FROM b"), ["10", "20", "30"], "{attempt}");
    }

    let snapshots = freshet.lake("snapshots", "", "a");
    let fields = |line: usize| snapshots[line].split('\t').map(String::from).collect::<Vec<_>>();
    let (first, last) = (fields(0)[0].clone(), fields(1)[1].replace('T', " "));
    let past = format!("SELECT id FROM a /*+ OPTIONS('snapshot-id' = '{first}') */");
    assert_eq!(freshet.rows(&past), ["1", "2"]);
    freshet.sql(&format!("CREATE TABLE c (id BIGINT); INSERT INTO c {past};"));
    assert_eq!(freshet.rows("SELECT id FROM c"), ["1", "2"], "a job reads the version that it names");
    // A time without a zone is one of the session's zone.
    let time = format!("TIMESTAMP '{}'", &last[..23]);
    let at = |zone: &str, time: &str| {
        format!("SET 'table.local-time-zone' = '{zone}'; SELECT id FROM a FOR SYSTEM_TIME AS OF {time};")
    };
    assert_eq!(freshet.rows(&at("UTC", &time)), ["1", "2", "3"]);
    assert_eq!(freshet.rows(&at("Etc/GMT+12", &format!("{time} - INTERVAL '1' HOUR"))), ["1", "2", "3"]);
    assert!(freshet.refused(&at("Etc/GMT-14", &time)).contains("lake.no_snapshot"));
    assert!(freshet.refused("SELECT id FROM a /*+ OPTIONS('tag' = 'v1') */;").contains("lake.no_reference"));

    // Chores change no row.
    let done = freshet.lake("compact", "", "a");
    assert!(done.contains(&"files removed\t2".to_string()), "{done:?}");
    freshet.lake("expire", "", "a");
    freshet.lake("orphans", "", "a");
    assert_eq!(freshet.rows("SELECT id FROM a"), ["1", "2", "3"]);
    freshet.verify("", "a", 3);
    freshet.run(job);
    assert_eq!(freshet.rows("SELECT id FROM b"), ["10", "20", "30"], "merged files hold no new rows");
}

/// Writes a lake table and files below `url`: stopped midway, then to the end; a run more must find nothing to do.
fn writes_once(freshet: &Freshet, url: &str, options: &str) -> String {
    let comma = if options.is_empty() { "" } else { ", " };
    let file = freshet.data().join("catalog.db").display().to_string();
    let catalog = format!(
        "CREATE CATALOG l WITH ('type' = 'iceberg', 'warehouse' = '{url}/warehouse', 'catalog-file' = '{file}'{comma}{options});\n"
    );
    let files = |format: &str| {
        format!(
            "CREATE TEMPORARY TABLE {format}_files (id BIGINT, name STRING, region STRING, `day` DATE) PARTITIONED BY (region, `day`)
  WITH ('connector' = 'filesystem', 'path' = '{url}/{format}', 'format' = '{format}', 'sink.partition-commit.policy.kind' = 'success-file'{comma}{options});\n"
        )
    };
    let setup = format!("{catalog}{}{}", files("parquet"), files("json"));
    let job = format!(
        "{setup}CREATE DATABASE IF NOT EXISTS l.d;\n{SOURCE}{PARTED}EXECUTE STATEMENT SET BEGIN
INSERT INTO l.d.parted {PARTED_ROWS};\nINSERT INTO parquet_files {PARTED_ROWS};\nINSERT INTO json_files {PARTED_ROWS};\nEND;\n"
    );
    // In files, an empty text in a partition column is NULL, as in Flink.
    let of_files = sorted(parted_rows().iter().map(|row| row.replace("\t\t", "\t\\N\t")));
    freshet.run_for(&job, "250 ms");
    let begun = freshet.rows(&format!("{catalog}SELECT * FROM l.d.parted;")).len();
    for attempt in ["first run", "second run"] {
        freshet.run(&job);
        let read = |table: &str| freshet.rows(&format!("{setup}SELECT id, name, region, `day` FROM {table};"));
        support::same(&format!("table, {attempt}"), &read("l.d.parted"), &parted_rows());
        support::same(&format!("Parquet files, {attempt}"), &read("parquet_files"), &of_files);
        support::same(&format!("JSON files, {attempt}"), &read("json_files"), &of_files);
        let snapshots = freshet.snapshots(&catalog, "l.d.parted");
        assert!(snapshots > 1, "{snapshots} snapshots");
        freshet.verify(&catalog, "l.d.parted", ROWS as usize);
        println!(
            "{url}, {attempt}: {ROWS} rows in {snapshots} snapshots ({begun} before it was stopped), as in Parquet and JSON files"
        );
    }
    file
}

#[test]
fn s3_holds_tables_and_files() {
    let (freshet, s3) = (Freshet::new(), S3::start().unwrap());
    let catalog_file = writes_once(&freshet, &s3.url(), &s3.options());
    let uri = format!("sqlite:///{catalog_file}");
    let endpoint = s3.endpoint();
    let properties = [
        ("type", "sql"),
        ("uri", &uri),
        ("s3.endpoint", &endpoint),
        ("s3.access-key-id", S3::ACCESS_KEY),
        ("s3.secret-access-key", S3::SECRET_KEY),
        ("s3.region", "us-east-1"),
    ];
    let theirs = Readers::get().unwrap().pyiceberg_catalog(&properties, "d.parted").unwrap();
    support::same("PyIceberg on S3", &theirs, &parted_rows());
}

#[test]
fn hdfs_holds_tables_and_files() {
    let (freshet, hdfs) = (Freshet::new(), Hdfs::start().unwrap());
    writes_once(&freshet, &hdfs.url(), "");
}

#[test]
fn a_rest_catalog_holds_tables_and_conflicts_are_retried() {
    let (freshet, rest) = (Freshet::new(), IcebergRest::start().unwrap());
    let catalog =
        |uri: &str| format!("CREATE CATALOG l WITH ('type' = 'iceberg', 'catalog-type' = 'rest', 'uri' = '{uri}');\n");
    let direct = catalog(&rest.uri());
    let query = format!("{direct}SELECT * FROM l.d.parted;");
    let job =
        format!("{direct}CREATE DATABASE IF NOT EXISTS l.d;\n{SOURCE}{PARTED}INSERT INTO l.d.parted {PARTED_ROWS};\n");
    for attempt in ["first run", "second run"] {
        freshet.run(&job);
        support::same(attempt, &freshet.rows(&query), &parted_rows());
    }
    freshet.verify(&direct, "l.d.parted", ROWS as usize);

    // Someone else's commit gets to the server between our look at the table and our own commit.
    let other = "INSERT INTO l.d.parted VALUES (-1, 'first', 'east', DATE '2024-01-01');";
    let race = CommitRace::start(&rest.uri(), || freshet.sql(&format!("{direct}{other}")));
    let late = "INSERT INTO l.d.parted VALUES (-2, 'late', CAST(NULL AS STRING), DATE '2024-01-02');";
    let conflicts = race.during(|uri| freshet.sql(&format!("{}{late}", catalog(uri))));
    assert!(conflicts >= 1, "the server never said that our commit came late");

    let both = ["-1\tfirst\teast\t2024-01-01", "-2\tlate\t\\N\t2024-01-02"].map(String::from);
    let expected = sorted(parted_rows().into_iter().chain(both));
    support::same("after the race", &freshet.rows(&query), &expected);
    freshet.verify(&direct, "l.d.parted", ROWS as usize + 2);
    let uri = rest.uri();
    let theirs = Readers::get().unwrap().pyiceberg_catalog(&[("type", "rest"), ("uri", &uri)], "d.parted").unwrap();
    support::same("PyIceberg through REST", &theirs, &expected);
    println!(
        "{} rows after {conflicts} conflict(s) in {} snapshots",
        expected.len(),
        freshet.snapshots(&direct, "l.d.parted")
    );
}
