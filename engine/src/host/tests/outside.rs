//! An outside system to test against: it survives a job, as files and brokers do.

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use freshet_connector_api::*;
use freshet_types::{ChangeBatch, CheckpointId, Epoch, Error, Result, Watermark};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// Columns: key, value, event time.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, false),
        Field::new("v", DataType::Int64, false),
        Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), false),
    ]))
}

pub(super) type Row = (i64, i64, i64);

pub(super) fn batch(rows: &[Row]) -> RecordBatch {
    let ints = |f: fn(&Row) -> i64| -> ArrayRef { Arc::new(rows.iter().map(f).collect::<Int64Array>()) };
    let times: TimestampMillisecondArray = rows.iter().map(|r| Some(r.2)).collect();
    RecordBatch::try_new(schema(), vec![ints(|r| r.0), ints(|r| r.1), Arc::new(times)]).unwrap()
}

/// What a split does when it is polled at a position.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Panic,
    Invalid,
    /// So many times, then the rows come.
    Unavailable(usize),
    Dead,
}

#[derive(Debug, Default, Clone)]
pub(super) struct TopicSplit {
    pub(super) rows: Vec<Row>,
    pub(super) faults: BTreeMap<usize, Fault>,
    /// Highest position that a job was told is durable.
    pub(super) committed: usize,
    /// Highest position up to which rows were given.
    pub(super) given: usize,
}

/// A source of rows that can be added to while it is read.
#[derive(Clone)]
pub(super) struct Topic {
    pub(super) splits: Arc<Mutex<BTreeMap<String, TopicSplit>>>,
    pub(super) boundedness: Boundedness,
    pub(super) discovery: Option<std::time::Duration>,
    pub(super) rows_at_once: usize,
    /// Rows that a split gives beyond those that are committed.
    pub(super) ahead_max: usize,
}

impl Topic {
    pub(super) fn new(boundedness: Boundedness, splits: impl IntoIterator<Item = (&'static str, Vec<Row>)>) -> Self {
        let split = |(id, rows): (&str, Vec<Row>)| (id.to_owned(), TopicSplit { rows, ..Default::default() });
        Self {
            splits: Arc::new(Mutex::new(splits.into_iter().map(split).collect())),
            boundedness,
            discovery: None,
            rows_at_once: 7,
            ahead_max: usize::MAX,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, TopicSplit>> {
        self.splits.lock().unwrap()
    }

    pub(super) fn fault(&self, split: &str, at: usize, fault: Fault) {
        self.lock().get_mut(split).unwrap().faults.insert(at, fault);
    }

    pub(super) fn row_count(&self) -> usize {
        self.lock().values().map(|s| s.rows.len()).sum()
    }
}

impl Source for Topic {
    fn boundedness(&self) -> Boundedness {
        self.boundedness
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(self.lock().keys().map(|id| Split { id: id.as_str().into(), start: Offset("0".into()) }).collect())
    }

    fn discovery_interval(&self) -> Option<std::time::Duration> {
        self.discovery
    }

    fn reader(&self, _projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(TopicReader { topic: self.clone(), splits: VecDeque::new() }))
    }
}

struct TopicReader {
    topic: Topic,
    splits: VecDeque<(SplitId, usize)>,
}

impl SourceReader for TopicReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        let mut all = self.topic.lock();
        for AssignedSplit { id, from } in splits {
            let at = from.0.parse().unwrap();
            let split = all.get_mut(&*id).unwrap();
            split.committed = split.committed.max(at);
            self.splits.push_back((id, at));
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        if self.splits.is_empty() {
            return Ok(Poll::Finished);
        }
        for _ in 0..self.splits.len() {
            let (id, at) = self.splits.pop_front().unwrap();
            let mut all = self.topic.lock();
            let split = all.get_mut(&*id).unwrap();
            let mut dead = Vec::new();
            match split.faults.get_mut(&at) {
                Some(Fault::Panic) => panic!("the source has a defect"),
                Some(Fault::Invalid) => return Err(Error::invalid("test.invalid", "the source is wrong")),
                Some(Fault::Unavailable(left)) if *left > 0 => {
                    *left -= 1;
                    drop(all);
                    self.splits.push_front((id, at));
                    return Err(Error::unavailable("test.away", "the source is away"));
                }
                Some(Fault::Dead) => dead.push(DeadLetter {
                    raw: b"{broken".to_vec(),
                    split: Arc::clone(&id),
                    offset: Offset(at.to_string()),
                    reason: "it is broken".into(),
                }),
                _ => {}
            }
            let skip = dead.len();
            let mut end = (at + self.topic.rows_at_once.min(limit.rows)).min(split.rows.len());
            // A batch ends where the next fault stands.
            if let Some((fault, _)) = split.faults.range(at + 1..).next() {
                end = end.min(*fault);
            }
            let bounded = self.topic.boundedness == Boundedness::Bounded;
            let finished = bounded && end == split.rows.len();
            let must_wait = at < end && at >= split.committed.saturating_add(self.topic.ahead_max);
            if must_wait || (at == end && !finished) {
                drop(all);
                self.splits.push_back((id, at));
                continue;
            }
            let changes = ChangeBatch::inserts(batch(&split.rows[at + skip..end]));
            split.given = split.given.max(end);
            drop(all);
            if !finished {
                self.splits.push_front((Arc::clone(&id), end));
            }
            return Ok(Poll::Batch(SourceBatch {
                split: id,
                bytes: changes.row_count() as u64 * 24,
                changes,
                next: Offset(end.to_string()),
                dead,
                ignored: 0,
                split_finished: finished,
            }));
        }
        // Nothing new: gives the processor away, as a wait for a socket would.
        std::thread::yield_now();
        Ok(Poll::Pending)
    }

    fn committed(&mut self, offsets: &[(SplitId, Offset)]) -> Result<()> {
        let mut all = self.topic.lock();
        for (id, offset) in offsets {
            let split = all.get_mut(&**id).unwrap();
            split.committed = split.committed.max(offset.0.parse().unwrap());
        }
        Ok(())
    }
}

/// What a table's committer does at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitFault {
    /// Fails for good before it is visible.
    Before,
    /// Fails for good when it is visible already.
    After,
    /// Fails once, and can be tried again.
    Once,
}

