//! Splits frozen rows into key groups: the shape in which operators hand their state over.

use crate::{Frozen, SegmentKind, StateWriter};
use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::interleave;
use arrow::datatypes::{Field, Schema};
use freshet_types::key::{hash_rows, key_group};
use freshet_types::{KEY_GROUP_COUNT, KeyGroup, Result, take_rows};
use std::sync::Arc;

/// Rows of one table of an operator, as they stood when it was frozen.
pub(crate) enum FrozenTable {
    /// Rows whose key group follows from their first `key_count` columns.
    Keyed { name: &'static str, key_count: usize, rows: RecordBatch },
    /// Rows that are still spread over the parts they came in; they are gathered while being written.
    Grouped { name: &'static str, groups: Vec<KeyGroup>, rows: SpreadRows },
}

/// Rows at `picks` of `parts`, and further columns beside them.
pub(crate) struct SpreadRows {
    pub(crate) parts: Vec<RecordBatch>,
    pub(crate) picks: Vec<(usize, usize)>,
    pub(crate) more: Vec<ArrayRef>,
}

impl SpreadRows {
    fn gather(self) -> Result<RecordBatch> {
        let mut columns = Vec::new();
        if let Some(first) = self.parts.first() {
            for c in 0..first.num_columns() {
                let parts: Vec<&dyn Array> = self.parts.iter().map(|p| p.column(c).as_ref()).collect();
                columns.push(interleave(&parts, &self.picks)?);
            }
        }
        columns.extend(self.more);
        state_batch(columns)
    }
}

/// Tables in the order in which they are restored.
pub(crate) struct FrozenTables(Vec<FrozenTable>);

impl FrozenTables {
    /// What a freeze of `kind` gives. A base without rows says that nothing is kept; a delta without rows says nothing.
    pub(crate) fn frozen(kind: SegmentKind, tables: Vec<FrozenTable>) -> Option<Box<dyn Frozen>> {
        (kind == SegmentKind::Base || !tables.is_empty()).then(|| Box::new(Self(tables)) as Box<dyn Frozen>)
    }
}

impl Frozen for FrozenTables {
    fn write(self: Box<Self>, writer: &mut dyn StateWriter) -> Result<()> {
        for table in self.0 {
            match table {
                FrozenTable::Keyed { name, key_count, rows } => {
                    let keys = rows.columns()[..key_count].to_vec();
                    write_keyed(writer, name, &keys, &rows)?;
                }
                FrozenTable::Grouped { name, groups, rows } => write_grouped(writer, name, &groups, &rows.gather()?)?,
            }
        }
        Ok(())
    }
}

/// Writes `rows`, whose keys are `keys`, group by group; the order within a group stays.
pub(crate) fn write_keyed(
    writer: &mut dyn StateWriter,
    table: &str,
    keys: &[ArrayRef],
    rows: &RecordBatch,
) -> Result<()> {
    write_grouped(writer, table, &key_groups(keys, rows.num_rows())?, rows)
}

/// The key group of each row.
pub(crate) fn key_groups(keys: &[ArrayRef], rows: usize) -> Result<Vec<KeyGroup>> {
    Ok(hash_rows(keys, rows)?.into_iter().map(key_group).collect())
}

fn write_grouped(writer: &mut dyn StateWriter, table: &str, groups: &[KeyGroup], rows: &RecordBatch) -> Result<()> {
    if rows.num_rows() == 0 {
        return Ok(());
    }
    let mut starts = [0usize; KEY_GROUP_COUNT + 1];
    for group in groups {
        starts[usize::from(*group) + 1] += 1;
    }
    for group in 0..KEY_GROUP_COUNT {
        starts[group + 1] += starts[group];
    }
    let mut next = starts;
    let mut order = vec![0u32; groups.len()];
    for (i, group) in groups.iter().enumerate() {
        let slot = &mut next[usize::from(*group)];
        order[*slot] = i as u32;
        *slot += 1;
    }
    let sorted = take_rows(rows, &UInt32Array::from(order))?;
    for group in 0..KEY_GROUP_COUNT {
        let length = starts[group + 1] - starts[group];
        if length > 0 {
            writer.write(table, group as KeyGroup, &sorted.slice(starts[group], length))?;
        }
    }
    Ok(())
}

/// Makes `ids`, numbers below `slots` of what changed since the last freeze, each stand once when it is mostly repetition:
/// numbers are given again, and a job may go on for long without a freeze.
pub(crate) fn forget_repeated(ids: &mut Vec<u32>, slots: usize) {
    if ids.len() > 2 * slots + 1024 {
        ids.sort_unstable();
        ids.dedup();
    }
}

/// A batch whose columns are named by their position: state files know columns by place, not by name.
pub(crate) fn state_batch(columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().enumerate().map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
