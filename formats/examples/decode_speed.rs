//! Prints how fast JSON records become columns, beside `arrow-json`, and how fast rows become records and files.
//!
//! `cargo xtask bench decode`

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use freshet_formats::find;
use freshet_types::{Options, SqlField, SqlType};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROWS: usize = 500_000;
const BATCH: usize = 8_192;

fn bid_fields() -> Vec<SqlField> {
    vec![
        SqlField::new("auction", SqlType::BigInt),
        SqlField::new("bidder", SqlType::BigInt),
        SqlField::new("price", SqlType::BigInt),
        SqlField::new("channel", SqlType::STRING),
        SqlField::new("url", SqlType::STRING),
        SqlField::new("dateTime", SqlType::BigInt),
        SqlField::new("extra", SqlType::STRING),
    ]
}

fn arrow_schema(fields: &[SqlField]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(SqlField::to_arrow).collect::<Vec<_>>()))
}

/// Bids of about 190 bytes; `time` writes the time of a row.
fn bids(time: impl Fn(u64) -> String) -> Vec<String> {
    let mut state = 42_u64;
    let mut roll = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..ROWS as u64)
        .map(|i| {
            let (auction, bidder, price) = (1_000 + roll() % 100_000, 1_000 + roll() % 50_000, roll() % 10_000_000);
            let channel = ["Google", "Facebook", "Baidu", "Apple"][roll() as usize % 4];
            let mut extra = String::new();
            for _ in 0..3 + roll() % 3 {
                write!(extra, "{:x}", roll()).expect("a String takes every text");
            }
            format!(
                "{{\"auction\":{auction},\"bidder\":{bidder},\"price\":{price},\"channel\":\"{channel}\",\
                 \"url\":\"https://www.nexmark.com/{:x}/item.htm?query=1&channel_id={}\",\"dateTime\":{},\"extra\":\"{extra}\"}}",
                roll(),
                roll() % 10_000,
                time(i)
            )
        })
        .collect()
}

fn best(mut work: impl FnMut()) -> Duration {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .expect("there are five rounds")
}

#[expect(clippy::print_stdout, reason = "this is what the example is for")]
fn show(what: &str, bytes: usize, rows: usize, took: Duration) {
    let seconds = took.as_secs_f64();
    println!("{what:<44} {:>7.0} MB/s {:>6.2} Mrec/s", bytes as f64 / seconds / 1e6, rows as f64 / seconds / 1e6);
}

fn ours(what: &str, format: &str, schema: &SchemaRef, full: &SchemaRef, records: &[Vec<u8>]) -> Vec<RecordBatch> {
    let bytes = records.iter().map(Vec::len).sum();
    let mut decoder =
        find(format).and_then(|f| f.decoder(schema, full, &Options::default())).expect("the schema is decodable");
    let mut batches = Vec::new();
    let took = best(|| {
        batches.clear();
        for chunk in records.chunks(BATCH) {
            for record in chunk {
                decoder.push(record).expect("the records are good");
            }
            batches.push(decoder.finish().expect("rows become a batch"));
        }
    });
    show(what, bytes, records.len(), took);
    batches
}

fn theirs(what: &str, schema: &SchemaRef, records: &[Vec<u8>]) {
    let bytes = records.iter().map(Vec::len).sum();
    let took = best(|| {
        let mut decoder = arrow::json::ReaderBuilder::new(SchemaRef::clone(schema))
            .with_batch_size(BATCH)
            .build_decoder()
            .expect("the schema is decodable");
        for chunk in records.chunks(BATCH) {
            for record in chunk {
                decoder.decode(record).expect("the records are good");
                decoder.decode(b"\n").expect("a line break is good");
            }
            decoder.flush().expect("rows become a batch");
        }
    });
    show(what, bytes, records.len(), took);
}

fn main() {
    let fields = bid_fields();
    let schema = arrow_schema(&fields);
    let to_bytes = |records: Vec<String>| records.into_iter().map(String::into_bytes).collect::<Vec<_>>();
    let flat = to_bytes(bids(|i| (1_700_000_000_000 + i).to_string()));
    theirs("arrow-json, bids, 7 columns", &schema, &flat);
    let batches = ours("json, bids, 7 columns", "json", &schema, &schema, &flat);
    let two = Arc::new(schema.project(&[0, 2]).expect("the columns are there"));
    theirs("arrow-json, bids, 2 of 7 columns", &two, &flat);
    ours("json, bids, 2 of 7 columns", "json", &two, &schema, &flat);

    let mut timed = fields.clone();
    timed[5] = SqlField::new("dateTime", SqlType::Timestamp(3));
    let timed = arrow_schema(&timed);
    let stamp = |i: u64| {
        format!(
            "\"2024-02-28 {:02}:{:02}:{:02}.{:03}\"",
            i / 3_600_000 % 24,
            i / 60_000 % 60,
            i / 1_000 % 60,
            i % 1_000
        )
    };
    let stamped = bids(stamp);
    let records = to_bytes(stamped.clone());
    theirs("arrow-json, bids with TIMESTAMP(3)", &timed, &records);
    ours("json, bids with TIMESTAMP(3)", "json", &timed, &timed, &records);

    let row = |schema: &SchemaRef| DataType::Struct(schema.fields().clone());
    let events: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("event_type", DataType::Int32, true),
        Field::new("person", row(&schema), true),
        Field::new("auction", row(&timed), true),
        Field::new("bid", row(&timed), true),
    ]));
    let nested = |i: usize, bid: &String| {
        let (kind, name) =
            [(0, "person"), (1, "auction"), (2, "bid")][if i.is_multiple_of(16) { i / 16 % 2 } else { 2 }];
        let bid = if kind == 0 { "{\"auction\":1,\"extra\":\"x\"}" } else { bid };
        format!("{{\"event_type\":{kind},\"{name}\":{bid}}}").into_bytes()
    };
    let records: Vec<_> = stamped.iter().enumerate().map(|(i, bid)| nested(i, bid)).collect();
    theirs("arrow-json, events of three ROWs", &events, &records);
    ours("json, events of three ROWs", "json", &events, &events, &records);

    for format in ["json", "csv"] {
        let mut encoder =
            find(format).and_then(|f| f.encoder(&schema, &Options::default())).expect("the schema is writable");
        let mut records = Vec::new();
        let took = best(|| {
            records.clear();
            for batch in &batches {
                for row in 0..batch.num_rows() {
                    let mut record = Vec::with_capacity(256);
                    encoder.append(batch, row, &mut record).expect("rows become records");
                    records.push(record);
                }
            }
        });
        show(&format!("to {format}, bids"), records.iter().map(Vec::len).sum(), ROWS, took);
        if format == "csv" {
            ours("csv, bids, 7 columns", "csv", &schema, &schema, &records);
        }
    }
    for format in ["parquet", "avro"] {
        let mut size = 0;
        let took = best(|| {
            let mut writer =
                find(format).and_then(|f| f.create(&schema, &Options::default())).expect("the schema is writable");
            size = 0;
            for batch in &batches {
                writer.write(batch).expect("rows become a file");
                size += writer.take().len();
            }
            size += writer.finish().expect("a file ends").len();
        });
        show(&format!("to {format}, bids ({} bytes a row)", size / ROWS), size, ROWS, took);
    }
}
