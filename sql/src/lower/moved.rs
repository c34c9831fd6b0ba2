//! Timestamps moved by a fixed span, as every watermark moves them: one addition for each row, where Arrow goes through
//! calendars.

use super::flow::Physical;
use arrow::array::{ArrayRef, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::*;
use arrow::error::ArrowError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Operator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use freshet_engine::operators::expression_text;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

const DAY_NANOS: i128 = 86_400_000_000_000;

/// A timestamp and a number of its units. It shows as the addition that it stands for.
#[derive(Debug)]
struct Moved {
    addition: BinaryExpr,
    by: i64,
}

// The addition says all.
impl PartialEq for Moved {
    fn eq(&self, other: &Self) -> bool {
        self.addition.eq(&other.addition)
    }
}

impl Eq for Moved {}

impl Hash for Moved {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.addition.hash(state);
    }
}

/// Replaces each addition of a span without months to a timestamp.
pub(super) fn rewrite(expr: Physical, schema: &Schema) -> Result<Physical> {
    Ok(expr.transform_up(|e| Ok(moved(&e, schema)?.map_or(Transformed::no(e), Transformed::yes)))?.data)
}

fn moved(expr: &Physical, schema: &Schema) -> Result<Option<Physical>> {
    let Some(addition) = expr.downcast_ref::<BinaryExpr>() else { return Ok(None) };
    let sign = match addition.op() {
        Operator::Plus => 1,
        Operator::Minus => -1,
        _ => return Ok(None),
    };
    let Some(span) = addition.right().downcast_ref::<Literal>() else { return Ok(None) };
    let ScalarValue::IntervalMonthDayNano(Some(span)) = span.value() else { return Ok(None) };
    let DataType::Timestamp(unit, _) = addition.left().data_type(schema)? else { return Ok(None) };
    if span.months != 0 {
        return Ok(None);
    }
    let nanos = sign * (i128::from(span.days) * DAY_NANOS + i128::from(span.nanoseconds));
    let unit_nanos = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    match i64::try_from(nanos / unit_nanos) {
        Ok(by) if nanos % unit_nanos == 0 => Ok(Some(Arc::new(Moved { addition: addition.clone(), by }))),
        _ => Ok(None),
    }
}

impl Moved {
    fn array(&self, array: &ArrayRef) -> Result<ArrayRef> {
        fn add<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef, by: i64) -> Result<ArrayRef> {
            let moved: PrimitiveArray<T> = array.as_primitive::<T>().try_unary(|time| {
                time.checked_add(by)
                    .ok_or_else(|| ArrowError::ComputeError(format!("Timestamp out of range: {time} + {by}")))
            })?;
            Ok(Arc::new(moved.with_data_type(array.data_type().clone())))
        }
        match array.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => add::<TimestampSecondType>(array, self.by),
            DataType::Timestamp(TimeUnit::Millisecond, _) => add::<TimestampMillisecondType>(array, self.by),
            DataType::Timestamp(TimeUnit::Microsecond, _) => add::<TimestampMicrosecondType>(array, self.by),
            _ => add::<TimestampNanosecondType>(array, self.by),
        }
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (point, op, span) = (self.addition.left(), self.addition.op(), self.addition.right());
        write!(f, "{point} {op} {}", expression_text(span))
    }
}

impl PhysicalExpr for Moved {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.addition.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.addition.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        match self.addition.left().evaluate(batch)? {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.array(&array)?)),
            ColumnarValue::Scalar(time) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&self.array(&time.to_array()?)?, 0)?))
            }
        }
    }

    fn children(&self) -> Vec<&Physical> {
        vec![self.addition.left()]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Physical>) -> Result<Physical> {
        let (op, span) = (*self.addition.op(), Arc::clone(self.addition.right()));
        Ok(Arc::new(Self { addition: BinaryExpr::new(Arc::clone(&children[0]), op, span), by: self.by }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::TimestampMillisecondArray;
    use arrow::datatypes::{Field, IntervalMonthDayNano};
    use datafusion::physical_expr::expressions::Column;

    fn both(times: Vec<Option<i64>>, op: Operator, span: IntervalMonthDayNano) -> (bool, [Result<ArrayRef>; 2]) {
        let schema =
            Arc::new(Schema::new(vec![Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true)]));
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(TimestampMillisecondArray::from(times))]).unwrap();
        let span = Arc::new(Literal::new(ScalarValue::IntervalMonthDayNano(Some(span))));
        let plain: Physical = Arc::new(BinaryExpr::new(Arc::new(Column::new("t", 0)), op, span));
        let quick = rewrite(Arc::clone(&plain), &schema).unwrap();
        assert_eq!(expression_text(&quick), expression_text(&plain));
        assert_eq!(quick.data_type(&schema).unwrap(), plain.data_type(&schema).unwrap());
        let is_quick = quick.downcast_ref::<Moved>().is_some();
        if is_quick {
            let again = Arc::clone(&quick).with_new_children(vec![Arc::new(Column::new("t", 0))]);
            assert!(again.unwrap().eq(&quick));
        }
        let rows = |e: &Physical| e.evaluate(&batch).and_then(|v| v.into_array(batch.num_rows()));
        (is_quick, [rows(&plain), rows(&quick)])
    }

    #[test]
    fn it_is_the_addition_that_it_stands_for() {
        let times = vec![Some(0), None, Some(-1), Some(1_700_000_000_123), Some(-62_135_596_800_000)];
        for (months, days, nanos, quick) in
            [(0, 0, 4_000_000_000, true), (0, 1, 0, true), (0, -3, 5_000_000, true), (2, 0, 0, false), (0, 0, 1, false)]
        {
            for op in [Operator::Plus, Operator::Minus] {
                let (is_quick, [plain, moved]) =
                    both(times.clone(), op, IntervalMonthDayNano::new(months, days, nanos));
                assert_eq!(is_quick, quick, "{months} {days} {nanos}");
                assert_eq!(&plain.unwrap(), &moved.unwrap(), "{months} {days} {nanos} {op}");
            }
        }
        let (_, [_, beyond]) = both(vec![Some(i64::MAX)], Operator::Plus, IntervalMonthDayNano::new(0, 1, 0));
        assert!(beyond.unwrap_err().to_string().contains("out of range"));
    }
}
