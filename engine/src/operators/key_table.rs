//! Gives each distinct key a small number, which columns of state are indexed by.
//!
//! Keys of fixed width (up to 128 bits together) stand inside the table; all others are kept in arrow's row encoding.
//! Numbers are dense, given in order of arrival, and used again after [`KeyTable::remove`]. NULL equals NULL.
//!
//! Cost: one probe per row; 16 to 32 bytes per key of fixed width, 24 bytes and the encoded key otherwise.

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, UInt32Array, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, Decimal128Type};
use arrow::row::{RowConverter, SortField};
use freshet_types::{Error, Result};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// No such key, or the end of a chain.
pub(crate) const NONE: u32 = u32::MAX;

/// Keys and their numbers.
pub(crate) struct KeyTable {
    types: Vec<DataType>,
    layout: Layout,
    free: Vec<u32>,
    /// Numbers given so far, those that are free again included.
    slots: usize,
}

enum Layout {
    /// No key columns: one key.
    Unit,
    /// One column of at most 64 bits.
    Narrow { table: Inline<u64>, null: u32 },
    /// Columns of at most 128 bits together.
    Wide(Inline<Packed>),
    /// Anything else.
    Encoded(Encoded),
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Packed {
    bits: u128,
    nulls: u8,
}

trait InlineKey: Copy + Eq + Default {
    fn hash(self) -> u64;
}

impl InlineKey for u64 {
    #[inline]
    fn hash(self) -> u64 {
        fold(self)
    }
}

impl InlineKey for Packed {
    #[inline]
    fn hash(self) -> u64 {
        fold(fold(self.bits as u64) ^ (self.bits >> 64) as u64 ^ u64::from(self.nulls))
    }
}

#[inline]
fn fold(key: u64) -> u64 {
    let product = u128::from(key ^ 0x243f_6a88_85a3_08d3) * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ ((product >> 64) as u64)
}

struct Inline<K> {
    table: HashTable<(K, u32)>,
    keys: Vec<K>,
}

impl<K: InlineKey> Inline<K> {
    fn new() -> Self {
        Self { table: HashTable::new(), keys: Vec::new() }
    }

    #[inline]
    fn find(&self, key: K) -> u32 {
        self.table.find(key.hash(), |e| e.0 == key).map_or(NONE, |e| e.1)
    }

    #[inline]
    fn intern(&mut self, key: K, free: &mut Vec<u32>) -> u32 {
        match self.table.entry(key.hash(), |e| e.0 == key, |e| e.0.hash()) {
            Entry::Occupied(entry) => entry.get().1,
            Entry::Vacant(entry) => {
                let id = match free.pop() {
                    Some(id) => {
                        self.keys[id as usize] = key;
                        id
                    }
                    None => {
                        self.keys.push(key);
                        (self.keys.len() - 1) as u32
                    }
                };
                entry.insert((key, id));
                id
            }
        }
    }

    fn remove(&mut self, id: u32) {
        let key = self.keys[id as usize];
        if let Ok(entry) = self.table.find_entry(key.hash(), |e| e.1 == id) {
            entry.remove();
        }
    }

    fn bytes(&self) -> usize {
        self.table.allocation_size() + self.keys.capacity() * size_of::<K>()
    }
}

struct Encoded {
    converter: RowConverter,
    state: ahash::RandomState,
    table: HashTable<u32>,
    hashes: Vec<u64>,
    spans: Vec<(usize, u32)>,
    bytes: Vec<u8>,
    dead: usize,
}

impl Encoded {
    fn new(types: &[DataType]) -> Result<Self> {
        Ok(Self {
            converter: row_converter(types)?,
            state: ahash::RandomState::with_seeds(1, 2, 3, 4),
            table: HashTable::new(),
            hashes: Vec::new(),
            spans: Vec::new(),
            bytes: Vec::new(),
            dead: 0,
        })
    }

    fn key(&self, id: u32) -> &[u8] {
        let (start, length) = self.spans[id as usize];
        &self.bytes[start..start + length as usize]
    }

