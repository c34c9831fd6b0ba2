//! Makes the files of a checkpoint visible, marks complete partitions, removes what a crash left behind.

use super::Target;
use super::journal::Journal;
use super::token::{self, Token};
use crate::filesystem::options::Trigger;
use crate::filesystem::partition;
use chrono::{DateTime, Offset as _};
use freshet_connector_api::{Commit, SinkCommitter, WriterContext};
use freshet_types::{Result, Watermark};
use std::sync::Arc;

pub(super) struct FileCommitter {
    target: Arc<Target>,
    context: WriterContext,
    journal: Journal,
}

impl FileCommitter {
    pub(super) fn new(target: &Arc<Target>, context: &WriterContext) -> Result<Self> {
        let journal = Journal::open(&target.env.state_dir, &context.job_id, target.storage.url())?;
        Ok(Self { target: Arc::clone(target), context: context.clone(), journal })
    }

    fn publish(&self, commit: &Commit) -> Result<()> {
        let tokens = commit.tokens.iter().map(|t| Token::decode(t)).collect::<Result<Vec<_>>>()?;
        let files = || tokens.iter().flat_map(|t| &t.files);
        // Partitions are noted before their files appear, so that none is left without its marker.
        if self.target.options.success_file.is_some() && files().any(|f| !f.partition.is_empty()) {
            let mut waiting = self.journal.waiting_partitions()?;
            let before = waiting.len();
            let now = self.target.env.clock.now_ms();
            for file in files().filter(|f| !f.partition.is_empty()) {
                waiting.entry(file.partition.clone()).or_insert(now);
            }
            if waiting.len() > before {
                self.journal.keep_waiting_partitions(&waiting)?;
            }
        }
        for file in files() {
            self.target.storage.publish(&file.staged)?;
        }
        if files().next().is_some() {
            self.journal.committed(commit.checkpoint.0, &commit.tokens)?;
        }
        Ok(())
    }

    /// Writes the marker into each partition that is complete.
    fn mark_partitions(&self, commit: &Commit) -> Result<()> {
        let Some(marker) = &self.target.options.success_file else { return Ok(()) };
        if self.target.table.partition_keys.is_empty() {
            return if commit.last { self.target.storage.put_durable(marker, "") } else { Ok(()) };
        }
        let mut waiting = self.journal.waiting_partitions()?;
        let complete: Vec<String> =
            waiting.iter().filter(|(p, since)| self.is_complete(p, **since, commit)).map(|(p, _)| p.clone()).collect();
        for partition in &complete {
            self.target.storage.put_durable(&format!("{partition}/{marker}"), "")?;
            waiting.remove(partition);
        }
        if complete.is_empty() { Ok(()) } else { self.journal.keep_waiting_partitions(&waiting) }
    }

    fn is_complete(&self, path: &str, since_ms: i64, commit: &Commit) -> bool {
        if commit.last {
            return true;
        }
        let delay = i64::try_from(self.target.options.delay.as_millis()).unwrap_or(i64::MAX);
        match &self.target.options.trigger {
            Trigger::ProcessTime => self.target.env.clock.now_ms() >= since_ms.saturating_add(delay),
            Trigger::PartitionTime(pattern) => match partition_time(path, pattern.as_deref()) {
                Some(time) => {
                    commit.watermark != Watermark::MIN
                        && local_ms(commit.watermark.0, self.target.options.time_zone) > time.saturating_add(delay)
                }
                None => {
                    tracing::warn!(partition = path, "partition has no time and is completed at the end of the job");
                    false
                }
            },
        }
    }
}

/// What clocks in `zone` show at `ms`, as if they stood in UTC.
fn local_ms(ms: i64, zone: chrono_tz::Tz) -> i64 {
    let shift = DateTime::from_timestamp_millis(ms)
        .map_or(0, |utc| i64::from(utc.with_timezone(&zone).offset().fix().local_minus_utc()) * 1_000);
    ms.saturating_add(shift)
}

/// The time that a partition's values stand for, in milliseconds.
fn partition_time(path: &str, pattern: Option<&str>) -> Option<i64> {
    let mut pairs = partition::pairs(path);
    let text = match pattern {
        None => pairs.first()?.1.clone(),
        Some(pattern) => {
            // The longest names first: $hours must not be taken for $hour.
            pairs.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
            pairs.iter().fold(pattern.to_string(), |text, (key, value)| text.replace(&format!("${key}"), value))
        }
    };
    let text = text.trim();
    let time = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok();
    let day = || chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    time.or_else(day).map(|t| t.and_utc().timestamp_millis())
}

impl SinkCommitter for FileCommitter {
    fn recover(&mut self, last: Option<&Commit>) -> Result<()> {
        if let Some(commit) = last {
            // Readers may have taken committed files away: only what is not noted as committed is looked for.
            if !self.journal.is_committed(commit.checkpoint.0, &commit.tokens)? {
                self.publish(commit)?;
            }
            self.mark_partitions(commit)?;
        }
        let last = last.map(|c| c.checkpoint.0);
        let storage = &self.target.storage;
        if storage.stages_uploads() {
            return self.journal.end_leftover_uploads(storage, self.context.attempt, last);
        }
        for entry in storage.list("")? {
            let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
            let Some(owner) = token::owner(name, &self.context.job_id).filter(|_| name.starts_with('.')) else {
                continue;
            };
            if token::is_leftover(owner, self.context.attempt, last) {
                storage.delete(&entry.path)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<()> {
        self.publish(commit)?;
        self.mark_partitions(commit)?;
        if self.target.storage.stages_uploads() { self.journal.forget_uploads(commit.checkpoint.0) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_values_become_times() {
        let time = |path, pattern| partition_time(path, pattern);
        assert_eq!(time("dt=1970-01-02", None), Some(86_400_000));
        assert_eq!(time("dt=1970-01-01/h=05", Some("$dt $h:00:00")), Some(5 * 3_600_000));
        assert_eq!(time("hour=01/hours=1970-01-01", Some("$hours $hour:00:00")), Some(3_600_000));
        assert_eq!(time("dt=__DEFAULT_PARTITION__", None), None);
        let eight_hours = 8 * 3_600_000;
        assert_eq!(local_ms(0, chrono_tz::Asia::Shanghai), eight_hours);
        assert_eq!(local_ms(i64::MAX, chrono_tz::Asia::Shanghai), i64::MAX);
    }
}
