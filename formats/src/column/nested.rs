//! Arrays, maps and rows under construction.

use super::gaps::Gaps;
use super::keys::Keys;
use super::{Bytes, Column};
use arrow::array::{Array, ArrayRef, BooleanArray, ListArray, MapArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{FieldRef, Fields, Schema};
use freshet_types::Result;
use std::sync::Arc;

/// Where the elements of each row begin and end.
#[derive(Debug)]
pub(crate) struct Spans {
    offsets: Vec<i32>,
    gaps: Gaps,
}

impl Default for Spans {
    fn default() -> Self {
        Self { offsets: vec![0], gaps: Gaps::default() }
    }
}

impl Spans {
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of elements of all closed rows.
    pub(crate) fn end(&self) -> usize {
        *self.offsets.last().expect("offsets begin with a zero") as usize
    }

    /// Begins row `row`, which must not be there yet; returns the index of its first element.
    pub(crate) fn open(&mut self, row: usize) -> usize {
        let end = self.end();
        if self.len() < row {
            self.gaps.add(self.len(), row);
            self.offsets.resize(row + 1, end as i32);
        }
        end
    }

    /// Ends the row that was opened; `end` counts all elements so far.
    pub(crate) fn close(&mut self, end: usize) {
        self.offsets.push(end as i32);
    }

    fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.gaps.truncate(len);
    }

    fn take(&mut self, rows: usize) -> (Vec<i32>, Option<NullBuffer>) {
        self.open(rows);
        (std::mem::replace(&mut self.offsets, vec![0]), self.gaps.take(rows))
    }
}

/// An ARRAY column.
#[derive(Debug)]
pub(crate) struct ListColumn {
    pub(crate) spans: Spans,
    pub(crate) item: Column,
    field: FieldRef,
}

impl ListColumn {
    pub(crate) fn new(field: &FieldRef) -> Result<Self> {
        Ok(Self { spans: Spans::default(), item: Column::new(field)?, field: Arc::clone(field) })
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.spans.truncate(len);
        self.item.truncate(self.spans.end());
    }

    pub(crate) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let (offsets, nulls) = self.spans.take(rows);
        let items = self.item.take(*offsets.last().expect("offsets begin with a zero") as usize)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(Arc::clone(&self.field), offsets, items, nulls)?))
    }
}

/// A MAP column whose keys are text.
#[derive(Debug)]
pub(crate) struct MapColumn {
    pub(crate) spans: Spans,
    pub(crate) keys: Bytes,
    pub(crate) value: Column,
    /// Entries that a later one with the same key replaces.
    replaced: Vec<usize>,
    entries: FieldRef,
}

impl MapColumn {
    pub(crate) fn new(entries: &FieldRef, value: &FieldRef) -> Result<Self> {
        Ok(Self {
            spans: Spans::default(),
            keys: Bytes::default(),
            value: Column::new(value)?,
            replaced: Vec::new(),
            entries: Arc::clone(entries),
        })
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.spans.truncate(len);
        let end = self.spans.end();
        self.keys.truncate(end);
        self.value.truncate(end);
        while self.replaced.last().is_some_and(|i| *i >= end) {
            self.replaced.pop();
        }
    }

    /// Marks the earlier of two entries with the same key among `first ..` (the last one counts).
    pub(crate) fn replace_doubles(&mut self, first: usize, end: usize) {
        let doubled = |i: usize| (first..i).any(|j| self.keys.value(i) == self.keys.value(j));
        if end - first < 16 && !(first..end).any(doubled) {
            return;
        }
        let mut last = std::collections::HashMap::with_capacity(end - first);
        let before = self.replaced.len();
        for i in first..end {
            if let Some(earlier) = last.insert(self.keys.value(i), i) {
                self.replaced.push(earlier);
            }
        }
        self.replaced[before..].sort_unstable();
    }

