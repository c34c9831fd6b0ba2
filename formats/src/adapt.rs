//! From the types of a file to those that are asked for, and from ours to those that files know. Nothing is lost but
//! digits of a time beyond the precision that is asked for; a number that does not fit is an error.

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
    make_array, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::*;
use freshet_types::{Error, Result, SqlField};
use std::sync::Arc;

/// Whether values of type `from` can become values of type `to`.
pub(crate) fn fits(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    if from == to {
        return true;
    }
    match (from, to) {
        (Null, _) => true,
        (Dictionary(_, values), _) => fits(values, to),
        (Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView, Utf8 | Binary) => true,
        (FixedSizeBinary(_), Binary) => true,
        (Int64, Duration(TimeUnit::Millisecond)) | (Int32, Interval(IntervalUnit::YearMonth)) => true,
        (Duration(_), Duration(TimeUnit::Millisecond)) => true,
        (from, Int8 | Int16 | Int32 | Int64) if from.is_integer() => true,
        (from, Float32) if from.is_integer() => bits(from) <= 24,
        (from, Float64) if from.is_integer() => bits(from) <= 53,
        (from, Decimal128(p, s)) if from.is_integer() => {
            i32::from(*p) - i32::from(*s) >= [3, 5, 10, 20][bits(from).div_ceil(8).ilog2() as usize]
        }
        (Float16, Float32 | Float64) | (Float32, Float64) => true,
        (Decimal32(p, s) | Decimal64(p, s) | Decimal128(p, s) | Decimal256(p, s), Decimal128(to_p, to_s)) => {
            to_s >= s && i32::from(*to_p) - i32::from(*to_s) >= i32::from(*p) - i32::from(*s)
        }
        (Date64, Date32) => true,
        (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (Timestamp(..), Timestamp(..)) => true,
        (List(from) | LargeList(from) | FixedSizeList(from, _) | ListView(from), List(to)) => {
            fits(from.data_type(), to.data_type())
        }
        (Map(from, _), Map(to, _)) => match (from.data_type(), to.data_type()) {
            (Struct(from), Struct(to)) if from.len() == 2 && to.len() == 2 => {
                from.iter().zip(to).all(|(f, t)| fits(f.data_type(), t.data_type()))
            }
            _ => false,
        },
        (Struct(from), Struct(to)) => to.iter().all(|t| match from.find(t.name()) {
            Some((_, f)) => fits(f.data_type(), t.data_type()),
            None => t.is_nullable(),
        }),
        _ => false,
    }
}

/// Bits that the value of an integer type has, without its sign.
fn bits(data_type: &DataType) -> u32 {
    let width = data_type.primitive_width().unwrap_or(8) as u32 * 8;
    if data_type.is_signed_integer() { width - 1 } else { width }
}

/// The same values as `to`, for which [`fits`] holds.
///
/// # Errors
/// `value.range` for a number or a time that does not fit, `value.invalid` for text that is not UTF-8.
pub(crate) fn adapt(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == to {
        return Ok(Arc::clone(array));
    }
    let cast = |to: &DataType| {
        cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
            .map_err(|e| Error::data("value.range", format!("a value does not fit into type {to}")).because(e))
    };
    match (from, to) {
        (DataType::Null, _) => Ok(new_null_array(to, array.len())),
        (DataType::Dictionary(_, values), _) => adapt(&cast(values)?, to),
        (DataType::Timestamp(unit, _), DataType::Timestamp(to_unit, _)) => rescale(array, *unit, *to_unit, to),
        (DataType::Int64, DataType::Duration(_)) | (DataType::Int32, DataType::Interval(_)) => relabel(array, to),
        (DataType::Duration(_), DataType::Int64) | (DataType::Interval(_), DataType::Int32) => relabel(array, to),
        (DataType::List(item), DataType::List(to_item)) if item.data_type() != to_item.data_type() => {
            let list = array.as_list::<i32>();
            let values = adapt(list.values(), to_item.data_type())?;
            let offsets = list.offsets().clone();
            Ok(Arc::new(ListArray::try_new(Arc::clone(to_item), offsets, values, list.nulls().cloned())?))
        }
        (DataType::List(_), DataType::List(to_item)) => {
            let list = array.as_list::<i32>();
            let (_, offsets, values, nulls) = list.clone().into_parts();
            Ok(Arc::new(ListArray::try_new(Arc::clone(to_item), offsets, values, nulls)?))
        }
        (
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) | DataType::ListView(item),
            DataType::List(_),
        ) => adapt(&cast(&DataType::List(Arc::clone(item)))?, to),
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let map = array.as_map();
            let DataType::Struct(pair) = entries.data_type() else { return cast(to) };
            let columns = map
                .entries()
                .columns()
                .iter()
                .zip(pair)
                .map(|(column, field)| adapt(column, field.data_type()))
                .collect::<Result<Vec<_>>>()?;
            let pairs = StructArray::try_new(pair.clone(), columns, None)?;
            let nulls = map.nulls().cloned();
            Ok(Arc::new(MapArray::try_new(Arc::clone(entries), map.offsets().clone(), pairs, nulls, *sorted)?))
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let row = array.as_struct();
            let columns = fields
                .iter()
                .map(|field| match row.column_by_name(field.name()) {
                    Some(column) => adapt(column, field.data_type()),
                    None => Ok(new_null_array(field.data_type(), row.len())),
                })
                .collect::<Result<Vec<_>>>()?;
            if fields.is_empty() {
                return Ok(Arc::new(StructArray::new_empty_fields(row.len(), row.nulls().cloned())));
            }
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, row.nulls().cloned())?))
        }
        _ => cast(to),
    }
}

