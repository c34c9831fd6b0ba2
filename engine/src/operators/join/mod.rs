//! Pairs rows of two changing inputs, exactly for Z-sets in any order of arrival: a change probes the other side, then
//! enters its own.
//!
//! ```text
//! left change ---> probe right rows by key ---> residual condition ---> pairs, weight = product      (at once)
//!        \--> left rows: weight, matches (sum of the weights it is paired with), what is shown of it
//! end of epoch: rows whose matches became or ceased to be zero show or take back their row alone     (outer, semi, anti)
//! ```
//!
//! State: live rows of both sides in chunks, an index from key to a chain of row numbers. A NULL in a key matches nothing,
//! unless `null_equals_null`.
//!
//! # Invariants
//! - JO-1: after each epoch the sum of the output is the join of the sums of both inputs (without expired rows).
//! - JO-2: a row's `matches` is the sum of the weights of the other side's rows that it is paired with, expired ones included.
//!
//! Cost: memory O(rows of both sides); one lookup per change and side, a gather per pair.

#[cfg(test)]
mod reference;
mod side;
#[cfg(test)]
mod tests;

use crate::operators::calc::evaluate;
use crate::operators::expression_text;
use crate::operators::fault::from_datafusion;
use crate::operators::segment::FrozenTables;
use crate::{Counters, EpochEnd, Frozen, Operator, OperatorContext, OperatorFactory, Output, SegmentKind, StateReader};
use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use arrow::compute::{prep_null_mask_filter, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use freshet_types::{ChangeBatch, Error, Result};
use side::{Show, Side};
use std::sync::Arc;

/// Which rows a join gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without one.
    Left,
    /// Pairs, and right rows without one.
    Right,
    /// Pairs, and rows of both sides without one.
    Full,
    /// Left rows that have a pair.
    LeftSemi,
    /// Left rows that have none.
    LeftAnti,
    /// Right rows that have a pair.
    RightSemi,
    /// Right rows that have none.
    RightAnti,
}

impl JoinKind {
    fn pairs(self) -> bool {
        matches!(self, Self::Inner | Self::Left | Self::Right | Self::Full)
    }

    /// What is shown of a row alone, on the left and on the right.
    fn shows(self) -> [Show; 2] {
        match self {
            Self::Inner => [Show::Nothing, Show::Nothing],
            Self::Left => [Show::Unmatched, Show::Nothing],
            Self::Right => [Show::Nothing, Show::Unmatched],
            Self::Full => [Show::Unmatched, Show::Unmatched],
            Self::LeftSemi => [Show::Matched, Show::Nothing],
            Self::LeftAnti => [Show::Unmatched, Show::Nothing],
            Self::RightSemi => [Show::Nothing, Show::Matched],
            Self::RightAnti => [Show::Nothing, Show::Unmatched],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Left => "left",
            Self::Right => "right",
            Self::Full => "full",
            Self::LeftSemi => "left semi",
            Self::LeftAnti => "left anti",
            Self::RightSemi => "right semi",
            Self::RightAnti => "right anti",
        }
    }
}

/// When rows of a side leave the state: once the watermark reaches their time plus `delay_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireBy {
    /// A timestamp column of that side. The condition bounds it, so a row whose time is NULL finds no pair: it leaves at
    /// the end of its epoch.
    pub column: usize,
    /// How long the row can still find a pair.
    pub delay_ms: i64,
}

/// When rows without a pair are emitted (outer and anti joins).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnmatchedRows {
    /// At the end of the epoch, to be taken back when a pair comes.
    AtOnce,
    /// When they expire: later, but never taken back while the inputs are append-only. For sides that expire.
    AtExpiry,
}

/// What is joined with what.
#[derive(Debug, Clone)]
pub struct JoinConfig {
    /// Schema of the left input.
    pub left: SchemaRef,
    /// Schema of the right input.
    pub right: SchemaRef,
    /// Which rows.
    pub kind: JoinKind,
    /// Key columns of the left input.
    pub left_keys: Vec<usize>,
    /// Key columns of the right input, of the same types; none on both sides pairs every row with every row.
    pub right_keys: Vec<usize>,
    /// Whether NULL keys match each other (IS NOT DISTINCT FROM, INTERSECT).
    pub null_equals_null: bool,
    /// Further condition over the left columns followed by the right columns.
    pub residual: Option<Arc<dyn PhysicalExpr>>,
    /// When left rows leave the state.
    pub left_expire: Option<ExpireBy>,
    /// When right rows leave the state.
    pub right_expire: Option<ExpireBy>,
    /// When rows without a pair are emitted.
    pub unmatched: UnmatchedRows,
}

