//! Columns under construction: what decoders write into, one value at a time, and can take back.
//!
//! # Invariants
//! - A row that nobody sets is NULL: the next value, or [`Column::take`], fills the gap.
//! - [`Column::truncate`] to the number of whole records leaves no trace of a half-written one.
//! - A column that nobody reads takes the same values as one that is read, and refuses the same: which columns a query
//!   reads never decides whether a record is good.

mod bytes;
mod fixed;
mod gaps;
mod keys;
mod nested;

pub(crate) use bytes::Bytes;
pub(crate) use fixed::Fixed;
pub(crate) use nested::{ListColumn, MapColumn, RowColumn};

use arrow::array::{ArrayRef, BinaryArray, BooleanArray, NullArray, PrimitiveArray, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::*;
use freshet_types::{Error, Result, SqlField, SqlType};
use std::sync::Arc;

/// One column under construction.
#[derive(Debug)]
pub(crate) struct Column {
    /// Name, for messages.
    pub(crate) name: String,
    /// Flink's spelling of the type, for messages.
    pub(crate) label: String,
    /// Whether NULL may stand there.
    pub(crate) nullable: bool,
    /// The values.
    pub(crate) kind: Kind,
    data_type: DataType,
}

/// Values by type.
#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    /// Text that nobody reads: the number of rows up to the last value.
    Unread(usize),
    Boolean(Fixed<bool>),
    TinyInt(Fixed<i8>),
    SmallInt(Fixed<i16>),
    Int(Fixed<i32>),
    BigInt(Fixed<i64>),
    Float(Fixed<f32>),
    Double(Fixed<f64>),
    /// Unscaled values, precision, scale.
    Decimal(Fixed<i128>, u8, i8),
    Text(Bytes),
    Binary(Bytes),
    /// Days since 1970-01-01.
    Date(Fixed<i32>),
    /// Time of day in 32 bits.
    ShortTime(Fixed<i32>, Digits),
    /// Time of day in 64 bits.
    LongTime(Fixed<i64>, Digits),
    Timestamp(Fixed<i64>, Digits),
    /// The same as an instant.
    Instant(Fixed<i64>, Digits),
    /// INTERVAL YEAR TO MONTH.
    Months(Fixed<i32>),
    /// INTERVAL DAY TO SECOND, in milliseconds.
    Millis(Fixed<i64>),
    List(Box<ListColumn>),
    Map(Box<MapColumn>),
    Row(Box<RowColumn>),
}

/// How fine the times of a column are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits {
    /// Unit of the stored number.
    pub(crate) unit: TimeUnit,
    /// Digits after the point that are kept.
    pub(crate) precision: u8,
}

impl Column {
    /// An empty column for `field`.
    ///
    /// # Errors
    /// `format.type` for a type that no text format can hold.
    pub(crate) fn new(field: &Field) -> Result<Self> {
        Self::part(field, field)
    }

