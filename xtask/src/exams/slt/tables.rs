//! The tables of a sqllogictest file: their rows as the file's statements leave them, put before the queries as lake
//! tables and as changing streams.

use super::conversation::ExamSession;
use datafusion::sql::sqlparser::ast::{
    self, AssignmentTarget, FromTable, ObjectType, SetExpr, Statement, TableObject, UnaryOperator, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use freshet_types::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::LazyLock;

/// Database of the same tables as streams, with rows taken back.
pub(crate) const STREAMS: &str = "streams";
/// Database of the lake tables.
pub(crate) const LAKE: &str = "default_database";

/// The name of what a statement changes.
static CHANGED: LazyLock<regex::Regex> = LazyLock::new(|| {
    let pattern = r#"(?is)^\s*(?:insert\s+into|update|delete\s+from|alter\s+table|(?:create|drop)\s+(?:materialized\s+)?\w+(?:\s+if(?:\s+not)?\s+exists)?)\s+"?(\w+)"?"#;
    regex::Regex::new(pattern).expect("a pattern that was tried")
});

struct Table {
    /// Name and Flink type of each column.
    columns: Vec<(String, String)>,
    /// Columns that PostgreSQL lets hold no NULL.
    required: Vec<String>,
    rows: Vec<Map<String, Value>>,
    /// Whether the session does not know these rows yet.
    is_stale: bool,
    is_known: bool,
}

/// Tables and views of one file.
pub(crate) struct Tables {
    written: WrittenOut,
    tables: BTreeMap<String, Table>,
}

fn refused(text: impl Into<String>) -> Error {
    Error::unsupported("exam.statement", text.into())
}

impl Tables {
    pub(crate) fn new(written: WrittenOut) -> Self {
        Self { written, tables: BTreeMap::new() }
    }

    /// A query as Flink would write it.
    pub(crate) fn written_out(&self, sql: &str) -> String {
        let orders = self.written.nulls_are_great && sql.to_lowercase().contains("order");
        if !sql.contains("::") && !orders {
            return sql.to_string();
        }
        match Parser::parse_sql(&PostgreSqlDialect {}, sql) {
            Ok(mut parsed) if parsed.len() == 1 => {
                let _ = VisitMut::visit(&mut parsed[0], &mut self.written.clone());
                parsed[0].to_string()
            }
            _ => sql.to_string(),
        }
    }

    /// Takes a statement in.
    ///
    /// # Errors
    /// When it cannot be told what the statement does to the rows.
    pub(crate) fn execute(&mut self, sql: &str, session: &mut ExamSession, folder: &Path) -> Result<()> {
        let sql = replaced(sql);
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &sql).map_err(|e| refused(format!("{e}")))?;
        for mut statement in parsed {
            let _ = VisitMut::visit(&mut statement, &mut self.written.clone());
            self.one(statement, session, folder)?;
        }
        Ok(())
    }

    /// Drops the table that a failed statement would have changed, so that no query shows it: queries on it are refused.
    /// Gives whether it is known what the statement would have changed.
    pub(crate) fn forget(&mut self, sql: &str, session: &mut ExamSession) -> bool {
        let Some(name) = CHANGED.captures(sql).map(|c| c[1].to_lowercase()) else { return false };
        if self.tables.remove(&name).is_some_and(|t| t.is_known) {
            return drop_everywhere(&name, session).is_ok();
        }
        true
    }

    fn one(&mut self, statement: Statement, session: &mut ExamSession, folder: &Path) -> Result<()> {
        match statement {
            Statement::CreateTable(create) => self.create(&create),
            Statement::Insert(insert) => self.insert(&insert, session, folder),
            Statement::CreateView(view) => {
                self.show(session, folder)?;
                let (name, columns) = (name_of(&view.name), &view.columns);
                let columns = if columns.is_empty() {
                    String::new()
                } else {
                    let names: Vec<String> = columns.iter().map(|c| format!("`{}`", c.name.value)).collect();
                    format!(" ({})", names.join(", "))
                };
                session.in_each(&[LAKE, STREAMS], &format!("CREATE VIEW `{name}`{columns} AS {};", view.query))
            }
            Statement::Drop { object_type: ObjectType::View, names, .. } => names
                .iter()
                .try_for_each(|n| session.in_each(&[LAKE, STREAMS], &format!("DROP VIEW IF EXISTS `{}`;", name_of(n)))),
            Statement::Drop { object_type: ObjectType::Table, names, .. } => {
                for name in &names {
                    if self.tables.remove(&name_of(name)).is_some_and(|t| t.is_known) {
                        drop_everywhere(&name_of(name), session)?;
                    }
                }
                Ok(())
            }
            // Rows that nobody compares.
            Statement::Query(_) => Ok(()),
            Statement::Set(set) if set.to_string().contains("upsert_dml") => {
                Err(refused("rows that take others' place"))
            }
            Statement::Drop { .. } | Statement::CreateIndex(_) | Statement::Set(_) | Statement::Flush { .. } => Ok(()),
            Statement::Delete(delete) => {
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                let name = from.first().map(|f| f.relation.to_string()).unwrap_or_default();
                let kept = match &delete.selection {
                    None => "FALSE".to_string(),
                    Some(condition) => format!("({condition}) IS NOT TRUE"),
                };
                self.select_into(&name, &format!("SELECT * FROM `{name}` WHERE {kept}"), true, session, folder)
            }
            Statement::Update(update) => {
                let name = update.table.relation.to_string();
                let table = self.tables.get(&name).ok_or_else(|| refused(format!("no table {name}")))?;
                let condition = update.selection.as_ref().map_or("TRUE".to_string(), ToString::to_string);
                let mut items = Vec::new();
                for (column, _) in &table.columns {
                    let new = update.assignments.iter().find(|a| match &a.target {
                        AssignmentTarget::ColumnName(n) => name_of(n) == *column,
                        AssignmentTarget::Tuple(_) => false,
                    });
                    items.push(match new {
                        Some(new) => format!("CASE WHEN {condition} THEN {} ELSE `{column}` END", new.value),
                        None => format!("`{column}`"),
                    });
                }
                self.select_into(&name, &format!("SELECT {} FROM `{name}`", items.join(", ")), true, session, folder)
            }
            other => Err(refused(other.to_string().chars().take(60).collect::<String>())),
        }
    }

    fn create(&mut self, create: &ast::CreateTable) -> Result<()> {
        let name = name_of(&create.name);
        if create.query.is_some() {
            return Err(refused("CREATE TABLE AS"));
        }
        if self.tables.get(&name).is_some_and(|t| t.is_known) {
            return Err(refused("a table that is there"));
        }
        let columns = create
            .columns
            .iter()
            .map(|c| Ok((c.name.value.clone(), flink_type(&c.data_type)?)))
            .collect::<Result<Vec<_>>>()?;
        let refuses_null = |o: &ast::ColumnOptionDef| {
            matches!(o.option, ast::ColumnOption::NotNull | ast::ColumnOption::PrimaryKey(_))
        };
        let required = create.columns.iter().filter(|c| c.options.iter().any(refuses_null));
        let required = required.map(|c| c.name.value.clone()).collect();
        self.tables.insert(name, Table { columns, required, rows: Vec::new(), is_stale: true, is_known: false });
        Ok(())
    }

    fn insert(&mut self, insert: &ast::Insert, session: &mut ExamSession, folder: &Path) -> Result<()> {
        let TableObject::TableName(name) = &insert.table else { return Err(refused("INSERT into a function")) };
        let name = name_of(name);
        if insert.on.is_some() {
            return Err(refused("INSERT .. ON CONFLICT"));
        }
        let Some(source) = &insert.source else { return Err(refused("INSERT without rows")) };
        let table = self.tables.get(&name).ok_or_else(|| refused(format!("no table {name}")))?;
        let columns: Vec<(String, String)> = if insert.columns.is_empty() {
            table.columns.clone()
        } else {
            let of = |n: &ast::ObjectName| table.columns.iter().find(|(c, _)| *c == name_of(n)).cloned();
            insert.columns.iter().filter_map(of).collect()
        };
        let SetExpr::Values(values) = source.body.as_ref() else {
            if !insert.columns.is_empty() {
                return Err(refused("INSERT of some columns from a query"));
            }
            return self.select_into(&name, &source.to_string(), false, session, folder);
        };
        let mut rows = Vec::new();
        for given in &values.rows {
            let mut row = Map::new();
            for (value, (column, sql_type)) in given.iter().zip(&columns) {
                row.insert(column.clone(), literal(value, sql_type, session)?);
            }
            if table.required.iter().any(|column| row.get(column).is_none_or(Value::is_null)) {
                return Err(refused("a NULL in a key"));
            }
            rows.push(row);
        }
        let table = self.tables.get_mut(&name).expect("it was there");
        table.rows.extend(rows);
        table.is_stale = true;
        Ok(())
    }

    /// The rows of a query become rows of a table.
    fn select_into(
        &mut self,
        name: &str,
        query: &str,
        replace: bool,
        session: &mut ExamSession,
        folder: &Path,
    ) -> Result<()> {
        self.show(session, folder)?;
        let table = self.tables.get(name).ok_or_else(|| refused(format!("no table {name}")))?;
        let columns = table.columns.clone();
        let answer = session.rows(&format!("USE {LAKE}; {query};"))?;
        let mut rows = Vec::new();
        for row in answer.texts()? {
            let cells = columns.iter().zip(row).map(|((column, sql_type), cell)| {
                (column.clone(), cell.map_or(Value::Null, |text| typed(&text, sql_type)))
            });
            rows.push(cells.collect());
        }
        let table = self.tables.get_mut(name).expect("it was there");
        if replace {
            table.rows.clear();
        }
        table.rows.extend::<Vec<_>>(rows);
        table.is_stale = true;
        Ok(())
    }

    /// Makes the session's tables hold what the file's statements left.
    pub(crate) fn show(&mut self, session: &mut ExamSession, folder: &Path) -> Result<()> {
        for (name, table) in &mut self.tables {
            if !std::mem::take(&mut table.is_stale) {
                continue;
            }
            let columns: Vec<String> = table.columns.iter().map(|(c, t)| format!("`{c}` {t}")).collect();
            let columns = columns.join(", ");
            let (mut plain, mut changing) = (String::new(), String::new());
            let event = |op: &str, row: &Map<String, Value>| format!("{}\n", json!({ "op": op, "row": row }));
            for row in &table.rows {
                plain += &event("+I", row);
            }
            // Each third row comes, goes, and comes again behind the others.
            for (i, row) in table.rows.iter().enumerate() {
                changing += &event("+I", row);
                if i % 3 == 1 {
                    changing += &event("-D", row);
                }
            }
            for row in table.rows.iter().skip(1).step_by(3) {
                changing += &event("+I", row);
            }
            let path = |kind: &str| folder.join(format!("{name}.{kind}"));
            let write = |kind: &str, text: &str| {
                std::fs::write(path(kind), text).map_err(|e| Error::unavailable("exam.file", e.to_string()))
            };
            write("plain", &plain)?;
            write("changing", &changing)?;
            let with = |kind: &str, updating: bool| {
                format!("WITH ('connector' = 'events', 'path' = '{}', 'updating' = '{updating}')", path(kind).display())
            };
            let mut script = String::new();
            if std::mem::replace(&mut table.is_known, true) {
                let _ = writeln!(script, "DROP TEMPORARY TABLE `feed_{name}`; DROP TABLE `{name}`;");
                let _ = writeln!(script, "USE {STREAMS}; DROP TABLE `{name}`; USE {LAKE};");
            }
            let _ = writeln!(script, "CREATE TEMPORARY TABLE `feed_{name}` ({columns}) {};", with("plain", false));
            let _ = writeln!(script, "CREATE TABLE `{name}` ({columns});");
            if !table.rows.is_empty() {
                let _ = writeln!(script, "INSERT INTO `{name}` SELECT * FROM `feed_{name}`;");
            }
            let _ = writeln!(script, "USE {STREAMS}; CREATE TABLE `{name}` ({columns}) {};", with("changing", true));
            session.rows(&format!("USE {LAKE}; {script} USE {LAKE};"))?;
        }
        Ok(())
    }
}

