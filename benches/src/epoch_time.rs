//! How long an epoch of 100 rows takes from the reader's hand to the end of the epoch at every sink, with a windowed
//! aggregation and a sink for every row on the way.

use crate::nexmark;
use crate::recording::Recording;
use freshet_engine::job::{self, EpochSpec, JobSpec};
use freshet_types::Result;
use std::sync::Arc;
use std::time::Duration;

const ROWS: usize = 100;

/// The last sink gets every bid: it tells which epoch a batch fell into.
const QUERY: &str = "
CREATE TEMPORARY TABLE sums (auction BIGINT, s TIMESTAMP(3), n BIGINT, total BIGINT) WITH ('connector' = '${SINK}');
CREATE TEMPORARY TABLE every (auction BIGINT) WITH ('connector' = '${SINK}');
INSERT INTO sums SELECT auction, window_start, COUNT(*), SUM(price) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) GROUP BY auction, window_start, window_end;
INSERT INTO every SELECT auction FROM bid;";

/// Prints median, p99 and the longest of `count` epochs.
#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
pub(crate) fn run(count: usize) -> Result<()> {
    let recording = Recording::new();
    let events = Arc::new(nexmark::events(recording, count * ROWS, ROWS)?);
    recording.load(events, true);
    let graph = nexmark::graph(recording, "'connector' = 'recording'", QUERY)?;
    let mut spec = JobSpec::new("bench", graph);
    spec.epoch = EpochSpec { max_rows: ROWS, max_delay: Duration::from_secs(1) };
    job::start(spec)?.wait()?;
    let mut times = recording.times();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "epoch    {ROWS} rows: median {:.0} us, p99 {:.0} us, longest {:.0} us, of {} epochs",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
    Ok(())
}