    /// An empty column for `field` that hands out what `part` has of it: a ROW may have fields that are only checked.
    pub(crate) fn part(part: &Field, field: &Field) -> Result<Self> {
        let refuse = || {
            Error::unsupported("format.type", format!("type {} cannot be decoded", field.data_type()))
                .at("column", field.name())
                .hint("declare the column as STRING and convert it in the query")
        };
        let sql = SqlField::from_arrow(field).ok_or_else(refuse)?;
        let digits = |unit: TimeUnit| Digits {
            unit,
            precision: match sql.sql_type {
                SqlType::Time(p) | SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => p,
                _ => 9,
            },
        };
        let kind = match field.data_type() {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Boolean(Fixed::default()),
            DataType::Int8 => Kind::TinyInt(Fixed::default()),
            DataType::Int16 => Kind::SmallInt(Fixed::default()),
            DataType::Int32 => Kind::Int(Fixed::default()),
            DataType::Int64 => Kind::BigInt(Fixed::default()),
            DataType::Float32 => Kind::Float(Fixed::default()),
            DataType::Float64 => Kind::Double(Fixed::default()),
            DataType::Decimal128(p, s) => Kind::Decimal(Fixed::default(), *p, *s),
            DataType::Utf8 => Kind::Text(Bytes::default()),
            DataType::Binary => Kind::Binary(Bytes::default()),
            DataType::Date32 => Kind::Date(Fixed::default()),
            DataType::Time32(unit) => Kind::ShortTime(Fixed::default(), digits(*unit)),
            DataType::Time64(unit) => Kind::LongTime(Fixed::default(), digits(*unit)),
            DataType::Timestamp(unit, None) => Kind::Timestamp(Fixed::default(), digits(*unit)),
            DataType::Timestamp(unit, Some(_)) => Kind::Instant(Fixed::default(), digits(*unit)),
            DataType::Interval(IntervalUnit::YearMonth) => Kind::Months(Fixed::default()),
            DataType::Duration(TimeUnit::Millisecond) => Kind::Millis(Fixed::default()),
            DataType::List(item) => Kind::List(Box::new(ListColumn::new(item)?)),
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else { return Err(refuse()) };
                let [key, value] = &pair[..] else { return Err(refuse()) };
                if key.data_type() != &DataType::Utf8 {
                    return Err(Error::unsupported(
                        "format.map_key",
                        format!("a MAP needs text keys here, not {}", key.data_type()),
                    )
                    .at("column", field.name())
                    .hint("declare the column as MAP<STRING, ...>"));
                }
                Kind::Map(Box::new(MapColumn::new(entries, value)?))
            }
            DataType::Struct(fields) => {
                let DataType::Struct(read) = part.data_type() else { return Err(refuse()) };
                Kind::Row(Box::new(RowColumn::part(read, fields)?))
            }
            _ => return Err(refuse()),
        };
        Ok(Self {
            name: field.name().clone(),
            label: sql.sql_type.to_string(),
            nullable: field.is_nullable(),
            kind,
            data_type: part.data_type().clone(),
        })
    }

    /// Keeps no text from now on: values are only checked.
    fn leave_unread(&mut self) {
        match &mut self.kind {
            Kind::Text(_) => self.kind = Kind::Unread(0),
            Kind::List(list) => list.item.leave_unread(),
            Kind::Map(map) => map.value.leave_unread(),
            Kind::Row(row) => row.fields.iter_mut().for_each(Column::leave_unread),
            _ => {}
        }
    }

    /// Number of rows up to the last value.
    pub(crate) fn len(&self) -> usize {
        match &self.kind {
            Kind::Null => 0,
            Kind::Unread(len) => *len,
            Kind::Boolean(v) => v.len(),
            Kind::TinyInt(v) => v.len(),
            Kind::SmallInt(v) => v.len(),
            Kind::Int(v) | Kind::Date(v) | Kind::ShortTime(v, _) | Kind::Months(v) => v.len(),
            Kind::BigInt(v) | Kind::LongTime(v, _) | Kind::Millis(v) => v.len(),
            Kind::Timestamp(v, _) | Kind::Instant(v, _) => v.len(),
            Kind::Float(v) => v.len(),
            Kind::Double(v) => v.len(),
            Kind::Decimal(v, _, _) => v.len(),
            Kind::Text(v) | Kind::Binary(v) => v.len(),
            Kind::List(v) => v.spans.len(),
            Kind::Map(v) => v.spans.len(),
            Kind::Row(v) => v.len(),
        }
    }

    /// Forgets rows from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        match &mut self.kind {
            Kind::Null => {}
            Kind::Unread(known) => *known = len.min(*known),
            Kind::Boolean(v) => v.truncate(len),
            Kind::TinyInt(v) => v.truncate(len),
            Kind::SmallInt(v) => v.truncate(len),
            Kind::Int(v) | Kind::Date(v) | Kind::ShortTime(v, _) | Kind::Months(v) => v.truncate(len),
            Kind::BigInt(v) | Kind::LongTime(v, _) | Kind::Millis(v) => v.truncate(len),
            Kind::Timestamp(v, _) | Kind::Instant(v, _) => v.truncate(len),
            Kind::Float(v) => v.truncate(len),
            Kind::Double(v) => v.truncate(len),
            Kind::Decimal(v, _, _) => v.truncate(len),
            Kind::Text(v) | Kind::Binary(v) => v.truncate(len),
            Kind::List(v) => v.truncate(len),
            Kind::Map(v) => v.truncate(len),
            Kind::Row(v) => v.truncate(len),
        }
    }

    /// Makes row `row`, the last one, NULL.
    #[inline]
    pub(crate) fn set_null(&mut self, row: usize) {
        if self.len() > row {
            self.truncate(row);
        }
    }

    /// Hands out `rows` rows and starts anew.
    pub(crate) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        fn numbers<T: ArrowPrimitiveType>(
            (values, nulls): (Vec<T::Native>, Option<NullBuffer>),
            data_type: &DataType,
        ) -> ArrayRef {
            Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls).with_data_type(data_type.clone()))
        }
        let data_type = &self.data_type;
        Ok(match &mut self.kind {
            Kind::Null => Arc::new(NullArray::new(rows)),
            Kind::Unread(_) => unreachable!("what nobody reads is not handed out"),
            Kind::Boolean(v) => {
                let (values, nulls) = v.take(rows);
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            Kind::TinyInt(v) => numbers::<Int8Type>(v.take(rows), data_type),
            Kind::SmallInt(v) => numbers::<Int16Type>(v.take(rows), data_type),
            Kind::Int(v) => numbers::<Int32Type>(v.take(rows), data_type),
            Kind::BigInt(v) => numbers::<Int64Type>(v.take(rows), data_type),
            Kind::Float(v) => numbers::<Float32Type>(v.take(rows), data_type),
            Kind::Double(v) => numbers::<Float64Type>(v.take(rows), data_type),
            Kind::Decimal(v, _, _) => numbers::<Decimal128Type>(v.take(rows), data_type),
            Kind::Text(v) => {
                let (offsets, data, nulls) = v.take(rows);
                Arc::new(StringArray::try_new(offsets, data, nulls)?)
            }
            Kind::Binary(v) => {
                let (offsets, data, nulls) = v.take(rows);
                Arc::new(BinaryArray::try_new(offsets, data, nulls)?)
            }
            Kind::Date(v) => numbers::<Date32Type>(v.take(rows), data_type),
            Kind::ShortTime(v, d) => match d.unit {
                TimeUnit::Second => numbers::<Time32SecondType>(v.take(rows), data_type),
                _ => numbers::<Time32MillisecondType>(v.take(rows), data_type),
            },
            Kind::LongTime(v, d) => match d.unit {
                TimeUnit::Microsecond => numbers::<Time64MicrosecondType>(v.take(rows), data_type),
                _ => numbers::<Time64NanosecondType>(v.take(rows), data_type),
            },
            Kind::Timestamp(v, d) | Kind::Instant(v, d) => match d.unit {
                TimeUnit::Second => numbers::<TimestampSecondType>(v.take(rows), data_type),
                TimeUnit::Millisecond => numbers::<TimestampMillisecondType>(v.take(rows), data_type),
                TimeUnit::Microsecond => numbers::<TimestampMicrosecondType>(v.take(rows), data_type),
                TimeUnit::Nanosecond => numbers::<TimestampNanosecondType>(v.take(rows), data_type),
            },
            Kind::Months(v) => numbers::<IntervalYearMonthType>(v.take(rows), data_type),
            Kind::Millis(v) => numbers::<DurationMillisecondType>(v.take(rows), data_type),
            Kind::List(v) => v.take(rows)?,
            Kind::Map(v) => v.take(rows)?,
            Kind::Row(v) => v.take(rows)?,
        })
    }
}
