//! Arrow columns plus signed row weights: the unit that moves between operators.

use crate::{Error, Result, invariant};
use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, ListArray, MapArray, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow::compute;
use arrow::datatypes::{Field, SchemaRef};
use arrow::row::{RowConverter, SortField};
use std::sync::Arc;

/// Rows with signed weights: a Z-set. Weight +1 inserts a row, -1 deletes it.
///
/// An append-only batch carries no weight column: each row counts as +1.
///
/// Source: Budiu et al., "DBSP", VLDB 2023.
#[derive(Debug, Clone)]
pub struct ChangeBatch {
    rows: RecordBatch,
    weights: Option<Int64Array>,
}

impl ChangeBatch {
    /// Rows that are all inserted.
    pub fn inserts(rows: RecordBatch) -> Self {
        Self { rows, weights: None }
    }

    /// Rows with their weights. Shape: one weight for each row, none null.
    pub fn new(rows: RecordBatch, weights: Option<Int64Array>) -> Self {
        if let Some(w) = &weights {
            assert_eq!(w.len(), rows.num_rows(), "{}", invariant::WEIGHTS_MATCH_ROWS.says);
            debug_assert_eq!(w.null_count(), 0, "{}", invariant::WEIGHTS_MATCH_ROWS.id);
        }
        Self { rows, weights }
    }

    /// A batch without rows.
    pub fn empty(schema: SchemaRef) -> Self {
        Self::inserts(RecordBatch::new_empty(schema))
    }

    /// The columns.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The weights; none when each row counts as +1.
    pub fn weights(&self) -> Option<&Int64Array> {
        self.weights.as_ref()
    }

    /// Weight of row `i`.
    pub fn weight(&self, i: usize) -> i64 {
        self.weights.as_ref().map_or(1, |w| w.value(i))
    }

    /// The weights as an array, made when there is none.
    pub fn weights_or_ones(&self) -> Int64Array {
        self.weights.clone().unwrap_or_else(|| Int64Array::from_value(1, self.row_count()))
    }

    /// Number of rows, whatever their weights.
    pub fn row_count(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.row_count() == 0
    }

    /// Whether no row is taken back.
    pub fn is_append_only(&self) -> bool {
        self.weights.as_ref().is_none_or(|w| w.values().iter().all(|w| *w > 0))
    }

    /// Schema of the columns (the weights are not part of it).
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// Column `i`.
    pub fn column(&self, i: usize) -> &ArrayRef {
        self.rows.column(i)
    }

    /// Splits into columns and weights.
    pub fn into_parts(self) -> (RecordBatch, Option<Int64Array>) {
        (self.rows, self.weights)
    }

    /// The same changes with the opposite sign.
    #[must_use]
    pub fn negate(&self) -> Self {
        let weights: Int64Array = self.weights_or_ones().values().iter().map(|w| -w).collect();
        Self { rows: self.rows.clone(), weights: Some(weights) }
    }

    /// The same weights on other columns of the same number of rows.
    #[must_use]
    pub fn with_rows(&self, rows: RecordBatch) -> Self {
        Self::new(rows, self.weights.clone())
    }

