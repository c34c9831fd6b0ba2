//! CPU of a job under the host beside the same operators under a bare loop: Nexmark, one worker, epochs of 10,000 rows.

use crate::nexmark::{self, QUERIES};
use crate::recording::Recording;
use crate::{cpu_seconds, median};
use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute;
use arrow::datatypes::TimestampMillisecondType;
use datafusion::physical_expr::PhysicalExpr;
use freshet_engine::bare::BareGraph;
use freshet_engine::job::{self, EpochSpec, JobSpec};
use freshet_engine::{Graph, NodeId, NodeKind, SourceNode};
use freshet_types::{ChangeBatch, Error, Result, Watermark};
use std::sync::Arc;
use std::time::Duration;

const EPOCH_ROWS: usize = 10_000;
const ROUNDS: usize = 5;

/// Prints for each query the CPU of both, and the ratio: the median of pairs that are run in turn.
#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
pub(crate) fn run(count: usize) -> Result<()> {
    let recording = Recording::new();
    let events = Arc::new(nexmark::events(recording, count, EPOCH_ROWS)?);
    for (name, query) in QUERIES {
        let (mut hosted, mut ceilings) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            recording.load(Arc::clone(&events), false);
            let graph = nexmark::graph(recording, "'connector' = 'recording'", query)?;
            let (rows, ceiling) = cpu_seconds(|| bare(&graph, &events));
            let rows = rows?;
            let (outcome, host) = cpu_seconds(|| host(graph));
            outcome?;
            if recording.rows_out() != rows {
                let text = format!("{name}: {} rows under the host, {rows} under the bare loop", recording.rows_out());
                return Err(Error::internal("bench.rows", text));
            }
            hosted.push(host);
            ceilings.push(ceiling);
        }
        let ratio = median(hosted.iter().zip(&ceilings).map(|(h, c)| h / c).collect());
        let rate = |seconds: Vec<f64>| count as f64 / median(seconds) / 1e6;
        println!(
            "engine {name}  {ratio:>5.2} x the bare loop's CPU   host {:>6.2}, bare loop {:>6.2} M events per CPU second",
            rate(hosted),
            rate(ceilings),
        );
    }
    Ok(())
}

fn host(graph: Graph) -> Result<()> {
    let mut spec = JobSpec::new("bench", graph);
    spec.epoch = EpochSpec { max_rows: EPOCH_ROWS, max_delay: Duration::from_secs(1) };
    job::start(spec)?.wait()?;
    Ok(())
}

/// Runs the graph over the events on this thread; gives how many rows reach its sinks.
fn bare(graph: &Graph, events: &[RecordBatch]) -> Result<u64> {
    let mut bare = BareGraph::new(graph)?;
    let (mut sources, mut sinks) = (Vec::new(), Vec::new());
    for (n, node) in graph.nodes.iter().enumerate() {
        match &node.kind {
            NodeKind::Source(source) => sources.push((NodeId(n), source, Arc::clone(&node.schema))),
            NodeKind::Sink { .. } => sinks.push(NodeId(n)),
            _ => {}
        }
    }
    let (mut highest, mut rows) = (i64::MIN, 0);
    for (e, batch) in events.iter().enumerate() {
        for (id, source, schema) in &sources {
            let read = batch.project(&source.projection)?;
            let columns = match &source.computed {
                Some(expressions) => {
                    expressions.iter().map(|e| evaluate(e, &read)).collect::<Result<Vec<ArrayRef>>>()?
                }
                None => read.columns().to_vec(),
            };
            let options = RecordBatchOptions::new().with_row_count(Some(read.num_rows()));
            let read = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
            highest = highest.max(event_time(source, &read)?);
            bare.push(*id, ChangeBatch::inserts(read))?;
        }
        let last = e + 1 == events.len();
        bare.end_epoch(if last { Watermark::MAX } else { Watermark(highest) })?;
        for sink in &sinks {
            rows += bare.take(*sink).iter().map(|c| c.row_count() as u64).sum::<u64>();
        }
    }
    Ok(rows)
}

/// What a source's rows say of event time, in milliseconds.
fn event_time(source: &SourceNode, rows: &RecordBatch) -> Result<i64> {
    let Some(spec) = &source.watermark else { return Ok(i64::MIN) };
    let times = evaluate(&spec.expression, rows)?;
    Ok(compute::max(times.as_primitive::<TimestampMillisecondType>()).unwrap_or(i64::MIN))
}

fn evaluate(expression: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef> {
    let value = expression.evaluate(rows).and_then(|value| value.into_array(rows.num_rows()));
    value.map_err(|e| Error::internal("bench.expression", e.to_string()))
}
