//! Cuts a graph into fragments: chains of nodes that run in one go, because rows do not change worker between them.

use crate::{Graph, NodeId, NodeKind, Routing};
use freshet_connector_api::Sink;
use std::sync::Arc;

/// A place where rows leave a feed or a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) routing: Routing,
}

impl Port {
    /// Whether rows may change worker here.
    pub(crate) fn exchanges(&self) -> bool {
        self.routing != Routing::Forward
    }
}

/// Where rows enter the dataflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeedKind {
    /// A source, by its position among the sources.
    Source(usize),
    /// A node of fixed rows.
    Values(NodeId),
    /// Records that could not be decoded.
    DeadLetters,
}

/// Rows that enter the dataflow on each worker.
#[derive(Debug)]
pub(crate) struct FeedPlan {
    pub(crate) kind: FeedKind,
    /// Its position in [`crate::epochs::EpochInfo::ended`]; none for dead letters.
    pub(crate) clock: Option<usize>,
    /// Ports in the numbering of [`Plan::ports`].
    pub(crate) ports: Vec<usize>,
}

/// A node, or the end of the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StagePlan {
    Node(NodeId),
    /// A sink, by its position in [`Plan::sinks`].
    Sink(usize),
}

/// A chain of nodes.
#[derive(Debug)]
pub(crate) struct FragmentPlan {
    /// The ports that it reads, one for each input of its first node.
    pub(crate) inputs: Vec<usize>,
    pub(crate) stages: Vec<StagePlan>,
    pub(crate) ports: Vec<usize>,
}

/// A sink of the graph, or the dead-letter table.
#[derive(Clone)]
pub(crate) struct SinkPlan {
    pub(crate) table: String,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) append_only: bool,
    /// How far its watermark is held back.
    pub(crate) lag_ms: i64,
}

/// Name under which the dead-letter sink's tokens are kept; no table can have it.
pub(crate) const DEAD_LETTERS: &str = "(dead letters)";

/// How a graph runs on `workers` workers.
pub(crate) struct Plan {
    pub(crate) ports: Vec<Port>,
    pub(crate) feeds: Vec<FeedPlan>,
    pub(crate) fragments: Vec<FragmentPlan>,
    /// Nodes that are sources.
    pub(crate) sources: Vec<NodeId>,
    pub(crate) sinks: Vec<SinkPlan>,
    /// Number of positions in [`crate::epochs::EpochInfo::ended`].
    pub(crate) clocks: usize,
}

#[derive(Clone, Copy)]
enum Place {
    Feed(usize),
    Fragment(usize),
}

impl Plan {
    pub(crate) fn new(graph: &Graph, workers: usize, dead_letters: Option<Arc<dyn Sink>>) -> Self {
        let mut plan = Plan {
            ports: Vec::new(),
            feeds: Vec::new(),
            fragments: Vec::new(),
            sources: Vec::new(),
            sinks: Vec::new(),
            clocks: 0,
        };
        let mut readers = vec![0usize; graph.nodes.len()];
        for input in graph.nodes.iter().flat_map(|n| &n.inputs) {
            readers[input.from.0] += 1;
        }
        let mut places: Vec<Place> = Vec::with_capacity(graph.nodes.len());
        for (i, node) in graph.nodes.iter().enumerate() {
            let id = NodeId(i);
            let feed = match node.kind {
                NodeKind::Source(_) => {
                    plan.sources.push(id);
                    Some(FeedKind::Source(plan.sources.len() - 1))
                }
                NodeKind::Values(_) => Some(FeedKind::Values(id)),
                _ => None,
            };
            if let Some(kind) = feed {
                places.push(Place::Feed(plan.feeds.len()));
                plan.feeds.push(FeedPlan { kind, clock: Some(plan.clocks), ports: Vec::new() });
                plan.clocks += 1;
                continue;
            }
            let stage = match &node.kind {
                NodeKind::Sink { sink, table, lag_ms } => {
                    let append_only = graph.node(node.inputs[0].from).append_only;
                    let (table, sink, lag_ms) = (table.clone(), Arc::clone(sink), *lag_ms);
                    plan.sinks.push(SinkPlan { table, sink, append_only, lag_ms });
                    StagePlan::Sink(plan.sinks.len() - 1)
                }
                _ => StagePlan::Node(id),
            };
            if let [input] = node.inputs.as_slice()
                && routing(&input.routing, workers) == Routing::Forward
                && let Place::Fragment(fragment) = places[input.from.0]
                && readers[input.from.0] == 1
            {
                plan.fragments[fragment].stages.push(stage);
                places.push(Place::Fragment(fragment));
                continue;
            }
            let inputs = node
                .inputs
                .iter()
                .map(|input| plan.port(places[input.from.0], routing(&input.routing, workers)))
                .collect();
            places.push(Place::Fragment(plan.fragments.len()));
            plan.fragments.push(FragmentPlan { inputs, stages: vec![stage], ports: Vec::new() });
        }
        if let Some(sink) = dead_letters {
            plan.feeds.push(FeedPlan { kind: FeedKind::DeadLetters, clock: None, ports: Vec::new() });
            let port = plan.port(Place::Feed(plan.feeds.len() - 1), Routing::Forward);
            plan.sinks.push(SinkPlan { table: DEAD_LETTERS.to_owned(), sink, append_only: true, lag_ms: 0 });
            let stages = vec![StagePlan::Sink(plan.sinks.len() - 1)];
            plan.fragments.push(FragmentPlan { inputs: vec![port], stages, ports: Vec::new() });
        }
        plan
    }

    /// The port of `place` with `routing`, shared by all that read it.
    fn port(&mut self, place: Place, routing: Routing) -> usize {
        let ports = match place {
            Place::Feed(i) => &mut self.feeds[i].ports,
            Place::Fragment(i) => &mut self.fragments[i].ports,
        };
        if let Some(port) = ports.iter().find(|port| self.ports[**port].routing == routing) {
            return *port;
        }
        self.ports.push(Port { routing });
        ports.push(self.ports.len() - 1);
        self.ports.len() - 1
    }
}

/// On one worker every row stays where it is.
fn routing(asked: &Routing, workers: usize) -> Routing {
    if workers == 1 { Routing::Forward } else { asked.clone() }
}