/// Factory of the operator.
#[derive(Debug)]
pub struct Join {
    config: JoinConfig,
    schema: SchemaRef,
}

impl Join {
    /// Checks the config and finds the output schema: the left columns, then the right ones (those of one side alone for
    /// semi and anti joins); columns of a side that may be missing become nullable.
    pub fn new(config: JoinConfig) -> Result<Self> {
        let JoinConfig { left, right, kind, left_keys, right_keys, residual, .. } = &config;
        let types = |schema: &SchemaRef, keys: &[usize]| -> Vec<DataType> {
            keys.iter().map(|k| schema.field(*k).data_type().clone()).collect()
        };
        let (left_types, right_types) = (types(left, left_keys), types(right, right_keys));
        if left_types != right_types {
            return Err(Error::invalid(
                "join.keys",
                format!("the keys of a join have the types {left_types:?} and {right_types:?}"),
            )
            .hint("cast both sides to one type"));
        }
        for (schema, expire) in [(left, config.left_expire), (right, config.right_expire)] {
            if let Some(expire) = expire {
                crate::operators::windows::check_time_column(schema.field(expire.column))?;
            }
        }
        let nullable = |schema: &SchemaRef, yes: bool| -> Vec<Arc<Field>> {
            let fields = schema.fields().iter();
            fields.map(|f| if yes { Arc::new(f.as_ref().clone().with_nullable(true)) } else { Arc::clone(f) }).collect()
        };
        let [left_shows, right_shows] = kind.shows();
        let schema = if kind.pairs() {
            let mut fields = nullable(left, right_shows == Show::Unmatched);
            fields.extend(nullable(right, left_shows == Show::Unmatched));
            Arc::new(Schema::new(fields))
        } else if left_shows == Show::Nothing {
            Arc::clone(right)
        } else {
            Arc::clone(left)
        };
        if let Some(residual) = residual
            && residual.data_type(&both(left, right)).map_err(from_datafusion)? != DataType::Boolean
        {
            return Err(Error::invalid("join.condition", format!("the condition {residual} is no BOOLEAN")));
        }
        let factory = Self { config, schema };
        factory.create(&OperatorContext::new(0, 1))?;
        Ok(factory)
    }

    /// Schema of the output.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn both(left: &SchemaRef, right: &SchemaRef) -> Schema {
    Schema::new(left.fields().iter().chain(right.fields()).cloned().collect::<Vec<_>>())
}

impl OperatorFactory for Join {
    fn name(&self) -> &'static str {
        "join"
    }

    fn describe(&self) -> String {
        let JoinConfig { left, right, kind, left_keys, right_keys, residual, .. } = &self.config;
        let keys: Vec<String> = left_keys
            .iter()
            .zip(right_keys)
            .map(|(l, r)| format!("{} = {}", left.field(*l).name(), right.field(*r).name()))
            .collect();
        let mut text = format!("{} on [{}]", kind.name(), keys.join(", "));
        if let Some(residual) = residual {
            text.push_str(&format!(" and {}", expression_text(residual)));
        }
        for (side, schema, expire) in
            [("left", left, self.config.left_expire), ("right", right, self.config.right_expire)]
        {
            if let Some(ExpireBy { column, delay_ms }) = expire {
                text.push_str(&format!(", {side} kept {delay_ms} ms after {}", schema.field(column).name()));
            }
        }
        text
    }

    fn state_fingerprint(&self) -> Option<String> {
        let JoinConfig { left, right, kind, left_keys, right_keys, residual, null_equals_null, .. } = &self.config;
        let types =
            |schema: &SchemaRef| -> Vec<String> { schema.fields().iter().map(|f| f.data_type().to_string()).collect() };
        Some(format!(
            "join 1 {} {left_keys:?}={right_keys:?} {null_equals_null} [{}] [{}] {}",
            kind.name(),
            types(left).join(","),
            types(right).join(","),
            residual.as_ref().map(ToString::to_string).unwrap_or_default()
        ))
    }

    fn create(&self, _context: &OperatorContext) -> Result<Box<dyn Operator>> {
        let JoinConfig { left, right, kind, left_keys, right_keys, null_equals_null, .. } = &self.config;
        let [left_shows, right_shows] = kind.shows();
        let at_expiry = self.config.unmatched == UnmatchedRows::AtExpiry;
        let side = |schema, keys: &Vec<usize>, shows, expire: Option<ExpireBy>| {
            Side::new(schema, keys.clone(), shows, expire, at_expiry && expire.is_some(), *null_equals_null)
        };
        Ok(Box::new(Running {
            pairs: kind.pairs(),
            sides: [
                side(Arc::clone(left), left_keys, left_shows, self.config.left_expire)?,
                side(Arc::clone(right), right_keys, right_shows, self.config.right_expire)?,
            ],
            residual: self.config.residual.clone(),
            both: Arc::new(both(left, right)),
            schema: self.schema(),
        }))
    }
}

