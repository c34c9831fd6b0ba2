//! SUM in the type of its argument.

use super::distinct::Distinct;
use super::{numeric, one_number};
use crate::functions::cast::decimal_fits;
use crate::functions::to_datafusion;
use arrow::array::*;
use arrow::datatypes::*;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use std::sync::Arc;

/// SUM.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sum {
    signature: Signature,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

/// Addition of one type: whole numbers wrap, decimals stop at their bounds and then count as NULL.
trait Add: ArrowPrimitiveType + std::fmt::Debug {
    fn add(a: Self::Native, b: Self::Native) -> Self::Native;
    fn subtract(a: Self::Native, b: Self::Native) -> Self::Native;
    fn valid(_: Self::Native) -> bool {
        true
    }
}

macro_rules! wrapping {
    ($($type:ty),*) => {$(
        impl Add for $type {
            fn add(a: Self::Native, b: Self::Native) -> Self::Native {
                a.wrapping_add(b)
            }
            fn subtract(a: Self::Native, b: Self::Native) -> Self::Native {
                a.wrapping_sub(b)
            }
        }
    )*};
}
wrapping!(Int8Type, Int16Type, Int32Type, Int64Type);

macro_rules! floating {
    ($($type:ty),*) => {$(
        impl Add for $type {
            fn add(a: Self::Native, b: Self::Native) -> Self::Native {
                a + b
            }
            fn subtract(a: Self::Native, b: Self::Native) -> Self::Native {
                a - b
            }
        }
    )*};
}
floating!(Float32Type, Float64Type);

impl Add for Decimal128Type {
    fn add(a: i128, b: i128) -> i128 {
        a.saturating_add(b)
    }
    fn subtract(a: i128, b: i128) -> i128 {
        a.saturating_sub(b)
    }
    fn valid(value: i128) -> bool {
        decimal_fits(value, 38)
    }
}

macro_rules! for_type {
    ($data_type:expr, $make:ident) => {
        match $data_type {
            DataType::Int8 => $make!(Int8Type),
            DataType::Int16 => $make!(Int16Type),
            DataType::Int32 => $make!(Int32Type),
            DataType::Int64 => $make!(Int64Type),
            DataType::Float32 => $make!(Float32Type),
            DataType::Float64 => $make!(Float64Type),
            DataType::Decimal128(_, _) => $make!(Decimal128Type),
            other => internal_err!("a sum of {other}"),
        }
    };
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.iter().map(|t| numeric("sum", t).unwrap_or_else(|_| t.clone())).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let types = [one_number("sum", types).map_err(to_datafusion)?];
        Ok(match &types[0] {
            DataType::Decimal128(_, s) => DataType::Decimal128(38, *s),
            other => other.clone(),
        })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_field.data_type().clone();
        macro_rules! make {
            ($type:ty) => {
                Ok(Box::new(One::<$type> { data_type: data_type.clone(), sum: None, count: 0 }) as Box<dyn Accumulator>)
            };
        }
        let inner: Result<Box<dyn Accumulator>> = for_type!(&data_type, make);
        if args.is_distinct {
            return Ok(Box::new(Distinct::new(args.expr_fields[0].data_type().clone(), inner?)));
        }
        inner
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct {
            return Ok(vec![Distinct::state_field(args.name, args.input_fields[0].data_type())]);
        }
        Ok(vec![Arc::new(Field::new(format!("{}[sum]", args.name), args.return_field.data_type().clone(), true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let data_type = args.return_field.data_type().clone();
        macro_rules! make {
            ($type:ty) => {
                Ok(Box::new(Groups::<$type> { data_type: data_type.clone(), sums: vec![], seen: vec![] })
                    as Box<dyn GroupsAccumulator>)
            };
        }
        for_type!(&data_type, make)
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }
}

/// One sum.
#[derive(Debug)]
struct One<T: Add> {
    data_type: DataType,
    sum: Option<T::Native>,
    count: u64,
}

impl<T: Add> One<T> {
    fn value(&self) -> Result<ScalarValue> {
        let value = self.sum.filter(|v| T::valid(*v));
        ScalarValue::new_primitive::<T>(value, &self.data_type)
    }
}

impl<T: Add> Accumulator for One<T> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            self.sum = Some(self.sum.map_or(value, |sum| T::add(sum, value)));
            self.count += 1;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.value()
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::new_primitive::<T>(self.sum, &self.data_type)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<T>().iter().flatten() {
            self.count -= 1;
            self.sum = if self.count == 0 { None } else { self.sum.map(|sum| T::subtract(sum, value)) };
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// The sums of many groups.
#[derive(Debug)]
struct Groups<T: Add> {
    data_type: DataType,
    sums: Vec<T::Native>,
    seen: Vec<bool>,
}

impl<T: Add> Groups<T> {
    fn take(&mut self, emit_to: EmitTo, check: bool) -> ArrayRef {
        let sums = emit_to.take_needed(&mut self.sums);
        let seen = emit_to.take_needed(&mut self.seen);
        let values: PrimitiveArray<T> =
            sums.into_iter().zip(seen).map(|(sum, seen)| (seen && (!check || T::valid(sum))).then_some(sum)).collect();
        Arc::new(values.with_data_type(self.data_type.clone()))
    }
}

impl<T: Add> GroupsAccumulator for Groups<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.sums.resize(total_num_groups, T::default_value());
        self.seen.resize(total_num_groups, false);
        let values = values[0].as_primitive::<T>();
        let mut add = |group: usize, value: T::Native| {
            self.sums[group] = T::add(self.sums[group], value);
            self.seen[group] = true;
        };
        if values.null_count() == 0 && opt_filter.is_none() {
            group_indices.iter().zip(values.values()).for_each(|(group, value)| add(*group, *value));
            return Ok(());
        }
        for (row, group) in group_indices.iter().enumerate() {
            let kept = opt_filter.is_none_or(|f| f.is_valid(row) && f.value(row));
            if kept && values.is_valid(row) {
                add(*group, values.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.take(emit_to, true))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.take(emit_to, false)])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, opt_filter, total_num_groups)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<T::Native>() + self.seen.capacity()
    }
}
