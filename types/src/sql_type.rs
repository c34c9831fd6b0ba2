//! Flink's SQL types and the Arrow types that carry them.
//!
//! Arrow knows four time units where Flink has ten precisions, and no length of a CHAR: where the Arrow type alone would
//! lose something, the field's metadata keeps Flink's spelling under [`TYPE_KEY`].
//!
//! Source: Flink documentation, "Data Types".

use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, TimeUnit};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Metadata key of an Arrow field that keeps Flink's spelling of its type.
pub const TYPE_KEY: &str = "freshet.type";

/// Length of a STRING or BYTES: no bound.
pub const UNBOUNDED: u32 = i32::MAX as u32;

/// A Flink SQL type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SqlType {
    /// The type of a bare NULL.
    Null,
    /// TRUE, FALSE.
    Boolean,
    /// 8 bits, signed.
    TinyInt,
    /// 16 bits, signed.
    SmallInt,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    BigInt,
    /// 32-bit floating point.
    Float,
    /// 64-bit floating point.
    Double,
    /// Precision (1 to 38) and scale.
    Decimal(u8, i8),
    /// Text of a fixed length.
    Char(u32),
    /// Text up to a length; [`UNBOUNDED`] is STRING.
    Varchar(u32),
    /// Bytes of a fixed length.
    Binary(u32),
    /// Bytes up to a length; [`UNBOUNDED`] is BYTES.
    Varbinary(u32),
    /// A day.
    Date,
    /// Time of day with 0 to 9 digits.
    Time(u8),
    /// Wall time with 0 to 9 digits.
    Timestamp(u8),
    /// Instant with 0 to 9 digits, shown in the session's zone.
    TimestampLtz(u8),
    /// Span in months.
    IntervalYearMonth,
    /// Span in milliseconds.
    IntervalDayTime,
    /// Elements of one type.
    Array(Box<SqlField>),
    /// Keys and values.
    Map(Box<SqlType>, Box<SqlField>),
    /// Named fields.
    Row(Vec<SqlField>),
}

/// A named and possibly nullable type: a column, or a part of a nested type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SqlField {
    /// Name; empty for an element of an array or a value of a map.
    pub name: String,
    /// Type.
    pub sql_type: SqlType,
    /// Whether NULL may stand there.
    pub nullable: bool,
}

impl SqlField {
    /// A field that may be NULL.
    pub fn new(name: impl Into<String>, sql_type: SqlType) -> Self {
        Self { name: name.into(), sql_type, nullable: true }
    }

    /// The same field without NULL.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// The Arrow field, with Flink's spelling in its metadata where the Arrow type alone would lose something.
    pub fn to_arrow(&self) -> Field {
        let data_type = self.sql_type.to_arrow();
        let field = Field::new(&self.name, data_type.clone(), self.nullable);
        if SqlType::from_data_type(&data_type).as_ref() == Some(&self.sql_type) {
            return field;
        }
        field.with_metadata(HashMap::from([(TYPE_KEY.to_string(), self.sql_type.to_string())]))
    }

    /// The field that an Arrow field stands for; none when its type has no counterpart in Flink.
    pub fn from_arrow(field: &Field) -> Option<Self> {
        let sql_type = match field.metadata().get(TYPE_KEY).and_then(|t| scalar_from_text(t)) {
            Some(kept) if kept.to_arrow() == *field.data_type() => kept,
            _ => SqlType::from_data_type(field.data_type())?,
        };
        Some(Self { name: field.name().clone(), sql_type, nullable: field.is_nullable() })
    }
}

