//! Splits rows by partition.

use crate::error::Explain;
use crate::transform;
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::row::{OwnedRow, RowConverter, SortField};
use freshet_types::{Error, Result, take_rows};
use iceberg::arrow::arrow_primitive_to_literal;
use iceberg::spec::{Literal, PartitionSpecRef, Schema, Struct, StructType, Transform, Type};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Key of a partition within a process.
pub(crate) type PartitionKey = Option<OwnedRow>;

/// Rows of one partition.
pub(crate) struct Part {
    pub(crate) key: PartitionKey,
    /// The partition's values.
    pub(crate) values: Struct,
    pub(crate) rows: RecordBatch,
}

/// Computes partitions and splits batches by them.
pub(crate) struct Splitter {
    fields: Vec<PartitionField>,
    converter: Option<RowConverter>,
}

struct PartitionField {
    column: usize,
    transform: Transform,
    result: Type,
}

impl Splitter {
    pub(crate) fn new(schema: &Schema, spec: &PartitionSpecRef) -> Result<Self> {
        let partition_type: StructType = spec.partition_type(schema).explain("partition spec")?;
        let mut fields = Vec::new();
        for (field, result) in spec.fields().iter().zip(partition_type.fields()) {
            let column = schema.as_struct().fields().iter().position(|f| f.id == field.source_id).ok_or_else(|| {
                Error::unsupported(
                    "lake.partition",
                    format!("partition field \"{}\" lies inside a nested column", field.name),
                )
                .hint("partition by a column of the top level")
            })?;
            crate::partition::check_value(&result.field_type)?;
            fields.push(PartitionField { column, transform: field.transform, result: *result.field_type.clone() });
        }
        Ok(Self { fields, converter: None })
    }

    /// Splits rows in the schema of the data files; parts come in the order of their first rows.
    pub(crate) fn split(&mut self, rows: &RecordBatch) -> Result<Vec<Part>> {
        if rows.num_rows() == 0 {
            return Ok(Vec::new());
        }
        if self.fields.is_empty() {
            return Ok(vec![Part { key: None, values: Struct::empty(), rows: rows.clone() }]);
        }
        let values = self
            .fields
            .iter()
            .map(|f| transform::apply(f.transform, rows.column(f.column)))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let converter = match &mut self.converter {
            Some(converter) => converter,
            none => {
                let kinds = values.iter().map(|v| SortField::new(v.data_type().clone())).collect();
                none.insert(RowConverter::new(kinds)?)
            }
        };
        let keys = converter.convert_columns(&values)?;
        let mut slots: HashMap<_, usize> = HashMap::new();
        let mut found: Vec<Vec<u32>> = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            match slots.entry(key) {
                Entry::Occupied(slot) => found[*slot.get()].push(i as u32),
                Entry::Vacant(slot) => {
                    slot.insert(found.len());
                    found.push(vec![i as u32]);
                }
            }
        }
        let whole = found.len() == 1;
        found
            .into_iter()
            .map(|indices| {
                let first = indices[0] as usize;
                let part = if whole { rows.clone() } else { take_rows(rows, &UInt32Array::from(indices))? };
                let values = self.values_at(&values, first)?;
                Ok(Part { key: Some(keys.row(first).owned()), values, rows: part })
            })
            .collect()
    }

    fn values_at(&self, values: &[ArrayRef], row: usize) -> Result<Struct> {
        let literals = self.fields.iter().zip(values).map(|(field, array)| {
            let literal: Vec<Option<Literal>> =
                arrow_primitive_to_literal(&array.slice(row, 1), &field.result).explain("partition value")?;
            Ok(literal.into_iter().next().flatten())
        });
        Ok(Struct::from_iter(literals.collect::<Result<Vec<_>>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition;
    use crate::schema::{file_schema, to_iceberg};
    use arrow::array::{Int64Array, TimestampMicrosecondArray};
    use freshet_sql::catalog::external::PartitionTerm;
    use freshet_types::{SqlField, SqlType};
    use std::sync::Arc;

    #[test]
    fn rows_are_split_by_day_and_bucket() {
        let columns = [SqlField::new("a", SqlType::BigInt), SqlField::new("t", SqlType::TimestampLtz(6))];
        let (schema, _) = to_iceberg(&columns, &[], &[], 2).unwrap();
        let term = |transform: &str, argument, column: &str| PartitionTerm {
            transform: transform.into(),
            argument,
            column: column.into(),
        };
        let spec = partition::to_spec(&[term("days", None, "t"), term("identity", None, "a")], &schema).unwrap();
        let spec = Arc::new(spec.bind(schema.clone()).unwrap());
        let day = 86_400_000_000_i64;
        let times = TimestampMicrosecondArray::from(vec![Some(0), Some(day), None, Some(1), Some(-1)]);
        let rows = RecordBatch::try_new(
            Arc::new(file_schema(&schema)),
            vec![
                Arc::new(Int64Array::from(vec![Some(1), Some(1), Some(1), Some(1), None])),
                Arc::new(times.with_timezone("UTC")),
            ],
        )
        .unwrap();
        let parts = Splitter::new(&schema, &spec).unwrap().split(&rows).unwrap();
        let found: Vec<(usize, Vec<Option<Literal>>)> =
            parts.iter().map(|p| (p.rows.num_rows(), p.values.fields().to_vec())).collect();
        let long = |n: i64| Some(Literal::long(n));
        assert_eq!(
            found,
            [
                (2, vec![Some(Literal::date(0)), long(1)]),
                (1, vec![Some(Literal::date(1)), long(1)]),
                (1, vec![None, long(1)]),
                (1, vec![Some(Literal::date(-1)), None]),
            ]
        );
    }
}
