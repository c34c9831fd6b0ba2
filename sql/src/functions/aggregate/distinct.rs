//! DISTINCT around an accumulator: each value reaches it once.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use std::collections::HashSet;
use std::sync::Arc;

/// Accumulates distinct values; NULLs are left to the inner accumulator's taste, which is to skip them.
#[derive(Debug)]
pub(super) struct Distinct {
    seen: HashSet<ScalarValue>,
    order: Vec<ScalarValue>,
    value_type: DataType,
    inner: Box<dyn Accumulator>,
}

impl Distinct {
    pub(super) fn new(value_type: DataType, inner: Box<dyn Accumulator>) -> Self {
        Self { seen: HashSet::new(), order: Vec::new(), value_type, inner }
    }

    /// The one state field of a distinct aggregate.
    pub(super) fn state_field(name: &str, value_type: &DataType) -> FieldRef {
        let item = Arc::new(Field::new_list_field(value_type.clone(), true));
        Arc::new(Field::new(format!("{name}[distinct]"), DataType::List(item), true))
    }

    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        for row in 0..values.len() {
            if values.is_null(row) {
                continue;
            }
            let value = ScalarValue::try_from_array(values, row)?.compacted();
            if self.seen.insert(value.clone()) {
                self.order.push(value);
            }
        }
        Ok(())
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(&values[0])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if !self.order.is_empty() {
            let values = ScalarValue::iter_to_array(std::mem::take(&mut self.order))?;
            self.inner.update_batch(&[values])?;
        }
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        size_of::<Self>() + ScalarValue::size_of_hashset(&self.seen) + ScalarValue::size_of_vec(&self.order)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = if self.order.is_empty() {
            arrow::array::new_empty_array(&self.value_type)
        } else {
            ScalarValue::iter_to_array(self.order.iter().cloned())?
        };
        Ok(vec![SingleRowListArrayBuilder::new(values).build_list_scalar()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.add(&list)?;
        }
        Ok(())
    }
}
