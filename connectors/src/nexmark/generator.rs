//! The events of the benchmark: each a pure function of the seed and its number.
//!
//! People, auctions and bids come in the proportion 1 : 3 : 46. Ids grow with the events; bids prefer hot auctions and
//! hot bidders, auctions hot sellers. Fields are made column by column, and only those that are asked for.
//!
//! Source: Tucker, Tufte, Papadimos, Maier, "NEXMark", 2002, and the public Nexmark generator for Flink.

use super::options::NexmarkOptions;
use super::text::{CHANNEL_COUNT, CITIES, FIRST_NAMES, LAST_NAMES, POOL, STATES, Texts};
use crate::draw::Draw;
use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use freshet_types::{Error, Result, suggest};
use std::ops::Range;
use std::sync::Arc;

const FIRST_ID: i64 = 1_000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORY_COUNT: u64 = 5;
/// The hot seller, auction or bidder is one of each batch of so many.
const HOT_BATCH: i64 = 100;
const AUCTIONS_IN_FLIGHT: i64 = 100;
const ACTIVE_PEOPLE: i64 = 1_000;
/// Ids that are used before they exist.
const ID_LEAD: i64 = 10;
const CARD_FIELD: u64 = 7;

/// Makes columns of events.
#[derive(Debug)]
pub(super) struct Generator {
    options: NexmarkOptions,
    draw: Draw,
    texts: Arc<Texts>,
    total: i64,
}

/// Which of the three tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Person,
    Auction,
    Bid,
}

/// Strings that are being made.
struct StringColumn {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
}

impl StringColumn {
    fn new(rows: usize, each: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { bytes: Vec::with_capacity(rows * each), offsets }
    }

    fn end(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
    }

    fn finish(self) -> Result<ArrayRef> {
        Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(self.offsets.into()), self.bytes.into(), None)?))
    }
}

impl Generator {
    pub(super) fn new(options: &NexmarkOptions) -> Self {
        Self {
            draw: Draw::new(options.seed),
            texts: Texts::of(options.seed),
            total: options.people + options.auctions + options.bids,
            options: options.clone(),
        }
    }

    /// The columns `fields` of the events `events`.
    pub(super) fn make(&self, fields: &[FieldRef], events: Range<u64>) -> Result<Vec<ArrayRef>> {
        let kinds: Vec<Kind> = events.clone().map(|n| self.kind(n as i64)).collect();
        fields.iter().map(|f| self.column(f, events.clone(), &kinds)).collect()
    }

    fn kind(&self, n: i64) -> Kind {
        match n % self.total {
            o if o < self.options.people => Kind::Person,
            o if o < self.options.people + self.options.auctions => Kind::Auction,
            _ => Kind::Bid,
        }
    }

    fn column(&self, field: &Field, events: Range<u64>, kinds: &[Kind]) -> Result<ArrayRef> {
        let (kind, known): (Kind, &[&str]) = match field.name().as_str() {
            "event_type" => {
                let codes: Int32Array = kinds.iter().map(|kind| Some(*kind as i32)).collect();
                return Ok(arrow::compute::cast(&codes, field.data_type())?);
            }
            "person" => {
                (Kind::Person, &["id", "name", "emailAddress", "creditCard", "city", "state", "dateTime", "extra"])
            }
            "auction" => (
                Kind::Auction,
                &[
                    "id",
                    "itemName",
                    "description",
                    "initialBid",
                    "reserve",
                    "dateTime",
                    "expires",
                    "seller",
                    "category",
                    "extra",
                ],
            ),
            "bid" => (Kind::Bid, &["auction", "bidder", "price", "channel", "url", "dateTime", "extra"]),
            name => return Err(unknown_column(name, &["event_type", "person", "auction", "bid"])),
        };
        let DataType::Struct(parts) = field.data_type() else {
            return Err(Error::invalid("nexmark.column", format!("column \"{}\" is no ROW", field.name()))
                .hint(format!("declare it as ROW<{}>", known.join(", "))));
        };
        let numbers: Vec<i64> = events.zip(kinds).filter(|(_, k)| **k == kind).map(|(n, _)| n as i64).collect();
        let mut made = Vec::with_capacity(parts.len());
        for part in parts {
            if !known.contains(&part.name().as_str()) {
                return Err(unknown_column(part.name(), known).at("column", field.name()));
            }
            let dense = match kind {
                Kind::Person => self.person(part.name(), &numbers)?,
                Kind::Auction => self.auction(part.name(), &numbers)?,
                Kind::Bid => self.bid(part.name(), &numbers)?,
            };
            let dense = if dense.data_type() == part.data_type() {
                dense
            } else {
                arrow::compute::cast(&dense, part.data_type())?
            };
            made.push(spread(&dense, kinds, kind));
        }
        let valid: NullBuffer = kinds.iter().map(|k| *k == kind).collect();
        if parts.iter().any(|p| !p.is_nullable()) && valid.null_count() > 0 {
            return Err(Error::invalid(
                "nexmark.column",
                format!("fields of \"{}\" are declared NOT NULL", field.name()),
            )
            .hint("leave NOT NULL out: only one of the three rows is there in each event"));
        }
        Ok(Arc::new(StructArray::try_new_with_length(parts.clone(), made, Some(valid), kinds.len())?))
    }

