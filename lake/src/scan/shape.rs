//! What a scan delivers: columns with their field ids, types and defaults.

use super::literal;
use crate::schema;
use arrow::datatypes::{FieldRef, Schema as ArrowSchema, SchemaRef};
use datafusion::common::ScalarValue;
use freshet_types::Result;
use iceberg::spec::{NameMapping, NestedFieldRef, Schema, TableMetadata};
use std::sync::Arc;

/// Property that maps names to ids in files without ids.
const NAME_MAPPING: &str = "schema.name-mapping.default";

/// One column of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ShapeColumn {
    /// Name, type and nullability as the query sees them.
    pub(crate) arrow: FieldRef,
    /// The column in the table's schema.
    pub(crate) field: NestedFieldRef,
}

/// Columns of a scan: those that the query sees, then those that only equality deletes need.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<ShapeColumn>,
    /// How many of them the query sees.
    pub(crate) visible: usize,
    pub(crate) mapping: Option<NameMapping>,
}

impl Shape {
    /// The columns of `columns`, typed as in `arrow`.
    pub(crate) fn new(columns: &Schema, arrow: &ArrowSchema, metadata: &TableMetadata) -> Result<Self> {
        let columns: Vec<ShapeColumn> = arrow
            .fields()
            .iter()
            .zip(columns.as_struct().fields())
            .map(|(arrow, field)| ShapeColumn { arrow: Arc::clone(arrow), field: Arc::clone(field) })
            .collect();
        let mapping = metadata.properties().get(NAME_MAPPING).map(|text| {
            serde_json::from_str(text).map_err(|e| {
                freshet_types::Error::data("lake.metadata", format!("table property \"{NAME_MAPPING}\": {e}"))
            })
        });
        Ok(Self { visible: columns.len(), columns, mapping: mapping.transpose()? })
    }

    /// The same with the top-level columns of these ids behind, where they are missing: dropped columns on which other
    /// writers' equality deletes still rest.
    pub(crate) fn with_columns(&self, ids: &[i32], metadata: &TableMetadata) -> Result<Self> {
        let mut columns = self.columns.clone();
        for id in ids {
            if columns.iter().any(|c| c.field.id == *id) {
                continue;
            }
            let field = metadata.schemas_iter().flat_map(|s| s.as_struct().fields()).find(|f| f.id == *id).ok_or_else(
                || {
                    freshet_types::Error::unsupported(
                        "lake.equality_column",
                        format!("an equality delete rests on column {id}, which lies inside another or does not exist"),
                    )
                    .hint("compact the table with the writer that made the delete")
                },
            )?;
            let arrow =
                arrow::datatypes::Field::new(format!("__deleted_{id}"), schema::file_type(&field.field_type), true);
            columns.push(ShapeColumn { arrow: Arc::new(arrow), field: Arc::clone(field) });
        }
        Ok(Self { columns, visible: self.visible, mapping: self.mapping.clone() })
    }

    /// Only the columns with these ids, in their order.
    pub(crate) fn only(&self, ids: &[i32]) -> Self {
        let columns: Vec<ShapeColumn> =
            ids.iter().filter_map(|id| self.index_of(*id)).map(|i| self.columns[i].clone()).collect();
        Self { visible: columns.len(), columns, mapping: self.mapping.clone() }
    }

    /// The same with `column` behind.
    pub(crate) fn with_column(&self, column: ShapeColumn) -> Self {
        let mut columns = self.columns.clone();
        columns.push(column);
        Self { columns, visible: self.visible, mapping: self.mapping.clone() }
    }

    /// Arrow schema of all columns.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(ArrowSchema::new(self.columns.iter().map(|c| Arc::clone(&c.arrow)).collect::<Vec<_>>()))
    }

    /// Position of the column with this id.
    pub(crate) fn index_of(&self, id: i32) -> Option<usize> {
        self.columns.iter().position(|c| c.field.id == id)
    }
}

impl ShapeColumn {
    /// Value in files that were written before the column was added.
    pub(crate) fn default(&self) -> Result<ScalarValue> {
        let null = || {
            ScalarValue::try_from(self.arrow.data_type())
                .map_err(|e| freshet_types::Error::internal("lake.default", e.to_string()))
        };
        match &self.field.initial_default {
            None => null(),
            Some(value) => literal::scalar(value, &self.field.field_type)
                .and_then(|v| v.cast_to(self.arrow.data_type()).ok())
                .map_or_else(null, Ok),
        }
    }
}
