//! Variances and standard deviations, computed in DOUBLE and given in the type of AVG.
//!
//! Source: Welford's method; merging after Chan, Golub and LeVeque (1979).

use super::distinct::Distinct;
use super::{average_type, numeric, one_number};
use crate::functions::cast::{CastOptions, OnFailure, cast_array};
use crate::functions::to_datafusion;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use freshet_types::SqlType;
use std::sync::Arc;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    StddevPop,
    StddevSamp,
    VarPop,
    VarSamp,
}

/// STDDEV_POP and its kin.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Moment {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl Moment {
    pub(super) fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for Moment {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.iter().map(|t| numeric(self.name, t).unwrap_or_else(|_| t.clone())).collect())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let types = [one_number(self.name, types).map_err(to_datafusion)?];
        Ok(average_type(&types[0]))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let output = args.return_field.data_type().clone();
        let inner = One { kind: self.kind, output, count: 0.0, mean: 0.0, squares: 0.0 };
        if args.is_distinct {
            return Ok(Box::new(Distinct::new(args.expr_fields[0].data_type().clone(), Box::new(inner))));
        }
        Ok(Box::new(inner))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct {
            return Ok(vec![Distinct::state_field(args.name, args.input_fields[0].data_type())]);
        }
        let field = |part: &str, t: DataType| Arc::new(Field::new(format!("{}[{part}]", args.name), t, true));
        Ok(vec![field("count", DataType::Int64), field("mean", DataType::Float64), field("squares", DataType::Float64)])
    }

    fn order_sensitivity(&self) -> datafusion::logical_expr::utils::AggregateOrderSensitivity {
        datafusion::logical_expr::utils::AggregateOrderSensitivity::Insensitive
    }
}

/// Count, mean and sum of squared distances from it.
#[derive(Debug)]
struct One {
    kind: Kind,
    output: DataType,
    count: f64,
    mean: f64,
    squares: f64,
}

fn doubles(values: &ArrayRef) -> Result<ArrayRef> {
    let from = SqlType::from_data_type(values.data_type()).unwrap_or(SqlType::Null);
    let options = CastOptions { on_failure: OnFailure::Fail, zone: chrono_tz::Tz::UTC };
    cast_array(values, &from, &SqlType::Double, &options).map_err(to_datafusion)
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in doubles(&values[0])?.as_primitive::<Float64Type>().iter().flatten() {
            self.count += 1.0;
            let before = value - self.mean;
            self.mean += before / self.count;
            self.squares += before * (value - self.mean);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in doubles(&values[0])?.as_primitive::<Float64Type>().iter().flatten() {
            self.count -= 1.0;
            if self.count == 0.0 {
                (self.mean, self.squares) = (0.0, 0.0);
                continue;
            }
            let after = value - self.mean;
            self.mean -= after / self.count;
            self.squares -= after * (value - self.mean);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let divisor = match self.kind {
            Kind::StddevPop | Kind::VarPop => self.count,
            Kind::StddevSamp | Kind::VarSamp => self.count - 1.0,
        };
        let variance = (divisor > 0.0).then(|| self.squares.max(0.0) / divisor);
        let value = match self.kind {
            Kind::StddevPop | Kind::StddevSamp => variance.map(f64::sqrt),
            Kind::VarPop | Kind::VarSamp => variance,
        };
        let array: ArrayRef = Arc::new(Float64Array::from(vec![value]));
        let to = SqlType::from_data_type(&self.output).unwrap_or(SqlType::Double);
        let options = CastOptions { on_failure: OnFailure::Fail, zone: chrono_tz::Tz::UTC };
        let result = cast_array(&array, &SqlType::Double, &to, &options).map_err(to_datafusion)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::Int64(Some(self.count as i64)),
            ScalarValue::Float64(Some(self.mean)),
            ScalarValue::Float64(Some(self.squares)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[0].as_primitive::<Int64Type>();
        let [means, squares] = [1, 2].map(|i| states[i].as_primitive::<Float64Type>());
        for row in 0..counts.len() {
            let count = counts.value(row) as f64;
            if counts.is_null(row) || count == 0.0 {
                continue;
            }
            let total = self.count + count;
            let distance = means.value(row) - self.mean;
            self.squares += squares.value(row) + distance * distance * self.count * count / total;
            self.mean += distance * count / total;
            self.count = total;
        }
        Ok(())
    }
}
