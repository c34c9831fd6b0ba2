//! Errors of the planner name the word that they are about.

use crate::testing::Session;

fn tables() -> Session {
    let mut session = Session::new("places");
    session.run(
        "CREATE TABLE t (id INT, name STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'rows', 'data' = '$S.t');
         CREATE TEMPORARY VIEW v AS SELECT id, name FROM t",
    );
    session
}

#[test]
fn an_error_names_its_word() {
    let session = tables();
    for (sql, code, word) in [
        ("SELECT id, nothing FROM t", "column.unknown", "nothing"),
        ("SELECT id FROM t\nWHERE 'ü' = name AND x.idd > 1", "column.unknown", "x.idd"),
        ("SELECT n FROM (\n  SELECT id, nme AS n FROM t\n) AS s", "column.unknown", "nme"),
        ("SELECT id FROM v WHERE ids = 1", "column.unknown", "ids"),
        ("SELECT * FROM t JOIN tt ON TRUE", "table.unknown", "tt"),
        ("SELECT UPPR(name) FROM t", "function.unknown", "UPPR"),
        ("SELECT id, name, COUNT(*) FROM t GROUP BY id", "group_by.column", "name"),
        ("SELECT name FROM t AS a JOIN t AS b ON a.id = b.id", "column.ambiguous", "name"),
        ("SELECT id FROM t WHERE ts > id", "operator.types", "ts > id"),
        ("SELECT 1 FROM t AS a JOIN t AS b ON a.ts = b.id", "operator.types", "a.ts = b.id"),
        ("SELECT 1 FROM TABLE(TUMBEL(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY))", "function.unknown", "TUMBEL"),
        ("SELECT 1 FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(tss), INTERVAL '1' DAY))", "column.unknown", "tss"),
        ("SELECT 1 FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '3' DAY, INTERVAL '4' DAY))", "window.size", "HOP"),
        ("SELECT t.id FROM t JOIN v FOR SYSTEM_TIME AS OF t.ts ON t.id = v.id", "join.temporal", "t.ts"),
    ] {
        let error = session.stream(sql, 10).err().unwrap_or_else(|| panic!("{sql} is not refused"));
        assert_eq!(error.code(), code, "{sql}: {error:?}");
        let span = error.span_of().unwrap_or_else(|| panic!("{sql}: {error:?} has no place"));
        assert_eq!(&sql[span.start..span.end], word, "{sql}: {error:?}");
    }
}

#[test]
fn a_place_in_another_text_is_not_shown() {
    let mut session = tables();
    session.run("CREATE TEMPORARY VIEW broken AS SELECT gone FROM t");
    let sql = "SELECT 1, 2, 3, 4 FROM broken";
    let error = session.stream(sql, 10).unwrap_err();
    let span = error.span_of().unwrap();
    assert_eq!(&sql[span.start..span.end], "broken", "{error:?}");
}
