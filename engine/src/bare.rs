//! Drives one operator, or a small graph of them, on one thread without timely: for tests, and as the ceiling that the host
//! is measured against.

use crate::{
    EpochEnd, Frozen, Graph, Node, NodeId, NodeKind, Operator, OperatorContext, OperatorFactory, SegmentKind,
    StateReader, StateWriter, check,
};
use arrow::array::RecordBatch;
use freshet_types::{ChangeBatch, Epoch, Error, KEY_GROUP_COUNT, KeyGroup, Result, Watermark};
use std::collections::VecDeque;
use std::ops::Range;

/// One operator and the epochs that it has seen.
pub struct Bare {
    operator: Box<dyn Operator>,
    epoch: Epoch,
    out: Vec<ChangeBatch>,
}

impl Bare {
    /// The only instance of an operator.
    pub fn new(factory: &dyn OperatorFactory) -> Result<Self> {
        Self::instance(factory, &OperatorContext::new(0, 1))
    }

    /// One of several instances.
    pub fn instance(factory: &dyn OperatorFactory, context: &OperatorContext) -> Result<Self> {
        Ok(Self { operator: factory.create(context)?, epoch: Epoch(0), out: Vec::new() })
    }

    /// Gives it changes.
    pub fn push(&mut self, input: usize, changes: ChangeBatch) -> Result<()> {
        self.operator.on_changes(input, changes, &mut self.out)
    }

    /// Ends the epoch; gives all that was emitted in it.
    pub fn end_epoch(&mut self, watermark: Watermark) -> Result<Vec<ChangeBatch>> {
        let end = EpochEnd { epoch: self.epoch, watermark, now_ms: 0 };
        self.epoch = self.epoch.next();
        self.operator.on_epoch(&end, &mut self.out)?;
        Ok(std::mem::take(&mut self.out))
    }

    /// Writes what changed since the last freeze, or all.
    pub fn freeze(&mut self, kind: SegmentKind) -> Result<Option<MemorySegment>> {
        let Some(frozen) = self.operator.freeze(kind)? else { return Ok(None) };
        MemorySegment::from_frozen(kind, frozen).map(Some)
    }

    /// Takes state back.
    pub fn restore(&mut self, segments: &[MemorySegment], groups: Range<usize>) -> Result<()> {
        self.operator.restore(&mut MemoryReader::new(segments, groups))
    }

    /// The operator.
    pub fn operator(&self) -> &dyn Operator {
        self.operator.as_ref()
    }
}

/// A segment in memory.
#[derive(Debug, Clone)]
pub struct MemorySegment {
    /// Base or delta.
    pub kind: SegmentKind,
    /// Table, key group, rows; in the order they were written.
    pub tables: Vec<(String, KeyGroup, RecordBatch)>,
}

impl MemorySegment {
    /// Lets `frozen` write itself.
    pub fn from_frozen(kind: SegmentKind, frozen: Box<dyn Frozen>) -> Result<Self> {
        let mut segment = Self { kind, tables: Vec::new() };
        frozen.write(&mut segment)?;
        Ok(segment)
    }
}

impl StateWriter for MemorySegment {
    fn write(&mut self, table: &str, group: KeyGroup, rows: &RecordBatch) -> Result<()> {
        self.tables.push((table.to_string(), group, rows.clone()));
        Ok(())
    }
}

/// Reads segments from memory: from the last base on, only the given key groups.
pub struct MemoryReader {
    rows: VecDeque<(SegmentKind, String, KeyGroup, RecordBatch)>,
}

impl MemoryReader {
    /// A reader over `segments`, oldest first.
    pub fn new(segments: &[MemorySegment], groups: Range<usize>) -> Self {
        let base = segments.iter().rposition(|s| s.kind == SegmentKind::Base).unwrap_or(0);
        let mut rows = VecDeque::new();
        for segment in &segments[base..] {
            for (table, group, batch) in &segment.tables {
                if groups.contains(&usize::from(*group)) {
                    rows.push_back((segment.kind, table.clone(), *group, batch.clone()));
                }
            }
        }
        Self { rows }
    }
}

impl StateReader for MemoryReader {
    fn next(&mut self) -> Result<Option<(SegmentKind, String, KeyGroup, RecordBatch)>> {
        Ok(self.rows.pop_front())
    }
}

