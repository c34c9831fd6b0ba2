//! Rows that are kept whole: chunks of columns, addressed by a small number per row.
//!
//! Batches are kept as they come and joined into chunks of some 64k rows; chunks that are mostly empty are rewritten. Rows
//! are read by `interleave` over the chunks that they touch, and only those.
//!
//! Where rows are taken back, an index finds a row by its values; it is built when the first row is taken back.

use crate::operators::fault::from_datafusion;
use crate::operators::key_table::NONE;
use crate::operators::segment::SpreadRows;
use arrow::array::make_comparator;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{SortOptions, interleave};
use arrow::datatypes::SchemaRef;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use freshet_types::Result;
use hashbrown::HashTable;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

const CHUNK_ROWS: usize = 65_536;
const OPEN_PARTS: usize = 16;

struct Part {
    rows: RecordBatch,
    /// Number of each row; [`NONE`] for a row that is gone.
    ids: Vec<u32>,
    live: usize,
}

#[derive(Clone, Copy)]
struct Place {
    part: u32,
    row: u32,
}

/// Rows by number. Numbers are dense and used again after [`RowStore::remove`].
pub(crate) struct RowStore {
    schema: SchemaRef,
    parts: Vec<Option<Part>>,
    free_parts: Vec<u32>,
    /// Parts that are still small.
    open: Vec<u32>,
    places: Vec<Place>,
    free: Vec<u32>,
    index: Option<RowIndex>,
}

struct RowIndex {
    hashes: Vec<u64>,
    table: HashTable<u32>,
}

type Comparators = Vec<Box<dyn Fn(usize, usize) -> Ordering + Send + Sync>>;

