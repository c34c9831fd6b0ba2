//! Rows as text, and what differs between two multisets of them.

use std::collections::BTreeMap;

/// A short text of what is missing and what is too much; none when both hold the same rows as often.
pub(crate) fn difference(got: &[String], want: &[String]) -> Option<String> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for row in got {
        *counts.entry(row).or_default() += 1;
    }
    for row in want {
        *counts.entry(row).or_default() -= 1;
    }
    let of = |sign: i64| -> Vec<String> {
        let rows = counts.iter().filter(|(_, n)| n.signum() == sign);
        rows.flat_map(|(row, n)| std::iter::repeat_n((*row).to_string(), n.unsigned_abs() as usize)).take(4).collect()
    };
    let (more, less) = (of(1), of(-1));
    if more.is_empty() && less.is_empty() {
        return None;
    }
    Some(format!("{} rows for {}; too much: {more:?}; missing: {less:?}", got.len(), want.len()))
}
