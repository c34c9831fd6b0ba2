//! What goes to standard error: notices, errors, the status line of a running job.

use freshet_server::JobStatus;
use freshet_types::Error;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Whether colours may be used on standard error.
fn has_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

fn paint(code: &str, text: &str) -> String {
    if has_colours() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
}

fn put(line: &str) {
    // A closed standard error must not end the work.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `error: CODE: text`, on one line; what a diagnosis adds stands on the lines below.
pub(crate) fn say_error(e: &Error) {
    let text = e.to_string();
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    put(&format!("{} {}: {first}", paint("1;31", "error:"), e.code()));
    if !rest.is_empty() {
        put(rest);
    }
}

/// A notice: something was assumed, or is worth knowing.
pub(crate) fn say_notice(text: &str) {
    put(&format!("{} {text}", paint("36", "note:")));
}

/// What a statement did.
pub(crate) fn say_done(text: &str) {
    put(&paint("2", text));
}

/// The line that follows a running job.
pub(crate) struct StatusLine {
    is_terminal: bool,
    begun: Instant,
    last: Option<(Instant, u64, u64)>,
    is_drawn: bool,
}

/// How often the line is drawn.
const EVERY: Duration = Duration::from_millis(500);

impl StatusLine {
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), begun: Instant::now(), last: None, is_drawn: false }
    }

    /// Draws the line, when it is time to and there is a terminal to draw it on.
    pub(crate) fn draw(&mut self, status: &JobStatus) {
        let now = Instant::now();
        if !self.is_terminal || now.duration_since(self.begun) < EVERY {
            return;
        }
        if self.last.is_some_and(|(at, ..)| now.duration_since(at) < EVERY) {
            return;
        }
        let (since, rows_in, rows_out) = self.last.unwrap_or((self.begun, 0, 0));
        let seconds = now.duration_since(since).as_secs_f64().max(0.001);
        let rate = |now: u64, before: u64| count((now.saturating_sub(before) as f64 / seconds) as u64);
        let line = format!(
            "{}/s in, {}/s out, {} rows in, watermark {}, checkpoint {}",
            rate(status.run.rows_in, rows_in),
            rate(status.run.rows_out, rows_out),
            count(status.run.rows_in),
            status.watermark.map_or_else(|| "-".to_string(), |w| w.to_string()),
            status.last_checkpoint.map_or_else(|| "-".to_string(), |c| c.id.to_string()),
        );
        self.last = Some((now, status.run.rows_in, status.run.rows_out));
        self.is_drawn = true;
        let _ = write!(std::io::stderr(), "\r\u{1b}[K{}", paint("2", &line));
    }

    /// Removes the line before something else is written.
    pub(crate) fn clear(&mut self) {
        if self.is_drawn {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
            self.is_drawn = false;
        }
    }
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