fn time_unit(precision: u8) -> TimeUnit {
    match precision {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn unit_precision(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

impl SqlType {
    /// STRING.
    pub const STRING: SqlType = SqlType::Varchar(UNBOUNDED);
    /// BYTES.
    pub const BYTES: SqlType = SqlType::Varbinary(UNBOUNDED);

    /// The Arrow type that carries values of this type.
    pub fn to_arrow(&self) -> DataType {
        match self {
            SqlType::Null => DataType::Null,
            SqlType::Boolean => DataType::Boolean,
            SqlType::TinyInt => DataType::Int8,
            SqlType::SmallInt => DataType::Int16,
            SqlType::Int => DataType::Int32,
            SqlType::BigInt => DataType::Int64,
            SqlType::Float => DataType::Float32,
            SqlType::Double => DataType::Float64,
            SqlType::Decimal(p, s) => DataType::Decimal128(*p, *s),
            SqlType::Char(_) | SqlType::Varchar(_) => DataType::Utf8,
            SqlType::Binary(_) | SqlType::Varbinary(_) => DataType::Binary,
            SqlType::Date => DataType::Date32,
            SqlType::Time(p) => match time_unit(*p) {
                unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
                unit => DataType::Time64(unit),
            },
            SqlType::Timestamp(p) => DataType::Timestamp(time_unit(*p), None),
            SqlType::TimestampLtz(p) => DataType::Timestamp(time_unit(*p), Some("UTC".into())),
            SqlType::IntervalYearMonth => DataType::Interval(IntervalUnit::YearMonth),
            SqlType::IntervalDayTime => DataType::Duration(TimeUnit::Millisecond),
            SqlType::Array(element) => {
                DataType::List(Arc::new(Field::new("item", element.sql_type.to_arrow(), element.nullable)))
            }
            SqlType::Map(key, value) => {
                let entries: Fields = vec![
                    Field::new("key", key.to_arrow(), false),
                    Field::new("value", value.sql_type.to_arrow(), value.nullable),
                ]
                .into();
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
            }
            SqlType::Row(fields) => {
                DataType::Struct(fields.iter().map(|f| Arc::new(f.to_arrow())).collect::<Vec<FieldRef>>().into())
            }
        }
    }

    /// The type that an Arrow type stands for; none when it has no counterpart in Flink. Unsigned integers become the
    /// next wider signed type, views and large variants become STRING, BYTES and ARRAY.
    pub fn from_data_type(data_type: &DataType) -> Option<SqlType> {
        Some(match data_type {
            DataType::Null => SqlType::Null,
            DataType::Boolean => SqlType::Boolean,
            DataType::Int8 => SqlType::TinyInt,
            DataType::Int16 | DataType::UInt8 => SqlType::SmallInt,
            DataType::Int32 | DataType::UInt16 => SqlType::Int,
            DataType::Int64 | DataType::UInt32 => SqlType::BigInt,
            DataType::UInt64 => SqlType::Decimal(20, 0),
            DataType::Float16 | DataType::Float32 => SqlType::Float,
            DataType::Float64 => SqlType::Double,
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                SqlType::Decimal(*p, *s)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::STRING,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => SqlType::BYTES,
            DataType::FixedSizeBinary(n) => SqlType::Binary(u32::try_from(*n).ok()?),
            DataType::Date32 => SqlType::Date,
            DataType::Time32(unit) | DataType::Time64(unit) => SqlType::Time(unit_precision(*unit)),
            DataType::Timestamp(unit, None) => SqlType::Timestamp(unit_precision(*unit)),
            DataType::Timestamp(unit, Some(_)) => SqlType::TimestampLtz(unit_precision(*unit)),
            DataType::Interval(IntervalUnit::YearMonth) => SqlType::IntervalYearMonth,
            DataType::Interval(_) | DataType::Duration(_) => SqlType::IntervalDayTime,
            DataType::Dictionary(_, values) => SqlType::from_data_type(values)?,
            DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::FixedSizeList(f, _) => {
                SqlType::Array(Box::new(SqlField { name: String::new(), ..SqlField::from_arrow(f)? }))
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else { return None };
                let [key, value] = pair.iter().map(Arc::as_ref).collect::<Vec<_>>()[..] else { return None };
                SqlType::Map(
                    Box::new(SqlField::from_arrow(key)?.sql_type),
                    Box::new(SqlField { name: String::new(), ..SqlField::from_arrow(value)? }),
                )
            }
            DataType::Struct(fields) => {
                SqlType::Row(fields.iter().map(|f| SqlField::from_arrow(f)).collect::<Option<Vec<_>>>()?)
            }
            _ => return None,
        })
    }

    /// Whether this is a number type.
    pub fn is_numeric(&self) -> bool {
        use SqlType::*;
        matches!(self, TinyInt | SmallInt | Int | BigInt | Float | Double | Decimal(..))
    }

    /// Whether this is CHAR, VARCHAR or STRING.
    pub fn is_text(&self) -> bool {
        matches!(self, SqlType::Char(_) | SqlType::Varchar(_))
    }

    /// Whether a column of this type can be a time attribute: TIMESTAMP or TIMESTAMP_LTZ of at most 3 digits.
    pub fn is_time_attribute(&self) -> bool {
        matches!(self, SqlType::Timestamp(p) | SqlType::TimestampLtz(p) if *p <= 3)
    }
}

/// Scalar types from the spelling that [`SqlType`] prints; nested types keep what they need in their inner fields.
fn scalar_from_text(text: &str) -> Option<SqlType> {
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')')?),
        None => (text, ""),
    };
    let number = || arguments.trim().parse::<u32>().ok();
    let digits = || number().and_then(|n| u8::try_from(n).ok());
    Some(match name {
        "CHAR" => SqlType::Char(number()?),
        "VARCHAR" => SqlType::Varchar(number()?),
        "BINARY" => SqlType::Binary(number()?),
        "VARBINARY" => SqlType::Varbinary(number()?),
        "TIME" => SqlType::Time(digits()?),
        "TIMESTAMP" => SqlType::Timestamp(digits()?),
        "TIMESTAMP_LTZ" => SqlType::TimestampLtz(digits()?),
        _ => return None,
    })
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Null => f.write_str("NULL"),
            SqlType::Boolean => f.write_str("BOOLEAN"),
            SqlType::TinyInt => f.write_str("TINYINT"),
            SqlType::SmallInt => f.write_str("SMALLINT"),
            SqlType::Int => f.write_str("INT"),
            SqlType::BigInt => f.write_str("BIGINT"),
            SqlType::Float => f.write_str("FLOAT"),
            SqlType::Double => f.write_str("DOUBLE"),
            SqlType::Decimal(p, s) => write!(f, "DECIMAL({p}, {s})"),
            SqlType::Char(n) => write!(f, "CHAR({n})"),
            SqlType::Varchar(UNBOUNDED) => f.write_str("STRING"),
            SqlType::Varchar(n) => write!(f, "VARCHAR({n})"),
            SqlType::Binary(n) => write!(f, "BINARY({n})"),
            SqlType::Varbinary(UNBOUNDED) => f.write_str("BYTES"),
            SqlType::Varbinary(n) => write!(f, "VARBINARY({n})"),
            SqlType::Date => f.write_str("DATE"),
            SqlType::Time(p) => write!(f, "TIME({p})"),
            SqlType::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            SqlType::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            SqlType::IntervalYearMonth => f.write_str("INTERVAL YEAR TO MONTH"),
            SqlType::IntervalDayTime => f.write_str("INTERVAL DAY TO SECOND(3)"),
            SqlType::Array(element) => {
                write!(f, "ARRAY<{}{}>", element.sql_type, if element.nullable { "" } else { " NOT NULL" })
            }
            SqlType::Map(key, value) => {
                write!(f, "MAP<{key}, {}{}>", value.sql_type, if value.nullable { "" } else { " NOT NULL" })
            }
            SqlType::Row(fields) => {
                f.write_str("ROW<")?;
                for (i, field) in fields.iter().enumerate() {
                    write!(f, "{}{field}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(">")
            }
        }
    }
}