/// A graph of operators on one thread: sources are pushed by hand, sinks keep what reaches them.
pub struct BareGraph {
    graph: Graph,
    operators: Vec<Option<Box<dyn Operator>>>,
    /// Edges out of each node: reader and its input.
    edges: Vec<Vec<(usize, usize)>>,
    epoch: Epoch,
    queue: VecDeque<(usize, usize, ChangeBatch)>,
    arrived: Vec<Vec<ChangeBatch>>,
    /// Nodes whose output is kept although they are no sinks.
    watched: Vec<bool>,
    /// What each node has frozen.
    segments: Vec<Vec<MemorySegment>>,
    watermark: Watermark,
}

impl BareGraph {
    /// Makes all operators; in debug builds each one is checked against its node.
    pub fn new(graph: &Graph) -> Result<Self> {
        let mut edges = vec![Vec::new(); graph.nodes.len()];
        let mut operators = Vec::new();
        for (n, node) in graph.nodes.iter().enumerate() {
            for (i, input) in node.inputs.iter().enumerate() {
                edges[input.from.0].push((n, i));
            }
            operators.push(operator_of(graph, node, Watermark::MIN)?);
        }
        let mut bare = Self {
            operators,
            edges,
            epoch: Epoch(0),
            queue: VecDeque::new(),
            arrived: vec![Vec::new(); graph.nodes.len()],
            watched: vec![false; graph.nodes.len()],
            segments: vec![Vec::new(); graph.nodes.len()],
            watermark: Watermark::MIN,
            graph: graph.clone(),
        };
        for (n, node) in graph.nodes.iter().enumerate() {
            if let NodeKind::Values(batches) = &node.kind {
                batches.iter().for_each(|rows| bare.send(n, ChangeBatch::inserts(rows.clone())));
            }
        }
        Ok(bare)
    }

    /// Lets changes leave `node`, as if it had produced them.
    pub fn push(&mut self, node: NodeId, changes: ChangeBatch) -> Result<()> {
        self.send(node.0, changes);
        self.run()
    }

    /// Keeps what leaves `node` from now on, for [`BareGraph::take`].
    pub fn watch(&mut self, node: NodeId) {
        self.watched[node.0] = true;
    }

    fn send(&mut self, node: usize, changes: ChangeBatch) {
        if self.watched[node] {
            self.arrived[node].push(changes.clone());
        }
        for (reader, input) in &self.edges[node] {
            self.queue.push_back((*reader, *input, changes.clone()));
        }
    }

    fn run(&mut self) -> Result<()> {
        while let Some((node, input, changes)) = self.queue.pop_front() {
            let mut out = Vec::new();
            match (&self.graph.nodes[node].kind, &mut self.operators[node]) {
                (_, Some(operator)) => operator.on_changes(input, changes, &mut out)?,
                (NodeKind::Union, None) => out.push(changes),
                (NodeKind::Sink { .. }, None) => self.arrived[node].push(changes),
                _ => return Err(Error::internal("graph.input", "a source has an input")),
            }
            out.into_iter().for_each(|changes| self.send(node, changes));
        }
        Ok(())
    }

    /// Ends the epoch at every operator, inputs first. Every node sees the same watermark.
    pub fn end_epoch(&mut self, watermark: Watermark) -> Result<()> {
        self.run()?;
        let end = EpochEnd { epoch: self.epoch, watermark, now_ms: 0 };
        self.epoch = self.epoch.next();
        self.watermark = watermark;
        for node in 0..self.operators.len() {
            if let Some(operator) = &mut self.operators[node] {
                let mut out = Vec::new();
                operator.on_epoch(&end, &mut out)?;
                out.into_iter().for_each(|changes| self.send(node, changes));
                // What this node emitted must arrive before its readers end the epoch.
                self.run()?;
            }
        }
        Ok(())
    }

    /// Makes every operator anew with the state that the present one freezes, right behind the end of an epoch.
    pub fn restart(&mut self, kind: SegmentKind) -> Result<()> {
        for (n, node) in self.graph.nodes.iter().enumerate() {
            let (NodeKind::Operator(factory), Some(operator)) = (&node.kind, &mut self.operators[n]) else { continue };
            let segments = &mut self.segments[n];
            let kind = if segments.is_empty() { SegmentKind::Base } else { kind };
            if factory.state_fingerprint().is_some()
                && let Some(frozen) = operator.freeze(kind)?
            {
                segments.push(MemorySegment::from_frozen(kind, frozen)?);
            }
            let mut fresh = operator_of(&self.graph, node, self.watermark)?.expect("the node is an operator");
            if !segments.is_empty() {
                fresh.restore(&mut MemoryReader::new(segments, 0..KEY_GROUP_COUNT))?;
            }
            self.operators[n] = Some(fresh);
        }
        Ok(())
    }

