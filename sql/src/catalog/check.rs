//! Whether a table's definition makes sense by itself.

use super::TableDefinition;
use crate::parse::{ColumnDefinition, ColumnKind};
use freshet_connector_api::Connector;
use freshet_types::{Error, Result, SqlType, suggest};

/// Columns, watermark, keys and partitions fit each other.
pub(super) fn columns(table: &TableDefinition) -> Result<()> {
    let names = || table.columns.iter().map(|c| c.name.as_str());
    let find = |name: &str, clause: &'static str| -> Result<&ColumnDefinition> {
        table.column(name).ok_or_else(|| {
            Error::invalid("column.unknown", format!("no column named \"{name}\""))
                .at("clause", clause)
                .hint(suggest::hint(name, "columns", names()))
        })
    };
    for (i, column) in table.columns.iter().enumerate() {
        if table.columns[..i].iter().any(|c| c.name == column.name) {
            return Err(Error::invalid("column.duplicate", format!("column \"{}\" stands twice", column.name))
                .hint("rename one of them"));
        }
    }
    if !table.columns.iter().any(|c| !matches!(c.kind, ColumnKind::Computed { .. })) {
        return Err(Error::invalid("table.create", "a table needs a column that is not computed")
            .hint("add a column: name type"));
    }
    if let Some(watermark) = &table.watermark {
        let column = find(&watermark.column, "WATERMARK FOR")?;
        if let Some(sql_type) = column.sql_type.as_ref().filter(|t| !t.is_time_attribute()) {
            return Err(Error::invalid(
                "watermark.type",
                format!("a watermark needs TIMESTAMP(3) or TIMESTAMP_LTZ(3), and \"{}\" is {sql_type}", column.name),
            )
            .at("column", &column.name)
            .hint(match sql_type {
                SqlType::Timestamp(_) => "declare it as TIMESTAMP(3)".to_string(),
                SqlType::TimestampLtz(_) => "declare it as TIMESTAMP_LTZ(3)".to_string(),
                SqlType::BigInt => format!("add a computed column: ts AS TO_TIMESTAMP_LTZ({}, 3)", column.name),
                _ => format!("add a computed column: ts AS TO_TIMESTAMP({})", column.name),
            }));
        }
    }
    for (i, name) in table.primary_key.iter().enumerate() {
        let column = find(name, "PRIMARY KEY")?;
        if table.primary_key[..i].contains(name) {
            return Err(Error::invalid("primary_key.duplicate", format!("column \"{name}\" stands twice in the key"))
                .hint("name each column once"));
        }
        if !matches!(column.kind, ColumnKind::Physical) {
            return Err(Error::invalid(
                "primary_key.column",
                format!("column \"{name}\" does not come from the record, so it cannot be part of the primary key"),
            )
            .hint("use columns that are neither computed nor METADATA"));
        }
    }
    for (i, term) in table.partition_by.iter().enumerate() {
        let column = find(&term.column, "PARTITIONED BY")?;
        if table.partition_by[..i].contains(term) {
            return Err(Error::invalid("partition.duplicate", format!("\"{term}\" stands twice in PARTITIONED BY"))
                .hint("name it once"));
        }
        if !matches!(column.kind, ColumnKind::Physical) {
            return Err(Error::invalid(
                "partition.column",
                format!("column \"{}\" does not come from the record, so it cannot part the table", term.column),
            )
            .hint("use a column that is neither computed nor METADATA"));
        }
    }
    Ok(())
}

/// The metadata columns exist in the connector, with types that it can give.
pub(super) fn metadata(table: &TableDefinition, connector: &dyn Connector) -> Result<()> {
    let offered = connector.metadata();
    for column in &table.columns {
        let (ColumnKind::Metadata { key, read_only }, Some(sql_type)) = (&column.kind, &column.sql_type) else {
            continue;
        };
        let at = |e: Error| e.at("column", column.name.clone());
        // Formats offer metadata of their own under `value.`; they check it.
        if key.starts_with("value.") {
            return Err(at(Error::unsupported("metadata.format", "metadata of a format is not there yet"))
                .hint("leave the column out"));
        }
        let Some(known) = offered.iter().find(|m| m.key == key) else {
            return Err(at(Error::invalid(
                "metadata.unknown",
                format!("connector \"{}\" has no metadata named \"{key}\"", connector.name()),
            ))
            .hint(suggest::hint(key, "metadata keys", offered.iter().map(|m| m.key))));
        };
        if !fits(&known.sql_type, sql_type) {
            return Err(at(Error::invalid(
                "metadata.type",
                format!("metadata \"{key}\" is {}, which does not become {sql_type}", known.sql_type),
            ))
            .hint(format!("declare the column as {}", known.sql_type)));
        }
        if known.read_only && !read_only {
            // Flink takes such a column too, and fails only when the table is written; so do we, in the planner.
            continue;
        }
    }
    Ok(())
}

/// Whether values of one type are taken for another without a loss that would surprise.
fn fits(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{Binary, Timestamp, TimestampLtz, Varbinary};
    match (from, to) {
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => true,
        (Binary(_) | Varbinary(_), Binary(_) | Varbinary(_)) => true,
        (from, to) if from.is_numeric() && to.is_numeric() => true,
        (from, to) if from.is_text() && to.is_text() => true,
        (SqlType::Map(k1, v1), SqlType::Map(k2, v2)) => fits(k1, k2) && fits(&v1.sql_type, &v2.sql_type),
        (from, to) => from == to,
    }
}