    fn find(&self, key: &[u8]) -> u32 {
        let hash = self.state.hash_one(key);
        self.table.find(hash, |id| self.hashes[*id as usize] == hash && self.key(*id) == key).copied().unwrap_or(NONE)
    }

    fn intern(&mut self, key: &[u8], free: &mut Vec<u32>) -> u32 {
        let hash = self.state.hash_one(key);
        let Self { table, hashes, spans, bytes, .. } = self;
        let same = |id: &u32| {
            let (start, length) = spans[*id as usize];
            hashes[*id as usize] == hash && &bytes[start..start + length as usize] == key
        };
        match table.entry(hash, same, |id| hashes[*id as usize]) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let id = free.pop().unwrap_or(hashes.len() as u32);
                entry.insert(id);
                let span = (bytes.len(), key.len() as u32);
                bytes.extend_from_slice(key);
                if id as usize == hashes.len() {
                    hashes.push(hash);
                    spans.push(span);
                } else {
                    hashes[id as usize] = hash;
                    spans[id as usize] = span;
                }
                id
            }
        }
    }

    fn remove(&mut self, id: u32) {
        if let Ok(entry) = self.table.find_entry(self.hashes[id as usize], |e| *e == id) {
            entry.remove();
        }
        self.dead += self.spans[id as usize].1 as usize;
        self.spans[id as usize] = (0, 0);
        if self.dead > 4096 && self.dead > self.bytes.len() / 2 {
            let mut bytes = Vec::with_capacity(self.bytes.len() - self.dead);
            for span in &mut self.spans {
                let start = bytes.len();
                bytes.extend_from_slice(&self.bytes[span.0..span.0 + span.1 as usize]);
                span.0 = start;
            }
            self.bytes = bytes;
            self.dead = 0;
        }
    }
}

/// A row converter over `types`, or a clear error for a type that has no order.
pub(crate) fn row_converter(types: &[DataType]) -> Result<RowConverter> {
    let fields: Vec<SortField> = types.iter().map(|t| SortField::new(t.clone())).collect();
    if !RowConverter::supports_fields(&fields) {
        let names: Vec<String> = types.iter().map(ToString::to_string).collect();
        return Err(Error::unsupported("key.type", format!("columns of type {} cannot be compared", names.join(", ")))
            .hint("cast them to STRING first"));
    }
    Ok(RowConverter::new(fields)?)
}

fn bit_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Boolean => Some(8),
        DataType::Interval(_) => None,
        other => other.primitive_width().map(|bytes| bytes * 8),
    }
}

impl KeyTable {
    /// A table of keys with columns of `types`.
    ///
    /// # Errors
    /// `key.type` when a type cannot be compared.
    pub(crate) fn new(types: Vec<DataType>) -> Result<Self> {
        let widths: Option<Vec<usize>> = types.iter().map(bit_width).collect();
        let layout = match (types.len(), widths) {
            (0, _) => Layout::Unit,
            (1, Some(widths)) if widths[0] <= 64 => Layout::Narrow { table: Inline::new(), null: NONE },
            (1..=8, Some(widths)) if widths.iter().sum::<usize>() <= 128 => Layout::Wide(Inline::new()),
            _ => Layout::Encoded(Encoded::new(&types)?),
        };
        Ok(Self { types, layout, free: Vec::new(), slots: 0 })
    }

    /// Numbers below this one may be in use.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Keys in use.
    pub(crate) fn live(&self) -> usize {
        self.slots - self.free.len()
    }

    /// Bytes held, an estimate.
    pub(crate) fn bytes(&self) -> usize {
        match &self.layout {
            Layout::Unit => 0,
            Layout::Narrow { table, .. } => table.bytes(),
            Layout::Wide(table) => table.bytes(),
            Layout::Encoded(e) => e.bytes.capacity() + e.hashes.capacity() * 24 + e.table.allocation_size(),
        }
    }