    fn person(&self, field: &str, numbers: &[i64]) -> Result<ArrayRef> {
        let draw = self.draw;
        match field {
            "id" => Ok(ints(numbers, |n| self.last_person(n) + FIRST_ID)),
            "name" => strings(numbers, 12, |n, out| {
                out.extend_from_slice(FIRST_NAMES[draw.below(n, 1, 11) as usize].as_bytes());
                out.push(b' ');
                out.extend_from_slice(LAST_NAMES[draw.below(n, 2, 9) as usize].as_bytes());
            }),
            "emailAddress" => strings(numbers, 16, |n, out| {
                out.extend_from_slice(self.words(n, 3, 7));
                out.push(b'@');
                out.extend_from_slice(self.words(n, 5, 5));
                out.extend_from_slice(b".com");
            }),
            "creditCard" => strings(numbers, 19, |n, out| {
                for part in 0..4 {
                    if part > 0 {
                        out.push(b' ');
                    }
                    let digits = draw.below(n, CARD_FIELD + part, 10_000);
                    out.extend([1_000, 100, 10, 1].map(|unit| b'0' + (digits / unit % 10) as u8));
                }
            }),
            "city" => {
                strings(numbers, 10, |n, out| out.extend_from_slice(CITIES[draw.below(n, 11, 10) as usize].as_bytes()))
            }
            "state" => {
                strings(numbers, 2, |n, out| out.extend_from_slice(STATES[draw.below(n, 12, 6) as usize].as_bytes()))
            }
            "dateTime" => Ok(times(numbers, |n| self.time_ms(n as i64))),
            _ => strings(numbers, self.options.person_size as usize, |n, out| {
                let name = FIRST_NAMES[draw.below(n, 1, 11) as usize].len()
                    + 1
                    + LAST_NAMES[draw.below(n, 2, 9) as usize].len();
                let email = self.words(n, 3, 7).len() + self.words(n, 5, 5).len() + 5;
                let place = CITIES[draw.below(n, 11, 10) as usize].len() + STATES[draw.below(n, 12, 6) as usize].len();
                self.extra(n, 13, (8 + name + email + 19 + place) as i64, self.options.person_size, out);
            }),
        }
    }

