//! What each sink must hold: computed in batch, by loops over vectors. Columns are joined by tabs, NULL is `\N`.

use super::input::{Event, Given, timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// `v >= 0`, `v * 2`.
pub(crate) fn plain(given: &Given) -> Vec<String> {
    given.events.iter().filter(|e| e.v >= 0).map(|e| format!("{}\t{}", e.id, e.v * 2)).collect()
}

fn per_window<K: Ord>(
    given: &Given,
    key: impl Fn(&Event) -> K,
    starts: impl Fn(i64) -> Vec<i64>,
) -> BTreeMap<(K, i64), Vec<Event>> {
    let mut groups: BTreeMap<(K, i64), Vec<Event>> = BTreeMap::new();
    for event in &given.events {
        for start in starts(event.ts_ms) {
            groups.entry((key(event), start)).or_default().push(*event);
        }
    }
    groups
}

fn tumbling(ts_ms: i64) -> Vec<i64> {
    vec![ts_ms.div_euclid(10_000) * 10_000]
}

/// Count, sum and maximum per key and window of ten seconds.
pub(crate) fn windows(given: &Given) -> Vec<String> {
    let row = |((k, start), events): ((i32, i64), Vec<Event>)| {
        let total: i64 = events.iter().map(|e| e.v).sum();
        let highest = events.iter().map(|e| e.v).max().expect("a group has rows");
        format!("{k}\t{}\t{}\t{total}\t{highest}", timestamp(start), events.len())
    };
    per_window(given, |e| e.k, tumbling).into_iter().map(row).collect()
}

/// Rows and distinct values per hopping window, over all keys: one worker holds all of it.
pub(crate) fn hops(given: &Given) -> Vec<String> {
    let starts = |ts: i64| (0..3).map(|i| ts.div_euclid(4_000) * 4_000 - i * 4_000).collect();
    let row = |(((), start), events): (((), i64), Vec<Event>)| {
        let distinct: BTreeSet<i64> = events.iter().map(|e| e.v).collect();
        format!("{}\t{}\t{}", timestamp(start), events.len(), distinct.len())
    };
    per_window(given, |_| (), starts).into_iter().map(row).collect()
}

/// Rows and minimum per key and session with a gap of 1.5 seconds.
pub(crate) fn sessions(given: &Given) -> Vec<String> {
    let mut by_key: BTreeMap<i32, Vec<Event>> = BTreeMap::new();
    given.events.iter().for_each(|e| by_key.entry(e.k).or_default().push(*e));
    let mut rows = Vec::new();
    for (k, mut events) in by_key {
        events.sort_by_key(|e| e.ts_ms);
        for session in events.chunk_by(|a, b| b.ts_ms - a.ts_ms <= 1_500) {
            let end = session[session.len() - 1].ts_ms + 1_500;
            let lowest = session.iter().map(|e| e.v).min().expect("a session has rows");
            rows.push(format!("{k}\t{}\t{}\t{}\t{lowest}", timestamp(session[0].ts_ms), timestamp(end), session.len()));
        }
    }
    rows
}

/// The three highest values of each window of ten seconds.
pub(crate) fn ranks(given: &Given) -> Vec<String> {
    let mut rows = Vec::new();
    for (((), start), mut events) in per_window(given, |_| (), tumbling) {
        events.sort_by_key(|e| (-e.v, e.id));
        for (i, event) in events.iter().take(3).enumerate() {
            rows.push(format!("{}\t{}\t{}", timestamp(start), event.id, i + 1));
        }
    }
    rows
}

/// The first row of each key and window of ten seconds.
pub(crate) fn firsts(given: &Given) -> Vec<String> {
    let first = |events: Vec<Event>| events.into_iter().min_by_key(|e| (e.ts_ms, e.id)).expect("a group has rows");
    per_window(given, |e| e.k, tumbling).into_values().map(|events| format!("{}", first(events).id)).collect()
}

/// Events with the name of their key.
pub(crate) fn joined(given: &Given) -> Vec<String> {
    let names = |e: &Event| {
        let (id, k) = (e.id, e.k);
        given.names.iter().filter(move |(n, _)| *n == k).map(move |(_, name)| format!("{id}\t{name}"))
    };
    given.events.iter().flat_map(names).collect()
}

/// Marks with the events of their key in the second before them; alone where there are none.
pub(crate) fn near(given: &Given) -> Vec<String> {
    let mut rows = Vec::new();
    for mark in &given.marks {
        let before = rows.len();
        let near = |e: &&Event| e.k == mark.k && (mark.ts_ms - 1_000..=mark.ts_ms).contains(&e.ts_ms);
        rows.extend(given.events.iter().filter(near).map(|e| format!("{}\t{}", mark.m, e.id)));
        if rows.len() == before {
            rows.push(format!("{}\t\\N", mark.m));
        }
    }
    rows
}

/// Pairs of event and mark of one key and one window of ten seconds.
pub(crate) fn met(given: &Given) -> Vec<String> {
    let window = |ts: i64| ts.div_euclid(10_000);
    let marks = |e: &Event| {
        let e = *e;
        let same = given.marks.iter().filter(move |m| m.k == e.k && window(m.ts_ms) == window(e.ts_ms));
        same.map(move |m| format!("{}\t{}", e.id, m.m))
    };
    given.events.iter().flat_map(marks).collect()
}

/// Keys with the last digit of their values, each once.
pub(crate) fn distinct(given: &Given) -> Vec<String> {
    let pairs: BTreeSet<(i32, i64)> = given.events.iter().map(|e| (e.k, e.v % 10)).collect();
    pairs.into_iter().map(|(k, digit)| format!("{k}\t{digit}")).collect()
}

/// Events whose key has a name.
pub(crate) fn known(given: &Given) -> Vec<String> {
    let known = |e: &&Event| given.names.iter().any(|(k, _)| *k == e.k);
    given.events.iter().filter(known).map(|e| e.id.to_string()).collect()
}

fn by_key(given: &Given) -> BTreeMap<i32, Vec<Event>> {
    let mut groups: BTreeMap<i32, Vec<Event>> = BTreeMap::new();
    given.events.iter().for_each(|e| groups.entry(e.k).or_default().push(*e));
    groups
}

/// One running row per key.
pub(crate) fn running(given: &Given) -> Vec<String> {
    let row = |(k, events): (i32, Vec<Event>)| {
        let v = || events.iter().map(|e| e.v);
        let distinct: BTreeSet<i64> = v().collect();
        let (lowest, highest) = (v().min().expect("a group has rows"), v().max().expect("a group has rows"));
        format!("{k}\t{}\t{}\t{lowest}\t{highest}\t{}", events.len(), v().sum::<i64>(), distinct.len())
    };
    by_key(given).into_iter().map(row).collect()
}

/// How many keys have how many rows: an aggregate over rows that are taken back.
pub(crate) fn spread(given: &Given) -> Vec<String> {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    by_key(given).into_values().for_each(|events| *sizes.entry(events.len()).or_default() += 1);
    sizes.into_iter().map(|(size, keys)| format!("{size}\t{keys}")).collect()
}

/// The two highest values of each key.
pub(crate) fn best(given: &Given) -> Vec<String> {
    let mut rows = Vec::new();
    for (k, mut events) in by_key(given) {
        events.sort_by_key(|e| (-e.v, e.id));
        rows.extend(events.iter().take(2).enumerate().map(|(i, e)| format!("{k}\t{}\t{}", e.id, i + 1)));
    }
    rows
}

/// The last event of each key by time.
pub(crate) fn latest(given: &Given) -> Vec<String> {
    let last = |events: Vec<Event>| events.into_iter().map(|e| e.ts_ms).max().expect("a group has rows");
    by_key(given).into_iter().map(|(k, events)| format!("{k}\t{}", timestamp(last(events)))).collect()
}

/// Names with the number of events of their key; NULL where there are none.
pub(crate) fn outer(given: &Given) -> Vec<String> {
    let groups = by_key(given);
    let count = |k: &i32| groups.get(k).map_or("\\N".to_string(), |events| events.len().to_string());
    given.names.iter().map(|(k, name)| format!("{name}\t{}", count(k))).collect()
}
