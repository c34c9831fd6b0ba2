//! The host on real threads: exact counts at any worker count, restarts, failures, idle sources.

mod crash;
mod operators;
mod outside;
mod windows;

use crate::host::plan::{DEAD_LETTERS, Plan, StagePlan};
use crate::job::{EpochSpec, JobHandle, JobSpec, Phase, start};
use crate::{Graph, Input, Node, NodeId, NodeKind, OperatorFactory, Routing, SourceNode, WatermarkSpec};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use freshet_connector_api::{Boundedness, Sink};
use freshet_types::{ErrorKind, VirtualClock, Watermark};
use operators::{Count, Faulty};
use outside::{CommitFault, Fault, Row, Table, Topic, TopicSplit, batch, schema};
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Long enough for a slow machine, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(60);

fn input(from: NodeId, routing: Routing) -> Input {
    Input { from, routing }
}

fn node(kind: NodeKind, inputs: Vec<Input>, append_only: bool, state_id: &str) -> Node {
    Node { kind, inputs, schema: schema(), append_only, state_id: state_id.into() }
}

fn source(topic: &Topic, table: &str, event_time: bool, idle_timeout: Option<Duration>) -> Node {
    let expression: Arc<dyn PhysicalExpr> = Arc::new(Column::new("ts", 2));
    let spec = SourceNode {
        source: Arc::new(topic.clone()),
        table: table.into(),
        projection: vec![0, 1, 2],
        read_schema: schema(),
        computed: None,
        watermark: event_time.then_some(WatermarkSpec { expression, idle_timeout }),
        fail_on_dead_letter: false,
    };
    node(NodeKind::Source(spec), vec![], true, table)
}

fn operator(
    factory: impl OperatorFactory + 'static,
    from: NodeId,
    routing: Routing,
    append_only: bool,
    id: &str,
) -> Node {
    node(NodeKind::Operator(Arc::new(factory)), vec![input(from, routing)], append_only, id)
}

fn sink(table: &Table, from: NodeId, name: &str) -> Node {
    let kind = NodeKind::Sink { sink: Arc::new(table.clone()), table: name.into(), lag_ms: 0 };
    node(kind, vec![input(from, Routing::Forward)], true, name)
}

/// topic -> count by key -> table
fn counting(topic: &Topic, count: &Count, table: &Table) -> Graph {
    let mut graph = Graph::default();
    let read = graph.add(source(topic, "numbers", true, None));
    let counted = graph.add(operator(count.clone(), read, Routing::Hash(vec![0]), false, "count"));
    graph.add(sink(table, counted, "counts"));
    graph
}

fn spec(graph: Graph, workers: usize) -> JobSpec {
    let epoch = EpochSpec { max_rows: 40, max_delay: Duration::from_millis(1) };
    JobSpec { workers, epoch, ..JobSpec::new("job", graph) }
}

fn numbers(split: i64, n: i64) -> Vec<Row> {
    (0..n).map(|i| (i * 7 % 31, split * 10_000 + i, i * 10)).collect()
}

fn expected(topic: &Topic) -> BTreeMap<Row, i64> {
    let mut counts: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for split in topic.lock().values() {
        let dead = |i: &usize| matches!(split.faults.get(i), Some(Fault::Dead));
        for (_, (k, v, _)) in split.rows.iter().enumerate().filter(|(i, _)| !dead(i)) {
            let group = counts.entry(*k).or_default();
            *group = (group.0 + 1, group.1 + v);
        }
    }
    counts.into_iter().map(|(k, (count, sum))| ((k, count, sum), 1)).collect()
}

/// Waits for the end; a hang is a failure.
fn end(job: &JobHandle) -> freshet_types::Result<crate::job::JobReport> {
    job.wait_timeout(PATIENCE).unwrap_or_else(|| panic!("the job hangs: {:?}", job.status()))
}

/// Waits until something holds; a hang is a failure.
fn until(job: &JobHandle, what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what} does not come about: {:?}", job.status());
        assert!(
            job.wait_timeout(Duration::from_millis(1)).is_none() || holds(),
            "the job ended before {what}: {:?}",
            job.status()
        );
    }
}

