//! Counts and bounds of a data file, from its Parquet footer.

use freshet_types::Result;
use iceberg::spec::{DataFileBuilder, Datum, PrimitiveLiteral, PrimitiveType, Schema};
use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use std::collections::HashMap;

/// Columns with bounds; wide tables would make manifests as large as their data.
const BOUNDED_COLUMNS_MAX: usize = 200;
/// Characters of a text bound, as other writers cut them.
const BOUND_CHARACTERS: usize = 16;

/// Adds counts, sizes and bounds of each column.
pub(super) fn describe(builder: &mut DataFileBuilder, footer: &ParquetMetaData, schema: &Schema) -> Result<()> {
    let descriptor = footer.file_metadata().schema_descr();
    let mut sizes: HashMap<i32, u64> = HashMap::new();
    let mut counts: HashMap<i32, u64> = HashMap::new();
    let mut nulls: HashMap<i32, u64> = HashMap::new();
    let mut lower: HashMap<i32, Datum> = HashMap::new();
    let mut upper: HashMap<i32, Datum> = HashMap::new();
    for (i, column) in descriptor.columns().iter().enumerate() {
        let info = column.self_type().get_basic_info();
        if !info.has_id() {
            continue;
        }
        let id = info.id();
        let repeated = column.max_rep_level() > 0;
        let mut bounds = Some((None, None));
        let mut null_count = Some(0);
        for group in footer.row_groups() {
            let chunk = group.column(i);
            *sizes.entry(id).or_default() += chunk.compressed_size().max(0) as u64;
            *counts.entry(id).or_default() += chunk.num_values().max(0) as u64;
            let statistics = chunk.statistics();
            null_count = null_count.zip(statistics.and_then(Statistics::null_count_opt)).map(|(a, b)| a + b);
            // A group of NULLs only has no bounds and spoils none.
            let only_null = statistics.and_then(Statistics::null_count_opt) == Some(chunk.num_values().max(0) as u64);
            if only_null {
                continue;
            }
            let field = schema.field_by_id(id).and_then(|f| f.field_type.as_primitive_type().cloned());
            bounds = match (bounds, statistics, field) {
                (Some((low, high)), Some(statistics), Some(primitive)) if !repeated => datums(statistics, &primitive)
                    .map(|(min, max)| (Some(pick(low, min, true)), Some(pick(high, max, false)))),
                _ => None,
            };
        }
        if let Some(count) = null_count.filter(|_| !repeated) {
            nulls.insert(id, count);
        }
        if i < BOUNDED_COLUMNS_MAX
            && let Some((Some(min), Some(max))) = bounds
        {
            // A bound that cannot be shortened upwards is left out: then any value may be there.
            lower.insert(id, shorten_down(min));
            if let Some(max) = shorten_up(max) {
                upper.insert(id, max);
            }
        }
    }
    builder.column_sizes(sizes).value_counts(counts).null_value_counts(nulls).lower_bounds(lower).upper_bounds(upper);
    Ok(())
}

fn pick(best: Option<Datum>, next: Datum, smaller: bool) -> Datum {
    match best {
        None => next,
        Some(best) => {
            let next_is_smaller = next < best;
            if next_is_smaller == smaller { next } else { best }
        }
    }
}

