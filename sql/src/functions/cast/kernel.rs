//! Casts whole arrays from one Flink type to another.

use super::number::{decimal_fits, decimal_to_double, double_to_decimal, float_to_decimal, rescale};
use super::temporal::{self, DAY_NANOS};
use super::text::{parse_boolean, parse_decimal, parse_double, parse_float, parse_long};
use super::{CastOptions, OnFailure};
use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;
use chrono::{NaiveDateTime, Timelike};
use freshet_types::sql_type::UNBOUNDED;
use freshet_types::text::{ColumnText, TextStyle};
use freshet_types::{Error, Result, SqlField, SqlType};
use std::sync::Arc;

/// `array`, whose values are of type `from`, as values of type `to`.
///
/// # Errors
/// `cast.value` when a value has no result and the cast is not TRY_CAST.
pub fn cast_array(array: &ArrayRef, from: &SqlType, to: &SqlType, options: &CastOptions) -> Result<ArrayRef> {
    let target = to.to_arrow();
    if array.data_type() == &DataType::Null || *from == SqlType::Null {
        return Ok(new_null_array(&target, array.len()));
    }
    let array = &plain(array, from)?;
    let cast = Cast { from, to, options };
    let result = match to {
        SqlType::Char(n) | SqlType::Varchar(n) => cast.to_text(array, *n, matches!(to, SqlType::Char(_)))?,
        SqlType::Binary(n) | SqlType::Varbinary(n) => cast.to_bytes(array, *n, matches!(to, SqlType::Binary(_)))?,
        SqlType::Boolean => cast.to_boolean(array)?,
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => cast.to_integer(array)?,
        SqlType::Float | SqlType::Double => cast.to_floating(array)?,
        SqlType::Decimal(p, s) => cast.to_decimal(array, *p, *s)?,
        SqlType::Date => cast.to_date(array)?,
        SqlType::Time(p) => cast.to_time(array, *p)?,
        SqlType::Timestamp(p) => cast.to_timestamp(array, *p, false)?,
        SqlType::TimestampLtz(p) => cast.to_timestamp(array, *p, true)?,
        SqlType::Array(element) => cast.to_list(array, element)?,
        SqlType::Map(key, value) => cast.to_map(array, key, value)?,
        SqlType::Row(fields) => cast.to_row(array, fields)?,
        SqlType::IntervalDayTime | SqlType::IntervalYearMonth => arrow::compute::cast(array, &target)?,
        SqlType::Null => Arc::clone(array),
    };
    debug_assert_eq!(result.data_type(), &target, "cast from {from}");
    Ok(result)
}

/// Views, dictionaries and large variants become the plain array of their type.
fn plain(array: &ArrayRef, from: &SqlType) -> Result<ArrayRef> {
    use DataType::*;
    match array.data_type() {
        Utf8View
        | LargeUtf8
        | BinaryView
        | LargeBinary
        | FixedSizeBinary(_)
        | Dictionary(_, _)
        | LargeList(_)
        | FixedSizeList(_, _)
        | ListView(_)
        | UInt8
        | UInt16
        | UInt32
        | UInt64
        | Float16 => Ok(arrow::compute::cast(array, &from.to_arrow())?),
        _ => Ok(Arc::clone(array)),
    }
}

struct Cast<'a> {
    from: &'a SqlType,
    to: &'a SqlType,
    options: &'a CastOptions,
}

