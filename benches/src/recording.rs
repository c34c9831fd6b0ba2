//! Connector `recording`: gives rows that are in memory already, and takes rows only to count them, so that what is left to
//! measure is the engine.
//!
//! ```text
//! Batches ─> poll ─> host ─> write, flush_epoch ─> Tally
//!    ^________________ one at a time, when asked ____|
//! ```

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use freshet_connector_api::sink::NothingToCommit;
use freshet_connector_api::{
    AcceptedChanges, AssignedSplit, Boundedness, Connector, ConnectorEnv, Guarantee, Offset, Poll, PollLimit, Prepared,
    Sink, SinkCommitter, SinkWriter, Source, SourceBatch, SourceReader, Split, SplitId, TableSpec, WriterContext,
};
use freshet_types::{ChangeBatch, CheckpointId, Epoch, OptionSpec, Result, Watermark};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The connector. One recording and one tally serve all its tables.
pub(crate) struct Recording {
    batches: Mutex<Arc<Vec<RecordBatch>>>,
    one_at_a_time: Mutex<bool>,
    tally: Tally,
}

/// What has gone in and come out; the reader waits here when it gives one batch at a time.
#[derive(Default)]
pub(crate) struct Tally {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rows_out: u64,
    /// When the batch that is under way was handed out.
    handed_out: Option<Instant>,
    /// Sinks of the job, and for each the last epoch that it has ended.
    ended: Vec<u64>,
    /// The epoch in which rows of the batch under way reached the sink that gets every row.
    seen_in: Option<u64>,
    times: Vec<Duration>,
}

impl Recording {
    pub(crate) fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            batches: Mutex::default(),
            one_at_a_time: Mutex::new(false),
            tally: Tally::default(),
        }))
    }

    /// Lets readers made from now on give `batches`; `one_at_a_time` waits until the epoch of each batch is over.
    pub(crate) fn load(&self, batches: Arc<Vec<RecordBatch>>, one_at_a_time: bool) {
        *locked(&self.batches) = batches;
        *locked(&self.one_at_a_time) = one_at_a_time;
        *locked(&self.tally.state) = State::default();
    }

    /// Rows that reached sinks since the recording was loaded.
    pub(crate) fn rows_out(&self) -> u64 {
        locked(&self.tally.state).rows_out
    }

    /// For each batch that was given alone, how long it took until every sink had ended its epoch.
    pub(crate) fn times(&self) -> Vec<Duration> {
        locked(&self.tally.state).times.clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while the lock is held")
}

impl Connector for &'static Recording {
    fn name(&self) -> &'static str {
        "recording"
    }

    fn doc(&self) -> &'static str {
        "rows that are in memory already"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn source(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(RecordingSource { recording: self, schema: table.schema() }))
    }

    fn sink(&self, _table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        let mut state = locked(&self.tally.state);
        state.ended.push(0);
        Ok(Arc::new(Counting { recording: self, index: state.ended.len() - 1 }))
    }
}

struct RecordingSource {
    recording: &'static Recording,
    schema: SchemaRef,
}

impl Source for RecordingSource {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn is_replayable(&self) -> bool {
        true
    }

    fn discover(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "rows".into(), start: Offset("0".into()) }])
    }

    fn reader(&self, projection: &[usize]) -> Result<Box<dyn SourceReader>> {
        // Columns that the recording has not are computed behind the source.
        debug_assert!(projection.iter().all(|i| *i < self.schema.fields().len()));
        Ok(Box::new(RecordingReader {
            recording: self.recording,
            batches: Arc::clone(&locked(&self.recording.batches)),
            projection: projection.to_vec(),
            one_at_a_time: *locked(&self.recording.one_at_a_time),
            next: 0,
            split: None,
        }))
    }
}

struct RecordingReader {
    recording: &'static Recording,
    batches: Arc<Vec<RecordBatch>>,
    projection: Vec<usize>,
    one_at_a_time: bool,
    next: usize,
    split: Option<SplitId>,
}

impl SourceReader for RecordingReader {
    fn assign(&mut self, splits: Vec<AssignedSplit>) -> Result<()> {
        self.split = splits.into_iter().next_back().map(|s| s.id).or(self.split.take());
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit) -> Result<Poll> {
        let Some(split) = self.split.clone() else { return Ok(Poll::Pending) };
        let Some(batch) = self.batches.get(self.next) else { return Ok(Poll::Finished) };
        let rows = batch.project(&self.projection)?;
        if self.one_at_a_time && !self.recording.tally.ready(limit.wait) {
            return Ok(Poll::Pending);
        }
        self.next += 1;
        Ok(Poll::Batch(SourceBatch {
            split,
            changes: ChangeBatch::inserts(rows),
            next: Offset(self.next.to_string()),
            dead: Vec::new(),
            ignored: 0,
            split_finished: self.next == self.batches.len(),
            bytes: 0,
        }))
    }
}

impl Tally {
    /// Waits until the batch under way is over; then the clock of the next one starts.
    fn ready(&self, wait: Duration) -> bool {
        let mut state = locked(&self.state);
        if state.handed_out.is_some() {
            let waited = self.changed.wait_timeout(state, wait.max(Duration::from_millis(1)));
            state = waited.expect("no panic while the lock is held").0;
        }
        if state.handed_out.is_some() {
            return false;
        }
        state.handed_out = Some(Instant::now());
        true
    }

    fn rows(&self, sink: usize, rows: usize, epoch: &mut bool) {
        let mut state = locked(&self.state);
        state.rows_out += rows as u64;
        *epoch |= sink + 1 == state.ended.len() && rows > 0;
    }

    /// A sink has ended an epoch; `saw_rows` when it got rows in it.
    fn ended(&self, sink: usize, epoch: u64, saw_rows: bool) {
        let mut state = locked(&self.state);
        state.ended[sink] = epoch;
        if saw_rows && state.handed_out.is_some() {
            state.seen_in = Some(epoch);
        }
        if let (Some(begun), Some(seen)) = (state.handed_out, state.seen_in)
            && state.ended.iter().all(|e| *e >= seen)
        {
            state.times.push(begun.elapsed());
            (state.handed_out, state.seen_in) = (None, None);
            self.changed.notify_all();
        }
    }
}

struct Counting {
    recording: &'static Recording,
    index: usize,
}

impl Sink for Counting {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn accepts(&self) -> AcceptedChanges {
        AcceptedChanges::All
    }

    fn committer(&self, _context: &WriterContext) -> Result<Box<dyn SinkCommitter>> {
        Ok(Box::new(NothingToCommit))
    }

    fn writer(&self, _context: &WriterContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(CountingWriter { recording: self.recording, index: self.index, saw_rows: false }))
    }
}

struct CountingWriter {
    recording: &'static Recording,
    index: usize,
    saw_rows: bool,
}

impl SinkWriter for CountingWriter {
    fn write(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.recording.tally.rows(self.index, changes.row_count(), &mut self.saw_rows);
        Ok(())
    }

    fn flush_epoch(&mut self, epoch: Epoch, _watermark: Watermark) -> Result<()> {
        self.recording.tally.ended(self.index, epoch.0, std::mem::take(&mut self.saw_rows));
        Ok(())
    }

    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Prepared> {
        Ok(Box::new(|| Ok(Vec::new())))
    }
}
