//! DESCRIBE and SHOW CREATE.

use super::external::{ExternalTableDefinition, PartitionTerm};
use super::{
    Catalog, CatalogKind, ColumnListing, ResolvedTable, TableDefinition, TablePath, ViewDefinition, external_columns,
};
use crate::parse::{ColumnDefinition, ColumnKind, WatermarkDefinition};
use freshet_types::{Error, Options, Result};

impl Catalog {
    /// The columns of a table: the answer to DESCRIBE and SHOW COLUMNS. A view's columns are the planner's to say: for
    /// a view this is none.
    ///
    /// # Errors
    /// Those of [`Catalog::resolve`].
    pub fn describe(&self, parts: &[String]) -> Result<Option<Vec<ColumnListing>>> {
        Ok(match self.resolve(parts)? {
            ResolvedTable::Connector(table) => {
                Some(listing(&table.columns, &table.primary_key, table.watermark.as_ref()))
            }
            ResolvedTable::External { table, .. } => {
                let definition = table.definition();
                Some(listing(&external_columns(&definition), &definition.primary_key, None))
            }
            ResolvedTable::View(_) | ResolvedTable::File(_) => None,
        })
    }

    /// The answer to SHOW CREATE TABLE.
    ///
    /// # Errors
    /// Those of [`Catalog::resolve`], `table.is_view`.
    pub fn show_create_table(&self, parts: &[String]) -> Result<String> {
        match self.resolve(parts)? {
            ResolvedTable::Connector(table) => Ok(create_table(&table)),
            ResolvedTable::External { path, table } => Ok(create_table(&definition_of(path, table.definition()))),
            ResolvedTable::View(view) => {
                Err(Error::invalid("table.is_view", format!("\"{}\" is a view", view.path.name))
                    .hint("write SHOW CREATE VIEW"))
            }
            ResolvedTable::File(_) => Err(Error::invalid("table.is_file", "a file has no CREATE TABLE")),
        }
    }

    /// The answer to SHOW CREATE VIEW.
    ///
    /// # Errors
    /// Those of [`Catalog::resolve`], `view.is_table`.
    pub fn show_create_view(&self, parts: &[String]) -> Result<String> {
        match self.resolve(parts)? {
            ResolvedTable::View(view) => Ok(create_view(&view)),
            _ => Err(Error::invalid("view.is_table", format!("\"{}\" is a table", parts.join(".")))
                .hint("write SHOW CREATE TABLE")),
        }
    }

    /// The answer to SHOW CREATE CATALOG.
    ///
    /// # Errors
    /// `catalog.unknown`
    pub fn show_create_catalog(&self, name: &str) -> Result<String> {
        let entry = self.entry(name)?;
        let mut options = entry.options.clone();
        if options.is_empty() {
            let kind = match entry.kind {
                CatalogKind::Memory(_) => "generic_in_memory",
                CatalogKind::External(_) => "iceberg",
            };
            options.set("type", kind);
        }
        let comment = entry.comment.as_ref().map_or(String::new(), |c| format!("COMMENT {}\n", quoted(c)));
        Ok(format!("CREATE CATALOG {}\n{comment}WITH (\n{}\n)", name_of(name), pairs(&options)))
    }
}

fn definition_of(path: TablePath, definition: ExternalTableDefinition) -> TableDefinition {
    TableDefinition {
        path,
        columns: external_columns(&definition),
        watermark: None,
        primary_key: definition.primary_key,
        partition_by: definition.partition_by,
        comment: definition.comment,
        options: definition.options,
        temporary: false,
    }
}