impl Cast<'_> {
    /// What a value without a result gives.
    fn failed<T>(&self, value: impl std::fmt::Display) -> Result<Option<T>> {
        match self.options.on_failure {
            OnFailure::Null => Ok(None),
            OnFailure::Fail => Err(Error::data("cast.value", format!("'{value}' cannot be cast to {}", self.to))
                .hint("use TRY_CAST to get NULL instead")),
        }
    }

    fn no_cast(&self) -> Error {
        Error::invalid("cast.unsupported", format!("a value of type {} cannot be cast to {}", self.from, self.to))
    }

    /// Reads each text; `parse` gives none for text that cannot be read.
    fn parse<T: ArrowPrimitiveType>(
        &self,
        array: &ArrayRef,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<PrimitiveArray<T>> {
        let texts = array.as_string::<i32>();
        let mut out = PrimitiveBuilder::<T>::with_capacity(texts.len());
        for text in texts {
            match text {
                None => out.append_null(),
                Some(text) => match parse(text) {
                    Some(value) => out.append_value(value),
                    None => out.append_option(self.failed(text)?),
                },
            }
        }
        Ok(out.finish())
    }

    fn to_text(&self, array: &ArrayRef, length: u32, pad: bool) -> Result<ArrayRef> {
        if self.from.is_text() {
            if length == UNBOUNDED {
                return Ok(Arc::clone(array));
            }
            let texts = array.as_string::<i32>();
            let mut out = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
            let mut padded = String::new();
            for text in texts {
                out.append_option(text.map(|t| fit(t, length as usize, pad, &mut padded)));
            }
            return Ok(Arc::new(out.finish()));
        }
        let mut out = StringBuilder::with_capacity(array.len(), array.len() * 12);
        let mut padded = String::new();
        if matches!(self.from, SqlType::Binary(_) | SqlType::Varbinary(_)) {
            for bytes in array.as_binary::<i32>() {
                let text = bytes.map(String::from_utf8_lossy);
                out.append_option(text.as_deref().map(|t| fit(t, length as usize, pad, &mut padded)));
            }
            return Ok(Arc::new(out.finish()));
        }
        if matches!(array.data_type(), DataType::Interval(_) | DataType::Duration(_)) {
            for row in 0..array.len() {
                let text = array.is_valid(row).then(|| interval_text(array, row)).transpose()?;
                out.append_option(text.as_deref().map(|t| fit(t, length as usize, pad, &mut padded)));
            }
            return Ok(Arc::new(out.finish()));
        }
        let field = SqlField::new("", self.from.clone()).to_arrow();
        let style = TextStyle { zone: self.options.zone, ..TextStyle::default() };
        let writer = ColumnText::new(&field, &style);
        let mut text = String::new();
        for row in 0..array.len() {
            if array.is_null(row) {
                out.append_null();
                continue;
            }
            text.clear();
            writer.append(array.as_ref(), row, &mut text)?;
            out.append_value(fit(&text, length as usize, pad, &mut padded));
        }
        Ok(Arc::new(out.finish()))
    }

    fn to_bytes(&self, array: &ArrayRef, length: u32, pad: bool) -> Result<ArrayRef> {
        let length = length as usize;
        let fit = |bytes: &[u8]| {
            let mut bytes = bytes[..bytes.len().min(length)].to_vec();
            if pad {
                bytes.resize(length, 0);
            }
            bytes
        };
        let bytes: BinaryArray = if self.from.is_text() {
            array.as_string::<i32>().iter().map(|t| t.map(|t| fit(t.as_bytes()))).collect()
        } else {
            array.as_binary_opt::<i32>().ok_or_else(|| self.no_cast())?.iter().map(|b| b.map(fit)).collect()
        };
        Ok(Arc::new(bytes))
    }

    fn to_boolean(&self, array: &ArrayRef) -> Result<ArrayRef> {
        if self.from.is_text() {
            let mut out = BooleanBuilder::with_capacity(array.len());
            for text in array.as_string::<i32>() {
                match text.map(|t| (t, parse_boolean(t))) {
                    None => out.append_null(),
                    Some((_, Some(value))) => out.append_value(value),
                    Some((text, None)) => out.append_option(self.failed(text)?),
                }
            }
            return Ok(Arc::new(out.finish()));
        }
        let nulls = array.logical_nulls();
        macro_rules! not_zero {
            ($type:ty, $zero:expr) => {
                array.as_primitive::<$type>().values().iter().map(|v| *v != $zero).collect()
            };
        }
        let values = match array.data_type() {
            DataType::Boolean => return Ok(Arc::clone(array)),
            DataType::Int8 => not_zero!(Int8Type, 0),
            DataType::Int16 => not_zero!(Int16Type, 0),
            DataType::Int32 => not_zero!(Int32Type, 0),
            DataType::Int64 => not_zero!(Int64Type, 0),
            DataType::Float32 => not_zero!(Float32Type, 0.0),
            DataType::Float64 => not_zero!(Float64Type, 0.0),
            DataType::Decimal128(_, _) => not_zero!(Decimal128Type, 0),
            _ => return Err(self.no_cast()),
        };
        Ok(Arc::new(BooleanArray::new(values, nulls)))
    }

    fn to_integer(&self, array: &ArrayRef) -> Result<ArrayRef> {
        if self.from.is_text() {
            macro_rules! parse {
                ($type:ty) => {
                    Arc::new(self.parse::<$type>(array, |t| parse_long(t).and_then(|v| v.try_into().ok()))?)
                };
            }
            return Ok(match self.to {
                SqlType::TinyInt => parse!(Int8Type),
                SqlType::SmallInt => parse!(Int16Type),
                SqlType::Int => parse!(Int32Type),
                _ => parse!(Int64Type),
            });
        }
        // Java narrows a floating-point number to INT or BIGINT by saturation, and from there by cutting bits.
        macro_rules! narrow {
            ($source:ty, $long:expr, $int:expr) => {{
                let values = array.as_primitive::<$source>();
                match self.to {
                    SqlType::TinyInt => Arc::new(values.unary::<_, Int8Type>(|v| $int(v) as i8)) as ArrayRef,
                    SqlType::SmallInt => Arc::new(values.unary::<_, Int16Type>(|v| $int(v) as i16)),
                    SqlType::Int => Arc::new(values.unary::<_, Int32Type>(|v| $int(v) as i32)),
                    _ => Arc::new(values.unary::<_, Int64Type>($long)),
                }
            }};
        }
        Ok(match array.data_type() {
            DataType::Boolean => return Ok(arrow::compute::cast(array, &self.to.to_arrow())?),
            DataType::Int8 => narrow!(Int8Type, i64::from, i64::from),
            DataType::Int16 => narrow!(Int16Type, i64::from, i64::from),
            DataType::Int32 => narrow!(Int32Type, i64::from, i64::from),
            DataType::Int64 => narrow!(Int64Type, |v| v, |v: i64| v),
            DataType::Float32 => narrow!(Float32Type, |v| v as i64, |v: f32| v as i32),
            DataType::Float64 => narrow!(Float64Type, |v| v as i64, |v: f64| v as i32),
            DataType::Decimal128(_, scale) => {
                let divisor = 10i128.pow(u32::try_from(*scale).unwrap_or(0));
                narrow!(Decimal128Type, |v: i128| (v / divisor) as i64, |v: i128| (v / divisor) as i64)
            }
            DataType::Duration(_) | DataType::Interval(_) => {
                let whole = arrow::compute::cast(array, &DataType::Int64)?;
                return Ok(arrow::compute::cast(&whole, &self.to.to_arrow())?);
            }
            _ => return Err(self.no_cast()),
        })
    }

    fn to_floating(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let double = *self.to == SqlType::Double;
        if self.from.is_text() {
            return Ok(if double {
                Arc::new(self.parse::<Float64Type>(array, parse_double)?)
            } else {
                Arc::new(self.parse::<Float32Type>(array, parse_float)?)
            });
        }
        macro_rules! widen {
            ($source:ty) => {{
                let values = array.as_primitive::<$source>();
                if double {
                    Arc::new(values.unary::<_, Float64Type>(|v| v as f64)) as ArrayRef
                } else {
                    Arc::new(values.unary::<_, Float32Type>(|v| v as f32))
                }
            }};
        }
        Ok(match array.data_type() {
            DataType::Boolean => return Ok(arrow::compute::cast(array, &self.to.to_arrow())?),
            DataType::Int8 => widen!(Int8Type),
            DataType::Int16 => widen!(Int16Type),
            DataType::Int32 => widen!(Int32Type),
            DataType::Int64 => widen!(Int64Type),
            DataType::Float32 => widen!(Float32Type),
            DataType::Float64 => widen!(Float64Type),
            DataType::Decimal128(_, scale) => {
                let values = array.as_primitive::<Decimal128Type>();
                let scale = *scale;
                if double {
                    Arc::new(values.unary::<_, Float64Type>(|v| decimal_to_double(v, scale)))
                } else {
                    Arc::new(values.unary::<_, Float32Type>(|v| decimal_to_double(v, scale) as f32))
                }
            }
            _ => return Err(self.no_cast()),
        })
    }

    fn to_decimal(&self, array: &ArrayRef, p: u8, s: i8) -> Result<ArrayRef> {
        if self.from.is_text() {
            let texts = array.as_string::<i32>();
            let mut out = Decimal128Builder::with_capacity(texts.len());
            for text in texts {
                match text.map(|t| (t, parse_decimal(t, p, s))) {
                    None => out.append_null(),
                    Some((_, Some(value))) => out.append_option(value),
                    Some((text, None)) => out.append_option(self.failed(text)?),
                }
            }
            return Ok(Arc::new(out.finish().with_precision_and_scale(p, s)?));
        }
        let fits = |v: Option<i128>| v.filter(|v| decimal_fits(*v, p));
        macro_rules! each {
            ($source:ty, $f:expr) => {{
                let values = array.as_primitive::<$source>();
                values.iter().map(|v| v.and_then($f)).collect::<Decimal128Array>()
            }};
        }
        let values = match array.data_type() {
            DataType::Boolean => {
                let one = 10i128.pow(u32::try_from(s).unwrap_or(0));
                array.as_boolean().iter().map(|v| v.and_then(|v| fits(Some(if v { one } else { 0 })))).collect()
            }
            DataType::Int8 => each!(Int8Type, |v| fits(rescale(i128::from(v), 0, s))),
            DataType::Int16 => each!(Int16Type, |v| fits(rescale(i128::from(v), 0, s))),
            DataType::Int32 => each!(Int32Type, |v| fits(rescale(i128::from(v), 0, s))),
            DataType::Int64 => each!(Int64Type, |v| fits(rescale(i128::from(v), 0, s))),
            DataType::Float32 => each!(Float32Type, |v| float_to_decimal(v, p, s)),
            DataType::Float64 => each!(Float64Type, |v| double_to_decimal(v, p, s)),
            DataType::Decimal128(_, from) => each!(Decimal128Type, |v| fits(rescale(v, *from, s))),
            _ => return Err(self.no_cast()),
        };
        Ok(Arc::new(values.with_precision_and_scale(p, s)?))
    }

    fn to_date(&self, array: &ArrayRef) -> Result<ArrayRef> {
        match array.data_type() {
            DataType::Date32 => Ok(Arc::clone(array)),
            DataType::Utf8 => {
                Ok(Arc::new(self.parse::<Date32Type>(array, |t| temporal::parse_date(t).map(temporal::days))?))
            }
            DataType::Timestamp(_, _) => {
                let local = LocalTimes::new(array, self.options.zone)?;
                let days: Date32Array =
                    (0..array.len()).map(|i| local.get(i).map(|t| temporal::days(t.date()))).collect();
                Ok(Arc::new(days))
            }
            _ => Err(self.no_cast()),
        }
    }

    fn to_time(&self, array: &ArrayRef, precision: u8) -> Result<ArrayRef> {
        let nanos: Int64Array = match array.data_type() {
            DataType::Utf8 => self.parse::<Int64Type>(array, |t| temporal::parse_time(t).map(temporal::time_nanos))?,
            DataType::Time32(_) | DataType::Time64(_) => times_in_nanos(array)?,
            DataType::Timestamp(_, _) => {
                let local = LocalTimes::new(array, self.options.zone)?;
                (0..array.len()).map(|i| local.get(i).map(|t| temporal::time_nanos(t.time()))).collect()
            }
            _ => return Err(self.no_cast()),
        };
        let cut = nanos.unary::<_, Int64Type>(|v| temporal::truncate(v, 1_000_000_000, precision));
        Ok(match self.to.to_arrow() {
            DataType::Time32(TimeUnit::Second) => {
                Arc::new(cut.unary::<_, Time32SecondType>(|v| (v / 1_000_000_000) as i32))
            }
            DataType::Time32(_) => Arc::new(cut.unary::<_, Time32MillisecondType>(|v| (v / 1_000_000) as i32)),
            DataType::Time64(TimeUnit::Microsecond) => Arc::new(cut.unary::<_, Time64MicrosecondType>(|v| v / 1_000)),
            _ => Arc::new(cut.unary::<_, Time64NanosecondType>(|v| v)),
        })
    }

    fn to_timestamp(&self, array: &ArrayRef, precision: u8, instant: bool) -> Result<ArrayRef> {
        let DataType::Timestamp(unit, zone) = self.to.to_arrow() else { return Err(self.no_cast()) };
        let per_second = per_second(unit);
        if let DataType::Timestamp(source, source_zone) = array.data_type()
            && (source_zone.is_some() == instant || self.options.zone == chrono_tz::Tz::UTC)
        {
            return self.same_clock(array, *source, per_second, precision, unit, zone);
        }
        let session = self.options.zone;
        // Wall time in the zone of the session, as a count of `unit`.
        let finish = |local: NaiveDateTime| {
            let shown = if instant { temporal::instant_from_local(local, session) } else { local };
            count(shown, per_second).map(|v| temporal::truncate(v, per_second, precision))
        };
        let values: Int64Array = match array.data_type() {
            DataType::Utf8 => self.parse::<Int64Type>(array, |t| temporal::parse_timestamp(t).and_then(finish))?,
            DataType::Date32 => {
                let days = array.as_primitive::<Date32Type>();
                days.iter().map(|d| finish(temporal::date(d?)?.and_hms_opt(0, 0, 0)?)).collect()
            }
            DataType::Time32(_) | DataType::Time64(_) => times_in_nanos(array)?
                .iter()
                .map(|n| finish(temporal::datetime(n? / 1_000_000_000, (n? % 1_000_000_000) as u32)?))
                .collect(),
            DataType::Timestamp(_, _) => {
                // One side is an instant: both meet in wall time.
                let local = LocalTimes::new(array, session)?;
                (0..array.len()).map(|i| finish(local.get(i)?)).collect()
            }
            _ => return Err(self.no_cast()),
        };
        Ok(with_unit(values, unit, zone))
    }

    /// Between precisions of the same clock.
    fn same_clock(
        &self,
        array: &ArrayRef,
        source: TimeUnit,
        per_second: i64,
        precision: u8,
        unit: TimeUnit,
        zone: Option<Arc<str>>,
    ) -> Result<ArrayRef> {
        let from = self::per_second(source);
        let raw = arrow::compute::cast(array, &DataType::Int64)?;
        let raw = raw.as_primitive::<Int64Type>();
        let values: Int64Array = if from >= per_second {
            let factor = from / per_second;
            raw.unary(|v| temporal::truncate(v.div_euclid(factor), per_second, precision))
        } else {
            let factor = per_second / from;
            let mut out = Int64Builder::with_capacity(raw.len());
            for value in raw {
                match value.map(|v| (v, v.checked_mul(factor))) {
                    None => out.append_null(),
                    Some((_, Some(v))) => out.append_value(temporal::truncate(v, per_second, precision)),
                    Some((v, None)) => out.append_option(self.failed(v)?),
                }
            }
            out.finish()
        };
        Ok(with_unit(values, unit, zone))
    }

    fn inner(&self, array: &ArrayRef, from: &SqlType, to: &SqlType) -> Result<ArrayRef> {
        if from == to && array.data_type() == &to.to_arrow() {
            return Ok(Arc::clone(array));
        }
        cast_array(array, from, to, self.options)
    }

    fn to_list(&self, array: &ArrayRef, element: &SqlField) -> Result<ArrayRef> {
        let (SqlType::Array(from), Some(list)) = (self.from, array.as_list_opt::<i32>()) else {
            return Err(self.no_cast());
        };
        let DataType::List(item) = self.to.to_arrow() else { return Err(self.no_cast()) };
        let values = self.inner(list.values(), &from.sql_type, &element.sql_type)?;
        let item = nullable_if_needed(item, &values);
        Ok(Arc::new(ListArray::try_new(item, list.offsets().clone(), values, list.nulls().cloned())?))
    }

    fn to_map(&self, array: &ArrayRef, key: &SqlType, value: &SqlField) -> Result<ArrayRef> {
        let (SqlType::Map(from_key, from_value), Some(map)) = (self.from, array.as_map_opt()) else {
            return Err(self.no_cast());
        };
        let DataType::Map(entries, sorted) = self.to.to_arrow() else { return Err(self.no_cast()) };
        let DataType::Struct(fields) = entries.data_type() else { return Err(self.no_cast()) };
        let keys = self.inner(map.keys(), from_key, key)?;
        let values = self.inner(map.values(), &from_value.sql_type, &value.sql_type)?;
        let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
        let offsets: OffsetBuffer<i32> = map.offsets().clone();
        let nulls: Option<NullBuffer> = map.nulls().cloned();
        Ok(Arc::new(MapArray::try_new(entries, offsets, pairs, nulls, sorted)?))
    }

    fn to_row(&self, array: &ArrayRef, to: &[SqlField]) -> Result<ArrayRef> {
        let (SqlType::Row(from), Some(row)) = (self.from, array.as_struct_opt()) else { return Err(self.no_cast()) };
        let DataType::Struct(fields) = self.to.to_arrow() else { return Err(self.no_cast()) };
        if from.len() != to.len() {
            return Err(self.no_cast());
        }
        let columns = from
            .iter()
            .zip(to)
            .zip(row.columns())
            .map(|((from, to), column)| self.inner(column, &from.sql_type, &to.sql_type))
            .collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Ok(Arc::new(StructArray::new_empty_fields(row.len(), row.nulls().cloned())));
        }
        Ok(Arc::new(StructArray::try_new(fields, columns, row.nulls().cloned())?))
    }
}

