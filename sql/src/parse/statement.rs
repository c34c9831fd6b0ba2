//! What a statement says, before any name in it is looked up.
//!
//! Names are lists of parts as they were written (`catalog.database.table`, fewer parts mean the current ones). Queries
//! are sqlparser's, after `super::normalize`; see there for the few shapes that differ from sqlparser's own.

use crate::catalog::external::PartitionTerm;
use datafusion::sql::sqlparser::ast::{Expr, Query};
use freshet_types::{Options, SqlType};

/// One statement.
#[derive(Debug, Clone)]
pub enum Statement {
    /// `CREATE TABLE`, with or without `AS SELECT`.
    CreateTable(Box<CreateTable>),
    /// `DROP TABLE`.
    DropTable(Drop),
    /// `ALTER TABLE`.
    AlterTable {
        /// The table.
        name: Vec<String>,
        /// Whether a missing table is fine.
        if_exists: bool,
        /// What changes, in order.
        actions: Vec<AlterAction>,
    },
    /// `CREATE VIEW`.
    CreateView(Box<CreateView>),
    /// `ALTER VIEW v RENAME TO w`.
    RenameView {
        /// The view.
        name: Vec<String>,
        /// Its new name.
        to: Vec<String>,
    },
    /// `DROP VIEW`.
    DropView(Drop),
    /// `CREATE CATALOG`.
    CreateCatalog {
        /// Its name.
        name: String,
        /// Whether one that is there already is fine.
        if_not_exists: bool,
        /// COMMENT.
        comment: Option<String>,
        /// WITH.
        options: Options,
    },
    /// `DROP CATALOG`.
    DropCatalog {
        /// Its name.
        name: String,
        /// Whether a missing one is fine.
        if_exists: bool,
    },
    /// `CREATE DATABASE`.
    CreateDatabase {
        /// `database` or `catalog.database`.
        name: Vec<String>,
        /// Whether one that is there already is fine.
        if_not_exists: bool,
        /// COMMENT.
        comment: Option<String>,
        /// WITH.
        options: Options,
    },
    /// `DROP DATABASE`.
    DropDatabase {
        /// `database` or `catalog.database`.
        name: Vec<String>,
        /// Whether a missing one is fine.
        if_exists: bool,
        /// Whether its tables go too.
        cascade: bool,
    },
    /// `USE CATALOG c`.
    UseCatalog(String),
    /// `USE database` or `USE catalog.database`.
    UseDatabase(Vec<String>),
    /// `INSERT INTO`.
    Insert(Box<Insert>),
    /// `EXECUTE STATEMENT SET BEGIN ... END` or `BEGIN STATEMENT SET; ... END`.
    StatementSet(Vec<Insert>),
    /// A query.
    Query(Box<Query>),
    /// `SET`, without a key: list all.
    Set {
        /// Key and text.
        assignment: Option<(String, String)>,
    },
    /// `RESET`, without a key: all.
    Reset {
        /// The key.
        key: Option<String>,
    },
    /// `SHOW`.
    Show(Show),
    /// `DESCRIBE t`.
    Describe {
        /// A table or view.
        name: Vec<String>,
        /// `DESCRIBE EXTENDED`.
        extended: bool,
    },
    /// `EXPLAIN`.
    Explain {
        /// What is asked for besides the plan.
        details: Vec<ExplainDetail>,
        /// A query, an INSERT, a CREATE TABLE AS or a statement set.
        statement: Box<Statement>,
    },
    /// A statement that has no meaning here and does no harm: the notice beside it says so (`ADD JAR`).
    Nothing,
}

/// `DROP TABLE` or `DROP VIEW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// What is dropped.
    pub name: Vec<String>,
    /// Whether a missing one is fine.
    pub if_exists: bool,
    /// Whether a temporary one is meant.
    pub temporary: bool,
}

/// `CREATE TABLE`.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// Its name.
    pub name: Vec<String>,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// Columns in order; with `AS SELECT` those beside the query's.
    pub columns: Vec<ColumnDefinition>,
    /// `WATERMARK FOR`.
    pub watermark: Option<WatermarkDefinition>,
    /// `PRIMARY KEY ... NOT ENFORCED`, of a column or of the table.
    pub primary_key: Vec<String>,
    /// `PARTITIONED BY`.
    pub partition_by: Vec<PartitionTerm>,
    /// `COMMENT`.
    pub comment: Option<String>,
    /// `WITH`.
    pub options: Options,
    /// `LIKE`.
    pub like: Option<LikeClause>,
    /// `AS SELECT`.
    pub as_select: Option<Box<Query>>,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    /// Name.
    pub name: String,
    /// Where its values come from.
    pub kind: ColumnKind,
    /// Type; none for a computed column, whose expression decides.
    pub sql_type: Option<SqlType>,
    /// Whether NULL may stand there (a computed column: not known yet, so true).
    pub nullable: bool,
    /// COMMENT.
    pub comment: Option<String>,
}

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// From the record.
    Physical,
    /// From the connector.
    Metadata {
        /// Key of the metadata; the column's name unless `FROM` says otherwise.
        key: String,
        /// `VIRTUAL`: left out when the table is written.
        read_only: bool,
    },
    /// From the other columns.
    Computed {
        /// How.
        expression: Box<Expr>,
        /// As it was written.
        text: String,
    },
}

/// `WATERMARK FOR column AS expression`.
#[derive(Debug, Clone, PartialEq)]
pub struct WatermarkDefinition {
    /// The time column.
    pub column: String,
    /// How its watermark follows.
    pub expression: Expr,
    /// As it was written.
    pub text: String,
}