#[derive(Debug, Default)]
pub(super) struct TableState {
    staged: BTreeMap<String, Vec<(Row, i64)>>,
    pub(super) visible: Vec<(Row, i64)>,
    /// Checkpoints by job.
    pub(super) commits: BTreeSet<(String, u64)>,
    pub(super) faults: BTreeMap<u64, CommitFault>,
    pub(super) last_seen: bool,
    pub(super) watermark: Option<Watermark>,
    pub(super) flushed: u64,
    /// Whether writers wait before they take rows.
    pub(super) is_held: bool,
    names: u64,
}

/// A sink with exactly-once output.
#[derive(Clone, Default)]
pub(super) struct Table(pub(super) Arc<Mutex<TableState>>);

impl Table {
    pub(super) fn lock(&self) -> MutexGuard<'_, TableState> {
        self.0.lock().unwrap()
    }

    /// The visible changes, added up.
    pub(super) fn rows(&self) -> BTreeMap<Row, i64> {
        let mut sums = BTreeMap::new();
        for (row, weight) in &self.lock().visible {
            *sums.entry(*row).or_insert(0) += weight;
        }
        sums.retain(|_, weight| *weight != 0);
        sums
    }

    /// Staged output that nobody has promised or removed.
    pub(super) fn leftovers(&self) -> usize {
        self.lock().staged.len()
    }
}

impl Sink for Table {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(TableCommitter(self.clone())))
    }

    fn writer(&self, context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(TableWriter { table: self.clone(), rows: Vec::new(), context: context.clone() }))
    }
}

struct TableWriter {
    table: Table,
    rows: Vec<(Row, i64)>,
    context: WriterContext,
}

impl SinkWriter for TableWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        while self.table.lock().is_held {
            std::thread::yield_now();
        }
        for i in 0..changes.row_count() {
            let cell = |c: usize| match changes.rows().columns().get(c).map(|a| a.data_type().clone()) {
                Some(DataType::Int64) => changes.column(c).as_primitive::<Int64Type>().value(i),
                Some(DataType::Timestamp(_, _)) => {
                    changes.column(c).as_primitive::<arrow::datatypes::TimestampMillisecondType>().value(i)
                }
                _ => 0,
            };
            self.rows.push(((cell(0), cell(1), cell(2)), changes.weight(i)));
        }
        Ok(())
    }

    fn flush_epoch(&mut self, _epoch: Epoch, _watermark: Watermark) -> Result<()> {
        self.table.lock().flushed += 1;
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        let (rows, table) = (std::mem::take(&mut self.rows), self.table.clone());
        let context = self.context.clone();
        Ok(Box::new(move || {
            let mut state = table.lock();
            state.names += 1;
            let name = format!("{}/{}/{}", context.attempt, context.worker, state.names);
            state.staged.insert(name.clone(), rows);
            Ok(name.into_bytes())
        }))
    }
}

struct TableCommitter(Table);

impl TableCommitter {
    fn make_visible(state: &mut TableState, commit: &Commit) {
        if !state.commits.insert((commit.job_id.clone(), commit.checkpoint.0)) {
            return;
        }
        for token in &commit.tokens {
            let name = String::from_utf8(token.clone()).unwrap();
            let rows = state.staged.remove(&name).expect("what is committed was prepared");
            state.visible.extend(rows);
        }
        state.last_seen = commit.last;
        state.watermark = Some(commit.watermark);
    }
}

impl SinkCommitter for TableCommitter {
    fn recover(&mut self, last: Option<&Commit>) -> Result<()> {
        let mut state = self.0.lock();
        if let Some(commit) = last {
            Self::make_visible(&mut state, commit);
        }
        state.staged.clear();
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        let mut state = self.0.lock();
        match state.faults.remove(&commit.checkpoint.0) {
            Some(CommitFault::Before) => return Err(Error::invalid("test.commit", "before the commit")),
            Some(CommitFault::After) => {
                Self::make_visible(&mut state, commit);
                return Err(Error::invalid("test.commit", "behind the commit"));
            }
            Some(CommitFault::Once) => return Err(Error::conflict("test.conflict", "someone else was first")),
            None => Self::make_visible(&mut state, commit),
        }
        Ok(())
    }
}
