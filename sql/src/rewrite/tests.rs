//! Flink's typing in whole queries: each runs as a stream and as a batch, and both give these rows.

use crate::testing::{Session, query};

fn session(scope: &str) -> Session {
    let mut session = Session::new(scope);
    session.rows(
        "t",
        r#"{"k":1,"v":10,"s":"1","d":1.50,"f":0.5,"b":0,"ts":"2024-01-01T00:00:00","tiny":100}
{"k":2,"v":20,"s":"2","d":2.25,"f":1.5,"b":4,"ts":"2024-01-02T00:00:00","tiny":100}
{"k":2,"v":25,"s":"x","d":0.25,"f":2.5,"b":5,"ts":"2024-02-29T12:00:00","tiny":-3}
{"k":3,"v":null,"s":null,"d":null,"f":null,"b":null,"ts":null,"tiny":null}"#,
    );
    session.run(
        "CREATE TABLE t (k INT, v BIGINT, s STRING, d DECIMAL(10, 2), f DOUBLE, b INT, ts TIMESTAMP(3), tiny TINYINT)
         WITH ('connector' = 'rows', 'data' = '$S.t')",
    );
    session
}

/// Queries and their rows, sorted and joined.
const QUERIES: &[(&str, &str)] = &[
    // Aggregates keep their types.
    ("SELECT SUM(k), SUM(v), SUM(d), AVG(k), AVG(d) FROM t", "8,55,4.00,2,1.333333"),
    ("SELECT AVG(v), AVG(f), SUM(f) FROM t", "18,1.5,4.5"),
    ("SELECT SUM(tiny), AVG(tiny) FROM t", "-59,65"),
    ("SELECT k, COUNT(*), COUNT(v), COUNT(*) + 1 FROM t GROUP BY k", "1,1,1,2|2,2,2,3|3,1,0,2"),
    ("SELECT MIN(s), MAX(s), MAX(ts), MIN(d) FROM t", "1,x,2024-02-29 12:00:00.000,0.25"),
    ("SELECT COUNT(DISTINCT k), SUM(DISTINCT k), AVG(DISTINCT k) FROM t", "3,6,2"),
    ("SELECT SUM(v) FROM t WHERE k > 100", "NULL"),
    ("SELECT COUNT(*) FILTER (WHERE v > 10), SUM(v) FILTER (WHERE k = 2) FROM t", "2,45"),
    ("SELECT k + 1, SUM(v * 2) FROM t GROUP BY k + 1", "2,20|3,90|4,NULL"),
    ("SELECT k, SUM(v) FROM t GROUP BY k HAVING SUM(v) > '20'", "2,45"),
    ("SELECT VAR_POP(f), STDDEV_POP(tiny) FROM t", "0.6666666666666666,48"),
    ("SELECT COUNT(*) FROM t HAVING 1 = 0", ""),
    ("SELECT m FROM (SELECT COUNT(*) + CAST(NULL AS INT) AS m FROM t) WHERE m < 9", ""),
    (
        "SELECT b.c FROM (SELECT k, CAST(NULL AS INT) AS v FROM t WHERE 1 = 0) a FULL JOIN
         (SELECT COUNT(*) AS c, MAX(k) AS k FROM t HAVING COUNT(*) = 0) b ON a.k = b.k WHERE a.v IS DISTINCT FROM a.k",
        "",
    ),
    ("SELECT COUNT(*) FROM t HAVING COUNT(*) > 3 AND CHAR_LENGTH('ab') = 2", "4"),
    (
        "SELECT x.k FROM (SELECT v, k FROM t WHERE 1 = 0 UNION ALL SELECT 0, b.k FROM t AS a LEFT JOIN t AS b
         ON a.k = b.k AND 1 = 0) AS x WHERE x.k <= x.v + 1",
        "",
    ),
    // What can fail stays behind the condition before it.
    ("SELECT k FROM t WHERE b <> 0 AND v / b > 4", "2|2"),
    ("SELECT k FROM t WHERE b = 0 OR v / b = 5", "1|2|2"),
    ("SELECT CASE WHEN b = 0 THEN FALSE ELSE v / b > 4 END FROM t WHERE b IS NOT NULL", "FALSE|TRUE|TRUE"),
    ("SELECT IF(b = 0, -1, v / b) FROM t", "-1|5|5|NULL"),
    ("SELECT COALESCE(TRY_CAST(s AS INT), -1) FROM t", "-1|-1|1|2"),
    ("SELECT k FROM t WHERE s <> 'x' AND CAST(s AS INT) = 2", "2"),
    ("SELECT k FROM t WHERE COALESCE(k, 1) IN (NULLIF(k, 3), 7)", "1|2|2"),
    ("SELECT k, COALESCE(v, 1) NOT IN (CASE WHEN k > 1 THEN v END, 7, k) FROM t", "1,NULL|2,FALSE|2,FALSE|3,NULL"),
    // Text and numbers, days and timestamps.
    ("SELECT k FROM t WHERE s <> 'x' AND s = k", "1|2"),
    ("SELECT k FROM t WHERE v = '20'", "2"),
    ("SELECT k FROM t WHERE v IN ('10', 25)", "1|2"),
    ("SELECT k FROM t WHERE ts >= '2024-01-02' AND ts < DATE '2024-02-01'", "2"),
    ("SELECT k FROM t WHERE ts >= '2024-01-02 00:00:00' AND ts < DATE '2024-02-01'", "2"),
    ("SELECT k FROM t WHERE ts BETWEEN TIMESTAMP '2024-01-01 00:00:00' AND '2024-01-02 00:00:00'", "1|2"),
    ("SELECT k FROM t WHERE d = 1.5", "1"),
    ("SELECT k FROM t WHERE d > 2", "2"),
    ("SELECT k FROM t WHERE f > 1.5", "2"),
    ("SELECT d * v, d / 4, d + k FROM t WHERE k = 1", "15.00,0.3750000000000,2.50"),
    ("SELECT v % 7, v / 3, -v FROM t WHERE k = 2", "4,8,-25|6,6,-20"),
    (
        "SELECT ts + INTERVAL '1' DAY, ts - INTERVAL '1' SECOND FROM t WHERE k = 1",
        "2024-01-02 00:00:00.000,2023-12-31 23:59:59.000",
    ),
    // Parts that must agree.
    ("SELECT k FROM t WHERE k = 1 UNION ALL SELECT v FROM t WHERE k = 1 UNION ALL SELECT 2.5", "1.0|10.0|2.5"),
    ("SELECT k FROM t UNION SELECT CAST(v AS INT) FROM t WHERE v IS NOT NULL", "10|1|20|25|2|3"),
    ("SELECT * FROM (VALUES (1, 'a'), (2.5, NULL)) AS v(x, y)", "1.0,a|2.5,NULL"),
    ("SELECT x + 1 FROM (VALUES (1), (CAST(3 AS BIGINT))) AS v(x)", "2|4"),
    ("SELECT a.k FROM t a JOIN (SELECT CAST(k AS BIGINT) AS j FROM t) b ON a.k = b.j", "1|2|2|2|2|3"),
    ("SELECT a.k, w.y FROM t a JOIN (VALUES ('1', 'one'), ('3', 'three')) AS w(x, y) ON a.k = w.x", "1,one|3,three"),
    // Sub-queries.
    ("SELECT k FROM t WHERE v IN (SELECT MAX(v) FROM t)", "2"),
    ("SELECT k FROM t WHERE k IN (SELECT CAST(COUNT(*) AS BIGINT) - 2 FROM t)", "2|2"),
    ("SELECT k FROM t WHERE k NOT IN (SELECT 2)", "1|3"),
    ("SELECT k FROM t a WHERE k IN (SELECT v / 10 FROM t b WHERE b.v / 10 = a.k)", "1|2|2"),
    ("SELECT k FROM t a WHERE v / 10 IN (SELECT b.k FROM t b WHERE b.k = a.v / 10)", "1|2|2"),
    ("SELECT k FROM t a WHERE EXISTS (SELECT 1 FROM t b WHERE b.v > a.v)", "1|2"),
    ("SELECT k FROM t WHERE v > (SELECT AVG(v) FROM t)", "2|2"),
    (
        "SELECT a.k FROM t a WHERE EXISTS (SELECT 1 FROM (SELECT v, CAST(d AS STRING) AS k FROM t) a WHERE a.v = 10
         AND EXISTS (SELECT 1 FROM t c WHERE CAST(c.d AS STRING) = a.k))",
        "1|2|2|3",
    ),
    (
        "SELECT a.k FROM t a WHERE a.k NOT IN (SELECT a.b FROM (SELECT v AS b, d AS k FROM t WHERE v IS NOT NULL) a
         WHERE EXISTS (SELECT 1 FROM t c WHERE c.d = a.k))",
        "1|2|2|3",
    ),
    ("SELECT x FROM (SELECT k, 1 AS x FROM t) o WHERE EXISTS (SELECT 1 FROM t i WHERE i.v / 10 = o.x)", "1|1|1|1"),
    // The first rows for each row of the query around.
    (
        "SELECT a.k, x.v FROM (SELECT DISTINCT k FROM t) a, LATERAL (SELECT v FROM t WHERE k = a.k ORDER BY v DESC LIMIT 1) x",
        "1,10|2,25|3,NULL",
    ),
    (
        "SELECT a.k, x.v FROM (SELECT DISTINCT k FROM t) a LEFT JOIN LATERAL
         (SELECT b.v FROM t b WHERE b.k = a.k AND b.v > 10 ORDER BY b.d LIMIT 1 OFFSET 1) x ON TRUE",
        "1,NULL|2,20|3,NULL",
    ),
    ("SELECT k FROM t a WHERE EXISTS (SELECT 1 FROM t b WHERE b.k = a.k LIMIT 1 OFFSET 1)", "2|2"),
    ("SELECT k FROM t a WHERE EXISTS (SELECT 1 FROM t b WHERE b.k = a.k ORDER BY v)", "1|2|2|3"),
    ("SELECT k FROM t a WHERE NOT EXISTS (SELECT 1 FROM t b WHERE b.k = a.k LIMIT 0)", "1|2|2|3"),
    ("SELECT v FROM t a WHERE v NOT IN (SELECT v FROM t b WHERE b.k = a.k ORDER BY v DESC LIMIT 1)", "20"),
    (
        "SELECT k, (SELECT b.v FROM t b WHERE b.k = a.k ORDER BY b.v LIMIT 1) FROM (SELECT DISTINCT k FROM t) a",
        "1,10|2,20|3,NULL",
    ),
    (
        "SELECT k, (SELECT MAX(b.v) FROM t b WHERE b.k = a.k LIMIT 1) FROM (SELECT DISTINCT k FROM t) a",
        "1,10|2,25|3,NULL",
    ),
    (
        "SELECT x.k, y.v FROM (SELECT DISTINCT k FROM t) x JOIN LATERAL (SELECT MAX(v) AS v FROM t WHERE k = x.k) AS l ON TRUE
         LEFT JOIN LATERAL (SELECT v FROM t WHERE v < l.v) AS y ON TRUE",
        "1,NULL|2,10|2,20|3,NULL",
    ),
    // Rows in IN, and sub-queries in ON, that name columns of the query around.
    ("SELECT k, v FROM t a WHERE (k, v) IN (SELECT k, MAX(v) FROM t b WHERE b.d <= a.d GROUP BY k)", "1,10|2,25"),
    ("SELECT a.v FROM t a JOIN t b ON a.v = b.v AND EXISTS (SELECT 1 FROM t c WHERE c.v > a.v)", "10|20"),
    // What DataFusion has no type for.
    ("SELECT CAST(s AS INT) + 1, ts + INTERVAL '1' DAY * k FROM t WHERE k = 1", "2,2024-01-02 00:00:00.000"),
    ("SELECT k FROM t WHERE (k = 1) = 1", "1"),
    // Names behind an alias.
    ("SELECT c0 FROM (SELECT COUNT(*) FROM t) AS t (c0)", "4"),
    ("SELECT x + 1 FROM (SELECT k AS Abc FROM t WHERE k = 1) AS t (x)", "2"),
    ("SELECT A, `b.c` FROM t AS u (A, `b.c`, c, d, e, f, g, h) WHERE A = 1", "1,10"),
    ("SELECT x, y FROM (SELECT k, MAX(v) FROM t GROUP BY k) AS t (x, y) WHERE y > 10", "2,25"),
    ("WITH w (n, M) AS (SELECT COUNT(*), MAX(k) AS Most FROM t) SELECT M, n FROM w", "3,4"),
    ("SELECT * FROM (SELECT a.k, b.k FROM t a JOIN t b ON a.k = b.k WHERE a.k = 1) AS j (x, Y)", "1,1"),
    ("SELECT 1.5E0, 1e3, -2.5E-1", "1.5,1000.0,-0.25"),
    // Choices.
    ("SELECT CASE WHEN k = 1 THEN k WHEN k = 2 THEN v ELSE d END FROM t", "1.00|20.00|25.00|NULL"),
    ("SELECT GREATEST(k, v), CONCAT(s, '!'), NULLIF(k, 2) FROM t WHERE k < 3", "10,1!,1|20,2!,NULL|25,x!,NULL"),
    ("SELECT s LIKE '_', s || k FROM t WHERE k = 1", "TRUE,11"),
];