struct Running {
    pairs: bool,
    sides: [Side; 2],
    residual: Option<Arc<dyn PhysicalExpr>>,
    both: SchemaRef,
    schema: SchemaRef,
}

/// Pairs are gathered and emitted in pieces of about so many.
const PIECE_ROWS: usize = 65_536;

/// Rows of the change and of the other side that have the same key, and the product of their weights.
#[derive(Default)]
struct Pairs {
    rows: Vec<u32>,
    others: Vec<u32>,
    weights: Vec<i64>,
}

impl Running {
    /// Handles pairs found so far: condition, output, matches of both sides.
    fn settle(
        &mut self,
        input: usize,
        changes: &ChangeBatch,
        mut pairs: Pairs,
        matches: &mut [i64],
        out: &mut dyn Output,
    ) -> Result<()> {
        if pairs.rows.is_empty() {
            return Ok(());
        }
        let mut columns = None;
        if let Some(residual) = &self.residual {
            let all = self.columns(input, changes, &pairs)?;
            let batch = self.batch(&self.both, all, pairs.rows.len())?;
            let mask = evaluate(residual, &batch)?;
            let mask = mask.as_boolean();
            let mask = if mask.nulls().is_some() { prep_null_mask_filter(mask) } else { mask.clone() };
            if mask.true_count() < mask.len() {
                let kept: Vec<usize> = mask.values().set_indices().collect();
                pairs = Pairs {
                    rows: kept.iter().map(|i| pairs.rows[*i]).collect(),
                    others: kept.iter().map(|i| pairs.others[*i]).collect(),
                    weights: kept.iter().map(|i| pairs.weights[*i]).collect(),
                };
                if pairs.rows.is_empty() {
                    return Ok(());
                }
                columns = Some(arrow::compute::filter_record_batch(&batch, &mask)?.columns().to_vec());
            } else {
                columns = Some(batch.columns().to_vec());
            }
        }
        if self.pairs {
            let columns = match columns {
                Some(columns) => columns,
                None => self.columns(input, changes, &pairs)?,
            };
            let count = pairs.rows.len();
            let rows = self.batch(&self.schema, columns, count)?;
            let ones = pairs.weights.iter().all(|w| *w == 1);
            out.emit(ChangeBatch::new(rows, (!ones).then(|| Int64Array::from(std::mem::take(&mut pairs.weights)))));
        }
        let (own, other) = self.both_sides(input);
        if other.tracks() {
            for (row, id) in pairs.rows.iter().zip(&pairs.others) {
                other.add_match(*id, changes.weight(*row as usize));
            }
        }
        if own.tracks() {
            for (row, id) in pairs.rows.iter().zip(&pairs.others) {
                matches[*row as usize] += other.weight(*id);
            }
        }
        Ok(())
    }

    fn both_sides(&mut self, input: usize) -> (&mut Side, &mut Side) {
        let [left, right] = &mut self.sides;
        if input == 0 { (left, right) } else { (right, left) }
    }

