//! The common type of several: what CASE, COALESCE, UNION, IN and comparisons bring their parts to.
//!
//! Source: Flink, `LogicalTypeMerging`; Calcite, `leastRestrictive`.

use crate::functions::operator::adjust;
use arrow::datatypes::DataType;
use freshet_types::sql_type::UNBOUNDED;
use freshet_types::{SqlField, SqlType};

/// Digits of an integer type as DECIMAL.
pub fn integer_digits(sql_type: &SqlType) -> Option<u8> {
    Some(match sql_type {
        SqlType::TinyInt => 3,
        SqlType::SmallInt => 5,
        SqlType::Int => 10,
        SqlType::BigInt => 19,
        _ => return None,
    })
}

/// Precision and scale of an exact number.
pub fn as_decimal(sql_type: &SqlType) -> Option<(u8, i8)> {
    match sql_type {
        SqlType::Decimal(p, s) => Some((*p, *s)),
        other => integer_digits(other).map(|p| (p, 0)),
    }
}

/// The type that holds the values of both without a loss of meaning; none when there is none.
pub fn common_type(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    use SqlType::*;
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (Null, t) | (t, Null) => t.clone(),
        (a, b) if a.is_numeric() && b.is_numeric() => common_number(a, b)?,
        (Char(n) | Varchar(n), Char(m) | Varchar(m)) => Varchar(*n.max(m)),
        (Binary(n) | Varbinary(n), Binary(m) | Varbinary(m)) => Varbinary(*n.max(m)),
        (Time(n), Time(m)) => Time(*n.max(m)),
        (Timestamp(n), Timestamp(m)) => Timestamp(*n.max(m)),
        (TimestampLtz(n) | Timestamp(n), TimestampLtz(m) | Timestamp(m)) => TimestampLtz(*n.max(m)),
        (Date, t @ (Timestamp(_) | TimestampLtz(_))) | (t @ (Timestamp(_) | TimestampLtz(_)), Date) => t.clone(),
        (Array(x), Array(y)) => Array(Box::new(common_field(x, y)?)),
        (Map(k, x), Map(l, y)) => Map(Box::new(common_type(k, l)?), Box::new(common_field(x, y)?)),
        (Row(x), Row(y)) if x.len() == y.len() => {
            Row(x.iter().zip(y).map(|(x, y)| common_field(x, y)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn common_field(a: &SqlField, b: &SqlField) -> Option<SqlField> {
    Some(SqlField {
        name: a.name.clone(),
        sql_type: common_type(&a.sql_type, &b.sql_type)?,
        nullable: a.nullable || b.nullable,
    })
}

fn common_number(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    use SqlType::*;
    if let (Some(x), Some(y)) = (integer_digits(a), integer_digits(b)) {
        return Some(if x >= y { a.clone() } else { b.clone() });
    }
    if matches!((a, b), (Double, _) | (_, Double)) {
        return Some(Double);
    }
    if matches!((a, b), (Float, Decimal(..)) | (Decimal(..), Float)) {
        return Some(Double);
    }
    if matches!((a, b), (Float, _) | (_, Float)) {
        return Some(Float);
    }
    let ((p1, s1), (p2, s2)) = (as_decimal(a)?, as_decimal(b)?);
    let scale = s1.max(s2);
    let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    let (p, s) = adjust(whole + i16::from(scale), i16::from(scale));
    Some(Decimal(p, s))
}

/// The common type of a comparison: besides the above, text is read as the other side.
pub fn comparison_type(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    if let Some(common) = common_type(a, b) {
        return Some(common);
    }
    match (a, b) {
        (text, other) | (other, text) if text.is_text() && !other.is_text() => match other {
            // Text with a fraction stays comparable with a decimal of few digits.
            SqlType::Decimal(..) => Some(SqlType::Decimal(38, 18)),
            SqlType::Boolean | SqlType::Date | SqlType::Time(_) => Some(other.clone()),
            SqlType::Timestamp(p) => Some(SqlType::Timestamp((*p).max(3))),
            SqlType::TimestampLtz(p) => Some(SqlType::TimestampLtz((*p).max(3))),
            other if other.is_numeric() => Some(other.clone()),
            _ => None,
        },
        (SqlType::Boolean, n) | (n, SqlType::Boolean) if n.is_numeric() => Some(SqlType::Boolean),
        _ => None,
    }
}

/// The common type of many.
pub fn common_of<'a>(types: impl IntoIterator<Item = &'a SqlType>) -> Option<SqlType> {
    let mut types = types.into_iter();
    let first = types.next()?.clone();
    types.try_fold(first, |common, t| common_type(&common, t))
}

/// The common type of Arrow types, as Arrow type; text stays text beside anything that can be written as text.
pub fn common_data_type(types: &[&DataType]) -> Option<DataType> {
    let types = types.iter().map(|t| SqlType::from_data_type(t)).collect::<Option<Vec<_>>>()?;
    Some(common_of(&types)?.to_arrow())
}

/// Whether a type is STRING or BYTES without a length.
pub fn is_unbounded(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Varchar(UNBOUNDED) | SqlType::Varbinary(UNBOUNDED))
}
