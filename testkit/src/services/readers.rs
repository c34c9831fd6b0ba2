//! Foreign readers of lake tables: DuckDB and PyIceberg in one Python, PySpark in another.

use super::Result;
use super::install::{self, Artifact};
use super::process;
use super::tool;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: &[&str] = &[
    "pyarrow",
    "duckdb==1.5.5",
    "duckdb-extension-iceberg",
    "duckdb-extension-avro",
    "pyiceberg[sql-sqlite,pyarrow]==0.12.0",
];
const SPARK_JARS: &[Artifact] = &[
    ("org.apache.iceberg", "iceberg-spark-runtime-4.1_2.13", "1.12.0", ""),
    ("org.xerial", "sqlite-jdbc", "3.50.3.0", ""),
];

/// Programs of others that read a table's folder.
pub struct Readers {
    python: PathBuf,
}

impl Readers {
    /// Finds or installs DuckDB and PyIceberg.
    pub fn get() -> Result<Self> {
        Ok(Self { python: install::python("readers", PACKAGES)? })
    }

    /// Gets PySpark, and the jars that it reads a lake with.
    pub(super) fn install_spark() -> Result<(PathBuf, PathBuf)> {
        Ok((install::python("spark", &["pyspark==4.1.4", "pyarrow"])?, install::jars("spark-jars", SPARK_JARS)?))
    }

    /// The Python that has them.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// Rows of the table in `folder` as PyIceberg reads them: one tab-separated line each, sorted.
    pub fn pyiceberg(&self, folder: &Path) -> Result<Vec<String>> {
        self.lines(&format!(
            "{METADATA}
from pyiceberg.table import StaticTable
show(StaticTable.from_metadata(metadata({folder:?})).scan().to_arrow())"
        ))
    }