    fn columns(&self, input: usize, changes: &ChangeBatch, pairs: &Pairs) -> Result<Vec<ArrayRef>> {
        let rows = UInt32Array::from(pairs.rows.clone());
        let own = changes.rows().columns().iter().map(|c| take(c, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        let other = self.sides[1 - input].gather(&pairs.others)?;
        Ok(if input == 0 { [own, other].concat() } else { [other, own].concat() })
    }

    fn batch(&self, schema: &SchemaRef, columns: Vec<ArrayRef>, count: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
    }

    /// Rows of one side alone, padded with NULLs when pairs are emitted too.
    fn alone(&self, input: usize, own: Vec<ArrayRef>, weights: Vec<i64>) -> Result<ChangeBatch> {
        let count = weights.len();
        let columns = if self.pairs {
            let other = self.sides[1 - input].schema();
            let nulls: Vec<ArrayRef> = other.fields().iter().map(|f| new_null_array(f.data_type(), count)).collect();
            if input == 0 { [own, nulls].concat() } else { [nulls, own].concat() }
        } else {
            own
        };
        let ones = weights.iter().all(|w| *w == 1);
        Ok(ChangeBatch::new(self.batch(&self.schema, columns, count)?, (!ones).then(|| Int64Array::from(weights))))
    }
}

impl Operator for Running {
    fn on_changes(&mut self, input: usize, mut changes: ChangeBatch, out: &mut dyn Output) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if let Some((with_key, without)) = self.sides[input].split_null_keys(&changes)? {
            // A row without a key never finds a pair: what is shown of it follows from the row alone.
            if self.sides[input].shows_unmatched() && !without.is_empty() {
                let weights = without.weights_or_ones().values().to_vec();
                out.emit(self.alone(input, without.rows().columns().to_vec(), weights)?);
            }
            changes = with_key;
            if changes.is_empty() {
                return Ok(());
            }
        }
        let mut keys = Vec::new();
        let (own, other) = self.both_sides(input);
        let columns = own.key_columns(&changes);
        other.find(&columns, changes.row_count(), &mut keys)?;
        let mut matches = if own.tracks() { vec![0; changes.row_count()] } else { Vec::new() };
        let mut pairs = Pairs::default();
        for (row, key) in keys.iter().enumerate() {
            let weight = changes.weight(row);
            for (id, other_weight) in self.sides[1 - input].chain(*key) {
                pairs.rows.push(row as u32);
                pairs.others.push(id);
                pairs.weights.push(weight * other_weight);
            }
            if pairs.rows.len() >= PIECE_ROWS {
                self.settle(input, &changes, std::mem::take(&mut pairs), &mut matches, out)?;
            }
        }
        self.settle(input, &changes, pairs, &mut matches, out)?;
        self.sides[input].apply(&changes, &columns, &matches)
    }

    fn on_epoch(&mut self, end: &EpochEnd, out: &mut dyn Output) -> Result<()> {
        for input in 0..2 {
            let (ids, weights) = self.sides[input].corrections(end.watermark)?;
            if !ids.is_empty() {
                let own = self.sides[input].gather(&ids)?;
                let changes = self.alone(input, own, weights)?;
                let mixed = !changes.is_append_only();
                // A row that went and came again in one epoch must not flicker.
                let changes = if mixed { changes.consolidate()? } else { changes };
                if !changes.is_empty() {
                    out.emit(changes);
                }
            }
            self.sides[input].finish_epoch()?;
        }
        Ok(())
    }

    fn freeze(&mut self, kind: SegmentKind) -> Result<Option<Box<dyn Frozen>>> {
        let mut tables = Vec::new();
        for (input, side) in self.sides.iter_mut().enumerate() {
            side.freeze(kind, input, &mut tables)?;
        }
        Ok(FrozenTables::frozen(kind, tables))
    }

    fn restore(&mut self, reader: &mut dyn StateReader) -> Result<()> {
        let mut known = [std::collections::HashMap::new(), std::collections::HashMap::new()];
        while let Some((_, table, group, rows)) = reader.next()? {
            let (input, name) = side::side_of(&table)?;
            self.sides[input].restore(name, group, &rows, &mut known[input])?;
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters {
            state_rows: self.sides.iter().map(|s| s.row_count() as u64).sum(),
            state_bytes: self.sides.iter().map(|s| s.bytes() as u64).sum(),
            ..Counters::default()
        }
    }
}
