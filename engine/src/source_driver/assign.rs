//! Which worker reads which split: round robin in the order of discovery, the same at every start with the same splits.

use freshet_connector_api::{AssignedSplit, Boundedness, Offset, Split};
use freshet_state::{SourceRoot, SplitRoot};
use freshet_types::Watermark;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A split that a worker is told to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) split: AssignedSplit,
    /// Watermark that it had reached, when it goes on from a checkpoint.
    pub(crate) watermark: Option<Watermark>,
}

impl Assigned {
    fn fresh(split: Split) -> Self {
        Self { split: AssignedSplit { id: split.id, from: split.start }, watermark: None }
    }

    fn restored(root: &SplitRoot) -> Self {
        Self {
            split: AssignedSplit { id: root.id.as_str().into(), from: Offset(root.offset.clone()) },
            watermark: root.watermark_ms.map(Watermark),
        }
    }
}

/// The splits of one source at the start of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// For each worker its splits.
    pub(crate) workers: Vec<Vec<Assigned>>,
    /// Splits that have ended and are not read again, but are remembered.
    pub(crate) retired: Vec<SplitRoot>,
}

/// Gives the splits that `discovered` found and `restored` remembers to workers.
///
/// A split that had ended stays so, with one exception: when a *finished* job is started again, the splits of a bounded
/// source are looked at once more behind their last offset, for they may have grown since.
pub(crate) fn assign(
    discovered: Vec<Split>,
    restored: Option<&SourceRoot>,
    boundedness: Boundedness,
    job_had_finished: bool,
    workers: usize,
) -> Assignment {
    let mut known: HashMap<&str, &SplitRoot> =
        restored.iter().flat_map(|source| &source.splits).map(|split| (split.id.as_str(), split)).collect();
    let look_again = boundedness == Boundedness::Bounded && job_had_finished;
    let mut assignment = Assignment { workers: vec![Vec::new(); workers], retired: Vec::new() };
    let mut order: Vec<Assigned> = Vec::new();
    let mut seen = HashSet::new();
    for split in discovered {
        if !seen.insert(Arc::clone(&split.id)) {
            continue;
        }
        match known.remove(&*split.id) {
            None => order.push(Assigned::fresh(split)),
            Some(root) if root.finished && !look_again => assignment.retired.push(root.clone()),
            Some(root) => order.push(Assigned::restored(root)),
        }
    }
    // What is no longer there but had not ended is read on: its connector says what is wrong, nothing is left out quietly.
    for root in restored.iter().flat_map(|source| &source.splits).filter(|root| known.contains_key(root.id.as_str())) {
        if root.finished {
            assignment.retired.push(root.clone());
        } else {
            order.push(Assigned::restored(root));
        }
    }
    for (i, split) in order.into_iter().enumerate() {
        assignment.workers[i % workers].push(split);
    }
    assignment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str) -> Split {
        Split { id: id.into(), start: Offset("0".into()) }
    }

    fn kept(id: &str, offset: &str, finished: bool) -> SplitRoot {
        SplitRoot { id: id.into(), offset: offset.into(), watermark_ms: Some(7), finished }
    }

    fn shown(assignment: &Assignment) -> Vec<String> {
        let worker = |splits: &Vec<Assigned>| {
            splits.iter().map(|s| format!("{}@{}", s.split.id, s.split.from.0)).collect::<Vec<_>>().join(" ")
        };
        assignment.workers.iter().map(worker).collect()
    }

    #[test]
    fn splits_go_round_in_the_order_of_discovery() {
        let a = assign(vec![found("a"), found("b"), found("c"), found("a")], None, Boundedness::Unbounded, false, 2);
        assert_eq!(shown(&a), ["a@0 c@0", "b@0"]);
    }

    #[test]
    fn restored_splits_keep_their_offsets_at_any_worker_count() {
        let root = SourceRoot {
            splits: vec![kept("a", "5", false), kept("b", "9", true), kept("x", "3", false)],
            ..Default::default()
        };
        let discovered = || vec![found("a"), found("b"), found("c")];
        let a = assign(discovered(), Some(&root), Boundedness::Bounded, false, 3);
        assert_eq!(shown(&a), ["a@5", "c@0", "x@3"]);
        assert_eq!(a.retired.len(), 1);
        let again = assign(discovered(), Some(&root), Boundedness::Bounded, true, 1);
        assert_eq!(shown(&again), ["a@5 b@9 c@0 x@3"]);
        let watched = assign(discovered(), Some(&root), Boundedness::Unbounded, true, 1);
        assert_eq!(shown(&watched), ["a@5 c@0 x@3"]);
    }
}
