//! Partition transforms over whole columns, and the folder names of partitions.
//!
//! Days, hours and years count downwards before 1970, as the specification wants; the library's own are a day off for
//! some instants there, and know no nanoseconds. Its hash is used as it is.
//!
//! Source: Apache Iceberg specification, "Partition Transforms", "Appendix B: 32-bit Hash Requirements".

use crate::error::Explain;
use crate::sink::convert::to_file;
use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int32Array, Int64Array, new_null_array};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampNanosecondType,
};
use freshet_types::{Error, Result};
use iceberg::spec::{PartitionSpec, PrimitiveLiteral, Schema, Struct, Transform, Type};
use iceberg::transform::create_transform_function;
use std::sync::Arc;

const SECONDS_OF_HOUR: i64 = 3_600;
const SECONDS_OF_DAY: i64 = 86_400;
/// Longest name of a folder for one partition value: file systems take 255 bytes.
const NAME_MAX: usize = 160;

/// The partition values of a column, which has the type of a data file; instants in UTC with or without their zone.
///
/// # Errors
/// `lake.partition` for a transform that does not fit the type.
pub(crate) fn apply(transform: Transform, values: &ArrayRef) -> Result<ArrayRef> {
    let values = without_zone(values);
    let wrong = || {
        Error::unsupported(
            "lake.partition",
            format!("values of type {} cannot be partitioned by {transform}", values.data_type()),
        )
        .hint("choose a transform that fits the column's type")
    };
    Ok(match transform {
        Transform::Identity => values,
        Transform::Void => new_null_array(values.data_type(), values.len()),
        Transform::Bucket(n) if n > 0 && i32::try_from(n).is_ok() => {
            // Nanoseconds hash as the microseconds that they lie in.
            let micros = match values.data_type() {
                DataType::Timestamp(TimeUnit::Nanosecond, None) => {
                    to_file(&values, &DataType::Timestamp(TimeUnit::Microsecond, None))?
                }
                _ => values,
            };
            let hash = create_transform_function(&transform).explain("partition transform")?;
            hash.transform(micros).explain("partition transform")?
        }
        Transform::Truncate(width) if width > 0 => truncate(&values, width)?,
        Transform::Year => {
            Arc::new(whole_units(&values, SECONDS_OF_DAY, |d| year_and_month(d).0 - 1970).ok_or_else(wrong)?)
        }
        Transform::Month => {
            let months = |days| {
                let (year, month) = year_and_month(days);
                (year - 1970) * 12 + month - 1
            };
            Arc::new(whole_units(&values, SECONDS_OF_DAY, months).ok_or_else(wrong)?)
        }
        Transform::Day => {
            let days = whole_units(&values, SECONDS_OF_DAY, |d| d).ok_or_else(wrong)?;
            let (_, days, nulls) = days.into_parts();
            Arc::new(Date32Array::new(days, nulls))
        }
        Transform::Hour if *values.data_type() != DataType::Date32 => {
            Arc::new(whole_units(&values, SECONDS_OF_HOUR, |h| h).ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    })
}

/// Instants without the zone need no zone database.
fn without_zone(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, Some(_)) => {
            Arc::new(array.as_primitive::<TimestampNanosecondType>().clone().with_timezone_opt(None::<Arc<str>>))
        }
        _ => Arc::clone(array),
    }
}

/// Numbers are cut downwards, also below zero; texts after `width` code points.
fn truncate(values: &ArrayRef, width: u32) -> Result<ArrayRef> {
    let wide = i64::from(width);
    Ok(match values.data_type() {
        DataType::Int32 => {
            // A value near the end of its type wraps around, as in Java.
            let cut = |v: i32| (i64::from(v) - i64::from(v).rem_euclid(wide)) as i32;
            Arc::new(values.as_primitive::<Int32Type>().unary::<_, Int32Type>(cut))
        }
        DataType::Int64 => {
            Arc::new(values.as_primitive::<Int64Type>().unary::<_, Int64Type>(|v| v.wrapping_sub(v.rem_euclid(wide))))
        }
        DataType::Decimal128(precision, scale) => {
            let cut = values
                .as_primitive::<Decimal128Type>()
                .unary::<_, Decimal128Type>(|v| v.wrapping_sub(v.rem_euclid(i128::from(width))));
            Arc::new(cut.with_precision_and_scale(*precision, *scale)?)
        }
        _ => {
            let cut = create_transform_function(&Transform::Truncate(width)).explain("partition transform")?;
            cut.transform(Arc::clone(values)).explain("partition transform")?
        }
    })
}

