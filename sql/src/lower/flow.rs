//! Rows on their way down: a node of the graph with a filter and expressions that are not a node of their own yet, so
//! that neighbouring filters and projections become one.

use super::graph_builder::GraphBuilder;
use crate::plan::WindowShape;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, create_physical_expr};
use freshet_engine::NodeId;
use freshet_types::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::outward;

/// An expression that runs.
pub(crate) type Physical = Arc<dyn PhysicalExpr>;

/// What a column means in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// Nothing special.
    Plain,
    /// Event time: the edge's watermark speaks about it.
    Rowtime,
    /// Processing time.
    Proctime,
    /// Start of a window.
    WindowStart(RoleWindow),
    /// End of a window.
    WindowEnd(RoleWindow),
    /// Last millisecond of a window; event time again.
    WindowTime(RoleWindow),
}

/// The window that a column is part of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RoleWindow {
    /// Its form.
    pub(crate) shape: WindowShape,
    /// Whether starts and ends are the wall time of instants, which the watermark does not speak about as they stand.
    pub(crate) is_shifted: bool,
}

impl Role {
    /// Whether the column is part of a window.
    pub(crate) fn is_window(self) -> bool {
        matches!(self, Role::WindowStart(_) | Role::WindowEnd(_) | Role::WindowTime(_))
    }

    /// Whether the edge's watermark speaks about the column.
    pub(crate) fn is_event_time(self) -> bool {
        matches!(self, Role::Rowtime | Role::WindowTime(_))
    }
}

/// One column of a flow.
#[derive(Debug, Clone)]
pub(crate) struct FlowColumn {
    /// Its value, over the columns of the flow's node (and the three of a pending window behind them).
    pub(crate) expr: Physical,
    /// Name and type.
    pub(crate) field: FieldRef,
    /// What it means in time.
    pub(crate) role: Role,
}

/// A window function whose rows have not been copied into their windows: an aggregate may take it over.
#[derive(Debug, Clone)]
pub(crate) struct PendingWindow {
    /// Its form.
    pub(crate) shape: WindowShape,
    /// Time column, over the columns of the node.
    pub(crate) time: usize,
    /// Partition columns of a session, over the columns of the node.
    pub(crate) partition: Vec<usize>,
    /// Zone of the session: starts and ends of windows of instants are shown as its wall time.
    pub(crate) zone: chrono_tz::Tz,
}

/// Rows on their way down.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    /// Where they come from.
    pub(crate) node: NodeId,
    /// Schema of that node.
    pub(crate) base: SchemaRef,
    /// A window that they still go through.
    pub(crate) window: Option<PendingWindow>,
    /// A filter that they still go through, over the columns of the node.
    pub(crate) filter: Option<Physical>,
    /// Columns.
    pub(crate) columns: Vec<FlowColumn>,
    /// Whether no row is ever taken back.
    pub(crate) append_only: bool,
    /// Columns that no two live rows share, where some are known.
    pub(crate) key: Option<Vec<usize>>,
    /// Whether the rows end by themselves.
    pub(crate) bounded: bool,
    /// Whether all rows of a window come in one epoch, when it is closed.
    pub(crate) whole_windows: bool,
}

impl Flow {
    /// All columns of a node as they are; `roles` says what they mean in time.
    pub(crate) fn of_node(node: NodeId, base: SchemaRef, roles: &[Role], append_only: bool, bounded: bool) -> Self {
        let columns = base
            .fields()
            .iter()
            .enumerate()
            .map(|(i, field)| FlowColumn {
                expr: Arc::new(Column::new(field.name(), i)),
                field: Arc::clone(field),
                role: roles.get(i).copied().unwrap_or(Role::Plain),
            })
            .collect();
        Self { node, base, window: None, filter: None, columns, append_only, key: None, bounded, whole_windows: false }
    }