/// Drops a table of lake and streams, and what fed it.
fn drop_everywhere(name: &str, session: &mut ExamSession) -> Result<()> {
    session.in_each(&[LAKE, STREAMS], &format!("DROP TABLE IF EXISTS `{name}`;"))?;
    session.rows(&format!("DROP TEMPORARY TABLE IF EXISTS `feed_{name}`;")).map(drop)
}

fn name_of(name: &ast::ObjectName) -> String {
    name.0.last().and_then(|p| p.as_ident()).map_or_else(|| name.to_string(), |i| i.value.clone())
}

/// Writes PostgreSQL's `x::t` as a CAST to a type of Flink, and where its NULLs stand.
#[derive(Clone)]
pub(crate) struct WrittenOut {
    /// Whether NULLs are above all values, as in PostgreSQL, or below, as in SQLite and Flink.
    pub(crate) nulls_are_great: bool,
}

impl VisitorMut for WrittenOut {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<()> {
        if self.nulls_are_great
            && let Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(items), .. }) = &mut query.order_by
        {
            for item in items {
                let descending = item.options.asc == Some(false);
                item.options.nulls_first.get_or_insert(descending);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let ast::Expr::Cast { kind, data_type, .. } = expr {
            *kind = ast::CastKind::Cast;
            if let Ok(ours) = flink_type(data_type) {
                let name = ast::Ident::new(ours);
                *data_type = ast::DataType::Custom(ast::ObjectName::from(vec![name]), Vec::new());
            }
        }
        ControlFlow::Continue(())
    }
}

