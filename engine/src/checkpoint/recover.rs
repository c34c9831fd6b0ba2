//! Goes on from a checkpoint: does the graph still fit, what sinks promised, state of operators.

use crate::held_back::held;
use crate::host::plan::SinkPlan;
use crate::job::lifeline::{Backoff, guarded};
use crate::job::run::Run;
use crate::{Graph, Node, NodeKind, Operator, SegmentKind, StateReader};
use arrow::array::RecordBatch;
use freshet_connector_api::{Commit, SinkCommitter};
use freshet_state::{JobFolder, Root, SegmentReader};
use freshet_types::{Error, KeyGroup, Result, Watermark, failpoint};

const FROM_SCRATCH: &str = "undo the change, or start over with --from-scratch";

/// Names saved state as the graph names it: in a changed file, an operator that does what it did before is found again, also
/// when its rows are filtered in another way. What it does stands before the dot of a state id. Where two are alike, none
/// is taken for the other.
pub(crate) fn adopt(root: &mut Root, graph: &Graph) {
    let what = |id: &str| id.split_once('.').map_or(id, |(what, _)| what).to_owned();
    let wanted: Vec<&str> = stateful(graph).map(|(node, _)| node.state_id.as_str()).collect();
    let kept = |id: &str| root.operators.get(id).is_some_and(|saved| saved.fingerprint.is_some());
    let missing: Vec<&str> = wanted.iter().copied().filter(|id| !kept(id)).collect();
    let left: Vec<String> =
        root.operators.keys().filter(|id| kept(id) && !wanted.contains(&id.as_str())).cloned().collect();
    for id in &missing {
        let own = what(id);
        let mut alike = left.iter().filter(|old| what(old) == own);
        let is_alone = missing.iter().filter(|other| what(other) == own).count() == 1;
        if let (Some(old), None, true) = (alike.next(), alike.next(), is_alone)
            && let Some(saved) = root.operators.remove(old)
        {
            root.operators.insert((*id).to_owned(), saved);
        }
    }
}

/// Operators that keep state, with what decides whether it fits.
fn stateful(graph: &Graph) -> impl Iterator<Item = (&Node, String)> {
    graph.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Operator(factory) => Some((node, factory.state_fingerprint()?)),
        _ => None,
    })
}

/// Something below a node that was read before: the node has missed those rows.
fn read_before(root: &Root, graph: &Graph, node: &Node) -> Option<String> {
    node.inputs.iter().find_map(|input| {
        let below = graph.node(input.from);
        match &below.kind {
            NodeKind::Source(source) if root.sources.contains_key(&source.table) => {
                Some(format!("rows of table \"{}\"", source.table))
            }
            NodeKind::Values(_) if root.operators.contains_key(&below.state_id) => Some("rows of VALUES".to_owned()),
            _ => read_before(root, graph, below),
        }
    })
}

/// Refuses a graph that the saved state does not fit. What is new and reads only what is new fits.
///
/// # Errors
/// `job.changed` with what has changed: an operator's state, a source, or a sink whose last output may not be visible yet.
pub(crate) fn check_fits(root: &Root, graph: &Graph, sinks: &[SinkPlan]) -> Result<()> {
    let changed = |text: String| Error::invalid("job.changed", text).hint(FROM_SCRATCH);
    let mut kept: Vec<&str> = Vec::new();
    for (node, fingerprint) in stateful(graph) {
        let NodeKind::Operator(factory) = &node.kind else { unreachable!("only operators keep state") };
        let what = format!("operator \"{}\" ({})", factory.name(), factory.describe());
        match root.operators.get(&node.state_id).and_then(|saved| saved.fingerprint.as_ref()) {
            None => {
                if let Some(missed) = read_before(root, graph, node) {
                    return Err(changed(format!(
                        "{what} is new or does something else than before, and {missed} that it needs have been read already"
                    ))
                    .at("state", &node.state_id));
                }
            }
            Some(saved) if *saved != fingerprint => {
                return Err(changed(format!(
                    "{what} keeps other state than before: {fingerprint}, where {saved} is saved"
                ))
                .at("state", &node.state_id));
            }
            Some(_) => kept.push(&node.state_id),
        }
    }
    for (state_id, saved) in &root.operators {
        if saved.fingerprint.is_some() && !kept.contains(&state_id.as_str()) {
            return Err(
                changed(format!("operator \"{}\" is gone, but its state is saved", saved.name)).at("state", state_id)
            );
        }
    }
    let reads = |table: &str| {
        graph.nodes.iter().any(|node| matches!(&node.kind, NodeKind::Source(source) if source.table == table))
    };
    if let Some(table) = root.sources.keys().find(|table| !reads(table)) {
        return Err(changed(format!("table \"{table}\" is no longer read")));
    }
    for (table, saved) in &root.sinks {
        let writes = sinks.iter().any(|sink| sink.table == *table);
        if !writes && saved.tokens.iter().any(|token| !token.is_empty()) {
            return Err(changed(format!(
                "table \"{table}\" is no longer written, but its last output may not be visible yet"
            )));
        }
    }
    Ok(())
}

