//! Data and delete files in Avro, as early writers made them: read whole, by field id.

use super::adapt::ByFieldId;
use super::external;
use super::plan::ReadTask;
use super::shape::Shape;
use crate::io::LakeIo;
use crate::schema;
use arrow::array::{BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow_avro::reader::ReaderBuilder;
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_expr_adapter::BatchAdapterFactory;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use freshet_types::{Error, Result};
use futures::StreamExt;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use serde_json::Value;
use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

/// Reads Avro files one after the other.
#[derive(Debug)]
pub(super) struct AvroExec {
    io: LakeIo,
    shape: Arc<Shape>,
    schema: SchemaRef,
    indices: Vec<usize>,
    tasks: Vec<ReadTask>,
    properties: Arc<PlanProperties>,
}

impl AvroExec {
    /// `schema` are the columns of the shape, with the sequence number of the file behind when deleted keys need it.
    pub(super) fn new(
        io: LakeIo,
        shape: Arc<Shape>,
        schema: SchemaRef,
        indices: Vec<usize>,
        tasks: Vec<ReadTask>,
    ) -> Result<Self> {
        let output = Arc::new(schema.project(&indices)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(output),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self { io, shape, schema, indices, tasks, properties: Arc::new(properties) })
    }
}

impl DisplayAs for AvroExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AvroExec: files={}", self.tasks.len())
    }
}

impl ExecutionPlan for AvroExec {
    fn name(&self) -> &str {
        "AvroExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _partition: usize, _context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let (io, shape, schema) = (self.io.clone(), Arc::clone(&self.shape), Arc::clone(&self.schema));
        let indices = self.indices.clone();
        let batches = futures::stream::iter(self.tasks.clone()).flat_map(move |task| {
            let read = read(&io, &shape, &schema, &indices, &task);
            futures::stream::iter(match read {
                Ok(batches) => batches.into_iter().map(Ok).collect(),
                Err(e) => vec![Err(external(e))],
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}

fn read(
    io: &LakeIo,
    shape: &Arc<Shape>,
    schema: &SchemaRef,
    indices: &[usize],
    task: &ReadTask,
) -> Result<Vec<RecordBatch>> {
    let path = task.entry.file.file_path();
    let wrong = |e: String| Error::data("lake.avro", format!("data file \"{path}\": {e}"));
    let bytes = io.read(path)?;
    let reader = ReaderBuilder::new().build(Cursor::new(&bytes)).map_err(|e| wrong(e.to_string()))?;
    let written = file_schema(&bytes).unwrap_or(Value::Null);
    let annotated = Arc::new(Schema::new(annotate(reader.schema().fields(), &written)));
    let adapter = BatchAdapterFactory::new(shape.schema())
        .with_adapter_factory(Arc::new(ByFieldId(Arc::clone(shape))))
        .make_adapter(&annotated)
        .map_err(|e| wrong(e.to_string()))?;
    let mut batches = Vec::new();
    let mut start = 0_u64;
    for batch in reader {
        let batch = batch.map_err(|e| wrong(e.to_string()))?;
        let columns = batch
            .columns()
            .iter()
            .zip(annotated.fields())
            .map(|(column, field)| crate::sink::convert::to_file(column, field.data_type()))
            .collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new(Arc::clone(&annotated), columns)?;
        let adapted = adapter.adapt_batch(&batch).map_err(|e| wrong(e.to_string()))?;
        let count = adapted.num_rows();
        let mut columns = adapted.columns().to_vec();
        for (id, value) in &task.constants {
            if let Some(i) = shape.index_of(*id) {
                let value = value.cast_to(shape.columns[i].arrow.data_type()).and_then(|v| v.to_array_of_size(count));
                columns[i] = value.map_err(|e| wrong(e.to_string()))?;
            }
        }
        if columns.len() < schema.fields().len() {
            columns.push(Arc::new(Int64Array::from_value(task.entry.sequence, count)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let mut rows = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?.project(indices)?;
        if let Some(deleted) = &task.deleted {
            let stay: BooleanArray = (start..start + count as u64).map(|p| Some(!deleted.contains(p))).collect();
            rows = filter_record_batch(&rows, &stay)?;
        }
        start += count as u64;
        batches.push(rows);
    }
    Ok(batches)
}

/// The Avro schema in a file's header, as JSON.
fn file_schema(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(crate::avro_header::value(bytes, "avro.schema")?).ok()
}

/// Gives fields the ids that the Avro schema carries as attributes.
fn annotate(fields: &Fields, written: &Value) -> Fields {
    let written = without_null(written);
    let columns = written.get("fields").and_then(Value::as_array);
    fields
        .iter()
        .map(|field| {
            let of =
                columns.and_then(|c| c.iter().find(|w| w.get("name").and_then(Value::as_str) == Some(field.name())));
            let Some(of) = of else { return Arc::clone(field) };
            with_id(field, of.get("field-id"), of.get("type").unwrap_or(&Value::Null))
        })
        .collect()
}

fn with_id(field: &FieldRef, id: Option<&Value>, written: &Value) -> FieldRef {
    let written = without_null(written);
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(annotate(fields, written)),
        DataType::List(element) => {
            let items = written.get("items").unwrap_or(&Value::Null);
            DataType::List(with_id(element, written.get("element-id"), items))
        }
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let null = &Value::Null;
                let key = with_id(&pair[0], written.get("key-id"), null);
                let value = with_id(&pair[1], written.get("value-id"), written.get("values").unwrap_or(null));
                let pair = DataType::Struct(vec![key, value].into());
                DataType::Map(Arc::new(Field::new(entries.name(), pair, entries.is_nullable())), *sorted)
            }
            _ => field.data_type().clone(),
        },
        other => other.clone(),
    };
    let mut annotated = Field::new(field.name(), data_type, field.is_nullable());
    if let Some(id) = id.and_then(Value::as_i64) {
        annotated.set_metadata([(PARQUET_FIELD_ID_META_KEY.to_string(), id.to_string())].into());
    }
    debug_assert!(id.is_none() || schema::field_id(&annotated).is_some());
    Arc::new(annotated)
}

/// The other branch of a union with null.
fn without_null(written: &Value) -> &Value {
    match written {
        Value::Array(branches) => branches.iter().find(|b| b.as_str() != Some("null")).unwrap_or(written),
        other => other,
    }
}
