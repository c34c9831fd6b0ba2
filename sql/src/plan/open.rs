//! Opens tables for queries: connector and options, computed columns, watermark, columns of a file that nobody declared.

use super::error::outward;
use super::special_tables::SpecialTable;
use super::table::{ColumnFrom, OWN, Origin, Rowtime, Table, TableColumn, own_schema};
use super::{Functions, Names, Planner, analyze, parser_options, prepare};
use crate::catalog::external::{ExternalTable, TableVersion};
use crate::catalog::{ResolvedTable, TableDefinition};
use crate::parse::ColumnKind;
use arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::logical_expr::logical_plan::builder::LogicalTableSource;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;
use freshet_connector_api::connector::check_options;
use freshet_connector_api::{ColumnSpec, TableSpec};
use freshet_types::{Error, Options, Result, SqlField, SqlType};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, OnceLock};

impl Planner<'_> {
    /// A table of a connector or of an external catalog, with the options of a hint over its own.
    pub(crate) fn table(&self, resolved: &ResolvedTable, special: &SpecialTable) -> Result<Arc<Table>> {
        let path = match resolved {
            ResolvedTable::Connector(definition) => definition.path.to_string(),
            ResolvedTable::External { path, .. } => path.to_string(),
            ResolvedTable::File(path) => {
                return self.file(&SpecialTable { parts: vec![path.clone()], ..special.clone() });
            }
            ResolvedTable::View(view) => {
                return Err(Error::invalid("table.view", format!("\"{}\" is a view", view.path.name)));
            }
        };
        let key = format!("{path} {:?} {:?} {:?}", special.options, special.as_of, special.snapshot);
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let version = self.version(special);
        let id = self.free_id(&path);
        let table = match resolved {
            ResolvedTable::Connector(definition) => {
                if version.is_some() {
                    return Err(Error::invalid(
                        "table.version",
                        format!("table \"{}\" keeps no versions", definition.path.name),
                    )
                    .hint("leave FOR SYSTEM_TIME AS OF out; only lake tables keep versions"));
                }
                self.connector_table(id, definition, &special.options)?
            }
            ResolvedTable::External { path, table } => {
                self.external_table(id, &path.to_string(), table, &special.options, version)?
            }
            _ => unreachable!("files and views have been dealt with"),
        };
        Ok(self.keep(key, table))
    }

    /// The version of a table that is asked for behind its name.
    fn version(&self, special: &SpecialTable) -> Option<TableVersion> {
        match (special.snapshot, special.as_of) {
            (Some(id), _) => Some(TableVersion::Snapshot(id)),
            (None, Some(at)) => Some(TableVersion::Timestamp(at.instant_ms(self.time_zone()))),
            (None, None) => None,
        }
    }

    /// A table that was opened before, by its id.
    pub(crate) fn opened(&self, id: &str) -> Option<Arc<Table>> {
        self.tables.lock().expect("no panic while the lock is held").values().find(|t| t.id == id).cloned()
    }

    fn known(&self, key: &str) -> Option<Arc<Table>> {
        self.tables.lock().expect("no panic while the lock is held").get(key).cloned()
    }

    fn keep(&self, key: String, table: Table) -> Arc<Table> {
        let table = Arc::new(table);
        self.tables.lock().expect("no panic while the lock is held").insert(key, Arc::clone(&table));
        table
    }

    /// A name for the table that no other table of the job has.
    fn free_id(&self, path: &str) -> String {
        let tables = self.tables.lock().expect("no panic while the lock is held");
        let taken = |id: &str| tables.values().any(|t| t.id == id);
        if !taken(path) {
            return path.to_string();
        }
        (2..).map(|n| format!("{path}#{n}")).find(|id| !taken(id)).expect("there are more numbers than tables")
    }

    fn connector_table(&self, id: String, definition: &TableDefinition, hints: &Options) -> Result<Table> {
        let mut spec = definition.to_spec()?;
        for (key, text) in hints.iter() {
            spec.options.set(key, text);
        }
        let name = spec.options.get("connector").map(str::to_string).ok_or_else(|| {
            Error::invalid("option.missing", "the table names no connector")
                .at("table", definition.path.to_string())
                .hint("write WITH ('connector' = '...')")
        })?;
        let connector = self.connectors.find(&name).map_err(|e| e.at("table", definition.path.to_string()))?;
        if !hints.is_empty() {
            check_options(connector, &spec)?;
        }
        // Places are those of the text that made the table.
        let place = |e: Error| e.without_span().at("table", definition.path.to_string());
        let (columns, rowtime) = self.columns_of(definition, &spec).map_err(place)?;
        let fail_on_dead_letter = spec.options.get("errors").is_some_and(|e| e.eq_ignore_ascii_case("fail"));
        Ok(Table {
            id,
            schema: schema_of(&columns),
            spec,
            columns,
            rowtime,
            origin: Origin::Connector(connector),
            fail_on_dead_letter,
            source: OnceLock::new(),
        })
    }

    /// Whether the computed columns and the watermark of a table can be planned.
    ///
    /// # Errors
    /// Those of names, types and constructs, with their place in the text that `definition` comes from.
    pub fn check_definition(&self, definition: &TableDefinition) -> Result<()> {
        let place = |e: Error| e.at("table", definition.path.name.clone());
        self.columns_of(definition, &definition.to_spec()?).map(drop).map_err(place)
    }

    /// Columns of a table with the types of the computed ones, each with whether it tells processing time.
    ///
    /// # Errors
    /// Those of names, types and constructs.
    pub fn column_types(&self, definition: &TableDefinition) -> Result<Vec<(SqlField, bool)>> {
        let (columns, _) = self.columns_of(definition, &definition.to_spec()?).map_err(Error::without_span)?;
        Ok(columns.into_iter().map(|c| (c.field, c.is_proctime)).collect())
    }

    /// The columns of a table with the computed ones planned, and its event time.
    fn columns_of(
        &self,
        definition: &TableDefinition,
        spec: &TableSpec,
    ) -> Result<(Vec<TableColumn>, Option<Rowtime>)> {
        let mut columns: Vec<TableColumn> = Vec::with_capacity(definition.columns.len());
        let computed: Vec<(String, ast::Expr)> = definition
            .columns
            .iter()
            .filter_map(|c| match &c.kind {
                ColumnKind::Computed { expression, .. } => Some((c.name.clone(), expression.as_ref().clone())),
                _ => None,
            })
            .collect();
        let mut computed = self.expressions(&spec.schema(), computed)?.into_iter();
        let mut next = 0;
        for column in &definition.columns {
            columns.push(match &column.kind {
                ColumnKind::Computed { expression, .. } => {
                    let (expr, field) = computed.next().expect("one for each computed column");
                    TableColumn {
                        field,
                        from: ColumnFrom::Computed(Box::new(expr)),
                        is_proctime: is_call_of(expression, "PROCTIME"),
                    }
                }
                _ => {
                    next += 1;
                    let field = spec.columns[next - 1].field.clone();
                    TableColumn { field, from: ColumnFrom::Spec(next - 1), is_proctime: false }
                }
            });
        }
        let rowtime = self.rowtime(definition, &columns, &spec.options)?;
        Ok((columns, rowtime))
    }

    fn rowtime(
        &self,
        definition: &TableDefinition,
        columns: &[TableColumn],
        options: &Options,
    ) -> Result<Option<Rowtime>> {
        let Some(watermark) = &definition.watermark else { return Ok(None) };
        let column = columns.iter().position(|c| c.field.name == watermark.column).ok_or_else(|| {
            Error::not_found("column.unknown", format!("no column named \"{}\"", watermark.column))
                .hint("name a column of the table in WATERMARK FOR")
        })?;
        let time = &columns[column].field;
        if !matches!(time.sql_type, SqlType::Timestamp(0..=3) | SqlType::TimestampLtz(0..=3)) {
            return Err(Error::invalid(
                "watermark.type",
                format!("column \"{}\" of type {} cannot tell event time", time.name, time.sql_type),
            )
            .hint("make it TIMESTAMP(3) or TIMESTAMP_LTZ(3), for example by a computed column"));
        }
        let schema = schema_of(columns);
        let expression = (watermark.column.clone(), watermark.expression.clone());
        let (expr, field) = self.expressions(&schema, vec![expression])?.remove(0);
        if !matches!(field.sql_type, SqlType::Timestamp(_) | SqlType::TimestampLtz(_)) {
            return Err(Error::invalid("watermark.type", format!("the watermark is of type {}", field.sql_type))
                .hint("write WATERMARK FOR ts AS ts - INTERVAL '5' SECOND"));
        }
        let idle_timeout = match options.duration("scan.watermark.idle-timeout")? {
            Some(timeout) => Some(timeout),
            None => self.config.source_idle_timeout(),
        };
        Ok(Some(Rowtime { column, watermark: expr, idle_timeout: idle_timeout.filter(|t| !t.is_zero()) }))
    }

    /// Expressions over the columns of a schema, qualified by [`OWN`], with Flink's typing.
    fn expressions(&self, schema: &Schema, exprs: Vec<(String, ast::Expr)>) -> Result<Vec<(Expr, SqlField)>> {
        if exprs.is_empty() {
            return Ok(Vec::new());
        }
        let functions: &Functions = &self.stream;
        let names = Names::new(self, functions);
        let planner = SqlToRel::new_with_options(&names, parser_options());
        let own = own_schema(schema)?;
        let mut planned = Vec::with_capacity(exprs.len());
        for (name, mut expr) in exprs {
            prepare::prepare_expression(&mut expr)?;
            let expr = planner
                .sql_to_expr(expr, &own, &mut PlannerContext::new())
                .map_err(outward)
                .map_err(|e| e.at("column", name.clone()))?;
            planned.push(expr.alias(name));
        }
        let source = Arc::new(LogicalTableSource::new(Arc::new(schema.clone())));
        let plan = LogicalPlanBuilder::scan(OWN, source, None)
            .and_then(|b| b.project(planned))
            .and_then(LogicalPlanBuilder::build)
            .map_err(outward)?;
        let plan = analyze(plan, &self.rewrite_context(functions), &self.options)?;
        let fields = super::fields_of(&plan)?;
        let LogicalPlan::Projection(projection) = plan else {
            return Err(Error::internal("plan.columns", "computed columns are no projection"));
        };
        Ok(projection.expr.into_iter().map(Expr::unalias).zip(fields).collect())
    }

    fn external_table(
        &self,
        id: String,
        path: &str,
        table: &Arc<dyn ExternalTable>,
        hints: &Options,
        version: Option<TableVersion>,
    ) -> Result<Table> {
        let at = |e: Error| e.at("table", path.to_string());
        let mut versions: Vec<TableVersion> = version.into_iter().collect();
        for (key, text) in hints.iter() {
            versions.extend(match key {
                "snapshot-id" => hints.int(key).map_err(at)?.map(TableVersion::Snapshot),
                "as-of-timestamp" => hints.int(key).map_err(at)?.map(TableVersion::Timestamp),
                "branch" => Some(TableVersion::Branch(text.to_string())),
                "tag" => Some(TableVersion::Tag(text.to_string())),
                "streaming" if text == "false" => None,
                _ => {
                    return Err(at(Error::unsupported(
                        "option.unsupported",
                        format!("hint \"{key}\" of a lake table is not there yet"),
                    )
                    .hint("use snapshot-id, as-of-timestamp, branch or tag")));
                }
            });
        }
        if versions.len() > 1 {
            return Err(at(Error::invalid("table.version", "more than one version of a table is asked for")
                .hint("keep one of FOR SYSTEM_TIME AS OF, snapshot-id, as-of-timestamp, branch and tag")));
        }
        let table = match versions.first() {
            Some(version) => table.at(version).map_err(at)?,
            None => Arc::clone(table),
        };
        let definition = table.definition();
        let mut options = definition.options.clone();
        for (key, text) in hints.iter() {
            options.set(key, text);
        }
        let index = |name: &String| definition.columns.iter().position(|c| c.name == *name);
        let spec = TableSpec {
            name: path.to_string(),
            columns: definition.columns.iter().cloned().map(ColumnSpec::physical).collect(),
            options,
            primary_key: definition.primary_key.iter().filter_map(index).collect(),
            partition_keys: Vec::new(),
        };
        Ok(plain_table(id, spec, Origin::External(table)))
    }

    /// A file or a folder that stands where a table is expected: a lake table's folder, or files whose columns come from
    /// the first of them.
    pub(crate) fn file(&self, file: &SpecialTable) -> Result<Arc<Table>> {
        let path = file.parts.first().map(String::as_str).unwrap_or_default();
        let key = format!("file {path} {:?} {:?} {:?}", file.options, file.as_of, file.snapshot);
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let place = |e: Error| e.at("file", path.to_string());
        if let Some(table) = self.catalog.table_in(path).map_err(place)? {
            let table = self.external_table(self.free_id(path), path, &table, &file.options, self.version(file))?;
            return Ok(self.keep(key, table));
        }
        if !file.options.is_empty() || self.version(file).is_some() {
            return Err(place(
                Error::unsupported("file.options", "a file in quotes takes neither options nor a version")
                    .hint("declare the table with CREATE TABLE ... WITH ('connector' = 'filesystem')"),
            ));
        }
        let local = path.strip_prefix("file://").unwrap_or(path);
        if local.contains("://") {
            return Err(place(
                Error::unsupported("file.remote", "columns of a remote file are not found out yet")
                    .hint("declare the table with CREATE TABLE ... WITH ('connector' = 'filesystem')"),
            ));
        }
        let file = first_file(Path::new(local)).map_err(place)?;
        let format = format_of(&file).map_err(place)?;
        let opened = File::open(&file)
            .map_err(|e| place(Error::not_found("file.open", "the file cannot be opened").because(e)))?;
        let found = freshet_formats::find(format)?;
        let schema = found.infer(Box::new(opened), &Options::default()).map_err(place)?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| match SqlField::from_arrow(field) {
                Some(field) => Ok(ColumnSpec::physical(field)),
                None => Err(place(Error::unsupported(
                    "type.unsupported",
                    format!("column \"{}\" is of type {}", field.name(), field.data_type()),
                ))),
            })
            .collect::<Result<Vec<_>>>()?;
        let connector = self.connectors.find("filesystem")?;
        let options = [("connector", "filesystem"), ("path", path), ("format", format)].into_iter().collect();
        let spec =
            TableSpec { name: path.to_string(), columns, options, primary_key: Vec::new(), partition_keys: Vec::new() };
        let id = self.free_id(path);
        Ok(self.keep(key, plain_table(id, spec, Origin::Connector(connector))))
    }
}