#[test]
fn counts_are_exact_at_any_worker_count() {
    for workers in [1, 2, 4] {
        let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 500)), ("b", numbers(1, 300)), ("c", vec![])]);
        let (table, count) = (Table::default(), Count::default());
        let report = end(&start(spec(counting(&topic, &count, &table), workers)).unwrap()).unwrap();
        assert_eq!(table.rows(), expected(&topic), "{workers} workers");
        assert_eq!((report.phase, report.finished), (Phase::Finished, true));
        assert_eq!((report.run.rows_in, report.run.bytes_in), (800, 800 * 24));
        assert_eq!(report.sources[0].splits_finished, 3);
        let told: Vec<usize> = topic.lock().values().map(|s| s.committed).collect();
        assert_eq!(told, [500, 300, 0], "sources are told what is durable");
        assert!(report.epoch.unwrap().0 > 5, "small epochs: {:?}", report.epoch);
        let state = table.lock();
        assert!(state.last_seen && state.watermark == Some(Watermark::MAX));
        assert_eq!(report.run.rows_out as usize, state.visible.len());
    }
}

#[test]
fn every_worker_sees_the_same_watermark_which_is_the_lowest_of_all() {
    let topic =
        Topic::new(Boundedness::Bounded, [("a", numbers(0, 400)), ("b", numbers(1, 100)), ("c", numbers(2, 50))]);
    let (table, count) = (Table::default(), Count::default());
    end(&start(spec(counting(&topic, &count, &table), 3)).unwrap()).unwrap();
    let mut by_epoch: BTreeMap<u64, Vec<Watermark>> = BTreeMap::new();
    for (_, epoch, watermark) in count.seen.lock().unwrap().iter() {
        by_epoch.entry(*epoch).or_default().push(*watermark);
    }
    for (epoch, watermarks) in &by_epoch {
        assert!(
            watermarks.len() == 3 && watermarks.iter().all(|w| w == &watermarks[0]),
            "epoch {epoch}: {watermarks:?}"
        );
    }
    let told: Vec<Watermark> = by_epoch.values().map(|w| w[0]).collect();
    assert_eq!(told.last(), Some(&Watermark::MAX));
    // How far it had come depends on which splits ended together; but it came from data.
    let from_data = told[told.len() - 2];
    assert!(Watermark(490) <= from_data && from_data <= Watermark(3990), "{from_data:?} is seen before the end");
}

#[test]
fn a_sink_behind_an_interval_join_is_told_a_lower_watermark() {
    let told = [0, 30].map(|lag_ms| {
        let topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 10))]);
        let table = Table::default();
        let mut graph = Graph::default();
        let read = graph.add(source(&topic, "numbers", true, None));
        let kind = NodeKind::Sink { sink: Arc::new(table.clone()), table: "rows".into(), lag_ms };
        graph.add(node(kind, vec![input(read, Routing::Forward)], true, "rows"));
        let job = start(spec(graph, 1)).unwrap();
        until(&job, "ten rows", || job.status().run.rows_in == 10);
        job.stop();
        assert_eq!(end(&job).unwrap().phase, Phase::Stopped);
        table.lock().watermark
    });
    assert_eq!(told, [Some(Watermark(90)), Some(Watermark(60))]);
}

#[test]
fn an_idle_split_stops_holding_the_watermark_back() {
    let topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 10)), ("b", vec![])]);
    let (table, count, clock) = (Table::default(), Count::default(), Arc::new(VirtualClock::at(0)));
    let mut graph = Graph::default();
    let read = graph.add(source(&topic, "numbers", true, Some(Duration::from_millis(5_000))));
    let counted = graph.add(operator(count.clone(), read, Routing::Hash(vec![0]), false, "count"));
    graph.add(sink(&table, counted, "counts"));
    let job = start(JobSpec { clock: Arc::clone(&clock) as _, ..spec(graph, 2) }).unwrap();
    until(&job, "ten rows", || job.status().run.rows_in == 10);
    let highest = || count.seen.lock().unwrap().iter().map(|s| s.2).max().unwrap_or(Watermark::MIN);
    assert_eq!(highest(), Watermark::MIN, "split b holds it back");
    clock.advance_ms(4_000);
    topic.lock().get_mut("a").unwrap().rows.push((1, 1, 1_000));
    until(&job, "one more row", || job.status().run.rows_in == 11);
    assert_eq!(highest(), Watermark::MIN);
    clock.advance_ms(1_000);
    until(&job, "a watermark", || highest() == Watermark(1_000));
    topic.lock().get_mut("b").unwrap().rows.push((1, 1, 500));
    until(&job, "the row of b", || job.status().run.rows_in == 12);
    job.stop();
    assert_eq!(end(&job).unwrap().phase, Phase::Stopped);
    assert_eq!(highest(), Watermark(1_000));
}

