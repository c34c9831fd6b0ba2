//! A script that runs once more: its CREATE TABLE finds the table that its earlier run has made, and goes on with it.
//!
//! Only a table that is just as the statement would make it is taken for that, and a table that the statement also fills
//! only when this job has filled it, or nobody has.

use super::Session;
use freshet_lake::LakeTable;
use freshet_sql::catalog::external::ExternalTable;
use freshet_sql::parse::{CreateTable, Insert};
use freshet_types::{Error, Result, SqlField};
use std::sync::Arc;

/// What is said about a table that was there.
pub(super) fn notice(table: &CreateTable) -> String {
    format!("table \"{}\" is there already, as it is written here: going on with it", table.name.join("."))
}

/// Starting over does not throw away what a table holds.
pub(super) fn holds_rows(table: &CreateTable) -> Error {
    let name = table.name.join(".");
    Error::already_exists("table.exists", format!("table \"{name}\" holds the rows of an earlier run"))
        .hint(format!("DROP TABLE {name} first, or leave --from-scratch out"))
}

impl Session {
    /// The table that `create` would make, when an earlier run of the script has made it. In a conversation a statement is
    /// typed for its effect, so that nothing is gone on with.
    pub(super) fn standing_table(
        &self,
        create: &CreateTable,
        columns: &[SqlField],
    ) -> Result<Option<Arc<dyn ExternalTable>>> {
        if self.options.is_interactive {
            return Ok(None);
        }
        self.catalog.standing(create, columns)
    }

    /// Whether `insert`, the query of `create`, may go on with a table that it did not make in this run.
    pub(super) fn goes_on_with(
        &self,
        create: &CreateTable,
        insert: &Insert,
        table: &Arc<dyn ExternalTable>,
    ) -> Result<bool> {
        let name = self.name_of_next_job();
        let lake_table: Option<&LakeTable> = table.as_any().and_then(|t| t.downcast_ref());
        if lake_table.is_some_and(|table| table.metadata().current_snapshot().is_none()) {
            // An earlier run may have ended before its first checkpoint. With IF NOT EXISTS there must have been one.
            let was_started = freshet_state::glance(&self.jobs_folder())?.iter().any(|job| job.name == name);
            return Ok(was_started || !create.if_not_exists);
        }
        if self.options.from_scratch {
            return Ok(false);
        }
        let plan = self.planner().plan_inserts(std::slice::from_ref(insert))?;
        let latest = freshet_state::latest_checkpoint(&self.jobs_folder(), &name)?;
        Ok(latest.is_some_and(|root| plan.sinks.iter().all(|sink| root.sinks.contains_key(&sink.table))))
    }
}
