//! A person, or a pipe, that follows what a session does.

use crate::interrupt::Interrupts;
use crate::output::{self, Form, LiveTable};
use crate::progress::Progress;
use crate::screen;
use arrow::array::RecordBatch;
use freshet_connector_api::connector::Console;
use freshet_server::{Control, JobReport, JobStatus, Observer, ResultInfo, ResultWriter};
use freshet_types::{ChangeBatch, Result};
use std::time::{Duration, Instant};

/// How often interrupts must come to end the process: the first stops what runs. In a shell the second ends it at once,
/// so that the shell lives on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The second ends the process.
    Run,
    /// The third ends the process.
    Shell,
}

/// Follows a session.
pub(crate) struct Terminal {
    form: Form,
    manner: Manner,
    interrupts: Interrupts,
    progress: Progress,
    live: Option<LiveTable>,
    reports: Vec<JobReport>,
    stop_after: Option<Duration>,
    begun: Instant,
    is_stopping: bool,
    /// Whether what statements did is said; a shell says it, a run does not.
    pub(crate) is_chatty: bool,
}

impl Terminal {
    pub(crate) fn new(form: Form, manner: Manner) -> Self {
        Self {
            form,
            manner,
            interrupts: Interrupts::listen(if manner == Manner::Run { 2 } else { 3 }),
            progress: Progress::new(),
            live: None,
            reports: Vec::new(),
            stop_after: None,
            begun: Instant::now(),
            is_stopping: false,
            is_chatty: false,
        }
    }

    /// Forgets interrupts of an earlier statement.
    pub(crate) fn reset(&mut self) {
        self.interrupts.reset();
        self.is_stopping = false;
    }

    /// Stops jobs after so long.
    pub(crate) fn stop_after(&mut self, time: Duration) {
        self.stop_after = Some(time);
    }

    /// How rows are written.
    pub(crate) fn form(&mut self) -> &mut Form {
        &mut self.form
    }

    /// Draws this table while jobs run.
    pub(crate) fn show_live(&mut self, live: LiveTable) {
        self.live = Some(live);
    }

    /// Reports of the jobs that have ended.
    pub(crate) fn reports(&self) -> &[JobReport] {
        &self.reports
    }

    fn is_over(&self) -> bool {
        self.interrupts.count() > 0
            || screen::is_output_closed()
            || self.stop_after.is_some_and(|time| self.begun.elapsed() >= time)
    }
}

impl Observer for Terminal {
    fn notice(&mut self, text: &str) {
        screen::say_notice(text);
    }

    fn done(&mut self, text: &str) {
        if self.is_chatty {
            screen::say_done(text);
        }
    }

    fn listing(&mut self, rows: &RecordBatch) -> Result<()> {
        let info = ResultInfo::of_rows(rows.schema(), chrono_tz::Tz::UTC);
        let mut writer = output::writer(self.form);
        writer.start(&info)?;
        writer.changes(&ChangeBatch::inserts(rows.clone()))?;
        writer.finish()
    }

    fn text(&mut self, text: &str) -> Result<()> {
        screen::put_rows(format!("{text}\n").as_bytes()).map_err(output::output_error)
    }

    fn result_writer(&mut self, info: &ResultInfo) -> Box<dyn ResultWriter> {
        self.progress.reset();
        if info.materialised && !info.bounded && self.form.is_table() && screen::can_draw() {
            let live = LiveTable::new(self.form);
            self.live = Some(live.clone());
            return Box::new(live);
        }
        // The final rows of an unbounded query never come: its changes are shown as they happen, unless the rows as they
        // stand when it is stopped were asked for.
        let is_endless = !info.bounded && !info.materialised && (self.form.is_table() || !info.append_only);
        output::writer(if is_endless { Form::changelog() } else { self.form })
    }

    fn tick(&mut self, status: &JobStatus) -> Control {
        if let Some(live) = &self.live {
            live.draw();
        }
        if !self.is_over() {
            self.progress.draw_job(status);
            return Control::Continue;
        }
        if !std::mem::replace(&mut self.is_stopping, true) {
            screen::remove_line();
            if self.interrupts.count() > 0 && status.last_checkpoint.is_some() {
                screen::say_notice("stopping with a last checkpoint; Ctrl-C once more ends it at once");
            }
        }
        if self.manner == Manner::Shell && self.interrupts.count() > 1 { Control::Abort } else { Control::Stop }
    }

    fn waiting(&mut self) {
        self.progress.draw_query();
    }

    fn is_wanted(&mut self) -> bool {
        !self.is_over()
    }

    fn query_ended(&mut self) {
        screen::remove_drawn();
        self.progress.reset();
    }

    fn job_ended(&mut self, report: &JobReport) {
        self.live = None;
        screen::remove_drawn();
        self.progress.reset();
        self.reports.push(report.clone());
    }
}

/// Standard output and error, for `print` sinks: above what is drawn anew.
pub(crate) struct TerminalConsole;

impl Console for TerminalConsole {
    fn write(&self, lines: &str) {
        // Nobody reads any more: the job is stopped at its next tick.
        let _ = screen::put_rows(lines.as_bytes());
    }

    fn write_error(&self, lines: &str) {
        screen::put(lines.trim_end_matches('\n'));
    }
}
