//! CREATE and ALTER TABLE.

use super::cursor::Cursor;
use super::statement::{
    AlterAction, ColumnDefinition, ColumnKind, ColumnPosition, CreateTable, CreateView, LikeAction, LikeClause,
    LikeFeature, Statement, WatermarkDefinition,
};
use crate::catalog::external::PartitionTerm;
use datafusion::sql::sqlparser::tokenizer::Token;
use freshet_types::{Error, Options, Result, suggest};

/// Reads what follows CREATE.
pub(super) fn create(c: &mut Cursor) -> Result<Statement> {
    let or_replace = c.accept("OR REPLACE");
    let temporary = c.accept("TEMPORARY");
    if c.accept("TABLE") {
        return create_table(c, or_replace, temporary);
    }
    if c.accept("VIEW") {
        return create_view(c, or_replace, temporary);
    }
    if or_replace || temporary {
        return Err(c.expected("TABLE or VIEW"));
    }
    if c.accept("CATALOG") {
        let if_not_exists = c.accept("IF NOT EXISTS");
        let name = c.identifier("the name of a catalog")?;
        let comment = comment(c)?;
        let options = with(c)?;
        return Ok(Statement::CreateCatalog { name, if_not_exists, comment, options });
    }
    if c.accept("DATABASE") {
        let if_not_exists = c.accept("IF NOT EXISTS");
        let start = c.position();
        let name = c.name()?;
        if name.len() > 2 {
            return Err(Error::invalid(
                "name.parts",
                "the name of a database has at most two parts: catalog, database",
            )
            .span(start, c.behind()));
        }
        let comment = comment(c)?;
        let options = with(c)?;
        return Ok(Statement::CreateDatabase { name, if_not_exists, comment, options });
    }
    Err(c.expected("TABLE, VIEW, CATALOG or DATABASE"))
}

fn comment(c: &mut Cursor) -> Result<Option<String>> {
    if c.accept("COMMENT") { c.string("a comment in quotes").map(Some) } else { Ok(None) }
}

fn with(c: &mut Cursor) -> Result<Options> {
    if c.accept("WITH") { c.options() } else { Ok(Options::default()) }
}

fn create_view(c: &mut Cursor, or_replace: bool, temporary: bool) -> Result<Statement> {
    let if_not_exists = c.accept("IF NOT EXISTS");
    let name = c.name()?;
    let mut columns = Vec::new();
    if c.sees_token(0, &Token::LParen) {
        columns = c.list(|c| {
            let column = c.identifier("a column")?;
            comment(c)?;
            Ok(column)
        })?;
    }
    let comment = comment(c)?;
    c.expect("AS")?;
    let (query, query_text) = c.query()?;
    Ok(Statement::CreateView(Box::new(CreateView {
        name,
        if_not_exists,
        or_replace,
        temporary,
        columns,
        comment,
        query,
        query_text,
    })))
}

/// What may stand between the parentheses of a table.
#[derive(Default)]
struct Elements {
    columns: Vec<(ColumnDefinition, Option<ColumnPosition>)>,
    watermark: Option<WatermarkDefinition>,
    primary_key: Vec<String>,
}

