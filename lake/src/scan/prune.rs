//! Leaves out manifests and files that cannot hold a row of the answer, by partitions and bounds.

use super::literal;
use super::shape::Shape;
use crate::files::FileEntry;
use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::DataType;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_optimizer::pruning::PruningPredicate;
use datafusion::physical_plan::PhysicalExpr;
use iceberg::spec::{
    Datum, Literal, ManifestFile, NestedFieldRef, PartitionSpec, PrimitiveLiteral, PrimitiveType, Struct,
    TableMetadata, Transform, Type,
};
use iceberg::transform::create_transform_function;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is known of one column in one manifest or file.
#[derive(Debug, Clone, Default)]
struct Range {
    min: Option<ScalarValue>,
    max: Option<ScalarValue>,
    nulls: Option<u64>,
    bucket: Option<(u32, i32)>,
}

/// What is known of a list of manifests or files.
struct Known<'a> {
    shape: &'a Shape,
    ranges: Vec<HashMap<i32, Range>>,
    rows: Vec<Option<u64>>,
}

/// Decides which manifests and files a filter needs.
pub(super) struct Pruner<'a> {
    shape: &'a Shape,
    metadata: &'a TableMetadata,
    predicate: Option<PruningPredicate>,
}

impl<'a> Pruner<'a> {
    pub(super) fn new(shape: &'a Shape, metadata: &'a TableMetadata, filter: Option<&Arc<dyn PhysicalExpr>>) -> Self {
        // A filter that cannot be turned into one over bounds keeps everything.
        let predicate = filter
            .and_then(|f| PruningPredicate::try_new(Arc::clone(f), shape.schema()).ok())
            .filter(|p| !p.always_true());
        Self { shape, metadata, predicate }
    }

    fn keep(&self, known: &Known<'_>) -> Vec<bool> {
        let all = || vec![true; known.ranges.len()];
        match &self.predicate {
            Some(predicate) if !known.ranges.is_empty() => predicate.prune(known).unwrap_or_else(|_| all()),
            _ => all(),
        }
    }

