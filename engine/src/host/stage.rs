//! The nodes of a fragment, one behind the other, on one worker.

use crate::checkpoint::part::{OperatorTime, PartBuilder};
use crate::epochs::EpochInfo;
use crate::held_back::held;
use crate::job::lifeline::guarded;
use crate::job::status::WorkerCounters;
use crate::{EpochEnd, Operator};
use freshet_connector_api::SinkWriter;
use freshet_types::{ChangeBatch, Error, Result, Watermark, failpoint, invariant};

pub(crate) enum Stage {
    Operator(OperatorStage),
    Union,
    Sink(SinkStage),
}

pub(crate) struct OperatorStage {
    pub(crate) node: usize,
    pub(crate) state_id: String,
    pub(crate) operator: Box<dyn Operator>,
    pub(crate) append_only: bool,
    /// Whether it keeps state that checkpoints hold.
    pub(crate) keeps_state: bool,
}

pub(crate) struct SinkStage {
    pub(crate) sink: usize,
    pub(crate) table: String,
    pub(crate) writer: Box<dyn SinkWriter>,
    pub(crate) append_only: bool,
    pub(crate) lag_ms: i64,
    pub(crate) rows_out: u64,
    /// Changes of the open epoch, when they must be consolidated before they are written.
    pub(crate) waiting: Vec<ChangeBatch>,
}

/// Passes changes through `stages`; what comes out at the end is put into `out`.
pub(crate) fn push(stages: &mut [Stage], input: usize, changes: ChangeBatch, out: &mut Vec<ChangeBatch>) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let Some((first, rest)) = stages.split_first_mut() else {
        out.push(changes);
        return Ok(());
    };
    match first {
        Stage::Union => push(rest, 0, changes, out),
        Stage::Sink(sink) => sink.take(changes),
        Stage::Operator(stage) => {
            let mut emitted = Vec::new();
            let OperatorStage { state_id, operator, .. } = stage;
            guarded("operator", state_id, || operator.on_changes(input, changes, &mut emitted))?;
            stage.pass_on(emitted, rest, out)
        }
    }
}

/// Ends the epoch in `stages`, one behind the other, and freezes them when it is a checkpoint.
pub(crate) fn end(
    stages: &mut [Stage],
    info: &EpochInfo,
    watermark: Watermark,
    out: &mut Vec<ChangeBatch>,
    counters: &mut WorkerCounters,
) -> Result<()> {
    let Some((first, rest)) = stages.split_first_mut() else { return Ok(()) };
    match first {
        Stage::Union => {}
        Stage::Sink(sink) => {
            sink.end(info, watermark)?;
            counters.sinks[sink.sink] = sink.rows_out;
        }
        Stage::Operator(stage) => {
            let end = EpochEnd { epoch: info.epoch, watermark, now_ms: info.now_ms };
            let mut emitted = Vec::new();
            let OperatorStage { state_id, operator, .. } = stage;
            guarded("operator", state_id, || operator.on_epoch(&end, &mut emitted))?;
            counters.operators[stage.node] = stage.operator.counters();
            stage.pass_on(emitted, rest, out)?;
        }
    }
    end(rest, info, watermark, out, counters)
}

/// Freezes state and prepares output for the checkpoint that `info` asks for.
pub(crate) fn freeze(stages: &mut [Stage], info: &EpochInfo, time: OperatorTime, part: &mut PartBuilder) -> Result<()> {
    let Some(checkpoint) = &info.checkpoint else { return Ok(()) };
    for stage in stages {
        match stage {
            Stage::Union => {}
            Stage::Sink(sink) => {
                let SinkStage { table, writer, .. } = sink;
                let prepared = guarded("sink", table, || writer.prepare(checkpoint.id))?;
                part.prepared.push((sink.sink, prepared));
                part.rows_out.push((sink.sink, sink.rows_out));
            }
            Stage::Operator(stage) => {
                part.times.push((stage.node, time));
                part.operators.push((stage.node, stage.operator.counters()));
                if stage.keeps_state {
                    failpoint::pass("op.freeze");
                    let kind = checkpoint.kinds[stage.node];
                    let OperatorStage { state_id, operator, .. } = stage;
                    if let Some(frozen) = guarded("operator", state_id, || operator.freeze(kind))? {
                        part.frozen.push((stage.node, kind, frozen));
                    }
                }
            }
        }
    }
    Ok(())
}

impl OperatorStage {
    fn pass_on(&self, emitted: Vec<ChangeBatch>, rest: &mut [Stage], out: &mut Vec<ChangeBatch>) -> Result<()> {
        for changes in emitted {
            debug_assert!(
                !self.append_only || changes.is_append_only(),
                "{}: operator {} takes a row back on an append-only edge",
                invariant::APPEND_ONLY_EDGE.id,
                self.state_id
            );
            push(rest, 0, changes, out)?;
        }
        Ok(())
    }
}

impl SinkStage {
    fn take(&mut self, changes: ChangeBatch) -> Result<()> {
        if self.append_only {
            return self.write(&changes);
        }
        self.waiting.push(changes);
        Ok(())
    }

    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.rows_out += changes.row_count() as u64;
        let Self { table, writer, .. } = self;
        guarded("sink", table, || writer.write(changes))
    }

    fn end(&mut self, info: &EpochInfo, watermark: Watermark) -> Result<()> {
        if let Some(first) = self.waiting.first() {
            let all = ChangeBatch::concat(&first.schema(), &self.waiting)
                .map_err(|e| Error::internal("sink.concat", e.text().to_owned()).at("sink", &self.table))?;
            self.waiting.clear();
            let net = all.consolidate()?;
            if !net.is_empty() {
                self.write(&net)?;
            }
        }
        let Self { table, writer, lag_ms, .. } = self;
        guarded("sink", table, || writer.flush_epoch(info.epoch, held(watermark, *lag_ms)))
    }
}