    pub(crate) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        let (mut offsets, nulls) = self.spans.take(rows);
        let end = *offsets.last().expect("offsets begin with a zero") as usize;
        let (key_offsets, key_data, key_nulls) = self.keys.take(end);
        let mut keys: ArrayRef = Arc::new(arrow::array::StringArray::try_new(key_offsets, key_data, key_nulls)?);
        let mut values = self.value.take(end)?;
        if !self.replaced.is_empty() {
            let mut keep = vec![true; end];
            self.replaced.iter().for_each(|i| keep[*i] = false);
            let mut kept_before = 0;
            let mut next = 0;
            for offset in &mut offsets {
                kept_before += keep[next..*offset as usize].iter().filter(|k| **k).count();
                next = *offset as usize;
                *offset = kept_before as i32;
            }
            let keep = BooleanArray::from(keep);
            keys = arrow::compute::filter(&keys, &keep)?;
            values = arrow::compute::filter(&values, &keep)?;
            self.replaced.clear();
        }
        let arrow::datatypes::DataType::Struct(fields) = self.entries.data_type() else {
            unreachable!("the entries of a map are a struct, Column::new has seen to it")
        };
        let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(MapArray::try_new(Arc::clone(&self.entries), offsets, entries, nulls, false)?))
    }
}

/// A ROW column, or the record itself.
#[derive(Debug)]
pub(crate) struct RowColumn {
    len: usize,
    gaps: Gaps,
    pub(crate) fields: Vec<Column>,
    pub(crate) keys: Keys,
    /// Fields that must not be NULL.
    required: Vec<usize>,
    /// The fields that are handed out.
    schema: Fields,
    /// Number of fields that are handed out; those behind them are only checked.
    read: usize,
}

impl RowColumn {
    /// The fields of `read`, then those of `full` that are not among them, which are only checked.
    pub(crate) fn part(read: &Fields, full: &Fields) -> Result<Self> {
        let whole = |part: &FieldRef| full.find(part.name()).map_or_else(|| Arc::clone(part), |(_, f)| Arc::clone(f));
        let mut fields = read.iter().map(|f| Column::part(f, &whole(f))).collect::<Result<Vec<_>>>()?;
        for field in full.iter().filter(|f| read.find(f.name()).is_none()) {
            let mut column = Column::new(field)?;
            column.leave_unread();
            fields.push(column);
        }
        Ok(Self {
            len: 0,
            gaps: Gaps::default(),
            keys: Keys::new(fields.iter().map(|f| f.name.as_str())),
            required: (0..fields.len()).filter(|i| !fields[*i].nullable).collect(),
            fields,
            schema: read.clone(),
            read: read.len(),
        })
    }

    /// The columns of a record.
    pub(crate) fn of_record(read: &Schema, full: &Schema) -> Result<Self> {
        Self::part(read.fields(), full.fields())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Says that row `row`, which must not be there yet, is not NULL.
    #[inline]
    pub(crate) fn open(&mut self, row: usize) {
        if self.len != row {
            self.gaps.add(self.len, row);
        }
        self.len = row + 1;
    }

    /// The first field that must have a value in row `row` and has none.
    #[inline]
    pub(crate) fn missing(&self, row: usize) -> Option<&Column> {
        self.required.iter().map(|i| &self.fields[*i]).find(|c| c.len() != row + 1)
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.gaps.truncate(len);
        self.fields.iter_mut().for_each(|f| f.truncate(len));
    }

    /// The columns of `rows` rows.
    pub(crate) fn take_fields(&mut self, rows: usize) -> Result<Vec<ArrayRef>> {
        self.len = 0;
        let (read, unread) = self.fields.split_at_mut(self.read);
        unread.iter_mut().for_each(|f| f.truncate(0));
        read.iter_mut().map(|f| f.take(rows)).collect()
    }

    pub(crate) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        self.gaps.add(self.len, rows);
        let nulls = self.gaps.take(rows);
        let fields = self.take_fields(rows)?;
        if fields.is_empty() {
            return Ok(Arc::new(StructArray::new_empty_fields(rows, nulls)));
        }
        let array = StructArray::try_new(self.schema.clone(), fields, nulls)?;
        debug_assert_eq!(array.len(), rows);
        Ok(Arc::new(array))
    }
}
