//! The end of a flow: columns as the sink wants them, routing by key, and the refusal of changes that it cannot take.

use super::Lowerer;
use super::flow::{Flow, column_index};
use arrow::datatypes::SchemaRef;
use freshet_connector_api::{AcceptedChanges, Sink};
use freshet_engine::operators::{Calc, CalcConfig};
use freshet_engine::{Input, NodeId, NodeKind, Routing};
use freshet_types::{Error, Result};
use std::sync::Arc;

use super::graph_builder::OperatorNode;

/// Where rows go.
pub(crate) struct SinkTarget {
    /// Name that is unique in the job.
    pub(crate) table: String,
    /// What writes.
    pub(crate) sink: Arc<dyn Sink>,
    /// Columns that it is given.
    pub(crate) schema: SchemaRef,
}

/// Ends flows, one or more, in a sink.
pub(crate) fn add_sink(lowerer: &mut Lowerer, flows: Vec<Flow>, target: &SinkTarget) -> Result<NodeId> {
    let mut ends = Vec::with_capacity(flows.len());
    for flow in flows {
        if target.sink.accepts() == AcceptedChanges::AppendOnly && !flow.append_only {
            return Err(Error::invalid(
                "sink.append_only",
                format!("table \"{}\" takes new rows only, but the query also takes rows back", target.table),
            )
            .hint(
                "make the query append-only (aggregate over windows with TUMBLE, HOP or SESSION, bound the time between joined \
                 rows), write the changes to a table with 'connector' = 'print', or, where every input ends, write the \
                 final rows with SET 'execution.runtime-mode' = 'batch'",
            ));
        }
        ends.push(fit(lowerer, flow, &target.schema)?);
    }
    let append_only = ends.iter().all(|f| f.append_only);
    let key = match ends.as_slice() {
        [one] => one.key.clone(),
        _ => None,
    };
    let from = match ends.as_slice() {
        [one] => one.node,
        many => {
            let inputs = many.iter().map(|f| Input { from: f.node, routing: Routing::Forward }).collect();
            lowerer.builder.other(
                NodeKind::Union,
                "union",
                Some("union".to_string()),
                inputs,
                Arc::clone(&target.schema),
                append_only,
            )
        }
    };
    let routing = match target.sink.accepts() {
        // All changes of a key go to one writer, so that the last one wins.
        AcceptedChanges::Upsert(key) => Routing::Hash(key),
        _ if append_only => Routing::Forward,
        _ => match key {
            Some(key) if key.is_empty() => Routing::Single,
            Some(key) => Routing::Hash(key),
            None => Routing::Hash((0..target.schema.fields().len()).collect()),
        },
    };
    let inputs = vec![Input { from, routing }];
    let lag_ms = lowerer.builder.lag_below(&inputs);
    Ok(lowerer.builder.other(
        NodeKind::Sink { sink: Arc::clone(&target.sink), table: target.table.clone(), lag_ms },
        &format!("sink:{}", target.table),
        None,
        inputs,
        Arc::clone(&target.schema),
        append_only,
    ))
}

/// The flow as a node with exactly the sink's schema: NOT NULL is enforced here.
fn fit(lowerer: &mut Lowerer, flow: Flow, schema: &SchemaRef) -> Result<Flow> {
    let flow = if flow.window.is_some() { super::window::assign(&mut lowerer.builder, flow)? } else { flow };
    let in_order = flow.columns.iter().enumerate().all(|(i, c)| column_index(&c.expr) == Some(i));
    if flow.filter.is_none() && in_order && flow.base == *schema {
        return Ok(flow);
    }
    let projection =
        flow.columns.iter().zip(schema.fields()).map(|(c, f)| (Arc::clone(&c.expr), f.name().clone())).collect();
    let factory = Calc::new(CalcConfig {
        input: Arc::clone(&flow.base),
        filter: flow.filter.clone(),
        projection: Some(projection),
    })?
    .with_schema(Arc::clone(schema))?;
    let node = lowerer.builder.operator(OperatorNode {
        factory: Arc::new(factory),
        what: format!("{} -> {schema:?}", if flow.filter.is_some() { "filter" } else { "all" }),
        exprs: flow.columns.iter().map(|c| Arc::clone(&c.expr)).chain(flow.filter.clone()).collect(),
        inputs: vec![Input { from: flow.node, routing: Routing::Forward }],
        schema: Arc::clone(schema),
        append_only: flow.append_only,
    });
    let mut end = Flow::of_node(node, Arc::clone(schema), &flow.roles(), flow.append_only, flow.bounded);
    end.key = flow.key;
    end.whole_windows = flow.whole_windows;
    Ok(end)
}