#[test]
fn an_error_or_a_panic_ends_the_job_and_never_hangs() {
    for workers in [1, 2, 4] {
        for (fault, kind, code) in [
            (Faulty::ErrorAt(7), ErrorKind::Data, "test.division"),
            (Faulty::PanicAt(7), ErrorKind::Internal, "job.panic"),
        ] {
            let topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 500)), ("b", numbers(1, 500))]);
            let (table, count) = (Table::default(), Count::default());
            let mut graph = Graph::default();
            let read = graph.add(source(&topic, "numbers", true, None));
            let faulty = graph.add(operator(fault, read, Routing::Hash(vec![1]), true, "faulty"));
            let counted = graph.add(operator(count, faulty, Routing::Hash(vec![0]), false, "count"));
            graph.add(sink(&table, counted, "counts"));
            let job = start(spec(graph, workers)).unwrap();
            let error = end(&job).unwrap_err();
            assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
            assert!(error.to_string().contains("faulty"), "{error}");
            assert_eq!(job.status().phase, Phase::Failed);
            assert_eq!(job.wait().unwrap_err().code(), code, "a second look gives the same error");
            assert!(table.rows().is_empty(), "nothing was committed");
        }
    }
}

#[test]
fn faults_of_sources_end_the_job_or_are_tried_again() {
    for (fault, code) in
        [(Fault::Panic, Some("job.panic")), (Fault::Invalid, Some("test.invalid")), (Fault::Unavailable(2), None)]
    {
        let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 100)), ("b", numbers(1, 100))]);
        topic.fault("b", 50, fault);
        let (table, count) = (Table::default(), Count::default());
        let job = start(spec(counting(&topic, &count, &table), 2)).unwrap();
        match (end(&job), code) {
            (Err(error), Some(code)) => assert_eq!(error.code(), code),
            (Ok(report), None) => {
                assert_eq!(table.rows(), expected(&topic));
                assert!(report.notices.iter().any(|n| n.contains("the source is away")), "{:?}", report.notices);
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn dead_letters_are_kept_and_the_counters_add_up() {
    let topic = || {
        let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 100)), ("b", numbers(1, 100))]);
        topic.fault("a", 17, Fault::Dead);
        topic.fault("b", 99, Fault::Dead);
        topic
    };
    let (table, dead, count) = (Table::default(), Table::default(), Count::default());
    let read = topic();
    let job = JobSpec { dead_letters: Some(Arc::new(dead.clone())), ..spec(counting(&read, &count, &table), 2) };
    let report = end(&start(job).unwrap()).unwrap();
    assert_eq!(table.rows(), expected(&read));
    assert_eq!(dead.lock().visible.len(), 2);
    assert_eq!((report.run.rows_in, report.run.dead_rows), (200, 2));
    assert_eq!(report.run.rows_out as usize, table.lock().visible.len(), "dead letters are not counted as output");

    let mut graph = counting(&topic(), &count, &Table::default());
    let NodeKind::Source(source) = &mut graph.nodes[0].kind else { unreachable!() };
    source.fail_on_dead_letter = true;
    let error = end(&start(spec(graph, 1)).unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Data, "source.dead_letter"));
}

#[test]
fn a_job_that_crashes_at_any_commit_goes_on_at_any_worker_count() {
    for seed in 0..12 {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let topic = Topic::new(
            Boundedness::Bounded,
            [("a", numbers(0, 900)), ("b", numbers(1, 700)), ("c", numbers(2, 400)), ("d", numbers(3, 1))],
        );
        let (table, count) = (Table::default(), Count::default());
        let mut crashes = 0;
        loop {
            let mut job = spec(counting(&topic, &count, &table), [1, 2, 4, 3][random.random_range(0..4)]);
            job.state_dir = Some(folder.path().to_owned());
            job.checkpoint_interval = Some(Duration::ZERO);
            job.epoch.max_rows = random.random_range(20..120);
            if crashes < 6 {
                let next = table.lock().commits.iter().map(|c| c.1).max().unwrap_or(0) + random.random_range(1..4);
                let fault = [CommitFault::Before, CommitFault::After, CommitFault::Once][random.random_range(0..3)];
                table.lock().faults = [(next, fault)].into();
            }
            let handle = start(job).unwrap();
            match end(&handle) {
                Err(error) => assert_eq!(error.code(), "test.commit", "seed {seed}"),
                Ok(report) if report.finished => {
                    assert_eq!(report.total.rows_in, 2001, "seed {seed}: nothing is read twice into a checkpoint");
                    assert_eq!(report.total.rows_out as usize, table.lock().visible.len());
                    break;
                }
                Ok(report) => panic!("{report:?}"),
            }
            crashes += 1;
        }
        assert_eq!(table.rows(), expected(&topic), "seed {seed}");
        assert_eq!(table.leftovers(), 0);
        let commits: Vec<u64> = table.lock().commits.iter().map(|c| c.1).collect();
        assert_eq!(commits, (1..=commits.len() as u64).collect::<Vec<_>>(), "checkpoints have no gaps");
    }
}

