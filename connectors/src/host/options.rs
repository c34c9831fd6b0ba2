//! Options of `host`.

use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default("interval", OptionKind::Duration, "1 s", "time between samples"),
    OptionSpec::optional(
        "number-of-samples",
        OptionKind::Int,
        "end after so many samples; without it the source does not end",
    ),
    OptionSpec::with_default("process.limit", OptionKind::Int, "10", "how many of the busiest processes are shown"),
];

/// What a table's options say.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostOptions {
    pub(super) interval_ms: i64,
    pub(super) sample_count: Option<u64>,
    pub(super) process_limit: usize,
}

impl HostOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        let not_negative = |name: &str| match options.int(name)? {
            Some(n) if n < 0 => Err(Error::invalid("option.invalid", format!("option \"{name}\" is {n}"))
                .hint("write a number of at least 0")),
            n => Ok(n.map(i64::unsigned_abs)),
        };
        let interval =
            options.duration("interval")?.map_or(1_000, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        if interval < 10 {
            return Err(Error::invalid("option.invalid", "option \"interval\" is below 10 ms")
                .hint("write at least 10 ms; figures of processors change about every 200 ms"));
        }
        Ok(Self {
            interval_ms: interval,
            sample_count: not_negative("number-of-samples")?,
            process_limit: not_negative("process.limit")?.unwrap_or(10).min(100_000) as usize,
        })
    }
}
