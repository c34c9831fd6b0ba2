//! Which fields of its ROW columns a table's readers may leave out, because no query of the job looks at them.
//!
//! Plans are followed from their roots to their scans: what is wanted of each output column says what is wanted of the inputs.
//! A field counts as wanted alone only where a filter or a projection takes it out of its ROW; anything else that touches a
//! ROW wants all of it.

use super::flow::not_there;
use crate::plan::{ColumnFrom, Origin, Table, outward, own_schema, table_of};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::scalar::ScalarValue;
use freshet_connector_api::TableSpec;
use freshet_types::{Result, SqlField, SqlType};
use std::collections::BTreeMap;

/// What is wanted of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it.
    Whole,
    /// Only these fields of a ROW; nothing, when there are none.
    Fields(BTreeMap<String, Wanted>),
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted::Fields(BTreeMap::new())
    }
}

impl Wanted {
    fn path(names: &[&str]) -> Self {
        match names.split_first() {
            None => Wanted::Whole,
            Some((first, rest)) => Wanted::Fields(BTreeMap::from([((*first).to_string(), Wanted::path(rest))])),
        }
    }

    fn add(&mut self, other: &Wanted) {
        match (&mut *self, other) {
            (Wanted::Whole, _) => {}
            (_, Wanted::Whole) => *self = Wanted::Whole,
            (Wanted::Fields(own), Wanted::Fields(more)) => {
                for (name, wanted) in more {
                    own.entry(name.clone()).or_default().add(wanted);
                }
            }
        }
    }
}

/// What is wanted of each column, by table.
#[derive(Debug, Default)]
pub(super) struct WantedFields(BTreeMap<String, Vec<Wanted>>);

impl WantedFields {
    /// Adds what `plan` wants.
    pub(super) fn add(&mut self, plan: &LogicalPlan) -> Result<()> {
        self.follow(plan, vec![Wanted::Whole; plan.schema().fields().len()])
    }

    fn follow(&mut self, plan: &LogicalPlan, mut wanted: Vec<Wanted>) -> Result<()> {
        let mut inner = Ok(());
        plan.apply_subqueries(|plan| {
            inner = self.add(plan);
            Ok(if inner.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })
        .map_err(outward)?;
        inner?;
        match plan {
            LogicalPlan::TableScan(scan) => {
                let Some(table) = table_of(&scan.source) else { return Ok(()) };
                let columns = self.0.entry(table.id.clone()).or_default();
                columns.resize(table.columns.len(), Wanted::default());
                for (i, wanted) in wanted.iter().enumerate() {
                    columns[scan.projection.as_ref().map_or(i, |p| p[i])].add(wanted);
                }
                Ok(())
            }
            LogicalPlan::SubqueryAlias(alias) => self.follow(&alias.input, wanted),
            LogicalPlan::Filter(filter) => {
                take(&filter.predicate, filter.input.schema(), &mut wanted)?;
                self.follow(&filter.input, wanted)
            }
            LogicalPlan::Projection(projection) => {
                let schema = projection.input.schema();
                let mut below = vec![Wanted::default(); schema.fields().len()];
                for (expr, wanted) in projection.expr.iter().zip(&wanted) {
                    match expr.clone().unalias() {
                        Expr::Column(column) => {
                            below[schema.index_of_column(&column).map_err(outward)?].add(wanted);
                        }
                        expr => take(&expr, schema, &mut below)?,
                    }
                }
                self.follow(&projection.input, below)
            }
            other => {
                for input in other.inputs() {
                    self.add(input)?;
                }
                Ok(())
            }
        }
    }

    /// The spec of `table` that says which fields of its ROWs are wanted; none when that is all of them, or when its
    /// connector and formats have to give all.
    pub(super) fn prune(&self, table: &Table) -> Result<Option<TableSpec>> {
        let Some(wanted) = self.0.get(&table.id) else { return Ok(None) };
        if !leaves_fields_out(table)? {
            return Ok(None);
        }
        let own = table.spec_schema()?;
        let mut of_spec = vec![Wanted::default(); table.spec.columns.len()];
        for (column, wanted) in table.columns.iter().zip(wanted) {
            match &column.from {
                ColumnFrom::Spec(i) => of_spec[*i].add(wanted),
                ColumnFrom::Computed(expr) => take(expr, &own, &mut of_spec)?,
            }
        }
        if let Some(rowtime) = &table.rowtime {
            let mut whole = vec![Wanted::default(); table.columns.len()];
            take(&rowtime.watermark, &own_schema(&table.schema)?, &mut whole)?;
            for (column, wanted) in table.columns.iter().zip(&whole) {
                if let ColumnFrom::Spec(i) = &column.from {
                    of_spec[*i].add(wanted);
                }
            }
        }
        let mut spec = table.spec.clone();
        for (column, wanted) in spec.columns.iter_mut().zip(&of_spec) {
            let part = pruned(&column.field, wanted);
            column.wanted = (part != column.field).then_some(part.sql_type);
        }
        Ok(spec.columns.iter().any(|c| c.wanted.is_some()).then_some(spec))
    }
}

/// Adds what `expr` takes out of the columns of `schema`.
fn take(expr: &Expr, schema: &DFSchema, wanted: &mut [Wanted]) -> Result<()> {
    let mut places = Vec::new();
    expr.apply(|part| {
        if let Some((column, names)) = field_path(part) {
            places.push((schema.index_of_column(column)?, Wanted::path(&names)));
            return Ok(TreeNodeRecursion::Jump);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(outward)?;
    for (place, path) in places {
        wanted.get_mut(place).ok_or_else(|| not_there("a column that is not in its input"))?.add(&path);
    }
    Ok(())
}

/// The column that `expr` takes a field out of, and the names on the way to the field; a column alone has none.
fn field_path(expr: &Expr) -> Option<(&datafusion::common::Column, Vec<&str>)> {
    match expr {
        Expr::Column(column) => Some((column, Vec::new())),
        Expr::ScalarFunction(call) if call.func.name() == "get_field" => {
            let (base, names) = call.args.split_first()?;
            let (column, mut path) = field_path(base)?;
            for name in names {
                match name {
                    Expr::Literal(ScalarValue::Utf8(Some(name)), _) => path.push(name),
                    _ => return None,
                }
            }
            Some((column, path))
        }
        _ => None,
    }
}

/// `field` with only the wanted fields of a ROW.
fn pruned(field: &SqlField, wanted: &Wanted) -> SqlField {
    let (SqlType::Row(fields), Wanted::Fields(names)) = (&field.sql_type, wanted) else { return field.clone() };
    if names.is_empty() {
        // Nobody wants the column: what is not read need not be cut down.
        return field.clone();
    }
    let kept = fields.iter().filter_map(|f| names.get(&f.name).map(|wanted| pruned(f, wanted))).collect();
    SqlField { sql_type: SqlType::Row(kept), ..field.clone() }
}

/// Whether the table's readers can leave fields out: every format finds them by their names, or the connector makes them.
fn leaves_fields_out(table: &Table) -> Result<bool> {
    let Origin::Connector(connector) = &table.origin else { return Ok(false) };
    let mut has_format = false;
    for prefix in connector.format_prefixes() {
        if let Some(name) = table.spec.options.get(&format!("{prefix}format")) {
            if !freshet_formats::find(name)?.finds_fields_by_name() {
                return Ok(false);
            }
            has_format = true;
        }
    }
    Ok(has_format || connector.gives_wanted_fields())
}