impl RowStore {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            parts: Vec::new(),
            free_parts: Vec::new(),
            open: Vec::new(),
            places: Vec::new(),
            free: Vec::new(),
            index: None,
        }
    }

    /// Numbers below this one may be in use.
    pub(crate) fn slots(&self) -> usize {
        self.places.len()
    }

    /// Rows in use.
    pub(crate) fn live(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// The numbers in use, ascending.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.parts.iter().flatten().flat_map(|p| p.ids.iter().copied()).collect();
        ids.retain(|id| *id != NONE);
        ids.sort_unstable();
        ids
    }

    /// Bytes held, an estimate.
    pub(crate) fn bytes(&self) -> usize {
        let parts: usize = self.parts.iter().flatten().map(|p| p.rows.get_array_memory_size() + p.ids.len() * 4).sum();
        parts
            + self.places.capacity() * 8
            + self.index.as_ref().map_or(0, |i| i.hashes.len() * 8 + i.table.allocation_size())
    }

    /// Keeps all rows of `rows`; gives their numbers.
    pub(crate) fn append(&mut self, rows: &RecordBatch) -> Result<Vec<u32>> {
        let count = rows.num_rows();
        if count == 0 {
            return Ok(Vec::new());
        }
        let ids: Vec<u32> = (0..count)
            .map(|_| {
                self.free.pop().unwrap_or_else(|| {
                    self.places.push(Place { part: 0, row: 0 });
                    (self.places.len() - 1) as u32
                })
            })
            .collect();
        if let Some(index) = &mut self.index {
            let hashes = Self::hash(rows)?;
            index.hashes.resize(self.places.len(), 0);
            for (id, hash) in ids.iter().zip(hashes) {
                index.insert(*id, hash);
            }
        }
        let part = self.add_part(rows.clone(), ids.clone());
        if count < CHUNK_ROWS / 2 {
            self.open.push(part);
            let rows: usize = self.open.iter().map(|p| self.part(*p).live).sum();
            if self.open.len() >= OPEN_PARTS || rows >= CHUNK_ROWS {
                self.join_open()?;
            }
        }
        Ok(ids)
    }

    fn part(&self, part: u32) -> &Part {
        self.parts[part as usize].as_ref().expect("a place names a part that is there")
    }

    fn add_part(&mut self, rows: RecordBatch, ids: Vec<u32>) -> u32 {
        let part = self.free_parts.pop().unwrap_or_else(|| {
            self.parts.push(None);
            (self.parts.len() - 1) as u32
        });
        for (row, id) in ids.iter().enumerate() {
            self.places[*id as usize] = Place { part, row: row as u32 };
        }
        let live = ids.len();
        self.parts[part as usize] = Some(Part { rows, ids, live });
        part
    }

    fn drop_part(&mut self, part: u32) {
        self.parts[part as usize] = None;
        self.free_parts.push(part);
    }

    /// Makes one part of the live rows of `parts`.
    fn join(&mut self, parts: &[u32]) -> Result<Option<u32>> {
        let ids: Vec<u32> =
            parts.iter().flat_map(|p| self.part(*p).ids.iter().copied()).filter(|id| *id != NONE).collect();
        let joined = if ids.is_empty() { None } else { Some(self.gather_batch(&ids)?) };
        parts.iter().for_each(|part| self.drop_part(*part));
        Ok(joined.map(|rows| self.add_part(rows, ids)))
    }

    fn join_open(&mut self) -> Result<()> {
        let open = std::mem::take(&mut self.open);
        if let Some(part) = self.join(&open)?
            && self.part(part).live < CHUNK_ROWS / 2
        {
            self.open.push(part);
        }
        Ok(())
    }

    /// Forgets a row; its number is used again.
    pub(crate) fn remove(&mut self, id: u32) -> Result<()> {
        if let Some(index) = &mut self.index {
            index.remove(id);
        }
        let Place { part, row } = self.places[id as usize];
        let held = self.parts[part as usize].as_mut().expect("a place names a part that is there");
        held.ids[row as usize] = NONE;
        held.live -= 1;
        self.free.push(id);
        let (live, size) = (held.live, held.ids.len());
        if live == 0 {
            self.open.retain(|p| *p != part);
            self.drop_part(part);
        } else if size >= 1024 && live < size / 2 {
            self.open.retain(|p| *p != part);
            if let Some(part) = self.join(&[part])?
                && self.part(part).live < CHUNK_ROWS / 2
            {
                self.open.push(part);
            }
        }
        Ok(())
    }

    /// The parts that `ids` touch, and the place of each row among them.
    fn touched(&self, ids: &[u32]) -> (Vec<u32>, Vec<(usize, usize)>) {
        let mut slots = vec![NONE; self.parts.len()];
        let mut touched = Vec::new();
        let picks = ids
            .iter()
            .map(|id| {
                let Place { part, row } = self.places[*id as usize];
                let slot = &mut slots[part as usize];
                if *slot == NONE {
                    *slot = touched.len() as u32;
                    touched.push(part);
                }
                (*slot as usize, row as usize)
            })
            .collect();
        (touched, picks)
    }

    /// The columns `columns` of rows `ids`, in that order.
    pub(crate) fn gather(&self, columns: impl Iterator<Item = usize>, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let (touched, picks) = self.touched(ids);
        columns
            .map(|c| {
                if touched.is_empty() {
                    return Ok(arrow::array::new_empty_array(self.schema.field(c).data_type()));
                }
                let arrays: Vec<&dyn Array> = touched.iter().map(|p| self.part(*p).rows.column(c).as_ref()).collect();
                Ok(interleave(&arrays, &picks)?)
            })
            .collect()
    }

    /// All columns of rows `ids`.
    pub(crate) fn gather_all(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        self.gather(0..self.schema.fields().len(), ids)
    }

    fn gather_batch(&self, ids: &[u32]) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
        let columns = self.gather_all(ids)?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// Rows `ids` as they are spread, for a freeze; `more` are columns beside them.
    pub(crate) fn spread(&self, ids: &[u32], more: Vec<ArrayRef>) -> SpreadRows {
        let (touched, picks) = self.touched(ids);
        SpreadRows { parts: touched.iter().map(|p| self.part(*p).rows.clone()).collect(), picks, more }
    }

    fn hash(rows: &RecordBatch) -> Result<Vec<u64>> {
        let mut hashes = vec![0; rows.num_rows()];
        if rows.num_columns() > 0 {
            create_hashes(rows.columns(), &RandomState::default(), &mut hashes).map_err(from_datafusion)?;
        }
        Ok(hashes)
    }

    fn build_index(&mut self) -> Result<()> {
        if self.index.is_some() {
            return Ok(());
        }
        let mut index = RowIndex { hashes: vec![0; self.places.len()], table: HashTable::with_capacity(self.live()) };
        for part in self.parts.iter().flatten() {
            for (id, hash) in part.ids.iter().zip(Self::hash(&part.rows)?) {
                if *id != NONE {
                    index.insert(*id, hash);
                }
            }
        }
        self.index = Some(index);
        Ok(())
    }

    /// For each row of `rows` at `wanted`, calls `take(id, row)` with kept rows that are equal to it until it returns true;
    /// rows for which it never does are returned. NULL equals NULL.
    pub(crate) fn find_equal(
        &mut self,
        rows: &RecordBatch,
        wanted: &[u32],
        mut take: impl FnMut(u32, u32) -> bool,
    ) -> Result<Vec<u32>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.build_index()?;
        let hashes = Self::hash(rows)?;
        let mut comparators: HashMap<u32, Comparators> = HashMap::new();
        let mut missing = Vec::new();
        for row in wanted {
            let hash = hashes[*row as usize];
            let index = self.index.as_ref().expect("built just above");
            let candidates: Vec<u32> =
                index.table.iter_hash(hash).copied().filter(|id| index.hashes[*id as usize] == hash).collect();
            let mut found = false;
            for id in candidates {
                let place = self.places[id as usize];
                let same = match comparators.entry(place.part) {
                    std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        let kept =
                            &self.parts[place.part as usize].as_ref().expect("a place names a part that is there").rows;
                        let pairs = rows.columns().iter().zip(kept.columns());
                        entry.insert(
                            pairs
                                .map(|(a, b)| make_comparator(a, b, SortOptions::default()))
                                .collect::<Result<_, _>>()?,
                        )
                    }
                };
                if same.iter().all(|c| c(*row as usize, place.row as usize).is_eq()) && take(id, *row) {
                    found = true;
                    break;
                }
            }
            if !found {
                missing.push(*row);
            }
        }
        Ok(missing)
    }
}

