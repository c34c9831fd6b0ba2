//! The terminal: rows on standard output, everything else on standard error, and below both a part that is drawn anew
//! while something runs.

use freshet_types::Error;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whether colours may be used on standard error.
fn has_colours() -> bool {
    let is_off = std::env::var_os("CLICOLOR").is_some_and(|v| v == "0");
    io::stderr().is_terminal() && !is_off && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

fn paint(code: &str, text: &str) -> String {
    if has_colours() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
}

/// Writes to standard output, whole, above what is drawn anew.
///
/// # Errors
/// Those of standard output: its reader may have gone.
pub(crate) fn put_rows(bytes: &[u8]) -> io::Result<()> {
    let written = above(|| {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    });
    if written.is_err() {
        OUTPUT_CLOSED.store(true, Ordering::Relaxed);
    }
    written
}

static OUTPUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output has refused rows: its reader has gone.
pub(crate) fn is_output_closed() -> bool {
    OUTPUT_CLOSED.load(Ordering::Relaxed)
}

/// Writes lines to standard error, above what is drawn anew.
pub(crate) fn put(line: &str) {
    // A closed standard error must not end the work.
    above(|| {
        let _ = writeln!(io::stderr(), "{line}");
    });
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

/// How far something is.
pub(crate) enum Line {
    /// In words.
    Text(String),
    /// The part that is done, between 0 and 1, and words.
    Bar(f64, String),
}

/// What is drawn anew: a table of rows as they stand, and below it one line.
#[derive(Default)]
struct Below {
    area: Option<MultiProgress>,
    table: Option<ProgressBar>,
    line: Option<(bool, ProgressBar)>,
}

static BELOW: Mutex<Below> = Mutex::new(Below { area: None, table: None, line: None });

/// Steps of a bar.
const STEPS: f64 = 1_000.0;

fn below() -> MutexGuard<'static, Below> {
    BELOW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something to the terminal while nothing is drawn anew.
fn above<T>(act: impl FnOnce() -> T) -> T {
    match &below().area {
        Some(area) => area.suspend(act),
        None => act(),
    }
}

/// Whether there is a terminal to draw on.
pub(crate) fn can_draw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
}

/// Draws the line that tells how far something is.
pub(crate) fn draw_line(line: &Line) {
    if !can_draw() {
        return;
    }
    let mut below = below();
    let is_bar = matches!(line, Line::Bar(..));
    if below.line.as_ref().is_some_and(|(was_bar, _)| *was_bar != is_bar) {
        below.remove_line();
    }
    if below.line.is_none() {
        let template = if is_bar { "{bar:24} {percent:>3}%  {wide_msg}" } else { "{wide_msg}" };
        let bar = below.area().add(bar(template));
        below.line = Some((is_bar, bar));
    }
    let (_, bar) = below.line.as_ref().expect("it was made above");
    match line {
        Line::Text(text) => bar.set_message(paint("2", text)),
        Line::Bar(done, text) => {
            bar.set_position((done.clamp(0.0, 1.0) * STEPS) as u64);
            bar.set_message(paint("2", text));
        }
    }
    bar.tick();
}

/// Draws the rows as they stand.
pub(crate) fn draw_table(text: &str) {
    if !can_draw() {
        return;
    }
    let mut below = below();
    if below.table.is_none() {
        let bar = below.area().insert(0, bar("{msg}"));
        below.table = Some(bar);
    }
    let table = below.table.as_ref().expect("it was made above");
    table.set_message(text.trim_end().to_string());
    table.tick();
}

/// Removes the line, and leaves the table.
pub(crate) fn remove_line() {
    below().remove_line();
}

/// Removes everything that is drawn anew.
pub(crate) fn remove_drawn() {
    let below = std::mem::take(&mut *below());
    let Some(area) = below.area else { return };
    // All of it at once, while it is known which lines it takes; what is dropped then must not draw again.
    let _ = area.clear();
    area.set_draw_target(ProgressDrawTarget::hidden());
}

impl Below {
    fn area(&mut self) -> &MultiProgress {
        self.area.get_or_insert_with(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(20)))
    }

    fn remove_line(&mut self) {
        if let (Some((_, line)), Some(area)) = (self.line.take(), &self.area) {
            line.finish_and_clear();
            area.remove(&line);
        }
    }
}

fn bar(template: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).expect("the template is well formed").progress_chars("█▉▊▋▌▍▎▏ ");
    ProgressBar::with_draw_target(Some(STEPS as u64), ProgressDrawTarget::hidden()).with_style(style)
}
