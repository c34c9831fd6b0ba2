//! Options of `filesystem`, under Flink's names.

use crate::storage::STORAGE_OPTIONS;
use freshet_formats::Format;
use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};
use std::sync::LazyLock;
use std::time::Duration;

pub(super) static OPTIONS: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| {
    let mut all = vec![
        OptionSpec::required("path", OptionKind::Text, "file, folder or glob; a bare path, file://, s3:// or hdfs://"),
        OptionSpec::optional(
            "source.monitor-interval",
            OptionKind::Duration,
            "how often to look for new files; the source does not end",
        ),
        OptionSpec::optional(
            "source.path.regex-pattern",
            OptionKind::Text,
            "only files whose full path (or name) matches",
        ),
        OptionSpec::with_default(
            "partition.default-name",
            OptionKind::Text,
            "__DEFAULT_PARTITION__",
            "folder of NULL and empty partition values",
        ),
        OptionSpec::with_default(
            "sink.rolling-policy.file-size",
            OptionKind::Size,
            "128 mb",
            "size at which a new file is begun",
        ),
        OptionSpec::with_default(
            "sink.rolling-policy.rollover-interval",
            OptionKind::Duration,
            "30 min",
            "age at which a new file is begun",
        ),
        OptionSpec::accepted(
            "sink.rolling-policy.check-interval",
            OptionKind::Duration,
            "ages are looked at in each epoch",
        ),
        OptionSpec::accepted(
            "sink.rolling-policy.inactivity-interval",
            OptionKind::Duration,
            "each checkpoint ends every open file",
        ),
        OptionSpec::accepted(
            "source.report-statistics",
            OptionKind::OneOf(&["ALL", "NONE"]),
            "plans do not depend on the sizes of files",
        ),
        OptionSpec::with_default(
            "sink.partition-commit.trigger",
            OptionKind::OneOf(&["process-time", "partition-time"]),
            "process-time",
            "which clock completes a partition",
        ),
        OptionSpec::with_default(
            "sink.partition-commit.delay",
            OptionKind::Duration,
            "0 s",
            "how long a partition waits for late rows",
        ),
        OptionSpec::optional(
            "sink.partition-commit.policy.kind",
            OptionKind::Text,
            "success-file writes a marker when a partition is complete",
        ),
        OptionSpec::with_default(
            "sink.partition-commit.success-file.name",
            OptionKind::Text,
            "_SUCCESS",
            "name of the marker",
        ),
        OptionSpec::with_default(
            "sink.partition-commit.watermark-time-zone",
            OptionKind::Text,
            "UTC",
            "zone in which the watermark is compared with times of partitions, such as Asia/Shanghai",
        ),
        OptionSpec::optional(
            "sink.partition-commit.policy.class",
            OptionKind::Text,
            "refused: Java classes are not loaded",
        ),
        OptionSpec::optional(
            "partition.time-extractor.class",
            OptionKind::Text,
            "refused: Java classes are not loaded",
        ),
        OptionSpec::with_default(
            "partition.time-extractor.kind",
            OptionKind::OneOf(&["default"]),
            "default",
            "how times come from partition values",
        ),
        OptionSpec::optional(
            "partition.time-extractor.timestamp-pattern",
            OptionKind::Text,
            "text of the time with columns as $name, such as $dt $hour:00:00",
        ),
        OptionSpec::with_default(
            "partition.time-extractor.timestamp-formatter",
            OptionKind::OneOf(&["yyyy-MM-dd HH:mm:ss"]),
            "yyyy-MM-dd HH:mm:ss",
            "form of that text",
        ),
        OptionSpec::accepted("sink.shuffle-by-partition.enable", OptionKind::Bool, "each worker writes its own files"),
        OptionSpec::with_default("auto-compaction", OptionKind::Bool, "false", "only false"),
        OptionSpec::accepted("compaction.file-size", OptionKind::Size, "files are not compacted"),
        OptionSpec::accepted("compaction.parallelism", OptionKind::Int, "files are not compacted"),
    ];
    all.extend_from_slice(STORAGE_OPTIONS);
    all
});

