//! What tests of planning share: tables whose rows are given as JSON, a job run on one thread, results to compare.

use crate::batch;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::parse::{Insert, Statement, parse_script};
use crate::plan::{ChangelogInfo, JobPlan, Planner};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use datafusion::sql::sqlparser::ast::Query;
use freshet_connector_api::connector::Console;
use freshet_connector_api::sink::NothingToCommit;
use freshet_connector_api::{
    AcceptedChanges, AssignedSplit, Boundedness, Connector, ConnectorEnv, ConnectorRegistry, Guarantee, Offset, Poll,
    PollLimit, Prepared, Sink, SinkCommitter, SinkWriter, Source, SourceBatch, SourceReader, Split, TableSpec,
    WriterContext,
};
use freshet_engine::bare::BareGraph;
use freshet_engine::{JobSpec, NodeId, NodeKind, SegmentKind};
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{ChangeBatch, CheckpointId, OptionKind, OptionSpec, Result, VirtualClock, Watermark};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

/// Rows of tables by name, as lines of JSON; `"_w"` is the weight of a row in a changelog.
static ROWS: OnceLock<Mutex<BTreeMap<String, String>>> = OnceLock::new();

fn rows() -> std::sync::MutexGuard<'static, BTreeMap<String, String>> {
    ROWS.get_or_init(Default::default).lock().unwrap()
}

/// Connector `rows`: reads what [`Session::rows`] gave, takes what a sink with `accepts` may take.
struct Rows;

static OPTIONS: &[OptionSpec] = &[
    OptionSpec::optional("data", OptionKind::Text, "name of the rows"),
    OptionSpec::optional("changelog", OptionKind::Bool, "whether rows are taken back"),
    OptionSpec::optional("unbounded", OptionKind::Bool, "whether it claims to go on"),
    OptionSpec::optional("accepts", OptionKind::Text, "append, upsert or all"),
];

impl Connector for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }
    fn doc(&self) -> &'static str {
        "rows of a test"
    }
    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }
    fn format_prefixes(&self) -> &'static [&'static str] {
        &[""]
    }
    fn source(&self, table: &TableSpec, _: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        let name = table.options.get("data").unwrap_or_default().to_string();
        Ok(Arc::new(RowsSource {
            text: rows().get(&name).cloned().unwrap_or_default(),
            schema: table.read_schema(),
            changelog: table.options.bool("changelog")?.unwrap_or(false),
            unbounded: table.options.bool("unbounded")?.unwrap_or(false),
        }))
    }
    fn sink(&self, table: &TableSpec, _: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(Taker(match table.options.get("accepts") {
            Some("upsert") => AcceptedChanges::Upsert(table.primary_key.clone()),
            Some("all") => AcceptedChanges::All,
            _ => AcceptedChanges::AppendOnly,
        })))
    }
}

struct RowsSource {
    text: String,
    schema: SchemaRef,
    changelog: bool,
    unbounded: bool,
}

impl Source for RowsSource {
    fn boundedness(&self) -> Boundedness {
        if self.unbounded { Boundedness::Unbounded } else { Boundedness::Bounded }
    }
    fn is_replayable(&self) -> bool {
        true
    }
    fn is_append_only(&self) -> bool {
        !self.changelog
    }
    fn discover(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "0".into(), start: Offset("0".into()) }])
    }
    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(RowsReader { changes: self.decode(projection)?, at: 0, ended: false }))
    }
}

impl RowsSource {
    fn decode(&self, projection: &[usize]) -> Result<ChangeBatch> {
        let mut fields = self.schema.fields().to_vec();
        fields.push(Arc::new(Field::new("_w", DataType::Int64, true)));
        let mut reader = arrow::json::ReaderBuilder::new(Arc::new(Schema::new(fields)))
            .with_batch_size(1_000_000)
            .build(std::io::Cursor::new(self.text.as_bytes()))?;
        let Some(all) = reader.next() else {
            return Ok(ChangeBatch::empty(Arc::new(self.schema.project(projection)?)));
        };
        let all = all?;
        let weights: Int64Array =
            all.column(all.num_columns() - 1).as_primitive::<Int64Type>().iter().map(|w| w.unwrap_or(1)).collect();
        Ok(ChangeBatch::new(all.project(projection)?, self.changelog.then_some(weights)))
    }
}

/// Gives a few rows at once, or all of them when no limit is named.
struct RowsReader {
    changes: ChangeBatch,
    at: usize,
    ended: bool,
}

