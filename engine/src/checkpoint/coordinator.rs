//! The thread that makes checkpoints durable and visible, while rows flow on.

use super::kind::kinds;
use super::part::{OperatorTime, WorkerPart};
use crate::epochs::EpochInfo;
use crate::job::lifeline::{Backoff, guarded, lock};
use crate::job::run::Run;
use crate::job::status::CheckpointStatus;
use crate::source_driver::reader::ToReader;
use crate::{NodeKind, SegmentKind, StateWriter};
use arrow::array::RecordBatch;
use crossbeam_channel::{Receiver, Sender};
use freshet_connector_api::{Offset, SinkCommitter};
use freshet_state::{
    FORMAT_VERSION, JobCounters, OperatorRoot, Root, SegmentRef, SegmentWriter, SinkRoot, SourceRoot, SplitRoot,
    live_segments,
};
use freshet_types::{KeyGroup, Result, Watermark, failpoint};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a job that was asked to stop goes on trying to commit; the next start finishes what is left.
const PATIENCE_WHEN_STOPPING: Duration = Duration::from_secs(30);

pub(crate) struct Coordinator {
    pub(crate) run: Arc<Run>,
    pub(crate) parts: Receiver<WorkerPart>,
    /// By sink.
    pub(crate) committers: Vec<Box<dyn SinkCommitter>>,
    /// By source and worker.
    pub(crate) readers: Vec<Vec<Sender<ToReader>>>,
    /// By source: splits that have ended in an earlier run and are remembered.
    pub(crate) retired: Vec<Vec<SplitRoot>>,
    /// Counters of earlier runs.
    pub(crate) before: JobCounters,
    /// State of each operator, by node.
    segments: Vec<Vec<SegmentRef>>,
    /// By source.
    watermarks: Vec<Option<i64>>,
}

impl Coordinator {
    pub(crate) fn new(
        run: Arc<Run>,
        parts: Receiver<WorkerPart>,
        committers: Vec<Box<dyn SinkCommitter>>,
        readers: Vec<Vec<Sender<ToReader>>>,
        retired: Vec<Vec<SplitRoot>>,
    ) -> Self {
        let watermark = |id: &crate::NodeId| {
            let NodeKind::Source(source) = &run.graph.node(*id).kind else { unreachable!("the plan lists sources") };
            run.restored.as_ref()?.sources.get(&source.table)?.watermark_ms
        };
        let watermarks = run.plan.sources.iter().map(watermark).collect();
        let before = run.restored.as_ref().map(|root| root.counters).unwrap_or_default();
        let segments = run.saved_segments();
        Self { run, parts, committers, readers, retired, before, segments, watermarks }
    }

    /// Completes checkpoints until every worker has ended.
    pub(crate) fn run(mut self) {
        let mut parts: Vec<WorkerPart> = Vec::new();
        while let Ok(part) = self.parts.recv() {
            debug_assert!(
                parts.first().is_none_or(|first| Arc::ptr_eq(&first.info, &part.info)),
                "one checkpoint at a time"
            );
            parts.push(part);
            if parts.len() == self.run.workers {
                if self.run.lifeline.halted() {
                    return;
                }
                let mut complete = std::mem::take(&mut parts);
                complete.sort_by_key(|part| part.worker);
                if let Err(error) = self.complete(complete) {
                    self.run.lifeline.fail(error);
                    return;
                }
            }
        }
    }

    fn complete(&mut self, mut parts: Vec<WorkerPart>) -> Result<()> {
        let info = Arc::clone(&parts[0].info);
        self.write_state(&mut parts, &info)?;
        let tokens = self.prepare(&mut parts)?;
        let root = self.root(&parts, &info, tokens);
        if let Some(folder) = &self.run.folder {
            folder.publish(&root)?;
        }
        self.commit(&root)?;
        let status = CheckpointStatus {
            id: root.checkpoint,
            epoch: root.epoch,
            at_ms: self.run.clock.now_ms(),
            state_bytes: root.segments().map(|s| s.bytes).sum(),
        };
        *lock(&self.run.board.last_checkpoint) = Some(status);
        tracing::debug!(checkpoint = %root.checkpoint, epoch = %root.epoch, "checkpoint committed");
        self.tell_readers(&parts);
        self.run.epochs.checkpoint_done(kinds(&self.segments));
        self.run.lifeline.wake_all();
        Ok(())
    }

    /// Writes what operators have frozen; afterwards it is durable, but nothing names it yet.
    fn write_state(&mut self, parts: &mut [WorkerPart], info: &EpochInfo) -> Result<()> {
        let Some(folder) = &self.run.folder else { return Ok(()) };
        let checkpoint = info.checkpoint.as_ref().expect("parts belong to a checkpoint").id;
        let had_state: Vec<bool> = self.segments.iter().map(|segments| !segments.is_empty()).collect();
        for part in &mut *parts {
            for (node, kind, frozen) in part.built.frozen.drain(..) {
                let state_id = &self.run.graph.nodes[node].state_id;
                let groups = self.run.key_groups(node, part.worker);
                let mut writer = Writing(folder.segment(checkpoint, state_id, part.worker, groups)?);
                guarded("operator", state_id, || frozen.write(&mut writer))?;
                if writer.0.is_empty() && !(kind == SegmentKind::Base && had_state[node]) {
                    // It says nothing: there is nothing that it could replace.
                    writer.0.discard()?;
                    continue;
                }
                let kind = match kind {
                    SegmentKind::Base => freshet_state::SegmentKind::Base,
                    SegmentKind::Delta => freshet_state::SegmentKind::Delta,
                };
                self.segments[node].push(writer.0.finish(kind)?);
            }
        }
        for (i, segments) in self.segments.iter_mut().enumerate() {
            *segments = live_segments(std::mem::take(segments));
            let NodeKind::Operator(factory) = &self.run.graph.nodes[i].kind else { continue };
            if factory.is_emptied_by_the_end() && times_of(parts, i).all(|time| time.ended) {
                segments.clear();
            }
        }
        Ok(())
    }

