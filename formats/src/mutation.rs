//! Damaged input: what is flipped, cut or doubled gives good rows or a refusal. It never panics, hangs, eats memory, or
//! changes a neighbour, and which columns are read never decides whether a record is good.
//!
//! Seeded, so that a failure comes again; `FRESHET_FUZZ_ROUNDS` makes it longer.

use crate::adapt::select;
use crate::conformance::{Dice, flat_types, nested_types, sample};
use crate::{Format, avro::Avro, csv::Csv, json::Json, parquet::Parquet, raw::Raw};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, FieldRef, Fields, Schema, SchemaRef};
use freshet_types::{Options, SqlField, SqlType};
use std::io::Cursor;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROWS: usize = 9;
/// A decoder of whole files that needs longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(5);
/// Above what the process had before.
const MEMORY_KIB_MAX: u64 = 256 << 10;

fn rounds(otherwise: u64) -> u64 {
    freshet_types::env::var("FRESHET_FUZZ_ROUNDS").map_or(otherwise, |n| n.parse().expect("a number of rounds"))
}

/// `bytes` with one to three wounds.
fn damage(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    const ODD: &[&[u8]] = &[
        b"\0",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\xFF",
        b"\xC0\xAF",
        b"\xED\xA0\x80",
        b"\\ud800",
        b"1e999",
        b"-",
        b"null",
        b"\x7F",
        b"\x80",
        b"\xFF\xFF\xFF\xFF",
        b"\x7F\xFF\xFF\xFF",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
    ];
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + dice.roll() % 3 {
        let len = bytes.len() as u64;
        if len == 0 {
            break;
        }
        let at = (dice.roll() % len) as usize;
        let end = (at + 1 + (dice.roll() % 16) as usize).min(bytes.len());
        match dice.roll() % 7 {
            0 => bytes[at] ^= 1 << (dice.roll() % 8),
            1 => bytes[at] = dice.roll() as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
            5 => bytes[at..end].reverse(),
            _ => drop(bytes.splice(at..at, dice.one_of(ODD).iter().copied())),
        }
    }
    bytes
}

/// What is read of `schema`: all, nothing, the first column, every other one, those left, in reverse order; and of each ROW
/// its first field alone or all others, where a format can leave fields out.
fn projections(schema: &Schema, leaves_fields_out: bool) -> Vec<SchemaRef> {
    let all = || 0..schema.fields().len();
    let mut wanted = vec![
        all().collect(),
        vec![],
        vec![0],
        all().step_by(2).collect(),
        all().rev().filter(|i| i % 2 == 1).collect::<Vec<_>>(),
    ];
    let mut reads: Vec<SchemaRef> = wanted.drain(..).map(|w| Arc::new(schema.project(&w).unwrap())).collect();
    if leaves_fields_out {
        for first in [true, false] {
            let part = schema.fields().iter().map(|f| part_of_row(f, first)).collect::<Vec<_>>();
            reads.push(Arc::new(Schema::new(part)));
        }
    }
    reads
}

/// `field` with the first field of each ROW in it, or all others.
fn part_of_row(field: &FieldRef, first: bool) -> FieldRef {
    match field.data_type() {
        DataType::Struct(fields) if fields.len() > 1 => {
            let (head, tail) = fields.split_at(1);
            let kept: Fields = if first { head } else { tail }.iter().map(|f| part_of_row(f, first)).collect();
            Arc::new(field.as_ref().clone().with_data_type(DataType::Struct(kept)))
        }
        _ => Arc::clone(field),
    }
}

fn damaged_records(format: &dyn Format, options: &[(&str, &str)], fields: &[SqlField]) {
    let options: Options = options.iter().copied().collect();
    let batch = sample(fields, ROWS);
    let schema = batch.schema();
    let mut encoder = format.encoder(&schema, &options).unwrap();
    let record = |row| {
        let mut record = Vec::new();
        encoder.append(&batch, row, &mut record).unwrap();
        record
    };
    let records: Vec<Vec<u8>> = (0..ROWS).map(record).collect();
    let mut dice = Dice::new(0x5EED);
    for round in 0..rounds(200) {
        let victim = (dice.roll() % ROWS as u64) as usize;
        let bad = damage(&records[victim], &mut dice);
        let shown = || format!("round {round}: {}", String::from_utf8_lossy(&bad));
        // What the full table makes of it: refused, or so many rows.
        let mut known: Option<RecordBatch> = None;
        for read in projections(&schema, format.finds_fields_by_name()) {
            let mut decoder = format.decoder(&read, &schema, &options).unwrap();
            let mut refused = false;
            for (row, record) in records.iter().enumerate() {
                if row == victim {
                    refused = decoder.push(&bad).is_err();
                } else {
                    assert!(decoder.push(record).is_ok(), "a neighbour is refused in {}", shown());
                }
            }
            let rows = decoder.finish().unwrap();
            let more = rows.num_rows() - (ROWS - 1);
            assert!(!refused || more == 0, "a refused record leaves a row in {}", shown());
            let neighbours = select(&batch, &read).unwrap();
            assert!(rows.slice(0, victim) == neighbours.slice(0, victim), "a row before it changes in {}", shown());
            let (behind, count) = (victim + more, ROWS - 1 - victim);
            assert!(
                rows.slice(behind, count) == neighbours.slice(victim + 1, count),
                "a row behind it changes in {}",
                shown()
            );
            let own = rows.slice(victim, more);
            match &known {
                None => known = Some(own),
                Some(all) => {
                    assert!(own.num_rows() == all.num_rows(), "{read:?} decides over {}", shown());
                    assert!(own == select(all, &read).unwrap(), "{read:?} reads something else in {}", shown());
                }
            }
        }
    }
}

