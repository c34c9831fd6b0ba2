//! What the server runs: the graph of a set of INSERTs, or of one query whose rows go to a collector.

use super::optimize::{analyze, optimize_stream};
use super::order::{OrderBy, take_order};
use super::{Names, Planner, fields_of, outward};
use crate::batch::{BatchQuery, BatchSource};
use crate::config::RuntimeMode;
use crate::lower::{Flow, Lowerer, Needs, SinkTarget, add_sink, limit_of, refuse_subqueries};
use crate::parse::Insert;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Query;
use freshet_connector_api::{AcceptedChanges, Boundedness, Guarantee, Sink};
use freshet_engine::{Graph, NodeId, NodeKind};
use freshet_types::{Result, SqlField};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Name of the sink of a query that is no INSERT.
pub const COLLECTOR: &str = "result";

/// A job, ready to run.
pub struct JobPlan {
    /// The dataflow.
    pub graph: Graph,
    /// Whether every input ends by itself.
    pub bounded: bool,
    /// What is read.
    pub sources: Vec<SourceInfo>,
    /// What is written.
    pub sinks: Vec<SinkInfo>,
    /// What the user should know.
    pub notices: Vec<String>,
    /// What the result of a query is shown in the order of.
    pub order_by: Vec<OrderBy>,
    /// The optimised plans, with the table that each writes to.
    pub(crate) plans: Vec<(String, LogicalPlan)>,
}

/// A table that a job reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceInfo {
    /// Its name.
    pub table: String,
    /// Whether it ends by itself.
    pub bounded: bool,
    /// Whether it can be read again from any position.
    pub replayable: bool,
    /// Whether it never takes a row back.
    pub append_only: bool,
}

/// A table that a job writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkInfo {
    /// Its name.
    pub table: String,
    /// What the pair of it and its sources promises.
    pub guarantee: Guarantee,
    /// Why it is no more, or a known limit.
    pub note: Option<String>,
    /// Which changes reach it, as Flink names them: `I` or `I,UB,UA,D`.
    pub changelog_mode: &'static str,
}

/// What a collector is told about the changes that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangelogInfo {
    /// Columns as SQL types them, hidden ones included.
    pub columns: Vec<SqlField>,
    /// How many columns are shown; the others are there to sort by.
    pub visible_columns: usize,
    /// Whether no row is ever taken back.
    pub append_only: bool,
    /// Columns that no two live rows share, where some are known.
    pub key: Option<Vec<usize>>,
    /// Whether the rows end by themselves.
    pub bounded: bool,
    /// What the result is shown in the order of.
    pub order_by: Vec<OrderBy>,
    /// After how many rows no more come, whatever the inputs go on to give: LIMIT over rows that are never taken back.
    pub ends_after: Option<usize>,
}

/// Flink's name for the changes on an edge.
pub(crate) fn changelog_mode(append_only: bool) -> &'static str {
    if append_only { "I" } else { "I,UB,UA,D" }
}