    /// The numbers in use, ascending.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut used = vec![true; self.slots];
        for id in &self.free {
            used[*id as usize] = false;
        }
        (0..self.slots as u32).filter(|id| used[*id as usize]).collect()
    }

    /// Finds the number of each row's key, giving new keys a number.
    pub(crate) fn intern(&mut self, columns: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) -> Result<()> {
        ids.clear();
        ids.reserve(rows);
        let free = &mut self.free;
        match &mut self.layout {
            Layout::Unit => {
                if rows > 0 && (self.slots == 0 || free.pop().is_some()) {
                    self.slots = 1;
                }
                ids.resize(rows, 0);
                return Ok(());
            }
            Layout::Narrow { table, null } => narrow_bits(&columns[0], |bits, nulls| match nulls {
                None => ids.extend(bits.iter().map(|b| table.intern(*b, free))),
                Some(nulls) => ids.extend(bits.iter().enumerate().map(|(i, b)| {
                    if nulls.is_valid(i) {
                        return table.intern(*b, free);
                    }
                    if *null == NONE {
                        *null = free.pop().unwrap_or_else(|| {
                            table.keys.push(0);
                            (table.keys.len() - 1) as u32
                        });
                    }
                    *null
                })),
            }),
            Layout::Wide(table) => ids.extend(pack(columns, rows).into_iter().map(|key| table.intern(key, free))),
            Layout::Encoded(encoded) => {
                let rows = encoded.converter.convert_columns(columns)?;
                ids.extend(rows.iter().map(|row| encoded.intern(row.data(), free)));
            }
        }
        self.slots = match &self.layout {
            Layout::Unit => self.slots,
            Layout::Narrow { table, .. } => table.keys.len(),
            Layout::Wide(table) => table.keys.len(),
            Layout::Encoded(encoded) => encoded.hashes.len(),
        };
        Ok(())
    }

    /// Finds the number of each row's key; [`NONE`] for a key that is not there.
    pub(crate) fn find(&self, columns: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) -> Result<()> {
        ids.clear();
        ids.reserve(rows);
        match &self.layout {
            Layout::Unit => ids.resize(rows, if self.live() == 0 { NONE } else { 0 }),
            Layout::Narrow { table, null } => narrow_bits(&columns[0], |bits, nulls| {
                ids.extend(bits.iter().enumerate().map(|(i, b)| match nulls {
                    Some(nulls) if nulls.is_null(i) => *null,
                    _ => table.find(*b),
                }));
            }),
            Layout::Wide(table) => ids.extend(pack(columns, rows).into_iter().map(|key| table.find(key))),
            Layout::Encoded(encoded) => {
                let rows = encoded.converter.convert_columns(columns)?;
                ids.extend(rows.iter().map(|row| encoded.find(row.data())));
            }
        }
        Ok(())
    }

    /// Forgets the key numbered `id`; the number is used again.
    pub(crate) fn remove(&mut self, id: u32) {
        match &mut self.layout {
            Layout::Unit => {}
            Layout::Narrow { null, .. } if *null == id => *null = NONE,
            Layout::Narrow { table, .. } => table.remove(id),
            Layout::Wide(table) => table.remove(id),
            Layout::Encoded(encoded) => encoded.remove(id),
        }
        self.free.push(id);
    }

    /// The key columns of `ids`.
    pub(crate) fn gather(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.layout {
            Layout::Unit => Ok(Vec::new()),
            Layout::Narrow { table, null } => {
                let nulls = (*null != NONE && ids.contains(null))
                    .then(|| NullBuffer::from_iter(ids.iter().map(|id| id != null)));
                let bits = ids.iter().map(|id| u128::from(table.keys[*id as usize]));
                Ok(vec![from_bits(&self.types[0], bits, nulls)?])
            }
            Layout::Wide(table) => {
                let mut shift = 0;
                let mut columns = Vec::with_capacity(self.types.len());
                for (c, data_type) in self.types.iter().enumerate() {
                    let nulls: Vec<bool> = ids.iter().map(|id| table.keys[*id as usize].nulls >> c & 1 == 0).collect();
                    let nulls = nulls.contains(&false).then(|| NullBuffer::from(nulls));
                    let bits = ids.iter().map(|id| table.keys[*id as usize].bits.checked_shr(shift).unwrap_or(0));
                    columns.push(from_bits(data_type, bits, nulls)?);
                    shift += bit_width(data_type).expect("a packed key has columns of fixed width") as u32;
                }
                Ok(columns)
            }
            Layout::Encoded(encoded) => {
                let parser = encoded.converter.parser();
                Ok(encoded.converter.convert_rows(ids.iter().map(|id| parser.parse(encoded.key(*id))))?)
            }
        }
    }
}

