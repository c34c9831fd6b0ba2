//! Columns as queries have them to columns as data files have them: wider integers, microseconds, field ids.
//!
//! Only what differs is computed; everything else is handed on without a copy.

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, MapArray, PrimitiveArray, StructArray, TimestampMicrosecondArray,
    TimestampNanosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTimestampType, DataType, Field, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use freshet_types::{Error, Result};
use std::sync::Arc;

/// The array with the type of a data file's column.
///
/// # Errors
/// `value.invalid` for a value that the type cannot hold.
pub(crate) fn to_file(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), target) {
        (DataType::Timestamp(from, _), DataType::Timestamp(to, zone)) => timestamps(array, *from, *to, zone.clone()),
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let array = array.as_struct();
            let columns = array
                .columns()
                .iter()
                .zip(fields)
                .map(|(column, field)| to_file(column, field.data_type()))
                .collect::<Result<Vec<_>>>()?;
            for (column, field) in columns.iter().zip(fields) {
                refuse_nulls(column, field, array.nulls())?;
            }
            Ok(Arc::new(StructArray::try_new_with_length(
                fields.clone(),
                columns,
                array.nulls().cloned(),
                array.len(),
            )?))
        }
        (DataType::List(_), DataType::List(element)) => {
            let list = array.as_list::<i32>();
            let values = to_file(list.values(), element.data_type())?;
            refuse_nulls(&values, element, None)?;
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(element),
                list.offsets().clone(),
                values,
                list.nulls().cloned(),
            )?))
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let pairs: ArrayRef = Arc::new(map.entries().clone());
            let pairs = to_file(&pairs, entries.data_type())?;
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(entries),
                map.offsets().clone(),
                pairs.as_struct().clone(),
                map.nulls().cloned(),
                *sorted,
            )?))
        }
        _ => {
            let options = CastOptions { safe: false, ..CastOptions::default() };
            Ok(cast_with_options(array, target, &options)?)
        }
    }
}

/// Refuses a NULL where the column says that there is none.
pub(crate) fn refuse_nulls(column: &ArrayRef, field: &Field, parent: Option<&NullBuffer>) -> Result<()> {
    if field.is_nullable() || column.null_count() == 0 {
        return Ok(());
    }
    // A NULL inside a NULL row is not a value.
    let stray = match (column.nulls(), parent) {
        (Some(nulls), Some(parent)) => (0..column.len()).any(|i| nulls.is_null(i) && parent.is_valid(i)),
        _ => true,
    };
    if stray {
        return Err(Error::data("lake.null", format!("column \"{}\" is NOT NULL but got NULL", field.name()))
            .hint("filter the rows, or replace NULL with COALESCE"));
    }
    Ok(())
}

fn timestamps(array: &ArrayRef, from: TimeUnit, to: TimeUnit, zone: Option<Arc<str>>) -> Result<ArrayRef> {
    let (numerator, denominator) = match (per_second(from), per_second(to)) {
        (from, to) if from <= to => (to / from, 1),
        (from, to) => (1, from / to),
    };
    let numbers: Int64Array = match from {
        TimeUnit::Second => scaled::<TimestampSecondType>(array, numerator, denominator)?,
        TimeUnit::Millisecond => scaled::<TimestampMillisecondType>(array, numerator, denominator)?,
        TimeUnit::Microsecond => scaled::<TimestampMicrosecondType>(array, numerator, denominator)?,
        TimeUnit::Nanosecond => scaled::<TimestampNanosecondType>(array, numerator, denominator)?,
    };
    let (_, values, nulls) = numbers.into_parts();
    Ok(match to {
        TimeUnit::Microsecond => {
            Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone)) as ArrayRef
        }
        TimeUnit::Nanosecond => Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone)),
        TimeUnit::Millisecond => {
            Arc::new(PrimitiveArray::<TimestampMillisecondType>::new(values, nulls).with_timezone_opt(zone))
        }
        TimeUnit::Second => Arc::new(PrimitiveArray::<TimestampSecondType>::new(values, nulls).with_timezone_opt(zone)),
    })
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Values times `numerator` by `denominator`, towards minus infinity.
fn scaled<T>(array: &ArrayRef, numerator: i64, denominator: i64) -> Result<Int64Array>
where
    T: ArrowTimestampType + ArrowPrimitiveType<Native = i64>,
{
    let array = array.as_primitive::<T>();
    let values = array.values();
    if denominator > 1 {
        let values = values.iter().map(|v| v.div_euclid(denominator)).collect::<Vec<_>>();
        return Ok(Int64Array::new(values.into(), array.nulls().cloned()));
    }
    if numerator == 1 {
        return Ok(Int64Array::new(values.clone(), array.nulls().cloned()));
    }
    // One pass that multiplies and one flag that says whether any product left 64 bits: both vectorise.
    let limit = i64::MAX / numerator;
    let mut too_large = false;
    let product: Vec<i64> = values
        .iter()
        .map(|v| {
            too_large |= *v > limit || *v < -limit;
            v.wrapping_mul(numerator)
        })
        .collect();
    if too_large {
        // Slots below a NULL may hold anything.
        let stray = (0..array.len()).find(|i| array.is_valid(*i) && !(-limit..=limit).contains(&array.value(*i)));
        if let Some(row) = stray {
            return Err(Error::data(
                "value.invalid",
                format!("timestamp {} is beyond what a lake table holds", array.value(row)),
            ));
        }
    }
    Ok(Int64Array::new(product.into(), array.nulls().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{file_schema, to_iceberg};
    use arrow::array::{Int8Array, StringArray, TimestampMillisecondArray};
    use arrow::datatypes::Int32Type;
    use freshet_types::{SqlField, SqlType};

    #[test]
    fn milliseconds_become_microseconds() {
        let array: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None, Some(1_500)]));
        let target = DataType::Timestamp(TimeUnit::Microsecond, None);
        let micros = to_file(&array, &target).unwrap();
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(micros.iter().collect::<Vec<_>>(), [Some(-1_000), None, Some(1_500_000)]);
        let array: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![i64::MAX]));
        assert_eq!(to_file(&array, &target).unwrap_err().code(), "value.invalid");
    }

    #[test]
    fn nested_columns_keep_their_rows() {
        let element = SqlField::new("", SqlType::TinyInt);
        let columns = [SqlField::new("l", SqlType::Array(Box::new(element)))];
        let target = file_schema(&to_iceberg(&columns, &[], &[], 2).unwrap().0);
        let list = ListArray::from_iter_primitive::<arrow::datatypes::Int8Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![Some(3)]),
        ]);
        let array: ArrayRef = Arc::new(list);
        let converted = to_file(&array, target.field(0).data_type()).unwrap();
        let list = converted.as_list::<i32>();
        assert_eq!(list.values().as_primitive::<Int32Type>().values(), &[1, 0, 3]);
        assert!(list.is_null(1));
    }

    #[test]
    fn null_in_a_required_column_is_refused() {
        let column: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), None]));
        let field = Field::new("a", DataType::Int8, false);
        assert_eq!(refuse_nulls(&column, &field, None).unwrap_err().code(), "lake.null");
        assert!(refuse_nulls(&column, &field, Some(&NullBuffer::from(vec![true, false]))).is_ok());
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        assert!(refuse_nulls(&text, &field, None).is_ok());
    }
}