/// A table whose columns are those of its spec.
fn plain_table(id: String, spec: TableSpec, origin: Origin) -> Table {
    let columns: Vec<TableColumn> = spec
        .columns
        .iter()
        .enumerate()
        .map(|(i, c)| TableColumn { field: c.field.clone(), from: ColumnFrom::Spec(i), is_proctime: false })
        .collect();
    Table {
        id,
        schema: schema_of(&columns),
        spec,
        columns,
        rowtime: None,
        origin,
        fail_on_dead_letter: false,
        source: OnceLock::new(),
    }
}

fn schema_of(columns: &[TableColumn]) -> Arc<Schema> {
    Arc::new(Schema::new(columns.iter().map(|c| c.field.to_arrow()).collect::<Vec<_>>()))
}

fn is_call_of(expr: &ast::Expr, name: &str) -> bool {
    matches!(expr, ast::Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case(name))
}

/// Type of watermarks in the graph.
pub(crate) fn watermark_type(zone: bool) -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, zone.then(|| "UTC".into()))
}

/// The file itself, or the first file of a folder in the order of names.
fn first_file(path: &Path) -> Result<std::path::PathBuf> {
    if !path.exists() {
        return Err(Error::not_found("file.unknown", "there is no such file").hint("check the path"));
    }
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let unreadable = |e: std::io::Error| Error::denied("file.list", "the folder cannot be listed").because(e);
    let mut inside: Vec<_> = std::fs::read_dir(path)
        .map_err(unreadable)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    inside.sort();
    inside
        .into_iter()
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| !n.starts_with(['.', '_'])))
        .find_map(|p| first_file(&p).ok())
        .ok_or_else(|| Error::invalid("file.empty", "the folder holds no file").hint("name a file"))
}

fn format_of(file: &Path) -> Result<&'static str> {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let format = freshet_formats::FORMATS.iter().find(|f| f.extensions().contains(&extension.as_str()));
    format.map(|f| f.name()).ok_or_else(|| {
        let known: Vec<String> =
            freshet_formats::FORMATS.iter().flat_map(|f| f.extensions()).map(|e| format!(".{e}")).collect();
        Error::invalid("file.format", format!("a file named *.{extension} tells no format"))
            .hint(format!("name a file that ends in {}, or declare it with CREATE TABLE", known.join(", ")))
    })
}