#[test]
fn queries_give_what_flink_gives() {
    let session = session("rewrite");
    let mut wrong = Vec::new();
    for (sql, expected) in QUERIES {
        let got = match session.compare(sql) {
            Ok(rows) => rows.join("|"),
            Err(difference) if *expected == "ERROR" && !difference.starts_with("in epochs") => "ERROR".to_string(),
            Err(difference) => difference,
        };
        let sorted = |text: &str| {
            let mut rows: Vec<String> = text.split('|').map(str::to_string).collect();
            rows.sort();
            rows
        };
        if sorted(&got) != sorted(expected) {
            wrong.push(format!("{sql}\n  expected {expected}\n  got      {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), QUERIES.len(), wrong.join("\n"));
}

#[test]
fn columns_have_the_types_of_flink() {
    let session = session("rewrite_types");
    for (sql, types) in [
        ("SELECT COUNT(*), SUM(k), SUM(v), SUM(d), SUM(f) FROM t", "BIGINT, INT, BIGINT, DECIMAL(38, 2), DOUBLE"),
        ("SELECT AVG(k), AVG(d), AVG(tiny), AVG(f) FROM t", "INT, DECIMAL(38, 6), TINYINT, DOUBLE"),
        ("SELECT COUNT(*) + 1, MAX(ts), MIN(s) FROM t", "BIGINT, TIMESTAMP(3), STRING"),
        ("SELECT ROW_NUMBER() OVER (PARTITION BY k ORDER BY v), RANK() OVER (ORDER BY v) FROM t", "BIGINT, BIGINT"),
        ("SELECT 1, 1.5, 'a', TRUE, NULL", "INT, DECIMAL(2, 1), STRING, BOOLEAN, NULL"),
        ("SELECT k + v, k / 2, v % k, d * d, d / k FROM t", "BIGINT, INT, INT, DECIMAL(21, 4), DECIMAL(21, 13)"),
        ("SELECT k FROM t UNION ALL SELECT d FROM t", "DECIMAL(12, 2)"),
        ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y)", "INT, STRING"),
        ("VALUES (1), (CAST(NULL AS INT))", "INT"),
        ("SELECT a FROM (VALUES (NULL), (-1), (CAST(NULL AS INT))) AS v(a)", "INT"),
        ("VALUES (1), (CAST(3 AS BIGINT))", "BIGINT"),
        ("VALUES (1, 5000000000), (2.5, 1)", "DECIMAL(11, 1), BIGINT"),
        (
            "SELECT 1.5E0, 1e3, -2.5e-1, 1.5 FROM (VALUES (1E0), (2)) AS v(a) WHERE a > 5E-1",
            "DOUBLE, DOUBLE, DOUBLE, DECIMAL(2, 1)",
        ),
        ("SELECT COLLECT(k) FROM t", "function \"COLLECT\" is not there yet"),
        ("SELECT APPROX_COUNT_DISTINCT(k) FROM t", "function \"APPROX_COUNT_DISTINCT\" is not there yet"),
        ("SELECT PERCENTILE(k, 0.5) FROM t", "function \"PERCENTILE\" is not there yet"),
        (
            "SELECT RAND_INTEGER(3) IN (k, 1) FROM t",
            "a value that is never the same twice is not there yet in front of IN with more than constants",
        ),
        ("SELECT SUM(s) FROM t", "function \"SUM\" does not take STRING"),
        ("SELECT -k, INTERVAL '1' DAY * k FROM t", "INT, INTERVAL DAY TO SECOND(3)"),
        ("SELECT s + 1 FROM t", "STRING + INT has no meaning"),
        ("SELECT ts + 1 FROM t", "TIMESTAMP(3) + INT has no meaning"),
        ("SELECT ts - ts FROM t", "TIMESTAMP(3) - TIMESTAMP(3) has no meaning"),
        ("SELECT k AND TRUE FROM t", "a condition must be BOOLEAN, but is INT"),
    ] {
        let got = match session.planner().query_schema(&query(sql).unwrap()) {
            Ok(fields) => fields.iter().map(|f| f.sql_type.to_string()).collect::<Vec<_>>().join(", "),
            Err(e) => e.text().to_string(),
        };
        assert_eq!(got, types, "{sql}");
    }
}