    /// Rows of the table in `folder` as DuckDB reads them.
    pub fn duckdb(&self, folder: &Path) -> Result<Vec<String>> {
        self.lines(&format!(
            "{METADATA}
import duckdb, glob, importlib.util, os
db = duckdb.connect(config={{'allow_unsigned_extensions': 'true'}})
for name in ('avro', 'iceberg'):
    place = importlib.util.find_spec('duckdb_extension_' + name).submodule_search_locations[0]
    db.execute(\"LOAD '\" + glob.glob(place + '/**/*.duckdb_extension', recursive=True)[0] + \"'\")
show(db.execute(\"SELECT * FROM iceberg_scan('\" + metadata({folder:?}) + \"')\").to_arrow_table())"
        ))
    }

    /// Rows of each of `queries` (a line each) as DuckDB gives them once it has run `setup`; none where DuckDB says that it
    /// has not got that.
    pub fn duckdb_queries(&self, setup: &str, queries: &[String]) -> Result<Vec<Option<Vec<String>>>> {
        let scratch = process::folder("duckdb")?;
        let file = scratch.path().join("queries");
        std::fs::write(&file, queries.join("\n")).map_err(|e| format!("{}: {e}", file.display()))?;
        let lines = self.lines(&format!(
            "{METADATA}
import duckdb
db = duckdb.connect()
db.execute({setup:?})
for query in open({file:?}):
    print('{MARK}')
    try: show(db.execute(query).to_arrow_table())
    except duckdb.NotImplementedException: print('{MISSING}')"
        ))?;
        let answers = lines.split(|line| line == MARK).skip(1);
        Ok(answers.map(|lines| (lines != [MISSING]).then(|| lines.to_vec())).collect())
    }

    /// Rows of `table` (namespace and name) as PyIceberg reads them through a catalog, which `properties` describe in
    /// PyIceberg's words. The lake's own SQLite file calls itself `freshet`.
    pub fn pyiceberg_catalog(&self, properties: &[(&str, &str)], table: &str) -> Result<Vec<String>> {
        let properties: Vec<String> = properties.iter().map(|(key, value)| format!("{key:?}: {value:?}")).collect();
        self.lines(&format!(
            "{METADATA}
from pyiceberg.catalog import load_catalog
show(load_catalog('freshet', **{{{properties}}}).load_table({table:?}).scan().to_arrow())",
            properties = properties.join(", "),
        ))
    }

    /// Rows of each of `tables` (namespace and name) as Spark reads them, through the lake's own SQLite catalog in
    /// `warehouse`. One Spark for all of them: its start takes longer than the rest.
    pub fn spark(&self, warehouse: &Path, catalog: &str, tables: &[&str]) -> Result<Vec<Vec<String>>> {
        let (python, jars) = Self::install_spark()?;
        let scratch = process::folder("spark")?;
        let script = format!(
            "{METADATA}
import glob
from pyspark.sql import SparkSession
b = SparkSession.builder.master('local[2]').config('spark.jars', ','.join(glob.glob({jars:?} + '/*.jar')))
for key, value in {{
    'spark.local.dir': {scratch:?}, 'spark.driver.memory': '700m', 'spark.ui.enabled': 'false', 'spark.driver.host': '127.0.0.1', 'spark.driver.bindAddress': '127.0.0.1',
    'spark.driver.extraJavaOptions': '-XX:+UseSerialGC -XX:TieredStopAtLevel=1', 'spark.sql.session.timeZone': 'UTC',
    'spark.sql.catalog.{catalog}': 'org.apache.iceberg.spark.SparkCatalog',
    'spark.sql.catalog.{catalog}.type': 'jdbc',
    'spark.sql.catalog.{catalog}.uri': 'jdbc:sqlite:{warehouse}/catalog.db',
    'spark.sql.catalog.{catalog}.jdbc.schema-version': 'V1',
    'spark.sql.catalog.{catalog}.warehouse': 'file://{warehouse}',
}}.items(): b = b.config(key, value)
import pyarrow
spark = b.getOrCreate()
for table in {tables:?}:
    print('{MARK}')
    show(spark.sql('SELECT * FROM {catalog}.' + table).toArrow())",
            jars = jars.display().to_string(),
            scratch = scratch.path().display().to_string(),
            warehouse = warehouse.display(),
        );
        let lines = lines_of(&python, &script)?;
        Ok(lines.split(|line| line == MARK).skip(1).map(<[String]>::to_vec).collect())
    }

    fn lines(&self, script: &str) -> Result<Vec<String>> {
        lines_of(&self.python, script)
    }
}

/// Stands before the rows of each table.
const MARK: &str = "--- table ---";
/// Stands in the place of rows that a reader has no answer for.
const MISSING: &str = "--- not implemented ---";

/// Finds a table's newest metadata file, and writes rows as this project's `tsv` does, times with six digits (the tables keep
/// no other precision).
const METADATA: &str = "
import datetime, decimal, glob, sys
def metadata(folder): return sorted(glob.glob(folder + '/metadata/*.metadata.json'))[-1]
def text(v):
    if v is None: return chr(92) + 'N'
    if isinstance(v, bool): return 't' if v else 'f'
    if isinstance(v, datetime.datetime): return v.replace(tzinfo=None).isoformat(sep=' ', timespec='microseconds')
    if isinstance(v, bytes): return 2 * chr(92) + 'x' + v.hex()
    if isinstance(v, list) and v and isinstance(v[0], tuple): return '{' + ', '.join(inner(k) + '=' + inner(x) for k, x in v) + '}'
    if isinstance(v, list): return '[' + ', '.join(map(inner, v)) + ']'
    if isinstance(v, dict): return '(' + ', '.join(map(inner, v.values())) + ')'
    return str(v)
def inner(v): return 'NULL' if v is None else text(v)
def show(table):
    for line in sorted(chr(9).join(text(v) for v in row.values()) for row in table.to_pylist()): print(line)
";

fn lines_of(python: &Path, script: &str) -> Result<Vec<String>> {
    let mut command = Command::new(python);
    command.args(["-c", script]).env("SPARK_LOCAL_IP", "127.0.0.1");
    tool::with_java(&mut command)?;
    let output = command.output().map_err(|e| format!("{}: {e}", python.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect())
}