/// Makes the committers and lets them finish what the last checkpoint promised, before any writer is made. None when
/// the job ended before that was done.
pub(crate) fn recover_sinks(run: &Run) -> Result<Option<Vec<Box<dyn SinkCommitter>>>> {
    failpoint::pass("recover.before_sinks");
    let mut committers = Vec::new();
    for sink in &run.plan.sinks {
        let last = run.restored.as_ref().and_then(|root| commit_of(root, sink));
        let mut committer: Option<Box<dyn SinkCommitter>> = None;
        let mut backoff = Backoff::new();
        loop {
            let attempt = guarded("sink", &sink.table, || {
                if committer.is_none() {
                    committer = Some(sink.sink.committer(&run.writer_context())?);
                }
                committer.as_mut().expect("it was made above").recover(last.as_ref())
            });
            match attempt {
                Ok(()) => break,
                Err(error) if error.is_retryable() => {
                    let wait = backoff.next();
                    run.board.notice(format!(
                        "table \"{}\" cannot be reached: {error}; trying again in {wait:?}",
                        sink.table
                    ));
                    if !run.lifeline.sleep(wait) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        committers.push(committer.expect("recovery has succeeded"));
    }
    failpoint::pass("recover.after_sinks");
    Ok(Some(committers))
}

/// What a sink is told about the checkpoint that the job goes on from; none when it was no part of it.
pub(crate) fn commit_of(root: &Root, sink: &SinkPlan) -> Option<Commit> {
    let saved = root.sinks.get(&sink.table)?;
    let told = root.sources.values().filter(|source| source.event_time).map(|source| source.watermark_ms);
    let lowest = told.map(|ms| ms.map_or(Watermark::MIN, Watermark)).min();
    let watermark = if root.finished { Watermark::MAX } else { lowest.unwrap_or(Watermark::MIN) };
    Some(Commit {
        job_id: root.job_id.clone(),
        checkpoint: root.checkpoint,
        epoch: root.epoch,
        offsets: root.offsets_json(),
        watermark: held(watermark, sink.lag_ms),
        tokens: saved.tokens.clone(),
        last: root.finished,
    })
}

/// Gives an operator the state of its key groups back.
pub(crate) fn restore_operator(run: &Run, id: usize, worker: usize, operator: &mut dyn Operator) -> Result<()> {
    let node = &run.graph.nodes[id];
    let (Some(folder), Some(root)) = (&run.folder, &run.restored) else { return Ok(()) };
    let Some(saved) = root.operators.get(&node.state_id) else { return Ok(()) };
    let segments = folder.read(&saved.segments, run.key_groups(id, worker));
    let mut reader = Restored { segments, folder, root };
    guarded("operator", &node.state_id, || operator.restore(&mut reader))
}

struct Restored<'a> {
    segments: SegmentReader,
    folder: &'a JobFolder,
    root: &'a Root,
}

impl StateReader for Restored<'_> {
    fn next(&mut self) -> Result<Option<(SegmentKind, String, KeyGroup, RecordBatch)>> {
        let block = self.segments.next().map_err(|e| self.folder.offer_previous(e, self.root.checkpoint))?;
        Ok(block.map(|block| {
            let kind = match block.kind {
                freshet_state::SegmentKind::Base => SegmentKind::Base,
                freshet_state::SegmentKind::Delta => SegmentKind::Delta,
            };
            (kind, block.table, block.group, block.rows)
        }))
    }
}