/// `LIKE source (INCLUDING ...)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeClause {
    /// The table to take from.
    pub source: Vec<String>,
    /// What is taken and how, in order.
    pub features: Vec<(LikeAction, LikeFeature)>,
}

/// How a part of a LIKE is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeAction {
    /// Taken; a clash is an error.
    Including,
    /// Not taken.
    Excluding,
    /// Taken; the new table's own wins.
    Overwriting,
}

/// Part of a table that LIKE may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeFeature {
    /// Everything.
    All,
    /// Primary key.
    Constraints,
    /// DISTRIBUTED BY.
    Distribution,
    /// Computed columns.
    Generated,
    /// Metadata columns.
    Metadata,
    /// WITH.
    Options,
    /// PARTITIONED BY.
    Partitions,
    /// Watermark.
    Watermarks,
}

/// One change of an ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterAction {
    /// `RENAME TO`.
    Rename(Vec<String>),
    /// `RENAME column TO column`.
    RenameColumn(String, String),
    /// `SET ('key' = 'text')`.
    SetOptions(Options),
    /// `RESET ('key')`.
    ResetOptions(Vec<String>),
    /// `ADD column`.
    AddColumn(ColumnDefinition, Option<ColumnPosition>),
    /// `MODIFY column`.
    ModifyColumn(ColumnDefinition, Option<ColumnPosition>),
    /// `DROP column`.
    DropColumn(String),
    /// `ADD WATERMARK` or `MODIFY WATERMARK`; true: there must be none yet.
    Watermark(Box<WatermarkDefinition>, bool),
    /// `DROP WATERMARK`.
    DropWatermark,
    /// `ADD PRIMARY KEY` or `MODIFY PRIMARY KEY`; true: there must be none yet.
    PrimaryKey(Vec<String>, bool),
    /// `DROP PRIMARY KEY`.
    DropPrimaryKey,
}

/// Where a new column goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnPosition {
    /// Before all others.
    First,
    /// Behind this one.
    After(String),
}

/// `CREATE VIEW`.
#[derive(Debug, Clone)]
pub struct CreateView {
    /// Its name.
    pub name: Vec<String>,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// Names of its columns, where they were given.
    pub columns: Vec<String>,
    /// COMMENT.
    pub comment: Option<String>,
    /// The query.
    pub query: Box<Query>,
    /// The query as it was written.
    pub query_text: String,
}

/// `INSERT INTO`.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The target.
    pub table: Vec<String>,
    /// Options of a `/*+ OPTIONS(...) */` hint behind the target.
    pub hints: Options,
    /// Columns that the query gives, where they were named.
    pub columns: Vec<String>,
    /// `PARTITION (column = literal)`.
    pub partition: Vec<(String, Expr)>,
    /// Where the rows come from.
    pub source: Box<Query>,
    /// The statement as it was written.
    pub text: String,
}

/// What EXPLAIN shows besides the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainDetail {
    /// Which changes each operator emits.
    ChangelogMode,
    /// How many rows it may be.
    EstimatedCost,
    /// The plan as JSON.
    JsonExecutionPlan,
    /// What could be better.
    PlanAdvice,
}

/// `SHOW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// What is listed.
    pub what: ShowWhat,
    /// `FROM`/`IN`: a catalog, a database, or for columns a table.
    pub from: Option<Vec<String>>,
    /// `[NOT] LIKE 'pattern'`.
    pub like: Option<LikeFilter>,
}

/// `[NOT] LIKE 'pattern'`, with `ILIKE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeFilter {
    /// `NOT`.
    pub negated: bool,
    /// `ILIKE`.
    pub ignore_case: bool,
    /// SQL pattern with `%` and `_`.
    pub pattern: String,
}

/// What SHOW lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowWhat {
    /// `SHOW CATALOGS`.
    Catalogs,
    /// `SHOW CURRENT CATALOG`.
    CurrentCatalog,
    /// `SHOW DATABASES`.
    Databases,
    /// `SHOW CURRENT DATABASE`.
    CurrentDatabase,
    /// `SHOW TABLES`.
    Tables,
    /// `SHOW VIEWS`.
    Views,
    /// `SHOW [USER] FUNCTIONS`; true: those of users only.
    Functions(bool),
    /// `SHOW COLUMNS FROM t`.
    Columns,
    /// `SHOW CREATE TABLE t`.
    CreateTable(Vec<String>),
    /// `SHOW CREATE VIEW v`.
    CreateView(Vec<String>),
    /// `SHOW CREATE CATALOG c`.
    CreateCatalog(String),
    /// `SHOW JOBS`.
    Jobs,
    /// `SHOW JARS`.
    Jars,
    /// `SHOW [FULL] MODULES`.
    Modules,
    /// `SHOW PARTITIONS t`.
    Partitions(Vec<String>),
    /// `SHOW CONFIG`: every key, what it is set to, and what becomes of it.
    Config,
    /// `SHOW CONNECTORS`: every connector of this build.
    Connectors,
    /// `SHOW FORMATS`: every format of this build.
    Formats,
}

impl LikeFilter {
    /// Whether `name` passes.
    ///
    /// ```
    /// use freshet_sql::parse::LikeFilter;
    /// let like = LikeFilter { negated: false, ignore_case: false, pattern: "or%_s".into() };
    /// assert!(like.accepts("orders") && !like.accepts("Orders") && !like.accepts("ors"));
    /// ```
    pub fn accepts(&self, name: &str) -> bool {
        let fold = |text: &str| -> Vec<char> {
            if self.ignore_case { text.to_lowercase().chars().collect() } else { text.chars().collect() }
        };
        like(&fold(&self.pattern), &fold(name)) != self.negated
    }
}

/// SQL LIKE in time pattern x text: on a mismatch only the last `%` is tried further on.
fn like(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '_' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}
