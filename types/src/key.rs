//! Key groups and the stable hash that assigns rows to them.
//!
//! The hash is part of the state format: it depends on values only, never on the build, the process or the worker count.
//! Source: xxHash (XXH3, 64 bits) for bytes; SplitMix64's finaliser for fixed-width values.

use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::*;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Number of hash ranges of the key space; state is stored, exchanged and rescaled by key group.
pub const KEY_GROUP_COUNT: usize = 256;

/// One of [`KEY_GROUP_COUNT`] hash ranges of the key space.
pub type KeyGroup = u8;

const NULL_HASH: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key group of a hash: its top eight bits.
pub fn key_group(hash: u64) -> KeyGroup {
    (hash >> 56) as KeyGroup
}

/// The worker that owns `group` among `workers`: contiguous ranges, as equal as can be.
pub fn worker_of(group: KeyGroup, workers: usize) -> usize {
    usize::from(group) * workers / KEY_GROUP_COUNT
}

/// The key groups that `worker` of `workers` owns.
///
/// ```
/// use freshet_types::key::{key_groups_of, worker_of};
/// for workers in [1, 2, 3, 7, 256] {
///     for worker in 0..workers {
///         assert!(key_groups_of(worker, workers).all(|g| worker_of(g as u8, workers) == worker));
///     }
/// }
/// ```
pub fn key_groups_of(worker: usize, workers: usize) -> Range<usize> {
    let first = |w: usize| (w * KEY_GROUP_COUNT).div_ceil(workers);
    first(worker)..first(worker + 1)
}

/// A stable hash for each row over `columns`. NULL hashes like NULL, -0.0 like 0.0, every NaN alike.
///
/// Shape: `columns` all have `row_count` rows; without columns every row has the same hash, in key group 0.
///
/// # Errors
/// `key.type` when a column's type cannot be a key.
pub fn hash_rows(columns: &[ArrayRef], row_count: usize) -> Result<Vec<u64>> {
    let Some((first, rest)) = columns.split_first() else { return Ok(vec![0; row_count]) };
    let mut hashes = hash_column(first)?;
    for column in rest {
        for (hash, other) in hashes.iter_mut().zip(hash_column(column)?) {
            *hash = mix(hash.rotate_left(23) ^ other);
        }
    }
    Ok(hashes)
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef, bits: impl Fn(T::Native) -> u64) -> Vec<u64> {
    let array = array.as_primitive::<T>();
    if array.null_count() == 0 {
        return array.values().iter().map(|v| mix(bits(*v))).collect();
    }
    array.iter().map(|v| v.map_or(NULL_HASH, |v| mix(bits(v)))).collect()
}

fn bytes<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Vec<u64> {
    values.map(|v| v.map_or(NULL_HASH, xxh3_64)).collect()
}

fn double_bits(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() }
}