    /// Runs the work that sink writers have left; afterwards their output is durable, but invisible.
    fn prepare(&mut self, parts: &mut [WorkerPart]) -> Result<Vec<Vec<Vec<u8>>>> {
        let mut tokens = vec![Vec::new(); self.run.plan.sinks.len()];
        for part in parts {
            for (sink, prepared) in part.built.prepared.drain(..) {
                failpoint::pass("sink.prepare");
                tokens[sink].push(guarded("sink", &self.run.plan.sinks[sink].table, prepared)?);
            }
        }
        Ok(tokens)
    }

    fn root(&mut self, parts: &[WorkerPart], info: &EpochInfo, tokens: Vec<Vec<Vec<u8>>>) -> Root {
        let run = &self.run;
        let mut sources = BTreeMap::new();
        for (i, id) in run.plan.sources.iter().enumerate() {
            let NodeKind::Source(source) = &run.graph.node(*id).kind else { unreachable!("the plan lists sources") };
            let lowest = parts.iter().filter_map(|part| part.sources[i].watermark).min();
            let lowest = lowest.filter(|w| *w > Watermark::MIN).map(|w| w.0);
            self.watermarks[i] = self.watermarks[i].max(lowest);
            let splits = self.retired[i].iter().chain(parts.iter().flat_map(|part| &part.sources[i].splits));
            let root = SourceRoot {
                event_time: source.watermark.is_some(),
                watermark_ms: self.watermarks[i],
                splits: splits.cloned().collect(),
            };
            sources.insert(source.table.clone(), root);
        }
        let mut operators = BTreeMap::new();
        for (i, node) in run.graph.nodes.iter().enumerate() {
            let factory = match &node.kind {
                NodeKind::Operator(factory) => factory,
                // Fixed rows come once: that they have come is kept.
                NodeKind::Values(_) => {
                    let given = OperatorRoot { name: "values".to_owned(), ..OperatorRoot::default() };
                    operators.insert(node.state_id.clone(), given);
                    continue;
                }
                _ => continue,
            };
            let lowest = times_of(parts, i).map(|time| time.watermark).min();
            let watermark_ms = lowest.filter(|w| *w > Watermark::MIN).map(|w| w.0);
            let root = OperatorRoot {
                name: factory.name().to_owned(),
                fingerprint: factory.state_fingerprint(),
                watermark_ms,
                segments: self.segments[i].clone(),
            };
            operators.insert(node.state_id.clone(), root);
        }
        let sinks = run.plan.sinks.iter().zip(tokens).map(|(sink, tokens)| (sink.table.clone(), SinkRoot { tokens }));
        Root {
            format: FORMAT_VERSION,
            job_id: run.job_id.clone(),
            checkpoint: info.checkpoint.as_ref().expect("parts belong to a checkpoint").id,
            epoch: info.epoch,
            created_ms: run.clock.now_ms(),
            workers: run.workers,
            finished: info.last,
            sources,
            operators,
            sinks: sinks.collect(),
            counters: parts.iter().fold(self.before, |sum, part| sum.plus(part.counters)),
        }
    }

    /// Makes output visible. What cannot be reached or was overtaken is tried again, for as long as the job runs.
    fn commit(&mut self, root: &Root) -> Result<()> {
        for (committer, sink) in self.committers.iter_mut().zip(&self.run.plan.sinks) {
            let commit = super::recover::commit_of(root, sink).expect("every sink is part of the checkpoint");
            let mut backoff = Backoff::new();
            let since = Instant::now();
            failpoint::pass("commit.before");
            loop {
                match guarded("sink", &sink.table, || committer.commit(&commit)) {
                    Ok(()) => break,
                    Err(error) if error.is_retryable() && !self.run.lifeline.halted() => {
                        let wait = backoff.next();
                        let text = format!(
                            "checkpoint {} of table \"{}\" is not committed yet: {error}; trying again in {wait:?}",
                            root.checkpoint, sink.table
                        );
                        self.run.board.notice(text);
                        if self.run.lifeline.stop_asked() && since.elapsed() > PATIENCE_WHEN_STOPPING {
                            return Err(error.hint("start the job again: it finishes this commit before anything else"));
                        }
                        self.run.lifeline.sleep_unless_halted(wait);
                    }
                    Err(error) => return Err(error),
                }
            }
            failpoint::pass("commit.after");
        }
        Ok(())
    }

    fn tell_readers(&self, parts: &[WorkerPart]) {
        for part in parts {
            for (source, readers) in part.sources.iter().zip(&self.readers) {
                if source.splits.is_empty() {
                    continue;
                }
                let offsets = source.splits.iter().map(|s| (s.id.as_str().into(), Offset(s.offset.clone()))).collect();
                // A reader that is gone has nobody to tell.
                let _ = readers[part.worker].send(ToReader::Committed(offsets));
            }
        }
    }
}

/// How far time had come for node `node` on each worker.
fn times_of(parts: &[WorkerPart], node: usize) -> impl Iterator<Item = OperatorTime> + '_ {
    parts.iter().flat_map(|part| &part.built.times).filter(move |(of, _)| *of == node).map(|(_, time)| *time)
}

struct Writing(SegmentWriter);

impl StateWriter for Writing {
    fn write(&mut self, table: &str, group: KeyGroup, rows: &RecordBatch) -> Result<()> {
        self.0.write(table, group, rows)
    }
}