/// What sqllogictest files write that is neither PostgreSQL's nor ours.
fn replaced(sql: &str) -> String {
    let lower = sql.trim_start().to_lowercase();
    if lower.starts_with("create materialized view") || lower.starts_with("drop materialized view") {
        return sql.replacen("materialized", "", 1).replacen("MATERIALIZED", "", 1);
    }
    if lower.starts_with("flush") || lower.starts_with("drop index") || lower.starts_with("create unique index") {
        return String::new();
    }
    sql.to_string()
}

fn flink_type(data_type: &ast::DataType) -> Result<String> {
    use ast::DataType::*;
    Ok(match data_type {
        Int(_) | Integer(_) | Int4(_) => "INT".into(),
        SmallInt(_) | Int2(_) => "SMALLINT".into(),
        BigInt(_) | Int8(_) => "BIGINT".into(),
        Real | Float4 => "FLOAT".into(),
        Float(_) | Double(_) | DoublePrecision | Float8 => "DOUBLE".into(),
        Text | Varchar(_) | CharacterVarying(_) | String(_) => "STRING".into(),
        Boolean | Bool => "BOOLEAN".into(),
        Date => "DATE".into(),
        Timestamp(_, ast::TimezoneInfo::None) => "TIMESTAMP(6)".into(),
        Numeric(ast::ExactNumberInfo::None) | Decimal(ast::ExactNumberInfo::None) => "DECIMAL(28, 10)".into(),
        Numeric(ast::ExactNumberInfo::PrecisionAndScale(p, s))
        | Decimal(ast::ExactNumberInfo::PrecisionAndScale(p, s)) => {
            format!("DECIMAL({p}, {s})")
        }
        other => return Err(refused(format!("a column of type {other}"))),
    })
}

