//! Options of `datagen`, and what they mean for each column.

use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default("rows-per-second", OptionKind::Int, "10000", "rate at which rows come"),
    OptionSpec::optional(
        "number-of-rows",
        OptionKind::Int,
        "end after so many rows; without it the source does not end",
    ),
    OptionSpec::with_default("seed", OptionKind::Int, "42", "other seeds give other rows"),
    OptionSpec::optional(
        "start-time",
        OptionKind::Text,
        "times count from this one (yyyy-MM-dd HH:mm:ss) by rows-per-second instead of following the clock",
    ),
    OptionSpec::with_default("fields.#.kind", OptionKind::OneOf(&["random", "sequence"]), "random", "how values come"),
    OptionSpec::optional("fields.#.min", OptionKind::Number, "least random value"),
    OptionSpec::optional("fields.#.max", OptionKind::Number, "greatest random value"),
    OptionSpec::optional("fields.#.max-past", OptionKind::Duration, "random times lie at most so far in the past"),
    OptionSpec::optional("fields.#.length", OptionKind::Int, "length of random texts, bytes and collections"),
    OptionSpec::optional("fields.#.var-len", OptionKind::Bool, "whether lengths vary from 1 to the length"),
    OptionSpec::optional("fields.#.null-rate", OptionKind::Number, "share of NULLs, 0 to 1"),
    OptionSpec::optional("fields.#.start", OptionKind::Int, "first value of a sequence"),
    OptionSpec::optional("fields.#.end", OptionKind::Int, "last value of a sequence; the source ends with it"),
];

/// What a table's options say.
#[derive(Debug, Clone)]
pub(super) struct DatagenOptions {
    pub(super) rows_per_second: u64,
    pub(super) number_of_rows: Option<u64>,
    pub(super) seed: u64,
    /// Milliseconds that the first row's times count from.
    pub(super) start_ms: Option<i64>,
}

impl DatagenOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        let positive = |name: &str, least: i64| match options.int(name)? {
            Some(n) if n < least => Err(Error::invalid("option.invalid", format!("option \"{name}\" is {n}"))
                .hint(format!("write a number of at least {least}"))),
            n => Ok(n.map(i64::unsigned_abs)),
        };
        let start_ms = options.get("start-time").map(|text| {
            chrono::NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S%.f")
                .map(|t| t.and_utc().timestamp_millis())
                .map_err(|_| {
                    Error::invalid("option.invalid", format!("option \"start-time\" is \"{text}\", which is no time"))
                        .hint("write it as 2024-01-31 23:59:59")
                })
        });
        Ok(Self {
            rows_per_second: positive("rows-per-second", 1)?.unwrap_or(10_000),
            number_of_rows: positive("number-of-rows", 0)?,
            seed: options.int("seed")?.unwrap_or(42) as u64,
            start_ms: start_ms.transpose()?,
        })
    }
}

/// The options `fields.<path>.*` of one column, element or nested field.
#[derive(Debug, Clone, Default)]
pub(super) struct FieldOptions {
    pub(super) sequence: Option<(i64, i64)>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    /// The texts of `min` and `max` as whole numbers: a double cannot hold every BIGINT.
    pub(super) min_int: Option<i64>,
    pub(super) max_int: Option<i64>,
    pub(super) max_past_ms: u64,
    pub(super) length: Option<u64>,
    pub(super) varies: bool,
    pub(super) null_rate: f64,
}

impl FieldOptions {
    pub(super) fn parse(path: &str, options: &Options) -> Result<Self> {
        let mut own = options.with_prefix(&format!("fields.{path}."));
        // Names that hold a point belong to nested fields.
        let nested: Vec<String> = own.iter().map(|(k, _)| k).filter(|k| k.contains('.')).map(str::to_string).collect();
        nested.iter().for_each(|name| drop(own.remove(name)));
        let at = |e: Error| e.at("field", path);
        let text_int = |name: &str| own.get(name).and_then(|t| t.trim().parse().ok());
        let sequence = if own.get("kind").is_some_and(|k| k.eq_ignore_ascii_case("sequence")) {
            let bound = |name: &str| -> Result<i64> {
                own.int(name).map_err(at)?.ok_or_else(|| {
                    Error::invalid("option.missing", format!("option \"fields.{path}.{name}\" is missing"))
                        .hint("a sequence needs both start and end")
                })
            };
            let (start, end) = (bound("start")?, bound("end")?);
            if start > end {
                return Err(Error::invalid(
                    "option.invalid",
                    format!("the sequence of \"{path}\" ends before it starts"),
                )
                .hint("set start to at most end"));
            }
            Some((start, end))
        } else {
            if let Some(name) = ["start", "end"].into_iter().find(|n| own.get(n).is_some()) {
                return Err(Error::invalid(
                    "option.invalid",
                    format!("option \"fields.{path}.{name}\" needs a sequence"),
                )
                .hint(format!("add 'fields.{path}.kind' = 'sequence'")));
            }
            None
        };
        let null_rate = own.number("null-rate").map_err(at)?.unwrap_or(0.0);
        let (min, max) = (own.number("min").map_err(at)?, own.number("max").map_err(at)?);
        if !(0.0..=1.0).contains(&null_rate) || min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(Error::invalid("option.invalid", format!("options of field \"{path}\" contradict each other"))
                .hint("keep null-rate within 0 and 1, and min at most max"));
        }
        let length = match own.int("length").map_err(at)? {
            Some(n) if !(0..=16 << 20).contains(&n) => {
                return Err(Error::invalid("option.invalid", format!("option \"fields.{path}.length\" is {n}"))
                    .hint("write a length from 0 to 16777216"));
            }
            n => n.map(i64::unsigned_abs),
        };
        Ok(Self {
            sequence,
            min,
            max,
            min_int: text_int("min"),
            max_int: text_int("max"),
            max_past_ms: own.duration("max-past").map_err(at)?.map_or(0, |d| d.as_millis() as u64),
            length,
            varies: own.bool("var-len").map_err(at)?.unwrap_or(false),
            null_rate,
        })
    }
}
