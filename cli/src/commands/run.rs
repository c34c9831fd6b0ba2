//! `freshet run FILE.sql ...`: statements in order; bounded inputs to their end, unbounded ones until Ctrl-C.

use super::shared;
use crate::interrupt::Interrupts;
use crate::output::{self, OutputForm};
use crate::screen::{self, StatusLine};
use arrow::array::RecordBatch;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use freshet_server::{Control, JobReport, JobStatus, Observer, ResultInfo, ResultWriter};
use freshet_types::{Error, Result};
use std::path::{Path, PathBuf};

pub(super) fn define() -> Command {
    Command::new("run")
        .about("Run SQL files: bounded inputs to their end, unbounded ones until Ctrl-C")
        .arg(Arg::new("files").value_name("FILE.sql").required(true).num_args(1..).value_parser(value_parser!(PathBuf)).help("SQL files, run in order; - is standard input"))
        .arg(shared::output_argument())
        .args(shared::session_arguments())
        .arg(Arg::new("from-scratch").long("from-scratch").action(ArgAction::SetTrue).help("Forget the state of the job and start over"))
        .arg(Arg::new("report").long("report").value_name("FILE").value_parser(value_parser!(PathBuf)).help("Write counters as JSON when done"))
        .arg(Arg::new("for").long("for").value_name("TIME").value_parser(|t: &str| freshet_types::options::parse_duration(t).ok_or("write a time such as 20s")).help("Stop after so long, as by Ctrl-C"))
        .after_help("${NAME} in a file is replaced by --var NAME=VALUE or the environment.\nA job that was stopped, or that finished, goes on from its last checkpoint when it is run again.")
}

pub(super) fn run(arguments: &ArgMatches) -> Result<()> {
    let mut options = shared::session_options(arguments);
    options.from_scratch = arguments.get_flag("from-scratch");
    let mut session = freshet_server::Session::new(options)?;
    let mut terminal = Terminal::new(shared::output_form(arguments), session.time_zone());
    terminal.stop_after = arguments.get_one::<std::time::Duration>("for").copied();
    let mut outcome = Ok(());
    for file in arguments.get_many::<PathBuf>("files").expect("clap requires one") {
        let text = shared::read_script(arguments, file)?;
        session.set_job_name(job_name(file));
        outcome = session
            .run_script(&text, &mut terminal)
            .map_err(|e| freshet_server::diagnose(&e, &text, &file.display().to_string()));
        if outcome.is_err() {
            break;
        }
    }
    terminal.status.clear();
    if let Some(path) = arguments.get_one::<PathBuf>("report") {
        write_report(path, &terminal.reports)?;
    }
    outcome
}

/// The job of `dir/orders.sql` is called `orders`.
fn job_name(file: &Path) -> String {
    file.file_stem()
        .filter(|_| file != Path::new("-"))
        .map_or_else(|| "stdin".into(), |s| s.to_string_lossy().into_owned())
}

fn write_report(path: &Path, reports: &[JobReport]) -> Result<()> {
    let jobs: Vec<serde_json::Value> = reports.iter().map(freshet_server::report_json).collect();
    let text = serde_json::to_string_pretty(&serde_json::json!({ "jobs": jobs })).expect("counters are valid JSON");
    std::fs::write(path, text + "\n").map_err(|e| {
        Error::unavailable("report.unwritable", "the report cannot be written")
            .because(e)
            .at("file", path.display().to_string())
            .hint("check the folder and its permissions")
    })
}

/// A person, or a pipe, that follows what a session does.
pub(super) struct Terminal {
    form: OutputForm,
    zone: chrono_tz::Tz,
    interrupts: Interrupts,
    status: StatusLine,
    reports: Vec<JobReport>,
    stop_after: Option<std::time::Duration>,
    begun: std::time::Instant,
    /// Whether what statements did is said; a shell says it, a run does not.
    pub(super) is_chatty: bool,
}

impl Terminal {
    pub(super) fn new(form: OutputForm, zone: chrono_tz::Tz) -> Self {
        Self {
            form,
            zone,
            interrupts: Interrupts::listen(),
            status: StatusLine::new(),
            reports: Vec::new(),
            stop_after: None,
            begun: std::time::Instant::now(),
            is_chatty: false,
        }
    }

    /// Forgets interrupts of an earlier statement.
    pub(super) fn reset(&self) {
        self.interrupts.reset();
    }

    /// Stops jobs after so long.
    pub(super) fn stop_after(&mut self, time: std::time::Duration) {
        self.stop_after = Some(time);
    }

    /// Changes how rows are written.
    pub(super) fn set_form(&mut self, form: OutputForm) {
        self.form = form;
    }

    fn is_over(&self) -> bool {
        self.stop_after.is_some_and(|time| self.begun.elapsed() >= time)
    }
}

impl Observer for Terminal {
    fn notice(&mut self, text: &str) {
        self.status.clear();
        screen::say_notice(text);
    }

    fn done(&mut self, text: &str) {
        if self.is_chatty {
            screen::say_done(text);
        }
    }

    fn listing(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut writer = output::writer(self.form, self.zone);
        writer.start(&ResultInfo::of_rows(rows.schema()))?;
        writer.changes(&freshet_types::ChangeBatch::inserts(rows.clone()))?;
        writer.finish()
    }

    fn text(&mut self, text: &str) -> Result<()> {
        use std::io::Write;
        writeln!(std::io::stdout(), "{text}")
            .map_err(|e| Error::unavailable("output.closed", "standard output takes no more rows").because(e))
    }

    fn result_writer(&mut self, info: &ResultInfo) -> Box<dyn ResultWriter> {
        // The final rows of an unbounded query never come: its changes are shown as they happen, unless the rows as they
        // stand when it is stopped were asked for.
        let is_endless = !info.bounded && !info.materialised && (self.form == OutputForm::Table || !info.append_only);
        let form = if is_endless { OutputForm::Changelog } else { self.form };
        output::writer(form, self.zone)
    }

    fn tick(&mut self, status: &JobStatus) -> Control {
        if self.interrupts.count() > 0 || self.is_over() {
            self.status.clear();
            return Control::Stop;
        }
        self.status.draw(status);
        Control::Continue
    }

    fn job_ended(&mut self, report: &JobReport) {
        self.status.clear();
        self.reports.push(report.clone());
    }
}
