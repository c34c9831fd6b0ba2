//! The summary of a snapshot: what changed, and the totals after it.

use super::TableChange;
use iceberg::spec::{
    DataFile, PartitionSpec, PartitionSpecRef, SchemaRef, Snapshot, SnapshotSummaryCollector, Struct, Summary,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Collects what a change adds and removes.
pub(super) struct Changes {
    collector: SnapshotSummaryCollector,
    schema: SchemaRef,
    /// Partitions are counted here: the library names each of them, and fails at instants before 1970.
    partitions: HashSet<(i32, Struct)>,
    whole: PartitionSpecRef,
}

impl Changes {
    pub(super) fn new(schema: SchemaRef) -> Self {
        let whole = Arc::new(PartitionSpec::unpartition_spec());
        Self { collector: SnapshotSummaryCollector::default(), schema, partitions: HashSet::new(), whole }
    }

    pub(super) fn add(&mut self, file: &DataFile, spec: &PartitionSpecRef) {
        self.touch(file, spec);
        self.collector.add_file(file, Arc::clone(&self.schema), Arc::clone(&self.whole));
    }

    pub(super) fn remove(&mut self, file: &DataFile, spec: &PartitionSpecRef) {
        self.touch(file, spec);
        self.collector.remove_file(file, Arc::clone(&self.schema), Arc::clone(&self.whole));
    }

    fn touch(&mut self, file: &DataFile, spec: &PartitionSpecRef) {
        if !spec.is_unpartitioned() {
            self.partitions.insert((spec.spec_id(), file.partition().clone()));
        }
    }

    /// The summary; totals go on from those of the parent.
    pub(super) fn finish(self, change: &TableChange, parent: Option<&Snapshot>) -> Summary {
        let partitions = self.partitions.len();
        let mut properties: HashMap<String, String> = self.collector.build();
        if partitions > 0 {
            properties.insert("changed-partition-count".into(), partitions.to_string());
        }
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