impl SourceReader for RowsReader {
    fn assign(&mut self, _: Vec<AssignedSplit>) -> Result<()> {
        Ok(())
    }
    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        if self.ended {
            return Ok(Poll::Finished);
        }
        let left = self.changes.row_count() - self.at;
        let changes = self.changes.slice(self.at, if limit.rows == 0 { left } else { left.min(2) });
        self.at += changes.row_count();
        self.ended = self.at == self.changes.row_count();
        Ok(Poll::Batch(SourceBatch {
            split: "0".into(),
            changes,
            next: Offset(self.at.to_string()),
            dead: Vec::new(),
            ignored: 0,
            split_finished: self.ended,
            bytes: 0,
        }))
    }
}

/// A sink that says what it takes; the tests read what reaches it.
pub(crate) struct Taker(pub(crate) AcceptedChanges);

impl Sink for Taker {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }
    fn accepts(&self) -> AcceptedChanges {
        self.0.clone()
    }
    fn committer(&self, _: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(NothingToCommit))
    }
    fn writer(&self, _: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Nowhere))
    }
}

struct Nowhere;

impl SinkWriter for Nowhere {
    fn write(&mut self, _: &ChangeBatch) -> Result<()> {
        Ok(())
    }
    fn prepare(&mut self, _: CheckpointId) -> Result<Prepared> {
        Ok(Box::new(|| Ok(Vec::new())))
    }
}

/// A sink that keeps what reaches it.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<ChangeBatch>>>);

impl Sink for Keeper {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtMostOnce
    }
    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }
    fn committer(&self, _: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(NothingToCommit))
    }
    fn writer(&self, _: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(self.clone()))
    }
}

impl SinkWriter for Keeper {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.0.lock().unwrap().push(changes.clone());
        Ok(())
    }
    fn prepare(&mut self, _: CheckpointId) -> Result<Prepared> {
        Ok(Box::new(|| Ok(Vec::new())))
    }
}

struct Silent;

impl Console for Silent {
    fn write(&self, _: &str) {}
}

/// A session of a test.
pub(crate) struct Session {
    pub(crate) catalog: Catalog,
    pub(crate) config: Config,
    registry: ConnectorRegistry,
    env: ConnectorEnv,
    scope: String,
}