#[test]
fn a_stopped_job_goes_on_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 300)), ("b", numbers(1, 200))]);
    let (table, count) = (Table::default(), Count::default());
    let mut read = 0;
    for workers in [2, 1, 4] {
        let mut job = spec(counting(&topic, &count, &table), workers);
        job.state_dir = Some(folder.path().to_owned());
        let job = start(job).unwrap();
        until(&job, "rows", || read + job.status().run.rows_in == topic.row_count() as u64);
        assert_eq!(start(spec_in(&folder, &topic, &count, &table)).err().map(|e| e.code()), Some("state.locked"));
        job.stop();
        let report = end(&job).unwrap();
        assert_eq!(report.phase, Phase::Stopped);
        assert_eq!(table.rows(), expected(&topic));
        assert!(!table.lock().last_seen);
        read = report.total.rows_in;
        assert_eq!(read, topic.row_count() as u64);
        topic.lock().get_mut("b").unwrap().rows.extend(numbers(5, 100));
    }
}

fn spec_in(folder: &tempfile::TempDir, topic: &Topic, count: &Count, table: &Table) -> JobSpec {
    JobSpec { state_dir: Some(folder.path().to_owned()), ..spec(counting(topic, count, table), 2) }
}

#[test]
fn a_finished_job_takes_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 100))]);
    let (table, count) = (Table::default(), Count::default());
    let run = || end(&start(spec_in(&folder, &topic, &count, &table)).unwrap()).unwrap();
    let first = run();
    assert_eq!((first.resumed_from, first.run.rows_in), (None, 100));
    let again = run();
    assert_eq!(
        (again.resumed_from, again.run.rows_in, again.total.rows_in),
        (first.last_checkpoint.map(|c| c.id), 0, 100)
    );
    assert_eq!(table.rows(), expected(&topic));
    topic.lock().get_mut("a").unwrap().rows.extend(numbers(1, 10));
    topic.lock().insert("b".into(), TopicSplit { rows: numbers(2, 5), ..Default::default() });
    count.seen.lock().unwrap().clear();
    let third = run();
    assert_eq!((third.run.rows_in, third.total.rows_in), (15, 115));
    assert_eq!(table.rows(), expected(&topic));
    let first_watermark = count.seen.lock().unwrap().iter().min_by_key(|s| s.1).unwrap().2;
    assert_eq!(first_watermark, Watermark(990), "goes on from the last watermark from data, not from the end");
    let over =
        end(&start(JobSpec { from_scratch: true, ..spec_in(&folder, &topic, &count, &Table::default()) }).unwrap());
    assert_eq!(over.unwrap().total.rows_in, 115);
}

#[test]
fn a_changed_graph_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 100))]);
    let (table, count) = (Table::default(), Count::default());
    end(&start(spec_in(&folder, &topic, &count, &table)).unwrap()).unwrap();
    let refused = |graph: Graph| {
        let spec = JobSpec { state_dir: Some(folder.path().to_owned()), ..spec(graph, 1) };
        let error = start(spec).err().expect("the graph has changed");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "job.changed"), "{error}");
        assert!(error.hint_text().unwrap().contains("--from-scratch"));
        error.text().to_owned()
    };
    let other = Count { version: 2, ..Count::default() };
    assert!(refused(counting(&topic, &other, &table)).contains("count v2"));
    let mut renamed = counting(&topic, &count, &table);
    renamed.nodes[1].state_id = "elsewhere".into();
    assert!(refused(renamed).contains("is new or does something else"));
    let mut other_table = counting(&topic, &count, &table);
    let NodeKind::Source(source) = &mut other_table.nodes[0].kind else { unreachable!() };
    source.table = "digits".into();
    assert!(refused(other_table).contains("\"numbers\" is no longer read"));
    let mut gone = Graph::default();
    let read = gone.add(source_node(&topic));
    gone.add(sink(&table, read, "counts"));
    assert!(refused(gone).contains("operator \"count\" is gone"));
}

