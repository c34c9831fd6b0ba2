//! Window functions in a batch plan: every row goes into each of its windows; sessions are found over all rows at once.

use crate::lower::{WindowShift, plain_field, window_spec};
use crate::plan::{WindowShape, WindowTvf, inward};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, TimestampMillisecondArray};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMillisecondType};
use arrow::row::{RowConverter, SortField};
use async_trait::async_trait;
use datafusion::common::Result as DfResult;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use freshet_engine::OperatorFactory;
use freshet_engine::operators::{AssignWindows, AssignWindowsConfig};
use freshet_engine::{Operator, OperatorContext};
use freshet_types::{ChangeBatch, Error, Result, take_rows};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;

/// Plans window functions.
pub(super) struct Windows {
    pub(super) zone: chrono_tz::Tz,
}

#[async_trait]
impl ExtensionPlanner for Windows {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &SessionState,
    ) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(tvf) = node.as_any().downcast_ref::<WindowTvf>() else { return Ok(None) };
        let time = tvf.time_index()?;
        let partition = tvf
            .partition
            .iter()
            .map(|e| match e {
                Expr::Column(c) => tvf.input.schema().index_of_column(c),
                other => Err(inward(Error::invalid("window.partition", format!("\"{other}\" is no column")))),
            })
            .collect::<DfResult<Vec<usize>>>()?;
        let input = Arc::clone(&inputs[0]);
        let is_instant = matches!(input.schema().field(time).data_type(), DataType::Timestamp(_, Some(_)));
        let shift = WindowShift::new(tvf.shape, is_instant, self.zone);
        let schema: SchemaRef = Arc::clone(UserDefinedLogicalNodeCore::schema(tvf).inner());
        let partitioning = match tvf.shape {
            WindowShape::Session { .. } => Partitioning::UnknownPartitioning(1),
            _ => Partitioning::UnknownPartitioning(input.properties().partitioning.partition_count()),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            partitioning,
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Some(Arc::new(WindowExec { shift, time, partition, input, schema, properties: Arc::new(properties) })))
    }
}

/// Adds window columns.
#[derive(Debug)]
struct WindowExec {
    shift: WindowShift,
    time: usize,
    partition: Vec<usize>,
    input: Arc<dyn ExecutionPlan>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for WindowExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "WindowExec: {}", self.shift.shape)
    }
}

