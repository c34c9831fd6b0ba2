//! Settings of a session: every key of Flink is honoured, accepted with a notice, or refused by name.

use chrono_tz::Tz;
use freshet_types::options::parse_duration;
use freshet_types::{Error, OptionKind, Result, suggest};
use std::collections::BTreeMap;
use std::time::Duration;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It has the effect that its text says.
    Honoured,
    /// It has none; rows are the same. The text says why.
    Ignored(&'static str),
    /// These texts say what happens anyway; any other is refused, with this as the reason.
    Only(&'static [&'static str], &'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    /// Its name; `restart-strategy.*` stands for every key with that prefix.
    pub name: &'static str,
    /// What its text must be.
    pub kind: OptionKind,
    /// What holds when it is not set.
    pub default: &'static str,
    /// What becomes of it.
    pub treatment: Treatment,
    /// One sentence for the manual.
    pub doc: &'static str,
}

const fn key(
    name: &'static str,
    kind: OptionKind,
    default: &'static str,
    treatment: Treatment,
    doc: &'static str,
) -> ConfigKey {
    ConfigKey { name, kind, default, treatment, doc }
}

use OptionKind::{Bool, Duration as Time, Int, OneOf, Size, Text};
use Treatment::{Honoured, Ignored, Only};

const MINI_BATCH: Treatment = Ignored("changes are always gathered per epoch");
const OPTIMIZER: Treatment = Ignored("the planner decides by itself");
const DEPLOYMENT: Treatment = Ignored("it is about a Flink cluster");
const STORAGE: Treatment = Ignored("state is kept in memory and in the job's folder");
const FAULTS: Treatment = Ignored("a job that fails stops; started again, it goes on from its last checkpoint");