/// Calls `f` with the bits of a column of at most 64 bits.
fn narrow_bits(column: &ArrayRef, f: impl FnOnce(&[u64], Option<&NullBuffer>)) {
    let nulls = column.nulls().filter(|n| n.null_count() > 0);
    if let DataType::Boolean = column.data_type() {
        let bits: Vec<u64> = column.as_boolean().values().iter().map(u64::from).collect();
        return f(&bits, nulls);
    }
    let data = column.to_data();
    let (buffer, range) = (&data.buffers()[0], data.offset()..data.offset() + data.len());
    match column.data_type().primitive_width() {
        Some(8) => f(&buffer.typed_data::<u64>()[range], nulls),
        Some(4) => f(&buffer.typed_data::<u32>()[range].iter().map(|v| u64::from(*v)).collect::<Vec<_>>(), nulls),
        Some(2) => f(&buffer.typed_data::<u16>()[range].iter().map(|v| u64::from(*v)).collect::<Vec<_>>(), nulls),
        _ => f(&buffer.as_slice()[range].iter().map(|v| u64::from(*v)).collect::<Vec<_>>(), nulls),
    }
}

fn pack(columns: &[ArrayRef], rows: usize) -> Vec<Packed> {
    let mut keys = vec![Packed::default(); rows];
    let mut shift = 0;
    for (c, column) in columns.iter().enumerate() {
        let mut add = |bits: &mut dyn Iterator<Item = u128>, nulls: Option<&NullBuffer>| match nulls {
            None => keys.iter_mut().zip(bits).for_each(|(k, b)| k.bits |= b << shift),
            Some(nulls) => keys.iter_mut().zip(bits).enumerate().for_each(|(i, (k, b))| {
                if nulls.is_valid(i) {
                    k.bits |= b << shift;
                } else {
                    k.nulls |= 1 << c;
                }
            }),
        };
        if let DataType::Decimal128(..) = column.data_type() {
            let values = column.as_primitive::<Decimal128Type>();
            add(&mut values.values().iter().map(|v| *v as u128), column.nulls());
        } else {
            narrow_bits(column, |bits, nulls| add(&mut bits.iter().map(|b| u128::from(*b)), nulls));
        }
        shift += bit_width(column.data_type()).expect("a packed key has columns of fixed width");
    }
    keys
}

fn from_bits(data_type: &DataType, bits: impl Iterator<Item = u128>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
    if *data_type == DataType::Boolean {
        let values: Vec<bool> = bits.map(|b| b & 1 == 1).collect();
        return Ok(std::sync::Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)));
    }
    let buffer = match data_type.primitive_width() {
        Some(16) => Buffer::from_vec(bits.map(|b| b as i128).collect::<Vec<_>>()),
        Some(8) => Buffer::from_vec(bits.map(|b| b as u64).collect::<Vec<_>>()),
        Some(4) => Buffer::from_vec(bits.map(|b| b as u32).collect::<Vec<_>>()),
        Some(2) => Buffer::from_vec(bits.map(|b| b as u16).collect::<Vec<_>>()),
        _ => Buffer::from_vec(bits.map(|b| b as u8).collect::<Vec<_>>()),
    };
    let width = data_type.primitive_width().expect("a key inside the table has a fixed width");
    let length = buffer.len() / width;
    let data = ArrayData::builder(data_type.clone()).len(length).add_buffer(buffer).nulls(nulls).build()?;
    Ok(make_array(data))
}

