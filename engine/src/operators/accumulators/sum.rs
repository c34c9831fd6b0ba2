//! Sums and means of integers, decimals and floating point numbers.
//!
//! # Exactness
//! - Integers are added in 64 bits and wrap, as in Flink; the result is cut to its type.
//! - Decimals are added in 256 bits, so that a sum that leaves its type for a while comes back exactly.
//! - Floating point: over append-only input, plain addition in order of arrival, as in Flink. Where rows are taken back,
//!   sum and error term are kept apart (Neumaier), and NaN and infinities are counted beside it, so that they can be taken
//!   back too; a finite sum that overflows does not come back.

use super::{Accumulator, average, each, unsupported_type};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal128Array, Decimal256Array, Float64Array, Int64Array,
    PrimitiveArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, i256,
};
use freshet_types::Result;
use std::collections::HashMap;
use std::sync::Arc;

/// The accumulator for SUM, or AVG when `mean`.
pub(super) fn create(
    argument: &DataType,
    result: &DataType,
    mean: bool,
    append_only: bool,
) -> Result<Box<dyn Accumulator>> {
    let name = if mean { "avg" } else { "sum" };
    let refuse = || unsupported_type(name, argument, result);
    match (argument, result) {
        (a, r) if average::is_integer(a) && (average::is_integer(r) || *r == DataType::Float64) => {
            Ok(Box::new(IntegerSum { cells: Vec::new(), mean, result: r.clone() }))
        }
        (a, DataType::Decimal128(p, s)) if average::is_integer(a) => Ok(Box::new(DecimalSum::new(0, *p, *s, mean))),
        (DataType::Decimal128(_, from), DataType::Decimal128(p, s)) => {
            Ok(Box::new(DecimalSum::new(*from, *p, *s, mean)))
        }
        (DataType::Float32 | DataType::Float64, DataType::Float32 | DataType::Float64) => Ok(Box::new(FloatSum {
            cells: Vec::new(),
            special: HashMap::new(),
            mean,
            compensated: !append_only,
            // Flink adds FLOATs as FLOAT for SUM, as DOUBLE for AVG.
            single: append_only && !mean && *argument == DataType::Float32 && *result == DataType::Float32,
            result: result.clone(),
        })),
        _ => Err(refuse()),
    }
}

struct IntegerSum {
    cells: Vec<(i64, i64)>,
    mean: bool,
    result: DataType,
}

