//! How far a job is, as one line: a bar for work that ends, rates and watermark for work that does not.

use crate::screen::{self, Line};
use freshet_server::{Extent, JobStatus, SourceStatus};
use freshet_types::{Clock, SystemClock, Watermark};
use std::time::{Duration, Instant};

/// Work that takes no longer is not told about.
const QUIET: Duration = Duration::from_millis(500);
/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(250);
/// How far back rates look.
const RATES_OVER: Duration = Duration::from_secs(2);

/// Follows what runs.
pub(crate) struct Progress {
    begun: Instant,
    drawn: Option<Instant>,
    /// Time, rows in and rows out, oldest first.
    seen: Vec<(Instant, u64, u64)>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), drawn: None, seen: Vec::new() }
    }

    /// Something else begins.
    pub(crate) fn reset(&mut self) {
        screen::remove_line();
        *self = Self::new();
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let is_due =
            now.duration_since(self.begun) >= QUIET && self.drawn.is_none_or(|at| now.duration_since(at) >= EVERY);
        if is_due {
            self.drawn = Some(now);
        }
        is_due
    }

    /// Draws how far a job is, when it is time to.
    pub(crate) fn draw_job(&mut self, status: &JobStatus) {
        let now = Instant::now();
        if !screen::can_draw() || !self.is_due(now) {
            return;
        }
        self.seen.push((now, status.run.rows_in, status.run.rows_out));
        let old = self.seen.iter().take_while(|(at, ..)| now.duration_since(*at) > RATES_OVER).count();
        self.seen.drain(..old.saturating_sub(1));
        let (since, rows_in, rows_out) = match self.seen.as_slice() {
            [first, _, ..] => *first,
            _ => (self.begun, 0, 0),
        };
        let seconds = now.duration_since(since).as_secs_f64().max(0.001);
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let rates = Rates {
            rows_in: per_second(status.run.rows_in, rows_in),
            rows_out: per_second(status.run.rows_out, rows_out),
        };
        screen::draw_line(&line(status, rates, now.duration_since(self.begun), SystemClock.now_ms()));
    }

    /// Draws that a query is being answered, when it is time to.
    pub(crate) fn draw_query(&mut self) {
        let now = Instant::now();
        if screen::can_draw() && self.is_due(now) {
            let ms = i64::try_from(now.duration_since(self.begun).as_millis()).unwrap_or(i64::MAX);
            screen::draw_line(&Line::Text(format!("{} so far; Ctrl-C cancels the query", span(ms))));
        }
    }
}

/// Rows per second.
#[derive(Clone, Copy)]
struct Rates {
    rows_in: f64,
    rows_out: f64,
}

fn line(status: &JobStatus, rates: Rates, elapsed: Duration, now_ms: i64) -> Line {
    let rows = count(status.run.rows_in);
    let rate = count(rates.rows_in as u64);
    if !status.sources.is_empty() && status.sources.iter().all(|source| source.bounded) {
        let done = if status.resumed_from.is_none() { part_done(&status.sources) } else { None };
        return match done {
            Some(done) => {
                let left = elapsed.as_secs_f64() * (1.0 - done) / done.max(1e-6);
                let left = if done > 0.01 { format!(", {} left", span((left * 1e3) as i64)) } else { String::new() };
                Line::Bar(done, format!("{rows} rows, {rate} rows/s{left}"))
            }
            None => Line::Text(format!("{rows} rows, {rate} rows/s, {} rows out", count(status.run.rows_out))),
        };
    }
    let watermark = status.watermark.filter(|w| *w > Watermark::MIN && *w < Watermark::MAX);
    let lag = watermark.map_or_else(|| "-".to_string(), |w| span(now_ms.saturating_sub(w.0)));
    let checkpoint = match status.last_checkpoint {
        Some(last) => format!("{} ({} ago)", last.id, span(now_ms.saturating_sub(last.at_ms))),
        None => "-".to_string(),
    };
    Line::Text(format!(
        "{rate} rows/s in, {} rows/s out, {rows} rows in, watermark {}, lag {lag}, checkpoint {checkpoint}",
        count(rates.rows_out as u64),
        watermark.map_or_else(|| "-".to_string(), |w| w.to_string()),
    ))
}

/// The part of all inputs that has been read; none when the size of one is not known.
fn part_done(sources: &[SourceStatus]) -> Option<f64> {
    let parts = sources.iter().map(|source| {
        let (read, all) = match source.extent? {
            Extent::Rows(all) => (source.rows_in, all),
            Extent::Bytes(all) => (source.bytes_in, all),
        };
        Some(if all == 0 { 1.0 } else { (read as f64 / all as f64).min(1.0) })
    });
    let parts: Vec<f64> = parts.collect::<Option<_>>()?;
    Some(parts.iter().sum::<f64>() / parts.len() as f64)
}

/// A count for people: `950`, `12.3k`, `4.5M`.
pub(crate) fn count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{:.1}k", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", n as f64 / 1e6),
        _ => format!("{:.1}G", n as f64 / 1e9),
    }
}

/// A span of time for people: `0.3 s`, `75 s`, `12 min`, `3 h`, `40 d`.
pub(crate) fn span(ms: i64) -> String {
    match ms {
        i64::MIN..10_000 => format!("{:.1} s", ms as f64 / 1e3),
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bounded: bool, extent: Option<Extent>, rows_in: u64, bytes_in: u64) -> SourceStatus {
        SourceStatus {
            table: "t".into(),
            bounded,
            extent,
            rows_in,
            bytes_in,
            dead_rows: 0,
            watermark: None,
            splits_active: 1,
            splits_finished: 0,
        }
    }

    #[test]
    fn the_part_that_is_done_is_known_when_every_size_is() {
        let half = source(true, Some(Extent::Bytes(200)), 7, 100);
        let whole = source(true, Some(Extent::Rows(10)), 10, 0);
        assert_eq!(part_done(&[half.clone(), whole]), Some(0.75));
        assert_eq!(part_done(&[half, source(true, None, 3, 3)]), None);
        assert_eq!(part_done(&[source(true, Some(Extent::Bytes(0)), 0, 0)]), Some(1.0));
    }

    #[test]
    fn counts_and_spans_are_for_people() {
        assert_eq!([999, 1_000, 2_345_678].map(count), ["999", "1.0k", "2.3M"]);
        let spans = [300, 75_000, 720_000, 3 * 3_600_000, 40 * 86_400_000].map(span);
        assert_eq!(spans, ["0.3 s", "75 s", "12 min", "3 h", "40 d"]);
    }
}