/// Highest use of memory so far, in KiB; none where the system does not tell.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn damaged_files(format: &dyn Format, options: &[(&str, &str)], fields: &[SqlField], seed: u64) {
    let options: Options = options.iter().copied().collect();
    let batch = sample(fields, 400);
    let schema = batch.schema();
    let mut writer = format.create(&schema, &options).unwrap();
    let mut file = Vec::new();
    for at in [0, 100, 300] {
        writer.write(&batch.slice(at, 100)).unwrap();
        file.extend(writer.take());
    }
    file.extend(writer.finish().unwrap());
    let mut dice = Dice::new(seed);
    let before = peak_kib();
    for round in 0..rounds(100) {
        // Lengths, counts and encodings stand in the head and in the tail: hit those as often as what lies between.
        let edge = file.len().min(2_000);
        let broken = match dice.roll() % 3 {
            0 => damage(&file, &mut dice),
            1 => [damage(&file[..edge], &mut dice), file[edge..].to_vec()].concat(),
            _ => [file[..file.len() - edge].to_vec(), damage(&file[file.len() - edge..], &mut dice)].concat(),
        };
        let read = dice.one_of(&projections(&schema, false));
        let start = Instant::now();
        for schema in [&schema, &Arc::new(Schema::empty()), &read] {
            if let Ok(mut reader) = format.open(Box::new(Cursor::new(broken.clone())), schema, &options) {
                while let Ok(Some(rows)) = reader.next(1_000) {
                    assert_eq!(&rows.schema(), schema);
                    assert!(start.elapsed() < PATIENCE, "round {round} of seed {seed} hangs");
                }
            }
        }
        let _ = format.infer(Box::new(Cursor::new(broken)), &options);
        assert!(start.elapsed() < PATIENCE, "round {round} of seed {seed} takes {:?}", start.elapsed());
        if let (Some(before), Some(now)) = (before, peak_kib()) {
            assert!(now < before + MEMORY_KIB_MAX, "round {round} of seed {seed} takes {} MiB", (now - before) >> 10);
        }
    }
}

#[test]
fn json_records() {
    let all: Vec<SqlField> = flat_types().into_iter().chain(nested_types()).collect();
    damaged_records(&Json, &[], &all);
    damaged_records(&Json, &[("fail-on-missing-field", "true")], &all[..8]);
    damaged_records(&Json, &[("ignore-parse-errors", "true")], &all);
}

#[test]
fn csv_records() {
    damaged_records(&Csv, &[("null-literal", "\\N")], &flat_types());
    let odd =
        [("null-literal", "NULL"), ("field-delimiter", "|"), ("quote-character", "'"), ("escape-character", "\\")];
    damaged_records(&Csv, &odd, &flat_types());
    damaged_records(&Csv, &[("null-literal", "\\N"), ("ignore-parse-errors", "true")], &flat_types());
}

#[test]
fn raw_records() {
    for sql_type in [SqlType::STRING, SqlType::Int, SqlType::Boolean] {
        damaged_records(&Raw, &[], &[SqlField::new("v", sql_type).not_null()]);
    }
    damaged_records(&Raw, &[("charset", "UTF-16")], &[SqlField::new("v", SqlType::STRING).not_null()]);
}

#[test]
fn parquet_files() {
    let flat = flat_types();
    for (compression, seed) in [("uncompressed", 1), ("zstd", 2), ("snappy", 3), ("gzip", 4), ("lz4", 5), ("brotli", 6)]
    {
        damaged_files(&Parquet, &[("compression", compression)], &flat[seed as usize..seed as usize + 8], seed);
    }
    damaged_files(&Parquet, &[("compression", "uncompressed")], &nested_types(), 7);
    damaged_files(&Parquet, &[("compression", "none"), ("enable.dictionary", "false")], &flat, 8);
}

#[test]
fn avro_files() {
    for (codec, seed) in [("null", 1), ("snappy", 2), ("deflate", 3), ("zstandard", 4)] {
        damaged_files(&Avro, &[("codec", codec)], &flat_types(), seed);
    }
    damaged_files(&Avro, &[("codec", "null")], &nested_types(), 5);
}