impl Session {
    /// A session; `scope` keeps its rows apart from those of other tests.
    pub(crate) fn new(scope: &str) -> Self {
        let registry = ConnectorRegistry::new([&Rows as &'static dyn Connector]);
        let env = ConnectorEnv {
            state_dir: std::env::temp_dir(),
            clock: Arc::new(VirtualClock::at(1_000_000)),
            console: Arc::new(Silent),
            time_zone: "UTC".to_string(),
        };
        Self {
            catalog: Catalog::new(registry.clone(), env.clone()),
            config: Config::new(),
            registry,
            env,
            scope: scope.to_string(),
        }
    }

    /// Gives rows to `table`, whose DDL names them as `'data' = '<table>'`.
    pub(crate) fn rows(&mut self, table: &str, json_lines: &str) {
        rows().insert(format!("{}.{table}", self.scope), json_lines.to_string());
    }

    /// Runs DDL and SET. `$S` in it stands for the scope.
    pub(crate) fn run(&mut self, script: &str) {
        for parsed in parse_script(&script.replace("$S", &self.scope)).unwrap() {
            match parsed.statement {
                Statement::CreateTable(create) => drop(self.catalog.create_table(&create).unwrap()),
                Statement::CreateView(create) => drop(self.catalog.create_view(&create).unwrap()),
                Statement::Set { assignment: Some((key, value)) } => drop(self.config.set(&key, &value).unwrap()),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn planner(&self) -> Planner<'_> {
        Planner::new(&self.catalog, &self.config, &self.registry, &self.env)
    }

    /// Plans a query whose rows go nowhere.
    pub(crate) fn plan(&self, sql: &str) -> Result<(JobPlan, ChangelogInfo)> {
        let mut info = None;
        let job = self.planner().plan_query(&*query(sql)?, |_, i| {
            info = Some(i);
            Arc::new(Taker(AcceptedChanges::All))
        })?;
        Ok((job, info.expect("the collector is asked for")))
    }

    /// The text of EXPLAIN's dataflow.
    pub(crate) fn dataflow(&self, sql: &str) -> String {
        let (job, _) = self.plan(sql).unwrap();
        let text = crate::explain::explain(&job);
        let from = text.find("== Dataflow ==").unwrap() + "== Dataflow ==\n".len();
        let to = text.find("\n== Guarantees").unwrap();
        text[from..to].replace("default_catalog.default_database.", "").to_string()
    }

    /// What a query gives as a stream: the rows that are left, as text, sorted. `step` rows make an epoch.
    pub(crate) fn stream(&self, sql: &str, step: usize) -> Result<Vec<String>> {
        self.stream_with(sql, step, false)
    }

    /// The same; with `restarts` all operators are made anew from what they have frozen, again and again.
    pub(crate) fn stream_with(&self, sql: &str, step: usize, restarts: bool) -> Result<Vec<String>> {
        let (job, info) = self.plan(sql)?;
        let changes = run_job_with(&job, step, restarts)?.remove(0);
        if info.append_only {
            assert!(changes.iter().all(ChangeBatch::is_append_only), "append-only was proved and is not so: {sql}");
        }
        let visible: Vec<usize> = (0..info.visible_columns).collect();
        left(&changes.iter().map(|c| c.project(&visible)).collect::<Result<Vec<_>>>()?)
    }

    /// What a query gives as a job on so many workers.
    pub(crate) fn hosted(&self, sql: &str, workers: usize) -> Result<Vec<String>> {
        let keeper = Keeper::default();
        let mut visible = 0;
        let job = self.planner().plan_query(&*query(sql)?, |_, info| {
            visible = info.visible_columns;
            Arc::new(keeper.clone())
        })?;
        let mut spec = JobSpec::new("job", job.graph);
        spec.workers = workers;
        spec.epoch.max_rows = 3;
        freshet_engine::start(spec)?.wait()?;
        let shown: Vec<usize> = (0..visible).collect();
        let changes = keeper.0.lock().unwrap();
        left(&changes.iter().map(|c| c.project(&shown)).collect::<Result<Vec<_>>>()?)
    }

    /// What a query gives as a batch, as text, sorted.
    pub(crate) fn batch(&self, sql: &str) -> Result<Vec<String>> {
        let (_, batches) = batch::run(&self.planner(), &*query(sql)?)?;
        left(&batches.into_iter().map(ChangeBatch::inserts).collect::<Vec<_>>())
    }

    /// Runs a query as a stream, in epochs of several sizes, and as a batch: all must give the same rows.
    pub(crate) fn agree(&self, sql: &str) -> Vec<String> {
        self.compare(sql).unwrap_or_else(|difference| panic!("{difference}"))
    }

    /// The same, with the difference as an error.
    pub(crate) fn compare(&self, sql: &str) -> std::result::Result<Vec<String>, String> {
        let batch = self.batch(sql).map_err(|e| format!("batch: {e:?}\n{sql}"))?;
        for (step, restarts) in [(1, false), (3, false), (1000, false), (1, true)] {
            let how = format!("in epochs of {step} rows{}", if restarts { " with restarts" } else { "" });
            self.same(sql, &how, self.stream_with(sql, step, restarts), &batch)?;
        }
        Ok(batch)
    }

    /// Refuses rows of a stream that differ from those of the batch.
    pub(crate) fn same(
        &self,
        sql: &str,
        how: &str,
        stream: Result<Vec<String>>,
        batch: &[String],
    ) -> std::result::Result<(), String> {
        let stream = stream.map_err(|e| {
            let plan = batch::explain(&self.planner(), &query(sql).unwrap()).unwrap_or_default();
            format!("stream {how}: {e:?}\n{sql}\n{plan}")
        })?;
        if stream == batch {
            return Ok(());
        }
        let plan = self.dataflow(sql);
        Err(format!("{how} the stream gives\n{stream:?}\nand the batch\n{batch:?}\n{sql}\n{plan}"))
    }
}

/// The query in a text.
pub(crate) fn query(sql: &str) -> Result<Box<Query>> {
    match parse_script(sql)?.remove(0).statement {
        Statement::Query(query) => Ok(query),
        other => panic!("{other:?}"),
    }
}

/// The INSERTs in a text.
pub(crate) fn inserts(sql: &str) -> Vec<Insert> {
    parse_script(sql)
        .unwrap()
        .into_iter()
        .flat_map(|p| match p.statement {
            Statement::Insert(insert) => vec![*insert],
            Statement::StatementSet(all) => all,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Runs a job on one thread: all sources in turn, `step` rows each, then the end of the input. Gives what reached each
/// sink.
pub(crate) fn run_job(job: &JobPlan, step: usize) -> Result<Vec<Vec<ChangeBatch>>> {
    run_job_with(job, step, false)
}

fn run_job_with(job: &JobPlan, step: usize, restarts: bool) -> Result<Vec<Vec<ChangeBatch>>> {
    struct Feed {
        node: NodeId,
        changes: ChangeBatch,
        marks: Option<ArrayRef>,
        at: usize,
        watermark: i64,
    }
    let mut bare = BareGraph::new(&job.graph)?;
    let mut feeds = Vec::new();
    let mut sinks = Vec::new();
    for (i, node) in job.graph.nodes.iter().enumerate() {
        match &node.kind {
            NodeKind::Sink { .. } => sinks.push(NodeId(i)),
            NodeKind::Source(source) => {
                let mut reader = source.source.reader(&source.projection)?;
                let splits = source.source.discover()?;
                reader.assign(splits.into_iter().map(|s| AssignedSplit { id: s.id, from: s.start }).collect())?;
                let Poll::Batch(batch) = reader.poll(PollLimit { rows: 0, wait: std::time::Duration::ZERO })? else {
                    panic!("a test source gives one batch")
                };
                let changes = match &source.computed {
                    None => batch.changes,
                    Some(exprs) => {
                        let columns = exprs
                            .iter()
                            .map(|e| {
                                e.evaluate(batch.changes.rows()).unwrap().into_array(batch.changes.row_count()).unwrap()
                            })
                            .collect();
                        batch.changes.with_rows(RecordBatch::try_new(Arc::clone(&node.schema), columns)?)
                    }
                };
                let marks = source.watermark.as_ref().map(|w| {
                    let marks = w.expression.evaluate(changes.rows()).unwrap().into_array(changes.row_count()).unwrap();
                    cast(&cast(&marks, &DataType::Timestamp(TimeUnit::Millisecond, None)).unwrap(), &DataType::Int64)
                        .unwrap()
                });
                feeds.push(Feed { node: NodeId(i), changes, marks, at: 0, watermark: i64::MIN });
            }
            _ => {}
        }
    }
    let mut epoch = 0;
    while feeds.iter().any(|f| f.at < f.changes.row_count()) {
        for feed in &mut feeds {
            let count = step.min(feed.changes.row_count() - feed.at);
            if count == 0 {
                feed.watermark = i64::MAX;
                continue;
            }
            bare.push(feed.node, feed.changes.slice(feed.at, count))?;
            if let Some(marks) = &feed.marks {
                let marks = marks.as_primitive::<Int64Type>();
                for i in feed.at..feed.at + count {
                    if marks.is_valid(i) {
                        feed.watermark = feed.watermark.max(marks.value(i));
                    }
                }
            }
            feed.at += count;
        }
        let lowest = feeds.iter().map(|f| f.watermark).min().unwrap_or(i64::MAX);
        bare.end_epoch(Watermark(if lowest == i64::MAX { i64::MIN } else { lowest }))?;
        epoch += 1;
        if restarts && epoch % 2 == 0 {
            bare.restart(if epoch % 3 == 0 { SegmentKind::Base } else { SegmentKind::Delta })?;
        }
    }
    bare.end_epoch(Watermark::MAX)?;
    Ok(sinks.into_iter().map(|s| bare.take(s)).collect())
}

/// The rows that are left of changes, as text, sorted; a row of negative weight is a defect.
pub(crate) fn left(changes: &[ChangeBatch]) -> Result<Vec<String>> {
    let Some(first) = changes.first() else { return Ok(Vec::new()) };
    let schema = first.schema();
    let all = ChangeBatch::concat(&schema, changes)?.consolidate()?;
    let style = TextStyle::default();
    let columns: Vec<ColumnText> = schema.fields().iter().map(|f| ColumnText::new(f, &style)).collect();
    let mut lines = Vec::new();
    for row in 0..all.row_count() {
        let mut line = String::new();
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                line.push(',');
            }
            if all.column(i).is_null(row) {
                line.push_str("NULL");
            } else {
                column.append(all.column(i).as_ref(), row, &mut line)?;
            }
        }
        assert!(all.weight(row) > 0, "a row was taken back more often than given: {line}");
        lines.extend(std::iter::repeat_n(line, all.weight(row) as usize));
    }
    lines.sort();
    Ok(lines)
}

/// Text types are one: our literals are STRINGs, Flink's have a fixed length.
pub(crate) fn without_lengths(sql_type: &str) -> String {
    let mut out = String::new();
    let mut rest = sql_type;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        let plain = match word {
            "CHAR" | "VARCHAR" => "STRING",
            "BINARY" | "VARBINARY" => "BYTES",
            other => other,
        };
        out.push_str(plain);
        if plain != word
            && rest.starts_with('(')
            && let Some(close) = rest.find(')')
        {
            rest = &rest[close + 1..];
        }
    }
    out.push_str(rest);
    out.replace(" NOT NULL", "").replace('`', "")
}
