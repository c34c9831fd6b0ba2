//! The rows of a query as they stand, drawn anew while it runs.

use super::final_rows::FinalRows;
use super::{BoxTable, Form, table, writer};
use crate::screen;
use freshet_server::{ResultInfo, ResultWriter};
use freshet_types::{ChangeBatch, Result, Watermark};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(250);
/// Lines below the rows: the box's frame and head, the number of rows, the status line.
const OTHER_LINES: u16 = 8;
/// Rows shown where the size of the terminal is not known.
const ROWS_SHOWN: usize = 20;

/// A table that changes on the screen.
#[derive(Clone)]
pub(crate) struct LiveTable(Arc<Mutex<State>>);

struct State {
    form: Form,
    info: Option<ResultInfo>,
    /// All changes up to the last cut.
    rows: FinalRows,
    /// Changes since.
    waiting: Vec<ChangeBatch>,
    is_stale: bool,
    drawn: Option<Instant>,
}

impl LiveTable {
    pub(crate) fn new(form: Form) -> Self {
        let rows = FinalRows::new(Box::new(BoxTable::new()));
        Self(Arc::new(Mutex::new(State { form, info: None, rows, waiting: Vec::new(), is_stale: true, drawn: None })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the rows as they stood at the last cut, when they have changed and it is time to.
    pub(crate) fn draw(&self) {
        let mut state = self.state();
        let is_due = state.drawn.is_none_or(|at| at.elapsed() >= EVERY);
        let Some(zone) = state.info.as_ref().map(|info| info.zone) else { return };
        if !state.is_stale || !is_due {
            return;
        }
        // What cannot be drawn now is told at the end.
        if let Ok(rows) = state.rows.snapshot()
            && let Ok(text) = table::draw(&rows, zone, rows_that_fit())
        {
            screen::draw_table(&text);
        }
        (state.is_stale, state.drawn) = (false, Some(Instant::now()));
    }
}

fn rows_that_fit() -> usize {
    match crossterm::terminal::size() {
        Ok((_, height)) => usize::from(height.saturating_sub(OTHER_LINES).max(2)),
        Err(_) => ROWS_SHOWN,
    }
}

impl State {
    fn cut(&mut self) -> Result<()> {
        for changes in std::mem::take(&mut self.waiting) {
            self.rows.changes(&changes)?;
            self.is_stale = true;
        }
        Ok(())
    }
}

impl ResultWriter for LiveTable {
    fn start(&mut self, info: &ResultInfo) -> Result<()> {
        let mut state = self.state();
        state.info = Some(info.clone());
        state.rows.start(info)
    }

    fn changes(&mut self, changes: &ChangeBatch) -> Result<()> {
        self.state().waiting.push(changes.clone());
        Ok(())
    }

    fn epoch(&mut self, _watermark: Watermark) -> Result<()> {
        self.state().cut()
    }

    /// Leaves the final rows on standard output.
    fn finish(&mut self) -> Result<()> {
        let mut state = self.state();
        state.cut()?;
        screen::remove_drawn();
        let Some(info) = state.info.clone() else { return Ok(()) };
        let rows = state.rows.snapshot()?;
        let mut last = writer(state.form);
        let info = ResultInfo { order_by: Vec::new(), ..ResultInfo::of_rows(rows.schema(), info.zone) };
        last.start(&info)?;
        last.changes(&ChangeBatch::inserts(rows))?;
        last.finish()
    }
}
