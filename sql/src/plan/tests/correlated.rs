//! Sub-queries that name columns of the query around them, against the naive way: for each outer row the sub-query is run
//! with that row's values in the place of the columns.

use super::random::{Dice, Seeds, number, rows};
use crate::testing::Session;

/// Rows of the query around: k, v, id.
type OuterRow = [String; 3];

fn session(dice: &mut Dice, scope: &str) -> (Session, Vec<OuterRow>) {
    let mut session = Session::new(scope);
    let count = 1 + dice.roll(7);
    let outer: Vec<OuterRow> = (0..count).map(|id| [number(dice, 4), number(dice, 6), id.to_string()]).collect();
    let lines: Vec<String> = outer.iter().map(|[k, v, id]| format!(r#"{{"k":{k},"v":{v},"id":{id}}}"#)).collect();
    let count = dice.roll(10);
    let inner = rows(dice, count, |d, id| format!(r#"{{"k":{},"w":{},"id":{id}}}"#, number(d, 4), number(d, 6)));
    session.rows("o", &lines.join("\n"));
    session.rows("t", &inner);
    session.run(
        "CREATE TABLE o (k INT, v INT, id INT) WITH ('connector' = 'rows', 'data' = '$S.o');
         CREATE TABLE t (k INT, w INT, id INT) WITH ('connector' = 'rows', 'data' = '$S.t')",
    );
    (session, outer)
}

/// A sub-query of one column, which names o.k, o.v and o.id, and whether it never gives more than one row.
fn subquery(dice: &mut Dice) -> (String, bool) {
    let c = dice.pick(&[
        "t.k = o.k",
        "t.k = o.k",
        "t.k = o.k AND t.w > 1",
        "t.k = o.v",
        "t.k + 1 = o.k",
        "t.w = o.k AND t.k = o.v",
        "t.k = o.k + 10",
        "t.k = o.k AND t.id < o.id",
        "t.w < o.v",
        "o.k = 1 AND t.k = o.k",
        "o.v > 2",
        "o.k = o.k AND t.w > 2",
        "t.k = o.k OR t.w = o.v",
        "t.k IS NOT DISTINCT FROM o.k",
        "t.k BETWEEN o.k AND o.v",
        "t.k IN (o.k, o.v)",
    ]);
    let column = dice.pick(&["t.w", "t.k", "t.w + 1", "COALESCE(t.w, 9)", "t.w + o.v"]);
    let total = dice.pick(&[
        "MAX(t.w)",
        "COUNT(*)",
        "COUNT(t.w)",
        "SUM(t.w)",
        "COALESCE(MAX(t.w), 0)",
        "COUNT(*) + 1",
        "MIN(t.w) + COUNT(*)",
        "CASE WHEN COUNT(*) = 0 THEN 5 ELSE 6 END",
        "COUNT(DISTINCT t.w) + o.v",
    ]);
    let having = dice.pick(&["COUNT(*) > 1", "MAX(t.w) > 2", "COUNT(*) = 0", "COUNT(*) < o.v"]);
    let (limit, offset) = (dice.roll(3), dice.pick(&["", "", " OFFSET 1"]));
    match dice.roll(16) {
        0 => (format!("SELECT {column} FROM t WHERE {c}"), false),
        1 => (format!("SELECT DISTINCT {column} FROM t WHERE {c}"), false),
        2 | 3 => (format!("SELECT {total} FROM t WHERE {c}"), true),
        4 => (format!("SELECT MAX(t.w) FROM t WHERE {c} GROUP BY t.k"), false),
        5 => (format!("SELECT MAX(t.w) FROM t WHERE {c} HAVING {having}"), true),
        6 => (format!("SELECT {column} FROM t WHERE {c} ORDER BY t.w DESC, t.id LIMIT {limit}{offset}"), limit < 2),
        7 => (format!("SELECT x.m FROM (SELECT {total} AS m FROM t WHERE {c}) x WHERE x.m > 1"), true),
        8 => (format!("SELECT m FROM (SELECT {total} AS m FROM t WHERE {c}) WHERE m < 9"), true),
        9 => (format!("SELECT u.w FROM t LEFT JOIN t AS u ON t.k = u.w AND u.k = o.k WHERE {c}"), false),
        10 => (format!("SELECT t.w FROM t WHERE {c} UNION ALL SELECT u.k FROM t AS u WHERE u.w = o.v"), false),
        11 => (format!("SELECT t.w FROM t WHERE {c} AND EXISTS (SELECT 1 FROM t AS z WHERE z.k = t.w)"), false),
        12 => (
            format!(
                "SELECT x.w FROM (SELECT t.w, ROW_NUMBER() OVER (PARTITION BY t.k ORDER BY t.w, t.id) AS rn
                 FROM t WHERE {c}) x WHERE x.rn <= 2"
            ),
            false,
        ),
        13 => (
            format!(
                "SELECT t.w FROM t WHERE {c} AND {} (SELECT z.w FROM t AS z WHERE z.k = t.w AND z.w >= o.k)",
                dice.pick(&["EXISTS", "NOT EXISTS", "t.k IN", "t.k NOT IN"])
            ),
            false,
        ),
        14 => (
            format!(
                "SELECT t.w FROM t WHERE {c} AND t.w > (SELECT COUNT(*) FROM t AS z WHERE z.k = t.k AND z.w < o.v)"
            ),
            false,
        ),
        _ => (format!("SELECT MAX(x.c) FROM (SELECT COUNT(*) AS c FROM t WHERE {c} GROUP BY t.w) x"), true),
    }
}

/// What stands around the sub-query.
#[derive(Debug, Clone, Copy)]
enum Around {
    Exists { negated: bool },
    In { negated: bool },
    ExistsColumn,
    InCase,
    Value,
    Lateral { left: bool },
}

impl Around {
    fn query(self, subquery: &str) -> String {
        let not = |negated: bool| if negated { "NOT " } else { "" };
        match self {
            Around::Exists { negated } => format!("SELECT o.id FROM o WHERE {}EXISTS ({subquery})", not(negated)),
            Around::In { negated } => format!("SELECT o.id FROM o WHERE o.v {}IN ({subquery})", not(negated)),
            Around::ExistsColumn => format!("SELECT o.id, EXISTS ({subquery}) FROM o"),
            Around::InCase => format!("SELECT o.id, CASE WHEN o.v IN ({subquery}) THEN 1 ELSE 0 END FROM o"),
            Around::Value => format!("SELECT o.id, ({subquery}) FROM o"),
            Around::Lateral { left: false } => format!("SELECT o.id, x.c FROM o, LATERAL ({subquery}) AS x(c)"),
            Around::Lateral { left: true } => {
                format!("SELECT o.id, x.c FROM o LEFT JOIN LATERAL ({subquery}) AS x(c) ON TRUE")
            }
        }
    }

    /// The rows of the query for one outer row, of the rows that the sub-query has for it.
    fn rows(self, [_, v, id]: &OuterRow, inner: &[String]) -> Vec<String> {
        let when = |holds: bool| if holds { vec![id.clone()] } else { Vec::new() };
        let is_null = |text: &str| text.eq_ignore_ascii_case("null");
        let is_in = if inner.is_empty() {
            Some(false)
        } else if is_null(v) {
            None
        } else if inner.contains(v) {
            Some(true)
        } else if inner.iter().any(|row| is_null(row)) {
            None
        } else {
            Some(false)
        };
        match self {
            Around::Exists { negated } => when(inner.is_empty() == negated),
            Around::In { negated } => when(is_in == Some(!negated)),
            Around::ExistsColumn => vec![format!("{id},{}", if inner.is_empty() { "FALSE" } else { "TRUE" })],
            Around::InCase => vec![format!("{id},{}", i32::from(is_in == Some(true)))],
            Around::Value => vec![format!("{id},{}", inner.first().map_or("NULL", String::as_str))],
            Around::Lateral { left: true } if inner.is_empty() => vec![format!("{id},NULL")],
            Around::Lateral { .. } => inner.iter().map(|row| format!("{id},{row}")).collect(),
        }
    }
}

fn around(dice: &mut Dice, gives_one_row: bool) -> Around {
    let flag = dice.roll(2) == 0;
    match dice.roll(if gives_one_row { 8 } else { 6 }) {
        0 => Around::Exists { negated: flag },
        1 => Around::In { negated: flag },
        2 => Around::ExistsColumn,
        3 => Around::InCase,
        4 | 5 => Around::Lateral { left: flag },
        _ => Around::Value,
    }
}

#[test]
fn sub_queries_give_what_they_give_row_by_row() {
    for seed in Seeds::asked(120).each() {
        let mut dice = Dice(seed);
        let (session, outer) = session(&mut dice, &format!("correlated{seed}"));
        let (subquery, gives_one_row) = subquery(&mut dice);
        let around = around(&mut dice, gives_one_row);
        let mut expected = Vec::new();
        for row in &outer {
            let mut alone = subquery.clone();
            for (column, value) in ["o.k", "o.v", "o.id"].iter().zip(row) {
                alone = alone.replace(column, &format!("CAST({value} AS INT)"));
            }
            let inner = session.batch(&alone).unwrap_or_else(|e| panic!("seed {seed}: {e}\n{alone}"));
            expected.extend(around.rows(row, &inner));
        }
        expected.sort();
        let query = around.query(&subquery);
        let mut rows = session.compare(&query).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        rows.sort();
        assert_eq!(rows, expected, "seed {seed}\n{query}\nover {outer:?}");
    }
}
