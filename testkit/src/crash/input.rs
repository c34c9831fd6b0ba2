//! Random input: events a little out of order, a few lines that are not JSON, a small table of names.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use std::path::Path;

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) k: i32,
    pub(crate) v: i64,
    pub(crate) ts_ms: i64,
}

/// What a job reads.
pub(crate) struct Input {
    /// Events in the order in which they were written, over all files.
    pub(crate) events: Vec<Event>,
    /// Lines among them that cannot be understood.
    pub(crate) bad_lines: Vec<String>,
    /// Key and name.
    pub(crate) names: Vec<(i32, String)>,
    files: Vec<String>,
}

const KEYS: i32 = 37;
/// 2024-01-01 00:00.
const BEGIN_MS: i64 = 1_704_067_200_000;

impl Input {
    /// Events whose times are at most four seconds out of order, so that none is late behind a delay of five.
    pub(crate) fn generate(rng: &mut ChaCha8Rng, rows: usize) -> Self {
        let mut input = Input { events: Vec::new(), bad_lines: Vec::new(), names: Vec::new(), files: Vec::new() };
        let file_count = rng.random_range(1..4);
        for file in 0..file_count {
            let mut text = String::new();
            for i in 0..rows / file_count {
                let id = (file * rows + i) as i64;
                let ts_ms = BEGIN_MS + i as i64 * 20 - rng.random_range(0..4_000);
                let event = Event { id, k: rng.random_range(0..KEYS), v: rng.random_range(-50..1_000), ts_ms };
                let _ = writeln!(text, r#"{{"id":{id},"k":{},"v":{},"ts":"{}"}}"#, event.k, event.v, timestamp(ts_ms));
                input.events.push(event);
                if rng.random_bool(0.002) {
                    let bad = format!(r#"{{"id":{id},"k":"#);
                    let _ = writeln!(text, "{bad}");
                    input.bad_lines.push(bad);
                }
            }
            input.files.push(text);
        }
        let mut keys: Vec<i32> = (0..KEYS + 5).collect();
        keys.shuffle(rng);
        input.names = keys.into_iter().take(30).map(|k| (k, format!("name {k}"))).collect();
        input
    }

    /// Writes the files below `folder`.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder.join("events"))?;
        std::fs::create_dir_all(folder.join("names"))?;
        for (i, text) in self.files.iter().enumerate() {
            std::fs::write(folder.join(format!("events/part-{i}.json")), text)?;
        }
        let names: String = self.names.iter().map(|(k, name)| format!("{k},{name}\n")).collect();
        std::fs::write(folder.join("names/names.csv"), names)
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