/// A literal as the JSON format reads it; anything else is computed.
fn literal(value: &ast::Expr, sql_type: &str, session: &mut ExamSession) -> Result<Value> {
    let is_text = sql_type == "STRING";
    let is_number = !is_text && !matches!(sql_type, "BOOLEAN" | "DATE") && !sql_type.starts_with("TIMESTAMP");
    match value {
        ast::Expr::Value(v) => match &v.value {
            ast::Value::Null => return Ok(Value::Null),
            ast::Value::Number(text, _) if is_number => return Ok(typed(text, sql_type)),
            ast::Value::SingleQuotedString(text) if is_text || is_plain_time(text, sql_type) => return Ok(json!(text)),
            ast::Value::Boolean(b) if sql_type == "BOOLEAN" => return Ok(json!(b)),
            _ => {}
        },
        ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } if is_number => {
            if let ast::Expr::Value(v) = expr.as_ref()
                && let ast::Value::Number(text, _) = &v.value
            {
                return Ok(typed(&format!("-{text}"), sql_type));
            }
        }
        _ => {}
    }
    let answer = session.rows(&format!("SELECT CAST({value} AS {sql_type});"))?;
    let cell = answer.texts()?.pop().and_then(|mut row| row.pop()).flatten();
    Ok(cell.map_or(Value::Null, |text| typed(&text, sql_type)))
}

/// Whether a text is a date or a time as the JSON format reads it.
fn is_plain_time(text: &str, sql_type: &str) -> bool {
    let digits = |shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(c, s)| if s == b'0' { c.is_ascii_digit() } else { c == s })
    };
    match sql_type {
        "DATE" => digits("0000-00-00"),
        _ => sql_type.starts_with("TIMESTAMP") && digits("0000-00-00 00:00:00"),
    }
}

fn typed(text: &str, sql_type: &str) -> Value {
    match sql_type {
        "BOOLEAN" => json!(text.eq_ignore_ascii_case("true")),
        "SMALLINT" | "INT" | "BIGINT" => text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n)),
        "FLOAT" | "DOUBLE" => text.parse::<f64>().map_or_else(|_| json!(text), |n| json!(n)),
        _ => json!(text),
    }
}
