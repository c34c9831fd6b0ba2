//! Naive twin: the first or last row per key is the first of all rows in that order.

use crate::operators::proving::Row;
use crate::operators::top_n::reference::Naive;

/// The twin for `k`, by event time or arrival.
pub(super) fn naive(by_time: bool, last: bool) -> Naive {
    let compare: fn(&Row, &Row) -> std::cmp::Ordering = match (by_time, last) {
        (false, _) => |_, _| std::cmp::Ordering::Equal,
        (true, false) => |a, b| a.t.cmp(&b.t),
        (true, true) => |a, b| b.t.cmp(&a.t),
    };
    Naive { keyed: true, from: 1, to: 1, rank: false, compare, last_wins: last, rows: vec![], epoch: vec![] }
}