/// The same numbers under another type of the same width.
fn relabel(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    Ok(make_array(array.to_data().into_builder().data_type(to.clone()).build()?))
}

/// Timestamps in another unit; towards the past where digits are cut.
fn rescale(array: &ArrayRef, from: TimeUnit, to: TimeUnit, data_type: &DataType) -> Result<ArrayRef> {
    let per_second = |unit| match unit {
        TimeUnit::Second => 1_i64,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let (from, to) = (per_second(from), per_second(to));
    if from == to {
        return relabel(array, data_type);
    }
    let numbers = Int64Array::from(array.to_data().into_builder().data_type(DataType::Int64).build()?);
    let scaled: Int64Array = if from > to {
        numbers.unary(|v| v.div_euclid(from / to))
    } else {
        numbers.try_unary(|v| {
            v.checked_mul(to / from).ok_or_else(|| {
                Error::data("value.range", format!("a timestamp does not fit into type {data_type}"))
                    .hint("declare the column with fewer digits, such as TIMESTAMP(6)")
            })
        })?
    };
    relabel(&(Arc::new(scaled) as ArrayRef), data_type)
}

/// The type under which values of `data_type` lie in a file: times of whole seconds have no type of their own in Parquet
/// and Avro, and intervals are numbers there.
pub(crate) fn file_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Duration(TimeUnit::Millisecond) => DataType::Int64,
        DataType::Interval(IntervalUnit::YearMonth) => DataType::Int32,
        DataType::List(item) => DataType::List(file_field(item)),
        DataType::Map(entries, sorted) => DataType::Map(file_field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(file_field).collect()),
        other => other.clone(),
    }
}

fn file_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(file_type(field.data_type())))
}

/// The columns under which rows of `schema` lie in a file.
pub(crate) fn file_schema(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().iter().map(file_field).collect::<Fields>()))
}

/// `rows` with the types of `schema`, whose columns are the same.
pub(crate) fn to_file(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = rows
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| adapt(column, field.data_type()))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options)?)
}

