//! `nexmark` against the conformance suite, and its model against what the benchmark says.

use super::Nexmark;
use crate::testing::{env, table, texts};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use freshet_connector_api::conformance::{SourceCase, check_source};
use freshet_connector_api::{Connector, TableSpec};
use freshet_types::{SqlField, SqlType};

fn row(fields: &[(&str, SqlType)]) -> SqlType {
    SqlType::Row(fields.iter().map(|(name, t)| SqlField::new(*name, t.clone())).collect())
}

fn events(options: &[(&str, &str)]) -> TableSpec {
    use SqlType::{BigInt, Timestamp};
    let text = || SqlType::STRING;
    let person = row(&[
        ("id", BigInt),
        ("name", text()),
        ("emailAddress", text()),
        ("creditCard", text()),
        ("city", text()),
        ("state", text()),
        ("dateTime", Timestamp(3)),
        ("extra", text()),
    ]);
    let auction = row(&[
        ("id", BigInt),
        ("itemName", text()),
        ("description", text()),
        ("initialBid", BigInt),
        ("reserve", BigInt),
        ("dateTime", Timestamp(3)),
        ("expires", Timestamp(3)),
        ("seller", BigInt),
        ("category", BigInt),
        ("extra", text()),
    ]);
    let bid = row(&[
        ("auction", BigInt),
        ("bidder", BigInt),
        ("price", BigInt),
        ("channel", text()),
        ("url", text()),
        ("dateTime", Timestamp(3)),
        ("extra", text()),
    ]);
    table(&[("event_type", SqlType::Int), ("person", person), ("auction", auction), ("bid", bid)], options)
}

fn read(table: &TableSpec, projection: Vec<usize>, rows_max: usize) -> Vec<RecordBatch> {
    let folder = tempfile::tempdir().unwrap();
    let make = || Nexmark.source(table, &env(folder.path()).0).unwrap();
    check_source(&SourceCase { make: &make, schema: table.schema(), projection, rows_max })
}

#[test]
fn events_are_replayed_in_one_split_and_in_several() {
    let one = read(&events(&[("events.num", "2500")]), vec![0, 1, 2, 3], usize::MAX).remove(0);
    assert_eq!(one.num_rows(), 2_500);
    let parts = read(&events(&[("events.num", "2500"), ("splits", "2")]), vec![0, 1, 2, 3], usize::MAX);
    assert_eq!(parts.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1_500, 1_000]);
    assert_eq!(parts[1], one.slice(1_000, 1_000));
    assert_eq!(parts[0].slice(1_000, 500), one.slice(2_000, 500));
}

#[test]
fn columns_may_be_left_out() {
    let all = read(&events(&[("events.num", "200")]), vec![0, 1, 2, 3], usize::MAX).remove(0);
    let bids = read(&events(&[("events.num", "200")]), vec![3, 0], usize::MAX).remove(0);
    assert_eq!(bids.column(0), all.column(3));
    assert_eq!(read(&events(&[("events.num", "200")]), vec![], usize::MAX).remove(0).num_rows(), 200);
}

#[test]
fn without_a_number_events_do_not_end() {
    assert!(read(&events(&[]), vec![0, 3], 5_000)[0].num_rows() >= 5_000);
}

#[test]
fn events_follow_the_model() {
    let rows =
        read(&events(&[("events.num", "10000"), ("first-event.rate", "1000")]), vec![0, 1, 2, 3], usize::MAX).remove(0);
    let counts: Vec<usize> = (1..4).map(|i| 10_000 - rows.column(i).null_count()).collect();
    assert_eq!(counts, [200, 600, 9_200]);
    let bid = rows.column(3).as_struct();
    let [auction, bidder, price] = [0, 1, 2].map(|i| bid.column(i).as_primitive::<Int64Type>());
    let time = bid.column(5).as_primitive::<TimestampMillisecondType>();
    let base = 1_709_164_795_000;
    for i in (0..10_000).filter(|i| bid.is_valid(*i)) {
        assert!((1_000..1_000 + 600 + 10).contains(&auction.value(i)));
        assert!((2_000..2_000 + 200 + 10).contains(&bidder.value(i)));
        assert!((100..=100_000_000).contains(&price.value(i)));
        assert_eq!(time.value(i), base + i as i64);
    }
    let hot = (0..10_000).filter(|i| bid.is_valid(*i) && auction.value(*i) % 100 == 0).count();
    assert!((4_300..5_000).contains(&hot), "{hot}");
}

#[test]
fn the_first_events_stay_what_they_are() {
    // Saved checkpoints count on it: a change of the generator would mix two streams.
    let rows = read(&events(&[("events.num", "5")]), vec![1, 2, 3], usize::MAX).remove(0);
    let hash = crate::draw::fnv(texts(&rows).join("\n").as_bytes());
    assert_eq!(hash, 11_578_969_576_457_059_770, "{}", texts(&rows).join("\n"));
}

#[test]
fn wrong_tables_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = |table: &TableSpec| Nexmark.source(table, &env(folder.path()).0).err().unwrap().to_string();
    assert!(wrong(&table(&[("bids", SqlType::Int)], &[])).contains("did you mean \"bid\"?"));
    assert!(wrong(&table(&[("bid", SqlType::Int)], &[])).contains("is no ROW"));
    assert!(wrong(&table(&[("bid", row(&[("prize", SqlType::BigInt)]))], &[])).contains("did you mean \"price\"?"));
    assert!(wrong(&events(&[("first-event.rate", "1"), ("next-event.rate", "2")])).contains("differ"));
}
