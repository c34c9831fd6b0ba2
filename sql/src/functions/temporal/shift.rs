//! Days and times of day moved by an interval, and intervals stretched by a number: what the operators `+`, `-`, `*`
//! and `/` need besides Arrow's own timestamp arithmetic.

use crate::functions::cast::temporal::{date, days};
use crate::functions::{FunctionContext, to_datafusion};
use arrow::array::*;
use arrow::datatypes::*;
use chrono::{Months, TimeDelta};
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use freshet_types::{Error, Result};
use std::sync::Arc;

const DAY_NANOS: i64 = 86_400_000_000_000;
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// DATE or TIME and an interval.
    Plus,
    /// DATE or TIME without an interval.
    Minus,
    /// Interval and DOUBLE.
    Times,
    /// Interval and DOUBLE.
    Over,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Shift {
    kind: Kind,
    signature: Signature,
}

fn call(kind: Kind, args: Vec<Expr>) -> Expr {
    let udf = ScalarUDF::new_from_impl(Shift { kind, signature: Signature::any(2, Volatility::Immutable) });
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), args))
}

fn as_interval(interval: Expr) -> Expr {
    match &interval {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(_), _) => interval,
        _ => Expr::Cast(Cast::new(Box::new(interval), INTERVAL)),
    }
}

/// A DATE or TIME moved by an interval; a DATE moved by hours becomes a TIMESTAMP.
pub(crate) fn shift(point: Expr, interval: Expr, sign: i32, _: &FunctionContext) -> Expr {
    let interval = as_interval(interval);
    call(if sign < 0 { Kind::Minus } else { Kind::Plus }, vec![point, interval])
}

/// An interval times a DOUBLE, or divided by it.
pub(crate) fn scale(interval: Expr, factor: Expr, divide: bool, _: &FunctionContext) -> Expr {
    call(if divide { Kind::Over } else { Kind::Times }, vec![as_interval(interval), factor])
}

impl ScalarUDFImpl for Shift {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Plus => "date_plus",
            Kind::Minus => "date_minus",
            Kind::Times => "interval_times",
            Kind::Over => "interval_over",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        // A NULL without a type: see DecimalArithmetic.
        Ok(if types.contains(&DataType::Null) { DataType::Null } else { types[0].clone() })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if args.return_field.data_type() == &DataType::Null {
            return Ok(ColumnarValue::Scalar(ScalarValue::Null));
        }
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result = self.run(&arrays[0], &arrays[1]).map_err(to_datafusion)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Shift {
    fn run(&self, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
        if matches!(self.kind, Kind::Times | Kind::Over) {
            return self.stretch(left, right);
        }
        let sign = if self.kind == Kind::Minus { -1 } else { 1 };
        let intervals = right.as_primitive::<IntervalMonthDayNanoType>();
        match left.data_type() {
            DataType::Date32 => {
                let dates = left.as_primitive::<Date32Type>();
                let moved = dates.iter().zip(intervals).map(|(d, i)| moved_date(d?, i?, sign)).collect::<Date32Array>();
                Ok(Arc::new(moved))
            }
            time => {
                let nanos = arrow::compute::cast(left, &DataType::Time64(TimeUnit::Nanosecond))?;
                let nanos = nanos.as_primitive::<Time64NanosecondType>();
                let moved: Time64NanosecondArray = nanos
                    .iter()
                    .zip(intervals)
                    .map(|(t, i)| Some((t? + sign * (i?.nanoseconds % DAY_NANOS)).rem_euclid(DAY_NANOS)))
                    .collect();
                Ok(arrow::compute::cast(&moved, time)?)
            }
        }
    }

    fn stretch(&self, intervals: &ArrayRef, factors: &ArrayRef) -> Result<ArrayRef> {
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let factors = factors.as_primitive::<Float64Type>();
        let mut out = Vec::with_capacity(intervals.len());
        for (interval, factor) in intervals.iter().zip(factors) {
            let (Some(interval), Some(factor)) = (interval, factor) else {
                out.push(None);
                continue;
            };
            if self.kind == Kind::Over && factor == 0.0 {
                return Err(Error::data("value.division_by_zero", "division by zero"));
            }
            let by = |x: f64| if self.kind == Kind::Over { x / factor } else { x * factor };
            let nanos = by(i64::from(interval.days) as f64 * DAY_NANOS as f64 + interval.nanoseconds as f64);
            out.push(Some(IntervalMonthDayNano::new(by(f64::from(interval.months)) as i32, 0, nanos as i64)));
        }
        Ok(Arc::new(IntervalMonthDayNanoArray::from(out)))
    }
}

fn moved_date(day: i32, interval: IntervalMonthDayNano, sign: i64) -> Option<i32> {
    let start = date(day)?;
    let months = i64::from(interval.months) * sign;
    let size = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 { start.checked_sub_months(size)? } else { start.checked_add_months(size)? };
    let rest = i64::from(interval.days) + interval.nanoseconds / DAY_NANOS;
    Some(days(moved.checked_add_signed(TimeDelta::try_days(rest * sign)?)?))
}