    /// The manifests that may list files with rows of the answer.
    pub(super) fn manifests(&self, manifests: Vec<ManifestFile>) -> Vec<ManifestFile> {
        if self.predicate.is_none() {
            return manifests;
        }
        let known = Known {
            shape: self.shape,
            ranges: manifests.iter().map(|m| self.manifest_ranges(m)).collect(),
            rows: vec![None; manifests.len()],
        };
        let keep = self.keep(&known);
        manifests.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(m, _)| m).collect()
    }

    /// The files that may hold rows of the answer.
    pub(super) fn files(&self, files: Vec<FileEntry>) -> Vec<FileEntry> {
        if self.predicate.is_none() {
            return files;
        }
        let known = Known {
            shape: self.shape,
            ranges: files.iter().map(|f| self.file_ranges(f)).collect(),
            rows: files.iter().map(|f| Some(f.file.record_count())).collect(),
        };
        let keep = self.keep(&known);
        files.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(f, _)| f).collect()
    }

    fn field(&self, id: i32) -> Option<(&NestedFieldRef, &PrimitiveType, &DataType)> {
        let column = &self.shape.columns[self.shape.index_of(id)?];
        Some((&column.field, column.field.field_type.as_primitive_type()?, column.arrow.data_type()))
    }

    fn bound(&self, id: i32, datum: &Datum) -> Option<ScalarValue> {
        let (_, primitive, data_type) = self.field(id)?;
        literal::datum_scalar(datum, primitive)?.cast_to(data_type).ok()
    }

    fn file_ranges(&self, entry: &FileEntry) -> HashMap<i32, Range> {
        let file = &entry.file;
        let mut ranges: HashMap<i32, Range> = HashMap::new();
        for column in &self.shape.columns {
            let id = column.field.id;
            // Bounds leave NaN out, and NaN is larger than everything: they hold only where it is known to be absent.
            let floating = column.field.field_type.is_floating_type();
            let bounded = !floating || file.nan_value_counts().get(&id) == Some(&0);
            let bound = |bounds: &HashMap<i32, Datum>| {
                bounds.get(&id).filter(|_| bounded).and_then(|datum| self.bound(id, datum))
            };
            let (min, max) = (bound(file.lower_bounds()), bound(file.upper_bounds()));
            let nulls = file.null_value_counts().get(&id).copied();
            if min.is_some() || max.is_some() || nulls.is_some() {
                ranges.insert(id, Range { min, max, nulls, bucket: None });
            }
        }
        if let Some(spec) = self.metadata.partition_spec_by_id(entry.spec_id) {
            self.partition_ranges(spec, file.partition(), file.record_count(), &mut ranges);
        }
        ranges
    }

    fn partition_ranges(&self, spec: &PartitionSpec, values: &Struct, rows: u64, ranges: &mut HashMap<i32, Range>) {
        for (field, value) in spec.fields().iter().zip(values.iter()) {
            let Some((_, primitive, data_type)) = self.field(field.source_id) else { continue };
            let range = ranges.entry(field.source_id).or_default();
            let Some(Literal::Primitive(value)) = value else {
                if value.is_none() && field.transform == Transform::Identity {
                    range.nulls = Some(rows);
                }
                continue;
            };
            if let (Transform::Bucket(n), PrimitiveLiteral::Int(bucket)) = (field.transform, value) {
                range.bucket = Some((n, *bucket));
                continue;
            }
            if let Some((low, high)) = source_range(field.transform, value, primitive) {
                let cast = |v: ScalarValue| v.cast_to(data_type).ok();
                range.min = range.min.take().or_else(|| cast(low));
                range.max = range.max.take().or_else(|| cast(high));
            }
        }
    }

    fn manifest_ranges(&self, manifest: &ManifestFile) -> HashMap<i32, Range> {
        let mut ranges = HashMap::new();
        let Some(spec) = self.metadata.partition_spec_by_id(manifest.partition_spec_id) else { return ranges };
        let Some(summaries) = &manifest.partitions else { return ranges };
        for (field, summary) in spec.fields().iter().zip(summaries) {
            let Some((source, primitive, data_type)) = self.field(field.source_id) else { continue };
            let Ok(Type::Primitive(result)) = field.transform.result_type(&source.field_type) else { continue };
            let (Some(low), Some(high)) = (&summary.lower_bound, &summary.upper_bound) else { continue };
            if summary.contains_nan != Some(false) && primitive_is_floating(&result) {
                continue;
            }
            let ends = Datum::try_from_bytes(low, result.clone())
                .and_then(|low| Ok((low, Datum::try_from_bytes(high, result.clone())?)));
            let Ok((low, high)) = ends else { continue };
            let low = source_range(field.transform, low.literal(), primitive).map(|r| r.0);
            let high = source_range(field.transform, high.literal(), primitive).map(|r| r.1);
            let cast = |v: Option<ScalarValue>| v.and_then(|v| v.cast_to(data_type).ok());
            let (min, max) = (cast(low), cast(high));
            ranges.insert(field.source_id, Range { min, max, nulls: None, bucket: None });
        }
        ranges
    }
}

fn primitive_is_floating(primitive: &PrimitiveType) -> bool {
    matches!(primitive, PrimitiveType::Float | PrimitiveType::Double)
}

