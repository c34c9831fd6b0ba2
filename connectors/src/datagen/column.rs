//! Makes the values of one column for a range of rows, as whole arrays.

use super::options::FieldOptions;
use crate::draw::Draw;
use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use freshet_types::{Error, Options, Result, SqlField, SqlType};
use std::ops::Range;
use std::sync::Arc;

/// Draws of a column: which one decides what.
const NULL: u64 = 0;
const VALUE: u64 = 1;
const LENGTH: u64 = 2;
const BYTES: u64 = 16;

const COLLECTION_LENGTH: u64 = 3;
const TEXT_LENGTH: u64 = 100;

/// Makes values of one column.
#[derive(Debug)]
pub(super) struct ColumnMaker {
    data_type: DataType,
    sql_type: SqlType,
    nullable: bool,
    options: FieldOptions,
    draw: Draw,
    children: Vec<ColumnMaker>,
}

/// Rows to be made, and the time that each of them calls now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Now at the first row of the source (or of the batch when the clock is followed).
    pub(super) base_ms: i64,
    /// Rows per second; zero when the clock is followed.
    pub(super) rows_per_second: u64,
}

impl Moment {
    fn at(self, row: u64) -> i64 {
        match self.rows_per_second {
            0 => self.base_ms,
            n => self.base_ms + (u128::from(row) * 1_000 / u128::from(n)) as i64,
        }
    }
}

impl ColumnMaker {
    pub(super) fn new(field: &SqlField, path: &str, table: &Options, seed: u64) -> Result<Self> {
        let options = FieldOptions::parse(path, table)?;
        let child = |field: SqlField, name: &str| ColumnMaker::new(&field, &format!("{path}.{name}"), table, seed);
        let children = match &field.sql_type {
            SqlType::Row(fields) => fields.iter().map(|f| child(f.clone(), &f.name)).collect::<Result<Vec<_>>>()?,
            SqlType::Array(element) => vec![child((**element).clone(), "element")?],
            SqlType::Map(key, value) => {
                vec![child(SqlField::new("", (**key).clone()).not_null(), "key")?, child((**value).clone(), "value")?]
            }
            SqlType::Null => {
                return Err(Error::unsupported("datagen.type", "a column without a type has no values")
                    .at("field", path)
                    .hint("give the column a type"));
            }
            _ => Vec::new(),
        };
        if options.sequence.is_some() && !(field.sql_type.is_numeric() || field.sql_type.is_text()) {
            return Err(Error::unsupported("datagen.sequence", format!("{} has no sequence", field.sql_type))
                .at("field", path)
                .hint("use a number or text column for the sequence"));
        }
        if !field.nullable && options.null_rate > 0.0 {
            return Err(Error::invalid("option.invalid", "a NOT NULL column has no null-rate").at("field", path));
        }
        Ok(Self {
            data_type: field.sql_type.to_arrow(),
            sql_type: field.sql_type.clone(),
            nullable: field.nullable,
            options,
            draw: Draw::new(seed).named(path),
            children,
        })
    }

    /// Number of values of the sequence, if this column has one.
    pub(super) fn sequence_length(&self) -> Option<u64> {
        let own = self.options.sequence.map(|(start, end)| end.abs_diff(start).saturating_add(1));
        own.into_iter().chain(self.children.iter().filter_map(ColumnMaker::sequence_length)).min()
    }