/// Hashes a text: the same on every machine and in every version.
pub fn hash_text(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Hashes one column. Equal values of different integer widths, or timestamps of different units, hash differently:
/// both sides of a join are cast to one type before they are exchanged.
fn hash_column(array: &ArrayRef) -> Result<Vec<u64>> {
    Ok(match array.data_type() {
        DataType::Null => vec![NULL_HASH; array.len()],
        DataType::Boolean => array.as_boolean().iter().map(|v| v.map_or(NULL_HASH, |v| mix(u64::from(v)))).collect(),
        DataType::Int8 => primitive::<Int8Type>(array, |v| v as u64),
        DataType::Int16 => primitive::<Int16Type>(array, |v| v as u64),
        DataType::Int32 => primitive::<Int32Type>(array, |v| v as u64),
        DataType::Int64 => primitive::<Int64Type>(array, |v| v as u64),
        DataType::UInt8 => primitive::<UInt8Type>(array, u64::from),
        DataType::UInt16 => primitive::<UInt16Type>(array, u64::from),
        DataType::UInt32 => primitive::<UInt32Type>(array, u64::from),
        DataType::UInt64 => primitive::<UInt64Type>(array, |v| v),
        DataType::Float32 => primitive::<Float32Type>(array, |v| double_bits(f64::from(v))),
        DataType::Float64 => primitive::<Float64Type>(array, double_bits),
        DataType::Date32 => primitive::<Date32Type>(array, |v| v as u64),
        DataType::Time32(TimeUnit::Second) => primitive::<Time32SecondType>(array, |v| v as u64),
        DataType::Time32(_) => primitive::<Time32MillisecondType>(array, |v| v as u64),
        DataType::Time64(TimeUnit::Microsecond) => primitive::<Time64MicrosecondType>(array, |v| v as u64),
        DataType::Time64(_) => primitive::<Time64NanosecondType>(array, |v| v as u64),
        DataType::Timestamp(TimeUnit::Second, _) => primitive::<TimestampSecondType>(array, |v| v as u64),
        DataType::Timestamp(TimeUnit::Millisecond, _) => primitive::<TimestampMillisecondType>(array, |v| v as u64),
        DataType::Timestamp(TimeUnit::Microsecond, _) => primitive::<TimestampMicrosecondType>(array, |v| v as u64),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => primitive::<TimestampNanosecondType>(array, |v| v as u64),
        DataType::Decimal128(_, _) => {
            primitive::<Decimal128Type>(array, |v| mix(v as u64).rotate_left(31) ^ ((v >> 64) as u64))
        }
        DataType::Utf8 => bytes(array.as_string::<i32>().iter().map(|v| v.map(str::as_bytes))),
        DataType::LargeUtf8 => bytes(array.as_string::<i64>().iter().map(|v| v.map(str::as_bytes))),
        DataType::Utf8View => bytes(array.as_string_view().iter().map(|v| v.map(str::as_bytes))),
        DataType::Binary => bytes(array.as_binary::<i32>().iter()),
        DataType::LargeBinary => bytes(array.as_binary::<i64>().iter()),
        DataType::BinaryView => bytes(array.as_binary_view().iter()),
        DataType::FixedSizeBinary(_) => bytes(array.as_fixed_size_binary().iter()),
        DataType::Struct(_) => {
            let parts = array.as_struct();
            let mut hashes = hash_rows(parts.columns(), parts.len())?;
            for (i, hash) in hashes.iter_mut().enumerate() {
                if parts.is_null(i) {
                    *hash = NULL_HASH;
                }
            }
            hashes
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            hash_lists(array, list.value_offsets(), &hash_column(list.values())?)
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            hash_lists(array, map.value_offsets(), &hash_rows(map.entries().columns(), map.entries().len())?)
        }
        other => {
            return Err(Error::unsupported("key.type", format!("a column of type {other} cannot be a key"))
                .hint("cast it to STRING first"));
        }
    })
}

/// Hashes lists whose elements, one behind the other, have the hashes `inner`.
fn hash_lists(lists: &ArrayRef, offsets: &[i32], inner: &[u64]) -> Vec<u64> {
    let hash = |i: usize| {
        if lists.is_null(i) {
            return NULL_HASH;
        }
        let (start, end) = (offsets[i] as usize, offsets[i + 1] as usize);
        inner[start..end].iter().fold(mix((end - start) as u64), |h, v| mix(h.rotate_left(23) ^ v))
    };
    (0..lists.len()).map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int64Array, StringArray, StringViewArray};
    use std::sync::Arc;

    #[test]
    fn the_hash_is_part_of_the_state_format() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-1)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["", "a", "freshet"]));
        let hashes = hash_rows(&[ints, texts], 3).unwrap();
        let again: Vec<u8> = hashes.iter().map(|h| key_group(*h)).collect();
        assert_eq!(again, [132, 159, 120], "changing the hash orphans every saved state");
    }

    #[test]
    fn equal_values_hash_alike() {
        let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
        let h = hash_rows(&[zeros], 4).unwrap();
        assert_eq!(h[0], h[1]);
        assert_eq!(h[2], h[3]);
        let text: ArrayRef = Arc::new(StringArray::from(vec!["abc"]));
        let view: ArrayRef = Arc::new(StringViewArray::from(vec!["abc"]));
        assert_eq!(hash_rows(&[text], 1).unwrap(), hash_rows(&[view], 1).unwrap());
    }
}