impl RowIndex {
    fn insert(&mut self, id: u32, hash: u64) {
        self.hashes[id as usize] = hash;
        let hashes = &self.hashes;
        self.table.insert_unique(hash, id, |id| hashes[*id as usize]);
    }

    fn remove(&mut self, id: u32) {
        if let Ok(entry) = self.table.find_entry(self.hashes[id as usize], |other| *other == id) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use proptest::prelude::*;

    fn rows(values: &[i64]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]);
        let texts: StringArray = values.iter().map(|v| (v % 3 != 0).then(|| format!("t{v}"))).collect();
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(values.to_vec())), Arc::new(texts)])
            .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]
        #[test]
        fn keeps_what_was_not_removed(batches in proptest::collection::vec((proptest::collection::vec(0i64..50, 1..300), any::<u64>()), 1..60)) {
            let mut store = RowStore::new(rows(&[]).schema());
            let mut model: HashMap<u32, i64> = HashMap::new();
            for (values, seed) in batches {
                for (id, value) in store.append(&rows(&values)).unwrap().into_iter().zip(&values) {
                    prop_assert!(model.insert(id, *value).is_none());
                }
                if seed % 3 == 0 {
                    let gone: Vec<i64> = (0..10).map(|i| (seed >> i) as i64 & 63).collect();
                    let batch = rows(&gone);
                    let mut taken = std::collections::BTreeSet::new();
                    let wanted: Vec<u32> = (0..10).collect();
                    let missing = store.find_equal(&batch, &wanted, |id, _| taken.insert(id)).unwrap();
                    for id in &taken {
                        store.remove(*id).unwrap();
                        model.remove(id).unwrap();
                    }
                    prop_assert_eq!(missing.len() + taken.len(), 10);
                    for row in missing {
                        prop_assert!(!model.values().any(|v| *v == gone[row as usize]));
                    }
                }
                if seed % 5 == 0 {
                    let ids: Vec<u32> = model.keys().copied().filter(|id| !u64::from(*id).is_multiple_of(4)).collect();
                    for id in ids {
                        store.remove(id).unwrap();
                        model.remove(&id);
                    }
                }
                let mut ids: Vec<u32> = model.keys().copied().collect();
                ids.sort_unstable();
                prop_assert_eq!(&store.ids(), &ids);
                let columns = store.gather_all(&ids).unwrap();
                for (i, id) in ids.iter().enumerate() {
                    prop_assert_eq!(columns[0].as_primitive::<Int64Type>().value(i), model[id]);
                }
            }
        }
    }
}