    /// The values of rows `rows`.
    pub(super) fn make(&self, rows: Range<u64>, moment: Moment) -> Result<ArrayRef> {
        let count = (rows.end - rows.start) as usize;
        let nulls = (self.nullable && self.options.null_rate > 0.0).then(|| {
            rows.clone().map(|row| self.draw.unit(row, NULL) >= self.options.null_rate).collect::<NullBuffer>()
        });
        let array: ArrayRef = match &self.data_type {
            DataType::Boolean => {
                let values = rows.map(|row| self.draw.bits(row, VALUE) >> 63 == 1).collect();
                Arc::new(BooleanArray::new(values, nulls))
            }
            DataType::Int8 => self.integers::<Int8Type>(rows, nulls, i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => self.integers::<Int16Type>(rows, nulls, i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => self.integers::<Int32Type>(rows, nulls, i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => self.integers::<Int64Type>(rows, nulls, i64::MIN, i64::MAX),
            DataType::Float32 => self.floats::<Float32Type>(rows, nulls, |v| v as f32),
            DataType::Float64 => self.floats::<Float64Type>(rows, nulls, |v| v),
            DataType::Decimal128(precision, scale) => self.decimals(rows, nulls, *precision, *scale)?,
            DataType::Utf8 => self.texts(rows, nulls)?,
            DataType::Binary => self.bytes(rows, nulls)?,
            DataType::Date32 => {
                let days = rows.map(|row| (self.time_ms(row, moment).div_euclid(86_400_000)) as i32);
                Arc::new(PrimitiveArray::<Date32Type>::new(days.collect(), nulls))
            }
            DataType::Time32(_) | DataType::Time64(_) => {
                let ms = rows.map(|row| self.time_ms(row, moment).rem_euclid(86_400_000) as i32).collect();
                arrow::compute::cast(&Time32MillisecondArray::new(ms, nulls), &self.data_type)?
            }
            DataType::Timestamp(unit, zone) => self.timestamps(rows, nulls, moment, *unit, zone.clone()),
            DataType::Interval(IntervalUnit::YearMonth) => {
                let most = self.options.max_int.unwrap_or(120_000).max(1) as u64;
                let months = rows.map(|row| (self.draw.bits(row, VALUE) % most) as i32).collect();
                Arc::new(IntervalYearMonthArray::new(months, nulls))
            }
            DataType::Duration(_) => {
                let most = self.options.max_int.unwrap_or(86_400_000_000).max(1) as u64;
                let ms = rows.map(|row| (self.draw.bits(row, VALUE) % most) as i64).collect();
                Arc::new(DurationMillisecondArray::new(ms, nulls))
            }
            DataType::Struct(fields) => {
                let parts = self.children.iter().map(|c| c.make(rows.clone(), moment)).collect::<Result<Vec<_>>>()?;
                Arc::new(StructArray::try_new_with_length(fields.clone(), parts, nulls, count)?)
            }
            DataType::List(item) => {
                let (offsets, inner) = self.collection(rows);
                Arc::new(ListArray::try_new(Arc::clone(item), offsets, self.children[0].make(inner, moment)?, nulls)?)
            }
            DataType::Map(entries, sorted) => {
                let (offsets, inner) = self.collection(rows);
                let DataType::Struct(pair) = entries.data_type() else {
                    return Err(Error::internal("datagen.map", "a map without entries"));
                };
                let parts = self.children.iter().map(|c| c.make(inner.clone(), moment)).collect::<Result<Vec<_>>>()?;
                let parts = StructArray::try_new(pair.clone(), parts, None)?;
                Arc::new(MapArray::try_new(Arc::clone(entries), offsets, parts, nulls, *sorted)?)
            }
            other => {
                return Err(Error::unsupported("datagen.type", format!("no values are made for {other}"))
                    .hint("leave the column out"));
            }
        };
        Ok(array)
    }

    fn integers<T: ArrowPrimitiveType>(
        &self,
        rows: Range<u64>,
        nulls: Option<NullBuffer>,
        least: i64,
        most: i64,
    ) -> ArrayRef
    where
        T::Native: TryFrom<i64>,
    {
        let native = |v: i64| T::Native::try_from(v.clamp(least, most)).unwrap_or_default();
        let values: ScalarBuffer<T::Native> = if let Some((start, _)) = self.options.sequence {
            rows.map(|row| native(start.wrapping_add(row as i64))).collect()
        } else {
            // A bound with a fraction counts towards the inside.
            let min = self.options.min_int.or(self.options.min.map(|v| v.ceil() as i64)).unwrap_or(least).max(least);
            let max = self.options.max_int.or(self.options.max.map(|v| v.floor() as i64)).unwrap_or(most).min(most);
            match (max.wrapping_sub(min) as u64).checked_add(1) {
                None => rows.map(|row| native(self.draw.bits(row, VALUE) as i64)).collect(),
                Some(width) => {
                    rows.map(|row| native(min.wrapping_add(scale(self.draw.bits(row, VALUE), width) as i64))).collect()
                }
            }
        };
        Arc::new(PrimitiveArray::<T>::new(values, nulls))
    }

    fn floats<T: ArrowPrimitiveType>(
        &self,
        rows: Range<u64>,
        nulls: Option<NullBuffer>,
        native: fn(f64) -> T::Native,
    ) -> ArrayRef {
        let values: ScalarBuffer<T::Native> = if let Some((start, _)) = self.options.sequence {
            rows.map(|row| native(start.wrapping_add(row as i64) as f64)).collect()
        } else {
            let (least, most) = match self.data_type {
                DataType::Float32 => (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)),
                _ => (f64::MIN_POSITIVE, f64::MAX),
            };
            let (min, max) = (self.options.min.unwrap_or(least), self.options.max.unwrap_or(most));
            rows.map(|row| native(min + self.draw.unit(row, VALUE) * (max - min))).collect()
        };
        Arc::new(PrimitiveArray::<T>::new(values, nulls))
    }

    fn decimals(
        &self,
        rows: Range<u64>,
        nulls: Option<NullBuffer>,
        precision: u8,
        scale_digits: i8,
    ) -> Result<ArrayRef> {
        let most = 10i128.pow(u32::from(precision)) - 1;
        let unit = 10i128.pow(u32::try_from(scale_digits).unwrap_or(0));
        let values: ScalarBuffer<i128> = if let Some((start, _)) = self.options.sequence {
            rows.map(|row| (i128::from(start.wrapping_add(row as i64)) * unit).clamp(-most, most)).collect()
        } else {
            let bound = |v: f64| ((v * unit as f64) as i128).clamp(-most, most);
            let (min, max) = (self.options.min.map_or(0, bound), self.options.max.map_or(most, bound));
            let width = (max - min).max(0) as u128 + 1;
            rows.map(|row| {
                let bits = u128::from(self.draw.bits(row, VALUE)) << 64 | u128::from(self.draw.bits(row, LENGTH));
                min + (bits % width) as i128
            })
            .collect()
        };
        let array = Decimal128Array::new(values, nulls).with_precision_and_scale(precision, scale_digits)?;
        Ok(Arc::new(array))
    }

    fn time_ms(&self, row: u64, moment: Moment) -> i64 {
        let past = match self.options.max_past_ms {
            0 => 0,
            most => scale(self.draw.bits(row, VALUE), most.saturating_add(1)) as i64,
        };
        moment.at(row) - past
    }

    fn timestamps(
        &self,
        rows: Range<u64>,
        nulls: Option<NullBuffer>,
        moment: Moment,
        unit: TimeUnit,
        zone: Option<Arc<str>>,
    ) -> ArrayRef {
        let ms = rows.map(|row| self.time_ms(row, moment));
        match unit {
            TimeUnit::Second => {
                let values = ms.map(|ms| ms.div_euclid(1_000)).collect();
                Arc::new(TimestampSecondArray::new(values, nulls).with_timezone_opt(zone))
            }
            TimeUnit::Millisecond => {
                Arc::new(TimestampMillisecondArray::new(ms.collect(), nulls).with_timezone_opt(zone))
            }
            TimeUnit::Microsecond => {
                let values = ms.map(|ms| ms * 1_000).collect();
                Arc::new(TimestampMicrosecondArray::new(values, nulls).with_timezone_opt(zone))
            }
            TimeUnit::Nanosecond => {
                let values = ms.map(|ms| ms * 1_000_000).collect();
                Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone_opt(zone))
            }
        }
    }

    /// Length of the text or bytes of `row`.
    fn length(&self, row: u64) -> u64 {
        let declared = match self.sql_type {
            // The length of a CHAR or BINARY is part of its type.
            SqlType::Char(n) | SqlType::Binary(n) => return u64::from(n),
            SqlType::Varchar(n) | SqlType::Varbinary(n) if n != freshet_types::sql_type::UNBOUNDED => u64::from(n),
            _ => u64::MAX,
        };
        let length = self.options.length.unwrap_or(TEXT_LENGTH.min(declared)).min(declared);
        if self.options.varies && length > 0 { 1 + scale(self.draw.bits(row, LENGTH), length) } else { length }
    }

    fn texts(&self, rows: Range<u64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let count = (rows.end - rows.start) as usize;
        let mut bytes: Vec<u8> = Vec::new();
        let mut offsets: Vec<i32> = Vec::with_capacity(count + 1);
        offsets.push(0);
        for row in rows {
            if let Some((start, _)) = self.options.sequence {
                bytes.extend_from_slice(start.wrapping_add(row as i64).to_string().as_bytes());
            } else {
                let end = bytes.len() + self.length(row) as usize;
                for part in 0.. {
                    let bits = self.draw.bits(row, BYTES + part);
                    let missing = end - bytes.len();
                    let digits: [u8; 16] =
                        std::array::from_fn(|i| b"0123456789abcdef"[(bits >> (4 * i)) as usize & 15]);
                    bytes.extend_from_slice(&digits[..missing.min(16)]);
                    if missing <= 16 {
                        break;
                    }
                }
            }
            offsets.push(i32::try_from(bytes.len()).map_err(|_| too_long())?);
        }
        let offsets = OffsetBuffer::new(offsets.into());
        Ok(Arc::new(StringArray::try_new(offsets, bytes.into(), nulls)?))
    }

    fn bytes(&self, rows: Range<u64>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let mut bytes: Vec<u8> = Vec::new();
        let mut offsets: Vec<i32> = vec![0];
        for row in rows {
            let end = bytes.len() + self.length(row) as usize;
            for part in 0.. {
                let missing = end - bytes.len();
                bytes.extend_from_slice(&self.draw.bits(row, BYTES + part).to_le_bytes()[..missing.min(8)]);
                if missing <= 8 {
                    break;
                }
            }
            offsets.push(i32::try_from(bytes.len()).map_err(|_| too_long())?);
        }
        Ok(Arc::new(BinaryArray::try_new(OffsetBuffer::new(offsets.into()), bytes.into(), nulls)?))
    }

    /// Offsets of the collections of `rows`, and the rows of their elements. All collections have the same length, so
    /// that the elements of a row do not depend on where its batch begins.
    fn collection(&self, rows: Range<u64>) -> (OffsetBuffer<i32>, Range<u64>) {
        let length = self.options.length.unwrap_or(COLLECTION_LENGTH);
        let offsets = OffsetBuffer::from_repeated_length(length as usize, (rows.end - rows.start) as usize);
        (offsets, rows.start * length..rows.end * length)
    }
}

/// `bits` spread over `0..width`.
fn scale(bits: u64, width: u64) -> u64 {
    ((u128::from(bits) * u128::from(width)) >> 64) as u64
}

fn too_long() -> Error {
    Error::exhausted("datagen.too_long", "the texts of one batch exceed 2 GiB").hint("lower fields.#.length")
}