/// The format of a table, with the options that are its own.
pub(super) fn format(options: &Options) -> Result<(&'static dyn Format, Options)> {
    let name = options.get("format").ok_or_else(|| {
        Error::invalid("option.missing", "option \"format\" is missing").hint("add 'format' = 'json' or another format")
    })?;
    let format = freshet_formats::find(name)?;
    Ok((format, freshet_formats::split_options(options, "", name)))
}

/// When a partition is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trigger {
    ProcessTime,
    /// With the pattern that gives a partition's time.
    PartitionTime(Option<String>),
}

/// What the sink's options say.
#[derive(Debug, Clone)]
pub(super) struct SinkOptions {
    pub(super) file_bytes_max: u64,
    pub(super) rollover: Duration,
    pub(super) default_name: String,
    /// Name of the marker file, when there shall be one.
    pub(super) success_file: Option<String>,
    pub(super) trigger: Trigger,
    pub(super) delay: Duration,
    /// In which the watermark is compared with times of partitions.
    pub(super) time_zone: chrono_tz::Tz,
}

impl SinkOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        if options.bool("auto-compaction")?.unwrap_or(false) {
            return Err(Error::unsupported("filesystem.compaction", "files are not compacted after they are written")
                .hint("leave auto-compaction out, or write a lake table, which is kept compact"));
        }
        for class in ["sink.partition-commit.policy.class", "partition.time-extractor.class"] {
            if options.get(class).is_some() {
                return Err(Error::unsupported("filesystem.class", format!("\"{class}\" names a Java class"))
                    .hint("leave it out: Java classes are not loaded"));
            }
        }
        let zone = options.get("sink.partition-commit.watermark-time-zone").unwrap_or("UTC");
        let time_zone: chrono_tz::Tz = zone.parse().map_err(|_| {
            Error::invalid("filesystem.time_zone", format!("no time zone named \"{zone}\""))
                .hint("write a name such as UTC or Asia/Shanghai")
        })?;
        let mut success_file = None;
        for kind in options.get("sink.partition-commit.policy.kind").unwrap_or_default().split(',').map(str::trim) {
            match kind {
                "" => {}
                "success-file" => {
                    let name = options.get("sink.partition-commit.success-file.name").unwrap_or("_SUCCESS");
                    if name.is_empty() || name.contains('/') {
                        return Err(Error::invalid("option.invalid", format!("\"{name}\" is no name of a file"))
                            .hint("write a name such as _SUCCESS"));
                    }
                    success_file = Some(name.to_string());
                }
                other => {
                    return Err(Error::unsupported(
                        "filesystem.policy",
                        format!("partitions are not committed by \"{other}\""),
                    )
                    .hint("use success-file"));
                }
            }
        }
        let pattern = options.get("partition.time-extractor.timestamp-pattern").map(str::to_string);
        let trigger = match options.get("sink.partition-commit.trigger").map(str::to_ascii_lowercase).as_deref() {
            Some("partition-time") => Trigger::PartitionTime(pattern),
            _ => Trigger::ProcessTime,
        };
        Ok(Self {
            file_bytes_max: options.size("sink.rolling-policy.file-size")?.unwrap_or(128 << 20).max(1),
            rollover: options.duration("sink.rolling-policy.rollover-interval")?.unwrap_or(Duration::from_secs(1_800)),
            default_name: default_name(options),
            success_file,
            trigger,
            delay: options.duration("sink.partition-commit.delay")?.unwrap_or(Duration::ZERO),
            time_zone,
        })
    }
}

/// Folder name of NULL.
pub(super) fn default_name(options: &Options) -> String {
    options.get("partition.default-name").unwrap_or("__DEFAULT_PARTITION__").to_string()
}
