//! Leaves out manifests and files that cannot hold a row of the answer, by partitions and bounds.

use super::literal;
use super::shape::Shape;
use crate::files::FileEntry;
use crate::transform;
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

impl Range {
    /// Takes over what is not known yet.
    fn fill(&mut self, other: Range) {
        self.min = self.min.take().or(other.min);
        self.max = self.max.take().or(other.max);
    }
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

    /// What the values of a partition field say of its source.
    fn ends(&self, transform: Transform, low: &PrimitiveLiteral, high: &PrimitiveLiteral, id: i32) -> Range {
        let Some((_, primitive, data_type)) = self.field(id) else { return Range::default() };
        let cast = |end: Option<ScalarValue>| end.and_then(|v| v.cast_to(data_type).ok());
        Range {
            min: cast(source_range(transform, low, primitive).0).map(|v| zero(v, true)),
            max: cast(source_range(transform, high, primitive).1).map(|v| zero(v, false)),
            ..Range::default()
        }
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
            let min = bound(file.lower_bounds()).map(|v| zero(v, true));
            let max = bound(file.upper_bounds()).map(|v| zero(v, false));
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
            if self.field(field.source_id).is_none() || matches!(field.transform, Transform::Void | Transform::Unknown)
            {
                continue;
            }
            let range = ranges.entry(field.source_id).or_default();
            let Some(value) = value else {
                // Every transform gives NULL for NULL and for nothing else.
                range.nulls = Some(rows);
                continue;
            };
            range.nulls = range.nulls.or(Some(0));
            let Literal::Primitive(value) = value else { continue };
            if let (Transform::Bucket(n), PrimitiveLiteral::Int(bucket)) = (field.transform, value) {
                range.bucket = range.bucket.or(Some((n, *bucket)));
                continue;
            }
            range.fill(self.ends(field.transform, value, value, field.source_id));
        }
    }

    fn manifest_ranges(&self, manifest: &ManifestFile) -> HashMap<i32, Range> {
        let mut ranges = HashMap::new();
        let Some(spec) = self.metadata.partition_spec_by_id(manifest.partition_spec_id) else { return ranges };
        let Some(summaries) = &manifest.partitions else { return ranges };
        for (field, summary) in spec.fields().iter().zip(summaries) {
            let Some((source, _, _)) = self.field(field.source_id) else { continue };
            let Ok(Type::Primitive(result)) = field.transform.result_type(&source.field_type) else { continue };
            let (Some(low), Some(high)) = (&summary.lower_bound, &summary.upper_bound) else { continue };
            if summary.contains_nan != Some(false) && primitive_is_floating(&result) {
                continue;
            }
            let ends = Datum::try_from_bytes(low, result.clone())
                .and_then(|low| Ok((low, Datum::try_from_bytes(high, result.clone())?)));
            let Ok((low, high)) = ends else { continue };
            let known = self.ends(field.transform, low.literal(), high.literal(), field.source_id);
            ranges.entry(field.source_id).or_insert_with(Range::default).fill(known);
        }
        ranges
    }
}

fn primitive_is_floating(primitive: &PrimitiveType) -> bool {
    matches!(primitive, PrimitiveType::Float | PrimitiveType::Double)
}

/// Zero has two forms that some writers do not tell apart: as an end of a range it stands for both.
fn zero(value: ScalarValue, smallest: bool) -> ScalarValue {
    match value {
        ScalarValue::Float32(Some(0.0)) => ScalarValue::Float32(Some(if smallest { -0.0 } else { 0.0 })),
        ScalarValue::Float64(Some(0.0)) => ScalarValue::Float64(Some(if smallest { -0.0 } else { 0.0 })),
        other => other,
    }
}

