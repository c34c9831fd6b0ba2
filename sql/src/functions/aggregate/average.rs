//! AVG in the type of its argument: exact for whole numbers and decimals.

use super::distinct::Distinct;
use super::{average_type, numeric, one_number};
use crate::functions::cast::{decimal_fits, divide_half_up};
use crate::functions::to_datafusion;
use arrow::array::*;
use arrow::datatypes::*;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use std::sync::Arc;

/// AVG.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Average {
    signature: Signature,
}

impl Average {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &str {
        "avg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.iter().map(|t| numeric("avg", t).unwrap_or_else(|_| t.clone())).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let types = [one_number("avg", types).map_err(to_datafusion)?];
        Ok(average_type(&types[0]))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let input = args.expr_fields[0].data_type().clone();
        let inner = One { groups: Groups::new(&input, args.return_field.data_type()) };
        if args.is_distinct {
            return Ok(Box::new(Distinct::new(input, Box::new(inner))));
        }
        Ok(Box::new(inner))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let input = args.input_fields[0].data_type();
        if args.is_distinct {
            return Ok(vec![Distinct::state_field(args.name, input)]);
        }
        Ok(vec![
            Arc::new(Field::new(format!("{}[sum]", args.name), sum_type(input), true)),
            Arc::new(Field::new(format!("{}[count]", args.name), DataType::Int64, true)),
        ])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(args.expr_fields[0].data_type(), args.return_field.data_type())))
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }
}

fn is_floating(input: &DataType) -> bool {
    matches!(input, DataType::Float32 | DataType::Float64)
}

fn sum_type(input: &DataType) -> DataType {
    match input {
        input if is_floating(input) => DataType::Float64,
        DataType::Decimal128(_, s) => DataType::Decimal128(38, *s),
        _ => DataType::Decimal128(38, 0),
    }
}

/// Sums and counts of many groups.
#[derive(Debug)]
struct Groups {
    input: DataType,
    output: DataType,
    exact: Vec<i128>,
    floating: Vec<f64>,
    counts: Vec<i64>,
}