    /// Schema of the columns, all of which may be NULL: what NOT NULL promises is checked at the ends only.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(|c| loosened(&c.field)).collect::<Vec<_>>()))
    }

    /// What the columns mean in time.
    pub(crate) fn roles(&self) -> Vec<Role> {
        self.columns.iter().map(|c| c.role).collect()
    }

    /// Whether the columns are those of the node, in order, and nothing is left to do.
    pub(crate) fn is_identity(&self) -> bool {
        self.window.is_none()
            && self.filter.is_none()
            && self.columns.len() == self.base.fields().len()
            && self.columns.iter().enumerate().all(|(i, c)| column_index(&c.expr) == Some(i))
    }

    /// Puts the columns' expressions where an expression names the columns.
    pub(crate) fn substitute(&self, expr: &Physical) -> Physical {
        map_columns(expr, |i| Arc::clone(&self.columns[i].expr))
    }

    /// Takes other columns over the present ones.
    pub(crate) fn project(
        self,
        builder: &mut GraphBuilder,
        exprs: &[Expr],
        input: &DFSchema,
        output: &DFSchema,
    ) -> Result<Flow> {
        let physicals = exprs.iter().map(|e| physical(e, input)).collect::<Result<Vec<_>>>()?;
        let fields: Vec<FieldRef> = output.fields().iter().map(Arc::clone).collect();
        self.take(builder, physicals, fields)
    }

    /// Takes columns given as expressions over the present ones.
    pub(crate) fn take(self, builder: &mut GraphBuilder, exprs: Vec<Physical>, fields: Vec<FieldRef>) -> Result<Flow> {
        let (flow, exprs) = if self.repeats_work(&exprs) { self.settle_used(builder, exprs)? } else { (self, exprs) };
        let mut new_place: BTreeMap<usize, usize> = BTreeMap::new();
        let mut columns = Vec::with_capacity(exprs.len());
        for (i, (expr, field)) in exprs.iter().zip(fields).enumerate() {
            let (role, field) = match column_index(expr) {
                Some(from) => {
                    new_place.entry(from).or_insert(i);
                    (flow.columns[from].role, renamed(&field, &flow.columns[from].field))
                }
                None => (computed_role(expr), field),
            };
            columns.push(FlowColumn { expr: flow.substitute(expr), field, role });
        }
        let key = flow.key.as_ref().and_then(|k| k.iter().map(|c| new_place.get(c).copied()).collect());
        Ok(Flow { columns, key, ..flow })
    }

    /// Makes a node of the columns that `exprs` name, and gives the expressions over it.
    fn settle_used(mut self, builder: &mut GraphBuilder, exprs: Vec<Physical>) -> Result<(Flow, Vec<Physical>)> {
        let mut used: Vec<usize> = exprs.iter().flat_map(|e| references(e).into_keys()).collect();
        used.extend(self.key.iter().flatten());
        used.sort_unstable();
        used.dedup();
        let place = |i: usize| used.iter().position(|u| *u == i).expect("all that is used is kept");
        self.columns = used.iter().map(|i| self.columns[*i].clone()).collect();
        self.key = self.key.map(|k| k.into_iter().map(place).collect());
        let flow = self.settle(builder)?;
        let exprs = exprs
            .iter()
            .map(|e| map_columns(e, |i| Arc::new(Column::new(flow.base.field(place(i)).name(), place(i)))))
            .collect();
        Ok((flow, exprs))
    }

    /// Keeps the rows for which `predicate` is true.
    pub(crate) fn keep(self, builder: &mut GraphBuilder, predicate: &Expr, schema: &DFSchema) -> Result<Flow> {
        let physical = physical(predicate, schema)?;
        self.keep_physical(builder, physical)
    }

    /// Keeps the rows for which `predicate`, over the present columns, is true.
    pub(crate) fn keep_physical(self, builder: &mut GraphBuilder, predicate: Physical) -> Result<Flow> {
        let width = self.base.fields().len();
        let touches_window = self.window.is_some()
            && (matches!(self.window, Some(PendingWindow { shape: WindowShape::Session { .. }, .. }))
                || references(&self.substitute(&predicate)).keys().any(|i| *i >= width));
        let flow = if touches_window || self.repeats_work(std::slice::from_ref(&predicate)) || self.computes(&predicate)
        {
            self.settle(builder)?
        } else {
            self
        };
        let new = flow.substitute(&predicate);
        let filter = match flow.filter.clone() {
            Some(old) => Arc::new(BinaryExpr::new(old, datafusion::logical_expr::Operator::And, new)),
            None => new,
        };
        Ok(Flow { filter: Some(filter), ..flow })
    }

    /// Whether `expr` names a column that takes work: it would be computed for the filter and again behind it.
    fn computes(&self, expr: &Physical) -> bool {
        references(expr).keys().any(|i| !is_cheap(&self.columns[*i].expr))
    }

    /// Whether putting the columns' expressions into `exprs` would compute one of them twice.
    fn repeats_work(&self, exprs: &[Physical]) -> bool {
        let mut uses: BTreeMap<usize, usize> = BTreeMap::new();
        for expr in exprs {
            for (column, count) in references(expr) {
                *uses.entry(column).or_default() += count;
            }
        }
        uses.into_iter().any(|(column, count)| count > 1 && !is_cheap(&self.columns[column].expr))
    }

    /// Makes a node of what is pending; afterwards the flow is that node's columns.
    pub(crate) fn settle(self, builder: &mut GraphBuilder) -> Result<Flow> {
        if self.is_identity() {
            return Ok(self);
        }
        let flow = if self.window.is_some() { super::window::assign(builder, self)? } else { self };
        if flow.is_identity() {
            return Ok(flow);
        }
        builder.calc(flow)
    }
}