/// An element declared NOT NULL whose cast gave NULL stays readable: the field then allows NULL.
fn nullable_if_needed(field: FieldRef, values: &ArrayRef) -> FieldRef {
    if !field.is_nullable() && values.null_count() > 0 {
        return Arc::new(field.as_ref().clone().with_nullable(true));
    }
    field
}

/// `text` cut to `length` characters, or padded with blanks when `pad`.
fn fit<'a>(text: &'a str, length: usize, pad: bool, buffer: &'a mut String) -> &'a str {
    if text.len() <= length && !pad {
        return text;
    }
    if let Some((end, _)) = text.char_indices().nth(length) {
        return &text[..end];
    }
    if !pad {
        return text;
    }
    buffer.clear();
    buffer.push_str(text);
    (text.chars().count()..length).for_each(|_| buffer.push(' '));
    buffer
}

pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// A time as a count of units; none when it leaves 64 bits.
pub(crate) fn count(time: NaiveDateTime, per_second: i64) -> Option<i64> {
    let utc = time.and_utc();
    let fraction = i64::from(time.nanosecond().min(999_999_999)) / (1_000_000_000 / per_second);
    utc.timestamp().checked_mul(per_second)?.checked_add(fraction)
}

/// Counts of `unit` as timestamps.
pub(crate) fn with_unit(values: Int64Array, unit: TimeUnit, zone: Option<Arc<str>>) -> ArrayRef {
    match unit {
        TimeUnit::Second => Arc::new(values.reinterpret_cast::<TimestampSecondType>().with_timezone_opt(zone)),
        TimeUnit::Millisecond => {
            Arc::new(values.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(values.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => Arc::new(values.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone)),
    }
}

fn times_in_nanos(array: &ArrayRef) -> Result<Int64Array> {
    let nanos = arrow::compute::cast(array, &DataType::Time64(TimeUnit::Nanosecond))?;
    Ok(nanos.as_primitive::<Time64NanosecondType>().reinterpret_cast())
}

/// Dates, times and timestamps of any unit as wall time in the zone of the session.
#[derive(Debug)]
pub(crate) struct LocalTimes {
    /// Counts of `per_second`, or of days.
    raw: Int64Array,
    per_second: i64,
    kind: Kind,
    zone: chrono_tz::Tz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wall,
    Instant,
    Day,
}

impl LocalTimes {
    pub(crate) fn new(array: &ArrayRef, zone: chrono_tz::Tz) -> Result<Self> {
        let (kind, per_second) = match array.data_type() {
            DataType::Date32 => (Kind::Day, 1),
            DataType::Time32(unit) | DataType::Time64(unit) => (Kind::Wall, per_second(*unit)),
            DataType::Timestamp(unit, None) => (Kind::Wall, per_second(*unit)),
            DataType::Timestamp(unit, Some(_)) => (Kind::Instant, per_second(*unit)),
            other => {
                return Err(Error::internal("function.argument_type", format!("a time arrives as {other}")));
            }
        };
        let raw = match array.data_type() {
            DataType::Date32 | DataType::Time32(_) => {
                arrow::compute::cast(&arrow::compute::cast(array, &DataType::Int32)?, &DataType::Int64)?
            }
            _ => arrow::compute::cast(array, &DataType::Int64)?,
        };
        Ok(Self { raw: raw.as_primitive::<Int64Type>().clone(), per_second, kind, zone })
    }

    /// The wall time at `at`; none when it is NULL or out of range.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<NaiveDateTime> {
        if self.raw.is_null(at) {
            return None;
        }
        let value = self.raw.value(at);
        if self.kind == Kind::Day {
            return temporal::datetime(value.checked_mul(DAY_NANOS / 1_000_000_000)?, 0);
        }
        let nanos = value.rem_euclid(self.per_second) * (1_000_000_000 / self.per_second);
        let time = temporal::datetime(value.div_euclid(self.per_second), nanos as u32)?;
        Some(if self.kind == Kind::Instant { temporal::local_from_instant(time, self.zone) } else { time })
    }
}

/// `+1-02` for a year and two months, `-1 02:03:04.500` for days and times.
fn interval_text(array: &ArrayRef, row: usize) -> Result<String> {
    let span = arrow::compute::cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
    let span = span.as_primitive::<IntervalMonthDayNanoType>().value(row);
    let sign = |negative: bool| if negative { '-' } else { '+' };
    if span.months != 0 {
        let months = span.months.unsigned_abs();
        return Ok(format!("{}{}-{:02}", sign(span.months < 0), months / 12, months % 12));
    }
    let ms = i64::from(span.days) * 86_400_000 + span.nanoseconds / 1_000_000;
    let size = ms.unsigned_abs();
    let (days, rest) = (size / 86_400_000, size % 86_400_000);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    Ok(format!("{}{days} {hours:02}:{minutes:02}:{seconds:02}.{:03}", sign(ms < 0), rest % 1_000))
}
