//! Who follows what a session does: a terminal, a test, later a connection.

use crate::{JobReport, JobStatus, ResultInfo, ResultWriter};
use arrow::array::RecordBatch;
use freshet_types::Result;

/// What shall become of a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It goes on.
    Continue,
    /// It takes a last checkpoint and stops.
    Stop,
    /// It ends at once; it can go on from its last checkpoint.
    Abort,
}

/// Follows the statements of a session.
pub trait Observer {
    /// Something was assumed, or is worth knowing.
    fn notice(&mut self, text: &str);

    /// A statement without rows has been executed.
    fn done(&mut self, _text: &str) {}

    /// Rows that the session itself gives: SHOW, DESCRIBE, a batch query's.
    fn listing(&mut self, rows: &RecordBatch) -> Result<()>;

    /// Text that the session itself gives: EXPLAIN, SHOW CREATE TABLE.
    fn text(&mut self, text: &str) -> Result<()>;

    /// Where the rows of a running query go.
    fn result_writer(&mut self, info: &ResultInfo) -> Box<dyn ResultWriter>;

    /// A job is running; called a few times a second.
    fn tick(&mut self, _status: &JobStatus) -> Control {
        Control::Continue
    }

    /// A query is being answered, and no row has come for a while.
    fn waiting(&mut self) {}

    /// A query has been answered, or will not be.
    fn query_ended(&mut self) {}

    /// Whether the query that is being answered is still wanted.
    fn is_wanted(&mut self) -> bool {
        true
    }

    /// A job has ended, also by a failure.
    fn job_ended(&mut self, _report: &JobReport) {}
}