/// Every key, in the order of the manual.
pub static KEYS: &[ConfigKey] = &[
    key(
        "execution.runtime-mode",
        OneOf(&["streaming", "batch", "automatic"]),
        "streaming",
        Honoured,
        "whether a query is continuous; batch reads bounded inputs once and gives final rows",
    ),
    key("execution.checkpointing.interval", Time, "10 s", Honoured, "time between checkpoints; 0 turns them off"),
    key(
        "execution.checkpointing.mode",
        OneOf(&["exactly_once", "at_least_once"]),
        "exactly_once",
        Ignored("checkpoints are always exactly-once"),
        "how strict checkpoints are",
    ),
    key(
        "execution.checkpointing.timeout",
        Time,
        "10 min",
        Ignored("a checkpoint never holds a job up"),
        "after which a checkpoint is given up",
    ),
    key(
        "execution.checkpointing.min-pause",
        Time,
        "0 ms",
        Ignored("checkpoints never overlap"),
        "pause between checkpoints",
    ),
    key(
        "execution.checkpointing.max-concurrent-checkpoints",
        Int,
        "1",
        Ignored("checkpoints never overlap"),
        "checkpoints at once",
    ),
    key(
        "execution.checkpointing.checkpoints-after-tasks-finish.enabled",
        Bool,
        "true",
        Only(&["true"], "a finished input is part of every checkpoint"),
        "checkpoints when some inputs have ended",
    ),
    key(
        "execution.checkpointing.checkpoints-after-tasks-finish",
        Bool,
        "true",
        Only(&["true"], "a finished input is part of every checkpoint"),
        "checkpoints when some inputs have ended",
    ),
    key(
        "execution.checkpointing.externalized-checkpoint-retention",
        Text,
        "RETAIN_ON_CANCELLATION",
        Ignored("the last checkpoints are always kept"),
        "what becomes of checkpoints when a job is stopped",
    ),
    key(
        "execution.checkpointing.unaligned.enabled",
        Bool,
        "false",
        Ignored("epochs need no alignment"),
        "unaligned checkpoints",
    ),
    key(
        "execution.checkpointing.unaligned",
        Bool,
        "false",
        Ignored("epochs need no alignment"),
        "unaligned checkpoints",
    ),
    key("execution.checkpointing.num-retained", Int, "1", STORAGE, "checkpoints that are kept"),
    key("execution.checkpointing.incremental", Bool, "true", STORAGE, "incremental checkpoints"),
    key("execution.checkpointing.storage", Text, "filesystem", STORAGE, "kind of storage for checkpoints"),
    key("execution.checkpointing.dir", Text, "", STORAGE, "folder of checkpoints: --data decides"),
    key("execution.checkpointing.savepoint-dir", Text, "", STORAGE, "folder of savepoints: --data decides"),
    key("execution.checkpointing.tolerable-failed-checkpoints", Int, "0", FAULTS, "checkpoints that may fail"),
    key(
        "execution.savepoint.path",
        Text,
        "",
        Only(&[""], "a job goes on from its own last checkpoint"),
        "a checkpoint to start from",
    ),
    key(
        "execution.state-recovery.path",
        Text,
        "",
        Only(&[""], "a job goes on from its own last checkpoint"),
        "a checkpoint to start from",
    ),
    key(
        "execution.savepoint.ignore-unclaimed-state",
        Bool,
        "false",
        FAULTS,
        "whether state without an owner is dropped",
    ),
    key("execution.attached", Bool, "true", DEPLOYMENT, "whether the client waits"),
    key("execution.target", Text, "local", DEPLOYMENT, "where the job runs"),
    key("execution.buffer-timeout", Time, "100 ms", Ignored("epochs close after milliseconds"), "how long rows wait"),
    key(
        "execution.buffer-timeout.interval",
        Time,
        "100 ms",
        Ignored("epochs close after milliseconds"),
        "how long rows wait",
    ),
    key("execution.shuffle-mode", Text, "", DEPLOYMENT, "how batches are exchanged"),
    key("execution.batch-shuffle-mode", Text, "", DEPLOYMENT, "how batches are exchanged"),
    key(
        "parallelism.default",
        Int,
        "",
        Honoured,
        "threads that run operators, unless --workers says otherwise; one per core without both",
    ),
    key("pipeline.name", Text, "", Honoured, "name of the job, under which its state is kept"),
    key(
        "pipeline.auto-watermark-interval",
        Time,
        "200 ms",
        Ignored("watermarks advance with each epoch"),
        "time between watermarks",
    ),
    key("pipeline.max-parallelism", Int, "256", Ignored("the key space always has 256 groups"), "number of key groups"),
    key("pipeline.operator-chaining", Bool, "true", OPTIMIZER, "whether operators are fused"),
    key("pipeline.operator-chaining.enabled", Bool, "true", OPTIMIZER, "whether operators are fused"),
    key("pipeline.object-reuse", Bool, "false", OPTIMIZER, "whether objects are reused"),
    key("pipeline.jars", Text, "", Ignored("connectors and formats are built in"), "Java archives of the job"),
    key("pipeline.classpaths", Text, "", Ignored("connectors and formats are built in"), "Java archives of the job"),
    key("pipeline.time-characteristic", Text, "", DEPLOYMENT, "old time setting"),
    key("state.checkpoints.dir", Text, "", STORAGE, "folder of checkpoints: --data decides"),
    key("state.savepoints.dir", Text, "", STORAGE, "folder of savepoints: --data decides"),
    key("state.checkpoints.num-retained", Int, "1", STORAGE, "checkpoints that are kept"),
    key("state.checkpoint-storage", Text, "", STORAGE, "kind of storage for checkpoints"),
    key("state.backend", Text, "hashmap", STORAGE, "where state is kept"),
    key("state.backend.*", Text, "", STORAGE, "where state is kept"),
    key("table.local-time-zone", Text, "UTC", Honoured, "zone in which TIMESTAMP_LTZ is shown and cast"),
    key(
        "table.sql-dialect",
        OneOf(&["default", "hive"]),
        "default",
        Only(&["default"], "the Hive dialect is not there"),
        "dialect of SQL",
    ),
    key(
        "table.dml-sync",
        Bool,
        "false",
        Ignored("a script always waits for its jobs"),
        "whether a statement waits for its job",
    ),
    key(
        "table.dynamic-table-options.enabled",
        Bool,
        "true",
        Only(&["true"], "OPTIONS hints always apply"),
        "whether OPTIONS hints are taken",
    ),
    key(
        "table.column-expansion-strategy",
        Text,
        "",
        Only(&[""], "* always gives all columns"),
        "columns that * leaves out",
    ),
    key(
        "table.builtin-catalog-name",
        Text,
        "default_catalog",
        Only(&["default_catalog"], "the name is fixed"),
        "name of the first catalog",
    ),
    key(
        "table.builtin-database-name",
        Text,
        "default_database",
        Only(&["default_database"], "the name is fixed"),
        "name of the first database",
    ),
    key("table.plan.force-recompile", Bool, "false", OPTIMIZER, "whether plans are made anew"),
    key(
        "table.exec.state.ttl",
        Time,
        "0 ms",
        Only(&["0", "0 ms", "0ms", "0 s", "0s"], "dropping state after a time is not there yet, and changes results"),
        "after which unused state is dropped; 0 keeps it",
    ),
    key(
        "table.exec.source.idle-timeout",
        Time,
        "0 ms",
        Honoured,
        "after which a silent split no longer holds the watermark back; 0 never",
    ),
    key(
        "table.exec.source.cdc-events-duplicate",
        Bool,
        "false",
        Only(&["false"], "repeated change events are not sorted out yet"),
        "whether a source may repeat changes",
    ),
    key(
        "table.exec.sink.not-null-enforcer",
        OneOf(&["error", "drop"]),
        "error",
        Only(&["error"], "rows are never dropped in silence"),
        "NULL for a column declared NOT NULL",
    ),
    key(
        "table.exec.sink.type-length-enforcer",
        OneOf(&["ignore", "trim_pad", "error"]),
        "ignore",
        Only(&["ignore"], "lengths are not enforced at sinks yet"),
        "text longer than its column",
    ),
    key(
        "table.exec.sink.upsert-materialize",
        OneOf(&["none", "auto", "force"]),
        "auto",
        OPTIMIZER,
        "order of changes before a sink",
    ),
    key(
        "table.exec.sink.keyed-shuffle",
        OneOf(&["none", "auto", "force"]),
        "auto",
        OPTIMIZER,
        "whether rows of a key reach one writer",
    ),
    key(
        "table.exec.sink.rowtime-inserter",
        OneOf(&["enabled", "disabled"]),
        "enabled",
        OPTIMIZER,
        "whether event time goes to the sink",
    ),
    key(
        "table.exec.legacy-cast-behaviour",
        OneOf(&["enabled", "disabled"]),
        "disabled",
        Only(&["disabled"], "CAST always fails on what it cannot convert; write TRY_CAST"),
        "whether CAST gives NULL instead of failing",
    ),
    key("table.exec.legacy-transformation-uids", Bool, "false", OPTIMIZER, "old names of operators"),
    key("table.exec.uid.generation", Text, "", OPTIMIZER, "names of operators"),
    key("table.exec.mini-batch.enabled", Bool, "false", MINI_BATCH, "whether changes are gathered"),
    key("table.exec.mini-batch.allow-latency", Time, "0 ms", MINI_BATCH, "how long changes are gathered"),
    key("table.exec.mini-batch.size", Int, "-1", MINI_BATCH, "how many changes are gathered"),
    key(
        "table.exec.resource.default-parallelism",
        Int,
        "-1",
        Ignored("parallelism.default decides"),
        "threads per operator",
    ),
    key("table.exec.deduplicate.*", Text, "", OPTIMIZER, "changes of a deduplication"),
    key("table.exec.rank.*", Text, "", OPTIMIZER, "cache of Top-N"),
    key("table.exec.async-lookup.*", Text, "", OPTIMIZER, "lookups at once"),
    key("table.exec.async-state.*", Text, "", OPTIMIZER, "asynchronous state"),
    key("table.exec.interval-join.min-cleanup-interval", Time, "0 ms", OPTIMIZER, "time between clean-ups of a join"),
    key("table.exec.window-agg.buffer-size-limit", Int, "100000", OPTIMIZER, "rows that a window gathers"),
    key("table.exec.simplify-operator-name-enabled", Bool, "true", OPTIMIZER, "short names of operators"),
    key("table.exec.disabled-operators", Text, "", OPTIMIZER, "operators that are not used"),
    key("table.exec.sort.*", Text, "", OPTIMIZER, "sorting in batch"),
    key("table.exec.spill-compression.*", Text, "", OPTIMIZER, "spilling in batch"),
    key(
        "table.exec.emit.early-fire.enabled",
        Bool,
        "false",
        Only(&["false"], "early results of a window are not there yet"),
        "results before a window closes",
    ),
    key(
        "table.exec.emit.early-fire.delay",
        Time,
        "0 ms",
        Ignored("it says nothing without table.exec.emit.early-fire.enabled"),
        "time between early results",
    ),
    key(
        "table.exec.emit.late-fire.enabled",
        Bool,
        "false",
        Only(&["false"], "late results of a window are not there yet"),
        "results after a window has closed",
    ),
    key(
        "table.exec.emit.late-fire.delay",
        Time,
        "0 ms",
        Ignored("it says nothing without table.exec.emit.late-fire.enabled"),
        "time between late results",
    ),
    key(
        "table.exec.emit.allow-lateness",
        Time,
        "0 ms",
        Only(
            &["0", "0 ms", "0ms", "0 s", "0s"],
            "rows behind the watermark of a closed window are counted and dropped",
        ),
        "how long closed windows still take rows",
    ),
    key(
        "table.optimizer.non-deterministic-update.strategy",
        OneOf(&["ignore", "try_resolve"]),
        "ignore",
        OPTIMIZER,
        "updates that depend on the time of reading",
    ),
    key("table.optimizer.*", Text, "", OPTIMIZER, "choices of Flink's planner"),
    key("table.generated-code.*", Text, "", OPTIMIZER, "Flink's generated code"),
    key(
        "table.display.max-column-width",
        Int,
        "30",
        Ignored("columns are shown whole"),
        "width of a column in the shell",
    ),
    key("table.resources.download-dir", Text, "", DEPLOYMENT, "folder of downloaded archives"),
    key(
        "table.rtas-ctas.atomicity-enabled",
        Bool,
        "false",
        Ignored("a table of CREATE TABLE AS is there at once, its rows with the first checkpoint"),
        "whether CREATE TABLE AS is atomic",
    ),
    key("table.catalog-store.*", Text, "", DEPLOYMENT, "where catalogs are kept"),
    key(
        "sql-client.execution.result-mode",
        OneOf(&["table", "changelog", "tableau"]),
        "tableau",
        Honoured,
        "how the shell shows an unbounded query: its rows as they stand (table), or each change (changelog, tableau)",
    ),
    key(
        "sql-client.execution.max-table-result.rows",
        Int,
        "1000000",
        Ignored("all rows are shown"),
        "rows of a result",
    ),
    key("sql-client.display.*", Text, "", Ignored("columns are shown whole"), "how the shell shows columns"),
    key(
        "sql-client.verbose",
        Bool,
        "false",
        Ignored("errors always say where and how to mend"),
        "whether errors are long",
    ),
    key("sql-client.*", Text, "", Ignored("it is about Flink's own shell"), "Flink's own shell"),
    key("restart-strategy", Text, "", FAULTS, "what happens after a failure"),
    key("restart-strategy.*", Text, "", FAULTS, "what happens after a failure"),
    key("web.*", Text, "", DEPLOYMENT, "Flink's web interface"),
    key("rest.*", Text, "", DEPLOYMENT, "Flink's REST interface"),
    key("metrics.*", Text, "", DEPLOYMENT, "Flink's metrics"),
    key("jobmanager.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("taskmanager.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key(
        "taskmanager.memory.process.size",
        Size,
        "",
        DEPLOYMENT,
        "a Flink cluster; --memory says how much a job may hold",
    ),
    key("cluster.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("high-availability", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("high-availability.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("kubernetes.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("yarn.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("env.java.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("env.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("classloader.*", Text, "", DEPLOYMENT, "Java class loading"),
    key("python.*", Text, "", DEPLOYMENT, "Python functions"),
    key("akka.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("pekko.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("heartbeat.*", Text, "", DEPLOYMENT, "a Flink cluster"),
    key("slot.*", Text, "", DEPLOYMENT, "a Flink cluster"),
];

/// Whether a query is continuous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeMode {
    /// Continuous.
    Streaming,
    /// Reads bounded inputs once.
    Batch,
    /// Batch when all inputs are bounded.
    Automatic,
}

/// How the shell shows an unbounded query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultMode {
    /// The rows as they stand.
    Table,
    /// Each change.
    Changelog,
}

/// One line of SHOW CONFIG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigListing {
    /// Key.
    pub key: String,
    /// Text that holds.
    pub value: String,
    /// Whether it was set.
    pub is_set: bool,
    /// `honoured`, `no effect: ...`.
    pub effect: String,
    /// What it is about.
    pub doc: &'static str,
}

/// Settings of a session.
#[derive(Debug, Clone, Default)]
pub struct Config {
    set: BTreeMap<String, String>,
}

impl ConfigKey {
    fn matches(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
            None => self.name == name,
        }
    }
}

/// The entry for `name`; an exact one before one by prefix.
fn find(name: &str) -> Option<&'static ConfigKey> {
    KEYS.iter().find(|k| k.name == name).or_else(|| KEYS.iter().find(|k| k.matches(name)))
}

