//! Where the columns of a node come from, as numbers: state is found again by them when a job's file has changed.
//!
//! What is read, computed, grouped and joined counts; names of columns, the order of statements and what filters compare
//! with do not. Filters only tell apart what is alike otherwise.

use super::flow::{Physical, map_columns};
use super::graph_builder::OperatorNode;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::array_value_to_string;
use datafusion::physical_expr::expressions::Column;
use freshet_engine::SourceNode;
use freshet_types::key::hash_text;
use std::sync::Arc;

/// Lineage of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lineage {
    /// By column: how its values come about, filters left out.
    columns: Vec<u64>,
    /// How its rows come about, filters and all.
    rows: u64,
}

impl Lineage {
    /// A table's columns are known by their names, computed ones by their expressions.
    pub(super) fn of_source(source: &SourceNode, schema: &SchemaRef) -> Self {
        let named = |schema: &SchemaRef| -> Vec<u64> {
            let name = |f: &arrow::datatypes::FieldRef| hash_text(&format!("{} {:?}", source.table, f.name()));
            schema.fields().iter().map(name).collect()
        };
        let columns = match &source.computed {
            None => named(schema),
            Some(exprs) => {
                let read = named(&source.read_schema);
                exprs.iter().map(|e| of_expr(e, &read)).collect()
            }
        };
        Self { columns, rows: hash_text(&source.table) }
    }

    /// Fixed rows are known by what they are.
    pub(super) fn of_values(batches: &[RecordBatch]) -> Self {
        let Some(first) = batches.first() else { return Self { columns: Vec::new(), rows: 0 } };
        let columns = (0..first.num_columns()).map(|column| {
            let mut text = String::new();
            for batch in batches {
                let array = batch.column(column);
                for row in 0..batch.num_rows() {
                    let value = array_value_to_string(array, row).unwrap_or_default();
                    text.push_str(&format!("{} {value:?}\n", array.is_null(row)));
                }
            }
            hash_text(&text)
        });
        let columns: Vec<u64> = columns.collect();
        let rows = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        Self { rows: hash_text(&format!("values {rows} {columns:x?}")), columns }
    }

    /// A union's columns come from all its inputs.
    pub(super) fn of_union(inputs: &[&Lineage]) -> Self {
        let width = inputs.first().map_or(0, |input| input.columns.len());
        let column = |i: usize| {
            let from: Vec<u64> = inputs.iter().filter_map(|input| input.columns.get(i).copied()).collect();
            hash_text(&format!("union {from:x?}"))
        };
        let rows: Vec<u64> = inputs.iter().map(|input| input.rows).collect();
        Self { columns: (0..width).map(column).collect(), rows: hash_text(&format!("union {rows:x?}")) }
    }

    /// What an operator makes of its inputs, and the name under which its state is kept: what it does stands before the
    /// dot, which rows it has seen behind it.
    pub(super) fn of_operator(node: &OperatorNode, inputs: &[&Lineage]) -> (Self, String) {
        let (name, width) = (node.factory.name(), node.schema.fields().len());
        let sides: Vec<&[u64]> = inputs.iter().map(|input| input.columns.as_slice()).collect();
        let given = sides.concat();
        let exprs: Vec<u64> = node.exprs.iter().map(|e| of_expr(e, &given)).collect();
        let below: Vec<u64> = inputs.iter().map(|input| input.rows).collect();
        if name == "calc" {
            // Its filter stands behind its columns.
            let (columns, filter) = exprs.split_at(width.min(exprs.len()));
            let rows = match filter {
                [] => inputs[0].rows,
                filter => hash_text(&format!("{below:x?} where {filter:x?}")),
            };
            let id = format!("calc-{}.{}", short(hash_text(&format!("{columns:x?}"))), short(rows));
            return (Self { columns: columns.to_vec(), rows }, id);
        }
        let own = hash_text(&format!("{name} {} {sides:x?} {exprs:x?}", node.what));
        let mut columns: Vec<u64> = (0..width).map(|i| hash_text(&format!("{own:x} {i}"))).collect();
        if name == "assign_windows" {
            columns[..given.len()].copy_from_slice(&given);
        }
        let rows = hash_text(&format!("{own:x} {below:x?}"));
        (Self { columns, rows }, format!("{name}-{}.{}", short(own), short(rows)))
    }

    /// The name under which it is kept that fixed rows have been given.
    pub(super) fn values_id(&self) -> String {
        format!("values-{}", short(self.rows))
    }
}

/// Enough of a hash to tell the nodes of a job apart.
fn short(hash: u64) -> String {
    format!("{:012x}", hash >> 16)
}

/// An expression without names: each column is how it comes about.
fn of_expr(expr: &Physical, columns: &[u64]) -> u64 {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return columns.get(column.index()).copied().unwrap_or_default();
    }
    let nameless = map_columns(expr, |i| {
        let from = columns.get(i).copied().unwrap_or_default();
        Arc::new(Column::new(&format!("{from:x}"), 0))
    });
    hash_text(&nameless.to_string())
}