fn source_node(topic: &Topic) -> Node {
    source(topic, "numbers", true, None)
}

/// Counts of each named table, kept under each name.
fn counts(parts: &[(&Topic, &str, &str, &Table)]) -> Graph {
    let mut graph = Graph::default();
    for (topic, name, state_id, table) in parts {
        let read = graph.add(source(topic, name, true, None));
        let counted = graph.add(operator(Count::default(), read, Routing::Hash(vec![0]), false, state_id));
        graph.add(sink(table, counted, &format!("counts of {name}")));
    }
    graph
}

#[test]
fn what_is_added_moved_or_filtered_in_another_way_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 100))]);
    let other = Topic::new(Boundedness::Bounded, [("a", numbers(7, 30))]);
    let (first, second) = (Table::default(), Table::default());
    let run = |graph: Graph| {
        let report = end(&start(JobSpec { state_dir: Some(folder.path().to_owned()), ..spec(graph, 2) })?)?;
        Ok::<_, freshet_types::Error>(report.run.rows_in)
    };
    assert_eq!(run(counts(&[(&topic, "numbers", "count-1.a", &first)])).unwrap(), 100);
    // Another filter, and a statement more that reads another table, before the first.
    let added = counts(&[(&other, "others", "count-2.a", &second), (&topic, "numbers", "count-1.b", &first)]);
    assert_eq!(run(added).unwrap(), 30);
    topic.lock().get_mut("a").unwrap().rows.extend(numbers(1, 10));
    let moved = counts(&[(&topic, "numbers", "count-1.b", &first), (&other, "others", "count-2.a", &second)]);
    assert_eq!(run(moved).unwrap(), 10);
    assert_eq!((first.rows(), second.rows()), (expected(&topic), expected(&other)));
    // Which of two that are alike is meant cannot be told.
    let mut alike = counts(&[(&topic, "numbers", "count-1.c", &first), (&other, "others", "count-2.b", &second)]);
    alike.nodes[4].state_id = "count-1.d".into();
    let error = run(alike).unwrap_err();
    assert_eq!(error.code(), "job.changed");
    assert!(error.text().contains("rows of table \"numbers\" that it needs have been read already"), "{error}");
}

#[test]
fn new_splits_are_found_while_the_job_runs() {
    let mut topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 50))]);
    topic.discovery = Some(Duration::from_millis(5));
    let (table, count) = (Table::default(), Count::default());
    let job = start(spec(counting(&topic, &count, &table), 2)).unwrap();
    until(&job, "rows", || job.status().run.rows_in == 50);
    topic.lock().insert("b".into(), TopicSplit { rows: numbers(1, 30), ..Default::default() });
    until(&job, "rows of the new split", || job.status().run.rows_in == 80);
    job.stop();
    end(&job).unwrap();
    assert_eq!(table.rows(), expected(&topic));
}

#[test]
fn an_aborted_job_commits_nothing_more() {
    let topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 50))]);
    let (table, count) = (Table::default(), Count::default());
    let job = start(spec(counting(&topic, &count, &table), 2)).unwrap();
    until(&job, "rows", || job.status().run.rows_in == 50);
    job.abort();
    assert_eq!(end(&job).unwrap().phase, Phase::Aborted);
    assert!(table.rows().is_empty());
}

#[test]
fn a_slow_sink_holds_the_sources_back() {
    for workers in [1, 3] {
        let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 3_000)), ("b", numbers(1, 3_000))]);
        let (table, count) = (Table::default(), Count::default());
        table.lock().is_held = true;
        let job = start(spec(counting(&topic, &count, &table), workers)).unwrap();
        until(&job, "rows", || job.status().run.rows_in > 0 || !count.seen.lock().unwrap().is_empty());
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(300) {
            std::thread::yield_now();
        }
        // On each worker two epochs that are closed and one that is open, of 40 rows and a batch each, and what waits.
        let given: usize = topic.lock().values().map(|s| s.given).sum();
        assert!(given <= 2 * (3 * 47 + 6 * 7), "{workers} workers: {given} rows were read although none is written");
        table.lock().is_held = false;
        end(&job).unwrap();
        assert_eq!(table.rows(), expected(&topic));
    }
}