fn listing(
    columns: &[ColumnDefinition],
    primary_key: &[String],
    watermark: Option<&WatermarkDefinition>,
) -> Vec<ColumnListing> {
    columns
        .iter()
        .map(|column| {
            let mark = watermark.filter(|w| w.column == column.name);
            let extras = match &column.kind {
                ColumnKind::Physical => None,
                ColumnKind::Metadata { .. } => Some(metadata(column)),
                ColumnKind::Computed { text, .. } => Some(format!("AS {text}")),
            };
            let base = column.sql_type.as_ref().map_or_else(String::new, ToString::to_string);
            ColumnListing {
                name: column.name.clone(),
                type_text: if mark.is_some() && !base.is_empty() { format!("{base} *ROWTIME*") } else { base },
                nullable: column.nullable,
                key: primary_key.contains(&column.name).then(|| format!("PRI({})", primary_key.join(", "))),
                extras,
                watermark: mark.map(|w| w.text.clone()),
                comment: column.comment.clone(),
            }
        })
        .collect()
}

fn metadata(column: &ColumnDefinition) -> String {
    let ColumnKind::Metadata { key, read_only } = &column.kind else { return String::new() };
    let from = if *key == column.name { String::new() } else { format!(" FROM {}", quoted(key)) };
    format!("METADATA{from}{}", if *read_only { " VIRTUAL" } else { "" })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn name_of(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn path_of(path: &TablePath) -> String {
    [&path.catalog, &path.database, &path.name].map(|part| name_of(part)).join(".")
}

fn names(all: &[String]) -> String {
    all.iter().map(|name| name_of(name)).collect::<Vec<_>>().join(", ")
}

/// Options as they are written; what looks like a secret is not shown.
fn pairs(options: &Options) -> String {
    let text = |key: &str, text: &str| {
        let key = key.to_lowercase();
        let is_secret = ["password", "secret", "token", "credential", "sasl.jaas.config", "access-key", "private.key"]
            .iter()
            .any(|word| key.contains(word));
        if is_secret { quoted("******") } else { quoted(text) }
    };
    options.iter().map(|(k, v)| format!("  {} = {}", quoted(k), text(k, v))).collect::<Vec<_>>().join(",\n")
}

fn create_table(table: &TableDefinition) -> String {
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let comment = column.comment.as_ref().map_or(String::new(), |c| format!(" COMMENT {}", quoted(c)));
            let null = if column.nullable { "" } else { " NOT NULL" };
            let rest = match (&column.kind, &column.sql_type) {
                (ColumnKind::Computed { text, .. }, _) => format!("AS {text}"),
                (ColumnKind::Metadata { .. }, Some(t)) => format!("{t}{null} {}", metadata(column)),
                (_, Some(t)) => format!("{t}{null}"),
                (_, None) => String::new(),
            };
            format!("  {} {rest}{comment}", name_of(&column.name))
        })
        .collect();
    if let Some(watermark) = &table.watermark {
        lines.push(format!("  WATERMARK FOR {} AS {}", name_of(&watermark.column), watermark.text));
    }
    if !table.primary_key.is_empty() {
        lines.push(format!("  PRIMARY KEY ({}) NOT ENFORCED", names(&table.primary_key)));
    }
    let temporary = if table.temporary { "TEMPORARY " } else { "" };
    let mut text = format!("CREATE {temporary}TABLE {} (\n{}\n)", path_of(&table.path), lines.join(",\n"));
    if let Some(comment) = &table.comment {
        text += &format!("\nCOMMENT {}", quoted(comment));
    }
    if !table.partition_by.is_empty() {
        let term = |t: &PartitionTerm| PartitionTerm { column: name_of(&t.column), ..t.clone() }.to_string();
        text += &format!("\nPARTITIONED BY ({})", table.partition_by.iter().map(term).collect::<Vec<_>>().join(", "));
    }
    if !table.options.is_empty() {
        text += &format!("\nWITH (\n{}\n)", pairs(&table.options));
    }
    text
}

fn create_view(view: &ViewDefinition) -> String {
    let temporary = if view.temporary { "TEMPORARY " } else { "" };
    let columns = if view.columns.is_empty() { String::new() } else { format!(" ({})", names(&view.columns)) };
    let comment = view.comment.as_ref().map_or(String::new(), |c| format!("\nCOMMENT {}", quoted(c)));
    format!("CREATE {temporary}VIEW {}{columns}{comment}\nAS {}", path_of(&view.path), view.query_text)
}