impl Groups {
    fn new(input: &DataType, output: &DataType) -> Self {
        Self { input: input.clone(), output: output.clone(), exact: vec![], floating: vec![], counts: vec![] }
    }

    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
        if is_floating(&self.input) {
            self.floating.resize(groups, 0.0);
        } else {
            self.exact.resize(groups, 0);
        }
    }

    /// Adds values with the sign; one group for each row.
    fn add(&mut self, values: &ArrayRef, groups: impl Fn(usize) -> usize, kept: impl Fn(usize) -> bool, sign: i64) {
        macro_rules! exact {
            ($type:ty) => {{
                let values = values.as_primitive::<$type>();
                for row in 0..values.len() {
                    if kept(row) && values.is_valid(row) {
                        let group = groups(row);
                        self.exact[group] =
                            self.exact[group].wrapping_add(i128::from(values.value(row)) * i128::from(sign));
                        self.counts[group] += sign;
                    }
                }
            }};
        }
        macro_rules! floating {
            ($type:ty) => {{
                let values = values.as_primitive::<$type>();
                for row in 0..values.len() {
                    if kept(row) && values.is_valid(row) {
                        let group = groups(row);
                        self.floating[group] += f64::from(values.value(row)) * sign as f64;
                        self.counts[group] += sign;
                    }
                }
            }};
        }
        match values.data_type() {
            DataType::Int8 => exact!(Int8Type),
            DataType::Int16 => exact!(Int16Type),
            DataType::Int32 => exact!(Int32Type),
            DataType::Int64 => exact!(Int64Type),
            DataType::Decimal128(_, _) => exact!(Decimal128Type),
            DataType::Float32 => floating!(Float32Type),
            _ => floating!(Float64Type),
        }
    }

    fn averages(&self, exact: &[i128], floating: &[f64], counts: &[i64]) -> Result<ArrayRef> {
        let output = &self.output;
        if is_floating(&self.input) {
            let values: Float64Array =
                floating.iter().zip(counts).map(|(sum, count)| (*count != 0).then(|| sum / *count as f64)).collect();
            return Ok(arrow::compute::cast(&values, output)?);
        }
        if let (DataType::Decimal128(_, from), DataType::Decimal128(p, to)) = (&self.input, output) {
            let shift = 10i128.pow(u32::try_from(to - from).unwrap_or(0));
            let values: Decimal128Array = exact
                .iter()
                .zip(counts)
                .map(|(sum, count)| {
                    let average = divide_half_up(sum.checked_mul(shift)?, i128::from(*count).max(1));
                    (*count != 0 && decimal_fits(average, *p)).then_some(average)
                })
                .collect();
            return Ok(Arc::new(values.with_data_type(output.clone())));
        }
        // Flink adds whole numbers up as BIGINT: what leaves it comes in again at the other end.
        let values: Int64Array = exact
            .iter()
            .zip(counts)
            .map(|(sum, count)| (*count != 0).then(|| (*sum as i64).wrapping_div(*count)))
            .collect();
        Ok(arrow::compute::cast(&values, output)?)
    }

    fn sums(&self, exact: Vec<i128>, floating: Vec<f64>) -> ArrayRef {
        if is_floating(&self.input) {
            return Arc::new(Float64Array::from(floating));
        }
        Arc::new(Decimal128Array::from(exact).with_data_type(sum_type(&self.input)))
    }

    fn merge(&mut self, states: &[ArrayRef], groups: impl Fn(usize) -> usize) {
        let counts = states[1].as_primitive::<Int64Type>();
        for row in 0..counts.len() {
            if counts.is_null(row) || states[0].is_null(row) {
                continue;
            }
            let group = groups(row);
            self.counts[group] += counts.value(row);
            if is_floating(&self.input) {
                self.floating[group] += states[0].as_primitive::<Float64Type>().value(row);
            } else {
                self.exact[group] =
                    self.exact[group].wrapping_add(states[0].as_primitive::<Decimal128Type>().value(row));
            }
        }
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        match opt_filter {
            None => self.add(&values[0], |row| group_indices[row], |_| true, 1),
            Some(f) => self.add(&values[0], |row| group_indices[row], |row| f.is_valid(row) && f.value(row), 1),
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let counts = emit_to.take_needed(&mut self.counts);
        let (mut exact, mut floating) = (vec![], vec![]);
        if is_floating(&self.input) {
            floating = emit_to.take_needed(&mut self.floating);
        } else {
            exact = emit_to.take_needed(&mut self.exact);
        }
        self.averages(&exact, &floating, &counts)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let counts = emit_to.take_needed(&mut self.counts);
        let (mut exact, mut floating) = (vec![], vec![]);
        if is_floating(&self.input) {
            floating = emit_to.take_needed(&mut self.floating);
        } else {
            exact = emit_to.take_needed(&mut self.exact);
        }
        Ok(vec![self.sums(exact, floating), Arc::new(Int64Array::from(counts))])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        _: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        self.merge(values, |row| group_indices[row]);
        Ok(())
    }

    fn size(&self) -> usize {
        self.exact.capacity() * 16 + self.floating.capacity() * 8 + self.counts.capacity() * 8
    }
}

/// One average: a single group.
#[derive(Debug)]
struct One {
    groups: Groups,
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.groups.resize(1);
        self.groups.add(&values[0], |_| 0, |_| true, 1);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.groups.resize(1);
        let groups = &self.groups;
        ScalarValue::try_from_array(&groups.averages(&groups.exact, &groups.floating, &groups.counts)?, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.groups.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.groups.resize(1);
        let sums = self.groups.sums(self.groups.exact.clone(), self.groups.floating.clone());
        Ok(vec![ScalarValue::try_from_array(&sums, 0)?, ScalarValue::Int64(Some(self.groups.counts[0]))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.groups.resize(1);
        self.groups.merge(states, |_| 0);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.groups.resize(1);
        self.groups.add(&values[0], |_| 0, |_| true, -1);
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}