    fn auction(&self, field: &str, numbers: &[i64]) -> Result<ArrayRef> {
        let draw = self.draw;
        match field {
            "id" => Ok(ints(numbers, |n| self.last_auction(n) + FIRST_ID)),
            "itemName" => strings(numbers, 12, |n, out| out.extend_from_slice(self.words(n, 26, 20))),
            "description" => strings(numbers, 52, |n, out| out.extend_from_slice(self.words(n, 28, 100))),
            "initialBid" => Ok(ints(numbers, |n| self.price(n as u64, 24))),
            "reserve" => Ok(ints(numbers, |n| self.price(n as u64, 24) + self.price(n as u64, 30))),
            "dateTime" => Ok(times(numbers, |n| self.time_ms(n as i64))),
            "expires" => Ok(times(numbers, |n| {
                let (number, now) = (n as i64, self.time_ms(n as i64));
                let horizon = self.time_ms(number + AUCTIONS_IN_FLIGHT * self.total / self.options.auctions) - now;
                now + 1 + draw.below(n, 25, (horizon * 2).max(1).unsigned_abs()) as i64
            })),
            "seller" => Ok(ints(numbers, |n| {
                let hot = draw.below(n as u64, 21, self.options.hot_sellers) > 0;
                let seller = if hot { self.last_person(n) / HOT_BATCH * HOT_BATCH } else { self.next_person(n, 22) };
                seller + FIRST_ID
            })),
            "category" => Ok(ints(numbers, |n| FIRST_CATEGORY + draw.below(n as u64, 23, CATEGORY_COUNT) as i64)),
            _ => strings(numbers, self.options.auction_size as usize, |n, out| {
                let texts = self.words(n, 26, 20).len() + self.words(n, 28, 100).len();
                self.extra(n, 31, 48 + texts as i64, self.options.auction_size, out);
            }),
        }
    }

    fn bid(&self, field: &str, numbers: &[i64]) -> Result<ArrayRef> {
        let draw = self.draw;
        match field {
            "auction" => Ok(ints(numbers, |n| {
                let hot = draw.below(n as u64, 41, self.options.hot_auctions) > 0;
                let auction = if hot { self.last_auction(n) / HOT_BATCH * HOT_BATCH } else { self.next_auction(n, 42) };
                auction + FIRST_ID
            })),
            // The public generator adds the first id twice to bidders; queries expect it so.
            "bidder" => Ok(ints(numbers, |n| {
                let hot = draw.below(n as u64, 43, self.options.hot_bidders) > 0;
                let bidder =
                    if hot { self.last_person(n) / HOT_BATCH * HOT_BATCH + 1 } else { self.next_person(n, 44) };
                bidder + 2 * FIRST_ID
            })),
            "price" => Ok(ints(numbers, |n| self.price(n as u64, 48))),
            "channel" => strings(numbers, 10, |n, out| out.extend_from_slice(self.channel(n).0.as_bytes())),
            "url" => strings(numbers, 72, |n, out| out.extend_from_slice(self.channel(n).1.as_bytes())),
            "dateTime" => Ok(times(numbers, |n| self.time_ms(n as i64))),
            _ => strings(numbers, self.options.bid_size as usize, |n, out| {
                self.extra(n, 49, 32, self.options.bid_size, out);
            }),
        }
    }

    fn channel(&self, n: u64) -> &(String, String) {
        let hot = self.draw.below(n, 45, 2) > 0;
        let index = if hot { self.draw.below(n, 46, 4) } else { 4 + self.draw.below(n, 47, CHANNEL_COUNT) };
        &self.texts.channels[index as usize]
    }

    /// Index of the newest person at event `n`.
    fn last_person(&self, n: i64) -> i64 {
        n / self.total * self.options.people + (n % self.total).min(self.options.people - 1)
    }

    /// Index of the newest auction at event `n`; -1 before the first.
    fn last_auction(&self, n: i64) -> i64 {
        let (people, auctions) = (self.options.people, self.options.auctions);
        let (round, offset) = (n / self.total, n % self.total);
        if offset < people {
            return round * auctions - 1;
        }
        round * auctions + (offset - people).min(auctions - 1)
    }

    fn next_person(&self, n: i64, field: u64) -> i64 {
        let count = self.last_person(n) + 1;
        let active = count.min(ACTIVE_PEOPLE);
        count - active + self.draw.below(n as u64, field, (active + ID_LEAD).unsigned_abs()) as i64
    }

    fn next_auction(&self, n: i64, field: u64) -> i64 {
        let newest = self.last_auction(n);
        let oldest = (newest - AUCTIONS_IN_FLIGHT).max(0);
        oldest + self.draw.below(n as u64, field, (newest - oldest + 1 + ID_LEAD).max(1).unsigned_abs()) as i64
    }