fn int64(array: &ArrayRef) -> Result<Int64Array> {
    Ok(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

impl IntegerSum {
    fn finish<T: ArrowPrimitiveType>(&self, groups: &[u32], f: impl Fn(i64) -> T::Native) -> ArrayRef {
        let mean = self.mean;
        let values: PrimitiveArray<T> = groups
            .iter()
            .map(|g| {
                let (sum, count) = self.cells[*g as usize];
                (count > 0).then(|| f(if mean { average::integer(sum, count) } else { sum }))
            })
            .collect();
        Arc::new(values)
    }
}

impl Accumulator for IntegerSum {
    fn grow(&mut self, groups: usize) {
        self.cells.resize(groups.max(self.cells.len()), (0, 0));
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
        let array = int64(&arguments[0])?;
        let values = &array.values()[..groups.len()];
        let cells = &mut self.cells;
        each(array.nulls(), groups, weights, |g, i, w| {
            let cell = &mut cells[g];
            cell.0 = cell.0.wrapping_add(values[i].wrapping_mul(w));
            cell.1 += w;
        });
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        Ok(match self.result {
            DataType::Int8 => self.finish::<Int8Type>(groups, |v| v as i8),
            DataType::Int16 => self.finish::<Int16Type>(groups, |v| v as i16),
            DataType::Int32 => self.finish::<Int32Type>(groups, |v| v as i32),
            DataType::Int64 => self.finish::<Int64Type>(groups, |v| v),
            _ => Arc::new(
                groups
                    .iter()
                    .map(|g| {
                        let (sum, count) = self.cells[*g as usize];
                        (count > 0).then(|| sum as f64 / if self.mean { count as f64 } else { 1.0 })
                    })
                    .collect::<Float64Array>(),
            ),
        })
    }

    fn is_empty(&self, group: u32) -> bool {
        self.cells[group as usize] == (0, 0)
    }

    fn clear(&mut self, group: u32) {
        self.cells[group as usize] = (0, 0);
    }

    fn state_width(&self) -> usize {
        2
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let column = |f: fn(&(i64, i64)) -> i64| -> ArrayRef {
            Arc::new(groups.iter().map(|g| f(&self.cells[*g as usize])).collect::<Int64Array>())
        };
        Ok(vec![column(|c| c.0), column(|c| c.1)])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (sums, counts) = (state[0].as_primitive::<Int64Type>(), state[1].as_primitive::<Int64Type>());
        for ((g, sum), count) in groups.iter().zip(sums.values()).zip(counts.values()) {
            let cell = &mut self.cells[*g as usize];
            cell.0 = cell.0.wrapping_add(*sum);
            cell.1 += count;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.cells.capacity() * 16
    }
}

struct DecimalSum {
    cells: Vec<(i256, i64)>,
    from: i8,
    precision: u8,
    scale: i8,
    mean: bool,
}

impl DecimalSum {
    fn new(from: i8, precision: u8, scale: i8, mean: bool) -> Self {
        Self { cells: Vec::new(), from, precision, scale, mean }
    }
}

impl Accumulator for DecimalSum {
    fn grow(&mut self, groups: usize) {
        self.cells.resize(groups.max(self.cells.len()), (i256::ZERO, 0));
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
        let cells = &mut self.cells;
        let mut add = |g: usize, value: i256, w: i64| {
            let cell = &mut cells[g];
            cell.0 = cell.0.wrapping_add(if w == 1 { value } else { value.wrapping_mul(i256::from(w)) });
            cell.1 += w;
        };
        if let DataType::Decimal128(..) = arguments[0].data_type() {
            let array = arguments[0].as_primitive::<Decimal128Type>();
            each(array.nulls(), groups, weights, |g, i, w| add(g, i256::from_i128(array.value(i)), w));
        } else {
            let array = int64(&arguments[0])?;
            each(array.nulls(), groups, weights, |g, i, w| add(g, i256::from(array.value(i)), w));
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let values: Decimal128Array = groups
            .iter()
            .map(|g| {
                let (sum, count) = self.cells[*g as usize];
                let divisor = if self.mean { count } else { 1 };
                (count > 0).then(|| average::decimal(sum, divisor, self.from, self.scale, self.precision)).flatten()
            })
            .collect();
        Ok(Arc::new(values.with_precision_and_scale(self.precision, self.scale)?))
    }

    fn is_empty(&self, group: u32) -> bool {
        self.cells[group as usize] == (i256::ZERO, 0)
    }

    fn clear(&mut self, group: u32) {
        self.cells[group as usize] = (i256::ZERO, 0);
    }

    fn state_width(&self) -> usize {
        2
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let sums: Decimal256Array = groups.iter().map(|g| Some(self.cells[*g as usize].0)).collect();
        let counts: Int64Array = groups.iter().map(|g| self.cells[*g as usize].1).collect();
        Ok(vec![Arc::new(sums.with_precision_and_scale(76, 0)?), Arc::new(counts)])
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (sums, counts) = (state[0].as_primitive::<Decimal256Type>(), state[1].as_primitive::<Int64Type>());
        for ((g, sum), count) in groups.iter().zip(sums.values()).zip(counts.values()) {
            let cell = &mut self.cells[*g as usize];
            cell.0 = cell.0.wrapping_add(*sum);
            cell.1 += count;
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.cells.capacity() * 48
    }
}

#[derive(Clone, Copy, Default)]
struct FloatCell {
    sum: f64,
    error: f64,
    count: i64,
}

/// How many NaN, positive and negative infinities a group holds.
type Special = [i64; 3];

struct FloatSum {
    cells: Vec<FloatCell>,
    special: HashMap<u32, Special>,
    mean: bool,
    compensated: bool,
    single: bool,
    result: DataType,
}

impl FloatCell {
    #[inline]
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        let other = sum - self.sum;
        self.error += (self.sum - (sum - other)) + (value - other);
        self.sum = sum;
    }
}

impl FloatSum {
    fn value(&self, group: u32) -> Option<f64> {
        let cell = self.cells[group as usize];
        if cell.count <= 0 {
            return None;
        }
        let sum = match self.special.get(&group) {
            Some([nan, plus, minus]) if *nan > 0 || (*plus > 0 && *minus > 0) => f64::NAN,
            Some([_, plus, _]) if *plus > 0 => f64::INFINITY,
            Some([_, _, minus]) if *minus > 0 => f64::NEG_INFINITY,
            _ if cell.error == 0.0 => cell.sum,
            _ => cell.sum + cell.error,
        };
        Some(if self.mean { sum / cell.count as f64 } else { sum })
    }

    fn add_special(&mut self, group: usize, value: f64, weight: i64) {
        let counts = self.special.entry(group as u32).or_default();
        counts[if value.is_nan() { 0 } else { 1 + usize::from(value < 0.0) }] += weight;
        if *counts == [0; 3] {
            self.special.remove(&(group as u32));
        }
    }
}

impl Accumulator for FloatSum {
    fn grow(&mut self, groups: usize) {
        self.cells.resize(groups.max(self.cells.len()), FloatCell::default());
    }

    fn update(&mut self, arguments: &[ArrayRef], groups: &[u32], weights: Option<&[i64]>) -> Result<()> {
        let array = cast(&arguments[0], &DataType::Float64)?;
        let array = array.as_primitive::<Float64Type>();
        let values = &array.values()[..groups.len()];
        let (cells, single, compensated) = (&mut self.cells, self.single, self.compensated);
        let mut special = Vec::new();
        each(array.nulls(), groups, weights, |g, i, w| {
            let (cell, value) = (&mut cells[g], values[i]);
            cell.count += w;
            if !value.is_finite() {
                special.push((g, value, w));
            } else if !compensated {
                cell.sum += value * w as f64;
                if single {
                    cell.sum = f64::from(cell.sum as f32);
                }
            } else {
                cell.add(value * w as f64);
            }
        });
        for (group, value, weight) in special {
            self.add_special(group, value, weight);
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        for g in groups {
            // Results are read between epochs, when nothing is owed: what is left of a sum of no values is drift.
            let cell = &mut self.cells[*g as usize];
            if cell.count == 0 {
                *cell = FloatCell::default();
            }
        }
        let values = groups.iter().map(|g| self.value(*g));
        Ok(match self.result {
            DataType::Float32 => Arc::new(values.map(|v| v.map(|v| v as f32)).collect::<PrimitiveArray<Float32Type>>()),
            _ => Arc::new(values.collect::<Float64Array>()),
        })
    }

    fn is_empty(&self, group: u32) -> bool {
        // What is left of a sum of no values may be drift.
        self.cells[group as usize].count == 0 && !self.special.contains_key(&group)
    }

    fn clear(&mut self, group: u32) {
        self.cells[group as usize] = FloatCell::default();
        self.special.remove(&group);
    }

    fn state_width(&self) -> usize {
        6
    }

    fn state(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let cell = |g: &u32| self.cells[*g as usize];
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(groups.iter().map(|g| cell(g).sum).collect::<Float64Array>()),
            Arc::new(groups.iter().map(|g| cell(g).error).collect::<Float64Array>()),
            Arc::new(groups.iter().map(|g| cell(g).count).collect::<Int64Array>()),
        ];
        for kind in 0..3 {
            let counts = groups.iter().map(|g| self.special.get(g).map_or(0, |s| s[kind]));
            columns.push(Arc::new(counts.collect::<Int64Array>()));
        }
        Ok(columns)
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (sums, errors) = (state[0].as_primitive::<Float64Type>(), state[1].as_primitive::<Float64Type>());
        let counts = state[2].as_primitive::<Int64Type>();
        for (i, g) in groups.iter().enumerate() {
            let cell = &mut self.cells[*g as usize];
            if cell.count == 0 {
                // An empty cell takes the sum bit by bit: restoring must not change -0.0, nor the error term.
                (cell.sum, cell.error) = (sums.value(i), errors.value(i));
            } else if self.compensated {
                cell.add(sums.value(i));
                cell.error += errors.value(i);
            } else {
                cell.sum += sums.value(i);
            }
            cell.count += counts.value(i);
            for (kind, sign) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().enumerate() {
                let weight = state[3 + kind].as_primitive::<Int64Type>().value(i);
                if weight != 0 {
                    self.add_special(*g as usize, sign, weight);
                }
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<FloatCell>()
    }
}
