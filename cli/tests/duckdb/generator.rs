//! Random queries in the words that Flink SQL and DuckDB give the same meaning.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// The tables that the queries are over: each has k, v (INT), s (STRING) and id (INT).
pub(crate) const TABLES: [&str; 3] = ["p", "q", "r"];

/// Makes queries; every one gives the columns k, v, s and id, so that each may stand in FROM of another.
pub(crate) struct Generator {
    pub(crate) rng: ChaCha8Rng,
    names: usize,
}

/// What expressions may name: aliases of FROM.
type Names<'a> = &'a [String];

impl Generator {
    pub(crate) fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, names: 0 }
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.choose(&mut self.rng).expect("there is something to pick")
    }

    fn below(&mut self, sides: usize) -> usize {
        self.rng.random_range(0..sides)
    }

    fn name(&mut self, names: Names) -> String {
        names.choose(&mut self.rng).expect("FROM is not empty").clone()
    }

    fn number(&mut self, names: Names, depth: usize) -> String {
        if depth == 0 || self.below(3) == 0 {
            let literal = self.pick(&["0", "1", "2", "CAST(NULL AS INT)"]);
            return match self.below(5) {
                0 | 1 => format!("{}.k", self.name(names)),
                2 => format!("{}.v", self.name(names)),
                3 => format!("{}.id", self.name(names)),
                _ => literal.to_string(),
            };
        }
        let d = depth - 1;
        let (a, b) = (self.number(names, d), self.number(names, d));
        match self.below(9) {
            0 => format!("({a} + {b})"),
            1 => format!("({a} - {b})"),
            2 => format!("({a} * {b})"),
            3 => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.condition(names, d)),
            4 => format!("CASE WHEN {} THEN {a} END", self.condition(names, d)),
            5 => format!("COALESCE({a}, {b})"),
            6 => format!("NULLIF({a}, {b})"),
            7 => format!("ABS({a})"),
            _ => format!("CHAR_LENGTH({})", self.text(names, d)),
        }
    }

    fn text(&mut self, names: Names, depth: usize) -> String {
        if depth == 0 || self.below(2) == 0 {
            let literal = self.pick(&["'a'", "''", "'bb'", "CAST(NULL AS STRING)"]);
            return if self.below(2) == 0 { format!("{}.s", self.name(names)) } else { literal.to_string() };
        }
        let d = depth - 1;
        let (a, b) = (self.text(names, d), self.text(names, d));
        match self.below(5) {
            0 => format!("UPPER({a})"),
            1 => format!("({a} || {b})"),
            2 => format!("COALESCE({a}, {b})"),
            3 => format!("CASE WHEN {} THEN {a} ELSE {b} END", self.condition(names, d)),
            _ => format!("SUBSTRING({a}, 1, 1)"),
        }
    }

    fn condition(&mut self, names: Names, depth: usize) -> String {
        if depth == 0 {
            let (a, b) = (self.name(names), self.name(names));
            return match self.below(7) {
                0 => format!("{a}.k = {b}.v"),
                1 => format!("{a}.k > 1"),
                2 => format!("{a}.v IS NULL"),
                3 => format!("{a}.s = 'a'"),
                4 => format!("{a}.k = 1"),
                5 => "TRUE".to_string(),
                _ => "FALSE".to_string(),
            };
        }
        let d = depth - 1;
        let not = self.pick(&["", "NOT "]);
        match self.below(11) {
            0 => {
                let op = self.pick(&["=", "<>", "<", ">=", ">", "<="]);
                format!("{} {op} {}", self.number(names, d), self.number(names, d))
            }
            1 => format!("({} AND {})", self.condition(names, d), self.condition(names, d)),
            2 => format!("({} OR {})", self.condition(names, d), self.condition(names, d)),
            3 => format!("NOT ({})", self.condition(names, d)),
            4 => format!("{} IS {not}NULL", self.number(names, d)),
            5 => format!("({}) IS {not}{}", self.condition(names, d), self.pick(&["TRUE", "FALSE"])),
            6 => {
                let (x, a, b) = (self.number(names, d), self.number(names, d), self.number(names, d));
                format!("{x} {not}IN ({a}, {b}, 2)")
            }
            7 => {
                let (x, a, b) = (self.number(names, d), self.number(names, 0), self.number(names, d));
                format!("{x} {not}BETWEEN {a} AND {b}")
            }
            8 => format!("{} IS {not}DISTINCT FROM {}", self.number(names, d), self.number(names, d)),
            9 => {
                let op = self.pick(&["=", "<>", "<", ">"]);
                format!("{} {op} {}", self.text(names, d), self.text(names, d))
            }
            _ => format!("{} {not}LIKE {}", self.text(names, d), self.pick(&["'b%'", "'_'", "'%'"])),
        }
    }

    /// A condition that asks a sub-query, which names columns of the query around it.
    fn asking(&mut self, names: Names) -> String {
        let (outer, table) = (self.name(names), self.pick(&TABLES));
        self.names += 1;
        let t = format!("t{}", self.names);
        let both = [outer.clone(), t.clone()];
        let rows = match self.below(4) {
            0 => self.condition(&both, 1),
            1 => format!("{t}.k = {outer}.k"),
            2 => format!("{t}.k = {outer}.v AND {}", self.condition(&both, 1)),
            _ => format!("{t}.v < {outer}.k"),
        };
        let total = self.pick(&["MAX(#.v)", "COUNT(*)", "COUNT(#.v) + 1", "COALESCE(MIN(#.v), 0)"]).replace('#', &t);
        let having = self.pick(&["", "", " HAVING COUNT(*) > 1", " HAVING COUNT(*) = 0"]);
        let not = self.pick(&["", "NOT "]);
        let rows = format!("FROM {table} AS {t} WHERE {rows}");
        match self.below(6) {
            0 => format!("{not}EXISTS (SELECT 1 {rows})"),
            1 => format!("{not}EXISTS (SELECT {total} {rows}{having})"),
            2 => format!("{outer}.v {not}IN (SELECT {t}.v {rows})"),
            3 => format!("{outer}.v {not}IN (SELECT {total} {rows}{having})"),
            4 => format!("{outer}.v >= (SELECT {total} {rows}{having})"),
            _ => format!("{outer}.k = (SELECT {t}.v {rows} ORDER BY {t}.id LIMIT 1)"),
        }
    }

    fn total(&mut self, names: Names) -> String {
        let x = self.number(names, 1);
        match self.below(6) {
            0 => format!("CAST(COUNT({x}) AS INT)"),
            1 => format!("CAST(SUM({x}) AS INT)"),
            2 => format!("CAST(COUNT(DISTINCT {x}) AS INT)"),
            3 => format!("MIN({x}) FILTER (WHERE {})", self.condition(names, 1)),
            _ => format!("MAX({x})"),
        }
    }

    /// A FROM and the names of its tables.
    fn from(&mut self, depth: usize) -> (String, Vec<String>) {
        let mut names = Vec::new();
        let mut from = self.relation(depth, &mut names);
        for _ in 0..[0, 0, 1, 1, 2][self.below(5)] {
            let around = names.clone();
            let right = self.relation(depth, &mut names);
            let new = names.last().expect("it was added").clone();
            let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
            from = match kind {
                "CROSS JOIN" => format!("{from} CROSS JOIN {right}"),
                kind => {
                    let other = self.name(&around);
                    let mut on = match self.below(5) {
                        0 => format!("{other}.k = {new}.v AND {other}.v = {new}.k"),
                        _ => format!("{other}.k = {new}.k"),
                    };
                    // DuckDB has no FULL JOIN on more than equality.
                    if kind != "FULL JOIN" && self.below(5) < 2 {
                        on = format!("{on} AND {}", self.condition(&names, 1));
                    }
                    format!("{from} {kind} {right} ON {on}")
                }
            };
        }
        (from, names)
    }

    fn relation(&mut self, depth: usize, names: &mut Vec<String>) -> String {
        self.names += 1;
        let name = format!("x{}", self.names);
        names.push(name.clone());
        match depth == 0 || self.below(3) == 0 {
            true => format!("{} AS {name}", self.pick(&TABLES)),
            false => format!("({}) AS {name}", self.query(depth - 1)),
        }
    }

    pub(crate) fn query(&mut self, depth: usize) -> String {
        let (from, names) = self.from(depth);
        let condition = match self.below(5) {
            0 | 1 => String::new(),
            2 => format!(" WHERE {}", self.asking(&names)),
            _ => format!(" WHERE {}", self.condition(&names, 2)),
        };
        let rows = format!("FROM {from}{condition}");
        match self.below(7) {
            0 | 1 => {
                let (k, v, s) = (self.number(&names, 2), self.number(&names, 2), self.text(&names, 1));
                format!("SELECT {k} AS k, {v} AS v, {s} AS s, {}.id AS id {rows}", self.name(&names))
            }
            2 => {
                let key = format!("{}.{}", self.name(&names), self.pick(&["k", "v"]));
                let having = match self.below(4) {
                    0 => " HAVING COUNT(*) > 1".to_string(),
                    1 => format!(" HAVING MAX({}) > 1", self.number(&names, 1)),
                    _ => String::new(),
                };
                let (v, s, id) = (self.total(&names), self.text(&names, 1), self.total(&names));
                format!("SELECT {key} AS k, {v} AS v, MAX({s}) AS s, {id} AS id {rows} GROUP BY {key}{having}")
            }
            3 => {
                let having = self.pick(&["", "", " HAVING COUNT(*) > 1", " HAVING 1 = 0", " HAVING COUNT(*) = 0"]);
                let (k, v, s, id) = (self.total(&names), self.total(&names), self.text(&names, 1), self.total(&names));
                format!("SELECT {k} AS k, {v} AS v, MIN({s}) AS s, {id} AS id {rows}{having}")
            }
            4 => {
                let (k, v, s) = (self.number(&names, 1), self.number(&names, 1), self.text(&names, 1));
                format!("SELECT DISTINCT {k} AS k, {v} AS v, {s} AS s, 0 AS id {rows}")
            }
            5 => {
                let (name, table) = (self.name(&names), self.pick(&TABLES));
                let kind = self.pick(&[" JOIN LATERAL", " LEFT JOIN LATERAL"]);
                let limit = self.pick(&["LIMIT 1", "LIMIT 2", "LIMIT 2 OFFSET 1"]);
                format!(
                    "SELECT {name}.k AS k, l.v AS v, l.s AS s, {name}.id AS id FROM (SELECT {name}.* {rows}) AS {name}
                     {kind} (SELECT y.v, y.s FROM {table} AS y WHERE y.k = {name}.k ORDER BY y.v NULLS FIRST, y.id {limit}) AS l ON TRUE"
                )
            }
            _ => {
                let set = self.pick(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT"]);
                let (right, others) = self.from(0);
                let (k, v, s) = (self.number(&others, 1), self.number(&others, 1), self.text(&others, 1));
                let (a, b) = (self.name(&names), self.name(&others));
                format!(
                    "SELECT {a}.k AS k, {a}.v AS v, {a}.s AS s, {a}.id AS id {rows} {set} SELECT {k}, {v}, {s}, {b}.id FROM {right}"
                )
            }
        }
    }
}
