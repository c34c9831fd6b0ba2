//! Windows across stops, ends and restarts: none is given twice, no row is called late because of the pause.

use super::outside::{Row, Table, Topic, TopicSplit, schema};
use super::*;
use crate::operators::{
    AggregateCall, AggregateFunction, WindowAggregate, WindowAggregateConfig, WindowKind, WindowSpec,
};
use arrow::datatypes::{DataType, Field};

/// topic -> rows per key and window of a second -> table of (k, count, start of the window)
fn windows_of(graph: &mut Graph, from: NodeId, table: &Table, name: &str) {
    let count = AggregateCall {
        function: AggregateFunction::CountStar,
        arguments: vec![],
        filter: None,
        distinct: false,
        name: "n".into(),
        result: Arc::new(Field::new("n", DataType::Int64, true)),
    };
    let windows = WindowSpec::Tumble { size_ms: 1_000, offset_ms: 0 };
    let factory = WindowAggregate::new(WindowAggregateConfig {
        input: schema(),
        keys: vec![0],
        window: WindowKind::OnTime { time: 2, windows },
        aggregates: vec![count],
    })
    .unwrap();
    let given = factory.schema();
    let mut node = operator(factory, from, Routing::Hash(vec![0]), true, &format!("windows of {name}"));
    node.schema = Arc::clone(&given);
    let windows = graph.add(node);
    let mut end = sink(table, windows, name);
    end.schema = given;
    graph.add(end);
}

fn windowed(topic: &Topic, table: &Table) -> Graph {
    let mut graph = Graph::default();
    let read = graph.add(source(topic, "numbers", true, None));
    windows_of(&mut graph, read, table, "windows");
    graph
}

fn run_in(folder: &tempfile::TempDir, graph: Graph, workers: usize) -> JobHandle {
    start(JobSpec { state_dir: Some(folder.path().to_owned()), ..spec(graph, workers) }).unwrap()
}

fn expected_windows(rows: impl IntoIterator<Item = Row>) -> BTreeMap<Row, i64> {
    let mut counts: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for (k, _, ts) in rows {
        *counts.entry((k, ts.div_euclid(1_000) * 1_000)).or_default() += 1;
    }
    counts.into_iter().map(|((k, start), n)| ((k, n, start), 1)).collect()
}

fn segments(folder: &tempfile::TempDir) -> usize {
    let files = std::fs::read_dir(folder.path().join("job")).unwrap();
    files.filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().starts_with("segment-")).count()
}

#[test]
fn a_finished_job_takes_rows_of_later_windows_and_repeats_none() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Bounded, [("a", numbers(0, 250)), ("b", numbers(1, 240))]);
    let table = Table::default();
    end(&run_in(&folder, windowed(&topic, &table), 2)).unwrap();
    let mut all: Vec<Row> = [numbers(0, 250), numbers(1, 240)].concat();
    let first = expected_windows(all.clone());
    assert_eq!(table.rows(), first);
    assert_eq!(segments(&folder), 0, "the end leaves nothing to keep");
    for (i, workers) in [4, 1, 3].into_iter().enumerate() {
        // Windows behind the last one that the end closed.
        let new: Vec<Row> = (0..40).map(|n| (n % 5, 0, 5_000 + i as i64 * 3_000 + n * 10)).collect();
        topic.lock().insert(format!("more {i}"), TopicSplit { rows: new.clone(), ..Default::default() });
        let report = end(&run_in(&folder, windowed(&topic, &table), workers)).unwrap();
        all.extend(new);
        assert_eq!((report.run.rows_in, report.run.late_rows), (40, 0));
        assert_eq!(table.rows(), expected_windows(all.clone()), "{workers} workers");
    }
    // A row of a window that data had closed is late; one that only the end had closed opens its window again.
    let late = vec![(1, 0, 500), (1, 0, 11_500)];
    topic.lock().insert("late".into(), TopicSplit { rows: late, ..Default::default() });
    let report = end(&run_in(&folder, windowed(&topic, &table), 2)).unwrap();
    assert_eq!((report.run.rows_in, report.run.late_rows, report.run.rows_out), (2, 1, 1));
}

#[test]
fn an_input_that_has_ended_gives_its_windows_once_while_another_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Topic::new(Boundedness::Bounded, [("a", numbers(0, 250))]);
    let mut held = Topic::new(Boundedness::Unbounded, [("b", numbers(1, 10))]);
    held.rows_at_once = 3;
    let (first, second) = (Table::default(), Table::default());
    for (run, workers) in [2, 1, 4].into_iter().enumerate() {
        let mut graph = Graph::default();
        let read = graph.add(source(&ended, "ended", true, None));
        windows_of(&mut graph, read, &first, "windows");
        let read = graph.add(source(&held, "going on", true, None));
        windows_of(&mut graph, read, &second, "others");
        let mut spec = spec(graph, workers);
        (spec.state_dir, spec.checkpoint_interval) = (Some(folder.path().to_owned()), Some(Duration::ZERO));
        let job = start(spec).unwrap();
        let rows = held.row_count() as u64 + 250;
        until(&job, "all rows", || job.status().total.rows_in == rows && first.rows().len() == 93);
        job.stop();
        end(&job).unwrap();
        assert_eq!(first.rows(), expected_windows(numbers(0, 250)), "run {run}");
        held.lock().get_mut("b").unwrap().rows.extend((0..5).map(|i| (1, 0, 200 + i)));
    }
    assert!(second.rows().is_empty(), "its window is still open");
}

#[test]
fn a_split_that_has_not_begun_holds_windows_back_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new(Boundedness::Unbounded, [("a", numbers(0, 250)), ("b", vec![])]);
    let table = Table::default();
    for workers in [2, 2, 1] {
        let job = run_in(&folder, windowed(&topic, &table), workers);
        until(&job, "rows of a", || job.status().total.rows_in == topic.row_count() as u64);
        job.stop();
        end(&job).unwrap();
        assert!(table.rows().is_empty(), "b may yet bring earlier rows");
    }
    let early: Vec<Row> = (0..250).map(|i| (3, 0, i * 10)).collect();
    topic.lock().get_mut("b").unwrap().rows.extend(early.clone());
    let job = run_in(&folder, windowed(&topic, &table), 2);
    until(&job, "rows of b", || job.status().total.rows_in == 500);
    job.stop();
    let report = end(&job).unwrap();
    assert_eq!(report.total.late_rows, 0);
    let mut all = expected_windows([numbers(0, 250), early].concat());
    all.retain(|(_, _, start), _| *start < 2_000);
    assert_eq!(table.rows(), all);
}