/// The role of a column that is computed.
fn computed_role(expr: &Physical) -> Role {
    match expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(call) if call.name().eq_ignore_ascii_case("proctime") => Role::Proctime,
        _ => Role::Plain,
    }
}

/// A field that may be NULL.
pub(crate) fn loosened(field: &FieldRef) -> FieldRef {
    if field.is_nullable() { Arc::clone(field) } else { Arc::new(field.as_ref().clone().with_nullable(true)) }
}

/// `field`, which stands for `old` under another name, with the type of `old`: a ROW may be read with less in it than the plan
/// says.
pub(super) fn renamed(field: &FieldRef, old: &FieldRef) -> FieldRef {
    match (field.data_type(), old.data_type()) {
        (DataType::Struct(planned), DataType::Struct(read)) if planned != read => {
            Arc::new(field.as_ref().clone().with_data_type(old.data_type().clone()))
        }
        _ => Arc::clone(field),
    }
}

/// A field without a qualifier.
pub(crate) fn field(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// A logical expression as one that runs, over the columns of `schema` by position.
pub(crate) fn physical(expr: &Expr, schema: &DFSchema) -> Result<Physical> {
    create_physical_expr(expr, schema, &ExecutionProps::new())
        .and_then(|expr| super::moved::rewrite(expr, schema.as_arrow()))
        .map_err(outward)
}

/// Index of the column when `expr` is nothing but a column.
pub(crate) fn column_index(expr: &Physical) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}

/// A column of a schema as an expression.
pub(crate) fn column(schema: &Schema, index: usize) -> Physical {
    Arc::new(Column::new(schema.field(index).name(), index))
}

/// Replaces each column of `expr`.
pub(crate) fn map_columns(expr: &Physical, mut new: impl FnMut(usize) -> Physical) -> Physical {
    Arc::clone(expr)
        .transform_up(|e| match column_index(&e) {
            Some(i) => Ok(Transformed::yes(new(i))),
            None => Ok::<_, DataFusionError>(Transformed::no(e)),
        })
        .expect("replacing columns has no way to fail")
        .data
}

/// How often `expr` names each column.
pub(crate) fn references(expr: &Physical) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    expr.apply(|e| {
        if let Some(i) = column_index(e) {
            *found.entry(i).or_default() += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .expect("looking has no way to fail");
    found
}

/// Whether computing an expression twice costs nothing to speak of.
fn is_cheap(expr: &Physical) -> bool {
    if expr.is::<Column>() || expr.is::<Literal>() {
        return true;
    }
    match expr.downcast_ref::<ScalarFunctionExpr>() {
        Some(call) => call.fun().name() == "get_field" && call.args().iter().all(is_cheap),
        None => false,
    }
}

/// Says that a construct is not there yet.
pub(crate) fn not_there(what: impl std::fmt::Display) -> Error {
    Error::unsupported("query.unsupported", format!("{what} is not there yet"))
}