/// The columns that a file offers, as Flink's types.
///
/// # Errors
/// `format.type` for a column whose type has no counterpart.
pub(crate) fn sql_schema(file: &Schema) -> Result<SchemaRef> {
    let fields = file
        .fields()
        .iter()
        .map(|field| {
            let known = match field.data_type() {
                DataType::Date64 => DataType::Date32,
                DataType::Decimal256(p, s) if *p <= 38 => DataType::Decimal128(*p, *s),
                other => other.clone(),
            };
            let Some(sql) = SqlField::from_arrow(&field.as_ref().clone().with_data_type(known)) else {
                return Err(Error::unsupported(
                    "format.type",
                    format!("type {} has no counterpart", field.data_type()),
                )
                .at("column", field.name())
                .hint("declare the table with CREATE TABLE and leave this column out"));
            };
            // A file says more of what it holds today than of what the next one will: all columns may be NULL.
            Ok(SqlField::new(sql.name, sql.sql_type).to_arrow())
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// For each asked column, the column of the file that it comes from; none when the file does not have it.
///
/// # Errors
/// `file.column_type`, `file.column_missing`
pub(crate) fn match_columns(asked: &Schema, file: &Schema) -> Result<Vec<Option<usize>>> {
    asked
        .fields()
        .iter()
        .map(|field| match file.fields().find(field.name()) {
            Some((i, found)) if fits(found.data_type(), field.data_type()) => Ok(Some(i)),
            Some((_, found)) => {
                let name =
                    |f: &Field| SqlField::from_arrow(f).map_or(f.data_type().to_string(), |f| f.sql_type.to_string());
                Err(Error::invalid(
                    "file.column_type",
                    format!("the file holds {} where the table says {}", name(found), name(field)),
                )
                .at("column", field.name())
                .hint(format!("declare the column as {}", name(found))))
            }
            None if field.is_nullable() => Ok(None),
            None => Err(Error::data("file.column_missing", "the file does not have a column that is NOT NULL")
                .at("column", field.name())
                .hint("leave out NOT NULL, or name the column as in the file")),
        })
        .collect()
}

/// The asked columns out of `rows`, which hold the file's columns by name.
///
/// # Errors
/// As [`adapt`]; `value.null` for a NULL in a column that is NOT NULL.
pub(crate) fn select(rows: &RecordBatch, asked: &SchemaRef) -> Result<RecordBatch> {
    let columns = asked
        .fields()
        .iter()
        .map(|field| {
            let column = match rows.column_by_name(field.name()) {
                Some(column) => adapt(column, field.data_type()).map_err(|e| e.at("column", field.name()))?,
                None => new_null_array(field.data_type(), rows.num_rows()),
            };
            if !field.is_nullable() && column.null_count() > 0 {
                return Err(Error::data("value.null", "the file holds NULL in a column that is NOT NULL")
                    .at("column", field.name())
                    .hint("declare the column without NOT NULL"));
            }
            Ok(column)
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(SchemaRef::clone(asked), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, StringDictionaryBuilder, TimestampNanosecondArray};

    #[test]
    fn numbers_widen_and_narrow_where_they_fit() {
        use DataType::*;
        for (from, to, expected) in [
            (Int32, Int64, true),
            (Int64, Int32, true),
            (UInt32, Int64, true),
            (Int32, Float64, true),
            (Int64, Float64, false),
            (Int64, Decimal128(20, 0), true),
            (Int64, Decimal128(18, 0), false),
            (Int8, Decimal128(5, 2), true),
            (UInt64, Decimal128(20, 0), true),
            (Float64, Float32, false),
            (Decimal128(10, 2), Decimal128(12, 4), true),
            (Decimal128(10, 2), Decimal128(12, 5), false),
            (Utf8, Int32, false),
            (Date32, Timestamp(TimeUnit::Millisecond, None), false),
        ] {
            assert_eq!(fits(&from, &to), expected, "{from} to {to}");
        }
        let array: ArrayRef = Arc::new(Int32Array::from(vec![Some(127), None]));
        assert_eq!(adapt(&array, &Int8).unwrap().null_count(), 1);
        let array: ArrayRef = Arc::new(Int32Array::from(vec![128]));
        assert_eq!(adapt(&array, &Int8).unwrap_err().code(), "value.range");
    }

    #[test]
    fn timestamps_are_cut_towards_the_past_and_checked() {
        let array: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-1, 1_999_999]));
        let millis = adapt(&array, &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))).unwrap();
        assert_eq!(millis.as_primitive::<TimestampMillisecondType>().values(), &[-1, 1]);
        let far: ArrayRef = Arc::new(arrow::array::TimestampSecondArray::from(vec![i64::MAX / 1_000]));
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        assert_eq!(adapt(&far, &nanos).unwrap_err().code(), "value.range");
    }

    #[test]
    fn dictionaries_become_text() {
        let mut builder = StringDictionaryBuilder::<Int32Type>::new();
        builder.extend([Some("a"), None, Some("a")]);
        let array: ArrayRef = Arc::new(builder.finish());
        let text = adapt(&array, &DataType::Utf8).unwrap();
        assert_eq!(text.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), None, Some("a")]);
    }
}
