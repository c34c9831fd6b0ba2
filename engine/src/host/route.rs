//! Which worker a row goes to.

use crate::Routing;
use arrow::array::UInt32Array;
use freshet_types::key::{hash_rows, key_group, worker_of};
use freshet_types::{ChangeBatch, KEY_GROUP_COUNT, KeyGroup, Result};
use std::sync::Arc;

/// Routes changes from one worker along one port.
pub(crate) struct Router {
    routing: Routing,
    worker: usize,
    workers: usize,
    owners: Vec<u16>,
}

impl Router {
    pub(crate) fn new(routing: Routing, worker: usize, workers: usize) -> Self {
        let owners = (0..KEY_GROUP_COUNT).map(|group| worker_of(group as KeyGroup, workers) as u16).collect();
        Self { routing, worker, workers, owners }
    }

    /// Whether rows may go to other workers.
    pub(crate) fn exchanges(&self) -> bool {
        self.routing != Routing::Forward
    }

    /// Gives each part of `changes` with the worker that it goes to. Parts without rows are left out.
    pub(crate) fn route(&self, changes: ChangeBatch, mut to: impl FnMut(usize, ChangeBatch)) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        match &self.routing {
            Routing::Forward => to(self.worker, changes),
            Routing::Single => to(0, changes),
            Routing::Broadcast => (0..self.workers).for_each(|worker| to(worker, changes.clone())),
            Routing::Hash(columns) => {
                let keys: Vec<_> = columns.iter().map(|c| Arc::clone(changes.column(*c))).collect();
                let hashes = hash_rows(&keys, changes.row_count())?;
                let owner = |hash: &u64| usize::from(self.owners[usize::from(key_group(*hash))]);
                let first = hashes.first().map_or(0, owner);
                if hashes.iter().all(|hash| owner(hash) == first) {
                    to(first, changes);
                    return Ok(());
                }
                let mut rows: Vec<Vec<u32>> =
                    vec![Vec::with_capacity(changes.row_count() / self.workers + 8); self.workers];
                for (row, hash) in hashes.iter().enumerate() {
                    rows[owner(hash)].push(row as u32);
                }
                for (worker, rows) in rows.into_iter().enumerate() {
                    if !rows.is_empty() {
                        to(worker, changes.take(&UInt32Array::from(rows))?);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;

    #[test]
    fn each_row_goes_to_the_owner_of_its_key_group() {
        let values: Vec<i64> = (0..1000).collect();
        let column: ArrayRef = Arc::new(Int64Array::from(values));
        let rows = RecordBatch::try_from_iter([("k", Arc::clone(&column))]).unwrap();
        let weights: Int64Array = (0..1000).map(|i| if i % 2 == 0 { 1 } else { -1 }).collect();
        let changes = ChangeBatch::new(rows, Some(weights));
        let mut seen = 0;
        let router = Router::new(Routing::Hash(vec![0]), 1, 3);
        router
            .route(changes, |worker, part| {
                let hashes = hash_rows(&[Arc::clone(part.column(0))], part.row_count()).unwrap();
                assert!(hashes.iter().all(|h| worker_of(key_group(*h), 3) == worker));
                for (i, value) in part.column(0).as_primitive::<Int64Type>().values().iter().enumerate() {
                    assert_eq!(part.weight(i), if value % 2 == 0 { 1 } else { -1 });
                }
                seen += part.row_count();
            })
            .unwrap();
        assert_eq!(seen, 1000);
    }

    #[test]
    fn broadcast_and_single() {
        let rows = RecordBatch::try_from_iter([("k", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef)]).unwrap();
        let targets = |routing| {
            let mut targets = Vec::new();
            let changes = ChangeBatch::inserts(rows.clone());
            Router::new(routing, 2, 4).route(changes, |worker, part| targets.push((worker, part.row_count()))).unwrap();
            targets
        };
        assert_eq!(targets(Routing::Broadcast), [(0, 2), (1, 2), (2, 2), (3, 2)]);
        assert_eq!(targets(Routing::Single), [(0, 2)]);
        assert_eq!(targets(Routing::Forward), [(2, 2)]);
    }
}
