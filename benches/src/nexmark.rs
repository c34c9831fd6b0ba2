//! Nexmark's events in memory, and its queries as graphs over them.

use crate::recording::Recording;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use freshet_connector_api::connector::Console;
use freshet_connector_api::{AssignedSplit, Connector, ConnectorEnv, ConnectorRegistry, Poll, PollLimit};
use freshet_engine::{Graph, NodeKind};
use freshet_sql::catalog::Catalog;
use freshet_sql::config::Config;
use freshet_sql::parse::{Statement, parse_script};
use freshet_sql::plan::Planner;
use freshet_sql::variables::replace_variables;
use freshet_types::{Error, Result, SystemClock};
use std::sync::Arc;
use std::time::Duration;

/// Table and views of the events; `${WITH}` is the connector clause.
const EVENTS: &str = include_str!("../nexmark/events.sql");

/// Name and text of each query that is measured; `${SINK}` is the connector of its target.
pub(crate) const QUERIES: &[(&str, &str)] = &[
    ("q0", include_str!("../nexmark/q0.sql")),
    ("q1", include_str!("../nexmark/q1.sql")),
    ("q2", include_str!("../nexmark/q2.sql")),
    ("q3", include_str!("../nexmark/q3.sql")),
    ("q5", include_str!("../nexmark/q5.sql")),
    ("q7", include_str!("../nexmark/q7.sql")),
    ("q8", include_str!("../nexmark/q8.sql")),
];

struct Nowhere;

impl Console for Nowhere {
    fn write(&self, _lines: &str) {}
}

/// The graph of the INSERTs of `query` over events of the connector clause `with`.
pub(crate) fn graph(recording: &'static Recording, with: &str, query: &str) -> Result<Graph> {
    let env = ConnectorEnv {
        state_dir: std::env::temp_dir(),
        clock: Arc::new(SystemClock),
        console: Arc::new(Nowhere),
        time_zone: "UTC".into(),
    };
    let own: &'static dyn Connector = Box::leak(Box::new(recording));
    let connectors = ConnectorRegistry::new(freshet_connectors::CONNECTORS.iter().copied().chain([own]));
    let mut catalog = Catalog::new(connectors.clone(), env.clone());
    let config = Config::new();
    let lookup = |name: &str| match name {
        "WITH" => Some(with.to_string()),
        "SINK" => Some("recording".to_string()),
        _ => None,
    };
    let text = replace_variables(&format!("{EVENTS}\n{query}"), &lookup)?;
    let mut inserts = Vec::new();
    for parsed in parse_script(&text)? {
        match parsed.statement {
            Statement::CreateTable(table) => drop(catalog.create_table(&table)?),
            Statement::CreateView(view) => drop(catalog.create_view(&view)?),
            Statement::Insert(insert) => inserts.push(*insert),
            _ => return Err(Error::internal("bench.statement", "only tables, views and INSERTs are known here")),
        }
    }
    Ok(Planner::new(&catalog, &config, &connectors, &env).plan_inserts(&inserts)?.graph)
}

/// The first `count` events, `rows` in a batch, every column that is not computed.
pub(crate) fn events(recording: &'static Recording, count: usize, rows: usize) -> Result<Vec<RecordBatch>> {
    let all = "CREATE TEMPORARY TABLE copy (a INT, b ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING, `dateTime` TIMESTAMP(3), extra STRING>,
      c ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
      d ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING>) WITH ('connector' = '${SINK}');
      INSERT INTO copy SELECT event_type, person, auction, bid FROM nexmark;";
    let graph = graph(recording, &format!("'connector' = 'nexmark', 'events.num' = '{count}'"), all)?;
    let source = graph.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Source(source) => Some(source),
        _ => None,
    });
    let source = source.ok_or_else(|| Error::internal("bench.source", "the plan has no source"))?;
    let mut reader = source.source.reader(&[0, 1, 2, 3])?;
    let splits = source.source.discover()?;
    reader.assign(splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect())?;
    let mut read = Vec::new();
    loop {
        match reader.poll(PollLimit { rows, wait: Duration::ZERO })? {
            Poll::Batch(batch) => read.push(batch.changes.rows().clone()),
            Poll::Pending => {}
            Poll::Finished => break,
        }
    }
    let first = read.first().ok_or_else(|| Error::internal("bench.events", "there are no events"))?;
    let all = concat_batches(&first.schema(), &read)?;
    Ok((0..all.num_rows()).step_by(rows).map(|at| all.slice(at, rows.min(all.num_rows() - at))).collect())
}