    /// Keeps the rows where `mask` is true.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        let rows = compute::filter_record_batch(&self.rows, mask)?;
        let weights = match &self.weights {
            None => None,
            Some(w) => Some(as_weights(compute::filter(w, mask)?)),
        };
        Ok(Self { rows, weights })
    }

    /// Rows at `indices`, in that order; an index may come twice.
    pub fn take(&self, indices: &UInt32Array) -> Result<Self> {
        let rows = take_rows(&self.rows, indices)?;
        let weights = match &self.weights {
            None => None,
            Some(w) => Some(as_weights(compute::take(w, indices, None)?)),
        };
        Ok(Self { rows, weights })
    }

    /// Rows `start .. start + length`, without a copy.
    #[must_use]
    pub fn slice(&self, start: usize, length: usize) -> Self {
        Self { rows: self.rows.slice(start, length), weights: self.weights.as_ref().map(|w| w.slice(start, length)) }
    }

    /// The columns at `columns`, in that order.
    pub fn project(&self, columns: &[usize]) -> Result<Self> {
        Ok(Self { rows: self.rows.project(columns)?, weights: self.weights.clone() })
    }

    /// All rows of `batches` in one batch. Shape: every batch has `schema`.
    pub fn concat(schema: &SchemaRef, batches: &[ChangeBatch]) -> Result<Self> {
        if let [one] = batches {
            return Ok(one.clone());
        }
        let rows = compute::concat_batches(schema, batches.iter().map(|b| &b.rows))?;
        let weights = if batches.iter().all(|b| b.weights.is_none()) {
            None
        } else {
            Some(batches.iter().flat_map(|b| b.weights_or_ones().values().to_vec()).collect())
        };
        Ok(Self { rows, weights })
    }

    /// Adds up the weights of equal rows and drops those that reach zero.
    ///
    /// Shape: same columns; no two rows equal, no zero weight (ZS-2); the first row of each kind keeps its place.
    /// NULL equals NULL here, and NaN equals NaN, as in GROUP BY.
    ///
    /// # Errors
    /// `batch.weight_overflow` when a sum leaves `i64`.
    ///
    /// Source: DBSP (Budiu et al., VLDB 2023), the Z-set sum.
    pub fn consolidate(&self) -> Result<Self> {
        if self.is_empty() {
            return Ok(self.clone());
        }
        let mut sums: Vec<i64> = Vec::new();
        let mut first: Vec<u32> = Vec::new();
        if self.rows.num_columns() == 0 {
            sums.push(0);
            first.push(0);
            for i in 0..self.row_count() {
                sums[0] = add(sums[0], self.weight(i))?;
            }
        } else {
            let columns: Vec<ArrayRef> = self.rows.columns().iter().map(comparable).collect();
            let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
            let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
            let mut seen = std::collections::HashMap::with_capacity(self.row_count());
            for (i, row) in rows.iter().enumerate() {
                let slot = *seen.entry(row).or_insert_with(|| {
                    sums.push(0);
                    first.push(i as u32);
                    sums.len() - 1
                });
                sums[slot] = add(sums[slot], self.weight(i))?;
            }
        }
        let (indices, weights): (Vec<u32>, Vec<i64>) =
            first.into_iter().zip(sums).filter(|(_, weight)| *weight != 0).unzip();
        let rows = take_rows(&self.rows, &UInt32Array::from(indices))?;
        Ok(Self { rows, weights: Some(weights.into()) })
    }

    /// Bytes of the Arrow buffers that this batch holds on to.
    pub fn memory_size(&self) -> usize {
        self.rows.get_array_memory_size() + self.weights.as_ref().map_or(0, |w| w.get_array_memory_size())
    }
}

/// The rows of `rows` at `indices`, none of them null, in that order. Knows how many rows there are also where no column is.
///
/// # Errors
/// Those of Arrow's kernel, for a column type that it does not know.
pub fn take_rows(rows: &RecordBatch, indices: &UInt32Array) -> Result<RecordBatch> {
    let columns = compute::take_arrays(rows.columns(), indices, None)?;
    let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
    Ok(RecordBatch::try_new_with_options(rows.schema(), columns, &options)?)
}

/// A column that can be compared row by row: a MAP becomes the list of its entries, because Arrow's rows know no maps.
fn comparable(column: &ArrayRef) -> ArrayRef {
    let Some(map) = column.as_any().downcast_ref::<MapArray>() else { return Arc::clone(column) };
    let entries = Field::new("entries", map.entries().data_type().clone(), false);
    Arc::new(ListArray::new(
        Arc::new(entries),
        map.offsets().clone(),
        Arc::new(map.entries().clone()),
        map.nulls().cloned(),
    ))
}

fn add(a: i64, b: i64) -> Result<i64> {
    a.checked_add(b).ok_or_else(|| Error::internal("batch.weight_overflow", "the weight of a row leaves 64 bits"))
}

fn as_weights(array: Arc<dyn Array>) -> Int64Array {
    array.as_any().downcast_ref::<Int64Array>().expect("a kernel keeps the type of its input").clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{DataType, Field, Schema};

    fn batch(values: &[Option<i64>], weights: &[i64]) -> ChangeBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let rows = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap();
        ChangeBatch::new(rows, Some(weights.to_vec().into()))
    }

    #[test]
    fn consolidate_adds_weights_and_drops_zeros() {
        let sum = batch(&[Some(1), None, Some(1), None, Some(2)], &[1, 1, -1, 2, 1]).consolidate().unwrap();
        assert_eq!(sum.weights().unwrap().values(), &[3, 1]);
        assert!(sum.column(0).is_null(0));
        assert_eq!(sum.row_count(), 2);
    }

    #[test]
    fn a_batch_and_its_negation_cancel() {
        let b = batch(&[Some(1), Some(2)], &[1, 3]);
        let all = ChangeBatch::concat(&b.schema(), &[b.clone(), b.negate()]).unwrap();
        assert!(all.consolidate().unwrap().is_empty());
    }

    #[test]
    fn overflow_is_an_error() {
        let e = batch(&[Some(1), Some(1)], &[i64::MAX, 1]).consolidate().unwrap_err();
        assert_eq!(e.code(), "batch.weight_overflow");
    }
}