/// Smallest and largest value; none where Parquet does not know them.
fn datums(statistics: &Statistics, primitive: &PrimitiveType) -> Option<(Datum, Datum)> {
    let (min, max) = (statistics.min_bytes_opt()?, statistics.max_bytes_opt()?);
    if !statistics.is_min_max_backwards_compatible() && statistics.is_min_max_deprecated() {
        return None;
    }
    let physical = statistics.physical_type();
    let datum = |bytes: &[u8]| -> Option<Datum> {
        match (physical, primitive) {
            // Parquet and Iceberg write these alike.
            (PhysicalType::INT32, PrimitiveType::Int | PrimitiveType::Date)
            | (
                PhysicalType::INT64,
                PrimitiveType::Long
                | PrimitiveType::Time
                | PrimitiveType::Timestamp
                | PrimitiveType::Timestamptz
                | PrimitiveType::TimestampNs
                | PrimitiveType::TimestamptzNs,
            )
            | (PhysicalType::FLOAT, PrimitiveType::Float)
            | (PhysicalType::DOUBLE, PrimitiveType::Double)
            | (PhysicalType::BOOLEAN, PrimitiveType::Boolean)
            | (PhysicalType::BYTE_ARRAY, PrimitiveType::String | PrimitiveType::Binary)
            | (
                PhysicalType::FIXED_LEN_BYTE_ARRAY,
                PrimitiveType::Decimal { .. } | PrimitiveType::Uuid | PrimitiveType::Fixed(_),
            ) => Datum::try_from_bytes(bytes, primitive.clone()).ok(),
            // Small decimals are little-endian integers in Parquet, big-endian in Iceberg.
            (PhysicalType::INT32 | PhysicalType::INT64, PrimitiveType::Decimal { .. }) => {
                let big_endian: Vec<u8> = bytes.iter().rev().copied().collect();
                Datum::try_from_bytes(&big_endian, primitive.clone()).ok()
            }
            _ => None,
        }
    };
    Some((datum(min)?, datum(max)?))
}

fn text_of(datum: &Datum) -> Option<&str> {
    match (datum.data_type(), datum.literal()) {
        (PrimitiveType::String, PrimitiveLiteral::String(text)) => Some(text),
        _ => None,
    }
}

fn bytes_of(datum: &Datum) -> Option<&[u8]> {
    match (datum.data_type(), datum.literal()) {
        (PrimitiveType::Binary, PrimitiveLiteral::Binary(bytes)) => Some(bytes),
        _ => None,
    }
}

fn shorten_down(datum: Datum) -> Datum {
    if let Some(text) = text_of(&datum) {
        return Datum::string(text.chars().take(BOUND_CHARACTERS).collect::<String>());
    }
    if let Some(bytes) = bytes_of(&datum) {
        return Datum::binary(bytes.iter().copied().take(BOUND_CHARACTERS));
    }
    datum
}

/// A text above all that begin with `prefix`; none when there is none.
pub(crate) fn raised(prefix: &str) -> Option<String> {
    let mut kept: Vec<char> = prefix.chars().collect();
    while let Some(last) = kept.pop() {
        // The code points above the surrogates follow those below them.
        if let Some(next) = (u32::from(last) + 1..=0x10_ffff).find_map(char::from_u32) {
            kept.push(next);
            return Some(kept.into_iter().collect());
        }
    }
    None
}

/// A shorter value that is not smaller: the last kept character is raised by one.
fn shorten_up(datum: Datum) -> Option<Datum> {
    if let Some(text) = text_of(&datum) {
        if text.chars().count() <= BOUND_CHARACTERS {
            return Some(datum);
        }
        return raised(&text.chars().take(BOUND_CHARACTERS).collect::<String>()).map(Datum::string);
    }
    if let Some(bytes) = bytes_of(&datum) {
        if bytes.len() <= BOUND_CHARACTERS {
            return Some(datum);
        }
        let mut kept = bytes[..BOUND_CHARACTERS].to_vec();
        while let Some(last) = kept.pop() {
            if last < u8::MAX {
                kept.push(last + 1);
                return Some(Datum::binary(kept));
            }
        }
        return None;
    }
    Some(datum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_shortened_outwards() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(shorten_down(Datum::string(long)), Datum::string("abcdefghijklmnop"));
        assert_eq!(shorten_up(Datum::string(long)), Some(Datum::string("abcdefghijklmnoq")));
        assert_eq!(shorten_up(Datum::string("short")), Some(Datum::string("short")));
        let highest: String = std::iter::repeat_n('\u{10ffff}', 20).collect();
        assert_eq!(shorten_up(Datum::string(highest)), None);
        assert_eq!(shorten_up(Datum::binary([255; 20])), None);
        assert_eq!(shorten_up(Datum::long(7)), Some(Datum::long(7)));
    }
}
