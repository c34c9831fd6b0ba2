//! Finds the columns of a file by field id, and brings them to the types of the scan.
//!
//! Covers renamed, reordered, added, dropped and promoted columns, at every level of nesting, files without ids, and
//! defaults of columns that a file does not have.

use super::shape::{Shape, ShapeColumn};
use super::{external, literal};
use crate::schema::field_id;
use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use datafusion::physical_plan::PhysicalExpr;
use iceberg::spec::{MappedField, NestedFieldRef, Type};
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Makes an adapter for each file.
#[derive(Debug)]
pub(crate) struct ByFieldId(pub(crate) Arc<Shape>);

impl PhysicalExprAdapterFactory for ByFieldId {
    fn create(&self, _logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let ids = Ids::of_file(physical.fields(), self.0.mapping.as_ref().map(|m| m.fields()));
        let mut columns = HashMap::new();
        for column in &self.0.columns {
            columns.insert(column.arrow.name().clone(), expression(column, &physical, &ids)?);
        }
        Ok(Arc::new(Adapter { columns }))
    }
}

#[derive(Debug)]
struct Adapter {
    /// What stands for each column of the scan.
    columns: HashMap<String, Arc<dyn PhysicalExpr>>,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expr.transform_up(|e| {
            let known =
                (&*e as &dyn std::any::Any).downcast_ref::<Column>().and_then(|column| self.columns.get(column.name()));
            Ok(match known {
                Some(known) => Transformed::yes(Arc::clone(known)),
                None => Transformed::no(e),
            })
        })
        .data()
    }
}

/// Where the ids of a file's fields come from.
enum Ids<'a> {
    /// From the file itself.
    InFile,
    /// From the table's name mapping.
    Mapped(Vec<&'a MappedField>),
    /// There are none: fields are taken by name.
    ByName,
}

impl<'a> Ids<'a> {
    fn of_file(fields: &Fields, mapping: Option<&'a [MappedField]>) -> Self {
        if fields.iter().any(|f| has_id(f)) {
            return Ids::InFile;
        }
        match mapping {
            Some(mapping) => Ids::Mapped(mapping.iter().collect()),
            None => Ids::ByName,
        }
    }

    /// The position of `wanted` among the fields of a file.
    fn find(&self, fields: &Fields, wanted: &NestedFieldRef) -> Option<usize> {
        match self {
            Ids::InFile => fields.iter().position(|f| field_id(f) == Some(wanted.id)),
            Ids::Mapped(mapping) => {
                let names = mapping.iter().find(|m| m.field_id() == Some(wanted.id))?.names();
                fields.iter().position(|f| names.contains(f.name()))
            }
            Ids::ByName => fields.iter().position(|f| *f.name() == wanted.name),
        }
    }

    /// The same for what lies inside of `wanted`.
    fn inside(&self, wanted: &NestedFieldRef) -> Ids<'a> {
        match self {
            Ids::InFile => Ids::InFile,
            Ids::ByName => Ids::ByName,
            Ids::Mapped(mapping) => {
                let inner = mapping.iter().find(|m| m.field_id() == Some(wanted.id)).map(|m| m.fields());
                Ids::Mapped(inner.unwrap_or_default().iter().map(Arc::as_ref).collect())
            }
        }
    }
}

fn has_id(field: &Field) -> bool {
    field_id(field).is_some()
        || match field.data_type() {
            DataType::Struct(fields) => fields.iter().any(|f| has_id(f)),
            DataType::List(f) | DataType::LargeList(f) | DataType::Map(f, _) => has_id(f),
            _ => false,
        }
}

fn expression(column: &ShapeColumn, file: &Schema, ids: &Ids<'_>) -> Result<Arc<dyn PhysicalExpr>> {
    let target = &column.arrow;
    let Some(index) = ids.find(file.fields(), &column.field) else {
        if column.field.required && column.field.initial_default.is_none() {
            return Err(external(freshet_types::Error::data(
                "lake.missing_column",
                format!("column \"{}\" is NOT NULL, but a data file does not have it", column.field.name),
            )));
        }
        let value = match (&*column.field.field_type, target.data_type()) {
            // A struct that a file lacks is NULL, whatever defaults its fields have.
            (Type::Primitive(_), _) => column.default().map_err(external)?,
            (_, data_type) => ScalarValue::try_from(data_type)?,
        };
        return Ok(Arc::new(Literal::new(value)));
    };
    let field = file.field(index);
    let in_file: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
    if field.data_type() == target.data_type() {
        return Ok(in_file);
    }
    if matches!(*column.field.field_type, Type::Primitive(_)) && castable(field.data_type(), target.data_type()) {
        return Ok(Arc::new(CastExpr::new(in_file, target.data_type().clone(), None)));
    }
    let change = Change::plan(field.data_type(), target.data_type(), &column.field, ids)?;
    Ok(Arc::new(ChangeExpr { input: in_file, change: Arc::new(change), target: Arc::clone(target) }))
}

/// Casts that DataFusion sees through when it prunes row groups and pages.
fn castable(from: &DataType, to: &DataType) -> bool {
    arrow::compute::can_cast_types(from, to)
}

