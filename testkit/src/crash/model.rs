//! What each sink must hold: computed in batch, by loops over vectors.

use super::input::{Input, timestamp};
use std::collections::BTreeMap;

/// `SELECT id, v * 2 FROM events WHERE v >= 0`.
pub(crate) fn plain(input: &Input) -> Vec<String> {
    input.events.iter().filter(|e| e.v >= 0).map(|e| format!("{}\t{}", e.id, e.v * 2)).collect()
}

/// Count, sum and maximum per key and window of ten seconds.
pub(crate) fn windows(input: &Input) -> Vec<String> {
    let mut groups: BTreeMap<(i32, i64), (i64, i64, i64)> = BTreeMap::new();
    for event in &input.events {
        let start = event.ts_ms.div_euclid(10_000) * 10_000;
        let (n, total, highest) = groups.entry((event.k, start)).or_insert((0, 0, i64::MIN));
        *n += 1;
        *total += event.v;
        *highest = (*highest).max(event.v);
    }
    let row = |((k, start), (n, total, highest)): ((i32, i64), (i64, i64, i64))| {
        format!("{k}\t{}\t{n}\t{total}\t{highest}", timestamp(start))
    };
    groups.into_iter().map(row).collect()
}

/// `SELECT e.id, n.name FROM events e JOIN names n ON e.k = n.k`.
pub(crate) fn joined(input: &Input) -> Vec<String> {
    let pairs =
        input.events.iter().flat_map(|e| input.names.iter().filter(|(k, _)| *k == e.k).map(move |(_, n)| (e.id, n)));
    pairs.map(|(id, name)| format!("{id}\t{name}")).collect()
}