/// Smallest and largest value of a column whose transform gives `value`.
fn source_range(
    transform: Transform,
    value: &PrimitiveLiteral,
    source: &PrimitiveType,
) -> Option<(ScalarValue, ScalarValue)> {
    if transform == Transform::Identity {
        let scalar = literal::primitive_scalar(value, source)?;
        return Some((scalar.clone(), scalar));
    }
    let PrimitiveLiteral::Int(n) = value else { return None };
    let days = |n: i32| -> Option<i64> {
        let date = |months: i64| {
            let year = i32::try_from(1970 + months.div_euclid(12)).ok()?;
            let first = chrono::NaiveDate::from_ymd_opt(year, months.rem_euclid(12) as u32 + 1, 1)?;
            Some(first.signed_duration_since(chrono::NaiveDate::from_ymd_opt(1970, 1, 1)?).num_days())
        };
        match transform {
            Transform::Year => date(i64::from(n) * 12),
            Transform::Month => date(i64::from(n)),
            Transform::Day => Some(i64::from(n)),
            _ => None,
        }
    };
    let next = n.checked_add(1)?;
    let (start, end, per_second) = match (transform, source) {
        (Transform::Hour, _) => (i64::from(*n) * 3_600, i64::from(next) * 3_600, true),
        (_, PrimitiveType::Date) => (days(*n)?, days(next)?, false),
        _ => (days(*n)? * 86_400, days(next)? * 86_400, true),
    };
    let literal = |v: i64| match (source, per_second) {
        (PrimitiveType::Date, false) => Some(PrimitiveLiteral::Int(i32::try_from(v).ok()?)),
        (_, true) => Some(PrimitiveLiteral::Long(v)),
        _ => None,
    };
    let unit = match source {
        PrimitiveType::Date => 1,
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => 1_000_000,
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => 1_000_000_000,
        _ => return None,
    };
    let (low, high) = (literal(start.checked_mul(unit)?)?, literal(end.checked_mul(unit)? - 1)?);
    Some((literal::primitive_scalar(&low, source)?, literal::primitive_scalar(&high, source)?))
}

impl Known<'_> {
    fn column(&self, column: &Column) -> Option<(i32, &DataType)> {
        let found = self.shape.columns.iter().find(|c| *c.arrow.name() == column.name)?;
        Some((found.field.id, found.arrow.data_type()))
    }

    fn values(&self, column: &Column, pick: impl Fn(&Range) -> Option<ScalarValue>) -> Option<ArrayRef> {
        let (id, data_type) = self.column(column)?;
        let null = literal::null(data_type)?;
        let mut any = false;
        let values: Vec<ScalarValue> = self
            .ranges
            .iter()
            .map(|ranges| match ranges.get(&id).and_then(&pick) {
                Some(value) => {
                    any = true;
                    value
                }
                None => null.clone(),
            })
            .collect();
        if any { ScalarValue::iter_to_array(values).ok() } else { None }
    }
}

impl PruningStatistics for Known<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |r| r.min.clone())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |r| r.max.clone())
    }

    fn num_containers(&self) -> usize {
        self.ranges.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (id, _) = self.column(column)?;
        let counts: UInt64Array = self.ranges.iter().map(|r| r.get(&id).and_then(|r| r.nulls)).collect();
        Some(Arc::new(counts))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.rows.iter().copied().collect::<UInt64Array>()))
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        let (id, _) = self.column(column)?;
        let index = self.shape.index_of(id)?;
        let field = &self.shape.columns[index].field;
        let mut buckets: HashMap<u32, Option<HashSet<i32>>> = HashMap::new();
        let mut any = false;
        let answers: BooleanArray = self
            .ranges
            .iter()
            .map(|ranges| {
                let (n, bucket) = ranges.get(&id)?.bucket?;
                let wanted = buckets.entry(n).or_insert_with(|| buckets_of(values, n, field)).as_ref()?;
                any = true;
                (!wanted.contains(&bucket)).then_some(false)
            })
            .collect();
        any.then_some(answers)
    }
}

/// The buckets that the values fall into; none when one of them cannot be told.
fn buckets_of(values: &HashSet<ScalarValue>, n: u32, field: &NestedFieldRef) -> Option<HashSet<i32>> {
    let transform = create_transform_function(&Transform::Bucket(n)).ok()?;
    let file_type = crate::schema::file_type(&field.field_type);
    // The value as the file holds it: only those that survive the way there and back stand for themselves.
    values
        .iter()
        .map(|value| {
            let in_file = value.cast_to(&file_type).ok()?;
            if in_file.is_null() {
                return None;
            }
            let array = super::super::sink::convert::to_file(&in_file.to_array().ok()?, &zoneless(&file_type)).ok()?;
            let bucket = transform.transform(array).ok()?;
            match ScalarValue::try_from_array(&bucket, 0).ok()? {
                ScalarValue::Int32(Some(bucket)) => Some(bucket),
                _ => None,
            }
        })
        .collect()
}

fn zoneless(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, None),
        other => other.clone(),
    }
}