/// Smallest and largest value of a column whose transform gives `value`, where they are known.
fn source_range(
    transform: Transform,
    value: &PrimitiveLiteral,
    source: &PrimitiveType,
) -> (Option<ScalarValue>, Option<ScalarValue>) {
    let scalar = |v: &PrimitiveLiteral| literal::primitive_scalar(v, source);
    match (transform, value) {
        (Transform::Identity, value) => (scalar(value), scalar(value)),
        (Transform::Truncate(width), value) => match cut_range(i64::from(width), value) {
            Some((low, high)) => (scalar(&low), high.and_then(|high| scalar(&high))),
            None => (None, None),
        },
        (Transform::Year | Transform::Month | Transform::Day | Transform::Hour, PrimitiveLiteral::Int(n)) => {
            match time_range(transform, i64::from(*n), source) {
                Some((low, high)) => (scalar(&low), scalar(&high)),
                None => (None, None),
            }
        }
        _ => (None, None),
    }
}

/// Smallest and, where it is known, largest value that is cut to `value`.
fn cut_range(width: i64, value: &PrimitiveLiteral) -> Option<(PrimitiveLiteral, Option<PrimitiveLiteral>)> {
    use PrimitiveLiteral as P;
    // A number near the end of its type may be one from the other end, for the cut wraps around.
    let last = match value {
        P::Int(v) => Some(P::Int(i32::try_from(i64::from(*v) + width - 1).ok()?)),
        P::Long(v) => Some(P::Long(v.checked_add(width - 1)?)),
        P::Int128(v) => Some(P::Int128(v.checked_add(i128::from(width) - 1)?)),
        P::String(text) if (text.chars().count() as i64) < width => Some(value.clone()),
        P::Binary(bytes) if (bytes.len() as i64) < width => Some(value.clone()),
        P::String(text) => crate::sink::raised(text).map(P::String),
        P::Binary(_) => None,
        _ => return None,
    };
    Some((value.clone(), last))
}

/// First and last instant (or day) of a year, month, day or hour.
fn time_range(transform: Transform, n: i64, source: &PrimitiveType) -> Option<(PrimitiveLiteral, PrimitiveLiteral)> {
    let unit = match source {
        PrimitiveType::Date => None,
        PrimitiveType::Timestamp | PrimitiveType::Timestamptz => Some(1_000_000),
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => Some(1_000_000_000),
        _ => return None,
    };
    let seconds = |n: i64| match transform {
        Transform::Year => transform::first_day(n * 12) * 86_400,
        Transform::Month => transform::first_day(n) * 86_400,
        Transform::Day => n * 86_400,
        _ => n * 3_600,
    };
    // Some writers cut times before 1970 towards it: their rows stand one too high.
    let first = if n <= 0 { n - 1 } else { n };
    let (start, end) = (seconds(first), seconds(n + 1));
    Some(match unit {
        None => {
            let day = |seconds: i64| i32::try_from(seconds / 86_400).ok();
            (PrimitiveLiteral::Int(day(start)?), PrimitiveLiteral::Int(day(end)?.checked_sub(1)?))
        }
        Some(unit) => (
            PrimitiveLiteral::Long(start.checked_mul(unit)?),
            PrimitiveLiteral::Long(end.checked_mul(unit)?.checked_sub(1)?),
        ),
    })
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
        let (field, seen) = (&self.shape.columns[index].field, self.shape.columns[index].arrow.data_type());
        // Where the query sees less of a time than files hold, several values of a file are one to it.
        if matches!(seen, DataType::Timestamp(..)) && *seen != crate::schema::file_type(&field.field_type) {
            return None;
        }
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
    let file_type = crate::schema::file_type(&field.field_type);
    // The value as the file holds it: only those that survive the way there and back stand for themselves.
    values
        .iter()
        .map(|value| {
            let in_file = value.cast_to(&file_type).ok()?;
            if in_file.is_null() {
                return None;
            }
            let bucket = transform::apply(Transform::Bucket(n), &in_file.to_array().ok()?).ok()?;
            match ScalarValue::try_from_array(&bucket, 0).ok()? {
                ScalarValue::Int32(Some(bucket)) => Some(bucket),
                _ => None,
            }
        })
        .collect()
}