fn create_table(c: &mut Cursor, or_replace: bool, temporary: bool) -> Result<Statement> {
    let if_not_exists = c.accept("IF NOT EXISTS");
    let start = c.position();
    let name = c.name()?;
    let mut elements = Elements::default();
    if c.sees_token(0, &Token::LParen) {
        c.list(|c| element(c, &mut elements, false))?;
    }
    let mut table = CreateTable {
        name,
        if_not_exists,
        or_replace,
        temporary,
        columns: elements.columns.into_iter().map(|(column, _)| column).collect(),
        watermark: elements.watermark,
        primary_key: elements.primary_key,
        partition_by: Vec::new(),
        comment: None,
        options: Options::default(),
        like: None,
        as_select: None,
    };
    while !c.is_at_end() {
        let clause = c.position();
        if c.accept("COMMENT") {
            table.comment = Some(c.string("a comment in quotes")?);
        } else if c.accept("PARTITIONED BY") {
            table.partition_by = c.list(partition_term)?;
        } else if c.accept("DISTRIBUTED") {
            return Err(c
                .unsupported(clause, "DISTRIBUTED BY")
                .hint("leave it out; lake tables take bucket(n, column)"));
        } else if c.accept("WITH") {
            table.options = c.options()?;
        } else if c.accept("LIKE") {
            table.like = Some(like(c)?);
        } else if c.accept("AS") {
            table.as_select = Some(c.query()?.0);
        } else {
            return Err(c.expected("COMMENT, PARTITIONED BY, WITH, LIKE, AS or the end of the statement"));
        }
    }
    if table.as_select.is_some() {
        if table.like.is_some() {
            return Err(Error::invalid(
                "table.create",
                "a table takes its columns from LIKE or from AS, not from both",
            )
            .span(start, c.behind()));
        }
        if table.columns.iter().any(|column| matches!(column.kind, ColumnKind::Physical)) {
            return Err(c
                .unsupported(start, "a list of columns together with AS")
                .hint("name the columns in the query: SELECT x AS name"));
        }
    } else if table.columns.is_empty() && table.like.is_none() {
        return Err(Error::invalid("table.create", "a table needs columns")
            .span(start, c.behind())
            .hint("add (name type, ...), LIKE other or AS SELECT ..."));
    }
    Ok(Statement::CreateTable(Box::new(table)))
}

fn element(c: &mut Cursor, all: &mut Elements, positions: bool) -> Result<()> {
    let start = c.position();
    if c.accept("WATERMARK FOR") {
        let watermark = watermark(c)?;
        if all.watermark.replace(watermark).is_some() {
            return Err(Error::invalid("watermark.duplicate", "a table has one watermark").span(start, c.behind()));
        }
        return Ok(());
    }
    if c.accept("CONSTRAINT") {
        c.identifier("the name of the constraint")?;
        if !c.sees("PRIMARY KEY") && !c.sees("UNIQUE") {
            return Err(c.expected("PRIMARY KEY"));
        }
    }
    if c.accept("PRIMARY KEY") {
        let columns = c.identifiers("a column of the primary key")?;
        not_enforced(c, start)?;
        return primary_key(c, all, columns, start);
    }
    if c.sees("UNIQUE") {
        c.accept("UNIQUE");
        if c.sees_token(0, &Token::LParen) {
            return Err(c.unsupported(start, "UNIQUE").hint("declare a PRIMARY KEY (...) NOT ENFORCED"));
        }
        return Err(c.expected("(name type, ...)"));
    }
    let (column, is_key) = column(c)?;
    if is_key {
        primary_key(c, all, vec![column.name.clone()], start)?;
    }
    let position = match () {
        () if positions && c.accept("FIRST") => Some(ColumnPosition::First),
        () if positions && c.accept("AFTER") => Some(ColumnPosition::After(c.identifier("a column")?)),
        () => None,
    };
    all.columns.push((column, position));
    Ok(())
}

fn primary_key(c: &Cursor, all: &mut Elements, columns: Vec<String>, start: usize) -> Result<()> {
    if !all.primary_key.is_empty() {
        return Err(Error::invalid("primary_key.duplicate", "a table has one primary key")
            .span(start, c.behind())
            .hint("write PRIMARY KEY (a, b) NOT ENFORCED for a key of several columns"));
    }
    all.primary_key = columns;
    Ok(())
}

fn not_enforced(c: &mut Cursor, start: usize) -> Result<()> {
    if c.accept("NOT ENFORCED") {
        return Ok(());
    }
    Err(Error::invalid("primary_key.enforced", "a primary key is not enforced on streams")
        .span(start, c.behind())
        .hint("add NOT ENFORCED behind it"))
}

fn watermark(c: &mut Cursor) -> Result<WatermarkDefinition> {
    let start = c.position();
    let column = c.identifier("the time column")?;
    if c.sees_token(0, &Token::Period) {
        return Err(c
            .unsupported(start, "a watermark of a nested field")
            .hint("declare a computed column for the field: ts AS outer_column.field"));
    }
    c.expect("AS")?;
    let (expression, text) = c.expression()?;
    Ok(WatermarkDefinition { column, expression, text })
}

