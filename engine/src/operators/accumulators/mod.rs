//! Columns of partial results, one cell per group: what the aggregate operators keep.
//!
//! An accumulator takes rows with weights, so that a row can be taken back; where the input never takes back, a cheaper
//! kind is made. The state of chosen groups can be read as columns and added to other groups: that is how state is saved,
//! restored, and how slices of a window become the window.

mod average;
mod count;
mod distinct;
mod extreme;
mod first_last;
mod multiset;
mod other;
mod sum;

use crate::operators::aggregate_call::{AggregateCall, AggregateFunction};
use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Schema};
use freshet_types::{ChangeBatch, Error, Result};
use std::sync::Arc;

/// Partial results of one aggregate, by group.
pub(crate) trait Accumulator: Send {
    /// Makes room for groups below `groups`; new cells are empty.
    fn grow(&mut self, groups: usize);

    /// Adds rows: their group, their weight (+1 where there is none).
    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()>;

    /// Results of `groups`. Does not change what they hold.
    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef>;

    /// Whether a cell is as it was before its first row: nothing is there, and nothing is owed.
    fn is_empty(&self, group: u32) -> bool;

    /// Empties a cell.
    fn clear(&mut self, group: u32);

    /// Number of state columns.
    fn state_width(&self) -> usize;

    /// What `groups` hold, as columns.
    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>>;

    /// Adds such columns to `groups`.
    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()>;

    /// Bytes held, an estimate.
    fn bytes(&self) -> usize;
}

/// An aggregate call at work: chooses arguments and rows, then adds them up.
pub(crate) struct Call {
    arguments: Vec<usize>,
    filter: Option<usize>,
    pub(crate) accumulator: Box<dyn Accumulator>,
}

impl Call {
    /// Makes an empty one.
    pub(crate) fn new(call: &AggregateCall, input: &Schema, append_only: bool) -> Result<Self> {
        let accumulator = create(call, input, append_only)?;
        Ok(Self { arguments: call.arguments.clone(), filter: call.filter, accumulator })
    }

    /// Adds the rows of `batch`, whose groups are `groups`, among `group_count` groups.
    pub(crate) fn update(&mut self, batch: &ChangeBatch, groups: &[u32], group_count: usize) -> Result<()> {
        self.accumulator.grow(group_count);
        let arguments: Vec<ArrayRef> = self.arguments.iter().map(|a| Arc::clone(batch.column(*a))).collect();
        let weights = batch.weights().map(|w| &w.values()[..]);
        let Some(filter) = self.filter else {
            return self.accumulator.update(&arguments, groups, weights);
        };
        let mask = batch.column(filter).as_boolean();
        let mask = if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() };
        let kept: Vec<u32> = mask.values().set_indices().map(|i| i as u32).collect();
        if kept.len() == groups.len() {
            return self.accumulator.update(&arguments, groups, weights);
        }
        let groups: Vec<u32> = kept.iter().map(|i| groups[*i as usize]).collect();
        let weights: Option<Vec<i64>> = weights.map(|w| kept.iter().map(|i| w[*i as usize]).collect());
        let kept = UInt32Array::from(kept);
        let arguments = arguments.iter().map(|a| take(a, &kept, None)).collect::<Result<Vec<_>, _>>()?;
        self.accumulator.update(&arguments, &groups, weights.as_deref())
    }
}

fn create(call: &AggregateCall, input: &Schema, append_only: bool) -> Result<Box<dyn Accumulator>> {
    let types: Vec<DataType> = call.arguments.iter().map(|a| input.field(*a).data_type().clone()).collect();
    let result = call.result.data_type().clone();
    let one = || {
        types.first().cloned().ok_or_else(|| {
            Error::invalid("aggregate.arguments", format!("the aggregate \"{}\" has no argument", call.function.name()))
                .hint("give it a column")
        })
    };
    if let Some(filter) = call.filter
        && *input.field(filter).data_type() != DataType::Boolean
    {
        return Err(Error::invalid("aggregate.filter", "the condition of FILTER is no BOOLEAN")
            .at("column", input.field(filter).name()));
    }
    let plain: Box<dyn Accumulator> = match &call.function {
        AggregateFunction::CountStar => Box::new(count::Count::default()),
        AggregateFunction::Count => {
            one()?;
            Box::new(count::Count::default())
        }
        AggregateFunction::Sum => sum::create(&one()?, &result, false, append_only)?,
        AggregateFunction::Avg => sum::create(&one()?, &result, true, append_only)?,
        AggregateFunction::Min if append_only => extreme::create(&one()?, false)?,
        AggregateFunction::Max if append_only => extreme::create(&one()?, true)?,
        AggregateFunction::Min => Box::new(multiset::OrderedMultiset::new(&one()?, false)?),
        AggregateFunction::Max => Box::new(multiset::OrderedMultiset::new(&one()?, true)?),
        AggregateFunction::FirstValue | AggregateFunction::LastValue if append_only => {
            let last = matches!(call.function, AggregateFunction::LastValue);
            Box::new(first_last::FirstLast::new(&one()?, last)?)
        }
        AggregateFunction::FirstValue | AggregateFunction::LastValue => {
            return Err(Error::unsupported(
                "aggregate.retraction",
                format!("\"{}\" over rows that may be taken back is not there yet", call.function.name()),
            )
            .hint("use MIN or MAX, or ROW_NUMBER() with an order"));
        }
        AggregateFunction::Other(function) => {
            Box::new(other::Other::new(function, &call.arguments, input, &result, append_only)?)
        }
    };
    if call.distinct && !types.is_empty() && !matches!(call.function, AggregateFunction::Min | AggregateFunction::Max) {
        return Ok(Box::new(distinct::Distinct::new(types, plain)?));
    }
    Ok(plain)
}

/// Calls `f(group, row, weight)` for each row that is not NULL.
#[inline]
fn each(nulls: Option<&NullBuffer>, groups: &[u32], weights: Option<&[i64]>, mut f: impl FnMut(usize, usize, i64)) {
    match (nulls.filter(|n| n.null_count() > 0), weights) {
        (None, None) => groups.iter().enumerate().for_each(|(i, g)| f(*g as usize, i, 1)),
        (None, Some(w)) => groups.iter().zip(w).enumerate().for_each(|(i, (g, w))| f(*g as usize, i, *w)),
        (Some(n), None) => n.valid_indices().for_each(|i| f(groups[i] as usize, i, 1)),
        (Some(n), Some(w)) => n.valid_indices().for_each(|i| f(groups[i] as usize, i, w[i])),
    }
}

/// Error of a function on a type that it does not take.
fn unsupported_type(function: &str, argument: &DataType, result: &DataType) -> Error {
    Error::unsupported("aggregate.type", format!("\"{function}\" of {argument} with result {result} is not there"))
        .hint("cast the argument to a number type first")
}
