//! One statement at a time: definitions, settings, listings, queries, statement sets.

use super::listings::Listing;
use super::{Session, again};
use crate::Observer;
use crate::dry_lake::Nothing;
use crate::text_rows::text_rows;
use datafusion::sql::sqlparser::ast::Query;
use freshet_sql::parse::{ColumnDefinition, ColumnKind, CreateTable, Drop, ExplainDetail, Insert, Parsed, Statement};
use freshet_sql::plan::JobPlan;
use freshet_types::{Error, Options, Result, SqlField};
use std::sync::Arc;

impl Session {
    /// Executes a statement.
    pub(super) fn execute(&mut self, parsed: &Parsed, observer: &mut dyn Observer) -> Result<()> {
        let mut notices = Vec::new();
        match &parsed.statement {
            Statement::Query(query) => return self.run_query(query, observer),
            Statement::Insert(insert) => return self.run_job(std::slice::from_ref(insert), observer),
            Statement::StatementSet(inserts) => return self.run_job(inserts, observer),
            Statement::CreateTable(table) if table.as_select.is_some() => {
                return self.create_table_as(table, parsed, observer);
            }
            Statement::Show(show) => {
                return match self.show(show)? {
                    Listing::Rows(rows) => observer.listing(&rows),
                    Listing::Text(text) => observer.text(&text),
                };
            }
            Statement::Describe { name, .. } => return observer.listing(&self.describe_table(name, &|_| true)?),
            Statement::Explain { details, statement } => return observer.text(&self.explain(statement, details)?),
            Statement::Set { assignment: None } => {
                let set = self.config.assignments().into_iter().map(|(k, v)| vec![Some(k), Some(v)]);
                return observer.listing(&text_rows(&["key", "value"], set.collect()));
            }
            Statement::Set { assignment: Some((key, value)) } => {
                notices.extend(self.config.set(key, value)?);
                self.apply_settings();
            }
            Statement::Reset { key } => {
                self.config.reset(key.as_deref())?;
                self.apply_settings();
            }
            Statement::CreateTable(table) => {
                self.check_columns(table, &[])?;
                notices = match self.standing_table(table, &[])?.filter(|_| !table.if_not_exists) {
                    Some(_) => vec![again::notice(table)],
                    None => self.catalog.create_table(table)?,
                }
            }
            Statement::DropTable(drop) => self.catalog.drop_table(drop)?,
            Statement::AlterTable { name, if_exists, actions } => {
                notices = self.catalog.alter_table(name, *if_exists, actions)?;
            }
            Statement::CreateView(view) => {
                // A view that cannot be planned is refused where it is made, not where it is read.
                let given = self.planner().query_schema(&view.query)?.len();
                if !view.columns.is_empty() && view.columns.len() != given {
                    return Err(Error::invalid(
                        "view.columns",
                        format!("the query gives {given} columns, but {} names stand there", view.columns.len()),
                    )
                    .at("view", view.name.join("."))
                    .hint("name each column of the query"));
                }
                notices = self.catalog.create_view(view)?;
            }
            Statement::RenameView { name, to } => self.catalog.rename_view(name, to)?,
            Statement::DropView(drop) => self.catalog.drop_view(drop)?,
            Statement::CreateCatalog { name, if_not_exists, comment, options } => {
                self.catalog.create_catalog(name, *if_not_exists, comment.clone(), options)?;
            }
            Statement::DropCatalog { name, if_exists } => self.catalog.drop_catalog(name, *if_exists)?,
            Statement::CreateDatabase { name, if_not_exists, comment, options } => {
                self.catalog.create_database(name, *if_not_exists, comment.clone(), options)?;
            }
            Statement::DropDatabase { name, if_exists, cascade } => {
                self.catalog.drop_database(name, *if_exists, *cascade)?;
            }
            Statement::UseCatalog(name) => self.catalog.use_catalog(name)?,
            Statement::UseDatabase(name) => self.catalog.use_database(name)?,
            Statement::Nothing => {}
        }
        notices.iter().for_each(|n| observer.notice(n));
        observer.done("done");
        Ok(())
    }

