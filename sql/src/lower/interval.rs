//! What a condition says about the distance of two times, one of each side of a join: `l.ts BETWEEN r.ts - x AND r.ts + y`.

use crate::plan::interval_ms;
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// Bounds of `left time - right time`, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeBounds {
    /// Column of the left side.
    pub(super) left: usize,
    /// Column of the right side.
    pub(super) right: usize,
    /// The distance is at least this.
    pub(super) lower_ms: Option<i64>,
    /// The distance is at most this.
    pub(super) upper_ms: Option<i64>,
}

impl TimeBounds {
    /// The same seen from the other side.
    pub(super) fn swapped(self) -> Self {
        Self {
            left: self.right,
            right: self.left,
            lower_ms: self.upper_ms.map(|u| -u),
            upper_ms: self.lower_ms.map(|l| -l),
        }
    }
}

/// Bounds that `parts`, which all hold, put on pairs of a left and a right timestamp.
///
/// Shape: `schema` has the columns of the left side, `left_width` of them, then those of the right.
pub(super) fn bounds_between(parts: &[Expr], schema: &DFSchema, left_width: usize) -> Vec<TimeBounds> {
    let mut found: Vec<TimeBounds> = Vec::new();
    for part in parts {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { continue };
        let (Some((a, plus_a)), Some((b, plus_b))) = (moved_column(left, schema), moved_column(right, schema)) else {
            continue;
        };
        // a + plus_a op b + plus_b, with a on the left side of the join.
        let (l, r, op, distance) = if a < left_width && b >= left_width {
            (a, b, *op, plus_b - plus_a)
        } else if b < left_width && a >= left_width {
            let Some(op) = op.swap() else { continue };
            (b, a, op, plus_a - plus_b)
        } else {
            continue;
        };
        let right = r - left_width;
        let place = match found.iter().position(|f| f.left == l && f.right == right) {
            Some(place) => place,
            None => {
                found.push(TimeBounds { left: l, right, lower_ms: None, upper_ms: None });
                found.len() - 1
            }
        };
        let bounds = &mut found[place];
        let at_least = |old: Option<i64>| Some(old.map_or(distance, |o| o.max(distance)));
        let at_most = |old: Option<i64>| Some(old.map_or(distance, |o| o.min(distance)));
        match op {
            Operator::Lt | Operator::LtEq => bounds.upper_ms = at_most(bounds.upper_ms),
            Operator::Gt | Operator::GtEq => bounds.lower_ms = at_least(bounds.lower_ms),
            Operator::Eq => {
                bounds.upper_ms = at_most(bounds.upper_ms);
                bounds.lower_ms = at_least(bounds.lower_ms);
            }
            _ => {}
        }
    }
    found
}

/// A timestamp column, moved by so many milliseconds.
fn moved_column(expr: &Expr, schema: &DFSchema) -> Option<(usize, i64)> {
    match expr {
        Expr::Column(column) => {
            let index = schema.index_of_column(column).ok()?;
            matches!(schema.field(index).data_type(), DataType::Timestamp(..)).then_some((index, 0))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (column, by) = moved_column(left, schema)?;
            let ms = interval_ms(right)?;
            match op {
                Operator::Plus => Some((column, by + ms)),
                Operator::Minus => Some((column, by - ms)),
                _ => None,
            }
        }
        Expr::Alias(alias) => moved_column(&alias.expr, schema),
        _ => None,
    }
}