/// Dates and instants as whole days or hours since 1970, downwards, and a number made of each.
fn whole_units(values: &ArrayRef, seconds: i64, number: impl Fn(i64) -> i64) -> Option<Int32Array> {
    let units = |values: &Int64Array, size: i64| -> Int32Array {
        values.unary::<_, Int32Type>(|v| number(v.div_euclid(size)) as i32)
    };
    Some(match values.data_type() {
        DataType::Date32 => {
            values.as_primitive::<Date32Type>().unary::<_, Int32Type>(|days| number(i64::from(days)) as i32)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = values.as_primitive::<TimestampMicrosecondType>();
            units(&micros.reinterpret_cast::<Int64Type>(), seconds * 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let nanos = values.as_primitive::<TimestampNanosecondType>();
            units(&nanos.reinterpret_cast::<Int64Type>(), seconds * 1_000_000_000)
        }
        _ => return None,
    })
}

/// Year and month (1 to 12) of a day in the Gregorian calendar, for every day that there is a number for.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
pub(crate) fn year_and_month(days: i64) -> (i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month)
}

/// The day on which a month begins that is so many months after January 1970.
pub(crate) fn first_day(months: i64) -> i64 {
    let (year, month) = (1970 + months.div_euclid(12), months.rem_euclid(12) + 1);
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The folder of a partition below the folder of the data: `region=north/t_day=2024-02-29`. Readers take the values from
/// the manifests; the names are for people.
pub(crate) fn folder(spec: &PartitionSpec, schema: &Schema, values: &Struct) -> String {
    let parts = spec.fields().iter().zip(values.iter()).map(|(field, value)| {
        let source = schema.field_by_id(field.source_id).map(|f| &*f.field_type);
        let text = match value.and_then(|v| v.as_primitive_literal()) {
            Some(value) => text(field.transform, source, &value),
            None => "null".to_string(),
        };
        tame(&format!("{}={}", encoded(&field.name), encoded(&text)))
    });
    parts.collect::<Vec<_>>().join("/")
}

fn text(transform: Transform, source: Option<&Type>, value: &PrimitiveLiteral) -> String {
    let day = |days: i64| {
        let (year, month) = year_and_month(days);
        let day = days - first_day((year - 1970) * 12 + month - 1) + 1;
        format!("{year:04}-{month:02}-{day:02}")
    };
    match (transform, value) {
        (Transform::Year, PrimitiveLiteral::Int(years)) => format!("{:04}", i64::from(*years) + 1970),
        (Transform::Month, PrimitiveLiteral::Int(months)) => {
            let months = i64::from(*months);
            format!("{:04}-{:02}", 1970 + months.div_euclid(12), months.rem_euclid(12) + 1)
        }
        (Transform::Day, PrimitiveLiteral::Int(days)) => day(i64::from(*days)),
        (Transform::Hour, PrimitiveLiteral::Int(hours)) => {
            let hours = i64::from(*hours);
            format!("{}-{:02}", day(hours.div_euclid(24)), hours.rem_euclid(24))
        }
        (_, PrimitiveLiteral::String(text)) => text.clone(),
        (_, PrimitiveLiteral::Binary(bytes)) => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        (Transform::Identity | Transform::Truncate(_), value) => source
            .and_then(Type::as_primitive_type)
            .and_then(|p| crate::scan::primitive_scalar(value, p))
            .map_or_else(|| format!("{value:?}"), |scalar| scalar.to_string()),
        (_, PrimitiveLiteral::Int(n)) => n.to_string(),
        (_, value) => format!("{value:?}"),
    }
}

/// Everything that could lead elsewhere, or that a storage does not take, in the form of a URL, as other writers do.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A name that is too long for a file system is cut, and told apart by a checksum of the whole.
fn tame(name: &str) -> String {
    if name.len() <= NAME_MAX {
        return name.to_string();
    }
    let kept = &name[..NAME_MAX - 9];
    // A character in its encoded form stays whole.
    let kept = match kept.rfind('%') {
        Some(at) if at + 3 > kept.len() => &kept[..at],
        _ => kept,
    };
    format!("{kept}-{:08x}", crc32fast::hash(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        BinaryArray, Decimal128Array, FixedSizeBinaryArray, StringArray, Time64MicrosecondArray,
        TimestampMicrosecondArray, TimestampNanosecondArray,
    };
    use chrono::Datelike;
    use iceberg::spec::{Literal, NestedField, PrimitiveType};
    use proptest::prelude::*;

    fn ints(array: &ArrayRef) -> Vec<Option<i32>> {
        match array.data_type() {
            DataType::Date32 => array.as_primitive::<Date32Type>().iter().collect(),
            _ => array.as_primitive::<Int32Type>().iter().collect(),
        }
    }

    #[test]
    fn hashes_are_those_of_the_specification() {
        let uuid = uuid::Uuid::parse_str("f79c3e09-677c-4bbd-a479-3f349cb785e7").unwrap();
        let at = 1_510_871_468_000_000_i64;
        let cases: Vec<(ArrayRef, i32)> = vec![
            (Arc::new(Int32Array::from(vec![34])), 2_017_239_379),
            (Arc::new(Int64Array::from(vec![34])), 2_017_239_379),
            (Arc::new(Decimal128Array::from(vec![1_420]).with_precision_and_scale(9, 2).unwrap()), -500_754_589),
            (Arc::new(Date32Array::from(vec![17_486])), -653_330_422),
            (Arc::new(Time64MicrosecondArray::from(vec![81_068_000_000])), -662_762_989),
            (Arc::new(TimestampMicrosecondArray::from(vec![at])), -2_047_944_441),
            (Arc::new(TimestampMicrosecondArray::from(vec![at]).with_timezone("UTC")), -2_047_944_441),
            (Arc::new(TimestampMicrosecondArray::from(vec![at + 1])), -1_207_196_810),
            (Arc::new(TimestampNanosecondArray::from(vec![at * 1_000])), -2_047_944_441),
            (Arc::new(TimestampNanosecondArray::from(vec![at * 1_000 + 1_001])), -1_207_196_810),
            (Arc::new(StringArray::from(vec!["iceberg"])), 1_210_000_089),
            (Arc::new(BinaryArray::from(vec![&[0_u8, 1, 2, 3][..]])), -188_683_207),
            (Arc::new(FixedSizeBinaryArray::try_from_iter([uuid.as_bytes()].into_iter()).unwrap()), 1_488_055_340),
        ];
        for (values, hash) in cases {
            let n = i32::MAX as u32;
            let bucket = ints(&apply(Transform::Bucket(n), &values).unwrap());
            assert_eq!(bucket, [Some((hash & i32::MAX) % i32::MAX)], "{}", values.data_type());
        }
        // The instant before 1970 lies in the microsecond below it.
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-1]));
        let micros: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![-1]));
        let bucket = |a| ints(&apply(Transform::Bucket(1_000), a).unwrap());
        assert_eq!(bucket(&nanos), bucket(&micros));
    }

    #[test]
    fn numbers_are_cut_downwards_and_texts_by_characters() {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(-1), Some(-10), None, Some(i32::MIN)]));
        let cut = ints(&apply(Transform::Truncate(10), &values).unwrap());
        assert_eq!(cut, [Some(0), Some(-10), Some(-10), None, Some(i32::MIN.wrapping_sub(2))]);
        let values: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, -1, 19]));
        let cut = apply(Transform::Truncate(10), &values).unwrap();
        assert_eq!(cut.as_primitive::<Int64Type>().values(), &[i64::MIN.wrapping_sub(2), -10, 10]);
        let values: ArrayRef =
            Arc::new(Decimal128Array::from(vec![1_065, -1_065]).with_precision_and_scale(10, 2).unwrap());
        let cut = apply(Transform::Truncate(50), &values).unwrap();
        assert_eq!(cut.as_primitive::<Decimal128Type>().values(), &[1_050, -1_100]);
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some("日本語"), Some("a"), None]));
        let cut = apply(Transform::Truncate(2), &values).unwrap();
        assert_eq!(cut.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("日本"), Some("a"), None]);
    }

    #[test]
    fn days_before_1970_count_downwards() {
        // Half a second before midnight: the library says that it is the day after.
        let micros = vec![Some(-86_400_500_000), Some(-1), Some(0), None, Some(i64::MIN), Some(i64::MAX)];
        let values: ArrayRef = Arc::new(TimestampMicrosecondArray::from(micros));
        let of = |t| ints(&apply(t, &values).unwrap());
        assert_eq!(of(Transform::Day)[..4], [Some(-2), Some(-1), Some(0), None]);
        assert_eq!(of(Transform::Hour)[..4], [Some(-25), Some(-1), Some(0), None]);
        assert_eq!(of(Transform::Month)[..4], [Some(-1), Some(-1), Some(0), None]);
        assert_eq!(of(Transform::Year)[..4], [Some(-1), Some(-1), Some(0), None]);
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-1, 3_600_000_000_000]));
        assert_eq!(ints(&apply(Transform::Hour, &nanos).unwrap()), [Some(-1), Some(1)]);
        let dates: ArrayRef = Arc::new(Date32Array::from(vec![-1, 17_486]));
        assert_eq!(ints(&apply(Transform::Month, &dates).unwrap()), [Some(-1), Some(574)]);
        assert_eq!(ints(&apply(Transform::Year, &dates).unwrap()), [Some(-1), Some(47)]);
        assert_eq!(apply(Transform::Hour, &dates).unwrap_err().code(), "lake.partition");
    }

    proptest! {
        #[test]
        fn the_calendar_agrees_with_another(days in -700_000_i32..700_000) {
            let date = chrono::NaiveDate::from_epoch_days(days).unwrap();
            let (year, month) = year_and_month(i64::from(days));
            prop_assert_eq!((year, month), (i64::from(date.year()), i64::from(date.month())));
            prop_assert_eq!(first_day((year - 1970) * 12 + month - 1), i64::from(days) - i64::from(date.day0()));
        }
    }

    #[test]
    fn names_of_partitions_lead_nowhere_else() {
        let schema = Schema::builder()
            .with_fields([
                Arc::new(NestedField::optional(1, "region", Type::Primitive(PrimitiveType::String))),
                Arc::new(NestedField::optional(2, "t", Type::Primitive(PrimitiveType::Timestamp))),
            ])
            .build()
            .unwrap();
        let spec = PartitionSpec::builder(schema.clone())
            .add_partition_field("region", "region", Transform::Identity)
            .unwrap()
            .add_partition_field("t", "t_hour", Transform::Hour)
            .unwrap()
            .build()
            .unwrap();
        let named = |region: Option<&str>, hour| {
            let values = [region.map(Literal::string), Some(Literal::int(hour))];
            folder(&spec, &schema, &Struct::from_iter(values))
        };
        assert_eq!(named(Some("../a b/ü=%"), -1), "region=..%2Fa+b%2F%C3%BC%3D%25/t_hour=1969-12-31-23");
        assert_eq!(named(None, 0), "region=null/t_hour=1970-01-01-00");
        let (long, other) = ("日".repeat(300), "日".repeat(301));
        let name = named(Some(&long), 0);
        assert!(name.split('/').all(|part| part.len() <= NAME_MAX), "{name}");
        assert_ne!(name, named(Some(&other), 0));
    }
}