impl fmt::Display for SqlField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}{}", self.name, self.sql_type, if self.nullable { "" } else { " NOT NULL" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_the_way_through_arrow() {
        let nested = SqlType::Row(vec![
            SqlField::new("a", SqlType::Array(Box::new(SqlField::new("", SqlType::Int)))),
            SqlField::new("m", SqlType::Map(Box::new(SqlType::STRING), Box::new(SqlField::new("", SqlType::Double)))),
            SqlField::new("c", SqlType::Char(3)).not_null(),
        ]);
        for sql_type in [
            SqlType::Boolean,
            SqlType::TinyInt,
            SqlType::SmallInt,
            SqlType::Int,
            SqlType::BigInt,
            SqlType::Float,
            SqlType::Double,
            SqlType::Decimal(38, 18),
            SqlType::Char(5),
            SqlType::Varchar(9),
            SqlType::STRING,
            SqlType::Binary(4),
            SqlType::BYTES,
            SqlType::Date,
            SqlType::Time(0),
            SqlType::Time(2),
            SqlType::Timestamp(0),
            SqlType::Timestamp(1),
            SqlType::Timestamp(3),
            SqlType::Timestamp(6),
            SqlType::TimestampLtz(3),
            SqlType::TimestampLtz(9),
            SqlType::IntervalDayTime,
            SqlType::IntervalYearMonth,
            nested,
        ] {
            let field = SqlField::new("x", sql_type);
            assert_eq!(SqlField::from_arrow(&field.to_arrow()), Some(field));
        }
    }
}