    pub(super) fn time_ms(&self, n: i64) -> i64 {
        self.options.base_ms + (n as f64 * (1_000_000.0 / self.options.rate as f64)) as i64 / 1_000
    }

    fn price(&self, n: u64, field: u64) -> i64 {
        (10f64.powf(self.draw.unit(n, field) * 6.0) * 100.0).round_ties_even() as i64
    }

    /// Words of up to `most` characters.
    fn words(&self, n: u64, field: u64, most: u64) -> &[u8] {
        let length = 3 + self.draw.below(n, field, most - 3) as usize;
        let start = self.draw.below(n, field + 1, POOL as u64 - 256) as usize;
        self.texts.words[start..start + length].trim_ascii()
    }

    /// Letters that bring an event of `size` bytes near the average size.
    fn extra(&self, n: u64, field: u64, size: i64, average: i64, out: &mut Vec<u8>) {
        if size > average {
            return;
        }
        let missing = average - size;
        let spread = (missing as f64 * 0.2).round_ties_even() as i64;
        let more = if spread == 0 { 0 } else { self.draw.below(n, field, (2 * spread).unsigned_abs()) as i64 };
        let length = (missing - spread + more) as usize;
        let start = self.draw.below(n, field + 1, POOL as u64 - 2_048) as usize;
        out.extend_from_slice(&self.texts.letters[start..start + length]);
    }
}

fn ints(numbers: &[i64], value: impl Fn(i64) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(numbers.iter().map(|n| value(*n))))
}

fn times(numbers: &[i64], value: impl Fn(u64) -> i64) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from_iter_values(numbers.iter().map(|n| value(*n as u64))))
}

fn strings(numbers: &[i64], each: usize, value: impl Fn(u64, &mut Vec<u8>)) -> Result<ArrayRef> {
    let mut column = StringColumn::new(numbers.len(), each);
    for n in numbers {
        value(*n as u64, &mut column.bytes);
        column.end();
    }
    column.finish()
}

/// The values of one kind of event at their places among all events, default values between them.
fn spread(dense: &ArrayRef, kinds: &[Kind], kind: Kind) -> ArrayRef {
    if dense.len() == kinds.len() {
        return Arc::clone(dense);
    }
    match dense.data_type() {
        DataType::Int64 => {
            let mut values = dense.as_primitive::<arrow::datatypes::Int64Type>().values().iter().copied();
            let all = kinds.iter().map(|k| if *k == kind { values.next().unwrap_or(0) } else { 0 });
            Arc::new(Int64Array::from_iter_values(all))
        }
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            let mut values =
                dense.as_primitive::<arrow::datatypes::TimestampMillisecondType>().values().iter().copied();
            let all = kinds.iter().map(|k| if *k == kind { values.next().unwrap_or(0) } else { 0 });
            Arc::new(TimestampMillisecondArray::from_iter_values(all))
        }
        DataType::Utf8 => {
            let strings = dense.as_string::<i32>();
            let mut ends = strings.value_offsets()[1..].iter().copied();
            let mut offsets = Vec::with_capacity(kinds.len() + 1);
            offsets.push(0);
            let mut end = 0;
            for k in kinds {
                if *k == kind {
                    end = ends.next().unwrap_or(end);
                }
                offsets.push(end);
            }
            // The bytes stay where they are: rows of other kinds are empty.
            Arc::new(StringArray::new(OffsetBuffer::new(offsets.into()), strings.values().clone(), None))
        }
        _ => {
            let mut next = 0;
            let places: UInt32Array = kinds
                .iter()
                .map(|k| {
                    (*k == kind).then(|| {
                        next += 1;
                        next - 1
                    })
                })
                .collect();
            arrow::compute::take(dense, &places, None).expect("places lie within the values")
        }
    }
}

fn unknown_column(name: &str, known: &[&str]) -> Error {
    Error::invalid("nexmark.column", format!("nexmark has no column \"{name}\"")).hint(suggest::hint(
        name,
        "columns",
        known.iter().copied(),
    ))
}