/// How an array of a file becomes one of the scan.
#[derive(Debug)]
enum Change {
    Keep,
    Cast(DataType),
    Struct { fields: Fields, parts: Vec<Part> },
    List { element: FieldRef, change: Box<Change> },
    Map { entries: FieldRef, sorted: bool, key: Box<Change>, value: Box<Change> },
}

#[derive(Debug)]
enum Part {
    From(usize, Change),
    Constant(ScalarValue),
}

impl Change {
    fn plan(from: &DataType, to: &DataType, field: &NestedFieldRef, ids: &Ids<'_>) -> Result<Self> {
        if from == to {
            return Ok(Change::Keep);
        }
        let wrong = || {
            datafusion::error::DataFusionError::External(Box::new(freshet_types::Error::data(
                "lake.column_type",
                format!("column \"{}\" is {from} in a file, which is no {}", field.name, field.field_type),
            )))
        };
        match (from, to, &*field.field_type) {
            (DataType::Struct(have), DataType::Struct(want), Type::Struct(inner)) => {
                let ids = ids.inside(field);
                let mut parts = Vec::with_capacity(want.len());
                for (target, wanted) in want.iter().zip(inner.fields()) {
                    parts.push(match ids.find(have, wanted) {
                        Some(i) => Part::From(i, Change::plan(have[i].data_type(), target.data_type(), wanted, &ids)?),
                        None => Part::Constant(default_of(wanted, target)?),
                    });
                }
                Ok(Change::Struct { fields: want.clone(), parts })
            }
            (DataType::List(have), DataType::List(want), Type::List(list)) => {
                let ids = ids.inside(field);
                let change = Change::plan(have.data_type(), want.data_type(), &list.element_field, &ids)?;
                Ok(Change::List { element: Arc::clone(want), change: Box::new(change) })
            }
            (DataType::Map(have, _), DataType::Map(want, sorted), Type::Map(map)) => {
                let (DataType::Struct(have), DataType::Struct(pair)) = (have.data_type(), want.data_type()) else {
                    return Err(wrong());
                };
                let ids = ids.inside(field);
                let key = Change::plan(have[0].data_type(), pair[0].data_type(), &map.key_field, &ids)?;
                let value = Change::plan(have[1].data_type(), pair[1].data_type(), &map.value_field, &ids)?;
                Ok(Change::Map {
                    entries: Arc::clone(want),
                    sorted: *sorted,
                    key: Box::new(key),
                    value: Box::new(value),
                })
            }
            (_, _, Type::Primitive(_)) if castable(from, to) => Ok(Change::Cast(to.clone())),
            _ => Err(wrong()),
        }
    }

    fn apply(&self, array: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Change::Keep => Arc::clone(array),
            Change::Cast(to) => cast_with_options(array, to, &CastOptions { safe: false, ..Default::default() })?,
            Change::Struct { fields, parts } => {
                let array = array.as_struct();
                let columns = parts
                    .iter()
                    .map(|part| match part {
                        Part::From(i, change) => change.apply(array.column(*i)),
                        Part::Constant(value) if value.is_null() => Ok(new_null_array(&value.data_type(), array.len())),
                        Part::Constant(value) => value.to_array_of_size(array.len()),
                    })
                    .collect::<Result<Vec<_>>>()?;
                let nulls = array.nulls().cloned();
                Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?)
            }
            Change::List { element, change } => {
                let list = array.as_list::<i32>();
                let values = change.apply(list.values())?;
                Arc::new(ListArray::try_new(
                    Arc::clone(element),
                    list.offsets().clone(),
                    values,
                    list.nulls().cloned(),
                )?)
            }
            Change::Map { entries, sorted, key, value } => {
                let map = array.as_map();
                let DataType::Struct(pair) = entries.data_type() else { unreachable!("planned from a struct") };
                let columns = vec![key.apply(map.keys())?, value.apply(map.values())?];
                let pairs = StructArray::try_new(pair.clone(), columns, None)?;
                let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
                Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted)?)
            }
        })
    }
}

fn default_of(wanted: &NestedFieldRef, target: &FieldRef) -> Result<ScalarValue> {
    let default = wanted.initial_default.as_ref().and_then(|v| literal::scalar(v, &wanted.field_type));
    match default {
        Some(value) => value.cast_to(target.data_type()),
        None => ScalarValue::try_from(target.data_type()),
    }
}

/// A column whose nested parts are found by id.
#[derive(Debug, Clone)]
struct ChangeExpr {
    input: Arc<dyn PhysicalExpr>,
    change: Arc<Change>,
    target: FieldRef,
}

impl PartialEq for ChangeExpr {
    fn eq(&self, other: &Self) -> bool {
        self.input.eq(&other.input) && self.target == other.target
    }
}

impl Eq for ChangeExpr {}

impl Hash for ChangeExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.target.hash(state);
    }
}

impl fmt::Display for ChangeExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by_field_id({})", self.input)
    }
}

impl PhysicalExpr for ChangeExpr {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(self.target.data_type().clone())
    }

    fn nullable(&self, _input: &Schema) -> Result<bool> {
        Ok(self.target.is_nullable())
    }

    fn return_field(&self, _input: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.target))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.input.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(self.change.apply(&array)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let input = children.pop().expect("there is one child");
        Ok(Arc::new(Self { input, change: Arc::clone(&self.change), target: Arc::clone(&self.target) }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.input.fmt_sql(f)
    }
}
