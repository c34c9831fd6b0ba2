//! Compares an operator with its naive twin: random rows, some taken back, cut into random epochs, frozen and restored at
//! random points into one to four instances; the sum of the output must be the twin's after each epoch.

use crate::bare::{Bare, MemorySegment};
use crate::{OperatorContext, OperatorFactory, SegmentKind};
use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::*;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use freshet_types::key::{hash_rows, key_group, worker_of};
use freshet_types::{ChangeBatch, Watermark};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row of the test table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) k: Option<i64>,
    pub(crate) s: Option<String>,
    pub(crate) v: Option<i64>,
    /// Hundredths.
    pub(crate) d: Option<i128>,
    /// A whole number, so that sums are exact.
    pub(crate) f: Option<f64>,
    pub(crate) flag: Option<bool>,
    pub(crate) t: i64,
}

pub(crate) const K: usize = 0;
pub(crate) const S: usize = 1;
pub(crate) const V: usize = 2;
pub(crate) const D: usize = 3;
pub(crate) const F: usize = 4;
pub(crate) const FLAG: usize = 5;
pub(crate) const T: usize = 6;

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
        Field::new("d", DataType::Decimal128(10, 2), true),
        Field::new("f", DataType::Float64, true),
        Field::new("flag", DataType::Boolean, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), false),
    ]))
}

pub(crate) fn batch(rows: &[(Row, i64)]) -> ChangeBatch {
    let r = || rows.iter().map(|(row, _)| row);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(r().map(|r| r.k).collect::<Int64Array>()),
        Arc::new(r().map(|r| r.s.clone()).collect::<StringArray>()),
        Arc::new(r().map(|r| r.v).collect::<Int64Array>()),
        Arc::new(r().map(|r| r.d).collect::<Decimal128Array>().with_precision_and_scale(10, 2).unwrap()),
        Arc::new(r().map(|r| r.f).collect::<Float64Array>()),
        Arc::new(r().map(|r| r.flag).collect::<BooleanArray>()),
        Arc::new(TimestampMillisecondArray::from_iter_values(r().map(|r| r.t))),
    ];
    let weights = rows.iter().any(|(_, w)| *w != 1).then(|| rows.iter().map(|(_, w)| *w).collect());
    ChangeBatch::new(RecordBatch::try_new(schema(), columns).unwrap(), weights)
}

/// What a test table's row looks like as text, as [`texts`] gives it.
pub(crate) fn text(row: &Row) -> String {
    texts(&batch(&[(row.clone(), 1)])).remove(0).0
}

/// Each row as text and weight: instants in milliseconds, NULL as a dash.
pub(crate) fn texts(changes: &ChangeBatch) -> Vec<(String, i64)> {
    let options = FormatOptions::new().with_null("-");
    let columns: Vec<ArrayRef> = changes
        .rows()
        .columns()
        .iter()
        .map(|c| match c.data_type() {
            DataType::Timestamp(..) => cast(c, &DataType::Int64).unwrap(),
            _ => Arc::clone(c),
        })
        .collect();
    let formatters: Vec<ArrayFormatter> =
        columns.iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    (0..changes.row_count())
        .map(|i| {
            let values: Vec<String> = formatters.iter().map(|f| f.value(i).to_string()).collect();
            (values.join("|"), changes.weight(i))
        })
        .collect()
}

/// A Z-set of rows as text.
pub(crate) type Answer = BTreeMap<String, i64>;

pub(crate) fn add(answer: &mut Answer, row: String, weight: i64) {
    match answer.get_mut(&row) {
        Some(sum) if *sum + weight == 0 => drop(answer.remove(&row)),
        Some(sum) => *sum += weight,
        None if weight == 0 => {}
        None => drop(answer.insert(row, weight)),
    }
}

/// A naive twin of an operator.
pub(crate) trait Reference {
    /// Takes rows.
    fn changes(&mut self, input: usize, rows: &[(Row, i64)]);
    /// Ends an epoch.
    fn end(&mut self, _watermark: i64) {}
    /// All that must have been emitted so far.
    fn answer(&self) -> Answer;
}

/// One step of a test.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    /// Rows come on an input; some live rows are taken back.
    Rows { input: usize, rows: Vec<Row>, taken_back: Vec<usize>, backwards: bool },
    /// The epoch ends, the watermark moves on.
    End { advance: i64 },
    /// The epoch ends; state is frozen, and perhaps restored into so many instances.
    Freeze { base: bool, restart: Option<usize> },
}

pub(crate) fn row() -> impl Strategy<Value = Row> {
    use proptest::option::weighted;
    let text = prop_oneof![Just(String::new()), Just("a".to_string()), Just("bb".to_string())];
    (
        weighted(0.9, 0i64..4),
        weighted(0.8, text),
        weighted(0.8, -3i64..4),
        weighted(0.8, -250i64..250),
        weighted(0.8, -8i64..8),
        weighted(0.8, any::<bool>()),
        0i64..60,
    )
        .prop_map(|(k, s, v, d, f, flag, t)| Row {
            k,
            s,
            v,
            d: d.map(i128::from),
            f: f.map(|f| f as f64),
            flag,
            t,
        })
}

