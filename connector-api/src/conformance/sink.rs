//! What an exactly-once sink promises: output appears at the commit, once, whatever crashes in between.

use crate::{Commit, Sink, SinkCommitter, SinkWriter, WriterContext};
use arrow::array::RecordBatch;
use freshet_types::{ChangeBatch, CheckpointId, Epoch, Watermark};
use std::sync::Arc;

/// A sink to be checked.
pub struct SinkCase<'a> {
    /// Makes the same sink anew, as a restart does. Each call of [`check_sink`] needs an empty target.
    pub make: &'a dyn Fn() -> Arc<dyn Sink>,
    /// Rows that are visible in the target, one text per row, in any order.
    pub visible: &'a dyn Fn() -> Vec<String>,
    /// The text of the rows of a batch, as `visible` gives it.
    pub text: &'a dyn Fn(&RecordBatch) -> Vec<String>,
    /// Rows to be written: at least four batches.
    pub batches: Vec<RecordBatch>,
}

/// One attempt of a job with two writers.
struct Attempt {
    committer: Box<dyn SinkCommitter>,
    writers: Vec<Box<dyn SinkWriter>>,
}

impl Attempt {
    fn start(case: &SinkCase<'_>, number: u64, last: Option<&Commit>) -> Self {
        let sink = (case.make)();
        let context = |worker| WriterContext { job_id: "conformance".into(), worker, workers: 2, attempt: number };
        let mut committer = sink.committer(&context(0)).expect("a committer");
        committer.recover(last).expect("recovery succeeds");
        committer.recover(last).expect("recovery may be repeated");
        let writers = (0..2).map(|worker| sink.writer(&context(worker)).expect("a writer")).collect();
        Self { committer, writers }
    }

    fn write(&mut self, batch: &RecordBatch) {
        let half = batch.num_rows() / 2;
        let parts = [batch.slice(0, half), batch.slice(half, batch.num_rows() - half)];
        for (writer, part) in self.writers.iter_mut().zip(parts) {
            writer.write(&ChangeBatch::inserts(part)).expect("rows are taken");
            writer.flush_epoch(Epoch(1), Watermark::MIN).expect("an epoch ends");
        }
    }

    fn prepare(&mut self, checkpoint: u64, last: bool) -> Commit {
        let tokens = self
            .writers
            .iter_mut()
            .map(|w| {
                w.prepare(CheckpointId(checkpoint)).expect("a checkpoint begins")().expect("output is made durable")
            })
            .collect();
        Commit {
            job_id: "conformance".into(),
            checkpoint: CheckpointId(checkpoint),
            epoch: Epoch(checkpoint * 10),
            offsets: "{}".into(),
            watermark: Watermark::MIN,
            tokens,
            last,
        }
    }
}

/// Checks that nothing is visible before its commit, that commit and recovery are idempotent, that a crash between
/// prepare and commit loses nothing when the checkpoint was published and leaves nothing when it was not.
pub fn check_sink(case: &SinkCase<'_>) {
    let [first, second, third, fourth] = &case.batches[..4] else { panic!("four batches are needed") };
    let expect = |batches: &[&RecordBatch], when: &str| {
        let mut wanted: Vec<String> = batches.iter().flat_map(|b| (case.text)(b)).collect();
        let mut found = (case.visible)();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{when}");
    };
    let mut attempt = Attempt::start(case, 1, None);
    attempt.write(first);
    expect(&[], "rows are invisible before they are prepared");
    let one = attempt.prepare(1, false);
    expect(&[], "prepared rows are invisible");
    attempt.write(second);
    attempt.committer.commit(&one).expect("a commit succeeds");
    expect(&[first], "committed rows are visible");
    attempt.committer.commit(&one).expect("a commit may be repeated");
    expect(&[first], "a repeated commit changes nothing");

    let two = attempt.prepare(2, false);
    attempt.write(third);
    drop(attempt);
    expect(&[first], "a crash after prepare makes nothing visible");
    let mut attempt = Attempt::start(case, 2, Some(&two));
    expect(&[first, second], "recovery finishes the last checkpoint and drops what came after it");

    attempt.write(third);
    let three = attempt.prepare(3, false);
    drop(attempt);
    let mut attempt = Attempt::start(case, 3, Some(&two));
    expect(&[first, second], "a checkpoint without a root file leaves nothing");
    attempt.write(third);
    let three_again = attempt.prepare(3, false);
    attempt.committer.commit(&three_again).expect("a commit succeeds");
    expect(&[first, second, third], "the rows come once after a second attempt");
    drop((attempt, three));

    let mut attempt = Attempt::start(case, 4, Some(&three_again));
    expect(&[first, second, third], "recovery after a commit changes nothing");
    let empty = attempt.prepare(4, false);
    attempt.committer.commit(&empty).expect("a checkpoint without rows is committed");
    attempt.write(fourth);
    let last = attempt.prepare(5, true);
    attempt.committer.commit(&last).expect("the last commit succeeds");
    drop(attempt);
    let _ = Attempt::start(case, 5, Some(&last));
    expect(&[first, second, third, fourth], "a finished job that is started again changes nothing");
}
