//! Running jobs: INSERTs that keep their state under the job's name, SELECTs that keep none.

use super::Session;
use crate::collect::Collector;
use crate::dead_notices::DeadNotices;
use crate::dry_lake::Nothing;
use crate::{Control, Observer, OrderTerm, ResultInfo};
use datafusion::sql::sqlparser::ast::Query;
use freshet_engine::job::{self, JobHandle, JobReport, JobSpec};
use freshet_sql::batch;
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
        let jobs = self.options.data_dir.join("jobs");
        let spec = self.job_spec(name.clone(), plan, Some(jobs.clone()));
        let report = self.follow(job::start(spec)?, observer)?;
        if let Some(checkpoint) = report.resumed_from {
            let what = if report.run.rows_in == 0 { "nothing new has come since" } else { "took only what is new" };
            observer.notice(&format!("job \"{name}\" went on from checkpoint {checkpoint}: {what}"));
        }
        if report.run.dead_rows > 0 {
            observer.notice(&format!(
                "{} records were not understood; they are in the table {}",
                report.run.dead_rows,
                crate::dead_letters::TABLE
            ));
        }
        observer.done(&format!("{} rows in, {} rows out", report.run.rows_in, report.run.rows_out));
        if self.options.is_interactive && report.finished {
            // The INSERT of a conversation is never gone on with: its next run is a new job.
            if let Err(e) = std::fs::remove_dir_all(jobs.join(&name)) {
                tracing::debug!(error = %e, "the state of a finished job stays behind");
            }
        }
        Ok(())
    }

    /// Runs a query and hands its rows to the observer.
    pub(super) fn run_query(&mut self, query: &Query, observer: &mut dyn Observer) -> Result<()> {
        let planner = self.planner();
        if planner.is_batch(query)? {
            if self.is_dry {
                planner.query_schema(query)?;
                return Ok(());
            }
            let (schema, batches) = batch::run(&planner, query)?;
            let info = ResultInfo::of_rows(schema);
            let mut writer = observer.result_writer(&info);
            writer.start(&info)?;
            for rows in batches {
                writer.changes(&ChangeBatch::inserts(rows))?;
            }
            return writer.finish();
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
                order_by: shape.order_by.iter().map(term).collect(),
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
        let followed = self.follow(job::start(spec)?, observer);
        dead.notices().iter().for_each(|n| observer.notice(n));
        followed?;
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

    fn next_job_name(&mut self) -> String {
        self.job_count += 1;
        if self.options.is_interactive {
            return format!("shell-{}", uuid::Uuid::now_v7());
        }
        let name = self.config.job_name().unwrap_or_else(|| self.job_name.clone());
        let name: String =
            name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        match self.job_count {
            1 => name,
            n => format!("{name}-{n}"),
        }
    }

    fn follow(&self, handle: JobHandle, observer: &mut dyn Observer) -> Result<JobReport> {
        let (mut is_stopping, mut told) = (false, Vec::new());
        let report = loop {
            if let Some(outcome) = handle.wait_timeout(TICK) {
                break outcome?;
            }
            let status = handle.status();
            for notice in status.notices.iter().filter(|n| !told.contains(*n)) {
                observer.notice(notice);
            }
            told.clone_from(&status.notices);
            if !is_stopping && observer.tick(&status) == Control::Stop {
                is_stopping = true;
                handle.stop();
            }
        };
        observer.job_ended(&report);
        Ok(report)
    }
}
