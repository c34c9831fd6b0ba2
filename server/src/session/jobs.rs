//! Running jobs: INSERTs that keep their state under the job's name, SELECTs that keep none.

use super::Session;
use crate::collect::Collector;
use crate::{Control, Observer, OrderTerm, ResultInfo};
use freshet_engine::job::{self, JobHandle, JobSpec};
use freshet_sql::batch;
use freshet_sql::parse::Insert;
use freshet_sql::plan::JobPlan;
use freshet_types::{ChangeBatch, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
        let folder = self.options.data_dir.join("jobs").join(&name);
        if self.options.from_scratch && folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|e| {
                freshet_types::Error::unavailable("job.state", "the state of the job cannot be removed")
                    .because(e)
                    .at("folder", folder.display().to_string())
            })?;
        }
        let spec = self.job_spec(name.clone(), plan, Some(folder.clone()));
        let report = self.follow(job::start(spec)?, observer)?;
        if let Some(checkpoint) = report.resumed_from {
            let what = if report.rows_in == 0 { "nothing new has come since" } else { "took only what is new" };
            observer.notice(&format!("job \"{name}\" went on from checkpoint {checkpoint}: {what}"));
        }
        observer.done(&format!("{} rows in, {} rows out", report.rows_in, report.rows_out));
        if self.options.is_interactive && report.finished {
            // The INSERT of a conversation is never gone on with: its next run is a new job.
            if let Err(e) = std::fs::remove_dir_all(&folder) {
                tracing::debug!(error = %e, "the state of a finished job stays behind");
            }
        }
        Ok(())
    }

    /// Runs a query and hands its rows to the observer.
    pub(super) fn run_query(&mut self, query: &freshet_sql::Query, observer: &mut dyn Observer) -> Result<()> {
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
            planner.plan_query(query, |_, _| Ok(Arc::new(freshet_connector_api::sink::Discard)))?;
            return Ok(());
        }
        let mut collector = None;
        let mut failure = Ok(());
        let plan = planner.plan_query(query, |schema, shape| {
            let order_by = shape
                .order_by
                .iter()
                .map(|t| OrderTerm { column: t.column, ascending: t.ascending, nulls_first: t.nulls_first })
                .collect();
            let info =
                ResultInfo { schema, append_only: shape.append_only, bounded: shape.bounded, order_by };
            let made = Collector::new(observer.result_writer(&info), &info)?;
            collector = Some(made.clone());
            Ok(Arc::new(made))
        })?;
        plan.notices.iter().for_each(|n| observer.notice(n));
        let spec = self.job_spec("query".into(), plan, None);
        if let Err(e) = self.follow(job::start(spec)?, observer) {
            failure = Err(e);
        }
        failure?;
        collector.map_or(Ok(()), |c| c.finish())
    }

    fn job_spec(&self, name: String, plan: JobPlan, state_dir: Option<PathBuf>) -> JobSpec {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let keeps_state = state_dir.is_some();
        let mut spec = JobSpec::new(name, plan.graph);
        spec.workers = self.options.workers.or(self.config.parallelism()).unwrap_or(cores);
        spec.state_dir = state_dir;
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
        let name: String = name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        match self.job_count {
            1 => name,
            n => format!("{name}-{n}"),
        }
    }

    fn follow(&self, handle: JobHandle, observer: &mut dyn Observer) -> Result<job::JobReport> {
        let mut is_stopping = false;
        while !handle.wait_timeout(TICK) {
            let status = handle.status();
            if !is_stopping && observer.tick(&status) == Control::Stop {
                is_stopping = true;
                handle.stop();
            }
        }
        let report = handle.wait()?;
        observer.job_ended(&report);
        Ok(report)
    }
}
