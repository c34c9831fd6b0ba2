//! `CREATE TABLE ... LIKE`: what of another table becomes part of a new one.
//!
//! Without a word about it Flink takes everything, the new table's options winning over the old ones (`INCLUDING ALL
//! OVERWRITING OPTIONS`). `EXCLUDING ALL` turns everything off, then single features may be turned on again.

use super::{Catalog, ResolvedTable, TableDefinition, external_columns};
use crate::parse::{ColumnKind, LikeAction, LikeClause, LikeFeature};
use freshet_types::{Error, Result};

impl Catalog {
    /// Adds to `table` what `like` says.
    pub(super) fn apply_like(&self, table: &mut TableDefinition, like: &LikeClause) -> Result<()> {
        let source = match self.resolve(&like.source).map_err(|e| e.at("clause", "LIKE"))? {
            ResolvedTable::Connector(source) => (*source).clone(),
            ResolvedTable::External { path, table } => {
                let definition = table.definition();
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
            ResolvedTable::View(view) => {
                return Err(Error::invalid("like.view", format!("\"{}\" is a view", view.path.name))
                    .hint("write CREATE TABLE ... AS SELECT * FROM the view"));
            }
            ResolvedTable::File(_) => {
                return Err(Error::invalid("like.file", "LIKE takes the name of a table"));
            }
        };
        merge(table, source, &Features::of(like)?)
    }
}

/// How each feature is taken.
struct Features(Vec<(LikeFeature, LikeAction)>);

impl Features {
    fn of(like: &LikeClause) -> Result<Self> {
        use LikeFeature::*;
        let mut features = vec![
            (Constraints, LikeAction::Including),
            (Distribution, LikeAction::Including),
            (Generated, LikeAction::Including),
            (Metadata, LikeAction::Including),
            (Options, LikeAction::Overwriting),
            (Partitions, LikeAction::Including),
            (Watermarks, LikeAction::Including),
        ];
        for (action, feature) in &like.features {
            let overwritable = matches!(feature, Generated | Metadata | Options | Watermarks);
            if *action == LikeAction::Overwriting && !overwritable {
                return Err(Error::invalid(
                    "like.overwriting",
                    "only GENERATED, METADATA, OPTIONS and WATERMARKS can be overwritten",
                )
                .hint("write INCLUDING or EXCLUDING"));
            }
        }
        // ALL speaks first, wherever it stands; what is said of a single feature holds over it.
        let (all, single): (Vec<_>, Vec<_>) = like.features.iter().partition(|(_, feature)| *feature == All);
        for (action, feature) in all.into_iter().chain(single) {
            for (name, slot) in &mut features {
                if feature == *name || feature == All {
                    *slot = action;
                }
            }
        }
        Ok(Self(features))
    }

    fn action(&self, feature: LikeFeature) -> LikeAction {
        self.0.iter().find(|(name, _)| *name == feature).map_or(LikeAction::Including, |(_, action)| *action)
    }

    fn takes(&self, feature: LikeFeature) -> bool {
        self.action(feature) != LikeAction::Excluding
    }

    fn overwrites(&self, feature: LikeFeature) -> bool {
        self.action(feature) == LikeAction::Overwriting
    }
}

fn clash(what: &str, instead: &str) -> Error {
    Error::invalid("like.clash", format!("{what} stands in both tables")).hint(instead.to_string())
}

fn merge(table: &mut TableDefinition, source: TableDefinition, features: &Features) -> Result<()> {
    let own = std::mem::take(&mut table.columns);
    let mut columns = Vec::new();
    for column in source.columns {
        let (feature, taken) = match column.kind {
            ColumnKind::Physical => (LikeFeature::All, true),
            ColumnKind::Metadata { .. } => (LikeFeature::Metadata, features.takes(LikeFeature::Metadata)),
            ColumnKind::Computed { .. } => (LikeFeature::Generated, features.takes(LikeFeature::Generated)),
        };
        if !taken {
            continue;
        }
        if own.iter().any(|c| c.name == column.name) {
            if feature != LikeFeature::All && features.overwrites(feature) {
                continue;
            }
            let what = format!("column \"{}\"", column.name);
            return Err(clash(&what, "rename it in the new table, or leave it out there"));
        }
        columns.push(column);
    }
    columns.extend(own);
    table.columns = columns;

    if let Some(watermark) = source.watermark.filter(|_| features.takes(LikeFeature::Watermarks)) {
        match &table.watermark {
            None => table.watermark = Some(watermark),
            Some(_) if features.overwrites(LikeFeature::Watermarks) => {}
            Some(_) => return Err(clash("a watermark", "write LIKE ... (OVERWRITING WATERMARKS)")),
        }
    }
    if features.takes(LikeFeature::Constraints) && !source.primary_key.is_empty() {
        if !table.primary_key.is_empty() {
            return Err(clash("a primary key", "write LIKE ... (EXCLUDING CONSTRAINTS)"));
        }
        table.primary_key = source.primary_key;
    }
    if features.takes(LikeFeature::Partitions) && !source.partition_by.is_empty() {
        if !table.partition_by.is_empty() {
            return Err(clash("PARTITIONED BY", "write LIKE ... (EXCLUDING PARTITIONS)"));
        }
        table.partition_by = source.partition_by;
    }
    if features.takes(LikeFeature::Options) {
        let overwrites = features.overwrites(LikeFeature::Options);
        for (key, text) in source.options.iter() {
            match table.options.get(key) {
                None => table.options.set(key, text),
                Some(_) if overwrites => {}
                Some(_) => {
                    let what = format!("option \"{key}\"");
                    return Err(clash(&what, "write LIKE ... (OVERWRITING OPTIONS)"));
                }
            }
        }
    }
    if table.comment.is_none() {
        table.comment = source.comment;
    }
    Ok(())
}
