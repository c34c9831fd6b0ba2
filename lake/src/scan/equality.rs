//! Equality deletes: rows go whose key stands in a delete file of a later sequence number.
//!
//! All delete files of one scope become one map from key to the latest sequence number, so that a row costs one look-up
//! however many delete files there are.

use super::plan::Request;
use super::rows;
use super::shape::{Shape, ShapeColumn};
use crate::files::FileEntry;
use crate::io::LakeIo;
use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use freshet_types::Result;
use futures::StreamExt;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Keys that were deleted, with the latest sequence number at which that happened.
#[derive(Debug)]
pub(crate) struct DeletedKeys {
    /// Field ids of the key, in order.
    pub(crate) ids: Vec<i32>,
    /// The columns of the key.
    pub(crate) columns: Vec<ShapeColumn>,
    keys: HashMap<Box<[u8]>, i64>,
}

fn converter(shape: &Shape, ids: &[i32]) -> Result<RowConverter> {
    let kinds = ids
        .iter()
        .filter_map(|id| shape.index_of(*id))
        .map(|i| SortField::new(shape.columns[i].arrow.data_type().clone()))
        .collect();
    Ok(RowConverter::new(kinds)?)
}

impl DeletedKeys {
    /// Reads the delete files of one scope; `shape` has all columns of the key.
    pub(crate) fn read(io: &LakeIo, shape: &Shape, ids: &[i32], deletes: &[&FileEntry]) -> Result<Self> {
        let key = shape.only(ids);
        let converter = converter(shape, ids)?;
        let mut keys: HashMap<Box<[u8]>, i64> = HashMap::new();
        let request = Request::whole(io, Arc::new(key));
        for delete in deletes {
            for batch in rows::read_file(&request, delete)? {
                let batch = batch?;
                let encoded = converter.convert_columns(batch.columns())?;
                for row in encoded.iter() {
                    let latest = keys.entry(row.as_ref().into()).or_insert(delete.sequence);
                    *latest = (*latest).max(delete.sequence);
                }
            }
        }
        let columns = request.shape.columns.clone();
        Ok(Self { ids: ids.to_vec(), columns, keys })
    }

    /// Which rows stay.
    fn stay(&self, converter: &RowConverter, columns: &[ArrayRef], sequences: &[i64]) -> DfResult<BooleanArray> {
        let rows = converter.convert_columns(columns)?;
        Ok(rows
            .iter()
            .zip(sequences)
            .map(|(row, sequence)| Some(self.keys.get(row.as_ref()).is_none_or(|deleted| sequence >= deleted)))
            .collect())
    }
}

/// Takes deleted rows out; the last column of the input is the sequence number of each row's file.
#[derive(Debug)]
pub(super) struct EqualityDeleteExec {
    input: Arc<dyn ExecutionPlan>,
    shape: Arc<Shape>,
    deletes: Vec<Arc<DeletedKeys>>,
    /// For each delete, where its key columns stand in the input.
    keys: Vec<Vec<usize>>,
    /// How many columns of the input are given on.
    kept: usize,
    properties: Arc<PlanProperties>,
}

impl EqualityDeleteExec {
    /// `positions` tells where a column of the shape stands in the input.
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        shape: Arc<Shape>,
        deletes: Vec<Arc<DeletedKeys>>,
        positions: &HashMap<usize, usize>,
        kept: usize,
    ) -> DfResult<Self> {
        let keys = deletes
            .iter()
            .map(|d| d.ids.iter().filter_map(|id| positions.get(&shape.index_of(*id)?).copied()).collect())
            .collect();
        let indices: Vec<usize> = (0..kept).collect();
        let schema: SchemaRef = Arc::new(input.schema().project(&indices)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Ok(Self { input, shape, deletes, keys, kept, properties: Arc::new(properties) })
    }
}

impl DisplayAs for EqualityDeleteExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.deletes.iter().map(|d| d.keys.len()).sum();
        write!(f, "EqualityDeleteExec: deleted_keys={keys}")
    }
}

impl ExecutionPlan for EqualityDeleteExec {
    fn name(&self) -> &str {
        "EqualityDeleteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().expect("there is one child");
        let properties = PlanProperties::new(
            EquivalenceProperties::new(self.schema()),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Ok(Arc::new(Self {
            input,
            shape: Arc::clone(&self.shape),
            deletes: self.deletes.clone(),
            keys: self.keys.clone(),
            kept: self.kept,
            properties: Arc::new(properties),
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let converters = self
            .deletes
            .iter()
            .map(|d| converter(&self.shape, &d.ids).map_err(super::external))
            .collect::<DfResult<Vec<_>>>()?;
        let (deletes, keys, kept) = (self.deletes.clone(), self.keys.clone(), self.kept);
        let schema = self.schema();
        let output = Arc::clone(&schema);
        let stream = input.map(move |batch| {
            let batch = batch?;
            let sequences = batch.column(batch.num_columns() - 1).as_primitive::<Int64Type>().clone();
            let mut stay: Option<BooleanArray> = None;
            for ((delete, converter), keys) in deletes.iter().zip(&converters).zip(&keys) {
                let columns: Vec<ArrayRef> = keys.iter().map(|i| Arc::clone(batch.column(*i))).collect();
                let these = delete.stay(converter, &columns, sequences.values())?;
                stay = Some(match stay {
                    None => these,
                    Some(before) => arrow::compute::and(&before, &these)?,
                });
            }
            let indices: Vec<usize> = (0..kept).collect();
            let projected = batch.project(&indices)?;
            let rows = match stay {
                Some(stay) if stay.has_false() => filter_record_batch(&projected, &stay)?,
                _ => projected,
            };
            let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&output), rows.columns().to_vec(), &options)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}
