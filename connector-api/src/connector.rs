//! The static part of a connector, and the registry in which the front end finds it.

use crate::{Sink, Source, TableSpec};
use freshet_types::{Clock, Error, OptionSpec, Result, SqlType, suggest};
use std::path::PathBuf;
use std::sync::Arc;

/// What a connector may use of the process it runs in.
#[derive(Clone)]
pub struct ConnectorEnv {
    /// Folder in which the job keeps what must survive a restart; each connector stays below `<state_dir>/<its name>`.
    pub state_dir: PathBuf,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Where the rows that a `print` sink writes go; standard output unless a test or a shell takes them.
    pub console: Arc<dyn Console>,
    /// Zone of the session, for formats that write instants as local text.
    pub time_zone: String,
}

/// Takes lines that a sink shows to a person.
pub trait Console: Send + Sync {
    /// Writes whole lines, each ended by a newline.
    fn write(&self, lines: &str);
    /// Writes whole lines to standard error instead, where the console has one.
    fn write_error(&self, lines: &str) {
        self.write(lines);
    }
}

/// A metadata column that a connector offers.
#[derive(Debug, Clone)]
pub struct MetadataColumn {
    /// Key, such as `offset`.
    pub key: &'static str,
    /// Type of its values.
    pub sql_type: SqlType,
    /// Whether it can be read only.
    pub read_only: bool,
    /// One sentence for the manual.
    pub doc: &'static str,
}

/// A kind of outside system.
pub trait Connector: Send + Sync {
    /// Name as it stands in `'connector' = '...'`.
    fn name(&self) -> &'static str;

    /// One sentence for the manual.
    fn doc(&self) -> &'static str;

    /// Options besides `connector`, `format` and those of the formats, which `crate::connector::check_options` adds.
    fn options(&self) -> &'static [OptionSpec];

