//! The answers to SHOW and DESCRIBE, as rows of text.

use super::Session;
use crate::text_rows::text_rows;
use arrow::array::RecordBatch;
use freshet_sql::catalog::{ColumnListing, ResolvedTable};
use freshet_sql::functions;
use freshet_sql::parse::{Show, ShowWhat};
use freshet_types::{Error, Result, Watermark};

/// Rows of text, or one text.
pub(super) enum Listing {
    /// Rows.
    Rows(RecordBatch),
    /// A statement that makes the thing.
    Text(String),
}

impl Session {
    pub(super) fn show(&self, show: &Show) -> Result<Listing> {
        let passes = |name: &str| show.like.as_ref().is_none_or(|l| l.accepts(name));
        let one = |title: &str, names: Vec<String>| {
            let values = names.into_iter().filter(|n| passes(n)).map(|n| vec![Some(n)]).collect();
            Ok(Listing::Rows(text_rows(&[title], values)))
        };
        let from = show.from.as_deref();
        match &show.what {
            ShowWhat::Catalogs => one("catalog name", self.catalog.catalogs()),
            ShowWhat::CurrentCatalog => one("current catalog name", vec![self.catalog.current_catalog().to_string()]),
            ShowWhat::Databases => {
                one("database name", self.catalog.databases(from.and_then(<[String]>::first).map(String::as_str))?)
            }
            ShowWhat::CurrentDatabase => {
                one("current database name", vec![self.catalog.current_database().to_string()])
            }
            ShowWhat::Tables => one("table name", self.catalog.tables(from)?),
            ShowWhat::Views => one("view name", self.catalog.views(from)?),
            ShowWhat::Functions(users_only) => {
                let functions = functions::list().into_iter().filter(|f| !users_only && passes(f.name));
                let values =
                    functions.map(|f| [f.name, f.signature, f.doc].map(|t| Some(t.to_string())).to_vec()).collect();
                Ok(Listing::Rows(text_rows(&["function name", "call", "what it does"], values)))
            }
            ShowWhat::Columns => {
                let table = from.ok_or_else(|| {
                    Error::invalid("sql.syntax", "SHOW COLUMNS names no table").hint("add FROM table")
                })?;
                self.describe_table(table, &passes).map(Listing::Rows)
            }
            ShowWhat::CreateTable(name) => self.catalog.show_create_table(name).map(Listing::Text),
            ShowWhat::CreateView(name) => self.catalog.show_create_view(name).map(Listing::Text),
            ShowWhat::CreateCatalog(name) => self.catalog.show_create_catalog(name).map(Listing::Text),
            ShowWhat::Jobs => Ok(Listing::Rows(self.job_listing()?)),
            ShowWhat::Jars => one("jars", Vec::new()),
            ShowWhat::Modules => one("module name", vec!["core".into()]),
            ShowWhat::Partitions(_) => Err(Error::unsupported("sql.unsupported", "SHOW PARTITIONS is not there yet")
                .hint("freshet lake files TABLE lists the files with their partitions")),
            ShowWhat::Config => {
                let settings = self.config.listing().into_iter().filter(|c| passes(&c.key));
                let values =
                    settings.map(|c| vec![Some(c.key), Some(c.value), Some(c.effect), Some(c.doc.into())]).collect();
                Ok(Listing::Rows(text_rows(&["key", "value", "effect", "what it is about"], values)))
            }
            ShowWhat::Connectors => {
                let connectors = self.connectors.all().iter().filter(|c| passes(c.name()));
                let values = connectors.map(|c| vec![Some(c.name().to_string()), Some(c.doc().to_string())]).collect();
                Ok(Listing::Rows(text_rows(&["connector", "what it is"], values)))
            }
            ShowWhat::Formats => {
                let formats = freshet_formats::FORMATS.iter().filter(|f| passes(f.name()));
                let values = formats.map(|f| vec![Some(f.name().to_string()), Some(f.doc().to_string())]).collect();
                Ok(Listing::Rows(text_rows(&["format", "what it is"], values)))
            }
        }
    }

    /// The columns of a table or view, in the form of Flink's DESCRIBE.
    pub(super) fn describe_table(&self, name: &[String], passes: &dyn Fn(&str) -> bool) -> Result<RecordBatch> {
        let columns = match (self.catalog.describe(name)?, self.catalog.resolve(name)?) {
            (Some(columns), ResolvedTable::Connector(definition)) => {
                let types = self.planner().column_types(&definition)?;
                let typed = columns.into_iter().zip(types).map(|(column, (field, is_proctime))| {
                    if !column.type_text.is_empty() {
                        return column;
                    }
                    let kind = match () {
                        () if is_proctime => " *PROCTIME*",
                        () if column.watermark.is_some() => " *ROWTIME*",
                        () => "",
                    };
                    let type_text = format!("{}{kind}", field.sql_type);
                    ColumnListing { type_text, nullable: field.nullable, ..column }
                });
                typed.collect()
            }
            (Some(columns), _) => columns,
            (None, ResolvedTable::View(view)) => {
                let fields = self.planner().view_schema(&view)?;
                let named = fields.into_iter().enumerate().map(|(i, field)| ColumnListing {
                    name: view.columns.get(i).cloned().unwrap_or(field.name),
                    type_text: field.sql_type.to_string(),
                    nullable: field.nullable,
                    key: None,
                    extras: None,
                    watermark: None,
                    comment: None,
                });
                named.collect()
            }
            (None, _) => {
                return Err(Error::invalid("table.is_file", "a file is described by SELECT")
                    .hint("SELECT * FROM the file LIMIT 0"));
            }
        };
        let values = columns.into_iter().filter(|c| passes(&c.name)).map(|c| {
            let nullable = if c.nullable { "TRUE" } else { "FALSE" };
            vec![Some(c.name), Some(c.type_text), Some(nullable.to_string()), c.key, c.extras, c.watermark, c.comment]
        });
        Ok(text_rows(&["name", "type", "null", "key", "extras", "watermark", "comment"], values.collect()))
    }

    /// The jobs that keep state below the data folder.
    fn job_listing(&self) -> Result<RecordBatch> {
        let values = freshet_state::glance(&self.jobs_folder())?.into_iter().map(|job| {
            let (latest, trouble) = match job.latest {
                Ok(latest) => (latest, None),
                Err(e) => (None, Some(e.code().to_string())),
            };
            let status = match (&latest, job.is_running) {
                (_, true) => "running",
                (Some(root), false) if root.finished => "finished",
                (Some(_), false) => "stopped",
                (None, false) => "no checkpoint",
            };
            let of_root = |value: &dyn Fn(&freshet_state::Root) -> String| latest.as_ref().map(value);
            vec![
                Some(job.name),
                Some(trouble.unwrap_or_else(|| status.to_string())),
                of_root(&|root| root.checkpoint.to_string()),
                of_root(&|root| Watermark(root.created_ms).to_string()),
                of_root(&|root| root.counters.rows_in.to_string()),
                of_root(&|root| root.counters.rows_out.to_string()),
                of_root(&|root| root.counters.late_rows.to_string()),
                of_root(&|root| root.counters.dead_rows.to_string()),
                Some(job.folder.display().to_string()),
            ]
        });
        let names =
            ["job name", "status", "checkpoint", "taken (UTC)", "rows in", "rows out", "late", "dead", "state folder"];
        Ok(text_rows(&names, values.collect()))
    }
}