/// Steps for `inputs` inputs; rows are taken back when `retract`.
pub(crate) fn plan(inputs: usize, retract: bool) -> impl Strategy<Value = Vec<Plan>> {
    let most = if retract { 4 } else { 0 };
    let rows = (
        0..inputs,
        proptest::collection::vec(row(), 0..6),
        proptest::collection::vec(any::<usize>(), 0..=most),
        any::<bool>(),
    )
        .prop_map(|(input, rows, taken_back, backwards)| Plan::Rows { input, rows, taken_back, backwards });
    let end = (0i64..12).prop_map(|advance| Plan::End { advance });
    let freeze =
        (any::<bool>(), proptest::option::of(1usize..5)).prop_map(|(base, restart)| Plan::Freeze { base, restart });
    proptest::collection::vec(prop_oneof![6 => rows, 4 => end, 2 => freeze], 1..30)
}

struct Cluster<'a> {
    factory: &'a dyn OperatorFactory,
    routing: &'a [Vec<usize>],
    instances: Vec<Bare>,
    segments: Vec<MemorySegment>,
    watermark: Watermark,
}

impl<'a> Cluster<'a> {
    fn new(factory: &'a dyn OperatorFactory, routing: &'a [Vec<usize>], workers: usize) -> Self {
        let mut cluster =
            Self { factory, routing, instances: Vec::new(), segments: Vec::new(), watermark: Watermark::MIN };
        cluster.start(workers);
        cluster
    }

    fn start(&mut self, workers: usize) {
        self.instances = (0..workers)
            .map(|worker| {
                let context = OperatorContext { watermark: self.watermark, ..OperatorContext::new(worker, workers) };
                let mut instance = Bare::instance(self.factory, &context).unwrap();
                if !self.segments.is_empty() {
                    instance.restore(&self.segments, context.key_groups).unwrap();
                }
                instance
            })
            .collect();
    }

    fn push(&mut self, input: usize, changes: &ChangeBatch) {
        let workers = self.instances.len();
        let keys: Vec<ArrayRef> = self.routing[input].iter().map(|k| Arc::clone(changes.column(*k))).collect();
        let owners: Vec<usize> = hash_rows(&keys, changes.row_count())
            .unwrap()
            .into_iter()
            .map(|hash| worker_of(key_group(hash), workers))
            .collect();
        for (worker, instance) in self.instances.iter_mut().enumerate() {
            let rows: Vec<u32> = (0..owners.len() as u32).filter(|i| owners[*i as usize] == worker).collect();
            if !rows.is_empty() {
                instance.push(input, changes.take(&rows.into()).unwrap()).unwrap();
            }
        }
    }

    fn end(&mut self, watermark: i64) -> Vec<ChangeBatch> {
        let watermark = Watermark(watermark);
        self.watermark = watermark;
        self.instances.iter_mut().flat_map(|i| i.end_epoch(watermark).unwrap()).collect()
    }

    fn freeze(&mut self, base: bool) {
        let kind = if base || self.segments.is_empty() { SegmentKind::Base } else { SegmentKind::Delta };
        let mut all = MemorySegment { kind, tables: Vec::new() };
        for instance in &mut self.instances {
            if let Some(segment) = instance.freeze(kind).unwrap() {
                all.tables.extend(segment.tables);
            }
        }
        self.segments.push(all);
    }
}

/// Runs `plan` against `factory` and `reference`; `routing` are the key columns of each input.
pub(crate) fn prove(
    factory: &dyn OperatorFactory,
    routing: &[Vec<usize>],
    mut reference: impl Reference,
    plan: &[Plan],
    append_only_output: bool,
) -> Result<(), TestCaseError> {
    let mut cluster = Cluster::new(factory, routing, 2);
    let mut live: Vec<Vec<Row>> = vec![Vec::new(); routing.len()];
    let mut watermark = i64::MIN;
    let mut answer = Answer::new();
    // Rows of the epoch that may come in any order come at its end.
    let mut epoch = |cluster: &mut Cluster, reference: &mut dyn Reference, watermark: i64| {
        let out = cluster.end(watermark);
        reference.end(watermark);
        for changes in &out {
            if append_only_output {
                prop_assert!(changes.is_append_only(), "the output is append-only");
            }
            for (row, weight) in texts(changes) {
                *answer.entry(row).or_default() += weight;
            }
        }
        answer.retain(|_, w| *w != 0);
        prop_assert_eq!(&answer, &reference.answer());
        Ok(())
    };
    for step in plan {
        match step {
            Plan::Rows { input, rows, taken_back, backwards } => {
                let mut changes: Vec<(Row, i64)> = rows.iter().map(|row| (row.clone(), 1)).collect();
                live[*input].extend(rows.iter().cloned());
                for index in taken_back {
                    if !live[*input].is_empty() {
                        let index = index % live[*input].len();
                        changes.push((live[*input].swap_remove(index), -1));
                    }
                }
                if *backwards && changes.iter().any(|(_, w)| *w < 0) {
                    changes.reverse();
                }
                if !changes.is_empty() {
                    reference.changes(*input, &changes);
                    // One batch, or two.
                    let half = if changes.len().is_multiple_of(2) { changes.len() / 2 } else { 0 };
                    for part in [&changes[..half], &changes[half..]] {
                        cluster.push(*input, &batch(part));
                    }
                }
            }
            Plan::End { advance } => {
                watermark = if watermark == i64::MIN { *advance } else { watermark + advance };
                epoch(&mut cluster, &mut reference, watermark)?;
            }
            Plan::Freeze { base, restart } => {
                epoch(&mut cluster, &mut reference, watermark)?;
                cluster.freeze(*base);
                if let Some(workers) = restart {
                    cluster.start(*workers);
                }
            }
        }
    }
    epoch(&mut cluster, &mut reference, i64::MAX)
}
