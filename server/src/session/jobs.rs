//! Running jobs: INSERTs that keep their state under the job's name, SELECTs that keep none.

use super::Session;
use crate::collect::Collector;
use crate::dead_notices::DeadNotices;
use crate::dry_lake::Nothing;
use crate::{Control, Observer, OrderTerm, ResultInfo, ResultWriter};
use datafusion::sql::sqlparser::ast::Query;
use freshet_engine::job::{self, JobHandle, JobReport, JobSpec, Phase};
use freshet_sql::batch::{self, Answer, Next};
use freshet_sql::config::ResultMode;
use freshet_sql::parse::Insert;
use freshet_sql::plan::{JobPlan, OrderBy};
use freshet_types::{ChangeBatch, Error, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Asks for the rows as they stand, or for each change, of a query that does not end.
const RESULT_MODE: &str = "sql-client.execution.result-mode";
/// How often a running job is looked at.
const TICK: Duration = Duration::from_millis(100);

impl Session {
    /// Runs INSERTs as one job, to its end or until the observer stops it.
    pub(super) fn run_job(&mut self, inserts: &[Insert], observer: &mut dyn Observer) -> Result<()> {
        let plan = self.planner().plan_inserts(inserts)?;
        plan.notices.iter().for_each(|n| observer.notice(n));
        if self.is_dry {
            return Ok(());
        }
        let name = self.next_job_name();
        let handle = job::start(self.job_spec(name.clone(), plan, Some(self.jobs_folder())))?;
        let resumed_from = handle.status().resumed_from;
        if let Some(checkpoint) = resumed_from {
            observer.notice(&format!("job \"{name}\" goes on from checkpoint {checkpoint}"));
        }
        let followed = self.follow(&handle, observer, || false);
        let report = handle.status();
        if self.options.is_interactive {
            // The INSERT of a conversation is never gone on with: its next run is a new job.
            drop(handle);
            if let Err(e) = std::fs::remove_dir_all(self.jobs_folder().join(&name)) {
                tracing::debug!(error = %e, "the state of a job that nobody goes on with stays behind");
            }
        }
        if report.run.dead_rows > 0 {
            let (records, they) = match report.run.dead_rows {
                1 => ("1 record was".to_string(), "it is"),
                n => (format!("{n} records were"), "they are"),
            };
            let table = crate::dead_letters::TABLE;
            observer.notice(&format!("{records} not understood; {they} in the table {table}"));
        }
        if let Err(e) = followed {
            if let (Some(last), false) = (report.last_checkpoint, self.options.is_interactive) {
                observer.notice(&format!(
                    "all that belongs to checkpoint {} of job \"{name}\" is kept; run it again and it goes on from there",
                    last.id
                ));
            }
            return Err(e);
        }
        self.tell_end(&name, resumed_from.is_some(), &report, observer);
        Ok(())
    }

    /// Says how a job has ended, where that is not plain.
    fn tell_end(&mut self, name: &str, has_gone_on: bool, report: &JobReport, observer: &mut dyn Observer) {
        let rows = report.run.rows_in;
        match (report.phase, report.last_checkpoint) {
            (Phase::Finished, _) if has_gone_on && rows == 0 => observer.notice("nothing new has come since"),
            (Phase::Finished, _) if has_gone_on => {
                let rows = if rows == 1 { "1 row".to_string() } else { format!("{rows} rows") };
                observer.notice(&format!("took only what is new: {rows}"));
            }
            (Phase::Stopped | Phase::Aborted, last) if !self.options.is_interactive => {
                let how = if report.phase == Phase::Stopped { "stopped" } else { "ended at once" };
                observer.notice(&match last {
                    Some(last) => format!(
                        "job \"{name}\" {how} after checkpoint {}; run it again and it goes on from there",
                        last.id
                    ),
                    None => format!("job \"{name}\" {how} before its first checkpoint; nothing is kept"),
                });
            }
            _ => {}
        }
        self.was_stopped |= matches!(report.phase, Phase::Stopped | Phase::Aborted);
        observer.done(&format!("{rows} rows in, {} rows out", report.run.rows_out));
    }

    /// Where jobs keep their state.
    pub(super) fn jobs_folder(&self) -> PathBuf {
        self.options.data_dir.join("jobs")
    }

    /// Runs a query and hands its rows to the observer.
    pub(super) fn run_query(&mut self, query: &Query, observer: &mut dyn Observer) -> Result<()> {
        let planner = self.planner();
        if planner.is_batch(query)? {
            if self.is_dry {
                planner.query_schema(query)?;
                return Ok(());
            }
            return show_answer(&batch::start(&planner, query)?, self.config.time_zone(), observer);
        }
        if self.is_dry {
            self.query_plan(query)?;
            return Ok(());
        }
        let materialised = self.config.assignments().iter().any(|(key, _)| key == RESULT_MODE)
            && self.config.result_mode() == ResultMode::Table;
        let mut collector = Err(Error::internal("query.collector", "the planner asked for no collector"));
        let plan = planner.plan_query(query, |schema, shape| {
            let term = |t: &OrderBy| OrderTerm { column: t.column, ascending: t.ascending, nulls_first: t.nulls_first };
            let info = ResultInfo {
                schema,
                visible: shape.visible_columns,
                append_only: shape.append_only,
                bounded: shape.bounded,
                materialised,
                zone: self.config.time_zone(),
                order_by: shape.order_by.iter().map(term).collect(),
                ends_after: shape.ends_after,
            };
            collector = Collector::new(observer.result_writer(&info), &info);
            match &collector {
                Ok(collector) => Arc::new(collector.clone()),
                Err(_) => Arc::new(Nothing),
            }
        })?;
        let collector = collector?;
        plan.notices.iter().for_each(|n| observer.notice(n));
        let mut spec = self.job_spec("query".into(), plan, None);
        let dead = DeadNotices::default();
        spec.dead_letters = Some(Arc::new(dead.clone()));
        let handle = job::start(spec)?;
        let followed = self.follow(&handle, observer, || collector.has_all());
        dead.notices().iter().for_each(|n| observer.notice(n));
        followed?;
        self.was_stopped |= matches!(handle.status().phase, Phase::Stopped | Phase::Aborted) && !collector.has_all();
        collector.finish()
    }

    fn job_spec(&self, name: String, plan: JobPlan, state_dir: Option<PathBuf>) -> JobSpec {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let keeps_state = state_dir.is_some();
        let mut spec = JobSpec::new(name, plan.graph);
        spec.workers = self.options.workers.or(self.config.parallelism()).unwrap_or(cores);
        spec.state_dir = state_dir;
        spec.from_scratch = self.options.from_scratch;
        spec.checkpoint_interval = self.config.checkpoint_interval().filter(|_| keeps_state);
        spec.clock = Arc::clone(&self.options.clock);
        spec.memory_limit = self.options.memory_limit;
        if keeps_state {
            spec.dead_letters = Some(Arc::new(self.dead_letters()));
        }
        if let Some(rows) = self.options.epoch_rows {
            spec.epoch.max_rows = rows;
        }
        spec
    }

    /// The name of the next job, which is used up by it.
    fn next_job_name(&mut self) -> String {
        let name = self.name_of_next_job();
        if !self.options.is_interactive {
            *self.job_counts.entry(self.base_name()).or_default() += 1;
        }
        name
    }

    /// The name that the next job will have.
    pub(super) fn name_of_next_job(&self) -> String {
        if self.options.is_interactive {
            return format!("shell-{}", uuid::Uuid::now_v7());
        }
        let name = self.base_name();
        match self.job_counts.get(&name) {
            None | Some(0) => name,
            Some(n) => format!("{name}-{}", n + 1),
        }
    }

    fn base_name(&self) -> String {
        let name = self.config.job_name().unwrap_or_else(|| self.job_name.clone());
        name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
    }

    /// Waits for the end of a job, which comes early when it has all it wants.
    fn follow(&self, handle: &JobHandle, observer: &mut dyn Observer, has_all: impl Fn() -> bool) -> Result<()> {
        let mut told = Vec::new();
        let outcome = loop {
            let outcome = handle.wait_timeout(TICK);
            let status = handle.status();
            for notice in status.notices.iter().filter(|n| !told.contains(*n)) {
                observer.notice(notice);
            }
            told.clone_from(&status.notices);
            if let Some(outcome) = outcome {
                break outcome;
            }
            match observer.tick(&status) {
                Control::Continue if has_all() => handle.stop(),
                Control::Continue => {}
                Control::Stop => handle.stop(),
                Control::Abort => handle.abort(),
            }
        };
        observer.job_ended(&handle.status());
        outcome.map(|_| ())
    }
}

/// Hands on the rows of a batch query as they come.
fn show_answer(answer: &Answer, zone: chrono_tz::Tz, observer: &mut dyn Observer) -> Result<()> {
    let info = ResultInfo::of_rows(answer.schema(), zone);
    let mut writer = observer.result_writer(&info);
    writer.start(&info)?;
    let shown = show_rows(answer, writer.as_mut(), observer);
    observer.query_ended();
    shown?;
    writer.finish()
}

fn show_rows(answer: &Answer, writer: &mut dyn ResultWriter, observer: &mut dyn Observer) -> Result<()> {
    loop {
        match answer.next(TICK)? {
            Next::Rows(rows) => writer.changes(&ChangeBatch::inserts(rows))?,
            Next::Nothing => observer.waiting(),
            Next::End => return Ok(()),
        }
        if !observer.is_wanted() {
            return Err(Error::unavailable(
                "query.cancelled",
                "the query was cancelled before all its rows were given",
            ));
        }
    }
}
