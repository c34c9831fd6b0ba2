//! What a version of a table names: a snapshot and its columns.

use crate::table::LakeTable;
use freshet_sql::catalog::external::TableVersion;
use freshet_types::{Error, Result, suggest};
use iceberg::spec::{SchemaRef, SnapshotRef};
use std::sync::Arc;

/// What a version of a table names.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) snapshot: SnapshotRef,
    /// Columns; a branch has those of the table.
    pub(crate) columns: SchemaRef,
}

impl LakeTable {
    /// The snapshot that `version` names, and the columns that it is read with.
    pub(crate) fn version(&self, version: &TableVersion) -> Result<Version> {
        let metadata = self.metadata();
        let missing = |what: String| {
            Error::not_found("lake.no_snapshot", what)
                .at("table", self.full_name())
                .hint("freshet lake snapshots lists the snapshots that are kept")
        };
        let named = |kind: &str, name: &str| {
            let is_branch = kind == "branch";
            let known = crate::metadata::references(metadata);
            match known.get(name).filter(|r| r.is_branch() == is_branch) {
                Some(reference) => Ok(reference.snapshot_id),
                None => {
                    let names = known.iter().filter(|(_, r)| r.is_branch() == is_branch).map(|(name, _)| name.as_str());
                    Err(Error::not_found("lake.no_reference", format!("the table has no {kind} \"{name}\""))
                        .at("table", self.full_name())
                        .hint(suggest::hint(name, if is_branch { "branches" } else { "tags" }, names)))
                }
            }
        };
        let id = match version {
            TableVersion::Snapshot(id) => *id,
            TableVersion::Branch(name) => named("branch", name)?,
            TableVersion::Tag(name) => named("tag", name)?,
            TableVersion::Timestamp(at_ms) => {
                match crate::listing::history(metadata).into_iter().rev().find(|(since, _)| since <= at_ms) {
                    Some((_, snapshot)) => snapshot.snapshot_id(),
                    None => return Err(missing("the table has no snapshot from before that time".into())),
                }
            }
        };
        let snapshot = metadata.snapshot_by_id(id).ok_or_else(|| missing(format!("snapshot {id} does not exist")))?;
        let columns = match version {
            TableVersion::Branch(_) => Arc::clone(metadata.current_schema()),
            _ => crate::error::Explain::explain(snapshot.schema(metadata), "snapshot")?,
        };
        Ok(Version { snapshot: Arc::clone(snapshot), columns })
    }
}