/// One column, and whether `PRIMARY KEY` stands behind it.
fn column(c: &mut Cursor) -> Result<(ColumnDefinition, bool)> {
    let start = c.position();
    let name = c.identifier("a column, WATERMARK FOR or PRIMARY KEY")?;
    if c.sees_token(0, &Token::Period) {
        return Err(c.unsupported(start, "a change of a nested field").hint("change the whole ROW column"));
    }
    if c.accept("AS") {
        let (expression, text) = c.expression()?;
        let comment = comment(c)?;
        let kind = ColumnKind::Computed { expression: Box::new(expression), text };
        return Ok((ColumnDefinition { name, kind, sql_type: None, nullable: true, comment }, false));
    }
    let (sql_type, mut nullable) = c.sql_type()?;
    let mut kind = ColumnKind::Physical;
    let mut is_key = false;
    let mut written = None;
    loop {
        let clause = c.position();
        if c.accept("METADATA") {
            let key = if c.accept("FROM") { c.string("the key of the metadata in quotes")? } else { name.clone() };
            kind = ColumnKind::Metadata { key, read_only: c.accept("VIRTUAL") };
        } else if c.accept("NOT NULL") {
            nullable = false;
        } else if c.sees("CONSTRAINT") || c.sees("PRIMARY KEY") {
            if c.accept("CONSTRAINT") {
                c.identifier("the name of the constraint")?;
            }
            c.expect("PRIMARY KEY")?;
            not_enforced(c, clause)?;
            is_key = true;
        } else if c.accept("COMMENT") {
            written = Some(c.string("a comment in quotes")?);
        } else if c.accept("DEFAULT") {
            return Err(c.unsupported(clause, "DEFAULT of a column").hint("write the value in the INSERT"));
        } else if c.accept("UNIQUE") {
            return Err(c.unsupported(clause, "UNIQUE").hint("declare a PRIMARY KEY (...) NOT ENFORCED"));
        } else {
            break;
        }
    }
    Ok((ColumnDefinition { name, kind, sql_type: Some(sql_type), nullable, comment: written }, is_key))
}

/// A column, or a transform of one as Iceberg has them.
fn partition_term(c: &mut Cursor) -> Result<PartitionTerm> {
    let start = c.position();
    let word = c.identifier("a column or a transform")?;
    if !c.accept_token(&Token::LParen) {
        return Ok(PartitionTerm { transform: "identity".to_string(), argument: None, column: word });
    }
    let transform = match word.to_lowercase().as_str() {
        "identity" => "identity",
        "bucket" => "bucket",
        "truncate" => "truncate",
        "year" | "years" => "years",
        "month" | "months" => "months",
        "day" | "days" | "date" => "days",
        "hour" | "hours" | "date_hour" => "hours",
        other => {
            let known = ["bucket", "truncate", "years", "months", "days", "hours"];
            return Err(Error::invalid("partition.transform", format!("no partition transform named \"{word}\""))
                .span(start, c.behind())
                .hint(suggest::hint(other, "transforms", known)));
        }
    };
    let mut argument = None;
    let mut column = None;
    loop {
        let at = c.position();
        match c.number() {
            Ok(n) => {
                let n = u32::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
                    Error::invalid("partition.transform", format!("{n} is not a number of buckets or a width"))
                        .span(at, c.behind())
                })?;
                argument = Some(n);
            }
            Err(_) => column = Some(c.identifier("a column")?),
        }
        if !c.accept_token(&Token::Comma) {
            break;
        }
    }
    c.expect_token(&Token::RParen)?;
    let wants_argument = ["bucket", "truncate"].contains(&transform);
    match column {
        Some(column) if wants_argument == argument.is_some() => {
            Ok(PartitionTerm { transform: transform.to_string(), argument, column })
        }
        _ => Err(Error::invalid("partition.transform", format!("{transform} is not written like this"))
            .span(start, c.behind())
            .hint(if wants_argument {
                format!("write {transform}(16, column)")
            } else {
                format!("write {transform}(column)")
            })),
    }
}

