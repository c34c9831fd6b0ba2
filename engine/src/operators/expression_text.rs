//! Expressions as EXPLAIN shows them: DataFusion's text, with its literals written as SQL writes them.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, IntervalUnit, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use std::fmt;
use std::sync::Arc;

/// The text of `expression` for EXPLAIN and for messages; nothing reads it back.
pub fn expression_text(expression: &Arc<dyn PhysicalExpr>) -> String {
    let written = Arc::clone(expression).transform_up(|e| {
        Ok(match e.downcast_ref::<Literal>() {
            Some(literal) => Transformed::yes(Arc::new(Written(literal.clone())) as Arc<dyn PhysicalExpr>),
            None => Transformed::no(e),
        })
    });
    match written {
        Ok(written) => written.data.to_string(),
        // A node that takes only a literal of DataFusion's own below it.
        Err(_) => expression.to_string(),
    }
}

/// A literal that shows itself as SQL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Written(Literal);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.value();
        if value.is_null() {
            return f.write_str("NULL");
        }
        if let Some(Some(text)) = value.try_as_str() {
            return write!(f, "'{}'", text.replace('\'', "''"));
        }
        let shown = || match value.to_array().map(|array| array_value_to_string(&array, 0)) {
            Ok(Ok(text)) => text,
            _ => value.to_string(),
        };
        match value.data_type() {
            DataType::Timestamp(_, None) => write!(f, "TIMESTAMP '{}'", shown().replace('T', " ")),
            DataType::Timestamp(_, Some(_)) => write!(f, "TIMESTAMP_LTZ '{}'", shown().replace('T', " ")),
            DataType::Date32 => write!(f, "DATE '{}'", shown()),
            DataType::Time32(_) | DataType::Time64(_) => write!(f, "TIME '{}'", shown()),
            DataType::Interval(unit) => interval(value, unit, f),
            _ => write!(f, "{value}"),
        }
    }
}

fn interval(value: &ScalarValue, unit: IntervalUnit, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (months, days, nanos) = match value {
        ScalarValue::IntervalMonthDayNano(Some(v)) => (v.months, v.days, i128::from(v.nanoseconds)),
        ScalarValue::IntervalDayTime(Some(v)) => (0, v.days, i128::from(v.milliseconds) * 1_000_000),
        ScalarValue::IntervalYearMonth(Some(months)) => (*months, 0, 0),
        _ => return write!(f, "{value} ({unit:?})"),
    };
    let nanos = nanos + i128::from(days) * 86_400_000_000_000;
    if months != 0 {
        write!(f, "INTERVAL '{months}' MONTH")?;
        if nanos == 0 {
            return Ok(());
        }
        f.write_str(" + ")?;
    }
    for (name, size) in [("DAY", 86_400_000_000_000), ("HOUR", 3_600_000_000_000), ("MINUTE", 60_000_000_000)] {
        if nanos != 0 && nanos % size == 0 {
            return write!(f, "INTERVAL '{}' {name}", nanos / size);
        }
    }
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (nanos.abs() / 1_000_000_000, nanos.abs() % 1_000_000_000);
    let fraction = format!(".{rest:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    write!(f, "INTERVAL '{sign}{seconds}{fraction}' SECOND")
}

impl PhysicalExpr for Written {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.0.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.0.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        self.0.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(self)
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::{IntervalDayTime, IntervalMonthDayNano};
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{BinaryExpr, Column, lit};

    #[test]
    fn literals_are_written_as_sql() {
        let month_day_nano = |months, days, nanos| {
            ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(months, days, nanos)))
        };
        for (value, text) in [
            (month_day_nano(0, 0, 5_000_000_000), "INTERVAL '5' SECOND"),
            (month_day_nano(0, 0, -1_500_000_000), "INTERVAL '-1.5' SECOND"),
            (month_day_nano(0, 0, 0), "INTERVAL '0' SECOND"),
            (month_day_nano(0, 2, 0), "INTERVAL '2' DAY"),
            (month_day_nano(0, 1, 3_600_000_000_000), "INTERVAL '25' HOUR"),
            (month_day_nano(14, 0, 0), "INTERVAL '14' MONTH"),
            (month_day_nano(1, 0, 60_000_000_000), "INTERVAL '1' MONTH + INTERVAL '1' MINUTE"),
            (ScalarValue::IntervalDayTime(Some(IntervalDayTime::new(0, 250))), "INTERVAL '0.25' SECOND"),
            (ScalarValue::IntervalYearMonth(Some(3)), "INTERVAL '3' MONTH"),
            (ScalarValue::Utf8(None), "NULL"),
            (ScalarValue::Utf8(Some("it's".into())), "'it''s'"),
            (ScalarValue::Date32(Some(1)), "DATE '1970-01-02'"),
            (ScalarValue::TimestampMillisecond(Some(1_500), None), "TIMESTAMP '1970-01-01 00:00:01.500'"),
            (ScalarValue::Int64(Some(-3)), "-3"),
        ] {
            let alone: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(value));
            assert_eq!(expression_text(&alone), text);
            let in_a_sum = BinaryExpr::new(Arc::new(Column::new("t", 1)), Operator::Minus, alone);
            assert_eq!(expression_text(&(Arc::new(in_a_sum) as _)), format!("t@1 - {text}"));
        }
        assert_eq!(expression_text(&lit(ScalarValue::new_null_list(DataType::Int32, true, 1))), "NULL");
    }
}
