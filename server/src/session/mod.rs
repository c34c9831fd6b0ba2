//! A session: a catalog, settings, and statements that are executed one after the other.

mod again;
mod execute;
mod jobs;
mod listings;
mod script;

use crate::dry_lake::DryFactory;
use crate::lazy_lake::{self, LazyLake};
use crate::{LakeAnswer, LakeQuestion, assemble, dead_letters::DeadLetters};
use arrow::array::AsArray;
use freshet_connector_api::connector::Console;
use freshet_connector_api::{Connector, ConnectorEnv, ConnectorRegistry};
use freshet_sql::catalog::Catalog;
use freshet_sql::catalog::external::ExternalCatalog;
use freshet_sql::config::Config;
use freshet_sql::plan::Planner;
use freshet_types::{Clock, Result, SystemClock};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tables whose columns are completed: each takes a look into its catalog.
const TABLES_COMPLETED: usize = 100;

/// How a session is opened.
pub struct SessionOptions {
    /// Where jobs keep their state and the embedded lake its tables.
    pub data_dir: PathBuf,
    /// Threads that run operators; `parallelism.default`, else one per core, when none.
    pub workers: Option<usize>,
    /// Bytes of state that a job may hold.
    pub memory_limit: Option<u64>,
    /// Name of the job, unless `pipeline.name` is set.
    pub job_name: Option<String>,
    /// Whether a job forgets what it kept and starts over.
    pub from_scratch: bool,
    /// Whether each statement is one of a conversation: an INSERT runs anew each time it is typed.
    pub is_interactive: bool,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Where `print` sinks write.
    pub console: Arc<dyn Console>,
    /// Connectors beside those of the build, for tests.
    pub extra_connectors: Vec<&'static dyn Connector>,
    /// Rows after which an epoch closes, for tests; the engine decides when none.
    pub epoch_rows: Option<usize>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./freshet-data"),
            workers: None,
            memory_limit: None,
            job_name: None,
            from_scratch: false,
            is_interactive: false,
            clock: Arc::new(SystemClock),
            console: Arc::new(assemble::ProcessConsole),
            extra_connectors: Vec::new(),
            epoch_rows: None,
        }
    }
}

/// Executes statements.
pub struct Session {
    options: SessionOptions,
    catalog: Catalog,
    config: Config,
    connectors: ConnectorRegistry,
    env: ConnectorEnv,
    lake: Arc<dyn ExternalCatalog>,
    job_name: String,
    /// Jobs that were started, by name: more than one of a name are numbered.
    job_counts: BTreeMap<String, usize>,
    /// The same as it was when each file was begun: a file that is run once more has the same jobs.
    counts_before: BTreeMap<PathBuf, BTreeMap<String, usize>>,
    /// Whether a job or a query was stopped before its end.
    was_stopped: bool,
    /// Whether statements are only checked: nothing is created outside of this session, nothing runs.
    is_dry: bool,
}

impl Session {
    /// A session whose embedded lake lies below the data folder; nothing is made on disk yet.
    ///
    /// # Errors
    /// None yet; opening a catalog of the configuration may fail later.
    pub fn new(options: SessionOptions) -> Result<Self> {
        Self::open(options, false)
    }

    fn open(options: SessionOptions, is_dry: bool) -> Result<Self> {
        let connectors = ConnectorRegistry::new(
            assemble::connectors().all().iter().copied().chain(options.extra_connectors.iter().copied()),
        );
        let config = Config::new();
        let env = ConnectorEnv {
            state_dir: options.data_dir.clone(),
            clock: Arc::clone(&options.clock),
            console: Arc::clone(&options.console),
            time_zone: config.time_zone().to_string(),
        };
        let lazy = LazyLake::new(options.data_dir.join(lazy_lake::FOLDER), assemble::lake_factory(), env.clone());
        let mut catalog = Catalog::new(connectors.clone(), env.clone());
        let lake: Arc<dyn ExternalCatalog> =
            if is_dry { crate::dry_lake::over(Arc::new(lazy)) } else { Arc::new(lazy) };
        for factory in assemble::catalog_factories() {
            catalog.add_factory(if is_dry { Box::leak(Box::new(DryFactory(factory))) } else { factory });
        }
        catalog.set_lake(lazy_lake::CATALOG, Arc::clone(&lake));
        let job_name = options.job_name.clone().unwrap_or_else(|| "job".into());
        Ok(Self {
            options,
            catalog,
            config,
            connectors,
            env,
            lake,
            job_name,
            job_counts: BTreeMap::new(),
            counts_before: BTreeMap::new(),
            was_stopped: false,
            is_dry,
        })
    }

    /// A session like this one that creates and runs nothing.
    fn dry(&self) -> Result<Self> {
        let options = SessionOptions {
            data_dir: self.options.data_dir.clone(),
            clock: Arc::clone(&self.options.clock),
            extra_connectors: self.options.extra_connectors.clone(),
            ..SessionOptions::default()
        };
        Self::open(options, true)
    }

    /// Names the jobs of `file`, which is run next, unless it sets `pipeline.name`.
    pub fn begin_file(&mut self, file: &Path, name: String) {
        if self.options.job_name.is_none() {
            self.job_name = name;
        }
        let counts = self.counts_before.entry(file.to_path_buf()).or_insert_with(|| self.job_counts.clone());
        self.job_counts = counts.clone();
    }

    /// Whether the observer has stopped something: what stands behind it was not executed.
    pub fn was_stopped(&self) -> bool {
        self.was_stopped
    }

    /// The session's zone, `table.local-time-zone`.
    pub fn time_zone(&self) -> chrono_tz::Tz {
        self.config.time_zone()
    }

    /// Names of tables and views, their columns, and functions, for completion.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.catalog.table_names().unwrap_or_default();
        let columns = |name: &String| {
            let listing = self.describe_table(std::slice::from_ref(name), &|_| true).ok()?;
            Some(listing.column(0).as_string::<i32>().iter().flatten().map(str::to_string).collect::<Vec<_>>())
        };
        let columns: BTreeSet<String> = names.iter().take(TABLES_COMPLETED).filter_map(columns).flatten().collect();
        names.extend(columns);
        names.extend(freshet_sql::functions::list().iter().map(|f| f.name.to_uppercase()));
        names
    }

    fn planner(&self) -> Planner<'_> {
        Planner::new(&self.catalog, &self.config, &self.connectors, &self.env)
    }

    fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(Arc::clone(&self.lake), self.env.clone())
    }

    /// Answers a question about the lake table `name` (one to three parts, joined by dots).
    ///
    /// # Errors
    /// `table.unknown`, `lake.not_a_lake_table`, and what reading the lake may bring.
    pub fn ask_lake(&self, question: LakeQuestion, name: &str) -> Result<LakeAnswer> {
        let parts: Vec<String> = name.split('.').map(|p| p.trim_matches('`').to_string()).collect();
        crate::lake_questions::answer(&self.catalog, &question, &parts)
    }
}