impl ExecutionPlan for WindowExec {
    fn name(&self) -> &str {
        "WindowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![match self.shift.shape {
            WindowShape::Session { .. } => Distribution::SinglePartition,
            _ => Distribution::UnspecifiedDistribution,
        }]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.remove(0);
        let partitioning = match self.shift.shape {
            WindowShape::Session { .. } => Partitioning::UnknownPartitioning(1),
            _ => Partitioning::UnknownPartitioning(input.properties().partitioning.partition_count()),
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&self.schema)),
            partitioning,
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Arc::new(Self {
            shift: self.shift,
            time: self.time,
            partition: self.partition.clone(),
            input,
            schema: Arc::clone(&self.schema),
            properties: Arc::new(properties),
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (shift, time, schema) = (self.shift, self.time, Arc::clone(&self.schema));
        let out = Arc::clone(&self.schema);
        if let WindowShape::Session { gap_ms } = shift.shape {
            let keys = self.partition.clone();
            let in_schema = self.input.schema();
            let rows = futures::stream::once(async move {
                let batches: Vec<RecordBatch> = input.collect::<Vec<_>>().await.into_iter().collect::<DfResult<_>>()?;
                let all = concat_batches(&in_schema, &batches)?;
                sessions(&all, time, &keys, gap_ms, &shift, &schema).map_err(inward)
            });
            return Ok(Box::pin(RecordBatchStreamAdapter::new(out, rows)));
        }
        let mut assigner = Assigner::new(&self.input.schema(), time, shift, schema).map_err(inward)?;
        let rows = input.flat_map(move |batch| {
            let result = batch.map_err(crate::plan::outward).and_then(|b| assigner.assign(b));
            futures::stream::iter(match result {
                Ok(batches) => batches.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(e) => vec![Err(inward(e))],
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(out, rows)))
    }
}

/// The streaming operator, run by hand.
struct Assigner {
    operator: Box<dyn Operator>,
    /// Schema that the operator takes.
    input: SchemaRef,
    time: usize,
    shift: WindowShift,
    schema: SchemaRef,
}

impl Assigner {
    fn new(input: &SchemaRef, time: usize, shift: WindowShift, schema: SchemaRef) -> Result<Self> {
        let windows =
            window_spec(shift.shape).ok_or_else(|| Error::internal("batch.window", "a session has no grid"))?;
        let (mut fields, mut by) = (input.fields().to_vec(), time);
        if shift.by_wall_time {
            by = fields.len();
            fields.push(plain_field("wall time", DataType::Timestamp(TimeUnit::Millisecond, None)));
        }
        let input = Arc::new(arrow::datatypes::Schema::new(fields));
        let factory = AssignWindows::new(AssignWindowsConfig { input: Arc::clone(&input), time: by, windows })?;
        Ok(Self { operator: factory.create(&OperatorContext::new(0, 1))?, input, time, shift, schema })
    }

    fn assign(&mut self, rows: RecordBatch) -> Result<Vec<RecordBatch>> {
        let mut out: Vec<ChangeBatch> = Vec::new();
        if !self.shift.by_wall_time {
            self.operator.on_changes(0, ChangeBatch::inserts(rows), &mut out)?;
            return out.iter().map(|c| self.shift.shown(c.rows(), &self.schema)).collect();
        }
        let mut columns = rows.columns().to_vec();
        columns.push(self.shift.wall_time(&rows, self.time)?);
        let rows = RecordBatch::try_new(Arc::clone(&self.input), columns)?;
        self.operator.on_changes(0, ChangeBatch::inserts(rows), &mut out)?;
        out.iter().map(|c| self.shift.shown_by_wall_time(c.rows(), &self.schema)).collect()
    }
}

/// Every row with the session that it falls into. A row exactly one gap behind the last one still belongs, as in Flink.
fn sessions(
    rows: &RecordBatch,
    time: usize,
    keys: &[usize],
    gap_ms: i64,
    shift: &WindowShift,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let zone = match rows.column(time).data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    if rows.column(time).null_count() > 0 {
        return Err(Error::data("time.null", "the event time of a row is NULL")
            .at("column", rows.schema().field(time).name())
            .hint("filter such rows out before the window, or give them a time"));
    }
    let millis = cast(rows.column(time), &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
    let key_columns: Vec<ArrayRef> = keys.iter().map(|k| Arc::clone(rows.column(*k))).collect();
    let mut order: Vec<SortColumn> =
        key_columns.iter().map(|c| SortColumn { values: Arc::clone(c), options: None }).collect();
    order.push(SortColumn { values: Arc::clone(&millis), options: None });
    let indices = lexsort_to_indices(&order, None)?;
    let sorted = take_rows(rows, &indices)?;
    let millis = arrow::compute::take(&millis, &indices, None)?;
    let millis = millis.as_primitive::<TimestampMillisecondType>();
    let converter = RowConverter::new(key_columns.iter().map(|c| SortField::new(c.data_type().clone())).collect())?;
    let key_columns: Vec<ArrayRef> = keys.iter().map(|k| Arc::clone(sorted.column(*k))).collect();
    let key_rows = match key_columns.is_empty() {
        true => None,
        false => Some(converter.convert_columns(&key_columns)?),
    };
    let same_key = |a: usize, b: usize| key_rows.as_ref().is_none_or(|k| k.row(a) == k.row(b));
    let (mut starts, mut ends) = (vec![0_i64; sorted.num_rows()], vec![0_i64; sorted.num_rows()]);
    let mut from = 0;
    for i in 0..sorted.num_rows() {
        let ends_here =
            i + 1 == sorted.num_rows() || !same_key(i, i + 1) || millis.value(i + 1) > millis.value(i) + gap_ms;
        if ends_here {
            for row in from..=i {
                starts[row] = millis.value(from);
                ends[row] = millis.value(i) + gap_ms;
            }
            from = i + 1;
        }
    }
    let last: Vec<i64> = ends.iter().map(|e| e - 1).collect();
    let mut columns = sorted.columns().to_vec();
    for values in [starts, ends, last] {
        columns.push(Arc::new(TimestampMillisecondArray::from(values).with_timezone_opt(zone.clone())));
    }
    let mut fields: Vec<_> = sorted.schema().fields().to_vec();
    for name in crate::plan::WINDOW_COLUMNS {
        let data_type = columns[fields.len()].data_type().clone();
        fields.push(plain_field(name, data_type));
    }
    let wide = RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(fields)), columns)?;
    shift.shown(&wide, schema)
}