impl Planner<'_> {
    /// Plans INSERTs as one job: what they read in common is read once, what they compute in common is computed once.
    ///
    /// # Errors
    /// Those of names, types and constructs; `sink.append_only` when a target cannot take the changes of its query.
    pub fn plan_inserts(&self, inserts: &[Insert]) -> Result<JobPlan> {
        let functions = self.stream_functions();
        let mut notices = Vec::new();
        let mut targets = Vec::with_capacity(inserts.len());
        let mut typed = Vec::with_capacity(inserts.len());
        let mut plans = Vec::with_capacity(inserts.len());
        for insert in inserts {
            let target = self.target(&insert.table, &insert.hints)?;
            let plan = self.tree(&insert.source, &Names::new(self, functions))?;
            let plan = analyze(plan, &self.rewrite_context(functions), self.options())?;
            let (plan, order, visible) = take_order(plan)?;
            if !order.is_empty() {
                notices.push(format!("ORDER BY has no effect on the rows written to \"{}\"", target.sink.table));
            }
            let plan = visible_only(plan, visible)?;
            let plan = self.fitted(insert, plan, &target, functions)?;
            typed.push(plan.clone());
            plans.push(self.finished(plan)?);
            targets.push(target.sink);
        }
        // A target that takes no row back is given the final rows of inputs that end, where the user or the lake means that.
        let at_once =
            (0..plans.len()).map(|i| self.must_run_at_once(&plans[i], &targets[i])).collect::<Result<Vec<bool>>>()?;
        let streams: Vec<&LogicalPlan> =
            plans.iter().zip(&at_once).filter(|(_, at_once)| !**at_once).map(|(p, _)| p).collect();
        let mut lowerer = self.lowerer(&streams)?;
        let mut flows: Vec<(usize, Vec<Flow>)> = Vec::new();
        for (i, plan) in plans.iter().enumerate() {
            let flow = if at_once[i] {
                notices
                    .push(format!("the rows for \"{}\" are computed at once, from inputs that end", targets[i].table));
                let query = BatchQuery::new(self, typed[i].clone())?;
                let source = BatchSource::new(query);
                let schema = source.schema();
                lowerer.batch(Arc::new(source), schema, &targets[i].table, i)
            } else {
                lowerer.lower(plan).map_err(|e| e.at("target", targets[i].table.clone()))?
            };
            match flows.iter_mut().find(|(first, _)| targets[*first].table == targets[i].table) {
                Some((_, same)) => same.push(flow),
                None => flows.push((i, vec![flow])),
            }
        }
        for (target, flows) in flows {
            add_sink(&mut lowerer, flows, &targets[target])?;
        }
        let named = targets.iter().map(|t| t.table.clone()).zip(plans).collect();
        self.job(lowerer, named, notices, Vec::new())
    }

    /// Plans a query; `collector` is told the schema and the kind of changes, and gives the sink that takes them.
    ///
    /// # Errors
    /// Those of names, types and constructs.
    pub fn plan_query(
        &self,
        query: &Query,
        collector: impl FnOnce(SchemaRef, ChangelogInfo) -> Arc<dyn Sink>,
    ) -> Result<JobPlan> {
        let functions = self.stream_functions();
        let plan = self.tree(query, &Names::new(self, functions))?;
        let plan = analyze(plan, &self.rewrite_context(functions), self.options())?;
        let (plan, order_by, visible_columns) = take_order(plan)?;
        let plan = self.finished(plan)?;
        let columns = fields_of(&plan)?;
        let mut lowerer = self.lowerer(&[&plan])?;
        let flow = lowerer.lower(&plan)?;
        let fields: Vec<_> = columns.iter().map(|c| c.to_arrow().with_nullable(true)).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let info = ChangelogInfo {
            columns,
            visible_columns,
            append_only: flow.append_only,
            key: flow.key.clone(),
            bounded: flow.bounded,
            order_by: order_by.clone(),
            ends_after: if flow.append_only { limit_of(&plan)? } else { None },
        };
        let sink = collector(Arc::clone(&schema), info);
        let target = SinkTarget { table: COLLECTOR.to_string(), sink, schema };
        add_sink(&mut lowerer, vec![flow], &target)?;
        self.job(lowerer, vec![(COLLECTOR.to_string(), plan)], Vec::new(), order_by)
    }

    fn finished(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = optimize_stream(plan, self.options())?;
        refuse_subqueries(&plan)?;
        Ok(plan)
    }

    /// Whether the final rows of a query are written, rather than its changes: the target takes no row back, every input
    /// ends, and either the session is in batch mode or only lake tables are read.
    fn must_run_at_once(&self, plan: &LogicalPlan, target: &SinkTarget) -> Result<bool> {
        if target.sink.accepts() != AcceptedChanges::AppendOnly {
            return Ok(false);
        }
        let mut meant = self.config.runtime_mode() != RuntimeMode::Streaming;
        if !meant {
            meant = self.reads_lake_only(plan)?;
        }
        if !meant {
            return Ok(false);
        }
        let mut trial = self.lowerer(&[plan])?;
        let flow = trial.lower(plan)?;
        Ok(flow.bounded && !flow.append_only)
    }

    fn lowerer(&self, plans: &[&LogicalPlan]) -> Result<Lowerer> {
        Ok(Lowerer {
            builder: Default::default(),
            needs: Needs::of(plans, self.env())?,
            batch_mode: self.config.runtime_mode() == RuntimeMode::Batch,
            time_zone: self.time_zone(),
        })
    }

    fn job(
        &self,
        lowerer: Lowerer,
        plans: Vec<(String, LogicalPlan)>,
        mut notices: Vec<String>,
        order_by: Vec<OrderBy>,
    ) -> Result<JobPlan> {
        let (graph, own) = lowerer.builder.finish();
        notices.extend(own);
        let sources: Vec<SourceInfo> = graph.nodes.iter().filter_map(source_info).collect();
        let sinks = (0..graph.nodes.len()).filter_map(|i| sink_info(&graph, NodeId(i))).collect();
        Ok(JobPlan { bounded: sources.iter().all(|s| s.bounded), graph, sources, sinks, notices, order_by, plans })
    }
}

/// The first `visible` columns of a plan.
fn visible_only(plan: LogicalPlan, visible: usize) -> Result<LogicalPlan> {
    if plan.schema().fields().len() == visible {
        return Ok(plan);
    }
    let exprs: Vec<_> = (0..visible).map(|i| super::column_at(&plan, i)).collect();
    datafusion::logical_expr::LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
        .map_err(outward)
}

fn source_info(node: &freshet_engine::Node) -> Option<SourceInfo> {
    let NodeKind::Source(source) = &node.kind else { return None };
    Some(SourceInfo {
        table: source.table.clone(),
        bounded: source.source.boundedness() == Boundedness::Bounded,
        replayable: source.source.is_replayable(),
        append_only: node.append_only,
    })
}

fn sink_info(graph: &Graph, id: NodeId) -> Option<SinkInfo> {
    let node = graph.node(id);
    let NodeKind::Sink { sink, table, .. } = &node.kind else { return None };
    let lossy: Vec<String> = upstream(graph, id)
        .into_iter()
        .filter_map(|i| source_info(graph.node(i)))
        .filter(|s| !s.replayable)
        .map(|s| s.table)
        .collect();
    let mut note = sink.guarantee_note();
    let mut guarantee = sink.guarantee();
    if !lossy.is_empty() {
        guarantee = guarantee.min(Guarantee::AtMostOnce);
        let reason = format!("rows of {} cannot be read again after a restart", lossy.join(", "));
        note = Some(note.map_or(reason.clone(), |n| format!("{n}; {reason}")));
    }
    Some(SinkInfo { table: table.clone(), guarantee, note, changelog_mode: changelog_mode(node.append_only) })
}

/// A node and all nodes that its rows come from.
fn upstream(graph: &Graph, id: NodeId) -> BTreeSet<NodeId> {
    let mut found = BTreeSet::from([id]);
    let mut open = vec![id];
    while let Some(next) = open.pop() {
        for input in &graph.node(next).inputs {
            if found.insert(input.from) {
                open.push(input.from);
            }
        }
    }
    found
}