    /// Whether the table has a `format` option, and which prefixes (`key.`, `value.`) it may carry.
    fn format_prefixes(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether readers of a table without a format give only the wanted fields of a ROW ([`TableSpec::read_schema`]); where
    /// there is a format, it decides.
    fn gives_wanted_fields(&self) -> bool {
        false
    }

    /// Metadata columns that a table of this connector may declare.
    fn metadata(&self) -> Vec<MetadataColumn> {
        Vec::new()
    }

    /// Mends old spellings before options are checked; each returned line is shown to the user as a notice.
    fn upgrade_options(&self, _options: &mut freshet_types::Options) -> Vec<String> {
        Vec::new()
    }

    /// A source that reads `table`.
    fn source(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Source>> {
        Err(Error::unsupported("connector.no_source", format!("connector \"{}\" cannot be read from", self.name()))
            .at("table", &table.name)
            .hint("use it as the target of an INSERT"))
    }

    /// A sink that writes `table`.
    fn sink(&self, table: &TableSpec, _env: &ConnectorEnv) -> Result<Arc<dyn Sink>> {
        Err(Error::unsupported("connector.no_sink", format!("connector \"{}\" cannot be written to", self.name()))
            .at("table", &table.name)
            .hint("use it as a source"))
    }
}

/// Every connector that a build knows, handed to the front end.
#[derive(Clone)]
pub struct ConnectorRegistry(Vec<&'static dyn Connector>);

impl ConnectorRegistry {
    /// A registry of `connectors`.
    pub fn new(connectors: impl IntoIterator<Item = &'static dyn Connector>) -> Self {
        Self(connectors.into_iter().collect())
    }

    /// All connectors, in the order of the manual.
    pub fn all(&self) -> &[&'static dyn Connector] {
        &self.0
    }

    /// The connector named `name`.
    ///
    /// # Errors
    /// `connector.unknown` with the nearest name.
    pub fn find(&self, name: &str) -> Result<&'static dyn Connector> {
        self.0.iter().find(|c| c.name() == name).copied().ok_or_else(|| {
            Error::invalid("connector.unknown", format!("no connector named \"{name}\"")).hint(suggest::hint(
                name,
                "connectors",
                self.0.iter().map(|c| c.name()),
            ))
        })
    }
}

/// Refuses options that neither `connector` nor the formats that the table names know.
///
/// # Errors
/// `option.unknown`, `option.missing`, `option.invalid`, `format.unknown`.
pub fn check_options(connector: &dyn Connector, table: &TableSpec) -> Result<()> {
    let Known { specs, formats } = Known::of(connector, table)?;
    let mut rest = table.options.clone();
    for (name, spec) in &formats {
        if let Some(text) = rest.remove(name) {
            spec.kind.check(name, &text).map_err(|e| e.at("table", &table.name))?;
        }
    }
    let known = |e: Error| match e.code() {
        "option.unknown" => {
            let typed = rest.iter().map(|(k, _)| k).find(|k| !specs.iter().any(|s| s.matches(k))).unwrap_or_default();
            let all = specs.iter().map(|s| s.name).chain(formats.iter().map(|(name, _)| name.as_str()));
            Error::invalid("option.unknown", e.text()).hint(suggest::hint(typed, "options", all))
        }
        _ => e,
    };
    rest.check(&specs).map_err(|e| known(e).at("table", &table.name))
}

/// A line for each option of the table that may be given but changes nothing.
///
/// # Errors
/// `format.unknown`.
pub fn option_notices(connector: &dyn Connector, table: &TableSpec) -> Result<Vec<String>> {
    let Known { specs, formats } = Known::of(connector, table)?;
    let formats = formats.iter().map(|(name, spec)| (name.as_str(), spec));
    let all: Vec<(&str, &OptionSpec)> = specs.iter().map(|spec| (spec.name, spec)).chain(formats).collect();
    let notice = |name: &str| {
        let (_, spec) = all.iter().find(|(known, spec)| *known == name && spec.without_effect)?;
        Some(format!("option '{name}' has no effect: {}", spec.doc))
    };
    Ok(table.options.iter().filter_map(|(name, _)| notice(name)).collect())
}

/// The options that a table may have.
struct Known {
    specs: Vec<OptionSpec>,
    /// Those of its formats, whose names are made here.
    formats: Vec<(String, OptionSpec)>,
}

impl Known {
    fn of(connector: &dyn Connector, table: &TableSpec) -> Result<Self> {
        use freshet_types::OptionKind::{Duration, Int, OneOf, Text};
        let mut specs: Vec<OptionSpec> = vec![OptionSpec::required("connector", Text, "name of the connector")];
        specs.extend_from_slice(connector.options());
        specs.extend([
            OptionSpec::optional(
                "scan.watermark.idle-timeout",
                Duration,
                "after which a silent split no longer holds the watermark back",
            ),
            OptionSpec::accepted(
                "scan.watermark.emit.strategy",
                OneOf(&["on-periodic", "on-event"]),
                "watermarks advance with each epoch",
            ),
            OptionSpec::accepted("scan.watermark.alignment.group", Text, "sources are not held back for each other"),
            OptionSpec::accepted(
                "scan.watermark.alignment.max-drift",
                Duration,
                "sources are not held back for each other",
            ),
            OptionSpec::accepted(
                "scan.watermark.alignment.update-interval",
                Duration,
                "sources are not held back for each other",
            ),
            OptionSpec::accepted("scan.parallelism", Int, "--workers decides"),
            OptionSpec::accepted("sink.parallelism", Int, "--workers decides"),
            OptionSpec::with_default(
                "errors",
                OneOf(&["dead-letter", "fail"]),
                "dead-letter",
                "what becomes of records that cannot be decoded",
            ),
        ]);
        let mut formats = Vec::new();
        for prefix in connector.format_prefixes() {
            let name = format!("{prefix}format");
            if let Some(format) = table.options.get(&name) {
                let format =
                    freshet_formats::find(format).map_err(|e| e.at("option", &name).at("table", &table.name))?;
                let named = |option: &OptionSpec| (format!("{prefix}{}.{}", format.name(), option.name), *option);
                formats.extend(format.options().iter().map(named));
            }
            formats.push((name, OptionSpec::optional("", Text, "name of the format")));
        }
        Ok(Self { specs, formats })
    }
}
