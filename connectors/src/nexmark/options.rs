//! Options of `nexmark`, under the names of the public benchmark's own connector.

use freshet_types::{Error, OptionKind, OptionSpec, Options, Result};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::with_default("events.num", OptionKind::Int, "0", "number of events; 0 does not end"),
    OptionSpec::with_default("first-event.rate", OptionKind::Int, "10000", "events per second of event time"),
    OptionSpec::with_default("next-event.rate", OptionKind::Int, "10000", "the same as first-event.rate"),
    OptionSpec::with_default(
        "rate.limited",
        OptionKind::Bool,
        "false",
        "whether events come no faster than their times",
    ),
    OptionSpec::with_default("person.proportion", OptionKind::Int, "1", "people among the sum of the proportions"),
    OptionSpec::with_default("auction.proportion", OptionKind::Int, "3", "auctions among the sum of the proportions"),
    OptionSpec::with_default("bid.proportion", OptionKind::Int, "46", "bids among the sum of the proportions"),
    OptionSpec::with_default("person.avg-size", OptionKind::Size, "200b", "average size of a person"),
    OptionSpec::with_default("auction.avg-size", OptionKind::Size, "500b", "average size of an auction"),
    OptionSpec::with_default("bid.avg-size", OptionKind::Size, "100b", "average size of a bid"),
    OptionSpec::with_default(
        "bid.hot-ratio.auctions",
        OptionKind::Int,
        "2",
        "one of so many bids is not on a hot auction",
    ),
    OptionSpec::with_default(
        "bid.hot-ratio.bidders",
        OptionKind::Int,
        "4",
        "one of so many bids is not by a hot bidder",
    ),
    OptionSpec::with_default(
        "auction.hot-ratio.sellers",
        OptionKind::Int,
        "4",
        "one of so many auctions has no hot seller",
    ),
    OptionSpec::with_default("seed", OptionKind::Int, "42", "other seeds give other events"),
    OptionSpec::with_default("base-time", OptionKind::Text, "2024-02-28 23:59:55", "event time of the first event"),
    OptionSpec::with_default("splits", OptionKind::Int, "1", "parts that may be read by workers of their own"),
];

/// What a table's options say.
#[derive(Debug, Clone)]
pub(super) struct NexmarkOptions {
    pub(super) event_count: Option<u64>,
    pub(super) rate: u64,
    pub(super) rate_limited: bool,
    pub(super) people: i64,
    pub(super) auctions: i64,
    pub(super) bids: i64,
    pub(super) person_size: i64,
    pub(super) auction_size: i64,
    pub(super) bid_size: i64,
    pub(super) hot_auctions: u64,
    pub(super) hot_bidders: u64,
    pub(super) hot_sellers: u64,
    pub(super) seed: u64,
    pub(super) base_ms: i64,
    pub(super) splits: u64,
}

impl NexmarkOptions {
    pub(super) fn parse(options: &Options) -> Result<Self> {
        let int = |name: &str, default: i64, range: std::ops::RangeInclusive<i64>| match options.int(name)? {
            Some(n) if !range.contains(&n) => Err(Error::invalid(
                "option.invalid",
                format!("option \"{name}\" is {n}"),
            )
            .hint(format!("write a number from {} to {}", range.start(), range.end()))),
            n => Ok(n.unwrap_or(default)),
        };
        let size = |name: &str, default: u64| match options.size(name)? {
            Some(n) if n > 1_000 => Err(Error::invalid("option.invalid", format!("option \"{name}\" is {n} bytes"))
                .hint("write at most 1000 bytes")),
            n => Ok(n.unwrap_or(default) as i64),
        };
        let rate = int("first-event.rate", 10_000, 1..=1_000_000_000)?;
        if int("next-event.rate", rate, 1..=1_000_000_000)? != rate {
            return Err(Error::unsupported("nexmark.rate", "first-event.rate and next-event.rate differ")
                .hint("set both to the same rate"));
        }
        let text = options.get("base-time").unwrap_or("2024-02-28 23:59:55").trim();
        let base_ms = chrono::NaiveDateTime::parse_from_str(&text.replace('T', " "), "%Y-%m-%d %H:%M:%S%.f")
            .map(|t| t.and_utc().timestamp_millis())
            .map_err(|_| {
                Error::invalid("option.invalid", format!("option \"base-time\" is \"{text}\", which is no time"))
                    .hint("write it as 2024-01-31 23:59:59")
            })?;
        let proportion = |name: &str, default: i64| int(name, default, 0..=1_000_000);
        let (people, auctions, bids) = (
            proportion("person.proportion", 1)?,
            proportion("auction.proportion", 3)?,
            proportion("bid.proportion", 46)?,
        );
        if people == 0 || auctions == 0 {
            return Err(Error::invalid("option.invalid", "bids need people and auctions")
                .hint("set person.proportion and auction.proportion to at least 1"));
        }
        Ok(Self {
            event_count: Some(int("events.num", 0, 0..=i64::MAX / 4)?.unsigned_abs()).filter(|n| *n > 0),
            rate: rate.unsigned_abs(),
            rate_limited: options.bool("rate.limited")?.unwrap_or(false),
            people,
            auctions,
            bids,
            person_size: size("person.avg-size", 200)?,
            auction_size: size("auction.avg-size", 500)?,
            bid_size: size("bid.avg-size", 100)?,
            hot_auctions: int("bid.hot-ratio.auctions", 2, 1..=1_000_000)?.unsigned_abs(),
            hot_bidders: int("bid.hot-ratio.bidders", 4, 1..=1_000_000)?.unsigned_abs(),
            hot_sellers: int("auction.hot-ratio.sellers", 4, 1..=1_000_000)?.unsigned_abs(),
            seed: options.int("seed")?.unwrap_or(42) as u64,
            base_ms,
            splits: int("splits", 1, 1..=256)?.unsigned_abs(),
        })
    }
}