/// Turns encoded rows back into columns; `None` becomes NULL in each of them.
pub(crate) fn decode_rows<'a>(
    converter: &RowConverter,
    rows: impl Iterator<Item = Option<&'a [u8]>>,
) -> Result<Vec<ArrayRef>> {
    let parser = converter.parser();
    let mut present = Vec::new();
    let mut indices: Vec<Option<u32>> = Vec::new();
    for row in rows {
        indices.push(row.map(|bytes| {
            present.push(bytes);
            (present.len() - 1) as u32
        }));
    }
    let all = indices.len() == present.len();
    let columns = converter.convert_rows(present.iter().map(|bytes| parser.parse(bytes)))?;
    if all {
        return Ok(columns);
    }
    let indices = UInt32Array::from(indices);
    Ok(columns.iter().map(|c| arrow::compute::take(c, &indices, None)).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float32Array, Int16Array, Int64Array, StringArray};
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    fn shapes() -> Vec<Vec<ArrayRef>> {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-1), Some(1), Some(0), None]));
        let small: ArrayRef = Arc::new(Int16Array::from(vec![Some(-1), Some(7), None, Some(-1), Some(0), Some(7)]));
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true), None, None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some(""), Some("a"), Some("b"), None]));
        let money: ArrayRef = Arc::new(
            Decimal128Array::from(vec![Some(-5), Some(5), None, Some(-5), Some(0), Some(5)])
                .with_precision_and_scale(20, 2)
                .unwrap(),
        );
        let floats: ArrayRef = Arc::new(Float32Array::from(vec![1.5, f32::NAN, -0.5, 1.5, 0.0, f32::NAN]));
        vec![
            vec![],
            vec![Arc::clone(&ints)],
            vec![Arc::clone(&small)],
            vec![Arc::clone(&flags)],
            vec![Arc::clone(&money)],
            vec![Arc::clone(&texts)],
            vec![Arc::clone(&ints), Arc::clone(&small), flags, Arc::clone(&floats)],
            vec![ints, texts, money],
        ]
    }

    #[test]
    fn equal_keys_share_a_number_and_come_back_whole() {
        for columns in shapes() {
            let types = columns.iter().map(|c| c.data_type().clone()).collect();
            let mut table = KeyTable::new(types).unwrap();
            let mut ids = Vec::new();
            table.intern(&columns, 6, &mut ids).unwrap();
            let mut found = Vec::new();
            table.find(&columns, 6, &mut found).unwrap();
            assert_eq!(ids, found);
            assert_eq!(ids[0], ids[3]);
            let back = table.gather(&ids).unwrap();
            assert_eq!(format!("{back:?}"), format!("{columns:?}"));
            let live = table.ids();
            for id in &live {
                table.remove(*id);
            }
            assert_eq!(table.live(), 0);
            table.find(&columns, 6, &mut found).unwrap();
            assert!(found.iter().all(|id| *id == NONE));
        }
    }

    proptest! {
        #[test]
        fn numbers_follow_a_map(steps in proptest::collection::vec((any::<bool>(), proptest::option::of(0u8..20), any::<bool>()), 0..200)) {
            for text in [false, true] {
                let data_type = if text { DataType::Utf8 } else { DataType::Int64 };
                let mut table = KeyTable::new(vec![data_type]).unwrap();
                let mut model: HashMap<Option<u8>, u32> = HashMap::new();
                for (remove, key, _) in &steps {
                    let column: ArrayRef = if text {
                        Arc::new(StringArray::from(vec![key.map(|k| "x".repeat(k as usize * 40))]))
                    } else {
                        Arc::new(Int64Array::from(vec![key.map(i64::from)]))
                    };
                    let mut ids = Vec::new();
                    if *remove {
                        table.find(&[column], 1, &mut ids).unwrap();
                        prop_assert_eq!(model.remove(key).unwrap_or(NONE), ids[0]);
                        if ids[0] != NONE { table.remove(ids[0]); }
                    } else {
                        table.intern(&[column], 1, &mut ids).unwrap();
                        prop_assert_eq!(*model.entry(*key).or_insert(ids[0]), ids[0]);
                    }
                    prop_assert_eq!(table.live(), model.len());
                }
            }
        }
    }
}