fn like(c: &mut Cursor) -> Result<LikeClause> {
    let source = c.name()?;
    let mut features = Vec::new();
    if c.accept_token(&Token::LParen) {
        while !c.accept_token(&Token::RParen) {
            let action = [
                ("INCLUDING", LikeAction::Including),
                ("EXCLUDING", LikeAction::Excluding),
                ("OVERWRITING", LikeAction::Overwriting),
            ]
            .into_iter()
            .find(|(word, _)| c.accept(word))
            .map(|(_, action)| action)
            .ok_or_else(|| c.expected("INCLUDING, EXCLUDING or OVERWRITING"))?;
            let feature = [
                ("ALL", LikeFeature::All),
                ("CONSTRAINTS", LikeFeature::Constraints),
                ("DISTRIBUTION", LikeFeature::Distribution),
                ("GENERATED", LikeFeature::Generated),
                ("METADATA", LikeFeature::Metadata),
                ("OPTIONS", LikeFeature::Options),
                ("PARTITIONS", LikeFeature::Partitions),
                ("WATERMARKS", LikeFeature::Watermarks),
            ]
            .into_iter()
            .find(|(word, _)| c.accept(word))
            .map(|(_, feature)| feature)
            .ok_or_else(|| c.expected("ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS"))?;
            features.push((action, feature));
            c.accept_token(&Token::Comma);
        }
    }
    Ok(LikeClause { source, features })
}

/// Reads what follows ALTER TABLE.
pub(super) fn alter_table(c: &mut Cursor) -> Result<Statement> {
    let if_exists = c.accept("IF EXISTS");
    let name = c.name()?;
    let start = c.position();
    let mut actions = Vec::new();
    if c.accept("RENAME TO") {
        actions.push(AlterAction::Rename(c.name()?));
    } else if c.accept("RENAME") {
        let from = c.identifier("a column")?;
        c.expect("TO")?;
        actions.push(AlterAction::RenameColumn(from, c.identifier("a column")?));
    } else if c.accept("SET") {
        actions.push(AlterAction::SetOptions(c.options()?));
    } else if c.accept("RESET") {
        actions.push(AlterAction::ResetOptions(c.list(|c| c.string("an option in quotes"))?));
    } else if c.sees("ADD") || c.sees("MODIFY") {
        let is_new = c.accept("ADD");
        if !is_new {
            c.expect("MODIFY")?;
        }
        if c.accept("PARTITION") || c.accept("DISTRIBUTION") {
            let what = if is_new { "ALTER TABLE ADD PARTITION" } else { "ALTER TABLE MODIFY DISTRIBUTION" };
            return Err(c.unsupported(start, what).hint("partitions come with the rows that are written"));
        }
        let mut elements = Elements::default();
        if c.sees_token(0, &Token::LParen) {
            c.list(|c| element(c, &mut elements, true))?;
        } else {
            c.accept("COLUMN");
            element(c, &mut elements, true)?;
        }
        for (column, position) in elements.columns {
            actions.push(match is_new {
                true => AlterAction::AddColumn(column, position),
                false => AlterAction::ModifyColumn(column, position),
            });
        }
        actions.extend(elements.watermark.map(|watermark| AlterAction::Watermark(Box::new(watermark), is_new)));
        if !elements.primary_key.is_empty() {
            actions.push(AlterAction::PrimaryKey(elements.primary_key, is_new));
        }
    } else if c.accept("DROP") {
        if c.accept("WATERMARK") {
            actions.push(AlterAction::DropWatermark);
        } else if c.accept("PRIMARY KEY") {
            actions.push(AlterAction::DropPrimaryKey);
        } else if c.accept("CONSTRAINT") {
            c.identifier("the name of the constraint")?;
            actions.push(AlterAction::DropPrimaryKey);
        } else if c.accept("PARTITION") || c.accept("DISTRIBUTION") {
            return Err(c.unsupported(start, "ALTER TABLE DROP PARTITION").hint("drop the table"));
        } else if c.sees_token(0, &Token::LParen) {
            actions.extend(c.identifiers("a column")?.into_iter().map(AlterAction::DropColumn));
        } else {
            c.accept("COLUMN");
            actions.push(AlterAction::DropColumn(c.identifier("a column")?));
        }
    } else {
        return Err(c.expected("RENAME, SET, RESET, ADD, MODIFY or DROP"));
    }
    Ok(Statement::AlterTable { name, if_exists, actions })
}
