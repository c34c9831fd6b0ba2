//! Naive twin: keeps every row and computes every aggregate of every group anew.

use crate::operators::proving::{Answer, Reference, Row, add};
use freshet_types::text::append_decimal;

/// The value of one aggregate over rows, as text.
pub(crate) type Compute = fn(&[&Row]) -> String;

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_string(), |v| v.to_string())
}

fn decimal(value: Option<i128>, scale: i8) -> String {
    value.map_or("-".to_string(), |v| {
        let mut text = String::new();
        append_decimal(v, scale, &mut text);
        text
    })
}

fn values<T>(rows: &[&Row], f: impl Fn(&Row) -> Option<T>) -> Vec<T> {
    rows.iter().filter_map(|r| f(r)).collect()
}

fn whole<T>(values: Vec<T>, f: impl FnOnce(Vec<T>) -> T) -> Option<T> {
    (!values.is_empty()).then(|| f(values))
}

fn rounded(sum: i128, count: i128) -> i128 {
    let scaled = sum * 10_000;
    let (q, r) = (scaled / count, scaled % count);
    if 2 * r.abs() >= count { q + r.signum() } else { q }
}

fn unique(mut values: Vec<i64>) -> Vec<i64> {
    values.sort_unstable();
    values.dedup();
    values
}

/// Name of each aggregate that the tests use, and the aggregate.
pub(crate) const COMPUTE: &[(&str, Compute)] = &[
    ("count_star", |rows| rows.len().to_string()),
    ("count_v", |rows| values(rows, |r| r.v).len().to_string()),
    ("sum_v", |rows| shown(whole(values(rows, |r| r.v), |v| v.into_iter().sum()))),
    ("avg_v", |rows| {
        let v = values(rows, |r| r.v);
        let count = v.len() as i64;
        shown(whole(v, |v| v.into_iter().sum::<i64>() / count))
    }),
    ("sum_d", |rows| decimal(whole(values(rows, |r| r.d), |v| v.into_iter().sum()), 2)),
    ("avg_d", |rows| {
        let v = values(rows, |r| r.d);
        let count = v.len() as i128;
        decimal(whole(v, |v| rounded(v.into_iter().sum(), count)), 6)
    }),
    ("sum_f", |rows| {
        whole(values(rows, |r| r.f), |v| v.into_iter().sum()).map_or("-".into(), |v: f64| format!("{:?}", v + 0.0))
    }),
    ("avg_f", |rows| {
        let v = values(rows, |r| r.f);
        let count = v.len() as f64;
        whole(v, |v| v.into_iter().sum::<f64>() / count).map_or("-".into(), |v| format!("{:?}", v + 0.0))
    }),
    ("min_v", |rows| shown(values(rows, |r| r.v).into_iter().min())),
    ("max_s", |rows| shown(values(rows, |r| r.s.clone()).into_iter().max())),
    ("max_d", |rows| decimal(values(rows, |r| r.d).into_iter().max(), 2)),
    ("min_flag", |rows| shown(values(rows, |r| r.flag).into_iter().min())),
    ("distinct_v", |rows| unique(values(rows, |r| r.v)).len().to_string()),
    ("sum_distinct_v", |rows| shown(whole(unique(values(rows, |r| r.v)), |v| v.into_iter().sum()))),
    ("count_filtered", |rows| rows.iter().filter(|r| r.flag == Some(true)).count().to_string()),
    ("max_filtered", |rows| shown(rows.iter().filter(|r| r.flag == Some(true)).filter_map(|r| r.v).max())),
    ("any_flag", |rows| shown(whole(values(rows, |r| r.flag), |v| v.into_iter().any(|f| f)))),
];

/// The aggregates, joined as in a row.
pub(crate) fn compute(names: &[&str], rows: &[&Row]) -> Vec<String> {
    names.iter().map(|name| COMPUTE.iter().find(|c| c.0 == *name).unwrap().1(rows)).collect()
}

pub(super) struct Naive {
    pub(super) names: Vec<&'static str>,
    /// Whether rows are grouped by `k` and `s`.
    pub(super) keyed: bool,
    pub(super) rows: Vec<(Row, i64)>,
    pub(super) epochs: usize,
}

impl Reference for Naive {
    fn changes(&mut self, _input: usize, rows: &[(Row, i64)]) {
        for (row, weight) in rows {
            match self.rows.iter_mut().find(|(kept, _)| kept == row) {
                Some(kept) => kept.1 += weight,
                None => self.rows.push((row.clone(), *weight)),
            }
        }
    }

    fn end(&mut self, _watermark: i64) {
        self.epochs += 1;
    }

    fn answer(&self) -> Answer {
        let key = |row: &Row| self.keyed.then(|| (row.k, row.s.clone()));
        let live: Vec<&Row> =
            self.rows.iter().flat_map(|(row, w)| std::iter::repeat_n(row, usize::try_from(*w).unwrap())).collect();
        let mut keys: Vec<_> = live.iter().map(|r| key(r)).collect();
        if !self.keyed && self.epochs > 0 {
            keys.push(None);
        }
        keys.sort();
        keys.dedup();
        let mut answer = Answer::new();
        for k in keys {
            let group: Vec<&Row> = live.iter().copied().filter(|r| key(r) == k).collect();
            let mut columns: Vec<String> = k.into_iter().flat_map(|(k, s)| [shown(k), shown(s)]).collect();
            columns.extend(compute(&self.names, &group));
            add(&mut answer, columns.join("|"), 1);
        }
        answer
    }
}
