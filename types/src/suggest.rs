//! The nearest valid name for one that was mistyped.

/// The name of `known` that is nearest to `typed`, when one is near enough to be meant.
///
/// Distance: Damerau-Levenshtein on lower-cased text, at most a third of the longer name (and at least one).
///
/// ```
/// use freshet_types::suggest::nearest;
/// assert_eq!(nearest("kafak", ["kafka", "print"]), Some("kafka"));
/// assert_eq!(nearest("zebra", ["kafka", "print"]), None);
/// ```
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    known
        .into_iter()
        .map(|name| (distance(&typed, &name.to_lowercase().chars().collect::<Vec<_>>()), name))
        .filter(|(d, name)| *d <= (typed.len().max(name.len()) / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// A hint that names the nearest valid name, or lists all when none is near.
pub fn hint<'a>(typed: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    match nearest(typed, known.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None if known.is_empty() => format!("there is no {what} yet"),
        None => format!("known {what}: {}", known.join(", ")),
    }
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let swap = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + swap);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}
