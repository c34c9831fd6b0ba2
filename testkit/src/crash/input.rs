//! Random input that comes bit by bit: events and marks a little out of order, a few lines that are not JSON, a small
//! table of names.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use std::io;
use std::path::Path;

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) k: i32,
    pub(crate) v: i64,
    pub(crate) ts_ms: i64,
}

/// One row of a second stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) k: i32,
    pub(crate) m: i64,
    pub(crate) ts_ms: i64,
}

/// All that a job has been given so far.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) events: Vec<Event>,
    pub(crate) marks: Vec<Mark>,
    /// Key and name.
    pub(crate) names: Vec<(i32, String)>,
    /// Lines among the events that cannot be understood.
    pub(crate) bad_lines: Vec<String>,
}

/// What a job is going to read.
pub(crate) struct Input {
    names: Vec<(i32, String)>,
    batches: Vec<Batch>,
    written: usize,
    end_ms: i64,
}

#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    marks: Vec<Mark>,
    bad_lines: Vec<String>,
    event_text: String,
    mark_text: String,
}

const KEYS: i32 = 37;
/// 2024-01-01 00:00.
const BEGIN_MS: i64 = 1_704_067_200_000;
/// Time from event to event.
const STEP_MS: i64 = 20;
/// Rows are at most so far out of order; tables declare a delay of five seconds, so that none is late.
const DISORDER_MS: i64 = 4_000;

impl Input {
    /// Batches of files, each behind the last in time.
    pub(crate) fn generate(rng: &mut ChaCha8Rng, batch_count: usize) -> Self {
        let mut keys: Vec<i32> = (0..KEYS + 5).collect();
        keys.shuffle(rng);
        let names = keys.into_iter().take(30).map(|k| (k, format!("name {k}"))).collect();
        let mut input = Self { names, batches: Vec::new(), written: 0, end_ms: BEGIN_MS };
        for _ in 0..batch_count {
            let rows = rng.random_range(150..700);
            input.add(rng, rows);
        }
        input
    }

    fn add(&mut self, rng: &mut ChaCha8Rng, rows: usize) {
        let mut batch = Batch::default();
        for i in 0..rows {
            let id = (self.batches.len() * 10_000 + i) as i64;
            let k = rng.random_range(0..KEYS);
            let ts_ms = self.end_ms + i as i64 * STEP_MS - rng.random_range(0..DISORDER_MS);
            let event = Event { id, k, v: rng.random_range(-50..1_000), ts_ms };
            let _ = writeln!(batch.event_text, r#"{{"id":{id},"k":{k},"v":{},"ts":"{}"}}"#, event.v, timestamp(ts_ms));
            batch.events.push(event);
            if i % 8 == 0 {
                let ts_ms = self.end_ms + i as i64 * STEP_MS - rng.random_range(0..DISORDER_MS);
                let mark = Mark { k: rng.random_range(0..KEYS + 3), m: id, ts_ms };
                let _ = writeln!(batch.mark_text, r#"{{"k":{},"m":{},"ts":"{}"}}"#, mark.k, mark.m, timestamp(ts_ms));
                batch.marks.push(mark);
            }
            if rng.random_bool(0.002) {
                let bad = format!(r#"{{"id":{id},"k":"#);
                let _ = writeln!(batch.event_text, "{bad}");
                batch.bad_lines.push(bad);
            }
        }
        self.end_ms += rows as i64 * STEP_MS;
        self.batches.push(batch);
    }

    /// One more batch, so much later that every window before it is closed.
    pub(crate) fn add_later(&mut self, rng: &mut ChaCha8Rng) {
        self.end_ms += 60_000;
        self.add(rng, 200);
    }

    /// Makes the folders below `folder`, with the table of names.
    pub(crate) fn prepare(&self, folder: &Path) -> io::Result<()> {
        for name in ["events", "marks", "names"] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        let names: String = self.names.iter().map(|(k, name)| format!("{k},{name}\n")).collect();
        std::fs::write(folder.join("names/names.csv"), names)
    }

    /// Writes the next batch, if there is one. Whether there was.
    pub(crate) fn write_next(&mut self, folder: &Path) -> io::Result<bool> {
        let Some(batch) = self.batches.get(self.written) else { return Ok(false) };
        for (kind, text) in [("events", &batch.event_text), ("marks", &batch.mark_text)] {
            // A file that is being written must not be read: it gets its name when it is whole.
            let half = folder.join(format!("{kind}-half"));
            std::fs::write(&half, text)?;
            std::fs::rename(half, folder.join(format!("{kind}/part-{:03}.json", self.written)))?;
        }
        self.written += 1;
        Ok(true)
    }

    /// What has been written so far.
    pub(crate) fn given(&self) -> Given {
        let mut given = Given { names: self.names.clone(), ..Given::default() };
        for batch in &self.batches[..self.written] {
            given.events.extend_from_slice(&batch.events);
            given.marks.extend_from_slice(&batch.marks);
            given.bad_lines.extend_from_slice(&batch.bad_lines);
        }
        given
    }
}

/// `yyyy-MM-dd HH:mm:ss.SSS`.
pub(crate) fn timestamp(ms: i64) -> String {
    let mut text = String::new();
    freshet_types::text::append_date(ms.div_euclid(86_400_000), &mut text);
    text.push(' ');
    freshet_types::text::append_time(ms.rem_euclid(86_400_000) * 1_000_000, 3, &mut text);
    text
}
