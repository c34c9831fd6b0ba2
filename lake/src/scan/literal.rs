//! Iceberg's single values as DataFusion's.

use crate::schema;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use iceberg::spec::{Datum, Literal, PrimitiveLiteral, PrimitiveType, Type};

/// A value of an Iceberg type in the Arrow type of data files; none for what has no such form.
pub(super) fn scalar(value: &Literal, field_type: &Type) -> Option<ScalarValue> {
    match (value, field_type) {
        (Literal::Primitive(value), Type::Primitive(primitive)) => primitive_scalar(value, primitive),
        _ => None,
    }
}

/// A bound of a column that has `now` as its type today; it may have been written under a narrower one.
pub(super) fn datum_scalar(datum: &Datum, now: &PrimitiveType) -> Option<ScalarValue> {
    let written = primitive_scalar(datum.literal(), datum.data_type())?;
    written.cast_to(&schema::file_type(&Type::Primitive(now.clone()))).ok()
}

pub(crate) fn primitive_scalar(value: &PrimitiveLiteral, primitive: &PrimitiveType) -> Option<ScalarValue> {
    let zone = || Some("UTC".into());
    Some(match (value, primitive) {
        (PrimitiveLiteral::Boolean(v), PrimitiveType::Boolean) => ScalarValue::Boolean(Some(*v)),
        (PrimitiveLiteral::Int(v), PrimitiveType::Int) => ScalarValue::Int32(Some(*v)),
        (PrimitiveLiteral::Int(v), PrimitiveType::Long) => ScalarValue::Int64(Some(i64::from(*v))),
        (PrimitiveLiteral::Int(v), PrimitiveType::Date) => ScalarValue::Date32(Some(*v)),
        (PrimitiveLiteral::Long(v), PrimitiveType::Long) => ScalarValue::Int64(Some(*v)),
        (PrimitiveLiteral::Long(v), PrimitiveType::Time) => ScalarValue::Time64Microsecond(Some(*v)),
        (PrimitiveLiteral::Long(v), PrimitiveType::Timestamp) => ScalarValue::TimestampMicrosecond(Some(*v), None),
        (PrimitiveLiteral::Long(v), PrimitiveType::Timestamptz) => ScalarValue::TimestampMicrosecond(Some(*v), zone()),
        (PrimitiveLiteral::Long(v), PrimitiveType::TimestampNs) => ScalarValue::TimestampNanosecond(Some(*v), None),
        (PrimitiveLiteral::Long(v), PrimitiveType::TimestamptzNs) => ScalarValue::TimestampNanosecond(Some(*v), zone()),
        (PrimitiveLiteral::Float(v), PrimitiveType::Float) => ScalarValue::Float32(Some(v.0)),
        (PrimitiveLiteral::Float(v), PrimitiveType::Double) => ScalarValue::Float64(Some(f64::from(v.0))),
        (PrimitiveLiteral::Double(v), PrimitiveType::Double) => ScalarValue::Float64(Some(v.0)),
        (PrimitiveLiteral::String(v), PrimitiveType::String) => ScalarValue::Utf8(Some(v.clone())),
        (PrimitiveLiteral::Binary(v), PrimitiveType::Binary) => ScalarValue::Binary(Some(v.clone())),
        (PrimitiveLiteral::Binary(v), PrimitiveType::Fixed(n)) => {
            ScalarValue::FixedSizeBinary(i32::try_from(*n).ok()?, Some(v.clone()))
        }
        (PrimitiveLiteral::UInt128(v), PrimitiveType::Uuid) => {
            ScalarValue::FixedSizeBinary(16, Some(v.to_be_bytes().to_vec()))
        }
        (PrimitiveLiteral::Int128(v), PrimitiveType::Decimal { precision, scale }) => {
            ScalarValue::Decimal128(Some(*v), u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
        }
        _ => return None,
    })
}

/// NULL of an Arrow type.
pub(super) fn null(data_type: &DataType) -> Option<ScalarValue> {
    ScalarValue::try_from(data_type).ok()
}
