//! The summary of a snapshot: what changed, and the totals after it.

use super::TableChange;
use iceberg::spec::{DataFile, PartitionSpecRef, SchemaRef, Snapshot, SnapshotSummaryCollector, Summary};
use std::collections::HashMap;
use std::sync::Arc;

/// Collects what a change adds and removes.
pub(super) struct Changes {
    collector: SnapshotSummaryCollector,
    schema: SchemaRef,
}

impl Changes {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { collector: SnapshotSummaryCollector::default(), schema }
    }

    pub(super) fn add(&mut self, file: &DataFile, spec: &PartitionSpecRef) {
        self.collector.add_file(file, Arc::clone(&self.schema), Arc::clone(spec));
    }

    pub(super) fn remove(&mut self, file: &DataFile, spec: &PartitionSpecRef) {
        self.collector.remove_file(file, Arc::clone(&self.schema), Arc::clone(spec));
    }

    /// The summary; totals go on from those of the parent.
    pub(super) fn finish(self, change: &TableChange, parent: Option<&Snapshot>) -> Summary {
        let mut properties: HashMap<String, String> = self.collector.build();
        for (total, plus, minus) in [
            ("total-records", "added-records", "deleted-records"),
            ("total-data-files", "added-data-files", "deleted-data-files"),
            ("total-delete-files", "added-delete-files", "removed-delete-files"),
            ("total-files-size", "added-files-size", "removed-files-size"),
            ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
            ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
        ] {
            let before = match parent {
                None => Some(0),
                Some(parent) => number(&parent.summary().additional_properties, total),
            };
            // A parent that does not say how much there is leaves the total unknown.
            if let Some(before) = before {
                let after = before + number(&properties, plus).unwrap_or(0) - number(&properties, minus).unwrap_or(0);
                properties.insert(total.to_string(), after.max(0).to_string());
            }
        }
        properties.extend(change.summary.iter().map(|(k, v)| (k.clone(), v.clone())));
        properties.insert("engine-name".into(), "freshet".into());
        properties.insert("engine-version".into(), env!("CARGO_PKG_VERSION").into());
        Summary { operation: change.operation.clone(), additional_properties: properties }
    }
}

fn number(properties: &HashMap<String, String>, key: &str) -> Option<i64> {
    properties.get(key)?.parse().ok()
}
