//! ALTER TABLE, for tables of connectors.

use super::{Catalog, Entry, ResolvedTable, TableDefinition, TablePath, check, exists};
use crate::parse::{AlterAction, ColumnDefinition, ColumnPosition};
use freshet_types::{Error, Result, suggest};
use std::sync::Arc;

impl Catalog {
    /// `ALTER TABLE`. Gives notices for the user.
    ///
    /// # Errors
    /// `table.unknown`, `table.is_view`, `table.alter`, `column.*`, and whatever is wrong with the table afterwards.
    pub fn alter_table(&mut self, name: &[String], if_exists: bool, actions: &[AlterAction]) -> Result<Vec<String>> {
        let path = self.path(name)?;
        if if_exists && self.find(&path)?.is_none() {
            return Ok(Vec::new());
        }
        let mut table = match self.resolve(name)? {
            ResolvedTable::Connector(table) => (*table).clone(),
            ResolvedTable::View(_) => {
                return Err(Error::invalid("table.is_view", format!("\"{}\" is a view", path.name))
                    .hint("write ALTER VIEW, or CREATE OR REPLACE VIEW"));
            }
            _ => {
                return Err(Error::unsupported("table.alter", "ALTER TABLE of a lake table is not there yet")
                    .at("table", path.name)
                    .hint("write CREATE TABLE ... AS SELECT"));
            }
        };
        for action in actions {
            self.apply(&mut table, action).map_err(|e| e.at("table", path.name.clone()))?;
        }
        let mut notices = Vec::new();
        check::columns(&table).map_err(|e| e.at("table", path.name.clone()))?;
        for column in &mut table.columns {
            if table.primary_key.contains(&column.name) {
                column.nullable = false;
            }
        }
        self.check_connector(&mut table, &mut notices)?;
        let target = table.path.clone();
        let entry = Entry::Table(Arc::new(table));
        if self.temporary.remove(&path).is_some() {
            self.temporary.insert(target, entry);
        } else {
            self.database_mut(&path)?.entries.remove(&path.name);
            self.database_mut(&target)?.entries.insert(target.name.clone(), entry);
        }
        Ok(notices)
    }

    fn apply(&self, table: &mut TableDefinition, action: &AlterAction) -> Result<()> {
        match action {
            AlterAction::Rename(to) => {
                let target = match to.as_slice() {
                    [name] => TablePath { name: name.clone(), ..table.path.clone() },
                    _ => self.path(to)?,
                };
                if self.find(&target)?.is_some() {
                    exists("table", &target.name, false)?;
                }
                table.path = target;
            }
            AlterAction::RenameColumn(from, to) => {
                let i = index(table, from)?;
                if table.column(to).is_some() {
                    return Err(Error::invalid("column.duplicate", format!("column \"{to}\" is there already"))
                        .hint("choose another name"));
                }
                unused(table, from)?;
                table.columns[i].name = to.clone();
                let rename = |name: &mut String| {
                    if name == from {
                        name.clone_from(to);
                    }
                };
                table.primary_key.iter_mut().for_each(rename);
                table.partition_by.iter_mut().for_each(|term| rename(&mut term.column));
            }
            AlterAction::SetOptions(options) => {
                for (key, text) in options.iter() {
                    table.options.set(key, text);
                }
            }
            AlterAction::ResetOptions(keys) => {
                for key in keys {
                    if key == "connector" {
                        return Err(Error::invalid("table.alter", "option \"connector\" cannot be reset")
                            .hint("drop and create the table"));
                    }
                    table.options.remove(key);
                }
            }
            AlterAction::AddColumn(column, position) => {
                if table.column(&column.name).is_some() {
                    return Err(Error::invalid(
                        "column.duplicate",
                        format!("column \"{}\" is there already", column.name),
                    )
                    .hint("write MODIFY to change it"));
                }
                insert(table, column.clone(), position.as_ref())?;
            }
            AlterAction::ModifyColumn(column, position) => {
                let i = index(table, &column.name)?;
                match position {
                    None => table.columns[i] = column.clone(),
                    Some(_) => {
                        table.columns.remove(i);
                        insert(table, column.clone(), position.as_ref())?;
                    }
                }
            }
            AlterAction::DropColumn(name) => {
                let i = index(table, name)?;
                unused(table, name)?;
                if table.primary_key.contains(name) || table.partition_by.iter().any(|term| term.column == *name) {
                    return Err(Error::invalid("column.used", format!("column \"{name}\" is part of a key"))
                        .hint("drop the primary key first"));
                }
                table.columns.remove(i);
            }
            AlterAction::Watermark(watermark, is_new) => {
                there(table.watermark.is_some(), *is_new, "watermark")?;
                table.watermark = Some((**watermark).clone());
            }
            AlterAction::DropWatermark => {
                there(table.watermark.is_some(), false, "watermark")?;
                table.watermark = None;
            }
            AlterAction::PrimaryKey(columns, is_new) => {
                there(!table.primary_key.is_empty(), *is_new, "primary key")?;
                table.primary_key.clone_from(columns);
            }
            AlterAction::DropPrimaryKey => {
                there(!table.primary_key.is_empty(), false, "primary key")?;
                table.primary_key.clear();
            }
        }
        Ok(())
    }
}

/// ADD wants none yet, MODIFY and DROP want one.
fn there(is_there: bool, wants_none: bool, what: &str) -> Result<()> {
    match (is_there, wants_none) {
        (true, true) => {
            Err(Error::invalid("table.alter", format!("the table has a {what} already"))
                .hint("write MODIFY to change it"))
        }
        (false, false) => {
            Err(Error::invalid("table.alter", format!("the table has no {what}")).hint("write ADD to give it one"))
        }
        _ => Ok(()),
    }
}

fn index(table: &TableDefinition, name: &str) -> Result<usize> {
    table.columns.iter().position(|c| c.name == name).ok_or_else(|| {
        Error::invalid("column.unknown", format!("no column named \"{name}\"")).hint(suggest::hint(
            name,
            "columns",
            table.columns.iter().map(|c| c.name.as_str()),
        ))
    })
}

/// A column that an expression of the table reads stays as it is; by name, so a text that only looks like it counts too.
fn unused(table: &TableDefinition, name: &str) -> Result<()> {
    use crate::parse::ColumnKind::Computed;
    let reads =
        |text: &str| text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).any(|word| word == name);
    let reader = table.columns.iter().find_map(|c| match &c.kind {
        Computed { text, .. } if reads(text) => Some(format!("column \"{}\"", c.name)),
        _ => None,
    });
    let watermark = table.watermark.as_ref().filter(|w| w.column == name || reads(&w.text));
    match reader.or_else(|| watermark.map(|_| "the watermark".to_string())) {
        Some(reader) => Err(Error::invalid("column.used", format!("{reader} reads column \"{name}\""))
            .hint("change or drop that first")),
        None => Ok(()),
    }
}

fn insert(table: &mut TableDefinition, column: ColumnDefinition, position: Option<&ColumnPosition>) -> Result<()> {
    let at = match position {
        None => table.columns.len(),
        Some(ColumnPosition::First) => 0,
        Some(ColumnPosition::After(name)) => index(table, name)? + 1,
    };
    table.columns.insert(at, column);
    Ok(())
}