#[test]
fn too_much_state_ends_the_job_with_advice() {
    let topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 500))]);
    let count = Count { bytes_per_key: 1_000, ..Count::default() };
    let job = JobSpec { memory_limit: Some(20_000), ..spec(counting(&topic, &count, &Table::default()), 2) };
    let error = end(&start(job).unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Exhausted, "job.memory"));
    assert!(error.hint_text().unwrap().contains("--memory"));
}

#[test]
fn fixed_rows_come_once_and_unions_pass_on_all_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 20)), ("b", numbers(1, 20))]);
    let (table, copy, count) = (Table::default(), Table::default(), Count::default());
    for (workers, rows_in) in [(2, 40), (1, 0)] {
        let mut graph = Graph::default();
        let fixed = graph.add(node(NodeKind::Values(vec![batch(&[(1, 100, 0), (77, 5, 0)])]), vec![], true, "fixed"));
        let read = graph.add(source(&topic, "numbers", false, None));
        let inputs = vec![input(fixed, Routing::Forward), input(read, Routing::Forward), input(read, Routing::Forward)];
        let union = graph.add(node(NodeKind::Union, inputs, true, "union"));
        let counted = graph.add(operator(count.clone(), union, Routing::Hash(vec![0]), false, "count"));
        graph.add(sink(&table, counted, "counts"));
        graph.add(sink(&copy, read, "copy"));
        let job = JobSpec { state_dir: Some(folder.path().to_owned()), ..spec(graph, workers) };
        let report = end(&start(job).unwrap()).unwrap();
        assert_eq!(report.run.rows_in, rows_in);
        assert_eq!(copy.rows().len(), 40, "every row once");
        let counted: i64 = table.rows().keys().map(|(_, count, _)| count).sum();
        assert_eq!(counted, 2 + 2 * 40, "fixed rows once, rows of the topic by both inputs");
        assert!(table.rows().contains_key(&(77, 1, 5)));
    }
}

#[test]
fn a_job_of_fixed_rows_alone_ends() {
    let (table, mut graph) = (Table::default(), Graph::default());
    let fixed = graph.add(node(NodeKind::Values(vec![batch(&[(1, 2, 3)])]), vec![], true, "fixed"));
    graph.add(sink(&table, fixed, "out"));
    for workers in [1, 3] {
        end(&start(spec(graph.clone(), workers)).unwrap()).unwrap();
    }
    assert_eq!(table.rows(), [((1, 2, 3), 2)].into());
}

#[test]
fn state_of_a_single_worker_survives_another_worker_count() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 100)), ("b", numbers(1, 50))]);
    let (table, count) = (Table::default(), Count::default());
    for (i, workers) in [4, 2, 1, 3].into_iter().enumerate() {
        let mut graph = Graph::default();
        let read = graph.add(source_node(&topic));
        let counted = graph.add(operator(count.clone(), read, Routing::Single, false, "count"));
        graph.add(sink(&table, counted, "counts"));
        end(&start(JobSpec { state_dir: Some(folder.path().to_owned()), ..spec(graph, workers) }).unwrap()).unwrap();
        assert_eq!(table.rows(), expected(&topic), "{workers} workers");
        topic.lock().insert(format!("more {i}"), TopicSplit { rows: numbers(i as i64 + 5, 40), ..Default::default() });
    }
}

#[test]
fn chains_without_an_exchange_become_one_fragment() {
    let topic = Topic::new(Boundedness::Bounded, []);
    let graph = counting(&topic, &Count::default(), &Table::default());
    let dead: Arc<dyn Sink> = Arc::new(Table::default());
    let plan = Plan::new(&graph, 2, Some(dead));
    let stages: Vec<_> = plan.fragments.iter().map(|f| f.stages.clone()).collect();
    assert_eq!(stages, [vec![StagePlan::Node(NodeId(1)), StagePlan::Sink(0)], vec![StagePlan::Sink(1)]]);
    assert_eq!(plan.sinks[1].table, DEAD_LETTERS);
    assert!(plan.ports[plan.fragments[0].inputs[0]].exchanges());
    assert!(!Plan::new(&graph, 1, None).ports[0].exchanges(), "one worker exchanges nothing");
}
