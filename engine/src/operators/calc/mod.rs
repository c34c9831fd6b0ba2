//! Keeps the rows for which a condition holds and computes columns. Stateless.
//!
//! A condition that is NULL does not hold. Weights stay with their rows.

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use crate::operators::expression_text;
use crate::operators::fault::from_datafusion;
use crate::{Counters, Operator, OperatorContext, OperatorFactory, Output};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use freshet_types::{ChangeBatch, Error, Result};
use std::sync::Arc;

/// What a calc computes.
#[derive(Debug, Clone)]
pub struct CalcConfig {
    /// Schema of the input.
    pub input: SchemaRef,
    /// Condition over the input.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Output columns over the input, with their names; none passes the input's columns on.
    pub projection: Option<Vec<(Arc<dyn PhysicalExpr>, String)>>,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct Calc {
    config: CalcConfig,
    schema: SchemaRef,
    /// Position of each output column in the input, when nothing is computed.
    columns: Option<Vec<usize>>,
}

impl Calc {
    /// Checks the config and finds the output schema.
    pub fn new(config: CalcConfig) -> Result<Self> {
        if let Some(filter) = &config.filter
            && filter.data_type(&config.input).map_err(from_datafusion)? != DataType::Boolean
        {
            return Err(Error::invalid(
                "filter.type",
                format!("the condition {} is no BOOLEAN", expression_text(filter)),
            )
            .hint("compare it with something"));
        }
        let Some(projection) = &config.projection else {
            let columns = Some((0..config.input.fields().len()).collect());
            return Ok(Self { schema: Arc::clone(&config.input), columns, config });
        };
        let mut fields = Vec::with_capacity(projection.len());
        for (expression, name) in projection {
            let field = expression.return_field(&config.input).map_err(from_datafusion)?;
            fields.push(field.as_ref().clone().with_name(name));
        }
        let columns = projection.iter().map(|(e, _)| e.downcast_ref::<Column>().map(Column::index)).collect();
        Ok(Self { schema: Arc::new(Schema::new(fields)), columns, config })
    }

    /// The same with this output schema: the planner may know names, nullability and metadata better.
    ///
    /// # Errors
    /// `calc.schema` when a column's type is another.
    pub fn with_schema(mut self, schema: SchemaRef) -> Result<Self> {
        let types = |s: &SchemaRef| s.fields().iter().map(|f| f.data_type().clone()).collect::<Vec<_>>();
        if types(&schema) != types(&self.schema) {
            return Err(Error::internal(
                "calc.schema",
                format!("the planner expects {:?}, the expressions give {:?}", types(&schema), types(&self.schema)),
            ));
        }
        self.schema = schema;
        Ok(self)
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl OperatorFactory for Calc {
    fn name(&self) -> &'static str {
        "calc"
    }

    fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let Some(projection) = &self.config.projection {
            let columns: Vec<String> = projection
                .iter()
                .map(|(e, name)| match e.downcast_ref::<Column>() {
                    Some(column) if column.name() == name => name.clone(),
                    _ => format!("{} as {name}", expression_text(e)),
                })
                .collect();
            parts.push(columns.join(", "));
        }
        if let Some(filter) = &self.config.filter {
            parts.push(format!("where {}", expression_text(filter)));
        }
        parts.join(" ")
    }

    fn create(&self, _context: &OperatorContext) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Running {
            filter: self.config.filter.clone(),
            expressions: self.config.projection.iter().flatten().map(|(e, _)| Arc::clone(e)).collect(),
            columns: self.columns.clone(),
            schema: self.schema(),
            filtered: 0,
        }))
    }
}

struct Running {
    filter: Option<Arc<dyn PhysicalExpr>>,
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    columns: Option<Vec<usize>>,
    schema: SchemaRef,
    filtered: u64,
}

impl Operator for Running {
    fn on_changes(&mut self, _input: usize, mut changes: ChangeBatch, out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if let Some(filter) = &self.filter {
            let mask = evaluate(filter, changes.rows())?;
            let mask: &BooleanArray = mask.as_boolean();
            let mask = if mask.nulls().is_some() { prep_null_mask_filter(mask) } else { mask.clone() };
            let kept = mask.true_count();
            self.filtered += (mask.len() - kept) as u64;
            if kept == 0 {
                return Ok(());
            }
            if kept < mask.len() {
                changes = changes.filter(&mask)?;
            }
        }
        let rows = changes.rows();
        let columns: Vec<ArrayRef> = match &self.columns {
            Some(columns) => columns.iter().map(|c| Arc::clone(rows.column(*c))).collect(),
            None => self.expressions.iter().map(|e| evaluate(e, rows)).collect::<Result<_>>()?,
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        out.emit(changes.with_rows(rows));
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters { filtered_rows: self.filtered, ..Counters::default() }
    }
}

/// The value of `expression` for each row.
pub(crate) fn evaluate(expression: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef> {
    let value = expression.evaluate(rows).map_err(from_datafusion)?;
    value.into_array(rows.num_rows()).map_err(from_datafusion)
}