    /// Lets settings act on what keeps a copy of them.
    fn apply_settings(&mut self) {
        let zone = self.config.time_zone().to_string();
        self.catalog.set_time_zone(&zone);
        self.env.time_zone = zone;
    }

    /// A table whose computed columns or watermark cannot be planned is refused where it is made, not where it is read.
    fn check_columns(&self, table: &CreateTable, query: &[SqlField]) -> Result<()> {
        let is_planned = |c: &ColumnDefinition| matches!(c.kind, ColumnKind::Computed { .. });
        if table.watermark.is_none() && !table.columns.iter().any(is_planned) {
            return Ok(());
        }
        let definition = self.catalog.preview_table(table, query)?;
        self.planner().check_definition(&definition)
    }

    /// `CREATE TABLE t AS SELECT`: the table with the columns of the query, then an INSERT of it.
    fn create_table_as(&mut self, table: &CreateTable, parsed: &Parsed, observer: &mut dyn Observer) -> Result<()> {
        let Some(insert) = insert_of(table, &parsed.text) else { return Ok(()) };
        let columns = self.planner().query_schema(&insert.source)?;
        self.check_columns(table, &columns)?;
        match self.standing_table(table, &columns)? {
            Some(standing) if self.goes_on_with(table, &insert, &standing)? => observer.notice(&again::notice(table)),
            Some(_) if self.options.from_scratch => return Err(again::holds_rows(table)),
            _ if table.if_not_exists && self.catalog.contains(&table.name)? => {
                observer.notice(&format!("table \"{}\" exists; nothing is inserted", table.name.join(".")));
                return Ok(());
            }
            _ => {
                self.catalog.create_table_as(table, &columns)?.iter().for_each(|notice| observer.notice(notice));
                if let Err(e) = self.planner().plan_inserts(std::slice::from_ref(&insert)) {
                    // What cannot be filled is not left behind empty.
                    let name = table.name.clone();
                    self.catalog.drop_table(&Drop { name, if_exists: true, temporary: table.temporary })?;
                    return Err(e);
                }
            }
        }
        self.run_job(&[insert], observer)
    }

    /// The plan of a query, an INSERT, a statement set or a CREATE TABLE AS.
    pub(super) fn explain(&self, statement: &Statement, details: &[ExplainDetail]) -> Result<String> {
        let plan = match statement {
            Statement::Query(query) => self.query_plan(query)?,
            Statement::Insert(insert) => self.planner().plan_inserts(std::slice::from_ref(insert))?,
            Statement::StatementSet(inserts) => self.planner().plan_inserts(inserts)?,
            Statement::CreateTable(table) if table.as_select.is_some() => {
                // The table is not there yet: its query is what can be explained.
                self.query_plan(table.as_select.as_ref().expect("the guard has seen it"))?
            }
            _ => {
                return Err(Error::invalid("explain.statement", "this statement has no plan")
                    .hint("EXPLAIN takes a query, an INSERT, a statement set or CREATE TABLE AS"));
            }
        };
        freshet_sql::explain::explain_with(&plan, details)
    }

    /// The plan of a query whose rows go nowhere.
    pub(super) fn query_plan(&self, query: &Query) -> Result<JobPlan> {
        self.planner().plan_query(query, |_, _| Arc::new(Nothing))
    }
}

/// The INSERT that fills the table of a CREATE TABLE AS.
fn insert_of(table: &CreateTable, text: &str) -> Option<Insert> {
    Some(Insert {
        table: table.name.clone(),
        hints: Options::default(),
        columns: Vec::new(),
        partition: Vec::new(),
        source: table.as_select.clone()?,
        text: text.to_string(),
    })
}