fn unknown(name: &str) -> Error {
    let near = suggest::nearest(name, KEYS.iter().map(|k| k.name).filter(|n| !n.ends_with('*')));
    Error::invalid("config.unknown", format!("no setting named \"{name}\"")).hint(match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "write SHOW CONFIG to list all settings".to_string(),
    })
}

impl Config {
    /// All defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key; what it gives is a notice for the user.
    ///
    /// ```
    /// use freshet_sql::config::Config;
    /// let mut config = Config::new();
    /// assert_eq!(config.set("parallelism.default", "2").unwrap(), None);
    /// assert!(config.set("state.backend.type", "rocksdb").unwrap().unwrap().contains("no effect"));
    /// let error = config.set("paralelism.default", "2").unwrap_err();
    /// assert_eq!(error.hint_text(), Some("did you mean \"parallelism.default\"?"));
    /// ```
    ///
    /// # Errors
    /// `config.unknown`, `config.invalid`, `config.unsupported`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<Option<String>> {
        let key = find(name).ok_or_else(|| unknown(name))?;
        let invalid = |text: String, hint: &str| Error::invalid("config.invalid", text).hint(hint.to_string());
        if !(value.is_empty() && key.default.is_empty()) {
            key.kind.check(name, value).map_err(|e| {
                invalid(e.text().replacen("option", "setting", 1), e.hint_text().unwrap_or("change the text"))
            })?;
        }
        if name == "table.local-time-zone" && zone(value).is_none() {
            return Err(invalid(
                format!("setting \"{name}\" is \"{value}\", which is not a time zone"),
                "write a name such as Europe/Berlin, or UTC",
            ));
        }
        if name == "parallelism.default" && !value.parse::<i64>().is_ok_and(|n| (1..=1024).contains(&n) || n == -1) {
            return Err(invalid(
                format!("setting \"{name}\" is \"{value}\", which is not a number of threads"),
                "write a number from 1 to 1024",
            ));
        }
        let notice = match key.treatment {
            Honoured => None,
            Ignored(why) => Some(format!("setting {name} has no effect: {why}")),
            Only(fine, _) if fine.iter().any(|f| f.eq_ignore_ascii_case(value)) => None,
            Only(fine, why) => {
                return Err(Error::unsupported(
                    "config.unsupported",
                    format!("setting \"{name}\" cannot be \"{value}\": {why}"),
                )
                .hint(match fine.first() {
                    Some(first) if !first.is_empty() => format!("leave it out, or set it to '{first}'"),
                    _ => "leave it out".to_string(),
                }));
            }
        };
        self.set.insert(name.to_string(), value.to_string());
        Ok(notice)
    }

    /// Takes a key back to its default; all keys when none is named.
    ///
    /// # Errors
    /// `config.unknown`
    pub fn reset(&mut self, name: Option<&str>) -> Result<()> {
        match name {
            None => self.set.clear(),
            Some(name) => {
                find(name).ok_or_else(|| unknown(name))?;
                self.set.remove(name);
            }
        }
        Ok(())
    }

    /// Text that holds for `name`: what was set, or the default.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str).or_else(|| find(name).map(|k| k.default))
    }

    /// What was set, by key: the answer to `SET` without a key.
    pub fn assignments(&self) -> Vec<(String, String)> {
        self.set.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// Every key with what holds and what becomes of it: the answer to `SHOW CONFIG`.
    pub fn listing(&self) -> Vec<ConfigListing> {
        let of = |name: &str, key: &'static ConfigKey| ConfigListing {
            key: name.to_string(),
            value: self.set.get(name).cloned().unwrap_or_else(|| key.default.to_string()),
            is_set: self.set.contains_key(name),
            effect: match key.treatment {
                Honoured => "honoured".to_string(),
                Ignored(why) => format!("no effect: {why}"),
                Only(_, why) => format!("fixed: {why}"),
            },
            doc: key.doc,
        };
        let mut all: Vec<_> = KEYS.iter().map(|key| of(key.name, key)).collect();
        let under_prefix = self.set.keys().filter(|name| KEYS.iter().all(|k| k.name != name.as_str()));
        all.extend(under_prefix.filter_map(|name| Some(of(name, find(name)?))));
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name).and_then(parse_duration).filter(|d| !d.is_zero())
    }

    /// `execution.runtime-mode`
    pub fn runtime_mode(&self) -> RuntimeMode {
        match self.get("execution.runtime-mode").map(str::to_lowercase).as_deref() {
            Some("batch") => RuntimeMode::Batch,
            Some("automatic") => RuntimeMode::Automatic,
            _ => RuntimeMode::Streaming,
        }
    }

    /// `execution.checkpointing.interval`; none when checkpoints are off.
    pub fn checkpoint_interval(&self) -> Option<Duration> {
        self.duration("execution.checkpointing.interval")
    }

    /// `parallelism.default`, where it was set.
    pub fn parallelism(&self) -> Option<usize> {
        self.get("parallelism.default").and_then(|t| t.trim().parse().ok()).filter(|n| *n > 0)
    }

    /// `pipeline.name`, where it was set.
    pub fn job_name(&self) -> Option<String> {
        self.get("pipeline.name").filter(|t| !t.is_empty()).map(str::to_string)
    }

    /// `table.local-time-zone`
    pub fn time_zone(&self) -> Tz {
        self.get("table.local-time-zone").and_then(zone).unwrap_or(Tz::UTC)
    }

    /// `table.exec.source.idle-timeout`; none: silent splits hold the watermark back for ever.
    pub fn source_idle_timeout(&self) -> Option<Duration> {
        self.duration("table.exec.source.idle-timeout")
    }

    /// `sql-client.execution.result-mode`
    pub fn result_mode(&self) -> ResultMode {
        match self.get("sql-client.execution.result-mode").map(str::to_lowercase).as_deref() {
            Some("table") => ResultMode::Table,
            _ => ResultMode::Changelog,
        }
    }
}

