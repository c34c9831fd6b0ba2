//! Tables: each is read once per job, with the columns that any of its queries needs, whatever number of queries read it.

use super::Lowerer;
use super::flow::{Flow, Role, physical, renamed};
use super::nested::WantedFields;
use crate::plan::{ColumnFrom, Table, outward, own_schema, table_of, watermark_type};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use freshet_connector_api::{Boundedness, ConnectorEnv, TableSpec};
use freshet_engine::{NodeKind, SourceNode, WatermarkSpec};
use freshet_types::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Columns that the queries of a job need, by table.
#[derive(Default)]
pub(crate) struct Needs {
    columns: BTreeMap<String, BTreeSet<usize>>,
    fields: WantedFields,
    env: Option<ConnectorEnv>,
}

impl Needs {
    /// Columns that `plans` need.
    pub(crate) fn of(plans: &[&LogicalPlan], env: &ConnectorEnv) -> Result<Self> {
        let mut columns: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let mut fields = WantedFields::default();
        for plan in plans {
            fields.add(plan)?;
            plan.apply_with_subqueries(|node| {
                if let LogicalPlan::TableScan(scan) = node
                    && let Some(table) = table_of(&scan.source)
                {
                    let needed = columns.entry(table.id.clone()).or_default();
                    match &scan.projection {
                        Some(projection) => needed.extend(projection.iter().copied()),
                        None => needed.extend(0..table.columns.len()),
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(outward)?;
        }
        Ok(Self { columns, fields, env: Some(env.clone()) })
    }
}

pub(super) fn lower(lowerer: &mut Lowerer, plan: &LogicalPlan) -> Result<Option<Flow>> {
    let LogicalPlan::TableScan(scan) = plan else { return Ok(None) };
    let table = table_of(&scan.source)
        .ok_or_else(|| Error::internal("plan.table", format!("\"{}\" is no table of the catalog", scan.table_name)))?;
    if !scan.filters.is_empty() || scan.fetch.is_some() {
        return Err(Error::internal("plan.scan", "a stream's scan takes neither filters nor limits"));
    }
    let (flow, kept) = read(lowerer, table)?;
    let wanted: Vec<usize> = match &scan.projection {
        Some(projection) => projection.clone(),
        None => (0..table.columns.len()).collect(),
    };
    let (mut exprs, mut fields): (Vec<Arc<dyn PhysicalExpr>>, _) = (Vec::new(), Vec::new());
    for (column, field) in wanted.iter().zip(scan.projected_schema.fields()) {
        let place = kept.iter().position(|k| k == column).expect("the source reads what any scan needs");
        exprs.push(Arc::new(Column::new(field.name(), place)));
        fields.push(renamed(field, &flow.columns[place].field));
    }
    Ok(Some(flow.take(&mut lowerer.builder, exprs, fields)?))
}

/// What is read of a table, and how its columns come from that.
pub(crate) struct TableRead {
    /// Columns of the spec that are read.
    pub(crate) projection: Vec<usize>,
    /// Their schema.
    pub(crate) read_schema: SchemaRef,
    /// The wanted columns, over what is read.
    pub(crate) exprs: Vec<Arc<dyn PhysicalExpr>>,
    /// Names and types of the wanted columns.
    pub(crate) fields: Vec<FieldRef>,
}

impl TableRead {
    /// Reads the columns `wanted`, and no more than they take, of a connector that was given `spec`.
    pub(crate) fn new(table: &Table, spec: &TableSpec, wanted: &[usize]) -> Result<Self> {
        let spec_schema = table.spec_schema()?;
        let mut reads: BTreeSet<usize> = BTreeSet::new();
        for column in wanted {
            match &table.columns[*column].from {
                ColumnFrom::Spec(i) => {
                    reads.insert(*i);
                }
                ColumnFrom::Computed(expr) => {
                    let parts = expr.column_refs().into_iter().map(|c| spec_schema.index_of_column(c));
                    reads.extend(parts.collect::<Result<Vec<usize>, _>>().map_err(outward)?);
                }
            }
        }
        if reads.is_empty() {
            reads.insert(narrowest_of_spec(table));
        }
        let projection: Vec<usize> = reads.into_iter().collect();
        let read_schema = Arc::new(spec.read_schema().project(&projection)?);
        let read_own = own_schema(&read_schema)?;
        let mut exprs: Vec<Arc<dyn PhysicalExpr>> = Vec::with_capacity(wanted.len());
        let mut fields = Vec::with_capacity(wanted.len());
        for column in wanted {
            let definition = &table.columns[*column];
            let mut field = definition.field.to_arrow();
            match &definition.from {
                ColumnFrom::Spec(i) => {
                    let place = projection.iter().position(|r| r == i).expect("it was put there");
                    exprs.push(Arc::new(Column::new(field.name(), place)));
                    field = field.with_data_type(read_schema.field(place).data_type().clone());
                }
                ColumnFrom::Computed(expr) => {
                    let expr = physical(expr, &read_own)?;
                    let own = expr.data_type(&read_schema).map_err(outward)?;
                    exprs.push(if own == *field.data_type() {
                        expr
                    } else {
                        Arc::new(CastExpr::new(expr, field.data_type().clone(), None))
                    });
                    field = field.with_nullable(true);
                }
            }
            fields.push(Arc::new(field));
        }
        Ok(Self { projection, read_schema, exprs, fields })
    }
}

/// The node that reads a table, and which of its columns the node gives.
fn read(lowerer: &mut Lowerer, table: &Table) -> Result<(Flow, Vec<usize>)> {
    let env = lowerer.needs.env.as_ref().expect("needs are found before lowering");
    let pruned = lowerer.needs.fields.prune(table)?;
    let source = match &pruned {
        Some(spec) => table.source_of(spec, env)?,
        None => table.source(env)?,
    };
    let mut kept: BTreeSet<usize> = lowerer.needs.columns.get(&table.id).cloned().unwrap_or_default();
    let whole = Schema::new(table.columns.iter().map(|c| c.field.to_arrow()).collect::<Vec<_>>());
    if let Some(rowtime) = &table.rowtime {
        kept.insert(rowtime.column);
        let columns = rowtime.watermark.column_refs().into_iter().map(|c| whole.index_of(&c.name));
        kept.extend(columns.collect::<Result<Vec<usize>, _>>()?);
    }
    if kept.is_empty() {
        // Rows without columns cannot be counted: one column is read, the narrowest.
        kept.insert(narrowest(table));
    }
    let kept: Vec<usize> = kept.into_iter().collect();
    let TableRead { projection, read_schema, exprs, fields } =
        TableRead::new(table, pruned.as_ref().unwrap_or(&table.spec), &kept)?;
    let roles: Vec<Role> = kept
        .iter()
        .map(|column| match &table.rowtime {
            Some(rowtime) if rowtime.column == *column => Role::Rowtime,
            _ if table.columns[*column].is_proctime => Role::Proctime,
            _ => Role::Plain,
        })
        .collect();
    let as_read = exprs.len() == projection.len()
        && exprs.iter().enumerate().all(|(i, e)| super::flow::column_index(e) == Some(i));
    let schema = if as_read { Arc::clone(&read_schema) } else { Arc::new(Schema::new(fields)) };
    let watermark = match &table.rowtime {
        None => None,
        Some(rowtime) => {
            let expr = physical(&rowtime.watermark, &own_schema(&schema)?)?;
            let expression = match expr.data_type(&schema).map_err(outward)? {
                DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, _) => expr,
                other => {
                    let zone = matches!(other, DataType::Timestamp(_, Some(_)));
                    Arc::new(CastExpr::new(expr, watermark_type(zone), None)) as Arc<dyn PhysicalExpr>
                }
            };
            Some(WatermarkSpec { expression, idle_timeout: rowtime.idle_timeout })
        }
    };
    let bounded = source.boundedness() == Boundedness::Bounded;
    let append_only = source.is_append_only();
    let node = lowerer.builder.other(
        NodeKind::Source(SourceNode {
            source,
            table: table.id.clone(),
            projection,
            read_schema,
            computed: (!as_read).then_some(exprs),
            watermark,
            fail_on_dead_letter: table.fail_on_dead_letter,
        }),
        &format!("source:{}", table.id),
        Some(format!("source {}", table.id)),
        Vec::new(),
        Arc::clone(&schema),
        append_only,
    );
    let mut flow = Flow::of_node(node, schema, &roles, append_only, bounded);
    if !append_only {
        let key: Option<Vec<usize>> = table
            .spec
            .primary_key
            .iter()
            .map(|k| kept.iter().position(|c| matches!(table.columns[*c].from, ColumnFrom::Spec(i) if i == *k)))
            .collect();
        flow.key = key.filter(|k| !k.is_empty());
    }
    Ok((flow, kept))
}

fn narrowest(table: &Table) -> usize {
    let width = |i: &usize| match &table.columns[*i].from {
        ColumnFrom::Spec(_) => width_of(&table.columns[*i].field.sql_type.to_arrow()),
        ColumnFrom::Computed(_) => usize::MAX,
    };
    (0..table.columns.len()).min_by_key(width).unwrap_or(0)
}

fn narrowest_of_spec(table: &Table) -> usize {
    (0..table.spec.columns.len())
        .min_by_key(|i| width_of(&table.spec.columns[*i].field.sql_type.to_arrow()))
        .unwrap_or(0)
}

fn width_of(data_type: &DataType) -> usize {
    data_type.primitive_width().unwrap_or(match data_type {
        DataType::Boolean => 1,
        DataType::Utf8 | DataType::Binary => 64,
        _ => 1024,
    })
}