    /// Takes what reached the sink `node`, or left a node that is watched.
    pub fn take(&mut self, node: NodeId) -> Vec<ChangeBatch> {
        std::mem::take(&mut self.arrived[node.0])
    }
}

/// The operator of a node, if it is one; in debug builds it is checked against its node.
fn operator_of(graph: &Graph, node: &Node, watermark: Watermark) -> Result<Option<Box<dyn Operator>>> {
    let NodeKind::Operator(factory) = &node.kind else { return Ok(None) };
    let operator = factory.create(&OperatorContext { watermark, ..OperatorContext::new(0, 1) })?;
    let inputs: Vec<&Node> = node.inputs.iter().map(|i| graph.node(i.from)).collect();
    Ok(Some(if cfg!(debug_assertions) { check::checked(operator, node, &inputs) } else { operator }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::{
        Aggregate, AggregateCall, AggregateConfig, AggregateFunction, Join, JoinConfig, JoinKind, UnmatchedRows,
    };
    use crate::{Input, Routing};
    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
    use std::sync::Arc;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]))
    }

    fn rows(values: &[i64]) -> RecordBatch {
        RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
    }

    fn node(kind: NodeKind, inputs: &[(NodeId, Routing)], schema: SchemaRef, append_only: bool) -> Node {
        let inputs = inputs.iter().map(|(from, routing)| Input { from: *from, routing: routing.clone() }).collect();
        Node { kind, inputs, schema, append_only, state_id: "n".to_string() }
    }

    /// Values joined with the count per value of themselves: every epoch must be consistent across both paths.
    fn counts_beside_values(append_only: bool) -> (Graph, NodeId, NodeId) {
        let mut graph = Graph::default();
        let source = graph.add(node(NodeKind::Values(vec![rows(&[1, 2])]), &[], schema(), true));
        let count = Aggregate::new(AggregateConfig {
            input: schema(),
            keys: vec![0],
            aggregates: vec![AggregateCall {
                function: AggregateFunction::CountStar,
                arguments: vec![],
                filter: None,
                distinct: false,
                name: "n".to_string(),
                result: Arc::new(Field::new("n", DataType::Int64, true)),
            }],
            append_only: true,
            global: false,
        })
        .unwrap();
        let counted = count.schema();
        let hash = Routing::Hash(vec![0]);
        let count = NodeKind::Operator(Arc::new(count));
        let count = graph.add(node(count, &[(source, hash.clone())], Arc::clone(&counted), append_only));
        let join = Join::new(JoinConfig {
            left: schema(),
            right: counted,
            kind: JoinKind::Inner,
            left_keys: vec![0],
            right_keys: vec![0],
            null_equals_null: false,
            residual: None,
            left_expire: None,
            right_expire: None,
            unmatched: UnmatchedRows::AtOnce,
        })
        .unwrap();
        let joined = join.schema();
        let join = NodeKind::Operator(Arc::new(join));
        let join = graph.add(node(join, &[(source, hash.clone()), (count, hash)], joined, false));
        (graph, source, join)
    }

    #[test]
    fn an_epoch_is_consistent_across_paths() {
        let (graph, source, join) = counts_beside_values(false);
        let mut bare = BareGraph::new(&graph).unwrap();
        let mut sum: Vec<ChangeBatch> = Vec::new();
        bare.watch(join);
        for (pushed, expected) in [(vec![], 2), (vec![1, 1], 4), (vec![3], 5)] {
            bare.push(source, ChangeBatch::inserts(rows(&pushed))).unwrap();
            bare.end_epoch(Watermark::MIN).unwrap();
            sum.extend(bare.take(join));
            let all = ChangeBatch::concat(&sum[0].schema(), &sum).unwrap().consolidate().unwrap();
            assert!(all.is_append_only());
            assert_eq!(all.weights().unwrap().values().iter().sum::<i64>(), expected);
        }
    }

    #[test]
    fn a_node_that_is_called_append_only_and_is_not_fails() {
        let (graph, source, _) = counts_beside_values(true);
        let mut bare = BareGraph::new(&graph).unwrap();
        bare.end_epoch(Watermark::MIN).unwrap();
        bare.push(source, ChangeBatch::inserts(rows(&[1]))).unwrap();
        let error = bare.end_epoch(Watermark::MIN).unwrap_err();
        assert_eq!(error.code(), "engine.contract");
        assert!(error.text().starts_with("ZS-3"));
    }
}