/// A zone by its name, or by an offset of whole hours such as `GMT+8` or `UTC+08:00`.
fn zone(text: &str) -> Option<Tz> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("default") || text == "Z" {
        return Some(Tz::UTC);
    }
    if let Ok(zone) = text.parse::<Tz>() {
        return Some(zone);
    }
    let rest = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).unwrap_or(text);
    let (sign, digits) = match rest.split_at_checked(1)? {
        ("+", digits) => ('-', digits),
        ("-", digits) => ('+', digits),
        _ => return None,
    };
    let hours = match digits.split_once(':') {
        Some((hours, "00")) => hours,
        Some(_) => return None,
        None => digits.strip_suffix("00").filter(|_| digits.len() == 4).unwrap_or(digits),
    };
    let hours: u8 = hours.parse().ok()?;
    // The names of the tz database count west of Greenwich as positive.
    if hours == 0 { Some(Tz::UTC) } else { format!("Etc/GMT{sign}{hours}").parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_and_its_default_is_fine() {
        let mut names: Vec<_> = KEYS.iter().map(|k| k.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        for key in KEYS.iter().filter(|k| !k.name.ends_with('*')) {
            let set = Config::new().set(key.name, key.default);
            assert!(key.name == "parallelism.default" || set.is_ok(), "{}: {set:?}", key.name);
        }
    }

    #[test]
    fn a_key_is_honoured_ignored_or_refused() {
        let mut config = Config::new();
        let mut say = |name: &str, value: &str| match config.set(name, value) {
            Ok(None) => "fine".to_string(),
            Ok(Some(notice)) => notice,
            Err(e) => format!("{}: {e}", e.code()),
        };
        for (name, value, expected) in [
            ("execution.runtime-mode", "BATCH", "fine"),
            ("execution.checkpointing.interval", "5s", "fine"),
            ("table.local-time-zone", "Asia/Shanghai", "fine"),
            ("sql-client.execution.result-mode", "TABLE", "fine"),
            ("table.exec.state.ttl", "0 ms", "fine"),
            (
                "state.backend.type",
                "rocksdb",
                "setting state.backend.type has no effect: state is kept in memory and in the job's folder",
            ),
            (
                "table.exec.state.ttl",
                "1 h",
                "config.unsupported: setting \"table.exec.state.ttl\" cannot be \"1 h\": dropping state after a time is not there yet, and changes results; leave it out, or set it to '0'",
            ),
            (
                "execution.runtime-mode",
                "batsh",
                "config.invalid: setting \"execution.runtime-mode\" is \"batsh\"; did you mean \"batch\"?",
            ),
            (
                "execution.checkpointing.interval",
                "often",
                "config.invalid: setting \"execution.checkpointing.interval\" is \"often\", which is not a span of time such as 10 s, 200 ms or 1 min; write a span of time such as 10 s, 200 ms or 1 min",
            ),
            (
                "table.local-time-zone",
                "Mars",
                "config.invalid: setting \"table.local-time-zone\" is \"Mars\", which is not a time zone; write a name such as Europe/Berlin, or UTC",
            ),
            (
                "pipeline.nmae",
                "x",
                "config.unknown: no setting named \"pipeline.nmae\"; did you mean \"pipeline.name\"?",
            ),
            ("zebra", "x", "config.unknown: no setting named \"zebra\"; write SHOW CONFIG to list all settings"),
        ] {
            assert_eq!(say(name, value), expected);
        }
        assert_eq!(config.runtime_mode(), RuntimeMode::Batch);
        assert_eq!(config.checkpoint_interval(), Some(Duration::from_secs(5)));
        assert_eq!(config.time_zone(), Tz::Asia__Shanghai);
        assert_eq!(config.result_mode(), ResultMode::Table);
        config.reset(Some("execution.runtime-mode")).unwrap();
        assert_eq!(config.runtime_mode(), RuntimeMode::Streaming);
        assert!(config.listing().iter().any(|l| l.key == "state.backend.type" && l.is_set));
        config.reset(None).unwrap();
        assert_eq!(config.assignments(), []);
        assert_eq!(config.parallelism(), None);
    }

    #[test]
    fn zones_have_names_or_offsets() {
        for (text, zone_name) in
            [("UTC", "UTC"), ("GMT+8", "Etc/GMT-8"), ("UTC-03:00", "Etc/GMT+3"), ("+0100", "Etc/GMT-1")]
        {
            assert_eq!(zone(text).unwrap().name(), zone_name);
        }
        assert_eq!(zone("GMT+5:30"), None);
    }
}
